#include "gui/model/heatmap_model.hpp"

#include <algorithm>
#include <cmath>

namespace shadowtune::gui {

void HeatmapModel::show(HeatmapPtr data, Accesses accesses, std::optional<RateSpan> span) {
    beginResetModel();
    m_data = std::move(data);
    m_accesses = accesses;
    m_span = span;
    paint_image();
    endResetModel();
}

void HeatmapModel::set_appearance(Palette palette, bool dark) {
    beginResetModel();
    m_palette = palette;
    m_dark = dark;
    paint_image();
    endResetModel();
}

void HeatmapModel::set_profile(const vmcs::ShadowSets& sets) {
    if (sets == m_profile) return;
    m_profile = sets;
    if (rowCount() > 0) emit headerDataChanged(Qt::Vertical, 0, rowCount() - 1);
}

double HeatmapModel::rate(int row, int column) const {
    return m_data->matrix.at(field(row), static_cast<std::size_t>(column)).of(m_accesses);
}

void HeatmapModel::paint_image() {
    m_image = QImage{};
    if (!m_data) return;
    const RateSpan span{m_span.value_or(rate_span(m_data->matrix, m_accesses))};
    m_scale = ColorScale{m_palette, m_dark, span.least, span.most};
    if (rowCount() == 0 || columnCount() == 0) return;
    m_image = QImage{columnCount(), rowCount(), QImage::Format_ARGB32_Premultiplied};
    for (int row{0}; row < rowCount(); ++row) {
        for (int column{0}; column < columnCount(); ++column)
            m_image.setPixelColor(column, row, color(rate(row, column)));
    }
}

// A difference of one access per round trip is the most that is told apart: that is a field's use.
QColor HeatmapModel::color(double rate) const {
    if (!m_data->matrix.differences) return m_scale.color(rate);
    constexpr double least{1e-3};
    if (std::abs(rate) < least) return QColor{Qt::transparent};
    const double place{std::clamp(1 - std::log10(std::abs(rate)) / std::log10(least), 0.15, 1.0)};
    return difference_color(rate < 0 ? -place : place, m_dark);
}

vmcs::FieldIndex HeatmapModel::field(int row) const {
    return m_data->rows[static_cast<std::size_t>(row)];
}

int HeatmapModel::row_of(vmcs::FieldIndex field) const {
    if (!m_data) return -1;
    const auto found{std::ranges::find(m_data->rows, field)};
    return found == m_data->rows.end() ? -1 : static_cast<int>(found - m_data->rows.begin());
}

int HeatmapModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() || !m_data ? 0 : static_cast<int>(m_data->rows.size());
}

int HeatmapModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() || !m_data ? 0 : static_cast<int>(m_data->matrix.columns.size());
}

QVariant HeatmapModel::data(const QModelIndex& index, int role) const {
    if (!m_data || !index.isValid()) return {};
    const vmcs::FieldIndex of{field(index.row())};
    const auto column{static_cast<std::size_t>(index.column())};
    switch (role) {
    case Qt::DisplayRole: return rate_text(rate(index.row(), index.column()));
    case Qt::ToolTipRole: return cell_tooltip(*m_data, of, column, m_profile);
    case Qt::AccessibleTextRole: return cell_words(*m_data, of, column, m_accesses);
    case Qt::BackgroundRole: return color(rate(index.row(), index.column()));
    case rate_role: return rate(index.row(), index.column());
    case field_role: return int{of};
    default: return {};
    }
}

QVariant HeatmapModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (!m_data || section < 0) return {};
    if (orientation == Qt::Horizontal) {
        if (section >= columnCount()) return {};
        const HeatmapColumn& column{m_data->matrix.columns[static_cast<std::size_t>(section)]};
        if (role == Qt::DisplayRole || role == Qt::AccessibleTextRole)
            return QString::fromStdString(column.title);
        if (role == Qt::ToolTipRole) {
            return QString{"<b>%1</b><br>%2<br>%3 round trips"}.arg(
                QString::fromStdString(column.title).toHtmlEscaped(),
                QString::fromStdString(column.detail).toHtmlEscaped(), grouped(column.round_trips));
        }
        return {};
    }
    if (section >= rowCount()) return {};
    const vmcs::FieldIndex of{field(section)};
    switch (role) {
    case Qt::DisplayRole:
    case Qt::AccessibleTextRole: return QString::fromUtf8(vmcs::catalogue[of].symbol.data());
    case Qt::ToolTipRole: return field_tooltip(of, m_data->recording->machine.offered_fields);
    case field_role: return int{of};
    case group_role: return QString::fromStdString(group_name(of));
    default: return {};
    }
}

QString HeatmapModel::as_csv() const {
    QString text{"field,encoding"};
    for (int column{0}; column < columnCount(); ++column) {
        QString title{headerData(column, Qt::Horizontal).toString()};
        text += ",\"" + title.replace('"', "\"\"") + '"';
    }
    text += '\n';
    for (int row{0}; row < rowCount(); ++row) {
        const vmcs::FieldInfo& info{vmcs::catalogue[field(row)]};
        text += QString{"%1,%2"}.arg(info.symbol.data(), encoding_text(info.encoding));
        for (int column{0}; column < columnCount(); ++column)
            text += QString{",%1"}.arg(rate(row, column), 0, 'f', 6);
        text += '\n';
    }
    return text;
}

} // namespace shadowtune::gui

#include "gui/model/comparison.hpp"

#include <QFont>
#include <algorithm>

namespace shadowtune::gui {

namespace {

// The matrix with exactly these columns; rates of reasons that it lacks are 0.
[[nodiscard]] HeatmapMatrix with_columns(const HeatmapMatrix& matrix,
                                         const std::vector<HeatmapColumn>& columns) {
    HeatmapMatrix wide{matrix.axis, columns, {}, matrix.complete, false};
    wide.cells.resize(vmcs::field_count * columns.size());
    for (std::size_t to{0}; to < columns.size(); ++to) {
        const auto found{std::ranges::find(matrix.columns, columns[to].reason, &HeatmapColumn::reason)};
        wide.columns[to].round_trips = found == matrix.columns.end() ? 0 : found->round_trips;
        if (found == matrix.columns.end()) continue;
        const auto from{static_cast<std::size_t>(found - matrix.columns.begin())};
        for (vmcs::FieldIndex field{0}; field < vmcs::field_count; ++field)
            wide.at(field, to) = matrix.at(field, from);
    }
    return wide;
}

} // namespace

ComparedMaps compared_maps(const RecordingPtr& first, const RecordingPtr& second) {
    const HeatmapMatrix a{matrix_by_reason(*first, {})};
    const HeatmapMatrix b{matrix_by_reason(*second, {})};
    std::vector<HeatmapColumn> columns{a.columns};
    for (const HeatmapColumn& column : b.columns) {
        if (std::ranges::find(columns, column.reason, &HeatmapColumn::reason) == columns.end())
            columns.push_back(column);
    }
    HeatmapData maps[3]{{first, with_columns(a, columns), {}},
                        {second, with_columns(b, columns), {}},
                        {second, with_columns(b, columns), {}}};
    HeatmapMatrix& difference{maps[2].matrix};
    difference.differences = true;
    for (std::size_t i{0}; i < difference.cells.size(); ++i) {
        difference.cells[i].reads -= maps[0].matrix.cells[i].reads;
        difference.cells[i].writes -= maps[0].matrix.cells[i].writes;
    }
    std::vector<vmcs::FieldIndex> rows{arrange_rows(maps[0].matrix, {}, {})};
    for (const vmcs::FieldIndex field : arrange_rows(maps[1].matrix, {}, {})) {
        if (std::ranges::find(rows, field) == rows.end()) rows.push_back(field);
    }
    std::ranges::stable_sort(rows, {}, [](vmcs::FieldIndex field) {
        return std::tuple{vmcs::catalogue[field].type, vmcs::catalogue[field].width, field};
    });
    for (HeatmapData& map : maps)
        map.rows = rows;
    return {std::make_shared<const HeatmapData>(std::move(maps[0])),
            std::make_shared<const HeatmapData>(std::move(maps[1])),
            std::make_shared<const HeatmapData>(std::move(maps[2]))};
}

QString why_no_test(const RecordingData& first, const RecordingData& second) {
    for (const RecordingData* const recording : {&first, &second}) {
        const auto title{QString::fromStdString(recording->title())};
        if (recording->totals.counters.round_trips == 0)
            return title + " has no round trip; nothing is tested.";
        if (!recording->totals.all_trap)
            return title + " was not in mode trap throughout: what differs is shown, but not tested.";
    }
    return {};
}

void DifferenceModel::show(std::vector<tuner::RateDifference> differences) {
    beginResetModel();
    m_differences = std::move(differences);
    endResetModel();
}

std::size_t DifferenceModel::significant() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(m_differences, &tuner::RateDifference::significant));
}

int DifferenceModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_differences.size());
}

int DifferenceModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : column_count;
}

QVariant DifferenceModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const tuner::RateDifference& row{m_differences[static_cast<std::size_t>(index.row())]};
    if (role == Qt::TextAlignmentRole)
        return index.column() <= access_column ? QVariant{}
                                               : QVariant{int{Qt::AlignRight | Qt::AlignVCenter}};
    if (role == Qt::FontRole) {
        QFont font{};
        font.setBold(row.significant);
        return font;
    }
    if (role == Qt::ToolTipRole) {
        return row.significant ? "Differs by more than chance" : "Chance alone may make such a difference";
    }
    if (role != Qt::DisplayRole) return {};
    const double difference{row.second - row.first};
    switch (index.column()) {
    case field_column: return QString::fromUtf8(vmcs::catalogue[row.field].symbol.data());
    case access_column: return QString::fromUtf8(db::text(row.access).data());
    case first_column: return rate_text(row.first);
    case second_column: return rate_text(row.second);
    case difference_column: return (difference > 0 ? "+" : "") + rate_text(difference);
    case p_column: {
        // Below that it is the arithmetic's last digits, and 0 is never true.
        constexpr double least{1e-15};
        return (row.significant ? "* " : "") +
               (row.p < least ? QString{"< 1e-15"} : QString::number(row.p, 'g', 2));
    }
    default: return {};
    }
}

QVariant DifferenceModel::headerData(int section, Qt::Orientation orientation, int role) const {
    constexpr const char* titles[column_count]{"Field", "Access", "First", "Second", "Difference", "p"};
    if (orientation != Qt::Horizontal || section < 0 || section >= column_count) return {};
    if (role == Qt::DisplayRole) return titles[section];
    if (role == Qt::ToolTipRole && section == p_column)
        return "The probability that chance alone makes such a difference in any of the rates; * below 0.01";
    return {};
}

} // namespace shadowtune::gui

#include "gui/model/field_tree.hpp"

#include "gui/model/heatmap_model.hpp"

#include <QColor>
#include <algorithm>

namespace shadowtune::gui {

namespace {

// What an index carries: the group it is in, from 1; 0 for groups themselves.
constexpr quintptr is_group{0};

} // namespace

FieldTree::FieldTree(ProfileDocument& document, QObject* parent)
    : QAbstractItemModel{parent}, m_document{document} {
    rebuild();
    connect(&document, &ProfileDocument::changed, this, [this] { refresh(); });
}

void FieldTree::rebuild() {
    beginResetModel();
    m_offered = m_document.target().offered;
    m_groups.clear();
    std::vector<vmcs::FieldIndex> fields{};
    m_offered.for_each([&](vmcs::FieldIndex field) { fields.push_back(field); });
    std::ranges::stable_sort(fields, {}, [](vmcs::FieldIndex field) {
        return std::pair{vmcs::catalogue[field].type, vmcs::catalogue[field].width};
    });
    for (const vmcs::FieldIndex field : fields) {
        const std::string name{group_name(field)};
        if (m_groups.empty() || m_groups.back().name != name) m_groups.push_back({name, {}});
        m_groups.back().fields.push_back(field);
    }
    endResetModel();
}

void FieldTree::refresh() {
    if (m_document.target().offered != m_offered) rebuild();
    if (m_document.recording() != m_recording) {
        m_recording = m_document.recording();
        m_evidence = {};
        if (m_recording)
            m_evidence = tuner::evidence_of(m_recording->totals,
                                            m_recording->is_sampled() ? m_recording->unseen()
                                                                      : m_recording->in_force(),
                                            tuner::usual_confidence);
    }
    for (int row{0}; row < rowCount(); ++row) {
        const QModelIndex group{index(row, 0)};
        emit dataChanged(group, index(row, column_count - 1));
        if (rowCount(group) > 0)
            emit dataChanged(index(0, 0, group), index(rowCount(group) - 1, column_count - 1, group));
    }
}

bool FieldTree::is_cold(vmcs::FieldIndex field) const {
    return m_recording && m_evidence.reads[field].estimate == 0 && m_evidence.writes[field].estimate == 0 &&
           !m_document.sets().hot_set().test(field);
}

QModelIndex FieldTree::index_of(vmcs::FieldIndex field, int column) const {
    for (std::size_t i{0}; i < m_groups.size(); ++i) {
        const auto found{std::ranges::find(m_groups[i].fields, field)};
        if (found == m_groups[i].fields.end()) continue;
        return index(static_cast<int>(found - m_groups[i].fields.begin()), column,
                     index(static_cast<int>(i), 0));
    }
    return {};
}

QModelIndex FieldTree::index(int row, int column, const QModelIndex& parent) const {
    if (!hasIndex(row, column, parent)) return {};
    return createIndex(row, column, parent.isValid() ? static_cast<quintptr>(parent.row()) + 1 : is_group);
}

QModelIndex FieldTree::parent(const QModelIndex& child) const {
    if (!child.isValid() || child.internalId() == is_group) return {};
    return createIndex(static_cast<int>(child.internalId() - 1), 0, is_group);
}

int FieldTree::rowCount(const QModelIndex& parent) const {
    if (!parent.isValid()) return static_cast<int>(m_groups.size());
    if (parent.internalId() != is_group || parent.column() != 0) return 0;
    return static_cast<int>(m_groups[static_cast<std::size_t>(parent.row())].fields.size());
}

int FieldTree::columnCount(const QModelIndex& /*parent*/) const {
    return column_count;
}

bool FieldTree::may_check(vmcs::FieldIndex field, int column) const {
    const vmcs::ShadowSets allowed{vmcs::everything_allowed(m_document.target())};
    const vmcs::ShadowSets& sets{m_document.sets()};
    // What is checked against the rules can at least be unchecked.
    return column == read_column ? allowed.read.test(field) || sets.read.test(field)
                                 : allowed.write.test(field) || sets.write.test(field);
}

QVariant FieldTree::group_data(const Group& group, int column, int role) const {
    const auto in{[&](const vmcs::FieldSet& set) {
        return std::ranges::count_if(group.fields, [&](vmcs::FieldIndex field) { return set.test(field); });
    }};
    if (role == sort_role) return QString::fromStdString(group.name);
    if (role == Qt::TextAlignmentRole && column != field_column)
        return int{Qt::AlignHCenter | Qt::AlignVCenter};
    if (role != Qt::DisplayRole) return {};
    switch (column) {
    case field_column: return QString::fromStdString(group.name);
    case read_column: return QString::number(in(m_document.sets().read));
    case write_column: return QString::number(in(m_document.sets().write));
    default: return {};
    }
}

QVariant FieldTree::field_data(vmcs::FieldIndex field, int column, int role) const {
    const vmcs::ShadowSets& sets{m_document.sets()};
    const bool is_check{column == read_column || column == write_column};
    const tuner::FieldGain gain{m_document.gain(field)};
    const tuner::RateInterval& rate{(column == writes_column ? m_evidence.writes : m_evidence.reads)[field]};
    const bool is_rate{column == reads_column || column == writes_column};
    const double figure{is_rate ? rate.estimate : gain.read + std::max(gain.write, 0.0)};
    switch (role) {
    case field_role: return int{field};
    case sort_role: return column == field_column ? QVariant{int{field}} : QVariant{figure};
    case Qt::DisplayRole:
        if (column == field_column) return QString::fromUtf8(vmcs::catalogue[field].symbol.data());
        if (is_check) return {};
        if (column == gain_column)
            return m_document.can_predict() ? QString::number(figure, 'f', 0) : QString{};
        return figure == 0 ? QString{} : rate_text(figure);
    case Qt::CheckStateRole:
        if (!is_check) return {};
        return (column == read_column ? sets.read : sets.write).test(field) ? Qt::Checked : Qt::Unchecked;
    case Qt::ToolTipRole: {
        const bool is_estimate{is_rate && m_recording && m_recording->is_sampled() && rate.low < rate.high};
        const QString interval{is_estimate ? "<br>" + interval_text(rate) : QString{}};
        return field_tooltip(field, m_document.target().offered) + interval;
    }
    case Qt::AccessibleTextRole:
        if (is_check) {
            return QString{"shadow %1 of %2"}.arg(column == read_column ? "reads" : "writes",
                                                  vmcs::catalogue[field].symbol.data());
        }
        return field_data(field, column, Qt::DisplayRole);
    case Qt::TextAlignmentRole:
        return is_check                 ? int{Qt::AlignHCenter | Qt::AlignVCenter}
               : column == field_column ? int{Qt::AlignLeft | Qt::AlignVCenter}
                                        : int{Qt::AlignRight | Qt::AlignVCenter};
    case Qt::ForegroundRole:
        if (field == m_document.problem_field()) return QColor{0xDE, 0x4B, 0x3B};
        return {};
    default: return {};
    }
}

QVariant FieldTree::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    if (index.internalId() == is_group)
        return group_data(m_groups[static_cast<std::size_t>(index.row())], index.column(), role);
    const Group& group{m_groups[index.internalId() - 1]};
    return field_data(group.fields[static_cast<std::size_t>(index.row())], index.column(), role);
}

bool FieldTree::setData(const QModelIndex& index, const QVariant& value, int role) {
    if (!index.isValid() || role != Qt::CheckStateRole || index.internalId() == is_group) return false;
    if (index.column() != read_column && index.column() != write_column) return false;
    const auto field{static_cast<vmcs::FieldIndex>(index.data(field_role).toInt())};
    const bool writes{index.column() == write_column};
    const bool is_in{(writes ? m_document.sets().write : m_document.sets().read).test(field)};
    if (is_in != (value.toInt() == Qt::Checked)) m_document.toggle(field, writes);
    return true;
}

Qt::ItemFlags FieldTree::flags(const QModelIndex& index) const {
    if (!index.isValid()) return Qt::NoItemFlags;
    Qt::ItemFlags flags{Qt::ItemIsEnabled | Qt::ItemIsSelectable};
    if (index.internalId() == is_group) return flags;
    flags |= Qt::ItemNeverHasChildren;
    const int column{index.column()};
    if (column != read_column && column != write_column) return flags;
    const auto field{static_cast<vmcs::FieldIndex>(index.data(field_role).toInt())};
    flags |= Qt::ItemIsUserCheckable;
    if (!may_check(field, column)) flags &= ~Qt::ItemIsEnabled;
    return flags;
}

QVariant FieldTree::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || section < 0 || section >= column_count) return {};
    constexpr const char* titles[column_count]{"Field", "R", "W", "Reads", "Writes", "Gain"};
    if (role == Qt::DisplayRole) return titles[section];
    if (role != Qt::ToolTipRole) return {};
    switch (section) {
    case read_column: return "Reads are shadowed";
    case write_column: return "Writes are shadowed (and reads)";
    case reads_column: return "Reads per round trip, as far as they were counted";
    case writes_column: return "Writes per round trip, as far as they were counted";
    case gain_column:
        return QString{"What shadowing the field saves, per round trip, in %1"}.arg(
            m_document.cost_unit().c_str());
    default: return {};
    }
}

} // namespace shadowtune::gui

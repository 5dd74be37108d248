#include "gui/model/recordings_model.hpp"

#include <QDateTime>
#include <algorithm>
#include <filesystem>

namespace shadowtune::gui {

void RecordingsModel::remove_file(const std::string& file) {
    const auto of_file{[&](const Row& row) { return row.file == file; }};
    const auto first{std::ranges::find_if(m_rows, of_file)};
    if (first == m_rows.end()) return;
    const auto last{std::ranges::find_if_not(first, m_rows.end(), of_file)};
    beginRemoveRows({}, static_cast<int>(first - m_rows.begin()),
                    static_cast<int>(last - m_rows.begin()) - 1);
    m_rows.erase(first, last);
    endRemoveRows();
}

void RecordingsModel::set_file(const FileContents& contents) {
    remove_file(contents.file);
    if (contents.recordings.empty()) return;
    const int at{rowCount()};
    beginInsertRows({}, at, at + static_cast<int>(contents.recordings.size()) - 1);
    for (const db::RecordingInfo& info : contents.recordings)
        m_rows.push_back({contents.file, info});
    endInsertRows();
}

void RecordingsModel::set_info(const RecordingKey& key, const db::RecordingInfo& info) {
    const int row{row_of(key)};
    if (row < 0) return;
    m_rows[static_cast<std::size_t>(row)].info = info;
    emit dataChanged(index(row, 0), index(row, column_count - 1));
}

RecordingKey RecordingsModel::key(int row) const {
    const Row& of{m_rows[static_cast<std::size_t>(row)]};
    return {of.file, of.info.id};
}

int RecordingsModel::row_of(const RecordingKey& key) const {
    const auto found{std::ranges::find_if(m_rows.rbegin(), m_rows.rend(), [&](const Row& row) {
        return row.file == key.file && (key.id == 0 || key.id == row.info.id);
    })};
    return static_cast<int>(m_rows.rend() - found) - 1;
}

std::vector<RecordingKey> RecordingsModel::keys() const {
    std::vector<RecordingKey> keys{};
    for (const Row& row : m_rows)
        keys.push_back({row.file, row.info.id});
    return keys;
}

int RecordingsModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

int RecordingsModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : column_count;
}

QVariant RecordingsModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const Row& row{m_rows[static_cast<std::size_t>(index.row())]};
    if (role == Qt::ToolTipRole) {
        const auto started{QDateTime::fromMSecsSinceEpoch(row.info.started_ms)};
        return QString{"<b>%1</b><br>%2<br>%3%4, %5 snapshots<br>%6:%7"}
            .arg(QString::fromStdString(row.info.labels.l1_name).toHtmlEscaped(),
                 QString::fromStdString(row.info.labels.workload).toHtmlEscaped(),
                 started.toString(Qt::ISODate), row.info.ended_ms ? "" : ", not finished")
            .arg(row.info.snapshots)
            .arg(QString::fromStdString(row.file).toHtmlEscaped())
            .arg(row.info.id);
    }
    if (role == Qt::TextAlignmentRole && index.column() == snapshots_column)
        return int{Qt::AlignRight | Qt::AlignVCenter};
    if (role != Qt::DisplayRole) return {};
    switch (index.column()) {
    case l1_column: return QString::fromStdString(short_name(row.info.labels));
    case workload_column: return QString::fromStdString(row.info.labels.workload);
    case snapshots_column: return row.info.snapshots;
    case file_column:
        return QString{"%1:%2"}
            .arg(QString::fromStdString(std::filesystem::path{row.file}.filename().string()))
            .arg(row.info.id);
    default: return {};
    }
}

QVariant RecordingsModel::headerData(int section, Qt::Orientation orientation, int role) const {
    constexpr const char* titles[column_count]{"L1", "Workload", "Snapshots", "File"};
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole || section < 0 || section >= column_count)
        return {};
    return titles[section];
}

} // namespace shadowtune::gui

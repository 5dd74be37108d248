#pragma once

// The recordings of all open files.

#include "gui/model/loader.hpp"

#include <QAbstractTableModel>

namespace shadowtune::gui {

class RecordingsModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column : int { l1_column, workload_column, snapshots_column, file_column, column_count };

    explicit RecordingsModel(QObject* parent = nullptr) : QAbstractTableModel{parent} {}

    // Of one that grows; nothing where it is not there.
    void set_info(const RecordingKey& key, const db::RecordingInfo& info);
    // Adds the file's recordings, or replaces those of before.
    void set_file(const FileContents& contents);
    void remove_file(const std::string& file);
    [[nodiscard]] RecordingKey key(int row) const;
    [[nodiscard]] const db::RecordingInfo& info(int row) const {
        return m_rows[static_cast<std::size_t>(row)].info;
    }
    // -1 where it is not there. Id 0: the newest of the file.
    [[nodiscard]] int row_of(const RecordingKey& key) const;
    [[nodiscard]] std::vector<RecordingKey> keys() const;

    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation,
                                      int role = Qt::DisplayRole) const override;

private:
    struct Row {
        std::string file;
        db::RecordingInfo info;
    };
    std::vector<Row> m_rows;
};

} // namespace shadowtune::gui

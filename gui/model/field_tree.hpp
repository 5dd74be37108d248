#pragma once

// All offered fields, grouped by area and width, with the profile's R and W to check.

#include "gui/model/profile_document.hpp"
#include "tuner/evidence.hpp"

#include <QAbstractItemModel>

namespace shadowtune::gui {

class FieldTree : public QAbstractItemModel {
    Q_OBJECT
public:
    enum Column : int {
        field_column,
        read_column,
        write_column,
        reads_column,
        writes_column,
        gain_column,
        column_count
    };
    enum Role : int { field_role = Qt::UserRole, sort_role };

    explicit FieldTree(ProfileDocument& document, QObject* parent = nullptr);

    // Neither accessed nor in the profile. Nothing is cold as long as there is no recording.
    [[nodiscard]] bool is_cold(vmcs::FieldIndex field) const;
    // Where the field is; invalid where the machine lacks it.
    [[nodiscard]] QModelIndex index_of(vmcs::FieldIndex field, int column = field_column) const;

    [[nodiscard]] QModelIndex index(int row, int column, const QModelIndex& parent = {}) const override;
    [[nodiscard]] QModelIndex parent(const QModelIndex& child) const override;
    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    bool setData(const QModelIndex& index, const QVariant& value, int role = Qt::EditRole) override;
    [[nodiscard]] Qt::ItemFlags flags(const QModelIndex& index) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation,
                                      int role = Qt::DisplayRole) const override;

private:
    struct Group {
        std::string name;
        std::vector<vmcs::FieldIndex> fields;
    };
    void rebuild();
    void refresh();
    [[nodiscard]] QVariant group_data(const Group& group, int column, int role) const;
    [[nodiscard]] QVariant field_data(vmcs::FieldIndex field, int column, int role) const;
    [[nodiscard]] bool may_check(vmcs::FieldIndex field, int column) const;

    ProfileDocument& m_document;
    RecordingPtr m_recording;
    std::vector<Group> m_groups;
    vmcs::FieldSet m_offered;
    tuner::Evidence m_evidence{};
};

} // namespace shadowtune::gui

#pragma once

// The heatmap as a table: fields against columns. The view paints its cells from `image`; everything else
// asks as of any table, screen readers too.

#include "gui/model/color_scale.hpp"
#include "gui/model/loader.hpp"

#include <QAbstractTableModel>
#include <QImage>

namespace shadowtune::gui {

class HeatmapModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Role : int { rate_role = Qt::UserRole, field_role, group_role };

    explicit HeatmapModel(QObject* parent = nullptr) : QAbstractTableModel{parent} {}

    // `span`: of the colours; none: of the rates that are shown.
    void show(HeatmapPtr data, Accesses accesses, std::optional<RateSpan> span = {});
    void set_appearance(Palette palette, bool dark);
    // The sets that tooltips and marks speak of.
    void set_profile(const vmcs::ShadowSets& sets);

    [[nodiscard]] const HeatmapPtr& data() const { return m_data; }
    [[nodiscard]] Accesses accesses() const { return m_accesses; }
    [[nodiscard]] const ColorScale& scale() const { return m_scale; }
    [[nodiscard]] const vmcs::ShadowSets& profile() const { return m_profile; }
    [[nodiscard]] vmcs::FieldIndex field(int row) const;
    // The row that shows this field, or -1.
    [[nodiscard]] int row_of(vmcs::FieldIndex field) const;
    // One pixel for each cell.
    [[nodiscard]] const QImage& image() const { return m_image; }
    // All rows and columns with a title line: rates per round trip.
    [[nodiscard]] QString as_csv() const;

    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation,
                                      int role = Qt::DisplayRole) const override;

private:
    [[nodiscard]] double rate(int row, int column) const;
    void paint_image();
    [[nodiscard]] QColor color(double rate) const;

    HeatmapPtr m_data;
    Accesses m_accesses{Accesses::both};
    Palette m_palette{Palette::viridis};
    bool m_dark{false};
    std::optional<RateSpan> m_span;
    ColorScale m_scale;
    vmcs::ShadowSets m_profile;
    QImage m_image;
};

// "1.02", "0.0004", "0": three digits that count.
[[nodiscard]] QString rate_text(double rate);
// "681EH".
[[nodiscard]] QString encoding_text(vmcs::Encoding encoding);
// 12,345.
[[nodiscard]] QString grouped(std::uint64_t number);

// "95 %: 0.9 to 1.1".
[[nodiscard]] QString interval_text(const tuner::RateInterval& interval);
// One cell in a line of plain text: for screen readers and the status bar.
[[nodiscard]] QString cell_words(const HeatmapData& data, vmcs::FieldIndex field, std::size_t column,
                                 Accesses accesses);
// What a tooltip says of one cell, as rich text.
[[nodiscard]] QString cell_tooltip(const HeatmapData& data, vmcs::FieldIndex field, std::size_t column,
                                   const vmcs::ShadowSets& profile);
// And of a field: name, encoding, what the catalogue, KVM and Xen do with it, and the SDM's place for it.
[[nodiscard]] QString field_tooltip(vmcs::FieldIndex field, const vmcs::FieldSet& offered);

} // namespace shadowtune::gui

#pragma once

// One bitmap page: sixteen stretches by width (down) and type (across), each encoding a cell.

#include "gui/model/bitmap_cells.hpp"

#include <QWidget>

namespace shadowtune::gui {

class BitmapView : public QWidget {
    Q_OBJECT
public:
    explicit BitmapView(const QString& title, QWidget* parent = nullptr);

    void show_sets(const vmcs::FieldSet& shown, const vmcs::FieldSet& other, const vmcs::FieldSet& offered);
    [[nodiscard]] QSize minimumSizeHint() const override { return {360, 300}; }
    // What the cell under the cursor of the keyboard is, for people.
    [[nodiscard]] QString words_of(const BitmapCell& cell) const;
    [[nodiscard]] const std::vector<BitmapCell>& cells() const { return m_cells; }

signals:
    void toggled(vmcs::FieldIndex field);
    void picked(const QString& words);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    bool event(QEvent* event) override;

private:
    [[nodiscard]] QRectF box_of(std::size_t index) const;
    [[nodiscard]] std::size_t cell_at(QPointF point) const; // cells().size(): none
    void paint_titles(QPainter& painter) const;
    void move_to(std::size_t index);

    QString m_title;
    std::vector<BitmapCell> m_cells;
    vmcs::FieldSet m_offered;
    std::size_t m_current{0};
};

} // namespace shadowtune::gui

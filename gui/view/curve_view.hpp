#pragma once

// Cost against size of the hot set: every compromise that no other one beats, and where the profile lies.

#include "gui/model/profile_document.hpp"

#include <QWidget>

namespace shadowtune::gui {

class CurveView : public QWidget {
    Q_OBJECT
public:
    explicit CurveView(ProfileDocument& document, QWidget* parent = nullptr);
    [[nodiscard]] QSize sizeHint() const override { return {260, 120}; }
    [[nodiscard]] QSize minimumSizeHint() const override { return {160, 100}; }

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;

private:
    [[nodiscard]] QRectF plot() const;
    [[nodiscard]] QPointF place(double fields, double cost) const;

    ProfileDocument& m_document;
};

} // namespace shadowtune::gui

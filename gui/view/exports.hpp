#pragma once

// Any view as a file for others.

#include "vmcs/result.hpp"

#include <QSize>
#include <QString>
#include <functional>
#include <string>

class QAbstractItemModel;
class QPainter;
class QWidget;

namespace shadowtune::gui {

struct ExportedView {
    QSize size;                           // of the picture
    double pixel_ratio{1};                // of .png
    std::function<void(QPainter&)> paint; // all of it
    std::function<QString()> csv;
};

// By the file's ending: .png, .svg or .csv; the file is there whole or not at all. Error: one line with the
// mend.
[[nodiscard]] Result<void, std::string> export_view(const ExportedView& view, const std::string& file);

// A widget as it is on the screen.
[[nodiscard]] ExportedView exported_widget(QWidget& widget, std::function<QString()> csv);

// Titles and all rows, those of trees too, quoted where they must be (RFC 4180); checks as 1 and 0.
[[nodiscard]] QString table_as_csv(const QAbstractItemModel& model);

} // namespace shadowtune::gui

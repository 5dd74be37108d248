#include "gui/view/exports.hpp"

#include "tuner/atomic_file.hpp"

#include <QAbstractItemModel>
#include <QBuffer>
#include <QImage>
#include <QPainter>
#include <QSvgGenerator>
#include <QWidget>

namespace shadowtune::gui {

namespace {

[[nodiscard]] QString csv_cell(QString text) {
    if (!text.contains(',') && !text.contains('"') && !text.contains('\n')) return text;
    return '"' + text.replace('"', "\"\"") + '"';
}

// Rows below another follow it.
void add_rows(const QAbstractItemModel& model, const QModelIndex& parent, QString& text) {
    for (int row{0}; row < model.rowCount(parent); ++row) {
        for (int column{0}; column < model.columnCount(parent); ++column) {
            const QModelIndex index{model.index(row, column, parent)};
            const QVariant check{index.data(Qt::CheckStateRole)};
            const QString cell{check.isValid() ? QString::number(check.toInt() == Qt::Checked ? 1 : 0)
                                               : index.data().toString()};
            text += (column == 0 ? "" : ",") + csv_cell(cell);
        }
        text += '\n';
        add_rows(model, model.index(row, 0, parent), text);
    }
}

} // namespace

Result<void, std::string> export_view(const ExportedView& view, const std::string& file) {
    const QString name{QString::fromStdString(file)};
    QByteArray bytes{};
    QBuffer buffer{&bytes};
    buffer.open(QIODevice::WriteOnly);
    if (name.endsWith(".csv")) {
        bytes = view.csv().toUtf8();
    } else if (name.endsWith(".svg")) {
        QSvgGenerator svg{};
        svg.setOutputDevice(&buffer);
        svg.setSize(view.size);
        svg.setViewBox(QRect{{0, 0}, view.size});
        svg.setTitle("shadowtune");
        QPainter painter{&svg};
        view.paint(painter);
    } else if (name.endsWith(".png")) {
        QImage image{view.size * view.pixel_ratio, QImage::Format_ARGB32_Premultiplied};
        image.setDevicePixelRatio(view.pixel_ratio);
        QPainter painter{&image};
        view.paint(painter);
        painter.end();
        image.save(&buffer, "PNG");
    } else {
        return Failure{file + ": the ending tells the form; give .png, .svg or .csv"};
    }
    return tuner::write_atomically(
        file, std::string_view{bytes.constData(), static_cast<std::size_t>(bytes.size())});
}

ExportedView exported_widget(QWidget& widget, std::function<QString()> csv) {
    return {widget.size(), widget.devicePixelRatioF(),
            [&widget](QPainter& painter) { widget.render(&painter); }, std::move(csv)};
}

QString table_as_csv(const QAbstractItemModel& model) {
    QString text{};
    for (int column{0}; column < model.columnCount(); ++column)
        text += (column == 0 ? "" : ",") + csv_cell(model.headerData(column, Qt::Horizontal).toString());
    text += '\n';
    add_rows(model, {}, text);
    return text;
}

} // namespace shadowtune::gui

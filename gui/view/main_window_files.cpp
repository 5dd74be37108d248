#include "gui/live/live_panel.hpp"
#include "gui/view/bitmap_page.hpp"
#include "gui/view/compare_page.hpp"
#include "gui/view/exports.hpp"
#include "gui/view/heatmap_page.hpp"
#include "gui/view/main_window.hpp"
#include "gui/view/message_bar.hpp"
#include "gui/view/start_page.hpp"
#include "gui/view/timeline_view.hpp"

#include <QApplication>
#include <QClipboard>
#include <QCloseEvent>
#include <QDockWidget>
#include <QFileDialog>
#include <QFileInfo>
#include <QMessageBox>
#include <QMimeData>
#include <QSettings>
#include <QTabWidget>
#include <filesystem>

namespace shadowtune::gui {

namespace {

constexpr qsizetype most_recent{8};

[[nodiscard]] bool is_link(const QString& path) {
    if (path.startsWith("tcp:")) return true;
    std::error_code ignored{};
    const auto status{std::filesystem::status(path.toStdString(), ignored)};
    return status.type() == std::filesystem::file_type::socket ||
           status.type() == std::filesystem::file_type::character;
}

// The forms of tuner::export_as that are files of their own, with the ending that picks each.
struct ExportForm {
    const char* filter;
    const char* form;
};
constexpr ExportForm export_forms[]{{"Profile (*.json)", "json"},
                                    {"Boot module for the VMM (*.img)", "image"},
                                    {"Boot module with fingerprints (*.mod)", "module"},
                                    {"Bitmap pages (*.bin)", "pages"},
                                    {"KVM's vmcs_shadow_fields.h (*.h)", "kvm"},
                                    {"Arrays for Xen (*.c)", "xen"},
                                    {"Hot set as CSV (*.csv)", "csv"},
                                    {"Curve as CSV (*.csv)", "curve"},
                                    {"Report (*.md)", "markdown"}};

} // namespace

void MainWindow::open(const QString& path, std::int64_t recording) {
    if (is_link(path)) {
        m_live_dock->show();
        m_live_dock->raise();
        return m_live->connect_to(path);
    }
    const std::string file{path.toStdString()};
    if (path.endsWith(".json") && !db::is_database(file)) {
        return tell(m_document.load(file));
    }
    m_settled = false;
    m_since_open.start();
    m_wanted[file] = recording;
    m_loader.list(file);
}

void MainWindow::ask_open() {
    const QStringList files{QFileDialog::getOpenFileNames(
        this, "Open", {}, "Recordings and profiles (*.db *.json);;All files (*)")};
    for (const QString& file : files)
        open(file);
}

void MainWindow::ask_connect() {
    m_live_dock->show();
    m_live_dock->raise();
    m_live->ask_address();
}

void MainWindow::ask_lab() {
    m_live_dock->show();
    m_live_dock->raise();
    m_live->ask_member();
}

void MainWindow::ask_save_profile(bool anew) {
    QString file{QString::fromStdString(m_document.file())};
    if (file.isEmpty() || anew) {
        file = QFileDialog::getSaveFileName(this, "Save the profile", file.isEmpty() ? "profile.json" : file,
                                            "Profile (*.json)");
    }
    if (file.isEmpty()) return;
    tell(m_document.save(file.toStdString()));
}

void MainWindow::ask_export_profile() {
    QStringList filters{};
    for (const ExportForm& form : export_forms)
        filters << form.filter;
    QString picked{};
    const QString file{
        QFileDialog::getSaveFileName(this, "Export the profile", {}, filters.join(";;"), &picked)};
    if (file.isEmpty()) return;
    const auto place{std::max(filters.indexOf(picked), qsizetype{0})};
    const char* const form{export_forms[place].form};
    const auto written{m_document.write_as(file.toStdString(), form)};
    if (!written) return tell(written);
    if (const QString note{m_document.export_note(form)}; !note.isEmpty()) m_messages->show_note(note);
}

QString MainWindow::ask_export_file(const QString& name) {
    return QFileDialog::getSaveFileName(this, "Export", name + ".svg",
                                        "Drawing (*.svg);;Picture (*.png);;Table (*.csv)");
}

void MainWindow::ask_export_view() {
    QWidget* const shown{m_tabs->currentWidget()};
    const QString file{ask_export_file(m_tabs->tabText(m_tabs->currentIndex()).toLower())};
    if (file.isEmpty()) return;
    const std::string name{file.toStdString()};
    tell(shown == m_heatmap_page
             ? m_heatmap_page->export_to(name)
             : export_view(exported_widget(*shown, [this] { return shown_as_csv(); }), name));
}

void MainWindow::ask_export_panel(QWidget& panel, const QString& name,
                                  const std::function<QString()>& as_csv) {
    const QString file{ask_export_file(name)};
    if (!file.isEmpty()) tell(export_view(exported_widget(panel, as_csv), file.toStdString()));
}

void MainWindow::tell(const Result<void, std::string>& written) {
    if (!written) m_messages->show_error(QString::fromStdString(written.error()));
}

QString MainWindow::shown_as_csv() const {
    const QWidget* const shown{m_tabs->currentWidget()};
    if (shown == m_bitmaps) return m_bitmaps->as_csv();
    if (shown == m_compare) return table_as_csv(m_compare->differences());
    return m_heatmap.as_csv();
}

void MainWindow::copy_view() {
    QGuiApplication::clipboard()->setText(shown_as_csv());
}

void MainWindow::copy_cell() {
    const QModelIndex cell{m_heatmap_page->view().currentIndex()};
    if (!cell.isValid())
        return m_messages->show_error("No cell is picked: click one, or go to it with the arrows");
    QGuiApplication::clipboard()->setText(cell.data(Qt::AccessibleTextRole).toString());
}

QStringList MainWindow::recent_files() const {
    return QSettings{}.value("recent").toStringList();
}

void MainWindow::remember(const QString& path) {
    if (m_options.is_batch()) return;
    QStringList files{recent_files()};
    const QString whole{QFileInfo{path}.absoluteFilePath()};
    files.removeAll(whole);
    files.prepend(whole);
    QSettings{}.setValue("recent", QStringList{files.mid(0, most_recent)});
}

void MainWindow::restore_layout() {
    const QSettings settings{};
    restoreGeometry(settings.value("geometry").toByteArray());
    restoreState(settings.value("state").toByteArray());
    m_start->set_recent(recent_files());
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event) {
    if (event->mimeData()->hasUrls()) event->acceptProposedAction();
}

void MainWindow::dropEvent(QDropEvent* event) {
    for (const QUrl& url : event->mimeData()->urls()) {
        if (url.isLocalFile()) open(url.toLocalFile());
    }
}

void MainWindow::closeEvent(QCloseEvent* event) {
    if (m_document.is_modified() && !m_options.is_batch() && isVisible()) {
        const auto answer{
            QMessageBox::question(this, "shadowtune", "The profile is not saved.",
                                  QMessageBox::Save | QMessageBox::Discard | QMessageBox::Cancel)};
        if (answer == QMessageBox::Cancel) return event->ignore();
        if (answer == QMessageBox::Save) ask_save_profile(false);
    }
    if (!m_options.is_batch()) {
        QSettings settings{};
        settings.setValue("geometry", saveGeometry());
        settings.setValue("state", saveState());
    }
    m_live->stop_all();
    event->accept();
}

} // namespace shadowtune::gui

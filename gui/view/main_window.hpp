#pragma once

// The window: what is open, how it is shown, and what can be done with it.

#include "gui/model/heatmap_model.hpp"
#include "gui/model/profile_document.hpp"
#include "gui/model/recordings_model.hpp"
#include "gui/options.hpp"

#include <QElapsedTimer>
#include <QMainWindow>
#include <QTimer>
#include <QUndoStack>

class QComboBox;
class QDockWidget;
class QLabel;
class QLineEdit;
class QStackedWidget;
class QTabWidget;
class QTableView;

namespace shadowtune::gui {

class BitmapPage;
class ComparePage;
class DecisionsView;
class HeatmapPage;
class LivePanel;
class MessageBar;
class ProfileEditor;
class StartPage;
class TimelineView;

class MainWindow : public QMainWindow {
    Q_OBJECT
public:
    explicit MainWindow(const Options& options);
    ~MainWindow() override;

    // A recording, a profile, or a link; `recording` 0: the newest.
    void open(const QString& path, std::int64_t recording = 0);
    void activate(const RecordingKey& key);

    [[nodiscard]] FilterState& filter() { return m_filter; }
    [[nodiscard]] ProfileDocument& document() { return m_document; }
    [[nodiscard]] HeatmapModel& heatmap() { return m_heatmap; }
    [[nodiscard]] RecordingsModel& recordings() { return m_recordings; }
    [[nodiscard]] QUndoStack& undo_stack() { return m_undo; }
    [[nodiscard]] HeatmapPage& heatmap_page() { return *m_heatmap_page; }
    [[nodiscard]] TimelineView& timeline() { return *m_timeline; }
    [[nodiscard]] DecisionsView& decisions() { return *m_decisions; }
    [[nodiscard]] BitmapPage& bitmaps() { return *m_bitmaps; }
    [[nodiscard]] ComparePage& compare() { return *m_compare; }
    [[nodiscard]] LivePanel& live() { return *m_live; }
    void show_view(View view);
    [[nodiscard]] MessageBar& messages() { return *m_messages; }
    // Everything that was asked for is read and shown.
    [[nodiscard]] bool is_settled() const { return m_settled; }
    // Milliseconds from open() to the first heatmap shown; -1 before.
    [[nodiscard]] qint64 first_heatmap_ms() const { return m_first_heatmap_ms; }

signals:
    void settled();

protected:
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;
    void closeEvent(QCloseEvent* event) override;

private:
    // main_window.cpp
    void build_views();
    void build_docks();
    void connect_models();
    void take_heatmap(const HeatmapPtr& heatmap);
    void request_heatmap();
    void follow_growth();
    void refresh_title();
    void pick_field(vmcs::FieldIndex field, int column);
    // main_window_actions.cpp
    void build_actions();
    void build_toolbar();
    QAction* add_action(QMenu& menu, const QString& name, const QKeySequence& keys,
                        const std::function<void()>& action);
    void build_view_menu();
    void build_profile_menu();
    void build_live_menu();
    void show_keys();
    void set_theme(Theme theme);
    void take_filter(); // into the tool bar's boxes
    // main_window_files.cpp
    void ask_open();
    void ask_connect();
    void ask_lab();
    void ask_save_profile(bool anew);
    void ask_export_view();
    void ask_export_panel(QWidget& panel, const QString& name, const std::function<QString()>& as_csv);
    [[nodiscard]] QString ask_export_file(const QString& name);
    void tell(const Result<void, std::string>& written); // where it failed
    void ask_export_profile();
    [[nodiscard]] QString shown_as_csv() const;
    void copy_view();
    void copy_cell();
    void remember(const QString& path);
    [[nodiscard]] QStringList recent_files() const;
    void restore_layout();

    Options m_options;
    QUndoStack m_undo;
    FilterState m_filter{m_undo};
    ProfileDocument m_document{m_undo};
    HeatmapModel m_heatmap;
    RecordingsModel m_recordings;
    Loader m_loader;
    RecordingKey m_active;                        // that is shown
    std::map<std::string, std::int64_t> m_wanted; // files being opened, and which recording of each
    QElapsedTimer m_since_open;
    qint64 m_first_heatmap_ms{-1};
    bool m_settled{true};
    QTimer m_growth;
    std::int64_t m_growth_mark{0};

    MessageBar* m_messages{nullptr};
    QStackedWidget* m_stack{nullptr};
    StartPage* m_start{nullptr};
    QTabWidget* m_tabs{nullptr};
    HeatmapPage* m_heatmap_page{nullptr};
    BitmapPage* m_bitmaps{nullptr};
    ComparePage* m_compare{nullptr};
    LivePanel* m_live{nullptr};
    QDockWidget* m_live_dock{nullptr};
    QLabel* m_connection{nullptr};
    TimelineView* m_timeline{nullptr};
    DecisionsView* m_decisions{nullptr};
    QDockWidget* m_decisions_dock{nullptr};
    ProfileEditor* m_editor{nullptr};
    QTableView* m_recordings_view{nullptr};
    QLabel* m_status{nullptr};
    QComboBox* m_axis{nullptr};
    QComboBox* m_accesses{nullptr};
    QComboBox* m_order{nullptr};
    QComboBox* m_vcpu{nullptr};
    QAction* m_cold{nullptr};
    QLineEdit* m_search{nullptr};
};

} // namespace shadowtune::gui

#include "gui/live/live_panel.hpp"
#include "gui/view/command_palette.hpp"
#include "gui/view/compare_page.hpp"
#include "gui/view/decisions_view.hpp"
#include "gui/view/exports.hpp"
#include "gui/view/heatmap_page.hpp"
#include "gui/view/main_window.hpp"
#include "gui/view/profile_editor.hpp"
#include "gui/view/timeline_view.hpp"
#include "tuner/static_lists.hpp"

#include <QApplication>
#include <QComboBox>
#include <QDialog>
#include <QDialogButtonBox>
#include <QDockWidget>
#include <QLabel>
#include <QLineEdit>
#include <QMenuBar>
#include <QScrollArea>
#include <QSignalBlocker>
#include <QTabWidget>
#include <QToolBar>
#include <QVBoxLayout>

namespace shadowtune::gui {

QAction* MainWindow::add_action(QMenu& menu, const QString& name, const QKeySequence& keys,
                                const std::function<void()>& action) {
    QAction* const added{menu.addAction(name)};
    added->setShortcut(keys);
    added->setProperty("command", true);
    connect(added, &QAction::triggered, this, action);
    return added;
}

void MainWindow::build_actions() {
    QMenu& file{*menuBar()->addMenu("&File")};
    add_action(file, "&Open ...", QKeySequence::Open, [this] { ask_open(); });
    QMenu* const recent{file.addMenu("Open &recent")};
    connect(recent, &QMenu::aboutToShow, this, [this, recent] {
        recent->clear();
        for (const QString& name : recent_files())
            recent->addAction(name, this, [this, name] { open(name); });
        if (recent->isEmpty()) recent->addAction("None yet")->setEnabled(false);
    });
    file.addSeparator();
    add_action(file, "&Export this view ...", QKeySequence{"Ctrl+E"}, [this] { ask_export_view(); });
    add_action(file, "Export the &timeline ...", {}, [this] {
        ask_export_panel(*m_timeline, "timeline", [this] { return m_timeline->as_csv(); });
    });
    add_action(file, "Export the &decisions ...", {}, [this] {
        ask_export_panel(*m_decisions, "decisions", [this] { return table_as_csv(m_decisions->model()); });
    });
    add_action(file, "Export the list of &recordings ...", {}, [this] {
        ask_export_panel(*m_recordings_view, "recordings", [this] { return table_as_csv(m_recordings); });
    });
    add_action(file, "Export the profile's &panel ...", {},
               [this] { ask_export_panel(*m_editor, "profile", [this] { return m_editor->as_csv(); }); });
    file.addSeparator();
    add_action(file, "&Quit", QKeySequence::Quit, [this] { close(); });

    QMenu& edit{*menuBar()->addMenu("&Edit")};
    QAction* const undo{m_undo.createUndoAction(this)};
    undo->setShortcut(QKeySequence::Undo);
    undo->setProperty("command", true);
    edit.addAction(undo);
    QAction* const redo{m_undo.createRedoAction(this)};
    redo->setShortcut(QKeySequence::Redo);
    redo->setProperty("command", true);
    edit.addAction(redo);
    edit.addSeparator();
    add_action(edit, "&Copy this view as CSV", QKeySequence::Copy, [this] { copy_view(); });
    add_action(edit, "Copy the cell as &text", QKeySequence{"Ctrl+Shift+C"}, [this] { copy_cell(); });
    add_action(edit, "&Find fields", QKeySequence::Find, [this] {
        m_search->setFocus();
        m_search->selectAll();
    });
    build_toolbar();
    build_view_menu();
    build_profile_menu();
    build_live_menu();
    QMenu& help{*menuBar()->addMenu("&Help")};
    add_action(help, "&Keys", QKeySequence{"?"}, [this] { show_keys(); });
    add_action(help, "Command &palette", QKeySequence{"Ctrl+Shift+P"}, [this] {
        auto* const palette{new CommandPalette{commands_of(*this), this}};
        palette->setAttribute(Qt::WA_DeleteOnClose);
        palette->show();
    });
}

void MainWindow::build_toolbar() {
    QToolBar* const bar{addToolBar("Heatmap")};
    bar->setObjectName("toolbar");
    bar->setMovable(false);
    const auto box{[&](const char* label, const QStringList& items, const QString& tip, const auto& picked) {
        auto* const words{new QLabel{label, bar}};
        auto* const combo{new QComboBox{bar}};
        words->setBuddy(combo);
        combo->addItems(items);
        combo->setToolTip(tip);
        combo->setAccessibleName(QString{label}.remove('&'));
        bar->addWidget(words);
        bar->addWidget(combo);
        connect(combo, &QComboBox::activated, this, picked);
        return combo;
    }};
    m_axis = box("Fields a&gainst", {"exit reason", "time", "recording", "L1", "workload"},
                 "What the columns are", [this](int index) {
                     m_filter.change("change the columns",
                                     [index](Filter& filter) { filter.axis = static_cast<Axis>(index); });
                 });
    m_accesses =
        box("  &Accesses", {"reads and writes", "reads", "writes"}, "What is counted", [this](int index) {
            m_filter.change("change the accesses",
                            [index](Filter& filter) { filter.rows.accesses = static_cast<Accesses>(index); });
        });
    m_order =
        box("  &Sort", {"by catalogue", "by heat", "alike together"},
            "By area, width and encoding; the most accessed first; or fields of like use beside each other",
            [this](int index) {
                m_filter.change(
                    "sort", [index](Filter& filter) { filter.rows.order = static_cast<RowOrder>(index); });
            });
    m_vcpu = box("  v&CPU", {"all vCPUs"}, "Of which virtual processor", [this](int index) {
        m_filter.change("change the vCPU", [index](Filter& filter) {
            filter.vcpu = index == 0 ? std::nullopt : std::optional{static_cast<std::uint16_t>(index - 1)};
        });
    });
    bar->addSeparator();
    m_cold = bar->addAction("Hide cold");
    m_cold->setCheckable(true);
    m_cold->setToolTip("Leave out fields without any access");
    m_cold->setShortcut(QKeySequence{"Ctrl+H"});
    m_cold->setProperty("command", true);
    connect(m_cold, &QAction::triggered, this, [this](bool hide) {
        m_filter.change(hide ? "hide cold fields" : "show cold fields",
                        [hide](Filter& filter) { filter.rows.hide_cold = hide; });
    });
    auto* const space{new QWidget{bar}};
    space->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    bar->addWidget(space);
    m_search = new QLineEdit{bar};
    m_search->setPlaceholderText("Find fields (Ctrl+F)");
    m_search->setClearButtonEnabled(true);
    m_search->setMaximumWidth(220);
    m_search->setAccessibleName("Find fields by name or encoding");
    bar->addWidget(m_search);
    connect(m_search, &QLineEdit::textEdited, this, [this](const QString& text) {
        m_filter.change(
            "find fields", [&](Filter& filter) { filter.rows.text = text.trimmed().toLower().toStdString(); },
            FilterState::merge_text);
    });
}

void MainWindow::take_filter() {
    const Filter& filter{m_filter.filter()};
    m_axis->setCurrentIndex(static_cast<int>(filter.axis));
    m_accesses->setCurrentIndex(static_cast<int>(filter.rows.accesses));
    m_order->setCurrentIndex(static_cast<int>(filter.rows.order));
    m_cold->setChecked(filter.rows.hide_cold);
    m_editor->hide_cold(filter.rows.hide_cold);
    const auto text{QString::fromStdString(filter.rows.text)};
    if (m_search->text().trimmed().toLower() != text) m_search->setText(text);
}

void MainWindow::build_view_menu() {
    QMenu& menu{*menuBar()->addMenu("&View")};
    HeatmapView& view{m_heatmap_page->view()};
    const auto middle{[&view] { return view.viewport()->rect().center(); }};
    add_action(menu, "Larger cells", QKeySequence::ZoomIn, [&view, middle] { view.zoom(1.25, middle()); });
    add_action(menu, "Smaller cells", QKeySequence::ZoomOut, [&view, middle] { view.zoom(0.8, middle()); });
    add_action(menu, "Fit the cells", QKeySequence{"Ctrl+0"}, [&view] { view.fit(); });
    for (const auto& [name, keys, value] :
         {std::tuple{"Heatmap", "Ctrl+1", View::heatmap}, std::tuple{"Bitmaps", "Ctrl+2", View::bitmaps},
          std::tuple{"Compare", "Ctrl+3", View::compare},
          std::tuple{"Decisions of the closed loop", "Ctrl+4", View::decisions}}) {
        add_action(menu, name, QKeySequence{keys}, [this, value = value] { show_view(value); });
    }
    menu.addSeparator();
    add_action(menu, "Only this exit reason", {}, [this, &view] {
        const HeatmapPtr& shown{m_heatmap.data()};
        const int column{view.currentIndex().column()};
        if (!shown || column < 0 || shown->matrix.axis != Axis::reason) return;
        const auto reason{shown->matrix.columns[static_cast<std::size_t>(column)].reason};
        m_filter.change("show one exit reason", [reason](Filter& filter) { filter.reasons = {*reason}; });
    });
    menu.addSeparator();
    QMenu* const theme{menu.addMenu("&Theme")};
    for (const auto& [name, value] : {std::pair{"As the system", Theme::system},
                                      std::pair{"Light", Theme::light}, std::pair{"Dark", Theme::dark}}) {
        add_action(*theme, name, {}, [this, value = value] {
            set_theme(value);
        })->setProperty("group", "Theme");
    }
    QMenu* const colours{menu.addMenu("&Colours")};
    for (const auto& [name, value] :
         {std::pair{"Viridis", Palette::viridis}, std::pair{"Cividis", Palette::cividis},
          std::pair{"Grey", Palette::grey}}) {
        add_action(*colours, name, {}, [this, value = value] {
            m_options.palette = value;
            m_heatmap.set_appearance(value, is_dark(palette()));
            m_compare->set_appearance(value, is_dark(palette()));
        })->setProperty("group", "Colours");
    }
    menu.addSeparator();
    for (QDockWidget* const dock : findChildren<QDockWidget*>())
        menu.addAction(dock->toggleViewAction());
    add_action(menu, "Next view", QKeySequence{"F6"}, [this] { focusNextChild(); });
}

void MainWindow::build_profile_menu() {
    QMenu& menu{*menuBar()->addMenu("&Profile")};
    add_action(menu, "&New profile", QKeySequence::New, [this] { m_document.start_anew(); });
    add_action(menu, "&Optimum for what is shown", QKeySequence{"Ctrl+T"},
               [this] { m_document.take_optimum(); });
    QMenu* const lists{menu.addMenu("Start from a &list")};
    for (const tuner::StaticList& list : tuner::static_lists()) {
        const auto title{QString::fromUtf8(list.title.data(), static_cast<qsizetype>(list.title.size()))};
        add_action(*lists, title, {}, [this, name = list.name] {
            m_document.take_list(name);
        })->setProperty("group", "Start from");
    }
    menu.addSeparator();
    add_action(menu, "&Save the profile", QKeySequence::Save, [this] { ask_save_profile(false); });
    add_action(menu, "Save the profile &as ...", QKeySequence::SaveAs, [this] { ask_save_profile(true); });
    add_action(menu, "&Export the profile ...", QKeySequence{"Ctrl+Shift+E"},
               [this] { ask_export_profile(); });
}

void MainWindow::build_live_menu() {
    QMenu& menu{*menuBar()->addMenu("&Live")};
    add_action(menu, "&Connect to a VMM ...", QKeySequence{"Ctrl+L"}, [this] { ask_connect(); });
    add_action(menu, "&Run a hypervisor in the lab ...", QKeySequence{"Ctrl+Shift+L"}, [this] { ask_lab(); });
    menu.addSeparator();
    add_action(menu, "Count &all accesses", {}, [this] { m_live->count_all(); });
    add_action(menu, "Sa&mple one of 64 round trips", {}, [this] { m_live->sample(); });
    add_action(menu, "&Apply the profile", QKeySequence{"Ctrl+Return"}, [this] { m_live->apply_profile(); });
    add_action(menu, "&Stop", {}, [this] { m_live->stop_all(); });
}

void MainWindow::set_theme(Theme theme) {
    apply_theme(*qobject_cast<QApplication*>(QApplication::instance()), theme);
    m_heatmap.set_appearance(m_options.palette, is_dark(QApplication::palette()));
    m_compare->set_appearance(m_options.palette, is_dark(QApplication::palette()));
}

void MainWindow::show_keys() {
    auto* const dialog{new QDialog{this}};
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setWindowTitle("Keys");
    dialog->resize(820, 620);
    auto* const layout{new QVBoxLayout{dialog}};
    auto* const area{new QScrollArea{dialog}};
    area->setFrameShape(QFrame::NoFrame);
    auto* const keys{new QLabel{keys_as_html(commands_of(*this))}};
    keys->setWordWrap(true);
    keys->setAlignment(Qt::AlignTop);
    area->setWidgetResizable(true);
    area->setWidget(keys);
    layout->addWidget(area);
    auto* const buttons{new QDialogButtonBox{QDialogButtonBox::Close, dialog}};
    connect(buttons, &QDialogButtonBox::rejected, dialog, &QDialog::close);
    layout->addWidget(buttons);
    dialog->show();
}

} // namespace shadowtune::gui

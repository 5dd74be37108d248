#include "gui/view/main_window.hpp"

#include "gui/live/live_panel.hpp"
#include "gui/view/bitmap_page.hpp"
#include "gui/view/compare_page.hpp"
#include "gui/view/decisions_view.hpp"
#include "gui/view/heatmap_page.hpp"
#include "gui/view/message_bar.hpp"
#include "gui/view/profile_editor.hpp"
#include "gui/view/start_page.hpp"
#include "gui/view/timeline_view.hpp"

#include <QComboBox>
#include <QDockWidget>
#include <QFileInfo>
#include <QHeaderView>
#include <QLabel>
#include <QSignalBlocker>
#include <QStackedWidget>
#include <QStatusBar>
#include <QTabWidget>
#include <QTableView>
#include <QVBoxLayout>

namespace shadowtune::gui {

namespace {

constexpr int growth_interval_ms{1'000};

[[nodiscard]] std::int64_t newest_change(const std::string& file) {
    std::int64_t newest{0};
    for (const char* const ending : {"", "-wal"}) {
        const QFileInfo info{QString::fromStdString(file + ending)};
        if (info.exists()) newest = std::max(newest, std::int64_t{info.lastModified().toMSecsSinceEpoch()});
    }
    return newest;
}

} // namespace

MainWindow::MainWindow(const Options& options) : m_options{options} {
    setAcceptDrops(true);
    setDockOptions(AllowNestedDocks | AllowTabbedDocks);
    setAnimated(!options.is_batch()); // a picture does not wait
    resize(options.size);
    m_heatmap.set_appearance(options.palette, is_dark(palette()));
    build_views();
    build_docks();
    build_actions();
    connect_models();
    m_filter.change("start", [&](Filter& filter) { filter = options.filter; });
    m_undo.clear();
    take_filter();
    if (!options.is_batch()) restore_layout();
    refresh_title();
}

// The views read the document and the models, which are members, to their last event: they go first.
MainWindow::~MainWindow() {
    qDeleteAll(findChildren<QWidget*>(QString{}, Qt::FindDirectChildrenOnly));
}

void MainWindow::build_views() {
    auto* const center{new QWidget{this}};
    auto* const layout{new QVBoxLayout{center}};
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    m_messages = new MessageBar{center};
    layout->addWidget(m_messages);
    m_stack = new QStackedWidget{center};
    layout->addWidget(m_stack, 1);
    m_start = new StartPage{m_stack};
    m_stack->addWidget(m_start);
    m_tabs = new QTabWidget{m_stack};
    m_tabs->setDocumentMode(true);
    m_heatmap_page = new HeatmapPage{m_heatmap, m_filter, m_tabs};
    m_tabs->addTab(m_heatmap_page, "Heatmap");
    m_bitmaps = new BitmapPage{m_document, m_tabs};
    m_tabs->addTab(m_bitmaps, "Bitmaps");
    m_compare = new ComparePage{m_recordings, m_loader, m_tabs};
    m_compare->set_appearance(m_options.palette, is_dark(palette()));
    m_tabs->addTab(m_compare, "Compare");
    m_stack->addWidget(m_tabs);
    setCentralWidget(center);
    m_status = new QLabel{this};
    m_status->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred); // long words widen no window
    statusBar()->addWidget(m_status, 1);
    m_connection = new QLabel{this};
    statusBar()->addPermanentWidget(m_connection);
}

void MainWindow::build_docks() {
    const auto dock{[this](const char* name, const QString& title, QWidget* widget, Qt::DockWidgetArea area) {
        auto* const docked{new QDockWidget{title, this}};
        docked->setObjectName(name);
        docked->setWidget(widget);
        addDockWidget(area, docked);
        return docked;
    }};
    m_recordings_view = new QTableView{this};
    m_recordings_view->setModel(&m_recordings);
    m_recordings_view->setAccessibleName("Recordings");
    m_recordings_view->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_recordings_view->setSelectionMode(QAbstractItemView::SingleSelection);
    m_recordings_view->setShowGrid(false);
    m_recordings_view->setWordWrap(false);
    m_recordings_view->verticalHeader()->setDefaultSectionSize(fontMetrics().height() + 6);
    m_recordings_view->setFrameShape(QFrame::NoFrame);
    m_recordings_view->setAlternatingRowColors(true);
    m_recordings_view->verticalHeader()->hide();
    m_recordings_view->horizontalHeader()->setHighlightSections(false);
    m_recordings_view->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    m_recordings_view->horizontalHeader()->setSectionResizeMode(RecordingsModel::column_count - 1,
                                                                QHeaderView::Stretch);
    m_timeline = new TimelineView{m_filter, this};
    m_editor = new ProfileEditor{m_document, this};
    auto* const recordings{dock("recordings", "Recordings", m_recordings_view, Qt::BottomDockWidgetArea)};
    auto* const timeline{dock("timeline", "Timeline", m_timeline, Qt::BottomDockWidgetArea)};
    auto* const profile{dock("profile", "Profile", m_editor, Qt::RightDockWidgetArea)};
    m_live = new LivePanel{m_document, this};
    m_live_dock = dock("live", "Live", m_live, Qt::BottomDockWidgetArea);
    m_decisions = new DecisionsView{this};
    m_decisions_dock = dock("decisions", "Decisions", m_decisions, Qt::BottomDockWidgetArea);
    tabifyDockWidget(timeline, m_decisions_dock);
    tabifyDockWidget(timeline, m_live_dock);
    m_decisions_dock->hide();
    m_live_dock->hide();
    setCorner(Qt::BottomRightCorner, Qt::RightDockWidgetArea);
    resizeDocks({recordings, timeline}, {500, 620}, Qt::Horizontal);
    resizeDocks({timeline}, {160}, Qt::Vertical);
    resizeDocks({profile}, {450}, Qt::Horizontal);
}

void MainWindow::connect_models() {
    connect(&m_loader, &Loader::listed, this, [this](const FileContents& contents) {
        m_recordings.set_file(contents);
        const auto wanted{m_wanted.find(contents.file)};
        if (wanted == m_wanted.end()) return;
        const RecordingKey key{contents.file, wanted->second};
        m_wanted.erase(wanted);
        remember(QString::fromStdString(contents.file));
        if (m_recordings.row_of(key) >= 0) return activate(key);
        m_messages->show_error(QString::fromStdString(
            contents.file +
            (contents.recordings.empty()
                 ? ": holds no recording; make one with 'shadowtune record'"
                 : ": has no recording " + std::to_string(key.id) + "; those it has are listed below")));
    });
    connect(&m_loader, &Loader::heatmap_ready, this, &MainWindow::take_heatmap);
    connect(&m_loader, &Loader::timeline_ready, this, [this](const TimelinePtr& timeline) {
        if (timeline->key.file != m_active.file) return;
        m_timeline->show_timeline(timeline);
        m_decisions->show_timeline(timeline);
        if (!timeline->decisions.empty()) m_decisions_dock->show();
    });
    connect(&m_loader, &Loader::failed, this, [this](const QString& file, const QString& message) {
        m_wanted.erase(file.toStdString());
        m_messages->show_error(message);
    });
    connect(&m_loader, &Loader::idle, this, [this] {
        m_settled = true;
        emit settled();
    });
    connect(&m_filter, &FilterState::changed, this, [this] {
        take_filter();
        request_heatmap();
    });
    connect(&m_document, &ProfileDocument::changed, this, [this] {
        m_heatmap.set_profile(m_document.sets());
        refresh_title();
    });
    connect(&m_heatmap_page->view(), &HeatmapView::toggled, this,
            [this](vmcs::FieldIndex field, bool writes) { m_document.toggle(field, writes); });
    connect(&m_heatmap_page->view(), &HeatmapView::cell_picked, this, &MainWindow::pick_field);
    connect(m_decisions, &DecisionsView::field_picked, &m_heatmap_page->view(), &HeatmapView::select_field);
    connect(m_editor, &ProfileEditor::field_picked, &m_heatmap_page->view(), &HeatmapView::select_field);
    connect(m_recordings_view->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
            [this](const QModelIndex& index) {
                if (index.isValid() && m_recordings.key(index.row()) != m_active)
                    activate(m_recordings.key(index.row()));
            });
    connect(m_live, &LivePanel::recording_began, this,
            [this](const QString& file, qint64 recording) { open(file, recording); });
    connect(m_live, &LivePanel::error, m_messages, &MessageBar::show_error);
    connect(m_live, &LivePanel::note, m_messages, &MessageBar::show_note);
    connect(m_live, &LivePanel::connection_words, m_connection, &QLabel::setText);
    connect(m_start, &StartPage::open_wanted, this, [this] { ask_open(); });
    connect(m_start, &StartPage::connect_wanted, this, [this] { ask_connect(); });
    connect(m_start, &StartPage::lab_wanted, this, [this] { ask_lab(); });
    connect(m_start, &StartPage::file_wanted, this, [this](const QString& file) { open(file); });
    connect(&m_growth, &QTimer::timeout, this, [this] { follow_growth(); });
    m_growth.start(growth_interval_ms);
}

void MainWindow::show_view(View view) {
    if (view == View::decisions) {
        m_decisions_dock->show();
        m_decisions_dock->raise();
        return;
    }
    QWidget* const pages[]{m_heatmap_page, m_bitmaps, m_compare};
    m_tabs->setCurrentWidget(pages[static_cast<std::size_t>(view)]);
}

void MainWindow::activate(const RecordingKey& key) {
    const int row{m_recordings.row_of(key)};
    if (row < 0) return;
    m_active = m_recordings.key(row);
    m_growth_mark = newest_change(m_active.file);
    m_recordings_view->selectRow(row);
    m_timeline->show_timeline(nullptr);
    m_decisions->show_timeline(nullptr);
    // A range and a vCPU are of one recording.
    const Filter& now{m_filter.filter()};
    if (now.range || now.vcpu) {
        m_filter.change("show another recording", [](Filter& filter) {
            filter.range.reset();
            filter.vcpu.reset();
        });
    } else {
        request_heatmap();
    }
    m_loader.timeline(m_active);
}

void MainWindow::request_heatmap() {
    if (m_active.file.empty()) return;
    m_settled = false;
    m_loader.heatmap({m_active, m_filter.filter(), m_recordings.keys()});
}

void MainWindow::follow_growth() {
    const int row{m_active.file.empty() ? -1 : m_recordings.row_of(m_active)};
    if (row < 0 || m_recordings.info(row).ended_ms) return;
    const std::int64_t mark{newest_change(m_active.file)};
    if (mark == m_growth_mark || !m_settled) return;
    m_growth_mark = mark;
    request_heatmap();
    m_loader.timeline(m_active);
}

void MainWindow::take_heatmap(const HeatmapPtr& heatmap) {
    if (heatmap->recording->key.file != m_active.file) return;
    const QModelIndex before{m_heatmap_page->view().currentIndex()};
    const auto field{before.isValid() ? m_heatmap.field(before.row()) : vmcs::no_field};
    m_heatmap.show(heatmap, m_filter.filter().rows.accesses);
    if (m_document.recording() != heatmap->recording) m_document.set_recording(heatmap->recording);
    m_recordings.set_info(heatmap->recording->key, heatmap->recording->info);
    m_stack->setCurrentWidget(m_tabs);
    if (m_heatmap.row_of(field) >= 0) m_heatmap_page->view().select_field(field);
    const QSignalBlocker quiet{m_vcpu};
    const auto vcpus{static_cast<int>(heatmap->recording->machine.vcpus)};
    if (m_vcpu->count() != vcpus + 1) {
        m_vcpu->clear();
        m_vcpu->addItem("all vCPUs");
        for (int i{0}; i < vcpus; ++i)
            m_vcpu->addItem(QString{"vCPU %1"}.arg(i));
    }
    m_vcpu->setEnabled(vcpus > 1);
    m_vcpu->setCurrentIndex(m_filter.filter().vcpu ? int{*m_filter.filter().vcpu} + 1 : 0);
    refresh_title();
    if (m_first_heatmap_ms < 0 && m_since_open.isValid()) {
        m_heatmap_page->view().viewport()->repaint();
        m_first_heatmap_ms = m_since_open.elapsed();
    }
}

void MainWindow::refresh_title() {
    const HeatmapPtr& shown{m_heatmap.data()};
    setWindowTitle(shown ? QString::fromStdString(shown->recording->title()) + "[*] - shadowtune"
                         : "shadowtune");
    setWindowModified(m_document.is_modified());
    if (!shown) return m_status->setText("Ctrl+O opens a recording, ? shows the keys");
    const db::Totals& totals{shown->recording->totals};
    const QString sampled{shown->recording->is_sampled()
                              ? QString{" (%1 sampled)"}.arg(grouped(totals.sampled_round_trips))
                              : QString{}};
    m_status->setText(
        QString{"%1, snapshots %2 to %3: %4 round trips%5, %6 trapped accesses per round trip; %7 %8 shown"}
            .arg(QString::fromStdString(shown->recording->machine.cpu_brand))
            .arg(totals.range.from)
            .arg(totals.range.to)
            .arg(grouped(totals.counters.round_trips), sampled, rate_text(totals.trapped_per_round_trip()))
            .arg(shown->rows.size())
            .arg(shown->rows.size() == 1 ? "field" : "fields"));
}

void MainWindow::pick_field(vmcs::FieldIndex field, int column) {
    m_editor->select_field(field);
    const QModelIndex index{m_heatmap.index(m_heatmap.row_of(field), column)};
    m_status->setText(index.data(Qt::AccessibleTextRole).toString());
}

} // namespace shadowtune::gui

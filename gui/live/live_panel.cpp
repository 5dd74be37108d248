#include "gui/live/live_panel.hpp"

#include "gui/model/heatmap_model.hpp"

#include <QComboBox>
#include <QDateTime>
#include <QDir>
#include <QFontDatabase>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QProgressBar>
#include <QPushButton>
#include <QStandardPaths>
#include <QTemporaryDir>
#include <QVBoxLayout>

namespace shadowtune::gui {

namespace {

constexpr int most_console_lines{5'000};
constexpr std::uint16_t usual_sample{64};

// Recordings of what was watched stay: a lost link, or a closed window, costs nothing.
[[nodiscard]] QString new_recording_file(const QString& label) {
    const QString folder{QStandardPaths::writableLocation(QStandardPaths::AppLocalDataLocation) +
                         "/recordings"};
    QDir{}.mkpath(folder);
    return QString{"%1/%2-%3.db"}.arg(folder, QDateTime::currentDateTime().toString("yyyyMMdd-HHmmss-zzz"),
                                      label);
}

[[nodiscard]] const char* short_words(LiveSession::State state) {
    switch (state) {
    case LiveSession::State::connecting: return "Connecting";
    case LiveSession::State::connected: return "Connected";
    case LiveSession::State::lost: return "Link lost, trying again";
    case LiveSession::State::l1_stopped: return "L1 is stopped";
    case LiveSession::State::idle: break;
    }
    return "Not connected";
}

[[nodiscard]] const char* light_color(LiveSession::State state) {
    switch (state) {
    case LiveSession::State::connecting: return "#D9A21B";
    case LiveSession::State::connected: return "#2E9E5B";
    case LiveSession::State::lost: return "#C0392B";
    case LiveSession::State::l1_stopped: return "#8C6BB1";
    case LiveSession::State::idle: break;
    }
    return "#8A8F98";
}

} // namespace

LivePanel::LivePanel(ProfileDocument& document, QWidget* parent) : QWidget{parent}, m_document{document} {
    qRegisterMetaType<LiveSession::State>();
    build();
    connect(&m_session, &LiveSession::state_changed, this, &LivePanel::take_state);
    connect(&m_session, &LiveSession::progress, this, &LivePanel::take_progress);
    connect(&m_session, &LiveSession::recording_began, this, &LivePanel::recording_began);
    connect(&m_session, &LiveSession::logged, this,
            [this](const QString& words) { print("VMM: " + words + "\n"); });
    connect(&m_session, &LiveSession::done, this, [this](const QString& words) {
        print(words + "\n");
        emit note(words);
    });
    connect(&m_session, &LiveSession::refused, this, &LivePanel::error);
    connect(&m_zoo_list, &QProcess::finished, this, [this] { take_zoo(); });
    connect(&m_lab, &LabRun::printed, this, &LivePanel::print);
    connect(&m_lab, &LabRun::came_to, this, &LivePanel::come_to);
    connect(&m_lab, &LabRun::ended, this, [this](bool good, const QString& words) {
        print(words + "\n");
        m_session.stop();
        come_to(LabStage::ended);
        good ? emit note(words + "; the recording is kept") : emit error(words);
    });
    connect(&document, &ProfileDocument::changed, this, [this] { take_state(m_state, m_words->text()); });
    take_state(LiveSession::State::idle, "Not connected");
}

void LivePanel::build() {
    auto* const layout{new QVBoxLayout{this}};
    layout->setContentsMargins(8, 6, 8, 6);
    auto* const line{new QHBoxLayout};
    m_light = new QLabel{"●", this};
    m_words = new QLabel{this};
    m_words->setTextFormat(Qt::PlainText);
    m_words->setWordWrap(true);
    m_words->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred); // long words widen no window
    m_progress = new QProgressBar{this};
    m_progress->setAccessibleName("How far the lab's run has come");
    m_progress->setMinimumWidth(fontMetrics().horizontalAdvance(words_of(LabStage::image)) + 40);
    m_progress->hide();
    line->addWidget(m_light);
    line->addWidget(m_words, 1);
    line->addWidget(m_progress);
    layout->addLayout(line);
    auto* const sources{new QHBoxLayout};
    auto* const commands{new QHBoxLayout};
    const auto button{[this](QHBoxLayout* row, const QString& text, const QString& tip, const auto& pressed) {
        auto* const made{new QPushButton{text, this}};
        made->setToolTip(tip);
        connect(made, &QPushButton::clicked, this, pressed);
        row->addWidget(made);
        return made;
    }};
    m_address = new QLineEdit{this};
    m_address->setPlaceholderText("Socket, tty, or tcp:HOST:PORT");
    m_address->setAccessibleName("The VMM's link");
    sources->addWidget(m_address, 1);
    button(sources, "Connect", "Watch a running VMM, and record it",
           [this] { connect_to(m_address->text()); });
    connect(m_address, &QLineEdit::returnPressed, this, [this] { connect_to(m_address->text()); });
    m_zoo = new QComboBox{this};
    m_zoo->setAccessibleName("A hypervisor of the zoo");
    sources->addWidget(m_zoo);
    button(sources, "Run in the lab", "Boot it as L1 under the VMM, emulated", [this] {
        run_in_lab(m_zoo->count() == 0 ? QStringList{} : QStringList{m_zoo->currentData().toString()});
    });
    layout->addLayout(sources);
    m_console = new QPlainTextEdit{this};
    m_console->setReadOnly(true);
    m_console->setMaximumBlockCount(most_console_lines);
    m_console->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    m_console->setPlaceholderText("L1's console, and what the VMM says, is shown here.");
    m_console->setAccessibleName("Console");
    layout->addWidget(m_console, 1);
    m_input = new QLineEdit{this};
    m_input->setPlaceholderText("Type a line to L1's console");
    m_input->setAccessibleName("A line for L1's console");
    connect(m_input, &QLineEdit::returnPressed, this, [this] {
        m_lab.type(m_input->text());
        m_input->clear();
    });
    commands->addWidget(m_input, 1);
    commands->addStretch();
    m_trap = button(commands, "Count all", "Mode trap: every access traps, and is counted",
                    [this] { count_all(); });
    m_sample = button(commands, "Sample", "Mode sample: all accesses of one in 64 round trips are counted",
                      [this] { sample(); });
    m_apply = button(commands, "Apply the profile", "Put the profile into force, without stopping L1",
                     [this] { apply_profile(); });
    m_stop = button(commands, "Stop", "End the recording, and the lab's machine", [this] { stop_all(); });
    layout->addLayout(commands);
}

LivePanel::~LivePanel() {
    m_zoo_list.disconnect(this);
    m_session.disconnect(this);
    m_zoo_list.kill();
    m_zoo_list.waitForFinished();
}

// Who never looks at the lab shall not wait for its list.
void LivePanel::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    if (m_zoo->count() == 0 && m_zoo_list.state() == QProcess::NotRunning)
        m_zoo_list.start(shadowtune_program(), {"lab", "list", "--format", "csv"});
}

void LivePanel::take_zoo() {
    for (const ZooEntry& entry : parse_zoo_list(QString::fromUtf8(m_zoo_list.readAllStandardOutput()))) {
        m_zoo->addItem(entry.ready ? entry.name : entry.name + " (not fetched)", entry.name);
        m_zoo->setItemData(m_zoo->count() - 1,
                           entry.ready ? entry.what
                                       : entry.what + ". Fetch it with: scripts/setup --zoo " + entry.name,
                           Qt::ToolTipRole);
    }
}

void LivePanel::take_state(LiveSession::State state, const QString& words) {
    m_state = state;
    m_light->setStyleSheet(QString{"color: %1; font-size: 15pt;"}.arg(light_color(state)));
    m_words->setText(words);
    const bool connected{state == LiveSession::State::connected};
    m_apply->setEnabled(connected && m_document.problem().isEmpty());
    m_trap->setEnabled(connected);
    m_sample->setEnabled(connected);
    m_stop->setEnabled(state != LiveSession::State::idle || m_lab.is_running());
    m_input->setVisible(m_lab.is_running());
    if (connected) come_to(LabStage::l1);
    refresh_progress();
    emit connection_words(short_words(state));
}

void LivePanel::take_progress(const profiler::RecorderProgress& now) {
    const QString mode{now.mode == db::Mode::sample ? QString{"sample 1 in %1"}.arg(now.sample_interval)
                                                    : QString::fromUtf8(db::text(now.mode).data())};
    const QString sampled{now.sampled_round_trips != 0
                              ? QString{" (%1 sampled)"}.arg(grouped(now.sampled_round_trips))
                              : QString{}};
    m_words->setText(QString{"Connected, mode %1: %2 round trips%3, %4 trapped accesses, generation %5"}
                         .arg(mode, grouped(now.round_trips), sampled, grouped(now.accesses))
                         .arg(now.generation));
    if (now.round_trips != 0) come_to(LabStage::l2);
}

void LivePanel::come_to(LabStage stage) {
    m_stage = std::max(m_stage, stage);
    refresh_progress();
}

// The lab's run has stages; a connection to a VMM that others run is there or not.
void LivePanel::refresh_progress() {
    const bool in_lab{m_stage != LabStage::ended};
    m_progress->setVisible(in_lab || m_state == LiveSession::State::connecting);
    m_progress->setRange(0, in_lab ? lab_stages : 0);
    if (in_lab) m_progress->setValue(static_cast<int>(m_stage) + 1);
    m_progress->setFormat(in_lab ? words_of(m_stage) : QString{});
}

void LivePanel::print(const QString& text) {
    m_console->moveCursor(QTextCursor::End);
    m_console->insertPlainText(text);
    m_console->ensureCursorVisible();
}

QString LivePanel::console() const {
    return m_console->toPlainText();
}

QString LivePanel::words() const {
    return m_words->text();
}

void LivePanel::connect_to(const QString& address) {
    if (address.isEmpty()) return m_address->setFocus();
    m_address->setText(address);
    m_session.start(address, new_recording_file("link"), "live");
}

void LivePanel::run_in_lab(const QStringList& what) {
    if (what.isEmpty())
        return emit error("The lab's list is not there yet; is 'shadowtune' built beside this program?");
    m_lab.stop();
    m_console->clear();
    m_stage = LabStage::image;
    refresh_progress();
    const QTemporaryDir folder{};
    const QString socket{folder.path() + ".sock"};
    m_lab.start(what, socket);
    const QString label{what.front().startsWith('-') ? QString{"lab"} : what.front()};
    m_session.start(socket, new_recording_file(label), label);
}

void LivePanel::apply_profile() {
    if (!has_vmm()) return;
    const QString problem{m_document.problem()};
    if (!problem.isEmpty()) return emit error(problem);
    m_session.apply(m_document.profile());
}

bool LivePanel::has_vmm() {
    const bool has{m_state != LiveSession::State::idle};
    if (!has) emit error("No VMM is connected: Ctrl+L connects to one, Ctrl+Shift+L boots one in the lab");
    return has;
}

void LivePanel::count_all() {
    if (has_vmm()) m_session.set_mode(link::Mode::trap);
}

void LivePanel::sample() {
    if (has_vmm()) m_session.set_mode(link::Mode::sample, usual_sample);
}

void LivePanel::stop_all() {
    m_lab.stop();
    m_session.stop();
}

void LivePanel::ask_address() {
    m_address->setFocus();
    m_address->selectAll();
}

void LivePanel::ask_member() {
    m_zoo->setFocus();
}

} // namespace shadowtune::gui

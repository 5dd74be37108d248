#include "gui/live/live_session.hpp"

#include "db/database.hpp"

#include <algorithm>

namespace shadowtune::gui {

namespace {

// A call that is not answered for so long is told of, and tried again.
constexpr std::chrono::seconds call_deadline{5};
constexpr std::chrono::milliseconds snapshot_interval{1'000};
constexpr std::chrono::milliseconds look_interval{50};
constexpr std::chrono::seconds reload_deadline{10};

[[nodiscard]] QString words(const std::string& text) {
    return QString::fromStdString(text);
}

} // namespace

LiveSession::~LiveSession() {
    stop();
}

void LiveSession::start(const QString& address, const QString& file, const QString& label) {
    stop();
    m_stop = false;
    m_commands.clear();
    m_thread = std::thread{[this, address, file, label] {
        record(address, file, label);
        tell(State::idle, "Not connected");
    }};
}

void LiveSession::stop() {
    m_stop = true;
    if (m_thread.joinable()) m_thread.join();
}

void LiveSession::tell(State state, const QString& what) {
    m_state = state;
    emit state_changed(state, what);
}

void LiveSession::post(Command command) {
    const std::lock_guard lock{m_mutex};
    m_commands.push_back(std::move(command));
}

void LiveSession::take_commands(link::Session& session, profiler::Recorder& recorder) {
    while (true) {
        Command command{};
        {
            const std::lock_guard lock{m_mutex};
            if (m_commands.empty()) return;
            command = std::move(m_commands.front());
            m_commands.pop_front();
        }
        command(session, recorder);
    }
}

// L1 may not pass a safe point for long: that is told, and no error.
bool LiveSession::wait_for(link::Session& session, std::uint32_t generation) {
    const auto until{std::chrono::steady_clock::now() + reload_deadline};
    while (!m_stop && std::chrono::steady_clock::now() < until) {
        const auto status{session.status()};
        if (!status) return false;
        if (std::ranges::all_of(status.value(),
                                [&](const auto& vcpu) { return vcpu.generation >= generation; }))
            return true;
        if (!session.listen(look_interval)) return false;
    }
    return false;
}

void LiveSession::set_mode(link::Mode mode, std::uint16_t sample_interval) {
    post([this, mode, sample_interval](link::Session& session, profiler::Recorder& recorder) {
        const auto generation{session.set_mode(mode, sample_interval)};
        if (!generation) return emit refused(words(generation.error().message));
        if (mode == link::Mode::trap) recorder.note({generation.value(), db::Mode::trap, 0, {}, {}});
        const QString mode_words{words(std::string{db::text(static_cast<db::Mode>(mode))})};
        emit done(QString{"Mode %1, generation %2"}.arg(mode_words).arg(generation.value()));
    });
}

void LiveSession::apply(const tuner::Profile& profile) {
    post([this, profile](link::Session& session, profiler::Recorder& recorder) {
        const auto loaded{session.load_profile(tuner::to_image(profile))};
        if (!loaded) return emit refused(words(loaded.error().message));
        // A VMM in mode trap keeps all ones until it is told to use what it was given.
        const auto tuned{session.set_mode(link::Mode::tuned)};
        if (!tuned) return emit refused(words(tuned.error().message));
        const std::uint32_t generation{std::max(loaded.value(), tuned.value())};
        recorder.note({generation, db::Mode::tuned, 0, profile.name, profile.sets});
        const bool everywhere{wait_for(session, generation)};
        emit done(QString{everywhere
                              ? "Profile %1 is in force, generation %2"
                              : "Profile %1 is accepted as generation %2; L1 has not passed a safe point yet"}
                      .arg(words(profile.name))
                      .arg(generation));
    });
}

void LiveSession::record(const QString& address, const QString& file, const QString& label) {
    tell(State::connecting, "Connecting to " + address);
    auto database{db::Database::open(file.toStdString(), db::OpenMode::append)};
    if (!database) return emit refused(words(database.error().message));
    link::SessionOptions options{};
    options.deadline = call_deadline;
    options.stop = &m_stop;
    options.on_log = [this](link::LogLevel, std::string_view text) {
        QString clean{QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size()))};
        emit logged(clean.simplified());
    };
    auto session{link::Session::open(address.toStdString(), std::move(options))};
    if (!session) return emit refused(words(session.error().message));
    profiler::RecorderOptions recording{};
    recording.labels.workload = label.toStdString();
    recording.labels.tool_version = SHADOWTUNE_VERSION;
    recording.stop = &m_stop;
    recording.on_progress = [this](const profiler::RecorderProgress& now) {
        emit progress(now.round_trips, now.accesses, now.generation);
    };
    profiler::Recorder recorder{*session.value(), database.value(), std::move(recording)};
    run(*session.value(), recorder, file);
    // What came before is stored; that this mark fails too where the disk is full is told above.
    static_cast<void>(recorder.finish());
}

void LiveSession::run(link::Session& session, profiler::Recorder& recorder, const QString& file) {
    std::size_t recordings{0};
    auto next{std::chrono::steady_clock::now()};
    while (!m_stop) {
        const auto polled{recorder.poll()};
        if (!polled) {
            if (m_stop) return;
            const profiler::RecorderError& error{polled.error()};
            const bool cannot_mend{error.room == profiler::RecorderError::Room::database ||
                                   error.link_kind == link::LinkErrorKind::bad_address ||
                                   error.link_kind == link::LinkErrorKind::incompatible};
            if (cannot_mend) return emit refused(words(error.message));
            // Nobody is there yet, or any more: the session goes on trying.
            tell(recordings == 0 ? State::connecting : State::lost, words(error.message));
            continue;
        }
        if (recorder.summary().recordings.size() != recordings) {
            recordings = recorder.summary().recordings.size();
            emit recording_began(file, recorder.summary().recordings.back());
        }
        const bool l1_stopped{polled.value()};
        if (const State now{l1_stopped ? State::l1_stopped : State::connected}; now != m_state)
            tell(now, l1_stopped ? "L0 stopped L1; what was counted is kept" : "Connected");
        next = std::max(next + snapshot_interval, std::chrono::steady_clock::now());
        while (!m_stop && std::chrono::steady_clock::now() < next) {
            take_commands(session, recorder);
            const auto waited{
                recorder.wait_until(std::min(next, std::chrono::steady_clock::now() + look_interval))};
            if (!waited) return emit refused(words(waited.error().message));
        }
    }
}

} // namespace shadowtune::gui

#include "gui/live/live_session.hpp"

#include "db/database.hpp"

#include <algorithm>

namespace shadowtune::gui {

namespace {

// A call that is not answered for so long is told of, and tried again: where the line is up, each time with
// four times the patience, for an emulated machine may take a minute for what another one does in a moment.
constexpr std::chrono::seconds call_deadline{5};
constexpr std::chrono::seconds longest_call{80};
constexpr std::chrono::milliseconds snapshot_interval{1'000};
constexpr std::chrono::milliseconds look_interval{50};

[[nodiscard]] QString words(const std::string& text) {
    return QString::fromStdString(text);
}

[[nodiscard]] bool can_mend(link::LinkErrorKind kind) {
    return kind != link::LinkErrorKind::bad_address && kind != link::LinkErrorKind::incompatible &&
           kind != link::LinkErrorKind::refused;
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

bool LiveSession::take_commands(link::Session& session, profiler::Recorder& recorder) {
    for (bool any{false};; any = true) {
        Command command{};
        {
            const std::lock_guard lock{m_mutex};
            if (m_commands.empty()) return any;
            command = std::move(m_commands.front());
            m_commands.pop_front();
        }
        command(session, recorder);
    }
}

void LiveSession::take_trouble(link::Session& session, link::LinkErrorKind kind, const std::string& what) {
    const bool is_up{kind == link::LinkErrorKind::timed_out};
    session.set_deadline(is_up ? std::min<std::chrono::milliseconds>(4 * session.deadline(), longest_call)
                               : call_deadline);
    tell(m_has_recording ? State::lost : State::connecting, words(what));
}

// Commands may be repeated: that one is not answered in time does not say that it was not obeyed.
template <typename Call>
auto LiveSession::answer(link::Session& session, Call call) {
    while (true) {
        auto answered{call()};
        if (answered || m_stop || !can_mend(answered.error().kind)) return answered;
        take_trouble(session, answered.error().kind, answered.error().message);
    }
}

// L1 may not pass a safe point for long.
void LiveSession::look_for_awaited(const db::Snapshot& last) {
    const auto has_it{[&](const db::VcpuSnapshot& vcpu) { return vcpu.generation >= m_awaited->generation; }};
    if (!m_awaited || last.vcpus.empty() || !std::ranges::all_of(last.vcpus, has_it)) return;
    emit done(QString{"Profile %1 is in force, generation %2"}
                  .arg(words(m_awaited->profile))
                  .arg(m_awaited->generation));
    m_awaited.reset();
}

// The profile stays, and goes into force where the mode has one, unless somebody else has loaded another.
void LiveSession::note_mode(profiler::Recorder& recorder, std::uint32_t generation, db::Mode mode,
                            std::uint16_t sample_interval) {
    if (m_loaded && generation > m_loaded->generation + 1) m_loaded.reset();
    if (m_loaded) m_loaded->generation = generation;
    if (mode == db::Mode::trap) {
        recorder.note({generation, mode, 0, {}, {}});
    } else if (m_loaded) {
        recorder.note({generation, mode, sample_interval, m_loaded->profile, m_loaded->sets});
    }
}

void LiveSession::set_mode(link::Mode mode, std::uint16_t sample_interval) {
    post([this, mode, sample_interval](link::Session& session, profiler::Recorder& recorder) {
        const auto generation{answer(session, [&] { return session.set_mode(mode, sample_interval); })};
        if (!generation) return emit refused(words(generation.error().message));
        note_mode(recorder, generation.value(), static_cast<db::Mode>(mode), sample_interval);
        const QString mode_words{words(std::string{db::text(static_cast<db::Mode>(mode))})};
        emit done(QString{"Mode %1, generation %2"}.arg(mode_words).arg(generation.value()));
    });
}

void LiveSession::apply(const tuner::Profile& profile) {
    post([this, profile](link::Session& session, profiler::Recorder& recorder) {
        const auto image{tuner::to_image(profile)};
        const auto loaded{answer(session, [&] { return session.load_profile(image); })};
        if (!loaded) return emit refused(words(loaded.error().message));
        // A VMM in mode trap keeps all ones until it is told to use what it was given.
        const auto tuned{answer(session, [&] { return session.set_mode(link::Mode::tuned); })};
        if (!tuned) return emit refused(words(tuned.error().message));
        const std::uint32_t generation{std::max(loaded.value(), tuned.value())};
        // Until the second command has come through, the profile runs in the mode before.
        m_loaded = Loaded{loaded.value(), profile.name, profile.sets};
        if (const auto& vcpus{recorder.last().vcpus}; !vcpus.empty())
            note_mode(recorder, loaded.value(), vcpus.front().mode, vcpus.front().sample_interval);
        m_loaded->generation = generation;
        note_mode(recorder, generation, db::Mode::tuned, 0);
        m_awaited = Awaited{generation, profile.name};
        emit done(QString{"Profile %1 is accepted as generation %2; L1 takes it at its next safe point"}
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
    recording.on_progress = [this](const profiler::RecorderProgress& now) { emit progress(now); };
    profiler::Recorder recorder{*session.value(), database.value(), std::move(recording)};
    run(*session.value(), recorder, file);
    // What came before is stored; that this mark fails too where the disk is full is told above.
    static_cast<void>(recorder.finish());
}

void LiveSession::run(link::Session& session, profiler::Recorder& recorder, const QString& file) {
    std::size_t recordings{0};
    m_has_recording = false;
    m_awaited.reset();
    m_loaded.reset();
    auto next{std::chrono::steady_clock::now()};
    while (!m_stop) {
        const auto polled{recorder.poll()};
        if (!polled) {
            if (m_stop) return;
            const profiler::RecorderError& error{polled.error()};
            if (error.room == profiler::RecorderError::Room::database || !can_mend(error.link_kind))
                return emit refused(words(error.message));
            // Nobody is there yet, or any more: the session goes on trying.
            take_trouble(session, error.link_kind, error.message);
            continue;
        }
        if (recorder.summary().recordings.size() != recordings) {
            recordings = recorder.summary().recordings.size();
            m_loaded.reset(); // another boot has no profile yet
            m_has_recording = true;
            emit recording_began(file, recorder.summary().recordings.back());
        }
        look_for_awaited(recorder.last());
        const bool l1_stopped{polled.value()};
        if (const State now{l1_stopped ? State::l1_stopped : State::connected}; now != m_state)
            tell(now, l1_stopped ? "L0 stopped L1; what was counted is kept" : "Connected");
        next = std::max(next + snapshot_interval, std::chrono::steady_clock::now());
        // What a command changed is looked at at once. A snapshot may take longer than the interval.
        while (!take_commands(session, recorder) && !m_stop && std::chrono::steady_clock::now() < next) {
            const auto waited{
                recorder.wait_until(std::min(next, std::chrono::steady_clock::now() + look_interval))};
            if (!waited) return emit refused(words(waited.error().message));
        }
    }
}

} // namespace shadowtune::gui

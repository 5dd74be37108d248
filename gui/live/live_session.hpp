#pragma once

// A running VMM, recorded into a file while it is watched. Talks to it on a thread of its own; whoever wants
// to see the counts reads the file. A lost link is tried again until stop(): nothing recorded is lost.

#include "profiler/recorder.hpp"
#include "tuner/profile_file.hpp"

#include <QObject>
#include <QString>
#include <atomic>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace shadowtune::gui {

class LiveSession : public QObject {
    Q_OBJECT
public:
    enum class State : std::uint8_t { idle, connecting, connected, lost, l1_stopped };

    explicit LiveSession(QObject* parent = nullptr) : QObject{parent} {}
    ~LiveSession() override;

    // Records into `file`, which is made where it is not there, under this label.
    void start(const QString& address, const QString& file, const QString& label);
    // Ends the recording, with what it has, and waits for that: a tenth of a second.
    void stop();
    [[nodiscard]] bool is_running() const { return m_thread.joinable(); }

    // What the VMM is to do, in order; each is answered by `done` or `refused`.
    void set_mode(link::Mode mode, std::uint16_t sample_interval = 0);
    void apply(const tuner::Profile& profile);

signals:
    void state_changed(shadowtune::gui::LiveSession::State state, const QString& words);
    // The first snapshot of a boot is in the file.
    void recording_began(const QString& file, qint64 recording);
    void progress(const shadowtune::profiler::RecorderProgress& now);
    void logged(const QString& words);
    void done(const QString& words);
    void refused(const QString& words);

private:
    using Command = std::function<void(link::Session&, profiler::Recorder&)>;

    void record(const QString& address, const QString& file, const QString& label);
    void run(link::Session& session, profiler::Recorder& recorder, const QString& file);
    // True where there were any.
    [[nodiscard]] bool take_commands(link::Session& session, profiler::Recorder& recorder);
    void post(Command command);
    void tell(State state, const QString& words);
    template <typename Call>
    [[nodiscard]] auto answer(link::Session& session, Call call);
    void take_trouble(link::Session& session, link::LinkErrorKind kind, const std::string& what);
    void look_for_awaited(const db::Snapshot& last);
    void note_mode(profiler::Recorder& recorder, std::uint32_t generation, db::Mode mode,
                   std::uint16_t sample_interval);

    std::thread m_thread;
    std::atomic<bool> m_stop{false};
    // Of the thread.
    State m_state{State::idle};
    bool m_has_recording{false};
    struct Awaited {
        std::uint32_t generation{0};
        std::string profile;
    };
    std::optional<Awaited> m_awaited; // loaded, and not in force everywhere yet
    // The bitmaps that this session has loaded: L0 tells nobody what they are.
    struct Loaded {
        std::uint32_t generation{0}; // that the VMM gave to the last command
        std::string profile;
        vmcs::ShadowSets sets;
    };
    std::optional<Loaded> m_loaded;
    std::mutex m_mutex;
    std::deque<Command> m_commands; // guarded by m_mutex
};

} // namespace shadowtune::gui

Q_DECLARE_METATYPE(shadowtune::gui::LiveSession::State)

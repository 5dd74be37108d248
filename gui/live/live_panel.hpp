#pragma once

// The running VMM: connection, machine, console, and what is done to them.

#include "gui/live/lab_run.hpp"
#include "gui/live/live_session.hpp"
#include "gui/model/profile_document.hpp"

#include <QWidget>

class QComboBox;
class QLabel;
class QLineEdit;
class QPlainTextEdit;
class QProgressBar;
class QPushButton;

namespace shadowtune::gui {

class LivePanel : public QWidget {
    Q_OBJECT
public:
    explicit LivePanel(ProfileDocument& document, QWidget* parent = nullptr);
    ~LivePanel() override;

    void connect_to(const QString& address);
    // What follows `lab run`: a member of the zoo, options, or both. Empty: there is nothing to pick from
    // yet.
    void run_in_lab(const QStringList& what);
    void apply_profile();
    // Modes trap and sample.
    void count_all();
    void sample();
    void stop_all();
    void ask_address();
    void ask_member();
    [[nodiscard]] LiveSession::State state() const { return m_state; }
    [[nodiscard]] LiveSession& session() { return m_session; }
    [[nodiscard]] QString console() const;
    // The connection's state.
    [[nodiscard]] QString words() const;
    // Of the last lab run; `ended` before the first.
    [[nodiscard]] LabStage stage() const { return m_stage; }

signals:
    void recording_began(const QString& file, qint64 recording);
    void error(const QString& words);
    void note(const QString& words);
    // For the window's status line: the state, in a few words.
    void connection_words(const QString& words);

protected:
    void showEvent(QShowEvent* event) override;

private:
    void build();
    void take_state(LiveSession::State state, const QString& words);
    void take_progress(const profiler::RecorderProgress& now);
    void print(const QString& text);
    void refresh_progress();
    void come_to(LabStage stage); // where that is further than before
    void take_zoo();
    [[nodiscard]] bool has_vmm(); // or says how to get one

    ProfileDocument& m_document;
    LiveSession m_session;
    LabRun m_lab;
    QProcess m_zoo_list;
    LiveSession::State m_state{LiveSession::State::idle};
    LabStage m_stage{LabStage::ended};
    QLabel* m_light{nullptr};
    QLabel* m_words{nullptr};
    QLineEdit* m_address{nullptr};
    QComboBox* m_zoo{nullptr};
    QProgressBar* m_progress{nullptr};
    QPushButton* m_apply{nullptr};
    QPushButton* m_trap{nullptr};
    QPushButton* m_sample{nullptr};
    QPushButton* m_stop{nullptr};
    QPlainTextEdit* m_console{nullptr};
    QLineEdit* m_input{nullptr};
};

} // namespace shadowtune::gui

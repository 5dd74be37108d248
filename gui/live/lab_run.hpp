#pragma once

// A hypervisor of the zoo in the lab: the program `shadowtune` as a process, its console, and its end.

#include <QObject>
#include <QProcess>
#include <QStringList>
#include <cstdint>
#include <optional>

namespace shadowtune::gui {

struct ZooEntry {
    QString name;
    bool ready{false}; // its files are there
    QString what;
};

// How far a run has come. The program tells image and boot, the VMM's link the others.
enum class LabStage : std::uint8_t { image, boot, l1, l2, ended };
inline constexpr int lab_stages{static_cast<int>(LabStage::ended)};
// "2 of 4: booting L0".
[[nodiscard]] QString words_of(LabStage stage);
// That one of the program's lines on standard error tells of.
[[nodiscard]] std::optional<LabStage> stage_told(const QString& line);

// The program that is built, or installed, beside this one.
[[nodiscard]] QString shadowtune_program();

// Out of `shadowtune lab list --format csv`.
[[nodiscard]] QList<ZooEntry> parse_zoo_list(const QString& csv);

class LabRun : public QObject {
    Q_OBJECT
public:
    explicit LabRun(QObject* parent = nullptr);
    ~LabRun() override;

    // `what`: what follows `lab run`, a member of the zoo or options. The link is served on `socket`.
    void start(const QStringList& what, const QString& socket);
    void stop();
    // A line for L1's console.
    void type(const QString& line);
    [[nodiscard]] bool is_running() const { return m_process.state() != QProcess::NotRunning; }

signals:
    void printed(const QString& text);
    void came_to(shadowtune::gui::LabStage stage);
    // In words; `good`: the guest powered its machine off, or somebody stopped it.
    void ended(bool good, const QString& words);

private:
    void take_end(int code, QProcess::ExitStatus status);

    QProcess m_process;
    bool m_stopping{false};
    QString m_errors; // the last words on standard error
};

} // namespace shadowtune::gui

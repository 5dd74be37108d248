#pragma once

// A hypervisor of the zoo in the lab: the program `shadowtune` as a process, its console, and its end.

#include <QObject>
#include <QProcess>
#include <QStringList>

namespace shadowtune::gui {

struct ZooEntry {
    QString name;
    bool ready{false}; // its files are there
    QString what;
};

// The program that is built, or installed, beside this one.
[[nodiscard]] QString shadowtune_program();

// Out of `shadowtune lab list --format csv`.
[[nodiscard]] QList<ZooEntry> parse_zoo_list(const QString& csv);

class LabRun : public QObject {
    Q_OBJECT
public:
    explicit LabRun(QObject* parent = nullptr);
    ~LabRun() override;

    // The link is served on `socket`. `more`: further options of `lab run`.
    void start(const QString& member, const QString& socket, const QStringList& more = {});
    void stop();
    // A line for L1's console.
    void type(const QString& line);
    [[nodiscard]] bool is_running() const { return m_process.state() != QProcess::NotRunning; }

signals:
    void printed(const QString& text);
    // In words; `good`: the guest powered its machine off.
    void ended(bool good, const QString& words);

private:
    void take_end(int code, QProcess::ExitStatus status);

    QProcess m_process;
    QString m_errors; // the last words on standard error
};

} // namespace shadowtune::gui

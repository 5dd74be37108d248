#include "gui/live/lab_run.hpp"

#include <QCoreApplication>
#include <QRegularExpression>
#include <csignal>
#include <sys/prctl.h>

namespace shadowtune::gui {

namespace {

// As docs/cli.md lists them for `lab run`.
constexpr int powered_off{0};
constexpr int interrupted{130};
constexpr int terminated{143};
constexpr int longest_stop_ms{5'000};

} // namespace

QString words_of(LabStage stage) {
    constexpr const char* words[]{"making the boot image", "booting L0", "L1 boots", "L1 runs L2"};
    if (stage == LabStage::ended) return "ended";
    const auto number{static_cast<int>(stage)};
    return QString{"%1 of %2: %3"}.arg(number + 1).arg(lab_stages).arg(words[number]);
}

std::optional<LabStage> stage_told(const QString& line) {
    if (line.startsWith("lab: making the boot image")) return LabStage::image;
    if (line.startsWith("lab: the machine runs")) return LabStage::boot;
    return std::nullopt;
}

QString shadowtune_program() {
    return QCoreApplication::applicationDirPath() + "/shadowtune";
}

QList<ZooEntry> parse_zoo_list(const QString& csv) {
    QList<ZooEntry> zoo{};
    for (const QString& line : csv.split('\n', Qt::SkipEmptyParts).mid(1)) {
        QString what{line.section(',', 2)};
        if (what.startsWith('"')) what = what.mid(1, what.size() - 2).replace("\"\"", "\"");
        zoo << ZooEntry{line.section(',', 0, 0), line.section(',', 1, 1) == "1", what};
    }
    return zoo;
}

LabRun::LabRun(QObject* parent) : QObject{parent} {
    // A machine that nobody watches any more would run for ever.
    m_process.setChildProcessModifier([] { ::prctl(PR_SET_PDEATHSIG, SIGTERM); });
    connect(&m_process, &QProcess::readyReadStandardOutput, this, [this] {
        static const QRegularExpression control{"\x1B\\[[0-9;?]*[A-Za-z]|\r"};
        emit printed(QString::fromUtf8(m_process.readAllStandardOutput()).remove(control));
    });
    connect(&m_process, &QProcess::readyReadStandardError, this, [this] {
        const QString text{QString::fromUtf8(m_process.readAllStandardError())};
        const QStringList lines{text.split('\n', Qt::SkipEmptyParts)};
        if (!lines.isEmpty()) m_errors = lines.last();
        for (const QString& line : lines) {
            if (const auto stage{stage_told(line)}) emit came_to(*stage);
        }
        emit printed(text);
    });
    connect(&m_process, &QProcess::finished, this, &LabRun::take_end);
    connect(&m_process, &QProcess::errorOccurred, this, [this](QProcess::ProcessError error) {
        if (error == QProcess::FailedToStart)
            emit ended(false, shadowtune_program() + " cannot be started; build it first");
    });
}

LabRun::~LabRun() {
    m_process.disconnect(this);
    stop();
}

void LabRun::start(const QStringList& what, const QString& socket) {
    m_errors.clear();
    m_stopping = false;
    m_process.start(shadowtune_program(), QStringList{"lab", "run"} + what + QStringList{"--link", socket});
}

void LabRun::stop() {
    if (!is_running()) return;
    m_stopping = true;
    m_process.terminate();
    if (!m_process.waitForFinished(longest_stop_ms)) m_process.kill();
    m_process.waitForFinished(longest_stop_ms);
}

void LabRun::type(const QString& line) {
    m_process.write(line.toUtf8() + '\n');
}

void LabRun::take_end(int code, QProcess::ExitStatus status) {
    if (status == QProcess::NormalExit && code == powered_off)
        return emit ended(true, "The machine powered off");
    if (m_stopping || code == interrupted || code == terminated)
        return emit ended(true, "The machine was stopped");
    if (status != QProcess::NormalExit) return emit ended(false, "The lab has crashed");
    emit ended(false,
               m_errors.isEmpty() ? QString{"The lab ended with code %1 (docs/cli.md)"}.arg(code) : m_errors);
}

} // namespace shadowtune::gui

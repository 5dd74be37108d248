// `shadowtune-gui`: the heatmap and all that belongs to it.

#include "gui/batch.hpp"

#include <QApplication>
#include <QLoggingCategory>
#include <cstdio>

namespace {

namespace gui = shadowtune::gui;

[[nodiscard]] int run(int argc, char** argv) {
    const gui::ParsedOptions parsed{gui::parse_options(argc, argv)};
    if (!parsed.go_on) return parsed.exit_code;
    const gui::Options& options{parsed.options};
    if (options.is_batch()) {
        qputenv("QT_QPA_PLATFORM", "offscreen");
        QLoggingCategory::setFilterRules("qt.qpa.*=false\ndefault.warning=false");
    }
    if (options.scale != 1) qputenv("QT_SCALE_FACTOR", QByteArray::number(options.scale));
    int count{1}; // the rest was ours, not Qt's
    QApplication application{count, argv};
    QApplication::setOrganizationName("shadowtune");
    QApplication::setApplicationName("shadowtune-gui");
    QApplication::setApplicationVersion(SHADOWTUNE_VERSION);
    QApplication::setDesktopFileName("shadowtune-gui");
    gui::apply_theme(application, options.theme);
    gui::MainWindow window{options};
    for (const std::string& file : options.files)
        window.open(QString::fromStdString(file), options.recording);
    if (options.is_batch()) return gui::run_batch(window, options);
    window.show();
    window.show_view(options.view);
    return QApplication::exec();
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "shadowtune-gui: %s; this is a mistake of shadowtune's own, please report it\n",
                     error.what());
        return 8;
    }
}

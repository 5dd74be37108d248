#include "gui/batch.hpp"

#include "gui/view/heatmap_page.hpp"
#include "gui/view/message_bar.hpp"

#include <QEventLoop>
#include <cstdio>

namespace shadowtune::gui {

namespace {

constexpr int bad_input{3};
constexpr int output_failed{7};

[[nodiscard]] int fail(int code, const std::string& words) {
    std::fprintf(stderr, "shadowtune-gui: %s\n", words.c_str());
    return code;
}

} // namespace

int run_batch(MainWindow& window, const Options& options) {
    window.show();
    window.show_view(options.view);
    while (!window.is_settled()) {
        QEventLoop loop{};
        QObject::connect(&window, &MainWindow::settled, &loop, &QEventLoop::quit);
        loop.exec();
    }
    if (const QString words{window.messages().words()}; !words.isEmpty())
        return fail(bad_input, words.toStdString());
    if (!options.heatmap.empty()) {
        const auto written{window.heatmap_page().export_to(options.heatmap)};
        if (!written) return fail(output_failed, written.error());
    }
    if (options.screenshot.empty()) return 0;
    QCoreApplication::processEvents();
    if (window.grab().save(QString::fromStdString(options.screenshot), "PNG")) return 0;
    return fail(output_failed,
                options.screenshot + ": cannot be written; check the folder and its permissions");
}

} // namespace shadowtune::gui

#pragma once

#include "gui/view/command_palette.hpp"
#include "gui/view/main_window.hpp"
#include "tests/db/sample_recording.hpp"

#include <QAction>
#include <QTest>

namespace shadowtune::gui {

inline constexpr int patience_ms{20'000};

[[nodiscard]] inline bool settles(MainWindow& window) {
    return QTest::qWaitFor([&] { return window.is_settled(); }, patience_ms);
}

[[nodiscard]] inline QAction* command(const MainWindow& window, const QString& name) {
    for (QAction* const action : commands_of(window)) {
        if (QString{action->text()}.remove('&').startsWith(name)) return action;
    }
    return nullptr;
}

// A window that opens the tests' small recording; settles() tells when it is shown.
struct SampleWindow {
    SampleWindow() {
        test::write_sample(file);
        window.show();
        window.open(QString::fromStdString(file));
    }

    test::TemporaryFolder folder{};
    const std::string file{(folder / "a.db").string()};
    MainWindow window{Options{}};
};

} // namespace shadowtune::gui

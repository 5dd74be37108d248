// gui_tests CLASS [options of QTest].

#include "tests/gui/tests.hpp"

#include <QApplication>
#include <QTest>
#include <cstdio>
#include <memory>

namespace {

namespace gui = shadowtune::gui;

template <typename... Classes>
[[nodiscard]] std::unique_ptr<QObject> find(std::string_view name) {
    std::unique_ptr<QObject> found{};
    const auto look{[&]<typename Class>(const Class*) {
        if (name ==
            std::string_view{Class::staticMetaObject.className()}.substr(sizeof("shadowtune::gui::") - 1))
            found = std::make_unique<Class>();
    }};
    (look(static_cast<const Classes*>(nullptr)), ...);
    return found;
}

} // namespace

int main(int argc, char** argv) {
    const auto tests{
        find<gui::CompareTest, gui::FilterTest, gui::HabitsTest, gui::HeatmapTest, gui::LiveTest,
             gui::ProfileFileTest, gui::ProfileTest, gui::SampleTest, gui::TourTest, gui::WindowTest>(
            argc > 1 ? argv[1] : "")};
    if (!tests) {
        std::fprintf(stderr, "gui_tests: name a class of tests/gui/tests.hpp\n");
        return 2;
    }
    const QApplication application{argc, argv};
    return QTest::qExec(tests.get(), argc - 1, argv + 1);
}

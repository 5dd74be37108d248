#include "gui/options.hpp"

#include <CLI/CLI.hpp>
#include <map>

namespace shadowtune::gui {

namespace {

// CLI11's own transformers would print the values as what they are stored in: characters.
template <typename Value>
void add_choice(CLI::App& app, const std::string& name, Value& value,
                const std::map<std::string, Value>& names, const std::string& help) {
    const auto take{[name, &value, names](const std::string& given) {
        const auto found{names.find(CLI::detail::to_lower(given))};
        if (found != names.end()) {
            value = found->second;
            return;
        }
        std::string all{};
        for (const auto& [word, ignored] : names)
            all += (all.empty() ? "" : ", ") + word;
        throw CLI::ValidationError(name, "'" + given + "' is none of " + all);
    }};
    app.add_option_function<std::string>(name, take, help)->type_name("WORD");
}

} // namespace

ParsedOptions parse_options(int argc, char** argv) {
    ParsedOptions parsed{};
    Options& options{parsed.options};
    CLI::App app{"Shows what an L1 does to its VMCS, and what shadowing it would save", "shadowtune-gui"};
    app.set_version_flag("--version", "shadowtune-gui " SHADOWTUNE_VERSION);
    std::string text{};
    std::string size{};
    bool cold{false};
    app.add_option("files", options.files,
                   "Recordings made by 'shadowtune record', profiles, or the link of a running VMM: a Unix\n"
                   "socket, a tty, or tcp:HOST:PORT");
    app.add_option("--recording", options.recording, "The recording shown first (default: the newest)")
        ->check(CLI::PositiveNumber);
    add_choice<View>(app, "--view", options.view,
                     {{"heatmap", View::heatmap},
                      {"bitmaps", View::bitmaps},
                      {"compare", View::compare},
                      {"decisions", View::decisions}},
                     "heatmap, bitmaps, compare or decisions");
    add_choice<Axis>(app, "--against", options.filter.axis,
                     {{"reason", Axis::reason},
                      {"time", Axis::time},
                      {"recording", Axis::recording},
                      {"l1", Axis::l1},
                      {"workload", Axis::workload}},
                     "What fields are shown against: reason (of the L2 exit), time, recording, l1, workload");
    add_choice<Accesses>(app, "--accesses", options.filter.rows.accesses,
                         {{"both", Accesses::both}, {"reads", Accesses::reads}, {"writes", Accesses::writes}},
                         "both, reads or writes");
    add_choice<RowOrder>(
        app, "--sort", options.filter.rows.order,
        {{"catalogue", RowOrder::catalogue}, {"heat", RowOrder::heat}, {"alike", RowOrder::alike}},
        "catalogue, heat, or alike: fields of like use beside each other");
    app.add_option("--fields", text, "Only fields whose name or encoding contains this");
    app.add_flag("--cold", cold, "Fields that were never accessed, too");
    add_choice<Theme>(app, "--theme", options.theme,
                      {{"system", Theme::system}, {"light", Theme::light}, {"dark", Theme::dark}},
                      "system, light or dark");
    add_choice<Palette>(
        app, "--colours", options.palette,
        {{"viridis", Palette::viridis}, {"cividis", Palette::cividis}, {"grey", Palette::grey}},
        "viridis, cividis or grey");
    app.add_option("--screenshot", options.screenshot,
                   "Write the window to this PNG, and end; needs no display");
    app.add_option("--export-heatmap", options.heatmap,
                   "Write the heatmap to this file (.png, .svg or .csv), and end; needs no display");
    app.add_option("--size", size, "The window's size, WIDTHxHEIGHT")->check([](const std::string& given) {
        int width{0}, height{0}, end{0};
        const bool good{std::sscanf(given.c_str(), "%5dx%5d%n", &width, &height, &end) == 2 &&
                        static_cast<std::size_t>(end) == given.size() && width >= 320 && height >= 240};
        return good ? std::string{} : std::string{"give WIDTHxHEIGHT, at least 320x240"};
    });
    app.add_option("--scale", options.scale,
                   "Device pixels for each pixel, as on a display of high resolution")
        ->check(CLI::Range(0.5, 4.0));
    app.footer("Exit codes: 0 done, 2 usage, 3 bad input file, 7 output not writable.\n\n"
               "Examples:\n"
               "  shadowtune-gui demo.db\n"
               "  shadowtune-gui /tmp/lab.sock\n"
               "  shadowtune-gui demo.db --recording 1 --sort heat --export-heatmap demo.svg");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        parsed.go_on = false;
        parsed.exit_code = app.exit(error) == 0 ? 0 : 2;
        return parsed;
    }
    for (char& c : text)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    options.filter.rows.text = text;
    options.filter.rows.hide_cold = !cold;
    if (!size.empty()) {
        int width{0}, height{0};
        std::sscanf(size.c_str(), "%5dx%5d", &width, &height);
        options.size = {width, height};
    }
    return parsed;
}

} // namespace shadowtune::gui

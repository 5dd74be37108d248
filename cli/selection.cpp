#include "cli/selection.hpp"

#include <charconv>
#include <filesystem>
#include <fmt/core.h>

namespace shadowtune::cli {

namespace {

template <typename Number>
[[nodiscard]] bool parse_number(std::string_view text, Number& number) {
    const auto [end, error]{std::from_chars(text.data(), text.data() + text.size(), number)};
    return error == std::errc{} && end == text.data() + text.size();
}

[[nodiscard]] Failure<CliError> bad_input(const db::Error& error) {
    return Failure{CliError{ExitCode::bad_input, error.message}};
}

} // namespace

Result<db::Database, CliError> open_database(const std::string& file) {
    auto database{db::Database::open(file, db::OpenMode::read)};
    if (!database) return bad_input(database.error());
    return std::move(database).value();
}

Result<Selection, CliError> select(const RecordingChoice& choice) {
    auto database{open_database(choice.file)};
    if (!database) return Failure{database.error()};
    Selection selection{};
    selection.database = std::make_unique<db::Database>(std::move(database).value());
    auto reader{db::RecordingReader::open(*selection.database, choice.recording)};
    if (!reader) return bad_input(reader.error());
    selection.reader = std::move(reader).value();

    db::SnapshotRange range{};
    if (choice.snapshots.empty()) {
        auto whole{selection.reader.whole()};
        if (!whole) return bad_input(whole.error());
        range = whole.value();
    } else {
        const std::string_view text{choice.snapshots};
        const std::size_t colon{text.find(':')};
        if (colon == std::string_view::npos || !parse_number(text.substr(0, colon), range.from) ||
            !parse_number(text.substr(colon + 1), range.to)) {
            return Failure{
                CliError{ExitCode::usage, fmt::format("--snapshots {}: give FROM:TO, such as 1:20; "
                                                      "0 as FROM is power-on",
                                                      text)}};
        }
    }
    auto totals{selection.reader.totals(range, choice.vcpu)};
    if (!totals) return bad_input(totals.error());
    selection.totals = std::move(totals).value();
    return selection;
}

Result<void, CliError> check_complete(const Selection& selection, const std::string& file,
                                      bool with_snapshots) {
    const auto bad{[&](std::string_view words) {
        return Failure{CliError{ExitCode::bad_input, fmt::format("{}, recording {}: {}", file,
                                                                 selection.reader.info().id, words)}};
    }};
    if (!selection.totals.all_trap) {
        return bad(fmt::format("part of it was made in mode tuned or sample, or may have been between two "
                               "snapshots or before the first: shadowed accesses are not all counted there; "
                               "record with --mode trap{}",
                               with_snapshots ? ", or choose --snapshots from the part in mode trap" : ""));
    }
    if (selection.totals.counters.round_trips == 0) {
        return bad("no round trip in it; record while L1 runs a guest");
    }
    return {};
}

RecordingChoice parse_recording(const std::string& text) {
    const std::size_t colon{text.rfind(':')};
    RecordingChoice choice{text, 0, {}, {}};
    std::error_code ignored{};
    if (colon == std::string::npos || std::filesystem::exists(text, ignored)) return choice;
    std::int64_t number{0};
    if (!parse_number(std::string_view{text}.substr(colon + 1), number) || number <= 0) return choice;
    choice.file = text.substr(0, colon);
    choice.recording = number;
    return choice;
}

Result<RecordingChoice, CliError> parse_recording(const std::string& text, std::int64_t recording) {
    RecordingChoice choice{parse_recording(text)};
    if (recording == 0) return choice;
    if (choice.recording != 0) {
        return Failure{CliError{ExitCode::usage, fmt::format("{}: names a recording, and --recording {} too; "
                                                             "leave one of the two out",
                                                             text, recording)}};
    }
    choice.recording = recording;
    return choice;
}

} // namespace shadowtune::cli

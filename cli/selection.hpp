#pragma once

// The recording, and the part of it, that a verb works on.

#include "cli/console.hpp"
#include "db/recording_reader.hpp"
#include "vmcs/result.hpp"

#include <memory>
#include <string>

namespace shadowtune::cli {

// As the command line gives it.
struct RecordingChoice {
    std::string file;
    std::int64_t recording{0};           // 0: the newest
    std::string snapshots;               // "FROM:TO"; empty: the first to the last; FROM 0: power-on
    std::optional<std::uint16_t> vcpu{}; // none: all together
};

struct Selection {
    std::unique_ptr<db::Database> database; // the reader points to it
    db::RecordingReader reader;
    db::Totals totals;
};

// Errors: usage for a malformed range, bad_input for the rest.
[[nodiscard]] Result<Selection, CliError> select(const RecordingChoice& choice);

// What the counts must be before anything may be concluded from them: made in mode trap, with round trips.
// `with_snapshots`: the verb has --snapshots, which may be the mend. Errors: bad_input.
[[nodiscard]] Result<void, CliError> check_complete(const Selection& selection, const std::string& file,
                                                    bool with_snapshots = true);

// "FILE" or "FILE:NUMBER". A file whose name has that form itself wins.
[[nodiscard]] RecordingChoice parse_recording(const std::string& text);

// The same, where --recording may pick the recording instead; 0: it is not given. Error: usage, of both.
[[nodiscard]] Result<RecordingChoice, CliError> parse_recording(const std::string& text,
                                                                std::int64_t recording);

[[nodiscard]] Result<db::Database, CliError> open_database(const std::string& file);

} // namespace shadowtune::cli

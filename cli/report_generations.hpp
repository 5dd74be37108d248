#pragma once

// What each set of bitmaps was predicted to do, and what was measured under it.

#include "cli/measurement.hpp"
#include "cli/selection.hpp"
#include "tuner/prediction.hpp"

#include <optional>
#include <string>
#include <vector>

namespace shadowtune::cli {

struct GenerationRow {
    db::Generation generation;
    db::SnapshotRange range; // that was measured
    Measurement measured;    // copies: at most what was predicted
    // From the nearest part in mode trap with round trips, the one before it first. None where there is none,
    // or the sets are not known: L0 tells the name of a profile that somebody else loaded, and no more.
    std::optional<tuner::Effect> predicted;
};

// Generations under which a round trip was made, in order of time. Errors: bad_input.
[[nodiscard]] Result<std::vector<GenerationRow>, CliError> generation_rows(const db::RecordingReader& reader);

[[nodiscard]] std::string generations_as_table(const std::vector<GenerationRow>& rows);
[[nodiscard]] std::string generations_as_csv(const std::vector<GenerationRow>& rows);
[[nodiscard]] std::string generations_as_json(const std::vector<GenerationRow>& rows);

} // namespace shadowtune::cli

#pragma once

// `report` as a table for people, as JSON and as CSV for programs.

#include "cli/report_rows.hpp"
#include "cli/selection.hpp"

#include <string>

namespace shadowtune::cli {

struct Report {
    const Selection* selection{nullptr};
    std::vector<db::Totals> by_vcpu; // empty where there is only one, or only one is asked for
    std::vector<ReportRow> rows;
    std::vector<SampledRow> sampled; // empty where no round trip was sampled
};

// Of a selection that outlives it. Errors: bad_input.
[[nodiscard]] Result<Report, CliError> make_report(const Selection& selection, const ReportOptions& options);

// At most 100 columns wide.
[[nodiscard]] std::string report_as_table(const Report& report, const ReportOptions& options);
[[nodiscard]] std::string report_as_json(const Report& report);
[[nodiscard]] std::string report_as_csv(const Report& report);

// The recordings of a file, one line each.
[[nodiscard]] std::string recordings_as_table(const std::vector<db::RecordingInfo>& recordings);

// "2026-11-20 16:45:12", UTC.
[[nodiscard]] std::string utc(std::int64_t ms);

} // namespace shadowtune::cli

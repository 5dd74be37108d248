#pragma once

// `report` as a table for people, as JSON and as CSV for programs.

#include "cli/report_rows.hpp"

#include <string>

namespace shadowtune::cli {

// At most 100 columns wide.
[[nodiscard]] std::string report_as_table(const db::RecordingReader& reader, const db::Totals& totals,
                                          const std::vector<ReportRow>& rows, const ReportOptions& options);
[[nodiscard]] std::string report_as_json(const db::RecordingReader& reader, const db::Totals& totals,
                                         const std::vector<ReportRow>& rows);
[[nodiscard]] std::string report_as_csv(const db::RecordingReader& reader,
                                        const std::vector<ReportRow>& rows);

// The recordings of a file, one line each.
[[nodiscard]] std::string recordings_as_table(const std::vector<db::RecordingInfo>& recordings);

// "2026-11-20 16:45:12", UTC.
[[nodiscard]] std::string utc(std::int64_t ms);

} // namespace shadowtune::cli

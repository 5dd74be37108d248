#pragma once

// The figures of `report`: one row per field, or per exit reason and field.

#include "db/recording_reader.hpp"
#include "tuner/sampling.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shadowtune::cli {

struct ReportRow {
    std::optional<std::uint8_t> reason;  // by exit reason only
    std::uint64_t reason_round_trips{0}; // sampled ones among them
    vmcs::FieldIndex field{vmcs::no_field};
    std::uint64_t reads{0}; // in round trips that were not sampled, as all that follow
    std::uint64_t writes{0};
    std::uint64_t outside{0}; // of both, outside round trips
    double reads_per_trip{0}; // of those round trips
    double writes_per_trip{0};
    double share{0}; // of all trapped accesses in round trips (of this reason), 0 to 1
    [[nodiscard]] std::uint64_t sum() const { return reads + writes; }
};

// What a sampled recording says of all round trips.
struct SampledRow {
    vmcs::FieldIndex field{vmcs::no_field};
    tuner::RateInterval reads;
    tuner::RateInterval writes;
};

enum class ReportSort : std::uint8_t { rate, name };

struct ReportOptions {
    bool by_reason{false};
    ReportSort sort{ReportSort::rate};
    std::size_t top{0}; // rows (for each reason); 0: all
};

[[nodiscard]] std::vector<ReportRow> report_rows(const db::Totals& totals, const ReportOptions& options);

// Fields that were seen to be accessed in round trips, sampled or not; all reasons together.
[[nodiscard]] std::vector<SampledRow> sampled_rows(const db::Totals& totals, const ReportOptions& options);

// What KVM's static list does with the field on this machine: "RW", "R" or "-".
[[nodiscard]] std::string_view kvm_list_mark(vmcs::FieldIndex field, const db::Machine& machine);

} // namespace shadowtune::cli

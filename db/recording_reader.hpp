#pragma once

// Reads one recording back: who, where, and what happened between two of its snapshots.

#include "db/database.hpp"
#include "db/records.hpp"

#include <array>
#include <functional>
#include <span>
#include <string_view>

namespace shadowtune::db {

// From snapshot `from` (its counts are subtracted) to snapshot `to`. 0 as `from` is power-on: nothing is
// subtracted.
struct SnapshotRange {
    std::uint32_t from{0};
    std::uint32_t to{0};
};

struct AccessTotal {
    vmcs::FieldIndex field{vmcs::no_field}; // high halves are counted with their field
    Access access{Access::read};
    std::uint8_t reason{vmcs::no_round_trip};
    std::uint64_t count{0};
    std::uint64_t in_memory{0}; // as of AccessCount
};

struct FieldTotal {
    std::uint64_t reads{0};
    std::uint64_t writes{0};
    std::uint64_t outside{0}; // of both, outside round trips
    [[nodiscard]] std::uint64_t sum() const { return reads + writes; }
};

struct SampledTotal {
    vmcs::FieldIndex field{vmcs::no_field};
    Access access{Access::read};
    std::uint8_t reason{0};
    std::uint64_t count{0};
    std::uint64_t squares{0}; // as of SampledCount
};

// How often values were others in round trips; see Change.
struct ChangeTotal {
    std::uint64_t at_exit{0};
    std::uint64_t at_switch{0};
};

// What happened in a range, all vCPUs together or one of them alone.
struct Totals {
    SnapshotRange range;
    std::optional<std::uint16_t> vcpu; // none: all
    std::vector<AccessTotal> accesses; // outside of sampled round trips; none is 0; by field, access, reason
    std::array<FieldTotal, vmcs::field_count> fields;                      // the same, by field
    std::array<std::uint64_t, vmcs::reason_slots> round_trips_by_reason{}; // all
    std::vector<SampledTotal> sampled; // in sampled round trips; none is 0; by field, access, reason
    std::array<std::uint64_t, vmcs::reason_slots> sampled_round_trips_by_reason{};
    std::uint64_t sampled_round_trips{0};
    std::array<ChangeTotal, vmcs::field_count> changes{}; // all 0 in recordings made before schema 8
    std::uint64_t switches{0};                            // likewise: VMPTRLDs to another VMCS in round trips
    std::uint64_t switched_round_trips{0};                // likewise: round trips that had one
    VcpuCounters counters;
    std::uint64_t reads{0}; // all
    std::uint64_t writes{0};
    std::uint64_t outside{0}; // of these, outside round trips
    // Counts are complete: at every snapshot of the range each vCPU was in mode trap, and by the numbers of
    // its generations nothing else can have been in force between two of them; from power-on on, nor before
    // the first.
    bool all_trap{true};
    std::uint32_t first_generation{0};  // the smallest of all vCPUs at all snapshots of the range
    std::uint32_t generation{0};        // at its end; the largest where vCPUs differ
    std::uint64_t last_reload_ticks{0}; // at its end; the largest where vCPUs differ
    LinkStatistics link;                // at its end

    // Accesses in round trips: the numerator of every rate.
    [[nodiscard]] std::uint64_t inside() const { return reads + writes - outside; }
    // The round trips in which these were made: the denominator.
    [[nodiscard]] std::uint64_t unsampled_round_trips() const {
        return counters.round_trips - sampled_round_trips;
    }
    // 0 where there was none of these.
    [[nodiscard]] double trapped_per_round_trip() const {
        const std::uint64_t trips{unsampled_round_trips()};
        return trips == 0 ? 0 : static_cast<double>(inside()) / static_cast<double>(trips);
    }
};

// What L1 accessed in round trips between two snapshots, all vCPUs together.
struct Step {
    SnapshotRange range;
    std::uint64_t round_trips{0}; // sampled ones among them
    // Outside of sampled round trips.
    std::array<std::uint64_t, vmcs::field_count> reads{};
    std::array<std::uint64_t, vmcs::field_count> writes{};
    std::vector<SampledTotal> sampled{}; // as of Totals
    std::uint64_t sampled_round_trips{0};
};

// What one snapshot says of the machine as a whole. Counters are cumulative since power-on, of all vCPUs.
struct Moment {
    std::uint32_t sequence{0};
    std::int64_t at_ms{0};       // since 1970, UTC
    std::uint32_t generation{0}; // the largest where vCPUs differ
    bool all_trap{true};         // every vCPU is in mode trap
    std::uint64_t round_trips{0};
    std::uint64_t round_trip_ticks{0};
    std::uint64_t l0_ticks{0};
    LinkStatistics link;
};

// Snapshots at all of which every vCPU ran the bitmaps of one generation.
struct Stretch {
    std::uint32_t generation{0};
    SnapshotRange range; // from the first of them to the last; the same where there is only one
};

class RecordingReader {
public:
    // In order of making.
    [[nodiscard]] static Result<std::vector<RecordingInfo>, Error> list(Database& database);

    // `id` 0: the newest. `database` must outlive the reader. Error: not_found.
    [[nodiscard]] static Result<RecordingReader, Error> open(Database& database, std::int64_t id = 0);

    [[nodiscard]] const RecordingInfo& info() const { return m_info; }
    [[nodiscard]] const Machine& machine() const { return m_machine; }
    [[nodiscard]] Result<std::vector<Generation>, Error> generations() const;

    // None where L1 had not run an L2 when the recording ended, or in files of schema 3 and before.
    [[nodiscard]] Result<std::optional<Fingerprint>, Error> fingerprint() const;

    // The first and the last snapshot. Error not_found where the recording has fewer than two.
    [[nodiscard]] Result<SnapshotRange, Error> whole() const;
    // Of all vCPUs, or of `vcpu` alone. Error not_found where the range is empty or not in the recording, or
    // has no such vCPU.
    [[nodiscard]] Result<Totals, Error> totals(SnapshotRange range,
                                               std::optional<std::uint16_t> vcpu = {}) const;
    // The range cut into steps of one snapshot each, or, where these would be more than `most`, of several;
    // in long recordings at complete ones. The range must be one that totals() takes; `most` is not 0.
    [[nodiscard]] Result<std::vector<Step>, Error> steps(SnapshotRange range, std::size_t most) const;

    // Of these snapshots, in their order; those that the recording lacks are left out.
    [[nodiscard]] Result<std::vector<Moment>, Error> moments(std::span<const std::uint32_t> sequences) const;

    // In order; none of two follow each other with the same generation. What happened while vCPUs moved from
    // one to the next is in none.
    [[nodiscard]] Result<std::vector<Stretch>, Error> stretches() const;

private:
    // The last complete snapshot up to this one; 0 for 0.
    [[nodiscard]] Result<std::uint32_t, Error> complete_before(std::uint32_t sequence) const;
    // `starts`: complete snapshots at or before the ends of the range.
    [[nodiscard]] Result<void, Error> read_accesses(Totals& totals, SnapshotRange starts) const;
    [[nodiscard]] Result<void, Error> read_round_trips(Totals& totals, SnapshotRange starts) const;
    [[nodiscard]] Result<void, Error> read_sampled(Totals& totals, SnapshotRange starts) const;
    [[nodiscard]] Result<void, Error> read_changes(Totals& totals, SnapshotRange starts) const;
    [[nodiscard]] Result<std::vector<std::uint32_t>, Error> step_ends(SnapshotRange range, std::size_t most,
                                                                      bool only_complete) const;
    // Takes by how much each of a table's counts has grown since the snapshot read before.
    struct Growth;
    using TakeGrowth = std::function<void(Step&, const Growth&)>;
    [[nodiscard]] Result<void, Error> each_growth(std::string_view table, std::string_view columns,
                                                  std::vector<Step>& steps, SnapshotRange starts,
                                                  bool only_complete, const TakeGrowth& take) const;
    [[nodiscard]] Result<void, Error> read_step_counts(std::vector<Step>& steps, SnapshotRange starts,
                                                       bool only_complete) const;
    [[nodiscard]] Result<void, Error> read_step_samples(std::vector<Step>& steps, SnapshotRange starts,
                                                        bool only_complete) const;
    [[nodiscard]] Result<void, Error> read_modes(Totals& totals) const;
    // Some vCPU skipped a generation in the range, or did not begin with generation 1 at power-on.
    [[nodiscard]] Result<bool, Error> has_gaps(const Totals& totals) const;
    [[nodiscard]] Result<void, Error> read_scalars(Totals& totals) const;

    Database* m_database{nullptr};
    RecordingInfo m_info;
    Machine m_machine;
};

} // namespace shadowtune::db

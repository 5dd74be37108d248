#pragma once

// The heatmap's figures: accesses per round trip of each field, against one of several things. Plain data and
// plain functions.

#include "db/recording_reader.hpp"
#include "gui/model/recording_data.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace shadowtune::gui {

enum class Axis : std::uint8_t { reason, time, recording, l1, workload };
enum class Accesses : std::uint8_t { both, reads, writes };
enum class RowOrder : std::uint8_t { catalogue, heat, alike };

// Per round trip.
struct CellRate {
    double reads{0};
    double writes{0};

    [[nodiscard]] double of(Accesses accesses) const {
        switch (accesses) {
        case Accesses::reads: return reads;
        case Accesses::writes: return writes;
        case Accesses::both: break;
        }
        return reads + writes;
    }
};

struct HeatmapColumn {
    std::string title;
    std::string detail;                  // one line more
    std::uint64_t round_trips{0};        // the denominator of its rates
    std::optional<std::uint8_t> reason;  // of the L2 exit, where the columns are reasons
    db::SnapshotRange range;             // where the columns are times
    std::vector<RecordingPtr> members{}; // where the columns are recordings: whose mean it is
};

struct HeatmapMatrix {
    Axis axis{Axis::reason};
    std::vector<HeatmapColumn> columns;
    std::vector<CellRate> cells; // field * columns + column
    bool complete{true};         // all accesses are in it, not only those that trapped
    bool differences{false};     // of two recordings: rates may be below 0
    bool estimated{false};       // some of it by sampled round trips

    [[nodiscard]] const CellRate& at(vmcs::FieldIndex field, std::size_t column) const {
        return cells[field * columns.size() + column];
    }
    [[nodiscard]] CellRate& at(vmcs::FieldIndex field, std::size_t column) {
        return cells[field * columns.size() + column];
    }
};

// One column for each reason with round trips, the frequent ones first; `reasons`: only these, empty: all. A
// shadowed access is seen in sampled round trips alone, any other one always (tuner/evidence.hpp).
[[nodiscard]] HeatmapMatrix matrix_by_reason(const RecordingData& recording,
                                             const std::set<std::uint8_t>& reasons);

// One column for each step.
[[nodiscard]] HeatmapMatrix matrix_by_time(const TimelineData& timeline);

// One column for each recording, or for all of one L1 or workload together; `axis` says which. Of several
// those count that have seen all accesses, where there is one.
[[nodiscard]] HeatmapMatrix matrix_by_recording(std::span<const RecordingPtr> recordings, Axis axis);

// All exit reasons of a range together, for one field.
[[nodiscard]] CellRate overall_rate(const RecordingData& recording, vmcs::FieldIndex field);

// What sampled round trips tell of one cell, with the usual confidence; `high` is infinite where there was
// none. None where the rate needs no estimate: counted, or of trapped accesses alone. `timeline`: of the
// recording, where the columns are times.
[[nodiscard]] std::optional<tuner::RateInterval>
cell_interval(const HeatmapMatrix& matrix, const RecordingData& recording, const TimelineData* timeline,
              vmcs::FieldIndex field, std::size_t column, db::Access access);

struct RowChoice {
    RowOrder order{RowOrder::catalogue};
    Accesses accesses{Accesses::both};
    bool hide_cold{true}; // without any access in the matrix
    std::string text;     // only fields whose name, symbol or encoding contains it; small letters
};

// The fields to show, in order. catalogue: by area, width and encoding. heat: the largest sum first. alike:
// fields of like columns beside each other.
[[nodiscard]] std::vector<vmcs::FieldIndex>
arrange_rows(const HeatmapMatrix& matrix, const vmcs::FieldSet& offered, const RowChoice& choice);

// Whether one of the field's names contains this text; `text` in small letters.
[[nodiscard]] bool name_matches(vmcs::FieldIndex field, const std::string& text);

// "guest state, natural": what fields are grouped by.
[[nodiscard]] std::string group_name(vmcs::FieldIndex field);

// Smallest and largest rate above 0; 0 and 0 where there is none.
struct RateSpan {
    double least{0};
    double most{0};
};
[[nodiscard]] RateSpan rate_span(const HeatmapMatrix& matrix, Accesses accesses);

} // namespace shadowtune::gui

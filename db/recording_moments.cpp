#include "db/recording_reader.hpp"
#include "db/rows.hpp"

#include <algorithm>

namespace shadowtune::db {

Result<std::vector<Moment>, Error> RecordingReader::moments(std::span<const std::uint32_t> sequences) const {
    auto rows{m_database->connection().prepare(
        "SELECT s.at_ms, s.frames_dropped, s.frames_missed, s.reconnects, s.snapshots_lost, v.mode, "
        "v.generation, v.round_trips, v.round_trip_ticks, v.l0_ticks "
        "FROM snapshot s JOIN snapshot_vcpu v ON v.snapshot_id = s.id "
        "WHERE s.recording_id = ? AND s.sequence = ?")};
    if (!rows) return Failure{rows.error()};
    Statement& row{rows.value()};
    std::vector<Moment> moments{};
    for (const std::uint32_t sequence : sequences) {
        row.bind(m_info.id, sequence);
        Moment moment{};
        while (true) {
            const auto more{row.step()};
            if (!more) return Failure{more.error()};
            if (!more.value()) break;
            moment.sequence = sequence;
            moment.at_ms = row.integer(0);
            moment.link = {row.bits(1), row.bits(2), row.bits(3), row.bits(4)};
            moment.all_trap = moment.all_trap && row.text(5) == text(Mode::trap);
            moment.generation = std::max(moment.generation, static_cast<std::uint32_t>(row.integer(6)));
            moment.round_trips += row.bits(7);
            moment.round_trip_ticks += row.bits(8);
            moment.l0_ticks += row.bits(9);
        }
        if (moment.sequence == sequence && sequence != 0) moments.push_back(moment);
    }
    return moments;
}

} // namespace shadowtune::db

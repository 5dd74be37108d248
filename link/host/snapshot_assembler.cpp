#include "link/host/snapshot_assembler.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace shadowtune::link {

namespace {

// A record that the catalogue does not know comes from another build or from a fault in L0; never from the
// line, whose faults the CRC sees.
[[nodiscard]] std::optional<Counter> unpack(const CounterRecord& record) {
    if (!is_known(record)) return std::nullopt;
    return Counter{record.encoding, static_cast<Counted>(record.counted), record.reason, record.count};
}

} // namespace

SnapshotAssembler::Outcome SnapshotAssembler::push(const Frame& frame) {
    if (frame.type == MessageType::snapshot_head) return push_head(frame);
    if (frame.type == MessageType::snapshot_part) return push_part(frame);
    return Outcome::foreign;
}

SnapshotAssembler::Outcome SnapshotAssembler::push_head(const Frame& frame) {
    SnapshotHead head{};
    if (!read_record(frame.payload, head)) return Outcome::foreign;
    const auto answer{m_answers.find(head.id)};
    if (answer == m_answers.end()) return Outcome::foreign;
    if (head.vcpu >= m_vcpus || head.mode > static_cast<std::uint8_t>(last_mode)) return give_up(head.id);

    const std::uint16_t vcpu{head.vcpu};
    Vcpu& state{answer->second[vcpu]};
    const bool known{state.snapshot.head.id != 0};
    if (known && (state.whole() || state.head_sequence == frame.sequence))
        return Outcome::progress; // doubled
    // A second head under one id: the request came twice. The newer answer starts afresh.
    state = {frame.sequence, 0, {head, {}}};
    return finish_if_whole(head.id);
}

SnapshotAssembler::Outcome SnapshotAssembler::push_part(const Frame& frame) {
    SnapshotPart part{};
    if (!read_record(frame.payload, part)) return Outcome::foreign;
    const auto answer{m_answers.find(part.id)};
    if (answer == m_answers.end()) return Outcome::foreign;
    const auto found{answer->second.find(part.vcpu)};
    if (found == answer->second.end()) return give_up(part.id); // its head was lost
    Vcpu& state{found->second};
    if (part.part < state.next_part) return Outcome::progress; // doubled
    // The line keeps the order, so a part out of turn means that one before it was lost.
    if (part.part != state.next_part || part.part >= state.snapshot.head.parts) return give_up(part.id);
    // Where a request came twice, two answers bear one id and froze different counters. Between this answer's
    // head and its part n lie n frames, and maybe log lines; between this head and part n of the next answer
    // lie at least all parts, another head and n frames. The frames' sequence numbers tell one from the other
    // whatever was lost.
    const unsigned distance{static_cast<std::uint16_t>(frame.sequence - state.head_sequence)};
    if (distance < part.part + 1U || distance > part.part + 1U + state.snapshot.head.parts)
        return give_up(part.id);
    if (frame.payload.size() != sizeof(part) + part.count * sizeof(CounterRecord)) return give_up(part.id);

    for (std::size_t i{0}; i < part.count; ++i) {
        CounterRecord record{};
        if (!read_record(frame.payload.subspan(sizeof(part) + i * sizeof(record)), record))
            return give_up(part.id);
        const auto counter{unpack(record)};
        if (!counter) return give_up(part.id);
        state.snapshot.counters.push_back(*counter);
    }
    ++state.next_part;
    return finish_if_whole(part.id);
}

SnapshotAssembler::Outcome SnapshotAssembler::finish_if_whole(std::uint32_t id) {
    Answer& answer{m_answers.at(id)};
    const bool whole{
        answer.size() == m_vcpus &&
        std::all_of(answer.begin(), answer.end(), [](const auto& vcpu) { return vcpu.second.whole(); })};
    if (!whole) return Outcome::progress;
    Snapshot snapshot;
    for (auto& [vcpu, state] : answer) {
        auto& counters{state.snapshot.counters};
        std::sort(counters.begin(), counters.end(),
                  [](const auto& a, const auto& b) { return a.key() < b.key(); });
        const auto twice{std::adjacent_find(counters.begin(), counters.end(),
                                            [](const auto& a, const auto& b) { return a.key() == b.key(); })};
        // Each access is counted in exactly one place: adding the two up would hide a fault in L0.
        if (twice != counters.end() || !complete(state.snapshot)) return give_up(id);
        snapshot.vcpus.push_back(std::move(state.snapshot));
    }
    snapshot.received = std::chrono::system_clock::now();
    m_whole = std::move(snapshot);
    m_answers.erase(id);
    m_lost += unfinished();
    m_answers.clear();
    return Outcome::whole;
}

std::uint32_t SnapshotAssembler::known_number() const {
    if (m_known == nullptr || m_known->vcpus.size() != m_vcpus) return 0;
    const std::uint32_t number{m_known->vcpus.front().head.number};
    const bool same{std::ranges::all_of(
        m_known->vcpus, [number](const VcpuSnapshot& vcpu) { return vcpu.head.number == number; })};
    return same ? number : 0;
}

bool SnapshotAssembler::complete(VcpuSnapshot& snapshot) const {
    const std::uint32_t since{snapshot.head.since};
    if (since == 0) return true;
    if (m_known == nullptr || m_known->vcpus.size() != m_vcpus) return false;
    const VcpuSnapshot& before{m_known->vcpus[snapshot.head.vcpu]};
    if (before.head.number != since) return false;
    std::vector<Counter> all{};
    all.reserve(before.counters.size() + snapshot.counters.size());
    // Both are in order; of a counter that both have, the first range's is taken.
    std::ranges::set_union(snapshot.counters, before.counters, std::back_inserter(all), {}, &Counter::key,
                           &Counter::key);
    snapshot.counters = std::move(all);
    return true;
}

SnapshotAssembler::Outcome SnapshotAssembler::give_up(std::uint32_t id) {
    m_answers.erase(id);
    m_broken_id = id;
    ++m_lost;
    return Outcome::broken;
}

Snapshot SnapshotAssembler::take() {
    return std::exchange(m_whole, std::nullopt).value_or(Snapshot{});
}

std::uint64_t SnapshotAssembler::unfinished() const {
    return static_cast<std::uint64_t>(std::count_if(
        m_answers.begin(), m_answers.end(), [](const auto& answer) { return !answer.second.empty(); }));
}

} // namespace shadowtune::link

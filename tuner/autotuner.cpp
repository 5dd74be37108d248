#include "tuner/autotuner.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace shadowtune::tuner {

namespace {

constexpr std::uint64_t patience_growth{4};
constexpr std::uint64_t window_growth{4};

// Of the choice over leaving the field trapped, per round trip.
[[nodiscard]] double gain_of(Choice choice, vmcs::FieldIndex field, const Evidence& evidence,
                             const CostTable& costs) {
    FieldUse use{use_of(field, evidence)};
    use.reads = evidence.reads[field].estimate;
    use.writes = evidence.writes[field].estimate;
    const FieldGain gain{gain_of(use, costs.fields[field])};
    return (choice != Choice::none ? gain.read : 0) + (choice == Choice::read_write ? gain.write : 0);
}

} // namespace

Verdict Autotuner::observe(db::Snapshot snapshot) {
    m_history.push_back(std::move(snapshot));
    const std::uint64_t now{round_trips_of(m_history.back())};
    while (m_history.size() > 2 && now - round_trips_of(m_history[1]) >= m_options.most_round_trips)
        m_history.pop_front();

    const db::Totals totals{db::totals_between(m_history.front(), m_history.back())};
    Verdict verdict{};
    verdict.sets = m_sets;
    verdict.round_trips = totals.counters.round_trips;
    if (verdict.round_trips < m_options.least_round_trips) return verdict;
    verdict.trapped = totals.trapped_per_round_trip();
    const Windows windows{last_windows()};
    verdict.sets = propose(windows);
    weigh(verdict, windows);
    return verdict;
}

// From the shortest that is long enough to all, so that an hour of one thing does not hide a minute of
// another.
Autotuner::Windows Autotuner::last_windows() const {
    const std::uint64_t now{round_trips_of(m_history.back())};
    Windows windows{};
    std::uint64_t least{m_options.least_round_trips};
    for (auto start{m_history.rbegin()}; start != m_history.rend(); ++start) {
        const bool last{start + 1 == m_history.rend()};
        if (now - round_trips_of(*start) < least && !last) continue;
        windows.push_back(
            evidence_of(db::totals_between(*start, m_history.back()), m_in_force, m_options.confidence));
        least = windows.back().round_trips * window_growth;
    }
    return windows;
}

Choice Autotuner::best(vmcs::FieldIndex field, const Windows& windows, bool may_write) const {
    const FieldCosts& costs{m_options.costs.fields[field]};
    const Choice now{choice_in(m_sets, field)};
    Choice warmest{Choice::none}; // by the estimates of the windows so far
    std::optional<Choice> less;
    for (const Evidence& evidence : windows) {
        const auto& [reads, writes]{std::tie(evidence.reads[field], evidence.writes[field])};
        const FieldUse use{use_of(field, evidence)};
        const auto decided{decided_choice(reads, writes, costs, may_write, use)};
        if (decided && *decided > now) return *decided;
        const auto exactly{[](const RateInterval& rate) {
            return RateInterval{rate.estimate, rate.estimate, rate.estimate};
        }};
        warmest = std::max(warmest, *decided_choice(exactly(reads), exactly(writes), costs, may_write, use));
        if (!less && decided && *decided < now && evidence.round_trips >= patience_of(field))
            less = std::max(*decided, warmest);
    }
    return std::min(less.value_or(now), now);
}

vmcs::ShadowSets Autotuner::propose(const Windows& windows) const {
    const vmcs::ShadowSets allowed{vmcs::everything_allowed(m_options.target)};
    vmcs::ShadowSets sets{};
    allowed.read.for_each([&](vmcs::FieldIndex field) {
        choose(sets, field, best(field, windows, allowed.write.test(field)));
    });
    if (!m_options.budget.fields && !m_options.budget.sync) return sets;
    vmcs::ProfileTarget target{m_options.target};
    target.offered = sets.read;
    return best_sets(gains_of(estimated_workload(windows.back()), m_options.costs), m_options.costs, target,
                     m_options.budget);
}

void Autotuner::weigh(Verdict& verdict, const Windows& windows) const {
    const CostTable& costs{m_options.costs};
    double regret{0};
    const vmcs::FieldSet concerned{verdict.sets.read | m_sets.read};
    concerned.for_each([&](vmcs::FieldIndex field) {
        const Choice before{choice_in(m_sets, field)};
        const Choice after{choice_in(verdict.sets, field)};
        if (before == after) return;
        const auto gain = [&](const Evidence& evidence) {
            return gain_of(after, field, evidence, costs) - gain_of(before, field, evidence, costs);
        };
        const auto sum = [&](const Evidence& evidence) {
            return gain(evidence) * static_cast<double>(evidence.round_trips);
        };
        const Evidence& clearest{*std::ranges::max_element(windows, {}, sum)};
        regret += sum(clearest);
        verdict.gain += gain(clearest);
        verdict.changes.push_back({field, before, after, clearest.reads[field], clearest.writes[field]});
    });
    if (m_sets.read.empty() && !verdict.sets.read.empty()) {
        const double fixed{fixed_cost(1, windows.back().switches, costs)};
        verdict.gain -= fixed;
        regret -= fixed * static_cast<double>(verdict.round_trips);
    }
    if (verdict.changes.empty() || verdict.gain <= 0) {
        verdict.kind = Verdict::Kind::keep;
        verdict.gain = 0;
        verdict.changes.clear();
        verdict.sets = m_sets;
        return;
    }
    verdict.kind = regret < m_options.worth_of_reload * costs.dearest_read() ? Verdict::Kind::wait
                                                                             : Verdict::Kind::retune;
}

void Autotuner::change_to(const Verdict& verdict, bool in_force) {
    for (const FieldChange& change : verdict.changes) {
        Memory& memory{m_memory[change.field]};
        if (change.after < change.before) memory.was_dropped = true;
        if (change.after > change.before && std::exchange(memory.was_dropped, false))
            memory.patience = patience_of(change.field) * patience_growth;
    }
    m_sets = verdict.sets;
    if (in_force) {
        m_in_force = verdict.sets;
        m_history.clear();
    } else {
        m_history.erase(m_history.begin(), m_history.end() - 1);
    }
}

} // namespace shadowtune::tuner

#include "tuner/minimax.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace shadowtune::tuner {

namespace {

constexpr double infinity{std::numeric_limits<double>::infinity()};
enum Choice : std::size_t { none, read, read_write, choice_count };
using Allowed = std::array<bool, choice_count>;

struct Item {
    vmcs::FieldIndex field{vmcs::no_field};
    std::array<std::vector<double>, choice_count> gain; // by workload
};

// The choices that a node of the search still allows, by item.
using Node = std::vector<Allowed>;

// Weights of the workloads, which sum to 1, and prices of the two budgets.
struct Multipliers {
    std::vector<double> weights;
    double field{0};
    double sync{0};
};

// One relaxed solution and what it says.
struct Relaxed {
    double bound{-infinity};
    std::vector<Choice> choices;
    std::vector<std::array<double, choice_count>> values;
};

// The nearest point whose parts are not negative and sum to 1.
void project_to_simplex(std::vector<double>& point) {
    std::vector<double> sorted{point};
    std::ranges::sort(sorted, std::ranges::greater{});
    double sum{0};
    double shift{0};
    for (std::size_t i{0}; i < sorted.size(); ++i) {
        sum += sorted[i];
        const double candidate{(sum - 1) / static_cast<double>(i + 1)};
        if (sorted[i] > candidate) shift = candidate;
    }
    for (double& part : point)
        part = std::max(part - shift, 0.0);
}

class Search {
public:
    Search(std::span<const WeightedWorkload> mix, const CostTable& costs, const vmcs::ProfileTarget& target,
           const Budget& budget, std::uint64_t node_limit)
        : m_costs{costs}, m_budget{budget}, m_node_limit{node_limit} {
        const vmcs::ShadowSets allowed{vmcs::everything_allowed(target)};
        std::vector<Gains> gains{};
        for (const auto& [workload, weight] : mix) {
            gains.push_back(gains_per_round_trip(workload, costs));
            m_own.push_back(net_gain(best_sets(gains.back(), costs, target, budget), gains.back()));
            m_unused_shadow.push_back(m_own.back() + gains.back().fixed);
        }
        allowed.read.for_each([&](vmcs::FieldIndex field) { add_item(field, allowed, gains); });
        // A budget's price is of the size of a gain by field or by unit of sync; a weight is of the size
        // of 1.
        for (const Item& item : m_items)
            m_field_price = std::max(m_field_price, std::ranges::max(item.gain[read]));
        m_sync_price = m_field_price / std::max(dearest_sync(), 1e-9);
        // Starting points: no shadow, the mean's optimum, and each workload's own.
        offer(std::vector<Choice>(m_items.size(), none));
        offer(choices_of(best_sets(mean_gains(mix, costs), costs, target, budget)));
        for (const Gains& own : gains)
            offer(choices_of(best_sets(own, costs, target, budget)));
    }

    [[nodiscard]] LeastRegret run() {
        Node root(m_items.size());
        for (std::size_t i{0}; i < m_items.size(); ++i) {
            for (std::size_t c{0}; c < choice_count; ++c)
                root[i][c] = !m_items[i].gain[c].empty();
        }
        Multipliers multipliers{};
        multipliers.weights.assign(m_own.size(), 1.0 / static_cast<double>(m_own.size()));
        m_lower_bound = infinity;
        explore(std::move(root), multipliers, 300);
        return {sets_of(m_best), m_worst, std::min(m_lower_bound, m_worst), m_nodes};
    }

private:
    [[nodiscard]] static double net_gain(const vmcs::ShadowSets& sets, const Gains& gains) {
        double sum{sets.hot_set().empty() ? 0 : -gains.fixed};
        sets.read.for_each([&](vmcs::FieldIndex i) { sum += gains.fields[i].read; });
        sets.write.for_each([&](vmcs::FieldIndex i) { sum += gains.fields[i].write; });
        return sum;
    }

    void add_item(vmcs::FieldIndex field, const vmcs::ShadowSets& allowed, const std::vector<Gains>& gains) {
        Item item{field, {}};
        const std::size_t choices{allowed.write.test(field) ? choice_count : read_write};
        bool useful{false};
        for (std::size_t c{0}; c < choices; ++c) {
            for (const Gains& of : gains) {
                const FieldGain& gain{of.fields[field]};
                item.gain[c].push_back((c != none ? gain.read : 0) + (c == read_write ? gain.write : 0));
                useful = useful || item.gain[c].back() > 0;
            }
        }
        if (useful) m_items.push_back(std::move(item));
    }

    [[nodiscard]] double sync_of(std::size_t item, std::size_t choice) const {
        const FieldCosts& costs{m_costs.fields[m_items[item].field]};
        return (choice != none ? costs.sync_read : 0) + (choice == read_write ? costs.sync_write : 0);
    }
    [[nodiscard]] double dearest_sync() const {
        double dearest{0};
        for (std::size_t i{0}; i < m_items.size(); ++i)
            dearest = std::max(dearest, sync_of(i, read_write));
        return dearest;
    }

    [[nodiscard]] vmcs::ShadowSets sets_of(const std::vector<Choice>& choices) const {
        vmcs::ShadowSets sets{};
        for (std::size_t i{0}; i < choices.size(); ++i) {
            if (choices[i] != none) sets.read.set(m_items[i].field);
            if (choices[i] == read_write) sets.write.set(m_items[i].field);
        }
        return sets;
    }

    [[nodiscard]] std::vector<Choice> choices_of(const vmcs::ShadowSets& sets) const {
        std::vector<Choice> choices{};
        for (const Item& item : m_items) {
            choices.push_back(sets.write.test(item.field)  ? read_write
                              : sets.read.test(item.field) ? read
                                                           : none);
        }
        return choices;
    }

    [[nodiscard]] std::vector<double> regrets_of(const std::vector<Choice>& choices) const {
        const bool used{std::ranges::any_of(choices, [](Choice choice) { return choice != none; })};
        std::vector<double> all{used ? m_unused_shadow : m_own};
        for (std::size_t k{0}; k < all.size(); ++k) {
            for (std::size_t i{0}; i < choices.size(); ++i)
                all[k] -= m_items[i].gain[choices[i]][k];
        }
        return all;
    }

    // Takes the choices where they keep the budget and are better than what is known.
    void offer(const std::vector<Choice>& choices) {
        const vmcs::ShadowSets sets{sets_of(choices)};
        if (m_budget.fields && sets.hot_set().count() > *m_budget.fields) return;
        if (m_budget.sync && sync_cost(sets, m_costs) > *m_budget.sync * (1 + 1e-12)) return;
        const double worst{std::ranges::max(regrets_of(choices))};
        if (worst >= m_worst) return;
        m_worst = worst;
        m_best = choices;
    }

    // With a shadow in use: the empty sets were offered at the start.
    [[nodiscard]] Relaxed relax(const Node& node, const Multipliers& multipliers) const {
        Relaxed relaxed{};
        relaxed.bound = 0;
        for (std::size_t k{0}; k < m_own.size(); ++k)
            relaxed.bound += multipliers.weights[k] * m_unused_shadow[k];
        if (m_budget.fields) relaxed.bound -= multipliers.field * static_cast<double>(*m_budget.fields);
        if (m_budget.sync) relaxed.bound -= multipliers.sync * (*m_budget.sync - m_costs.fixed);
        for (std::size_t i{0}; i < node.size(); ++i) {
            auto& values{relaxed.values.emplace_back()};
            Choice best{none};
            double best_value{-infinity};
            for (const Choice choice : {none, read, read_write}) {
                values[choice] = -infinity;
                if (!node[i][choice]) continue;
                double value{choice == none ? 0 : -multipliers.field - multipliers.sync * sync_of(i, choice)};
                for (std::size_t k{0}; k < m_own.size(); ++k)
                    value += multipliers.weights[k] * m_items[i].gain[choice][k];
                values[choice] = value;
                if (value > best_value) {
                    best_value = value;
                    best = choice;
                }
            }
            relaxed.bound -= best_value;
            relaxed.choices.push_back(best);
        }
        return relaxed;
    }

    // One step of the subgradient, as long as the gap to the best known solution says (Polyak).
    void step(Multipliers& multipliers, const Relaxed& relaxed, double damping) const {
        std::vector<double> slope{m_unused_shadow};
        double fields{0};
        double sync{0};
        for (std::size_t i{0}; i < relaxed.choices.size(); ++i) {
            const Choice choice{relaxed.choices[i]};
            for (std::size_t k{0}; k < slope.size(); ++k)
                slope[k] -= m_items[i].gain[choice][k];
            fields += choice != none ? 1 : 0;
            sync += sync_of(i, choice);
        }
        const double mean{std::accumulate(slope.begin(), slope.end(), 0.0) /
                          static_cast<double>(slope.size())};
        double length{0};
        for (const double part : slope)
            length += (part - mean) * (part - mean);
        if (m_budget.fields) {
            fields = (fields - static_cast<double>(*m_budget.fields)) * m_field_price;
            length += fields * fields;
        }
        if (m_budget.sync) {
            sync = (sync - *m_budget.sync + m_costs.fixed) * m_sync_price;
            length += sync * sync;
        }
        if (length == 0) return;
        const double factor{damping * std::max(m_worst - relaxed.bound, 1e-12) / length};
        for (std::size_t k{0}; k < slope.size(); ++k)
            multipliers.weights[k] += factor * (slope[k] - mean);
        project_to_simplex(multipliers.weights);
        if (m_budget.fields)
            multipliers.field = std::max(0.0, multipliers.field + factor * fields * m_field_price);
        if (m_budget.sync) multipliers.sync = std::max(0.0, multipliers.sync + factor * sync * m_sync_price);
    }

    [[nodiscard]] bool closed(double bound) const { return bound >= m_worst - 1e-9 * (1 + m_worst); }

    // Takes away choices with which this node could not beat the best known solution.
    void tighten(Node& node, const Relaxed& relaxed) const {
        for (std::size_t i{0}; i < node.size(); ++i) {
            const auto& values{relaxed.values[i]};
            for (std::size_t c{0}; c < choice_count; ++c) {
                if (c == relaxed.choices[i]) continue;
                if (node[i][c] && closed(relaxed.bound + values[relaxed.choices[i]] - values[c])) {
                    node[i][c] = false;
                }
            }
        }
    }

    // The item whose choice is the least certain; the number of items where all are settled.
    [[nodiscard]] std::size_t least_certain(const Node& node, const Relaxed& relaxed) const {
        std::size_t found{node.size()};
        double smallest{infinity};
        for (std::size_t i{0}; i < node.size(); ++i) {
            for (std::size_t c{0}; c < choice_count; ++c) {
                if (c == relaxed.choices[i] || !node[i][c]) continue;
                const double margin{relaxed.values[i][relaxed.choices[i]] - relaxed.values[i][c]};
                if (margin < smallest) {
                    smallest = margin;
                    found = i;
                }
            }
        }
        return found;
    }

    void explore(Node node, Multipliers multipliers, int steps) {
        ++m_nodes;
        Relaxed best{};
        Multipliers at_best{multipliers};
        double damping{1};
        for (int i{0}; i < steps; ++i) {
            Relaxed relaxed{relax(node, multipliers)};
            offer(relaxed.choices);
            const Multipliers here{multipliers};
            step(multipliers, relaxed, damping);
            damping *= 0.97;
            if (relaxed.bound <= best.bound) continue;
            best = std::move(relaxed);
            at_best = here;
            if (closed(best.bound)) return;
        }
        tighten(node, best);
        const std::size_t branch{least_certain(node, best)};
        if (branch == node.size()) {
            // One solution is left, and it was offered where it keeps the budget.
            offer(best.choices);
            return;
        }
        if (m_nodes >= m_node_limit) {
            m_lower_bound = std::min(m_lower_bound, best.bound);
            return;
        }
        for (const bool first : {true, false}) {
            for (std::size_t c{0}; c < choice_count; ++c) {
                if (!node[branch][c] || (c == best.choices[branch]) != first) continue;
                Node child{node};
                child[branch] = {};
                child[branch][c] = true;
                explore(std::move(child), at_best, 12);
            }
        }
    }

    const CostTable& m_costs;
    const Budget& m_budget;
    std::uint64_t m_node_limit;
    std::uint64_t m_nodes{0};
    std::vector<Item> m_items;
    std::vector<double> m_own;           // each workload's largest gain, fixed term subtracted
    std::vector<double> m_unused_shadow; // its regret of a shadow that holds no field
    double m_field_price{1};
    double m_sync_price{1};
    std::vector<Choice> m_best;
    double m_worst{infinity};
    double m_lower_bound{infinity};
};

} // namespace

LeastRegret least_regret(std::span<const WeightedWorkload> mix, const CostTable& costs,
                         const vmcs::ProfileTarget& target, const Budget& budget, std::uint64_t node_limit) {
    return Search{mix, costs, target, budget, node_limit}.run();
}

} // namespace shadowtune::tuner

#include "tuner/knapsack.hpp"

#include <algorithm>
#include <cstdint>

namespace shadowtune::tuner {

namespace {

constexpr std::uint32_t start{0};

// One partial packing: what it took last, and the packing before that.
struct Packing {
    double weight{0};
    double gain{0};
    std::uint32_t before{start};
    std::uint32_t item{0};
    std::size_t choice{no_choice};
};

class Packer {
public:
    Packer(double capacity, std::size_t item_count, std::size_t most_items)
        // Sums of weights are off by their last bits.
        : m_capacity{capacity * (1 + 1e-12)}, m_counted{most_items < item_count},
          m_fronts(m_counted ? most_items + 1 : 1) {
        m_packings.push_back({});
        m_fronts[0].push_back(start);
    }

    void offer(std::uint32_t number, const KnapsackItem& item) {
        // From the largest number of items down, so that each front grows from the one before this item.
        for (std::size_t i{m_fronts.size()}; i-- > 0;) {
            if (m_counted && i == 0) break;
            std::vector<Packing> grown{};
            for (const std::uint32_t from : m_fronts[m_counted ? i - 1 : i]) {
                const Packing& base{m_packings[from]};
                for (std::size_t c{0}; c < item.choices.size(); ++c) {
                    const KnapsackChoice& choice{item.choices[c]};
                    const double weight{base.weight + choice.weight};
                    if (weight <= m_capacity) {
                        grown.push_back({weight, base.gain + choice.gain, from, number, c});
                    }
                }
            }
            merge(m_fronts[i], grown);
        }
    }

    [[nodiscard]] std::vector<std::size_t> best(std::size_t item_count) const {
        std::uint32_t best{start};
        for (const auto& front : m_fronts) {
            for (const std::uint32_t candidate : front) {
                const Packing& a{m_packings[candidate]};
                const Packing& b{m_packings[best]};
                if (a.gain > b.gain || (a.gain == b.gain && a.weight < b.weight)) best = candidate;
            }
        }
        std::vector<std::size_t> taken(item_count, no_choice);
        for (; best != start; best = m_packings[best].before)
            taken[m_packings[best].item] = m_packings[best].choice;
        return taken;
    }

private:
    // Keeps `front` ascending in weight and in gain.
    void merge(std::vector<std::uint32_t>& front, std::vector<Packing>& grown) {
        const auto better{[](const Packing& a, const Packing& b) {
            return a.weight < b.weight || (a.weight == b.weight && a.gain > b.gain);
        }};
        std::ranges::sort(grown, better);
        std::vector<std::uint32_t> merged{};
        double reached{-1};
        auto old{front.begin()};
        auto next{grown.begin()};
        while (old != front.end() || next != grown.end()) {
            const bool take_old{next == grown.end() ||
                                (old != front.end() && !better(*next, m_packings[*old]))};
            const double gain{take_old ? m_packings[*old].gain : next->gain};
            if (gain > reached) {
                reached = gain;
                if (!take_old) m_packings.push_back(*next);
                merged.push_back(take_old ? *old : static_cast<std::uint32_t>(m_packings.size() - 1));
            }
            if (take_old) {
                ++old;
            } else {
                ++next;
            }
        }
        front = std::move(merged);
    }

    double m_capacity;
    bool m_counted;                                   // fronts are kept for each number of items
    std::vector<std::vector<std::uint32_t>> m_fronts; // into m_packings
    std::vector<Packing> m_packings;
};

} // namespace

std::vector<std::size_t> pack(std::span<const KnapsackItem> items, double capacity, std::size_t most_items) {
    if (capacity < 0) return std::vector<std::size_t>(items.size(), no_choice);
    Packer packer{capacity, items.size(), most_items};
    for (std::uint32_t i{0}; i < items.size(); ++i)
        packer.offer(i, items[i]);
    return packer.best(items.size());
}

} // namespace shadowtune::tuner

#include "hypervisor/l1/copy_plan.hpp"

#include <algorithm>

namespace shadowtune::l1 {
namespace {

using boot::BootError;

class CopyPlanner {
public:
    explicit CopyPlanner(memory::MemoryRange scratch) : m_scratch{scratch} {}

    [[nodiscard]] Result<void, BootError> take(std::span<const Copy> copies) {
        for (const Copy& copy : copies) {
            if (copy.size == 0) continue;
            for (const Copy& other : waiting())
                if (other.destination_range().overlaps(copy.destination_range()))
                    return Failure{BootError::of("L1 image: two parts want the place at ",
                                                 boot::Hex{copy.destination}, "; relink the L1")};
            if (copy.source_range().overlaps(m_scratch) || copy.destination_range().overlaps(m_scratch))
                m_scratch = {};
            if (m_waiting_count == max_copies)
                return Failure{BootError::of("L1 image: more than ", max_copies,
                                             " parts to move; use fewer modules or segments")};
            m_waiting[m_waiting_count++] = copy;
        }
        return {};
    }

    [[nodiscard]] Result<CopyPlan, BootError> plan() {
        while (m_waiting_count != 0) {
            const auto ready =
                std::ranges::find_if(waiting(), [&](const Copy& copy) { return !spoils_other(copy); });
            if (ready != waiting().end()) {
                if (ready->source != ready->destination) m_plan.steps[m_plan.count++] = *ready;
                *ready = m_waiting[--m_waiting_count];
            } else if (!bounce()) {
                return Failure{
                    BootError::of("L1 image: its parts lie on each other's places and ", m_scratch.size(),
                                  " bytes of free memory are too few to sort them; give more memory")};
            }
        }
        return m_plan;
    }

private:
    [[nodiscard]] std::span<Copy> waiting() { return {m_waiting, m_waiting_count}; }

    [[nodiscard]] bool spoils_other(const Copy& copy) {
        return std::ranges::any_of(waiting(), [&](const Copy& other) {
            return &other != &copy && other.source_range().overlaps(copy.destination_range());
        });
    }

    // Takes the smallest source that stands in another's way out of it. Nothing is written to scratch but
    // this, so no copy is bounced twice and the plan has at most two steps for each.
    [[nodiscard]] bool bounce() {
        Copy* smallest{nullptr};
        for (Copy& copy : waiting()) {
            const bool in_the_way = std::ranges::any_of(waiting(), [&](const Copy& other) {
                return &other != &copy && other.destination_range().overlaps(copy.source_range());
            });
            if (in_the_way && (smallest == nullptr || copy.size < smallest->size)) smallest = &copy;
        }
        if (smallest == nullptr || smallest->size > m_scratch.size()) return false;
        m_plan.steps[m_plan.count++] = {smallest->source, m_scratch.begin, smallest->size};
        smallest->source = m_scratch.begin;
        m_scratch.begin += smallest->size;
        return true;
    }

    Copy m_waiting[max_copies]{};
    std::size_t m_waiting_count{0};
    memory::MemoryRange m_scratch;
    CopyPlan m_plan;
};

} // namespace

Result<CopyPlan, BootError> plan_copies(std::span<const Copy> copies, memory::MemoryRange scratch) {
    CopyPlanner planner{scratch};
    if (const auto taken = planner.take(copies); !taken) return Failure{taken.error()};
    return planner.plan();
}

} // namespace shadowtune::l1

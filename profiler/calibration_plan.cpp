#include "profiler/calibration_plan.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace shadowtune::profiler {

namespace {

using db::Quantity;
using vmcs::Field;
using vmcs::Type;
using vmcs::Width;

constexpr Type types[]{Type::control, Type::read_only_data, Type::guest_state, Type::host_state};
constexpr Width widths[]{Width::bits16, Width::bits64, Width::bits32, Width::natural};

// What L1 does at each round trip; the letters are those of script_calibrate.cpp.
enum class Access : char {
    none = '-',
    read = 'r',
    read_memory = 'R',
    read_small_page = 'P',
    write = 'w',
    write_memory = 'W',
    write_changed = 'c',
    turn = 't',
};

// A sum of points' ticks with factors.
class Ticks {
public:
    Ticks() = default;
    explicit Ticks(std::size_t point) { m_terms[point] = 1; }

    [[nodiscard]] const std::map<std::size_t, double>& terms() const { return m_terms; }

    friend Ticks operator+(Ticks a, const Ticks& b) { return a.add(b, 1); }
    friend Ticks operator-(Ticks a, const Ticks& b) { return a.add(b, -1); }
    friend Ticks operator*(Ticks a, double factor) {
        for (auto& [point, term] : a.m_terms)
            term *= factor;
        return a;
    }
    friend Ticks operator/(const Ticks& a, double divisor) { return a * (1 / divisor); }

private:
    Ticks& add(const Ticks& other, double sign) {
        for (const auto& [point, factor] : other.m_terms)
            m_terms[point] += sign * factor;
        return *this;
    }

    std::map<std::size_t, double> m_terms;
};

class Planner {
public:
    explicit Planner(const vmcs::ProfileTarget& target) : m_allowed{vmcs::everything_allowed(target)} {
        m_base.read.set(Field::guest_rip); // another at each exit
        m_base.read.set(anchor);
        m_base.write.set(anchor);
    }

    [[nodiscard]] CalibrationPlan plan() {
        figure(Quantity::round_trip, {}, {}, idle({}));
        plan_trapped();
        plan_dirty();
        plan_shadow_accesses();
        plan_sync();
        plan_switches();
        return std::move(m_plan);
    }

private:
    // In R and W at most points: a shadow that has neither would cost something else. L1 writes it only where
    // the point is about that.
    static constexpr Field anchor{Field::guest_ia32_sysenter_eip};
    // Another in the second VMCS; in R where the point is about that.
    static constexpr Field other_in_second{Field::host_ia32_sysenter_esp};

    [[nodiscard]] Ticks point(Access access, vmcs::Encoding encoding, unsigned times,
                              const vmcs::ShadowSets& sets) {
        char orders[16];
        std::snprintf(orders, sizeof(orders), "%c%04xx%02x", static_cast<char>(access), encoding, times);
        const auto same{[&](const CalibrationPoint& p) { return p.orders == orders && p.sets == sets; }};
        const auto found{std::ranges::find_if(m_plan.points, same)};
        const auto number{static_cast<std::size_t>(found - m_plan.points.begin())};
        if (found == m_plan.points.end()) m_plan.points.push_back({orders, sets});
        return Ticks{number};
    }
    [[nodiscard]] Ticks point(Access access, Field field, unsigned times, const vmcs::ShadowSets& sets) {
        return point(access, vmcs::encoding_of(field), times, sets);
    }
    [[nodiscard]] Ticks idle(const vmcs::ShadowSets& sets) { return point(Access::none, 0, 0, sets); }

    void figure(Quantity quantity, std::optional<Type> type, std::optional<Width> width, const Ticks& ticks) {
        m_plan.figures.push_back({quantity, type, width, ticks.terms()});
    }

    // Once more of the same in a round trip: what belongs to the first alone cancels out, and the loop too.
    [[nodiscard]] Ticks one_more(Access access, vmcs::Encoding encoding, const vmcs::ShadowSets& sets) {
        constexpr unsigned many{17};
        const auto added{[&](Access what, vmcs::Encoding of) {
            return (point(what, of, many, sets) - point(what, of, 1, sets)) / (many - 1);
        }};
        return added(access, encoding) - added(Access::none, 0);
    }
    [[nodiscard]] Ticks one_more(Access access, Field field, const vmcs::ShadowSets& sets) {
        return one_more(access, vmcs::encoding_of(field), sets);
    }

    // The first one of a round trip, loop and all.
    [[nodiscard]] Ticks first(Access access, Field field, const vmcs::ShadowSets& sets) {
        return point(access, field, 1, sets) - point(Access::none, 0, 1, sets);
    }

    void plan_trapped() {
        constexpr Field of_type[]{Field::cr0_read_shadow, Field::exit_qualification, Field::guest_cr3,
                                  Field::host_cr3};
        for (const Type type : types) {
            const Field field{of_type[static_cast<std::size_t>(type)]};
            const Ticks read{one_more(Access::read, field, {})};
            figure(Quantity::trapped_read, type, {}, read);
            if (type == Type::read_only_data || type == Type::guest_state) {
                figure(Quantity::trapped_read_fetch, type, {}, first(Access::read, field, {}) - read);
            }
            if (type == Type::read_only_data) continue; // not every processor writes them
            figure(Quantity::trapped_write, type, {}, one_more(Access::write, field, {}));
        }
        constexpr Field any{Field::cr0_read_shadow};
        // L1 has pages of 2 MiB, and one of 4 KiB, whose entry is one more.
        constexpr double large_page_entries{3};
        const Ticks in_large_page{one_more(Access::read_memory, any, {})};
        const Ticks entry{one_more(Access::read_small_page, any, {}) - in_large_page};
        const Ticks walk{entry * large_page_entries};
        figure(Quantity::trapped_walk_entry, {}, {}, entry);
        figure(Quantity::trapped_read_memory, {}, {}, in_large_page - one_more(Access::read, any, {}) - walk);
        figure(Quantity::trapped_write_memory, {}, {},
               one_more(Access::write_memory, any, {}) - one_more(Access::write, any, {}) - walk);
        vmcs::ShadowSets followed{m_base};
        followed.read.set(any);
        figure(Quantity::trapped_write_update, {}, {},
               one_more(Access::write_changed, any, followed) - one_more(Access::write_changed, any, {}));
    }

    // What the next entry pays for: a changed value instead of the same.
    [[nodiscard]] Ticks dirty(Field field) {
        return first(Access::write_changed, field, {}) - one_more(Access::write, field, {});
    }

    void plan_dirty() {
        figure(Quantity::dirty, Type::control, {}, dirty(Field::cr0_read_shadow));
        figure(Quantity::dirty, Type::guest_state, {}, dirty(anchor));
        figure(Quantity::dirty, Type::host_state, {}, dirty(Field::host_ia32_sysenter_eip));
        if (m_allowed.read.test(Field::io_bitmap_a)) {
            figure(Quantity::dirty_combined, {}, {}, dirty(Field::io_bitmap_a));
        }
    }

    // All of the class but those that change at each exit or that L1 writes here.
    [[nodiscard]] vmcs::FieldSet members(Type type, Width width) const {
        vmcs::FieldSet of{};
        m_allowed.read.for_each([&](vmcs::FieldIndex i) {
            if (vmcs::catalogue[i].type == type && vmcs::catalogue[i].width == width) of.set(i);
        });
        for (const Field field : {Field::guest_rip, Field::guest_rsp, anchor})
            of.clear(field);
        return of;
    }

    template <typename Visit>
    void each_class(Visit visit) {
        for (const Type type : types) {
            for (const Width width : widths) {
                if (const vmcs::FieldSet of{members(type, width)}; !of.empty()) visit(type, width, of);
            }
        }
    }

    void plan_shadow_accesses() {
        constexpr unsigned times{64};
        const auto first_of{[](const vmcs::FieldSet& set) {
            vmcs::FieldIndex first{vmcs::no_field};
            set.for_each([&](vmcs::FieldIndex i) { first = first == vmcs::no_field ? i : first; });
            return first;
        }};
        each_class([&](Type type, Width width, const vmcs::FieldSet& of) {
            const auto one{[&](Access access, vmcs::FieldIndex field) {
                vmcs::ShadowSets sets{m_base};
                sets.read.set(field);
                if (access == Access::write) sets.write.set(field);
                return (point(access, vmcs::catalogue[field].encoding, times, sets) -
                        point(Access::none, 0, times, sets)) /
                       times;
            }};
            figure(Quantity::shadow_read, type, width, one(Access::read, first_of(of)));
            const vmcs::FieldSet written{of & m_allowed.write};
            if (written.empty() || type == Type::read_only_data) return;
            figure(Quantity::shadow_write, type, width, one(Access::write, first_of(written)));
        });
    }

    void plan_sync() {
        Ticks guest_read{};
        Ticks guest_write{};
        each_class([&](Type type, Width width, const vmcs::FieldSet& of) {
            const bool guest_natural{type == Type::guest_state && width == Width::natural};
            vmcs::ShadowSets sets{m_base};
            sets.read |= of;
            const Ticks all_read{idle(sets)};
            const Ticks read{(all_read - idle(m_base)) / static_cast<double>(of.count())};
            figure(Quantity::sync_read, type, width, read);
            if (guest_natural) guest_read = read;
            const vmcs::FieldSet written{of & m_allowed.write};
            if (written.empty()) return;
            sets.write |= written;
            const Ticks write{(idle(sets) - all_read) / static_cast<double>(written.count())};
            figure(Quantity::sync_write, type, width, write);
            if (guest_natural) guest_write = write;
        });
        vmcs::ShadowSets more{m_base};
        more.read.set(Field::guest_rsp); // another at each exit, as well
        const Ticks changed{idle(more) - idle(m_base) - guest_read};
        figure(Quantity::sync_read_changed, {}, {}, changed);
        figure(Quantity::sync_write_changed, {}, {},
               point(Access::write_changed, anchor, 1, m_base) - point(Access::write, anchor, 1, m_base) -
                   dirty(anchor));
        figure(Quantity::shadow, {}, {},
               idle(m_base) - idle({}) - guest_read - guest_read - changed - guest_write);
    }

    // Turning to the second VMCS or back once more, in the mean of both. A look of L0 at the link may fall
    // into any point, so the difference is one of many.
    [[nodiscard]] Ticks turn(const vmcs::ShadowSets& sets) {
        constexpr unsigned many{9};
        return (point(Access::turn, other_in_second, many, sets) -
                point(Access::turn, other_in_second, 1, sets)) /
               (2 * (many - 1));
    }
    // To it and back for the first time in a round trip.
    [[nodiscard]] Ticks first_pair(const vmcs::ShadowSets& sets) {
        return point(Access::turn, other_in_second, 1, sets) - idle(sets);
    }

    void plan_switches() {
        const Ticks base{turn(m_base)};
        vmcs::ShadowSets everything{m_base};
        vmcs::ShadowSets left_by_exit{m_base};
        each_class([&](Type type, Width, const vmcs::FieldSet& of) {
            everything.read |= of;
            if (type == Type::guest_state || type == Type::read_only_data) left_by_exit.read |= of;
        });
        everything.read.clear(other_in_second);
        const auto added{[&](const vmcs::FieldSet& to, const vmcs::FieldSet& set) {
            return static_cast<double>(set.count() - to.count());
        }};
        const Ticks all_read{turn(everything)};
        const Ticks read{(all_read - base) / added(m_base.read, everything.read)};
        everything.write = everything.read & m_allowed.write;
        const Ticks write{(turn(everything) - all_read) / added(m_base.write, everything.write)};
        vmcs::ShadowSets more{m_base};
        more.read.set(other_in_second);
        const Ticks changed{turn(more) - base - read};
        figure(Quantity::switch_read, {}, {}, read);
        figure(Quantity::switch_read_changed, {}, {}, changed);
        figure(Quantity::switch_write, {}, {}, write);
        figure(Quantity::switch_shadow, {}, {}, base - turn({}) - read - read - changed - write);
        // What is in R by then is not brought over.
        const Ticks saved{(first_pair(left_by_exit) - first_pair(m_base)) /
                          added(m_base.read, left_by_exit.read)};
        figure(Quantity::switch_fetch, {}, {}, read + read - saved);
    }

    vmcs::ShadowSets m_allowed;
    vmcs::ShadowSets m_base;
    CalibrationPlan m_plan;
};

// Between the two nearest values, by their distance.
[[nodiscard]] double quantile(const std::vector<double>& sorted, double share) {
    const double place{share * static_cast<double>(sorted.size() - 1)};
    const auto below{static_cast<std::size_t>(place)};
    const std::size_t above{std::min(below + 1, sorted.size() - 1)};
    return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

} // namespace

CalibrationPlan plan_calibration(const vmcs::ProfileTarget& target) {
    return Planner{target}.plan();
}

std::vector<db::CostFigure> figures_of(const CalibrationPlan& plan,
                                       std::span<const std::vector<double>> rounds) {
    std::vector<db::CostFigure> figures{};
    if (rounds.empty()) return figures;
    for (const auto& [quantity, type, width, terms] : plan.figures) {
        std::vector<double> values{};
        for (const auto& round : rounds) {
            double sum{0};
            for (const auto& [point, factor] : terms)
                sum += factor * round[point];
            values.push_back(sum);
        }
        std::ranges::sort(values);
        figures.push_back({quantity, type, width, quantile(values, 0.5), quantile(values, 0.25),
                           quantile(values, 0.75), values.front(), values.back(),
                           static_cast<std::uint32_t>(values.size())});
    }
    return figures;
}

} // namespace shadowtune::profiler

#pragma once

// An L1 of given habits under a VMM of given bitmaps, as snapshots show it.

#include "db/records.hpp"
#include "vmcs/catalogue.hpp"
#include "vmcs/profile.hpp"

#include <array>
#include <map>
#include <random>

namespace shadowtune::test {

class SimulatedL1 {
public:
    explicit SimulatedL1(std::uint64_t seed) : m_random{seed} {}

    // From now on, accesses per round trip; the fraction above a whole number is a chance.
    void read(vmcs::Field field, double rate) { m_rates[{vmcs::index_of(field), db::Access::read}] = rate; }
    void write(vmcs::Field field, double rate) { m_rates[{vmcs::index_of(field), db::Access::write}] = rate; }

    // Each VMREAD of it finds another value than before.
    void change(vmcs::Field field) { m_changing.set(vmcs::index_of(field)); }

    void load(const vmcs::ShadowSets& sets, std::uint16_t interval) {
        m_sets = sets;
        m_interval = interval;
        ++m_generation;
    }
    [[nodiscard]] const vmcs::ShadowSets& in_force() const { return m_sets; }
    [[nodiscard]] std::uint64_t round_trips() const { return m_round_trips; }

    void run(std::uint64_t round_trips) {
        for (std::uint64_t i{0}; i < round_trips; ++i) {
            const bool sampled{m_interval != 0 && m_random() % m_interval == 0};
            ++m_round_trips;
            if (sampled) ++m_sampled_round_trips;
            for (const auto& [key, rate] : m_rates)
                access(key, times(rate), sampled);
        }
    }

    [[nodiscard]] db::Snapshot snapshot() const {
        db::Snapshot snapshot{};
        db::VcpuSnapshot& vcpu{snapshot.vcpus.emplace_back()};
        vcpu.mode = m_interval != 0 ? db::Mode::sample : db::Mode::trap;
        vcpu.sample_interval = m_interval;
        vcpu.generation = m_generation;
        vcpu.counters.round_trips = m_round_trips;
        vcpu.round_trips_by_reason[reason] = m_round_trips;
        vcpu.sampled_round_trips_by_reason[reason] = m_sampled_round_trips;
        for (const auto& [key, count] : m_plain)
            vcpu.accesses.push_back({vmcs::catalogue[key.first].encoding, key.second, reason, count});
        for (const auto& [key, count] : m_sampled) {
            vcpu.sampled.push_back(
                {vmcs::catalogue[key.first].encoding, key.second, reason, count.sum, count.squares});
        }
        for (const auto& [field, count] : m_changes)
            vcpu.changes.push_back({db::Change::at_exit, vmcs::catalogue[field].encoding, reason, count});
        return snapshot;
    }

private:
    static constexpr std::uint8_t reason{10}; // CPUID
    using Key = std::pair<vmcs::FieldIndex, db::Access>;
    struct Sampled {
        std::uint64_t sum{0};
        std::uint64_t squares{0};
    };

    [[nodiscard]] std::uint64_t times(double rate) {
        const auto whole{static_cast<std::uint64_t>(rate)};
        return whole + (std::bernoulli_distribution{rate - static_cast<double>(whole)}(m_random) ? 1 : 0);
    }
    void access(const Key& key, std::uint64_t times, bool sampled) {
        if (times == 0) return;
        const bool traps{!(key.second == db::Access::read ? m_sets.read : m_sets.write).test(key.first)};
        const bool may_change{key.second == db::Access::read && m_changing.test(key.first)};
        if (may_change && (sampled || traps)) ++m_changes[key.first];
        if (sampled) {
            m_sampled[key].sum += times;
            m_sampled[key].squares += times * times;
        } else if (traps) {
            m_plain[key] += times;
        }
    }

    std::mt19937_64 m_random;
    std::map<Key, double> m_rates;
    vmcs::FieldSet m_changing;
    std::map<vmcs::FieldIndex, std::uint64_t> m_changes;
    vmcs::ShadowSets m_sets;
    std::uint16_t m_interval{0};
    std::uint32_t m_generation{1};
    std::uint64_t m_round_trips{0};
    std::uint64_t m_sampled_round_trips{0};
    std::map<Key, std::uint64_t> m_plain;
    std::map<Key, Sampled> m_sampled;
};

} // namespace shadowtune::test

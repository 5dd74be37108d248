#include "db/machines.hpp"

#include "db/rows.hpp"

namespace shadowtune::db {

namespace {

constexpr std::int64_t most_vcpus{65'536}; // their numbers have 16 bits

} // namespace

Result<std::int64_t, Error> store_machine(Connection& connection, const Machine& machine) {
    auto known{connection.prepare("SELECT id FROM machine WHERE boot_id = ?")};
    if (!known) return Failure{known.error()};
    known.value().bind(machine.boot_id);
    auto row{known.value().step()};
    if (!row) return Failure{row.error()};
    if (row.value()) return known.value().integer(0);

    auto insert{connection.prepare("INSERT INTO machine VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)")};
    if (!insert) return Failure{insert.error()};
    if (auto done{insert.value().run(machine.boot_id, machine.cpu_brand, machine.cpu_signature,
                                     machine.tsc_khz, machine.memory_bytes, machine.vcpus,
                                     machine.vmm_version, machine.catalogue_version)};
        !done) {
        return Failure{done.error()};
    }
    const std::int64_t id{connection.last_row()};

    auto msr{connection.prepare("INSERT INTO capability_msr VALUES (?, ?, ?, ?)")};
    if (!msr) return Failure{msr.error()};
    for (std::uint32_t i{0}; i < vmcs::capability_msr_count; ++i) {
        const std::uint32_t number{vmcs::first_capability_msr + i};
        if (auto done{
                msr.value().run(id, number, machine.hardware_msrs[number], machine.offered_msrs[number])};
            !done) {
            return Failure{done.error()};
        }
    }
    auto field{connection.prepare("INSERT INTO machine_field VALUES (?, ?, ?, ?)")};
    if (!field) return Failure{field.error()};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        const bool physical{machine.physical_fields.test(i)};
        const bool offered{machine.offered_fields.test(i)};
        if (auto done{field.value().run(id, vmcs::catalogue[i].encoding, physical, offered)}; !done) {
            return Failure{done.error()};
        }
    }
    return id;
}

Result<Machine, Error> read_machine(Database& database, std::int64_t id) {
    Machine machine{};
    auto done{each_row(
        database,
        "SELECT boot_id, cpu_brand, cpu_signature, tsc_khz, memory_bytes, vcpus, vmm_version, "
        "catalogue_version "
        "FROM machine WHERE id = ?",
        [&](const Statement& row) -> Result<void, Error> {
            machine.boot_id = row.bits(0);
            machine.cpu_brand = row.text(1);
            machine.cpu_signature = static_cast<std::uint32_t>(row.integer(2));
            machine.tsc_khz = static_cast<std::uint32_t>(row.integer(3));
            machine.memory_bytes = row.bits(4);
            if (row.integer(5) < 0 || row.integer(5) > most_vcpus)
                return damaged(database, "a machine has an impossible number of vCPUs");
            machine.vcpus = static_cast<std::uint32_t>(row.integer(5));
            machine.vmm_version = row.text(6);
            machine.catalogue_version = static_cast<std::uint32_t>(row.integer(7));
            return {};
        },
        id)};
    if (!done) return Failure{done.error()};
    done = each_row(
        database, "SELECT msr, hardware, offered FROM capability_msr WHERE machine_id = ?",
        [&](const Statement& row) -> Result<void, Error> {
            const std::int64_t msr{row.integer(0) - vmcs::first_capability_msr};
            if (msr < 0 || msr >= static_cast<std::int64_t>(vmcs::capability_msr_count)) return {};
            machine.hardware_msrs.values[msr] = row.bits(1);
            machine.offered_msrs.values[msr] = row.bits(2);
            return {};
        },
        id);
    if (!done) return Failure{done.error()};
    done = each_row(
        database, "SELECT encoding, physical, offered FROM machine_field WHERE machine_id = ?",
        [&](const Statement& row) -> Result<void, Error> {
            const vmcs::FieldIndex field{vmcs::find(row.bits(0))};
            // A field of another catalogue: it cannot be counted either, so it is left out of the machine's
            // sets.
            if (field == vmcs::no_field) return {};
            if (row.integer(1) != 0) machine.physical_fields.set(field);
            if (row.integer(2) != 0) machine.offered_fields.set(field);
            return {};
        },
        id);
    if (!done) return Failure{done.error()};
    return machine;
}

} // namespace shadowtune::db

#include "hypervisor/shadow/commands.hpp"

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/save.hpp"
#include "hypervisor/nested/sleep.hpp"
#include "hypervisor/shadow/shadowing.hpp"
#include "hypervisor/version.hpp"

namespace shadowtune::shadow {

namespace {

using link::MessageType;

void copy_text(char* to, std::size_t capacity, std::string_view from) {
    const std::size_t length{from.size() < capacity - 1 ? from.size() : capacity - 1};
    __builtin_memcpy(to, from.data(), length);
}

void read_cpu_brand(char (&brand)[48]) {
    constexpr std::uint32_t first_brand_leaf{0x8000'0002};
    for (std::uint32_t i{0}; i < 3; ++i) {
        const cpu::CpuidResult part{cpu::cpuid(first_brand_leaf + i)};
        __builtin_memcpy(brand + sizeof(part) * i, &part, sizeof(part));
    }
}

// CPUID 15H: TSC = crystal * EBX / EAX (SDM Vol. 2A); 0 where the processor does not tell.
[[nodiscard]] std::uint32_t tsc_khz() {
    constexpr std::uint32_t tsc_leaf{0x15};
    if (cpu::cpuid(0).eax < tsc_leaf) return 0;
    const cpu::CpuidResult r{cpu::cpuid(tsc_leaf)};
    if (r.eax == 0 || r.ebx == 0 || r.ecx == 0) return 0;
    return static_cast<std::uint32_t>(std::uint64_t{r.ecx} * r.ebx / r.eax / 1000);
}

// Good as long as this processor, which alone publishes, does not publish.
[[nodiscard]] const Generation& generation_of(const nested::Vcpu& vcpu) {
    return *__atomic_load_n(&vcpu.in_force, __ATOMIC_ACQUIRE);
}

} // namespace

Commands::Commands(nested::Machine& machine, StartAnew start_anew)
    : m_machine{machine}, m_start_anew{start_anew} {
    const std::size_t room{nested::max_saved_vcpu * machine.vcpu_count};
    m_blob.start({memory::at_physical<std::uint8_t>(machine.l0.take_pages(room / memory::page_size)), room});
}

// Another processor's vCPU may be changing while it is looked at: each of these is one load.
link::L1State Commands::l1_state(const nested::Vcpu& vcpu) const {
    const auto is{[](const bool& flag) { return __atomic_load_n(&flag, __ATOMIC_RELAXED); }};
    if (m_hold == Hold::saved) return link::L1State::saved;
    if (m_hold == Hold::awaited) return link::L1State::awaited;
    if (vcpu.waits_for_startup) return link::L1State::waiting_for_startup;
    if (is(vcpu.runs_l2)) return link::L1State::running_l2;
    return is(vcpu.in_vmx_operation) ? link::L1State::in_vmx_operation : link::L1State::running;
}

void Commands::greet(std::uint32_t id) {
    link::Hello hello{};
    hello.id = id;
    hello.protocol_version = link::protocol_version;
    hello.vcpus = static_cast<std::uint16_t>(m_machine.vcpu_count);
    hello.catalogue_version = vmcs::catalogue_version;
    hello.boot_id = m_machine.boot_id;
    copy_text(hello.vmm_version, sizeof(hello.vmm_version), version);
    read_cpu_brand(hello.cpu_brand);
    hello.cpu_signature = cpu::cpuid(1).eax;
    hello.tsc_khz = tsc_khz();
    hello.memory_bytes = m_machine.l1_memory_bytes;
    for (std::size_t i{0}; i < vmcs::capability_msr_count; ++i) {
        hello.hardware_msrs[i] = m_machine.hardware_msrs.values[i];
        hello.offered_msrs[i] = m_machine.offered_msrs.values[i];
    }
    m_machine.offered_fields.store(hello.offered_fields);
    m_machine.physical_fields.store(hello.physical_fields);
    hello.l1_kind = static_cast<std::uint8_t>(m_machine.l1_kind);
    __builtin_memcpy(hello.l1_name, m_machine.l1_name, sizeof(hello.l1_name));
    m_machine.link.send(MessageType::hello, hello);
}

void Commands::log(link::LogLevel level, std::string_view text) {
    std::uint8_t payload[256];
    payload[0] = static_cast<std::uint8_t>(level);
    const std::size_t length{text.size() < sizeof(payload) - 1 ? text.size() : sizeof(payload) - 1};
    __builtin_memcpy(payload + 1, text.data(), length);
    m_machine.link.send(MessageType::log, {payload, length + 1});
}

void freeze_counters(nested::Vcpu& vcpu) {
    settle_counts(vcpu);
    const auto& s{vcpu.statistics};
    const auto& executed{vcpu.hardware.counts()};
    link::SnapshotHead head{};
    head.vcpu = static_cast<std::uint16_t>(vcpu.number);
    head.tsc = cpu::rdtsc();
    head.mode = static_cast<std::uint8_t>(vcpu.in_force->mode);
    head.sample_interval = vcpu.in_force->sample_interval;
    head.generation = vcpu.in_force->number;
    head.round_trips = s.round_trips;
    head.round_trip_ticks = s.round_trip_ticks;
    head.l0_ticks = s.l0_ticks;
    head.vm_exits = s.vm_exits;
    head.l2_exits_kept = s.l2_exits_kept;
    head.unknown_field_accesses = s.unknown_field_accesses + vcpu.counters->lost();
    head.sync_reads = vcpu.shadow.sync_reads();
    head.sync_writes = vcpu.shadow.sync_writes();
    head.vmread_executed = executed.vmread;
    head.vmwrite_executed = executed.vmwrite;
    head.vmptrld_executed = executed.vmptrld;
    head.vmclear_executed = executed.vmclear;
    head.memory_reads = s.memory_reads;
    head.memory_writes = s.memory_writes;
    head.walk_entries = s.walk_entries;
    head.reloads = s.reloads;
    head.last_reload_ticks = s.last_reload_ticks;
    vcpu.frozen->freeze(vcpu.machine.snapshot_number, vcpu.machine.known_snapshot, head,
                        s.round_trips_by_reason, vcpu.counters->cells());
}

void Commands::begin_snapshot(nested::Vcpu& vcpu, const link::SnapshotRequest& request) {
    const std::uint32_t id{request.id};
    if (id == m_snapshot || id == 0) return; // asked again while the answer is under way
    m_machine.known_snapshot = request.known;
    if (++m_machine.snapshot_number == 0) ++m_machine.snapshot_number;
    m_snapshot = id;
    m_vcpu = 0;
    m_head_sent = false;
    m_next_part = 0;
    for (std::size_t i{0}; i < m_machine.vcpu_count; ++i) {
        nested::Vcpu& other{*m_machine.vcpus[i]};
        if (&other == &vcpu) continue;
        other.mailbox.post_freeze();
        nested::wake(other);
    }
    freeze_counters(vcpu);
}

void Commands::send_next_part() {
    const FrozenCounters& frozen{*m_machine.vcpus[m_vcpu]->frozen};
    // A vCPU that has not come by yet will: L0's timer brings it.
    if (!m_machine.link.has_room() || !frozen.is_ready(m_machine.snapshot_number)) return;
    if (!m_head_sent) {
        link::SnapshotHead head{frozen.head()};
        head.id = m_snapshot;
        m_head_sent = m_machine.link.send(MessageType::snapshot_head, head);
        if (!m_head_sent) return;
    } else {
        struct [[gnu::packed]] {
            link::SnapshotPart part;
            link::CounterRecord records[link::records_per_part];
        } payload;
        const std::size_t count{frozen.part(m_next_part, payload.records)};
        payload.part = {m_snapshot, frozen.head().vcpu, m_next_part, static_cast<std::uint16_t>(count)};
        m_machine.link.send(MessageType::snapshot_part,
                            {reinterpret_cast<const std::uint8_t*>(&payload),
                             sizeof(payload.part) + count * sizeof(link::CounterRecord)});
        ++m_next_part;
    }
    if (m_next_part < frozen.head().parts) return;
    m_head_sent = false;
    m_next_part = 0;
    if (++m_vcpu == m_machine.vcpu_count) m_snapshot = 0;
}

void Commands::send_next_status() {
    if (!m_machine.link.has_room()) return;
    const nested::Vcpu& vcpu{*m_machine.vcpus[m_status_vcpu]};
    const Generation& generation{generation_of(vcpu)};
    const auto count{[](const std::uint64_t& value) { return __atomic_load_n(&value, __ATOMIC_RELAXED); }};
    link::Status status{};
    status.id = m_status;
    status.vcpu = static_cast<std::uint16_t>(vcpu.number);
    status.mode = static_cast<std::uint8_t>(generation.mode);
    status.l1_state = static_cast<std::uint8_t>(l1_state(vcpu));
    status.generation = generation.number;
    status.newest_generation = m_machine.generations.newest().number;
    status.tsc = cpu::rdtsc();
    status.round_trips = count(vcpu.statistics.round_trips);
    status.last_reload_ticks = count(vcpu.statistics.last_reload_ticks);
    __builtin_memcpy(status.profile_name, generation.name, sizeof(status.profile_name));
    status.sample_interval = generation.sample_interval;
    status.round_trip_ticks = count(vcpu.statistics.round_trip_ticks);
    m_machine.link.send(MessageType::status, status);
    if (++m_status_vcpu == m_machine.vcpu_count) m_status = 0;
}

void Commands::publish(MessageType command, std::uint32_t id, const Result<std::uint32_t, Refusal>& result) {
    acknowledge(command, id, result);
    nested::tell_sleepers(m_machine);
}

void Commands::acknowledge(MessageType command, std::uint32_t id,
                           const Result<std::uint32_t, Refusal>& result) {
    link::Acknowledge record{};
    record.id = id;
    record.command = static_cast<std::uint8_t>(command);
    record.generation = result ? result.value() : m_machine.generations.newest().number;
    if (!result) {
        record.status = static_cast<std::uint8_t>(result.error().status);
        record.detail = static_cast<std::uint8_t>(result.error().profile.rule);
        record.field = result.error().profile.field;
    }
    answer(record);
}

void Commands::refuse(MessageType command, std::uint32_t id, link::CommandStatus status) {
    acknowledge(command, id, Failure{Refusal{status, {}}});
}

void Commands::answer(const link::Acknowledge& answer) {
    // "Busy" is to be tried again, so it is not remembered.
    if (answer.status != static_cast<std::uint8_t>(link::CommandStatus::busy)) {
        m_answers[m_answer_count++ % remembered] = answer;
    }
    m_machine.link.send(MessageType::acknowledge, answer);
}

void Commands::execute(nested::Vcpu& vcpu, const link::Frame& frame) {
    link::Command command{};
    if (!link::read_record(frame.payload, command)) return;
    const std::size_t known{m_answer_count < remembered ? m_answer_count : remembered};
    for (std::size_t i{0}; i < known; ++i) {
        const link::Acknowledge& answer{m_answers[i]};
        if (answer.id == command.id && answer.command == static_cast<std::uint8_t>(frame.type)) {
            m_machine.link.send(MessageType::acknowledge, answer);
            return;
        }
    }
    log_recognition();
    if (execute_save_command(vcpu, frame)) return;
    switch (frame.type) {
    case MessageType::hello_request: return greet(command.id);
    case MessageType::status_request:
        m_status = command.id;
        m_status_vcpu = 0;
        return;
    case MessageType::timings_request: {
        link::Timings timings{m_machine.timings};
        timings.id = command.id;
        m_machine.link.send(MessageType::timings, timings);
        return;
    }
    case MessageType::snapshot_request: {
        link::SnapshotRequest request{};
        if (!link::read_record(frame.payload, request)) {
            return refuse(frame.type, command.id, link::CommandStatus::malformed);
        }
        return begin_snapshot(vcpu, request);
    }
    case MessageType::fingerprint_request: return send_fingerprint(command.id);
    case MessageType::add_profile: return add_profile(frame);
    case MessageType::load_profile: {
        if (m_hold != Hold::none) return refuse(frame.type, command.id, link::CommandStatus::l1_stopped);
        link::LoadProfile load{};
        if (frame.payload.size() != sizeof(load) || !link::read_record(frame.payload, load)) {
            return refuse(frame.type, command.id, link::CommandStatus::malformed);
        }
        return publish(frame.type, command.id, m_machine.generations.load(load.image));
    }
    case MessageType::set_mode: {
        if (m_hold != Hold::none) return refuse(frame.type, command.id, link::CommandStatus::l1_stopped);
        link::SetMode set{};
        if (frame.payload.size() != sizeof(set) || !link::read_record(frame.payload, set)) {
            return refuse(frame.type, command.id, link::CommandStatus::malformed);
        }
        return publish(
            frame.type, command.id,
            m_machine.generations.set_mode(static_cast<link::Mode>(set.mode), set.sample_interval));
    }
    default: return refuse(frame.type, command.id, link::CommandStatus::unknown_command);
    }
}

void Commands::move_on(nested::Vcpu& vcpu, std::uint64_t now) {
    // A whole frame is handled before the next byte is taken: the queue of answers stays short.
    if (m_machine.link.poll(now)) execute(vcpu, m_machine.link.frame());
    if (m_status != 0) send_next_status();
    if (m_snapshot != 0) send_next_part();
    m_is_busy = m_status != 0 || m_snapshot != 0 || m_hold != Hold::none;
}

void Commands::move_on_untimed(nested::Vcpu& vcpu, std::uint64_t now) {
    const std::uint64_t start{cpu::rdtsc()};
    move_on(vcpu, now);
    const std::uint64_t taken{cpu::rdtsc() - start};
    vcpu.exit_tsc += taken;
    vcpu.l2_exit_tsc += taken;
}

void Commands::serve(nested::Vcpu& vcpu) {
    const std::uint64_t now{cpu::rdtsc()};
    if (m_machine.link.is_due(now) || m_is_busy) move_on(vcpu, now);
}

} // namespace shadowtune::shadow

#pragma once

// A saved state in parts that tests may change before it is written. L2 runs in it.

#include "link/saved_state.hpp"

#include <cstring>
#include <vector>

namespace shadowtune::link::test {

struct SavedSample {
    std::uint16_t vcpus{1};
    SavedMachine machine{};
    SavedBitmaps bitmaps{};
    SavedRecognition recognition{};
    std::vector<std::uint8_t> fingerprint{}; // packed
    SavedRegisters registers{};
    std::vector<SavedMsr> msrs{{0x277, 0x7040600070406}, {0xC0000102, 0x1234}};
    std::vector<std::uint8_t> extended_state = std::vector<std::uint8_t>(832);
    SavedVmx vmx{};
    std::vector<SavedField> vmcs01{};
    std::vector<SavedField> vmcs12{};
    std::vector<SavedField> vmcs02{};
    SavedStatistics statistics{};
    std::vector<CounterRecord> counters{{0x681E, 0, 10, 7}, {0x4402, 0, 80, 1}, {0x681E, 1, 10, 5}};
    // Types of records to leave out, for the reader to miss.
    std::uint16_t left_out{0};

    SavedSample() {
        machine.catalogue_version = vmcs::catalogue_version;
        std::strcpy(machine.l1_name, "sample");
        bitmaps.generation = 3;
        registers.general[0] = 0x1111;
        registers.cr2 = 0x2222;
        vmx.feature_control = 5;
        vmx.vmxon_pointer = 0x10000;
        vmx.current_vmcs = 0x11000;
        vmx.in_vmx_operation = vmx.runs_l2 = vmx.launched = 1;
        vmx.reason = 10;
        vmx.timer_left = 100;
        for (const auto& field : vmcs::catalogue) {
            if (field.type == vmcs::Type::guest_state)
                vmcs01.push_back({field.encoding, field.encoding & 0xFFU});
            vmcs12.push_back({field.encoding, field.encoding & 0xFFU});
            if (field.type == vmcs::Type::guest_state) vmcs02.push_back({field.encoding, 1});
        }
    }

    void l1_runs() {
        vmx.runs_l2 = 0;
        vmx.timer_left = 0;
    }
    void no_vmcs() {
        l1_runs();
        vmx.current_vmcs = no_address;
        vmx.launched = 0;
    }

    void outside_vmx() {
        no_vmcs();
        vmx.in_vmx_operation = 0;
        vmx.vmxon_pointer = no_address;
    }

    [[nodiscard]] std::vector<std::uint8_t> write() const {
        std::vector<std::uint8_t> bytes(1 << 20);
        SavedStateWriter writer{bytes, vcpus};
        const auto wanted{[this](SavedRecord type) { return static_cast<std::uint16_t>(type) != left_out; }};
        const auto one{[&](SavedRecord type, std::uint16_t vcpu, const auto& record) {
            if (wanted(type)) writer.write(type, vcpu, record);
        }};
        const auto list{[&](SavedRecord type, std::uint16_t vcpu, const auto& records) {
            if (!wanted(type)) return;
            writer.begin(type, vcpu);
            for (const auto& record : records)
                writer.append(record);
        }};
        one(SavedRecord::machine, whole_machine, machine);
        one(SavedRecord::bitmaps, whole_machine, bitmaps);
        if (wanted(SavedRecord::recognition)) {
            writer.write(SavedRecord::recognition, whole_machine, recognition);
            writer.append_bytes(fingerprint);
        }
        for (std::uint16_t vcpu{0}; vcpu < vcpus; ++vcpu) {
            one(SavedRecord::registers, vcpu, registers);
            list(SavedRecord::msrs, vcpu, msrs);
            list(SavedRecord::extended_state, vcpu, extended_state);
            one(SavedRecord::vmx, vcpu, vmx);
            list(SavedRecord::vmcs01, vcpu, vmcs01);
            if (vmx.current_vmcs != no_address) list(SavedRecord::vmcs12, vcpu, vmcs12);
            if (vmx.runs_l2 != 0) list(SavedRecord::vmcs02, vcpu, vmcs02);
            one(SavedRecord::statistics, vcpu, statistics);
            list(SavedRecord::counters, vcpu, counters);
        }
        bytes.resize(writer.finish());
        return bytes;
    }
};

// Makes the CRC fit again after bytes were changed.
inline void seal(std::vector<std::uint8_t>& bytes,
                 std::uint32_t (*crc)(std::span<const std::uint8_t>, std::uint32_t)) {
    const std::span<const std::uint8_t> all{bytes};
    const std::uint32_t value{
        crc(all.subspan(sizeof(SavedHeader)), crc(all.first(offsetof(SavedHeader, crc)), 0))};
    std::memcpy(bytes.data() + offsetof(SavedHeader, crc), &value, sizeof(value));
}

} // namespace shadowtune::link::test

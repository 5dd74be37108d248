// A saved state goes on only where it fits, names nothing outside L1's memory, and could be entered.

#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/restore_checks.hpp"
#include "tests/link/saved_sample.hpp"
#include "tests/nested/entry_sample.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace shadowtune::nested::testing {
namespace {

using link::RestoreFault;
using link::SavedField;
using link::test::SavedSample;

constexpr memory::MemoryRange l0_region{0x400'0000, 0x600'0000};

// A machine, and an L1 with a running L2 that may go on in it.
struct RestoreSample {
    EntrySample entry{};
    memory::MemoryMap map{};
    memory::MemoryMap l1_map{};
    vmcs::CapabilityMsrs hardware{everything()};
    vmcs::FieldSet offered{};
    SavedSample saved{};
    Vmcs12Values vmcs01{};
    unsigned vcpus{1};

    RestoreSample() {
        EXPECT_TRUE(map.add({0, 0x800'0000}, memory::MemoryType::ram).ok());
        EXPECT_TRUE(map.add({0xE000'0000, 0xF000'0000}, memory::MemoryType::reserved).ok());
        l1_map = map;
        EXPECT_TRUE(l1_map.reserve(l0_region).ok());
        offered = offered_fields(all_fields(), entry.offered);
        // vmcs01 is L0's own, and L1 runs in 64-bit mode with CR4.VMXE.
        vmcs01 = entry.vmcs12;
        vmcs01.set(Field::vm_entry_controls, vmcs01.get(Field::vm_entry_controls) | vmx::entry::load_efer |
                                                 vmx::entry::load_debug_controls);
        fill(saved.vmcs01, saved_vmcs01_fields, entry.vmcs12);
        fill(saved.vmcs12, offered, entry.vmcs12);
        fill(saved.vmcs02, saved_vmcs02_fields, entry.vmcs12);
        for (auto* list : {&saved.vmcs01, &saved.vmcs02}) {
            set(*list, Field::guest_ia32_efer, 0x500);
            set(*list, Field::guest_dr7, 0x400);
        }
        set(saved.vmcs01, Field::cr4_read_shadow, 0x2020);
        saved.machine.cpu_signature = 0x306C3;
        saved.machine.map_crc = crc_of(map);
        saved.machine.hidden_begin = l0_region.begin;
        saved.machine.hidden_end = l0_region.end;
        for (std::size_t i{0}; i < vmcs::capability_msr_count; ++i)
            saved.machine.offered_msrs[i] = entry.offered.values[i];
        offered.store(saved.machine.offered_fields);
    }

    static void fill(std::vector<SavedField>& list, const vmcs::FieldSet& fields,
                     const Vmcs12Values& values) {
        list.clear();
        fields.for_each([&](vmcs::FieldIndex field) {
            list.push_back({vmcs::catalogue[field].encoding, values.values[field]});
        });
    }
    static void set(std::vector<SavedField>& list, Field field, std::uint64_t value) {
        for (SavedField& entry_of : list) {
            if (entry_of.encoding == vmcs::encoding_of(field)) entry_of.value = value;
        }
    }

    [[nodiscard]] RestoreRefusal check() const {
        const auto bytes{saved.write()};
        const auto state{link::SavedState::parse(bytes)};
        if (!state) return {RestoreFault::malformed, static_cast<std::uint16_t>(state.error().fault)};
        const RestoreTarget target{l1_map,   l0_region,     crc_of(map),  0x306C3, vcpus,
                                   hardware, entry.offered, all_fields(), offered, entry.processor};
        if (const auto c{check_machine(state.value(), target)}; !c) return c.error();
        EntryContext context{};
        context.current_vmcs = saved.vmx.current_vmcs;
        const auto c{check_vcpu(state.value().vcpu(0), target, vmcs01, context)};
        return c ? RestoreRefusal{} : c.error();
    }
};

TEST(RestoreChecks, LetPassWhatFits) {
    RestoreSample sample{};
    RestoreRefusal refusal{sample.check()};
    EXPECT_EQ(refusal.fault, RestoreFault::none)
        << static_cast<int>(refusal.fault) << " about " << std::hex << refusal.about;
    sample.saved.l1_runs();
    EXPECT_EQ(sample.check().fault, RestoreFault::none);
    sample.saved.no_vmcs();
    EXPECT_EQ(sample.check().fault, RestoreFault::none);
}

// What L1 may leave in its VMCS while L1 runs is L1's business: the next entry checks it.
TEST(RestoreChecks, LookAtVmcs12OnlyWhereL2Runs) {
    RestoreSample sample{};
    sample.set(sample.saved.vmcs12, Field::host_cr4, 0);
    EXPECT_EQ(sample.check().fault, RestoreFault::bad_host_state);
    sample.saved.l1_runs();
    EXPECT_EQ(sample.check().fault, RestoreFault::none);
}

struct RestoreCase {
    const char* name;
    void (*change)(RestoreSample& sample);
    RestoreFault fault;
    std::uint16_t about{0};
};

void run_cases(std::span<const RestoreCase> cases) {
    for (const RestoreCase& test : cases) {
        SCOPED_TRACE(test.name);
        RestoreSample sample{};
        test.change(sample);
        const RestoreRefusal refusal{sample.check()};
        EXPECT_EQ(static_cast<int>(refusal.fault), static_cast<int>(test.fault));
        if (test.about != 0) {
            EXPECT_EQ(refusal.about, test.about);
        }
    }
}

using S = RestoreSample;

TEST(RestoreChecks, RefuseAnotherMachine) {
    const RestoreCase cases[]{
        {"processor", [](S& s) { s.saved.machine.cpu_signature ^= 1; }, RestoreFault::other_processor},
        {"controls", [](S& s) { s.saved.machine.offered_msrs[1] ^= std::uint64_t{1} << 40; },
         RestoreFault::other_vmx_offer, 0x481},
        {"fields", [](S& s) { s.saved.machine.offered_fields[0] ^= 1; }, RestoreFault::other_vmx_offer},
        {"memory map", [](S& s) { s.saved.machine.map_crc ^= 1; }, RestoreFault::other_memory},
        {"L0 begins elsewhere", [](S& s) { s.saved.machine.hidden_begin += 0x20'0000; },
         RestoreFault::other_memory},
        {"L0 ends elsewhere", [](S& s) { s.saved.machine.hidden_end -= 0x20'0000; },
         RestoreFault::other_memory},
        {"more vCPUs here", [](S& s) { s.vcpus = 2; }, RestoreFault::other_vcpus},
        {"more vCPUs there", [](S& s) { s.saved.vcpus = 2; }, RestoreFault::other_vcpus},
    };
    run_cases(cases);
}

TEST(RestoreChecks, RefusePointersOutsideL1sMemory) {
    const RestoreCase cases[]{
        {"VMXON region in L0", [](S& s) { s.saved.vmx.vmxon_pointer = l0_region.begin; },
         RestoreFault::address_outside, 1},
        {"VMCS in L0", [](S& s) { s.saved.vmx.current_vmcs = l0_region.end - 0x1000; },
         RestoreFault::address_outside, 2},
        {"VMCS behind the memory", [](S& s) { s.saved.vmx.current_vmcs = 0x800'0000; },
         RestoreFault::address_outside, 2},
        {"VMCS on a device", [](S& s) { s.saved.vmx.current_vmcs = 0xE000'0000; },
         RestoreFault::address_outside, 2},
        {"VMXON region past every address", [](S& s) { s.saved.vmx.vmxon_pointer = ~std::uint64_t{0xFFF}; },
         RestoreFault::address_outside, 1},
    };
    run_cases(cases);
}

TEST(RestoreChecks, RefuseFieldsThatAreMissingOrNotL1s) {
    const RestoreCase cases[]{
        {"L1 without RIP",
         [](S& s) { std::erase_if(s.saved.vmcs01, [](const auto& f) { return f.encoding == 0x681E; }); },
         RestoreFault::fields_incomplete, 0x681E},
        {"a link pointer for vmcs01",
         [](S& s) {
             s.saved.vmcs01.push_back({0x2800, 0});
             std::ranges::sort(s.saved.vmcs01, {}, [](const auto& f) { return std::uint16_t{f.encoding}; });
         },
         RestoreFault::fields_incomplete, 0x2800},
        {"an EPTP for vmcs02",
         [](S& s) {
             s.saved.vmcs02.push_back({0x201A, 0x1000});
             std::ranges::sort(s.saved.vmcs02, {}, [](const auto& f) { return std::uint16_t{f.encoding}; });
         },
         RestoreFault::fields_incomplete, 0x201A},
        {"host state for vmcs02",
         [](S& s) {
             s.saved.vmcs02.push_back({0x6C16, 0xBAD});
         },
         RestoreFault::fields_incomplete, 0x6C16},
        {"vmcs12 without a field", [](S& s) { s.saved.vmcs12.erase(s.saved.vmcs12.begin()); },
         RestoreFault::fields_incomplete},
        {"lazy control",
         [](S& s) {
             vmcs::FieldSet set{};
             set.set(Field::ept_pointer);
             set.store(s.saved.vmx.in_vmcs02);
         },
         RestoreFault::bad_l2_state, 0x201A},
    };
    run_cases(cases);
}

TEST(RestoreChecks, RefuseWhatCouldNotBeEntered) {
    const RestoreCase cases[]{
        {"L1 with paging without protection",
         [](S& s) { s.set(s.saved.vmcs01, Field::guest_cr0, 0x80000020); }, RestoreFault::bad_l1_state,
         0x6800},
        {"L1 without CR4.VMXE", [](S& s) { s.set(s.saved.vmcs01, Field::guest_cr4, 0x20); },
         RestoreFault::bad_l1_state, 0x6804},
        {"VMX operation without VMXE in L1's view",
         [](S& s) { s.set(s.saved.vmcs01, Field::cr4_read_shadow, 0x20); }, RestoreFault::bad_l1_state,
         0x6006},
        {"L1's RFLAGS", [](S& s) { s.set(s.saved.vmcs01, Field::guest_rflags, 0); },
         RestoreFault::bad_l1_state, 0x6820},
        {"an event for L1 that there is not",
         [](S& s) { s.set(s.saved.vmcs01, Field::vm_entry_interruption_information, 0x80000100); },
         RestoreFault::bad_l1_state, 0x4016},
        {"L1 with LMA without LME", [](S& s) { s.set(s.saved.vmcs01, Field::guest_ia32_efer, 0x400); },
         RestoreFault::bad_l1_state, 0x2806},
        {"a control of L1's that is not offered",
         [](S& s) { s.set(s.saved.vmcs12, Field::pin_based_controls, 0xFFFFFFFF); },
         RestoreFault::bad_controls, 0x4000},
        {"L1's host state", [](S& s) { s.set(s.saved.vmcs12, Field::host_rip, 0x8000'0000'0000'0000); },
         RestoreFault::bad_host_state, 0x6C16},
        {"L2's RFLAGS", [](S& s) { s.set(s.saved.vmcs02, Field::guest_rflags, 0); },
         RestoreFault::bad_l2_state, 0x6820},
        {"L2's IA32_EFER, though L1 does not load it",
         [](S& s) { s.set(s.saved.vmcs02, Field::guest_ia32_efer, 0x502); }, RestoreFault::bad_l2_state,
         0x2806},
        {"L2's activity", [](S& s) { s.set(s.saved.vmcs02, Field::guest_activity_state, 4); },
         RestoreFault::bad_l2_state, 0x4826},
        {"an event for L2 that there is not",
         [](S& s) { s.set(s.saved.vmcs02, Field::vm_entry_interruption_information, 0x80000100); },
         RestoreFault::bad_controls, 0x4016},
        {"VMX operation against IA32_FEATURE_CONTROL", [](S& s) { s.saved.vmx.feature_control = 1; },
         RestoreFault::feature_control},
    };
    run_cases(cases);
}

// L2 may have left IA-32e mode, or raised its own privilege, since L1's entry: vmcs12 tells of the entry,
// vmcs02 of now.
TEST(RestoreChecks, TakeL2AsItIsNow) {
    RestoreSample sample{};
    EntrySample legacy{};
    legacy.legacy_guest();
    legacy.vmcs12.set(Field::guest_cr4, 0x2000);
    sample.fill(sample.saved.vmcs02, saved_vmcs02_fields, legacy.vmcs12);
    sample.set(sample.saved.vmcs02, Field::guest_ia32_efer, 0);
    sample.set(sample.saved.vmcs02, Field::guest_dr7, 0x400);
    EXPECT_EQ(sample.check().fault, RestoreFault::none);
    sample.set(sample.saved.vmcs02, Field::guest_ia32_efer, 0x500);
    EXPECT_EQ(sample.check().fault, RestoreFault::bad_l2_state);
}

// Unrestricted guest lets vmcs01 run without paging; L1 in VMX operation may not.
TEST(RestoreChecks, HoldL1ToTheFixedBitsOfCr0) {
    RestoreSample sample{};
    EntrySample legacy{};
    legacy.legacy_guest();
    sample.fill(sample.saved.vmcs01, saved_vmcs01_fields, legacy.vmcs12);
    sample.set(sample.saved.vmcs01, Field::guest_ia32_efer, 0);
    sample.set(sample.saved.vmcs01, Field::guest_dr7, 0x400);
    sample.set(sample.saved.vmcs01, Field::guest_cr4, 0x2000);
    sample.set(sample.saved.vmcs01, Field::cr4_read_shadow, 0x2000);
    constexpr std::uint32_t unrestricted{vmx::secondary::unrestricted_guest | vmx::secondary::enable_ept};
    sample.vmcs01.set(Field::secondary_processor_based_controls,
                      sample.vmcs01.get(Field::secondary_processor_based_controls) | unrestricted);
    sample.saved.l1_runs();
    EXPECT_EQ(sample.check().fault, RestoreFault::none);
    sample.set(sample.saved.vmcs01, Field::guest_cr0, 0x21);
    const RestoreRefusal refusal{sample.check()};
    EXPECT_EQ(refusal.fault, RestoreFault::bad_l1_state);
    EXPECT_EQ(refusal.about, 0x6800);
    sample.saved.no_vmcs();
    sample.saved.vmx.in_vmx_operation = 0;
    sample.saved.vmx.vmxon_pointer = link::no_address;
    EXPECT_EQ(sample.check().fault, RestoreFault::none);
}

TEST(RestoreChecks, KnowOneMapFromAnother) {
    memory::MemoryMap a{}, b{};
    EXPECT_TRUE(a.add({0, 0x100000}, memory::MemoryType::ram).ok());
    EXPECT_TRUE(b.add({0, 0x100000}, memory::MemoryType::reserved).ok());
    EXPECT_NE(crc_of(a), crc_of(b));
    EXPECT_NE(crc_of(a), crc_of(memory::MemoryMap{}));
}

} // namespace
} // namespace shadowtune::nested::testing

// Saved states: what is written is read again; what is damaged, cut, of another version or contradictory is
// not.

#include "link/frame.hpp"
#include "link/saved_state.hpp"
#include "tests/link/saved_sample.hpp"
#include "tests/vmcs/random_fingerprint.hpp"

#include <gtest/gtest.h>
#include <random>

namespace shadowtune::link::test {
namespace {

using Bytes = std::vector<std::uint8_t>;

[[nodiscard]] SavedError fault_of(const Bytes& bytes) {
    const auto state{SavedState::parse(bytes)};
    return state ? SavedError{} : state.error();
}

[[nodiscard]] SavedFault fault_of(const SavedSample& sample) {
    return fault_of(sample.write()).fault;
}

template <typename Record>
[[nodiscard]] bool same(const Record& a, const Record& b) {
    return std::memcmp(&a, &b, sizeof(Record)) == 0;
}

template <typename Record>
void expect_same(const SavedList<Record>& list, const std::vector<Record>& wanted) {
    ASSERT_EQ(list.size(), wanted.size());
    for (std::size_t i{0}; i < wanted.size(); ++i)
        EXPECT_TRUE(same(list[i], wanted[i])) << i;
}

TEST(SavedState, ReadsWhatWasWritten) {
    SavedSample sample{};
    sample.vcpus = 3;
    const Bytes bytes{sample.write()};
    const auto state{SavedState::parse(bytes)};
    ASSERT_TRUE(state.ok());
    EXPECT_EQ(state.value().vcpus(), 3U);
    EXPECT_TRUE(same(state.value().machine(), sample.machine));
    EXPECT_TRUE(same(state.value().bitmaps(), sample.bitmaps));
    for (std::size_t i{0}; i < 3; ++i) {
        const SavedVcpu vcpu{state.value().vcpu(i)};
        EXPECT_TRUE(same(vcpu.registers, sample.registers));
        EXPECT_TRUE(same(vcpu.vmx, sample.vmx));
        EXPECT_TRUE(same(vcpu.statistics, sample.statistics));
        expect_same(vcpu.msrs, sample.msrs);
        expect_same(vcpu.vmcs01, sample.vmcs01);
        expect_same(vcpu.vmcs12, sample.vmcs12);
        expect_same(vcpu.vmcs02, sample.vmcs02);
        expect_same(vcpu.counters, sample.counters);
        EXPECT_EQ(Bytes(vcpu.extended_state.begin(), vcpu.extended_state.end()), sample.extended_state);
    }
}

TEST(SavedState, CarriesTheFingerprintWhereOneWasSeen) {
    std::mt19937_64 random{4};
    const vmcs::Fingerprint print{vmcs::testing::random_fingerprint(random)};
    SavedSample sample{};
    sample.fingerprint.resize(max_fingerprint);
    sample.fingerprint.resize(pack(print, sample.fingerprint));
    EXPECT_EQ(fault_of(sample), SavedFault::wrong_length) << "no L2 has run yet, but there is one";
    sample.recognition.state = static_cast<std::uint8_t>(RecognitionState::seen);
    const Bytes bytes{sample.write()};
    const auto state{SavedState::parse(bytes)};
    ASSERT_TRUE(state.ok());
    EXPECT_TRUE(same(state.value().recognition(), sample.recognition));
    EXPECT_EQ(state.value().fingerprint(), print);
    sample.fingerprint.push_back(0);
    EXPECT_EQ(fault_of(sample), SavedFault::bad_value) << "a byte too many";
    sample.fingerprint.clear();
    EXPECT_EQ(fault_of(sample), SavedFault::bad_value) << "none";
    sample.recognition.state = static_cast<std::uint8_t>(last_recognition_state) + 1;
    EXPECT_EQ(fault_of(sample), SavedFault::bad_value);
}

TEST(SavedState, HasNoVmcs12OrVmcs02WhereThereIsNone) {
    SavedSample sample{};
    sample.l1_runs();
    EXPECT_EQ(fault_of(sample), SavedFault::none);
    sample.no_vmcs();
    EXPECT_EQ(fault_of(sample), SavedFault::none);
    sample.vmx.in_vmx_operation = 0;
    sample.vmx.vmxon_pointer = no_address;
    EXPECT_EQ(fault_of(sample), SavedFault::none);
}

TEST(SavedState, RefusesEachDamagedByte) {
    const Bytes good{SavedSample{}.write()};
    for (std::size_t i{0}; i < good.size(); ++i) {
        Bytes bad{good};
        bad[i] = static_cast<std::uint8_t>(bad[i] ^ (1U << (i % 8)));
        EXPECT_NE(fault_of(bad).fault, SavedFault::none) << "byte " << i;
    }
}

TEST(SavedState, RefusesEachCut) {
    const Bytes good{SavedSample{}.write()};
    for (std::size_t length{0}; length < good.size(); ++length) {
        const SavedError error{
            fault_of(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)))};
        EXPECT_EQ(error.fault, SavedFault::cut_short) << length;
    }
    Bytes longer{good};
    longer.push_back(0);
    EXPECT_EQ(fault_of(longer).fault, SavedFault::wrong_length);
}

// Whatever the bytes are, a fitting CRC lets none past the bounds; the sanitizers look on.
TEST(SavedState, KeepsItsBoundsWhateverIsSealed) {
    const Bytes good{SavedSample{}.write()};
    std::mt19937 random{7};
    for (int round{0}; round < 20'000; ++round) {
        Bytes bad{good};
        for (int change{0}; change < 3; ++change)
            bad[8 + random() % (bad.size() - 8)] = static_cast<std::uint8_t>(random());
        seal(bad, crc32c);
        if (const auto state{SavedState::parse(bad)}; state) {
            for (std::size_t i{0}; i < state.value().vcpus(); ++i)
                EXPECT_GT(state.value().vcpu(i).vmcs01.size(), 0U);
        }
    }
}

TEST(SavedState, NamesAnotherFormatBeforeAnythingElse) {
    Bytes bytes{SavedSample{}.write()};
    bytes[4] = 2;
    EXPECT_EQ(fault_of(bytes).fault, SavedFault::other_format);
    EXPECT_EQ(fault_of(bytes).detail, 2U);
    bytes[0] = 'X';
    EXPECT_EQ(fault_of(bytes).fault, SavedFault::no_saved_state);
}

TEST(SavedState, RefusesRecordsOfAnotherVersionOrKind) {
    for (const std::uint16_t version : std::initializer_list<std::uint16_t>{0, 2, 0xFFFF}) {
        Bytes bytes{SavedSample{}.write()};
        std::memcpy(bytes.data() + sizeof(SavedHeader) + offsetof(SavedRecordHeader, version), &version, 2);
        seal(bytes, crc32c);
        EXPECT_EQ(fault_of(bytes).fault, SavedFault::other_version);
        EXPECT_EQ(fault_of(bytes).detail, version);
    }
    for (const std::uint16_t type : std::initializer_list<std::uint16_t>{0, last_saved_record + 1, 0x8001}) {
        Bytes bytes{SavedSample{}.write()};
        std::memcpy(bytes.data() + sizeof(SavedHeader), &type, 2);
        seal(bytes, crc32c);
        EXPECT_EQ(fault_of(bytes).fault, SavedFault::unknown_record);
    }
}

TEST(SavedState, MissesEachRecord) {
    for (std::uint16_t type{1}; type <= last_saved_record; ++type) {
        SavedSample sample{};
        sample.left_out = type;
        EXPECT_EQ(fault_of(sample), SavedFault::out_of_order) << type;
    }
}

TEST(SavedState, RefusesWhatContradictsItself) {
    struct Case {
        const char* name;
        void (*change)(SavedSample& sample);
        SavedFault fault;
    };
    const Case cases[]{
        {"catalogue", [](SavedSample& s) { s.machine.catalogue_version ^= 1; }, SavedFault::other_catalogue},
        {"unknown field offered", [](SavedSample& s) { s.machine.offered_fields[3] = ~std::uint64_t{0}; },
         SavedFault::bad_value},
        {"tuned without a profile", [](SavedSample& s) { s.bitmaps.mode = 1; }, SavedFault::contradiction},
        {"sample without a profile",
         [](SavedSample& s) {
             s.bitmaps.mode = 2;
             s.bitmaps.sample_interval = 64;
         },
         SavedFault::contradiction},
        {"an interval outside of mode sample", [](SavedSample& s) { s.bitmaps.sample_interval = 64; },
         SavedFault::contradiction},
        {"no such mode", [](SavedSample& s) { s.bitmaps.mode = 3; }, SavedFault::bad_value},
        {"generation 0", [](SavedSample& s) { s.bitmaps.generation = 0; }, SavedFault::bad_value},
        {"RSP twice", [](SavedSample& s) { s.registers.general[4] = 1; }, SavedFault::bad_value},
        {"half an NMI", [](SavedSample& s) { s.registers.nmi_pending = 2; }, SavedFault::bad_value},
        {"half a wait", [](SavedSample& s) { s.registers.waits_for_startup = 2; }, SavedFault::bad_value},
        {"the first vCPU waits for a start-up IPI",
         [](SavedSample& s) {
             s.outside_vmx();
             s.registers.waits_for_startup = 1;
         },
         SavedFault::contradiction},
        {"a start-up IPI in VMX operation",
         [](SavedSample& s) {
             s.no_vmcs();
             s.registers.waits_for_startup = 1;
         },
         SavedFault::contradiction},
        {"MSR twice", [](SavedSample& s) { s.msrs[1].number = s.msrs[0].number; }, SavedFault::out_of_order},
        {"L2 outside VMX operation", [](SavedSample& s) { s.vmx.in_vmx_operation = 0; },
         SavedFault::contradiction},
        {"VMXON region without VMX operation",
         [](SavedSample& s) {
             s.no_vmcs();
             s.vmx.in_vmx_operation = 0;
         },
         SavedFault::contradiction},
        {"VMCS outside VMX operation",
         [](SavedSample& s) {
             s.l1_runs();
             s.vmx.in_vmx_operation = 0;
             s.vmx.vmxon_pointer = no_address;
         },
         SavedFault::contradiction},
        {"VMXON region as VMCS", [](SavedSample& s) { s.vmx.current_vmcs = s.vmx.vmxon_pointer; },
         SavedFault::contradiction},
        {"L2 without VMCS", [](SavedSample& s) { s.vmx.current_vmcs = no_address; },
         SavedFault::contradiction},
        {"launched nothing",
         [](SavedSample& s) {
             s.no_vmcs();
             s.vmx.launched = 1;
         },
         SavedFault::contradiction},
        {"a shadow VMCS that runs", [](SavedSample& s) { s.vmx.is_shadow = 1; }, SavedFault::contradiction},
        {"VMCS not at a page", [](SavedSample& s) { s.vmx.current_vmcs += 8; }, SavedFault::bad_value},
        {"VMXON region not at a page", [](SavedSample& s) { s.vmx.vmxon_pointer += 8; },
         SavedFault::bad_value},
        {"no such reason", [](SavedSample& s) { s.vmx.reason = 81; }, SavedFault::bad_value},
        {"a field both changed and in vmcs02",
         [](SavedSample& s) { s.vmx.dirty[0] = s.vmx.in_vmcs02[0] = 1; }, SavedFault::contradiction},
        {"a timer without L2",
         [](SavedSample& s) {
             s.l1_runs();
             s.vmx.timer_left = 1;
         },
         SavedFault::contradiction},
        {"changed fields without L2",
         [](SavedSample& s) {
             s.l1_runs();
             s.vmx.dirty[0] = 1;
         },
         SavedFault::contradiction},
        {"no such field", [](SavedSample& s) { s.vmcs12[5].encoding = 0x7FFE; }, SavedFault::unknown_field},
        {"a high half",
         [](SavedSample& s) {
             s.vmcs02.back() = {0x2001, 0};
         },
         SavedFault::unknown_field},
        {"a field twice", [](SavedSample& s) { s.vmcs01[1] = s.vmcs01[0]; }, SavedFault::out_of_order},
        {"a selector of 17 bits", [](SavedSample& s) { s.vmcs01[0].value = 0x10000; },
         SavedFault::field_too_wide},
        {"counter of no field", [](SavedSample& s) { s.counters[0].encoding = 0x7FFE; },
         SavedFault::unknown_field},
        {"counter of no access", [](SavedSample& s) { s.counters[0].counted = last_counted + 1; },
         SavedFault::bad_value},
        {"counter of no reason", [](SavedSample& s) { s.counters[0].reason = 81; }, SavedFault::bad_value},
    };
    for (const Case& test : cases) {
        SavedSample sample{};
        test.change(sample);
        EXPECT_EQ(fault_of(sample), test.fault) << test.name;
    }
}

TEST(SavedState, RefusesMoreVcpusThanThereCanBe) {
    SavedSample sample{};
    sample.vcpus = 0;
    EXPECT_EQ(fault_of(sample), SavedFault::bad_value);
    sample.vcpus = max_saved_vcpus + 1;
    EXPECT_EQ(fault_of(sample), SavedFault::bad_value);
}

TEST(SavedStateWriter, SaysWhereThereIsTooLittleRoom) {
    const Bytes good{SavedSample{}.write()};
    Bytes room(good.size());
    for (const std::size_t size : {std::size_t{0}, std::size_t{15}, std::size_t{40}, room.size() - 1}) {
        SavedStateWriter writer{std::span{room}.first(size), 1};
        writer.begin(SavedRecord::extended_state, 0);
        writer.append_bytes(good);
        EXPECT_EQ(writer.finish(), 0U);
    }
}

TEST(SavedState, DescribesEachFault) {
    for (int fault{0}; fault <= static_cast<int>(SavedFault::other_catalogue); ++fault)
        EXPECT_FALSE(describe(static_cast<SavedFault>(fault)).empty());
    for (std::uint16_t type{1}; type <= last_saved_record; ++type)
        EXPECT_NE(name_of(static_cast<SavedRecord>(type)), "header");
}

} // namespace
} // namespace shadowtune::link::test

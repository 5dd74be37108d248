// The forms of other programs: what is written is read back the same, and each rule that they could break is
// kept.

#include "tests/db/sample_recording.hpp"
#include "tests/vmcs/sets.hpp"
#include "tuner/exports.hpp"
#include "tuner/imports.hpp"
#include "tuner/kvm_names.hpp"
#include "tuner/profile_rules.hpp"
#include "tuner/static_lists.hpp"

#include <gtest/gtest.h>
#include <set>

namespace shadowtune {
namespace {

using tuner::ImportForm;
using tuner::Profile;
using vmcs::Field;

struct Form {
    ImportForm form;
    std::string (*write)(const Profile&);
};

constexpr Form forms[]{{ImportForm::json, tuner::to_json},
                       {ImportForm::image, tuner::to_image_bytes},
                       {ImportForm::pages, [](const Profile& p) { return tuner::to_pages(p.sets); }},
                       {ImportForm::kvm, tuner::to_kvm_header},
                       {ImportForm::xen, tuner::to_xen_fragment},
                       {ImportForm::csv, tuner::to_csv}};

[[nodiscard]] Profile random_profile(std::mt19937_64& random) {
    const vmcs::ShadowSets most{vmcs::everything_allowed(tuner::any_machine())};
    Profile profile{};
    profile.name = "random */ one";
    profile.sets.read = most.read & vmcs::testing::random_fields(random, 3);
    profile.sets.read.set(Field::guest_rip);
    profile.sets.write = profile.sets.read & most.write & vmcs::testing::random_fields(random, 2);
    return profile;
}

TEST(Exports, ComeBackAsTheyWere) {
    std::mt19937_64 random{1};
    for (int round{0}; round < 40; ++round) {
        const Profile profile{random_profile(random)};
        for (const auto& [form, write] : forms) {
            const std::string bytes{write(profile)};
            const auto detected{tuner::form_of(bytes, "f")};
            ASSERT_TRUE(detected.ok()) << detected.error().message;
            ASSERT_EQ(detected.value(), form);
            const auto back{tuner::import_profile(bytes, form, "f")};
            ASSERT_TRUE(back.ok()) << back.error().message;
            vmcs::ShadowSets expected{profile.sets};
            if (form == ImportForm::kvm) {
                for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
                    if (tuner::kvm_name(i) != nullptr) continue;
                    expected.read.clear(i);
                    expected.write.clear(i);
                }
            }
            ASSERT_EQ(back.value().sets, expected) << static_cast<int>(form);
        }
    }
}

// Whatever is cut or changed, reading ends in an error or in a profile that keeps the rules.
TEST(Exports, DamageIsNeverTakenForAProfile) {
    std::mt19937_64 random{2};
    const Profile profile{random_profile(random)};
    for (const auto& [form, write] : forms) {
        const std::string whole{write(profile)};
        for (int round{0}; round < 300; ++round) {
            std::string bytes{whole.substr(0, round % 2 == 0 ? whole.size() : random() % whole.size())};
            if (!bytes.empty()) bytes[random() % bytes.size()] = static_cast<char>(random());
            const auto back{tuner::import_profile(bytes, form, "f")};
            if (back) {
                EXPECT_TRUE(vmcs::validate(back.value().sets, tuner::any_machine()).ok());
            } else {
                EXPECT_EQ(back.error().message.find('\n'), std::string::npos) << back.error().message;
            }
        }
    }
}

void expect_refused(const std::string& bytes, ImportForm form, const char* says) {
    const auto read{tuner::import_profile(bytes, form, "f")};
    ASSERT_FALSE(read.ok()) << bytes;
    EXPECT_NE(read.error().message.find(says), std::string::npos) << read.error().message;
}

TEST(Imports, RulesAreKept) {
    expect_refused("SHADOW_FIELD_RO(GUEST_PHYSICAL_ADDRESS, x)", ImportForm::kvm, "high half");
    expect_refused("SHADOW_FIELD_RO(GUEST_PHYSICAL_ADDRESS_HIGH, x)", ImportForm::kvm, "high half");
    expect_refused("SHADOW_FIELD_RW(GUEST_CS_AR_BYTES, x)", ImportForm::kvm, "reserved bits");
    expect_refused("SHADOW_FIELD_RO(VM_INSTRUCTION_ERROR, x)", ImportForm::kvm, "never");
    expect_refused("SHADOW_FIELD_RO(GUEST_RAP, x)", ImportForm::kvm, "'GUEST_RAP'");
    expect_refused("SHADOW_FIELD_RO(GUEST_RIP_HIGH, x)", ImportForm::kvm, "'GUEST_RIP_HIGH'");
    expect_refused("shadowtune_vmread_passes = {0x6820}", ImportForm::xen, "shadowtune_vmwrite_passes");
    expect_refused("shadowtune_vmread_passes = {0x6821} shadowtune_vmwrite_passes = {}", ImportForm::xen,
                   "'0x6821'");
    expect_refused("shadowtune_vmread_passes = {0x681e} shadowtune_vmwrite_passes = {0x6820}",
                   ImportForm::xen, "read-shadowed too");
    expect_refused("field,encoding,read,write\nguest_rip,0x681E,0,1\n", ImportForm::csv, "read-shadowed too");
    expect_refused("field,encoding,read,write\nguest_rip,0x681E,1\n", ImportForm::csv, "line 2");
    expect_refused("field,encoding,read,write\nguest_rap,0x681E,1,0\n", ImportForm::csv, "'guest_rap'");
    expect_refused("", ImportForm::csv, "line 1: must begin with the header field,encoding,read,write");
    expect_refused("guest_rip,0x681E,1,0\n", ImportForm::csv, "line 1: must begin");
    expect_refused("field,encoding,read,writes\nguest_rip,0x681E,1,0\n", ImportForm::csv,
                   "line 1: must begin");
    for (const char* encoding : {"0x6820", "0x", "681E", "", "0x681EG"}) {
        expect_refused("field,encoding,read,write\n\nguest_rip," + std::string{encoding} + ",1,0\n",
                       ImportForm::csv, "line 3: ");
    }
    expect_refused("field,encoding,read,write\nguest_rip,0x681E,1,0\nguest_rip,0x681E,1,1\n", ImportForm::csv,
                   "line 3: guest_rip is listed twice");
    expect_refused("short", ImportForm::pages, "8192 bytes");
    std::string pages{tuner::to_pages({})};
    pages[0x1000 / 8] = '\xFE';
    expect_refused(pages, ImportForm::pages, "encoding 0x1000");
}

TEST(Imports, CsvAsPeopleWriteIt) {
    const auto read{tuner::import_profile("field,encoding,read,write,why\r\n"
                                          "guest_rip,0x681e,1,1,hot\r\n"
                                          "\r\n"
                                          "guest_rsp,26652,1,0",
                                          ImportForm::csv, "f")};
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(read.value().sets.read.count(), 2U);
    EXPECT_EQ(read.value().sets.write.count(), 1U);
}

// Comments hide nothing and show nothing.
TEST(Imports, KvmsListAsItIsWritten) {
    const auto read{tuner::import_profile("/* SHADOW_FIELD_RO(GUEST_CR0, guest_cr0) */\n"
                                          "#define SHADOW_FIELD_RO(x, y)\n"
                                          "  SHADOW_FIELD_RO( GUEST_RFLAGS , guest_rflags)\n"
                                          "SHADOW_FIELD_RW(GUEST_RIP, guest_rip) /* hot */\r\n",
                                          ImportForm::kvm, "f")};
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(read.value().sets.read.count(), 2U);
    EXPECT_TRUE(read.value().sets.write.test(Field::guest_rip));
    EXPECT_FALSE(read.value().sets.write.test(Field::guest_rflags));
}

TEST(KvmNames, AreKvmsListAndUnique) {
    std::set<std::string_view> constants{};
    std::set<std::string> members{};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        const tuner::KvmName* const name{tuner::kvm_name(i)};
        if (name == nullptr) continue;
        EXPECT_TRUE(constants.insert(name->constant).second) << name->constant;
        EXPECT_TRUE(members.insert(name->member()).second) << name->member();
        EXPECT_EQ(tuner::find_kvm_constant(name->constant).field, i);
    }
    EXPECT_EQ(constants.size(), 141U); // what docs/cost-model.md's sources count
    tuner::kvm_static_list(tuner::any_machine().offered).read.for_each([](vmcs::FieldIndex i) {
        EXPECT_NE(tuner::kvm_name(i), nullptr) << vmcs::catalogue[i].symbol;
    });
}

TEST(Markdown, GivesTheReasons) {
    Profile profile{};
    profile.name = "a|b";
    profile.cost_unit = "cycles";
    profile.sets.read.set(Field::guest_rip);
    profile.sets.write.set(Field::guest_rip);
    profile.sets.read.set(Field::host_rsp);
    profile.sets.write.set(Field::host_rsp);
    profile.sets.read.set(Field::ept_pointer);
    const auto rate{[](double reads, double writes, double read_gain, double write_gain) {
        return tuner::MeasuredRate{reads, writes, {}, {}, tuner::FieldGain{read_gain, write_gain}};
    }};
    profile.rates = {{vmcs::index_of(Field::guest_rip), rate(1, 0.5, 990, 857)},
                     {vmcs::index_of(Field::host_rsp), rate(0, 0.4, -10, 682)},
                     {vmcs::index_of(Field::ept_pointer), rate(0.1, 0.1, 90, 158)},
                     {vmcs::index_of(Field::guest_cr3), rate(0.001, 0, -9, -17)},
                     {vmcs::index_of(Field::guest_rsp), rate(0.1, 0, 90, -17)},
                     {vmcs::index_of(Field::vm_instruction_error), rate(0.1, 0, 90, -17)}};
    profile.origin.budget_fields = 3;
    profile.origin.objective = "mean";
    const std::string text{tuner::to_markdown(profile)};
    EXPECT_NE(text.find("# Profile a\\|b\n"), std::string::npos) << text;
    for (const char* line :
         {"| R, W | 1.0000 | 0.5000 | 990 | 857 | both gain |",
          "| R, W | 0.0000 | 0.4000 | -10 | 682 | read-shadowed only because writes have to be |",
          "| R | 0.1000 | 0.1000 | 90 | 158 | writes stay trapped: L0 keeps state behind the value",
          "| 0.0010 | 0.0000 | -9 | -17 | too rare to pay for copies |",
          "| 0.1000 | 0.0000 | 90 | -17 | no room in the budget |",
          "| 0.1000 | 0.0000 | 90 | -17 | L0 changes it while it emulates VMX instructions |"})
        EXPECT_NE(text.find(line), std::string::npos) << line << '\n' << text;
    profile.origin.objective.clear(); // by hand: nothing says why
    EXPECT_NE(tuner::to_markdown(profile).find("| 0.1000 | 0.0000 | 90 | -17 | not chosen |"),
              std::string::npos);
}

TEST(Csv, CurveHasAPointALine) {
    Profile profile{};
    profile.curve = {{{}, {1, 2, 3, 0, 500}}, {test::tuned_profile(), {0, 0.5, 0, 8, 100}}};
    EXPECT_EQ(tuner::curve_to_csv(profile).substr(0, 160),
              "fields,trapped_reads,trapped_writes,trapped_outside,synced,cost,read_added,write_added\n"
              "0,1.000000,2.000000,3.000000,0,500.000000,,\n"
              "6,0.000000,0.500000,0.000000,");
}

} // namespace
} // namespace shadowtune

// The profile file: everything comes back; everything wrong is told in one line with its place.

#include "tests/tuner/sample_profile.hpp"
#include "tuner/atomic_file.hpp"

#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace shadowtune {
namespace {

using tuner::Profile;
using tuner::ProfileErrorKind;
using vmcs::Field;
using Json = nlohmann::ordered_json;

TEST(ProfileFile, RoundTrip) {
    const Profile profile{test::sample_profile()};
    const auto read{tuner::from_json(tuner::to_json(profile), "p")};
    ASSERT_TRUE(read.ok()) << read.error().message;
    const Profile& back{read.value()};
    EXPECT_EQ(back.name, profile.name);
    EXPECT_EQ(back.l1_kind, profile.l1_kind);
    EXPECT_EQ(back.l1_name, profile.l1_name);
    EXPECT_EQ(back.l1_mode, profile.l1_mode);
    EXPECT_EQ(back.l1_type, profile.l1_type);
    EXPECT_EQ(back.fingerprints, profile.fingerprints);
    EXPECT_EQ(back.workload, profile.workload);
    EXPECT_EQ(back.cpu_brand, profile.cpu_brand);
    EXPECT_EQ(back.cpu_model, profile.cpu_model);
    EXPECT_EQ(back.sets, profile.sets);
    EXPECT_EQ(back.origin.budget_fields, 14U);
    EXPECT_EQ(back.origin.budget_sync, 420.5);
    EXPECT_EQ(back.origin.objective, "minimax");
    EXPECT_EQ(back.origin.regret_lower_bound, 12.25);
    ASSERT_EQ(back.origin.recordings.size(), 2U);
    EXPECT_EQ(back.origin.recordings[0].recording, 3);
    EXPECT_EQ(back.origin.recordings[0].round_trips, 123456U);
    EXPECT_EQ(back.origin.recordings[1].weight, 2.5);
    ASSERT_EQ(back.curve.size(), 2U);
    EXPECT_EQ(back.curve[1].sets, profile.sets);
    EXPECT_DOUBLE_EQ(back.curve[1].effect.cost, 400);
    EXPECT_DOUBLE_EQ(back.rates.at(vmcs::index_of(Field::guest_rip)).reads, 0.71);
    EXPECT_DOUBLE_EQ(back.rates.at(vmcs::index_of(Field::guest_rip)).write_bounds.value().high, 0.525);
    EXPECT_DOUBLE_EQ(back.rates.at(vmcs::index_of(Field::guest_rip)).gain.value().write, -3);
    EXPECT_DOUBLE_EQ(back.rates.at(vmcs::index_of(Field::guest_cr3)).reads, 0.001);
    EXPECT_EQ(back.undecided, profile.undecided);
    ASSERT_TRUE(back.predicted.has_value());
    EXPECT_DOUBLE_EQ(back.predicted->kvm_list.trapped_writes, 0.125);
    EXPECT_EQ(back.cost_unit, "cycles");
    // Written again it is the same text: nothing was lost on the way.
    EXPECT_EQ(tuner::to_json(back), tuner::to_json(profile));
}

TEST(ProfileFile, RegretMayBeUnknown) {
    Profile profile{test::sample_profile()};
    profile.origin.recordings[0].regret.reset();
    const std::string text{tuner::to_json(profile)};
    const auto read{tuner::from_json(text, "p")};
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_FALSE(read.value().origin.recordings[0].regret.has_value());
    EXPECT_EQ(read.value().origin.recordings[1].regret, 0.0);
    EXPECT_EQ(tuner::to_json(read.value()), text);
}

TEST(ProfileFile, EveryAllowedSetSurvives) {
    vmcs::ProfileTarget target{};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i)
        target.offered.set(i);
    target.vmwrite_any_field = true;
    Profile profile{};
    profile.name = "all";
    profile.sets = vmcs::everything_allowed(target);
    const auto read{tuner::from_json(tuner::to_json(profile), "p")};
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(read.value().sets, profile.sets);
    EXPECT_FALSE(read.value().origin.budget_fields.has_value());
    EXPECT_FALSE(read.value().predicted.has_value());
}

TEST(ProfileFile, HandWrittenMinimum) {
    Json json(Json::parse(tuner::to_json(test::sample_profile())));
    for (const char* key : {"l1", "fingerprints", "workload", "machine", "made", "predicted"})
        json.erase(key);
    const auto read{tuner::from_json(json.dump(), "p")};
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(read.value().sets, test::tuned_profile());
}

// What earlier versions wrote stays readable.
TEST(ProfileFile, SchemaOneIsRead) {
    Json json(Json::parse(tuner::to_json(test::sample_profile())));
    json["schema_version"] = 1;
    json.erase("curve");
    json["made"] = {{"tool_version", "0.1.0"},  {"at", "2026-11-20T12:00:00Z"},
                    {"costs", "published"},     {"budget_fields", 14},
                    {"recording_file", "a.db"}, {"recording", 3},
                    {"from_snapshot", 1},       {"to_snapshot", 40},
                    {"round_trips", 123456}};
    const auto read{tuner::from_json(json.dump(), "p")};
    ASSERT_TRUE(read.ok()) << read.error().message;
    const tuner::Origin& origin{read.value().origin};
    EXPECT_EQ(origin.budget_fields, 14U);
    ASSERT_EQ(origin.recordings.size(), 1U);
    EXPECT_EQ(origin.recordings[0].file, "a.db");
    EXPECT_EQ(origin.recordings[0].to_snapshot, 40U);
    EXPECT_EQ(origin.recordings[0].round_trips, 123456U);
    json["schema_version"] = 2;
    EXPECT_FALSE(tuner::from_json(json.dump(), "p").ok()) << "keys of schema 1 in schema 2";
}

struct Wrong {
    const char* what;
    ProfileErrorKind kind;
    const char* says;
    std::function<void(Json&)> damage;
};

TEST(ProfileFile, EachThingWrongIsToldWithItsPlace) {
    const std::vector<Wrong> wrongs{
        {"schema of another program", ProfileErrorKind::malformed, "'schema'",
         [](Json& j) { j["schema"] = "x"; }},
        {"no schema", ProfileErrorKind::malformed, "'schema' is missing", [](Json& j) { j.erase("schema"); }},
        {"newer schema", ProfileErrorKind::other_schema, "tune again",
         [](Json& j) {
             j["schema_version"] = tuner::profile_schema_version + 1;
             j["new_key"] = 1; // must not be what is complained of
         }},
        {"schema version no number", ProfileErrorKind::malformed, "schema_version",
         [](Json& j) { j["schema_version"] = "1"; }},
        {"other catalogue", ProfileErrorKind::other_catalogue, "tune again",
         [](Json& j) { j["catalogue_version"] = "0x00000001"; }},
        {"catalogue no string", ProfileErrorKind::malformed, "catalogue_version",
         [](Json& j) { j["catalogue_version"] = 1; }},
        {"unknown key", ProfileErrorKind::malformed, "'wirte' in 'fields[0]'",
         [](Json& j) { j["fields"][0]["wirte"] = true; }},
        {"unknown key above", ProfileErrorKind::malformed, "'colour'", [](Json& j) { j["colour"] = 1; }},
        {"no name", ProfileErrorKind::malformed, "'name' is missing", [](Json& j) { j.erase("name"); }},
        {"name too long", ProfileErrorKind::malformed, "'name'",
         [](Json& j) { j["name"] = std::string(32, 'x'); }},
        {"name with newline", ProfileErrorKind::malformed, "'name'", [](Json& j) { j["name"] = "a\nb"; }},
        {"fields no list", ProfileErrorKind::malformed, "'fields' must be a list",
         [](Json& j) { j["fields"] = 3; }},
        {"no fields", ProfileErrorKind::malformed, "'fields' is missing", [](Json& j) { j.erase("fields"); }},
        {"entry no object", ProfileErrorKind::malformed, "'fields[1]' must be an object",
         [](Json& j) { j["fields"][1] = 3; }},
        {"entry without read", ProfileErrorKind::malformed, "'fields[2].read' is missing",
         [](Json& j) { j["fields"][2].erase("read"); }},
        {"read no truth value", ProfileErrorKind::malformed, "'fields[2].read'",
         [](Json& j) { j["fields"][2]["read"] = 1; }},
        {"rate negative", ProfileErrorKind::malformed, "reads_per_round_trip",
         [](Json& j) {
             j["fields"][0]["reads_per_round_trip"] = -1;
             j["fields"][0]["writes_per_round_trip"] = 0;
         }},
        {"field twice", ProfileErrorKind::malformed, "listed twice",
         [](Json& j) { j["fields"].push_back(j["fields"][0]); }},
        {"unknown field", ProfileErrorKind::unknown_field,
         "'fields[0].field' names no VMCS field: 'guest_rap'",
         [](Json& j) { j["fields"][0]["field"] = "guest_rap"; }},
        {"never shadowed", ProfileErrorKind::forbidden_field, "vm_instruction_error",
         [](Json& j) {
             j["fields"].push_back({{"field", "vm_instruction_error"}, {"read", true}, {"write", false}});
         }},
        {"write not allowed", ProfileErrorKind::forbidden_field, "ept_pointer",
         [](Json& j) {
             for (auto& entry : j["fields"]) {
                 if (entry["field"] == "ept_pointer") entry["write"] = true;
             }
         }},
        {"access rights written", ProfileErrorKind::forbidden_field, "reserved bits",
         [](Json& j) {
             j["fields"].push_back({{"field", "guest_cs_access_rights"}, {"read", true}, {"write", true}});
         }},
        {"write without read", ProfileErrorKind::forbidden_field, "set \"read\" to true",
         [](Json& j) {
             j["fields"].push_back({{"field", "guest_rsp"}, {"read", false}, {"write", true}});
         }},
        {"budget negative", ProfileErrorKind::malformed, "'made.budget_fields'",
         [](Json& j) { j["made"]["budget_fields"] = -1; }},
        {"budget of sync no number", ProfileErrorKind::malformed, "'made.budget_sync'",
         [](Json& j) { j["made"]["budget_sync"] = "much"; }},
        {"recordings no list", ProfileErrorKind::malformed, "'made.recordings' must be a list",
         [](Json& j) { j["made"]["recordings"] = "a.db"; }},
        {"recording with another key", ProfileErrorKind::malformed, "'size' in 'made.recordings[1]'",
         [](Json& j) { j["made"]["recordings"][1]["size"] = 1; }},
        {"curve no list", ProfileErrorKind::malformed, "'curve' must be a list",
         [](Json& j) { j["curve"] = 1; }},
        {"curve of unknown field", ProfileErrorKind::unknown_field,
         "'curve[1].read_added' names no VMCS field",
         [](Json& j) { j["curve"][1]["read_added"][0] = "guest_rap"; }},
        {"made no object", ProfileErrorKind::malformed, "'made' must be an object",
         [](Json& j) { j["made"] = "me"; }},
        {"prediction incomplete", ProfileErrorKind::malformed, "'predicted.full' is missing",
         [](Json& j) { j["predicted"].erase("full"); }},
        {"prediction no number", ProfileErrorKind::malformed, "'predicted.tuned.cost'",
         [](Json& j) { j["predicted"]["tuned"]["cost"] = "cheap"; }},
    };
    for (const Wrong& wrong : wrongs) {
        Json json(Json::parse(tuner::to_json(test::sample_profile())));
        wrong.damage(json);
        const auto read{tuner::from_json(json.dump(), "p.json")};
        ASSERT_FALSE(read.ok()) << wrong.what;
        EXPECT_EQ(read.error().kind, wrong.kind) << wrong.what << ": " << read.error().message;
        EXPECT_NE(read.error().message.find(wrong.says), std::string::npos) << read.error().message;
        EXPECT_EQ(read.error().message.find("p.json: "), 0U);
        EXPECT_EQ(read.error().message.find('\n'), std::string::npos);
    }
}

TEST(ProfileFile, NotJson) {
    for (const char* text :
         {"", "{", "nonsense", "{\n  \"schema\": \n}", "\xFF\xFE", "[1, 2]", "3", "\"shadowtune-profile\""}) {
        const auto read{tuner::from_json(text, "p.json")};
        ASSERT_FALSE(read.ok()) << text;
        EXPECT_EQ(read.error().kind, ProfileErrorKind::malformed) << text;
        EXPECT_EQ(read.error().message.find('\n'), std::string::npos) << read.error().message;
    }
    EXPECT_NE(tuner::from_json("{\n  \"schema\": \n}", "p").error().message.find("line 3"),
              std::string::npos);
    // Deep nesting must not eat the stack.
    EXPECT_FALSE(tuner::from_json(std::string(200'000, '['), "p").ok());
    EXPECT_FALSE(tuner::from_json(std::string(200'000, '[') + std::string(200'000, ']'), "p").ok());
}

TEST(ProfileFile, NumberThatIsNoFiniteOne) {
    const std::string digits(5000, '9');
    for (const std::string number : {"1e999", "-1e999", digits.c_str()}) {
        const auto read{tuner::from_json("{\"weight\": " + number + "}", "p.json")};
        ASSERT_FALSE(read.ok()) << number;
        EXPECT_EQ(read.error().kind, ProfileErrorKind::malformed);
        EXPECT_EQ(read.error().message.find("p.json: number overflow parsing"), 0U) << read.error().message;
        EXPECT_LT(read.error().message.size(), 200U);
    }
}

TEST(ProfileFile, EveryTruncationIsRefused) {
    const std::string text{tuner::to_json(test::sample_profile())};
    for (std::size_t length{0}; length + 2 < text.size(); length += 7) {
        EXPECT_FALSE(tuner::from_json(text.substr(0, length), "p").ok()) << length;
    }
}

TEST(ProfileFile, SavedWholeOrNotAtAll) {
    const test::TemporaryFolder folder{};
    ASSERT_TRUE(tuner::save_profile(test::sample_profile(), folder / "p.json").ok());
    ASSERT_TRUE(tuner::save_profile(test::sample_profile(), folder / "p.json").ok()); // replaces
    const auto loaded{tuner::load_profile(folder / "p.json")};
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    EXPECT_EQ(loaded.value().sets, test::tuned_profile());
    const auto failed{tuner::save_profile(test::sample_profile(), folder / "no/such/p.json")};
    ASSERT_FALSE(failed.ok());
    EXPECT_NE(failed.error().find("check the path"), std::string::npos);
    // Nothing is left beside it, neither after success nor after failure: a folder cannot be replaced by a
    // file.
    std::filesystem::create_directory(folder / "d");
    EXPECT_FALSE(tuner::save_profile(test::sample_profile(), folder / "d").ok());
    int entries{0};
    for (const auto& entry : std::filesystem::directory_iterator{folder.path()}) {
        (void)entry;
        ++entries;
    }
    EXPECT_EQ(entries, 2);
}

TEST(ProfileFile, UnreadableAndTooLarge) {
    const test::TemporaryFolder folder{};
    EXPECT_EQ(tuner::load_profile(folder / "none.json").error().kind, ProfileErrorKind::unreadable);
    EXPECT_EQ(tuner::load_profile(folder.path()).error().kind, ProfileErrorKind::unreadable);
    std::ofstream{folder / "large.json"} << std::string((std::size_t{1} << 20) + 1, ' ');
    EXPECT_EQ(tuner::load_profile(folder / "large.json").error().kind, ProfileErrorKind::unreadable);
}

TEST(ProfileFile, Names) {
    EXPECT_TRUE(tuner::is_profile_name(std::string(31, 'x')));
    EXPECT_TRUE(tuner::is_profile_name("\u00e9\u20ac\U0001F600"));
    EXPECT_FALSE(tuner::is_profile_name(""));
    EXPECT_FALSE(tuner::is_profile_name(std::string(32, 'x')));
    EXPECT_FALSE(tuner::is_profile_name("a\tb"));
    EXPECT_FALSE(tuner::is_profile_name("\xE2\x82"));
    EXPECT_FALSE(tuner::is_profile_name("\xC0\x80"));
    EXPECT_FALSE(tuner::is_profile_name("\x80"));
}

TEST(ProfileFile, NamedAfterItsFile) {
    EXPECT_EQ(tuner::name_after("folder/kvm.json"), "kvm");
    EXPECT_EQ(tuner::name_after(std::string(31, 'x') + ".json"), std::string(31, 'x'));
    EXPECT_EQ(tuner::name_after(std::string(40, 'x') + ".json"), std::string(31, 'x'));
    for (const std::string character : {"\u00e4", "\u20ac", "\U0001F600"}) {
        for (std::size_t before{0}; before < 4; ++before) {
            std::string stem(before, 'x');
            for (int i{0}; i < 40; ++i)
                stem += character;
            const std::string name{tuner::name_after(stem + ".json")};
            EXPECT_TRUE(tuner::is_profile_name(name)) << name;
            EXPECT_EQ(stem.find(name), 0U);
            EXPECT_GT(name.size() + character.size(), tuner::max_profile_name);
        }
    }
    // What is no text at all is cut as well, and is no name.
    EXPECT_FALSE(tuner::is_profile_name(tuner::name_after(std::string(40, '\x80'))));
}

TEST(ProfileFile, ImageForL0) {
    const Profile profile{test::sample_profile()};
    const link::ProfileImage image{tuner::to_image(profile)};
    EXPECT_EQ(image.magic, link::profile_magic);
    EXPECT_EQ(image.catalogue_version, vmcs::catalogue_version);
    EXPECT_STREQ(image.name, "kvm-steady");
    const vmcs::ShadowSets sets{vmcs::FieldSet::load(image.read), vmcs::FieldSet::load(image.write)};
    EXPECT_EQ(sets, profile.sets);
}

} // namespace
} // namespace shadowtune

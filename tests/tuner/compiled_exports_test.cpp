// The exports for C, compiled and run: KVM's against a stub of what surrounds it there, Xen's as it is.

#include "tests/db/sample_recording.hpp"
#include "tuner/exports.hpp"
#include "tuner/kvm_names.hpp"
#include "tuner/profile_rules.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <sstream>

namespace shadowtune {
namespace {

using tuner::Profile;
using vmcs::Field;

[[nodiscard]] std::string hex(unsigned encoding) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "0x%04x", encoding);
    return text.data();
}

// Constants and vmcs12 as KVM has them, and the two tables that it makes of the header.
[[nodiscard]] std::string kvm_stub() {
    std::ostringstream text{};
    text << "#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\nenum {\n";
    std::ostringstream members{};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        const tuner::KvmName* const name{tuner::kvm_name(i)};
        if (name == nullptr) continue;
        const vmcs::FieldInfo& field{vmcs::catalogue[i]};
        text << name->constant << " = " << hex(field.encoding) << ",\n";
        if (field.has_high_half()) text << name->constant << "_HIGH = " << hex(field.encoding | 1U) << ",\n";
        members << "    uint64_t " << name->member() << ";\n";
    }
    text << "};\nstruct vmcs12 {\n"
         << members.str() << "};\n"
         << "struct shadowed { uint16_t encoding, offset; };\n"
            "static const struct shadowed read_only[] = {\n"
            "#define SHADOW_FIELD_RO(x, y) { x, offsetof(struct vmcs12, y) },\n"
            "#include \"vmcs_shadow_fields.h\"\n    { 0xffff, 0 } };\n"
            "static const struct shadowed read_write[] = {\n"
            "#define SHADOW_FIELD_RW(x, y) { x, offsetof(struct vmcs12, y) },\n"
            "#include \"vmcs_shadow_fields.h\"\n    { 0xffff, 0 } };\n"
            "int main(void) {\n"
            "    for (const struct shadowed* f = read_only; f->encoding != 0xffff; ++f)\n"
            "        printf(\"R 0x%04x\\n\", f->encoding);\n"
            "    for (const struct shadowed* f = read_write; f->encoding != 0xffff; ++f)\n"
            "        printf(\"RW 0x%04x\\n\", f->encoding);\n"
            "    return 0;\n}\n";
    return text.str();
}

// What a C program prints; empty where it cannot be compiled.
[[nodiscard]] std::string run_c(const test::TemporaryFolder& folder, const std::string& source,
                                const std::string& options = {}) {
    std::ofstream{folder / "main.c"} << source;
    const std::string program{(folder / "main").string()};
    std::string compile{C_COMPILER};
    compile.append(" -std=c11 -Wall -Wextra -Werror ").append(options);
    compile.append(" -o ").append(program).append(" ").append((folder / "main.c").string());
    if (std::system(compile.c_str()) != 0) return {};
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe{popen(program.c_str(), "r"), pclose};
    std::string out{};
    for (int c{std::fgetc(pipe.get())}; c != EOF; c = std::fgetc(pipe.get()))
        out += static_cast<char>(c);
    return out;
}

[[nodiscard]] std::string encodings(const vmcs::FieldSet& fields, const char* mark) {
    std::string text{};
    fields.for_each([&](vmcs::FieldIndex index) {
        const vmcs::FieldInfo& field{vmcs::catalogue[index]};
        text += mark + hex(field.encoding) + "\n";
        if (field.has_high_half()) text += mark + hex(field.encoding | 1U) + "\n";
    });
    return text;
}

[[nodiscard]] Profile everything() {
    Profile profile{};
    profile.name = "all */ #error";
    profile.sets = vmcs::everything_allowed(tuner::any_machine());
    return profile;
}

TEST(CompiledExports, KvmsHeader) {
    const test::TemporaryFolder folder{};
    const Profile profile{everything()};
    std::ofstream{folder / "vmcs_shadow_fields.h"} << tuner::to_kvm_header(profile);
    vmcs::FieldSet known{};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        if (tuner::kvm_name(i) != nullptr) known.set(i);
    }
    const vmcs::FieldSet written{profile.sets.write & known};
    const vmcs::FieldSet read_only{(profile.sets.read & known) - written};
    EXPECT_EQ(run_c(folder, kvm_stub()), encodings(read_only, "R ") + encodings(written, "RW "));

    // A processor without PAT and TSC scaling.
    vmcs::FieldSet lacking{};
    for (const Field field : {Field::guest_ia32_pat, Field::tsc_multiplier})
        lacking.set(field);
    EXPECT_EQ(
        run_c(folder, kvm_stub(), "-DSHADOWTUNE_WITHOUT_GUEST_IA32_PAT -DSHADOWTUNE_WITHOUT_TSC_MULTIPLIER"),
        encodings(read_only - lacking, "R ") + encodings(written - lacking, "RW "));
    EXPECT_EQ(
        run_c(folder, "#include \"vmcs_shadow_fields.h\"\nint main(void) { return 0; }\n", "2>/dev/null"), "")
        << "without a macro it must not compile";
}

TEST(CompiledExports, XensArrays) {
    const test::TemporaryFolder folder{};
    const Profile profile{everything()};
    const std::string source{"#include <stdint.h>\n#include <stdio.h>\n" + tuner::to_xen_fragment(profile) +
                             "int main(void) {\n"
                             "    for (unsigned i = 0; i < sizeof(shadowtune_vmread_passes) / 2; ++i)\n"
                             "        printf(\"R 0x%04x\\n\", shadowtune_vmread_passes[i]);\n"
                             "    for (unsigned i = 0; i < sizeof(shadowtune_vmwrite_passes) / 2; ++i)\n"
                             "        printf(\"W 0x%04x\\n\", shadowtune_vmwrite_passes[i]);\n"
                             "    return 0;\n}\n"};
    EXPECT_EQ(run_c(folder, source),
              encodings(profile.sets.read, "R ") + encodings(profile.sets.write, "W "));
}

} // namespace
} // namespace shadowtune

#include "tuner/exports.hpp"
#include "tuner/kvm_names.hpp"

namespace shadowtune::tuner {

namespace {

constexpr std::string_view introduction{R"(
 *
 * In the form of arch/x86/kvm/vmx/vmcs_shadow_fields.h. It is included with one or both of the macros
 * SHADOW_FIELD_RO(constant, member) and SHADOW_FIELD_RW(constant, member) defined.
 *
 * - The high half of a 64-bit field stands behind its field and has its member.
 * - KVM drops the PML index, the VMX-preemption timer and the guest interrupt status where the processor
 *   lacks them. Other fields that a processor may lack are in a condition here: define SHADOWTUNE_WITHOUT_...
 *   for those that yours lacks, or add them to the switch in init_vmcs_shadow_fields.
 * - Access rights are never read-write: KVM would have to mask their reserved bits.
 */
#if !defined(SHADOW_FIELD_RO) && !defined(SHADOW_FIELD_RW)
#error define SHADOW_FIELD_RO or SHADOW_FIELD_RW first
#endif
#ifndef SHADOW_FIELD_RO
#define SHADOW_FIELD_RO(constant, member)
#endif
#ifndef SHADOW_FIELD_RW
#define SHADOW_FIELD_RW(constant, member)
#endif

)"};

constexpr std::string_view end{R"(
#undef SHADOW_FIELD_RO
#undef SHADOW_FIELD_RW
)"};

[[nodiscard]] std::string entry(const KvmName& name, bool write) {
    const std::string macro{write ? "SHADOW_FIELD_RW(" : "SHADOW_FIELD_RO("};
    const std::string constant{name.constant};
    const std::string member{", " + name.member() + ")\n"};
    std::string text{macro + constant + member};
    if (vmcs::info(name.field).has_high_half()) text += macro + constant + "_HIGH" + member;
    return text;
}

} // namespace

std::string to_kvm_header(const Profile& profile) {
    std::string text{"/*\n * shadowtune profile '" + comment_text(profile.name) + "'"};
    text += introduction;
    profile.sets.hot_set().for_each([&](vmcs::FieldIndex index) {
        const vmcs::FieldInfo& field{vmcs::catalogue[index]};
        const KvmName* const name{kvm_name(index)};
        if (name == nullptr) {
            text +=
                "/* " + std::string{field.symbol} + ": not in KVM's vmcs12, so it cannot be shadowed */\n";
            return;
        }
        const std::string lines{entry(*name, profile.sets.write.test(index))};
        if (field.capability == vmcs::Capability::always || kvm_checks_hardware(index)) {
            text += lines;
            return;
        }
        text += "#ifndef SHADOWTUNE_WITHOUT_" + std::string{name->constant} + "\n" + lines + "#endif\n";
    });
    return text.append(end);
}

} // namespace shadowtune::tuner

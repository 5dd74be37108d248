#include "tuner/profile_rules.hpp"

namespace shadowtune::tuner {

namespace {

[[nodiscard]] std::string_view mend(vmcs::ProfileRule rule) {
    switch (rule) {
    case vmcs::ProfileRule::write_without_read: return "; set \"read\" to true";
    case vmcs::ProfileRule::never_shadowed: return "; remove it";
    case vmcs::ProfileRule::high_half_differs: return "; add the half that is missing, or remove the other";
    default: return "; set \"write\" to false";
    }
}

} // namespace

vmcs::ProfileTarget any_machine() {
    vmcs::ProfileTarget target{};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i)
        target.offered.set(i);
    target.vmwrite_any_field = true;
    return target;
}

ProfileFileError rule_broken(const vmcs::ProfileError& error, const std::string& where) {
    const vmcs::FieldInfo& field{vmcs::catalogue[error.field]};
    std::string why{vmcs::describe(error.rule)};
    const auto reason{vmcs::reason(field.shadowing)};
    const bool by_catalogue{error.rule == vmcs::ProfileRule::never_shadowed ||
                            error.rule == vmcs::ProfileRule::write_not_allowed};
    if (by_catalogue && !reason.empty()) why += " (" + std::string{reason} + ")";
    return {ProfileErrorKind::forbidden_field,
            where + ": field " + std::string{field.symbol} + ": " + why.append(mend(error.rule))};
}

Result<void, ProfileFileError> check_rules(const vmcs::ShadowSets& sets, const std::string& where) {
    const auto valid{vmcs::validate(sets, any_machine())};
    if (!valid) return Failure{rule_broken(valid.error(), where)};
    return {};
}

} // namespace shadowtune::tuner

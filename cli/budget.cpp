#include "cli/budget.hpp"

#include <charconv>
#include <fmt/core.h>

namespace shadowtune::cli {

Result<std::size_t, CliError> parse_budget(const std::string& text, std::size_t fields_offered) {
    const bool share{text.ends_with('%')};
    const char* const end{text.data() + text.size() - (share ? 1 : 0)};
    const CliError malformed{
        ExitCode::usage,
        fmt::format("--budget {}: give a share from 0 to 100 %, such as 10%, or a number of fields", text)};
    if (!share) {
        std::size_t fields{0};
        const auto [rest, error]{std::from_chars(text.data(), end, fields)};
        if (error != std::errc{} || rest != end) return Failure{malformed};
        return fields;
    }
    double percent{0};
    const auto [rest, error]{std::from_chars(text.data(), end, percent, std::chars_format::fixed)};
    // Written so that "nan" fails too.
    if (error != std::errc{} || rest != end || !(percent >= 0 && percent <= 100)) return Failure{malformed};
    // A hair above the product: 7 % of 100 must not become 6 for want of a binary fraction.
    return static_cast<std::size_t>(percent * static_cast<double>(fields_offered) / 100 + 1e-9);
}

} // namespace shadowtune::cli

#include "cli/options.hpp"

#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace shadowtune::cli {

namespace {

[[nodiscard]] std::string text(double bound) {
    return fmt::format("{:.15g}", bound);
}

[[nodiscard]] CLI::Validator checked(double least, double most, const std::string& range) {
    const auto check{[=](const std::string& word) {
        double number{0};
        const bool good{CLI::detail::lexical_cast(word, number) && std::isfinite(number) && number >= least &&
                        number <= most};
        return good ? std::string{} : "give a number " + range;
    }};
    return CLI::Validator{check, range};
}

} // namespace

CLI::Validator above_zero() {
    constexpr std::numeric_limits<double> limits{};
    return checked(limits.denorm_min(), limits.max(), "above 0");
}

CLI::Validator between(double least, double most) {
    return checked(least, most, fmt::format("from {} to {}", text(least), text(most)));
}

CLI::Option* repeatable(CLI::Option* option) {
    return option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->allow_extra_args(false);
}

} // namespace shadowtune::cli

#include "cli/budget.hpp"

#include <charconv>
#include <fmt/core.h>

namespace shadowtune::cli {

namespace {

[[nodiscard]] Failure<CliError> usage(const std::string& message) {
    return Failure{CliError{ExitCode::usage, message}};
}

// The number in front of `text`, which goes on behind it; less than 0 where there is none.
[[nodiscard]] double take_number(std::string_view& text) {
    double number{0};
    const auto [rest, error]{
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed)};
    // Written so that "nan" fails too.
    if (error != std::errc{} || !(number >= 0 && number <= 1e12)) return -1;
    text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    return number;
}

class Parser {
public:
    Parser(std::size_t fields_offered, const tuner::CostTable& costs)
        : m_offered{fields_offered}, m_costs{costs} {}

    [[nodiscard]] Result<void, CliError> add(const std::string& text) {
        std::string_view unit{text};
        const double number{take_number(unit)};
        const bool whole{number == static_cast<double>(static_cast<std::uint64_t>(std::max(number, 0.0))) &&
                         text.find('.') == std::string::npos};
        if (number >= 0 && unit.empty() && whole) return limit_fields(text, static_cast<std::size_t>(number));
        if (number >= 0 && number <= 100 && unit == "%") {
            // A hair above the product: 7 % of 100 must not become 6 for want of a binary fraction.
            return limit_fields(
                text, static_cast<std::size_t>(number * static_cast<double>(m_offered) / 100 + 1e-9));
        }
        if (number >= 0 && (unit == "cycles" || unit == "instructions")) {
            return limit_sync(text, unit, number);
        }
        return usage(
            fmt::format("--budget {}: give a share from 0 to 100 %, such as 10%, a number of fields, "
                        "or the work of syncing per round trip, such as 400cycles",
                        text));
    }

    [[nodiscard]] const tuner::Budget& budget() const { return m_budget; }

private:
    [[nodiscard]] Result<void, CliError> limit_fields(const std::string& text, std::size_t fields) {
        if (m_budget.fields) {
            return usage(
                fmt::format("--budget {}: the number of fields is limited already; give it once", text));
        }
        if (fields == 0) {
            return usage(
                fmt::format("--budget {}: leaves none of the {} fields offered; give more", text, m_offered));
        }
        m_budget.fields = fields;
        return {};
    }

    [[nodiscard]] Result<void, CliError> limit_sync(const std::string& text, std::string_view unit,
                                                    double cost) {
        if (m_budget.sync) {
            return usage(
                fmt::format("--budget {}: the work of syncing is limited already; give it once", text));
        }
        if (unit != m_costs.unit) {
            return usage(fmt::format("--budget {}: the {} costs are in {}; give the budget in them too", text,
                                     m_costs.name, m_costs.unit));
        }
        if (cost < m_costs.fixed + m_costs.least_sync()) {
            return usage(fmt::format("--budget {}: a shadow with one field already takes {:.0f}; give more",
                                     text, m_costs.fixed + m_costs.least_sync()));
        }
        m_budget.sync = cost;
        return {};
    }

    std::size_t m_offered;
    const tuner::CostTable& m_costs;
    tuner::Budget m_budget;
};

} // namespace

Result<tuner::Budget, CliError> parse_budgets(std::span<const std::string> texts, std::size_t fields_offered,
                                              const tuner::CostTable& costs) {
    Parser parser{fields_offered, costs};
    for (const std::string& text : texts) {
        if (const auto added{parser.add(text)}; !added) return Failure{added.error()};
    }
    return parser.budget();
}

} // namespace shadowtune::cli

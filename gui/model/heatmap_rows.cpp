#include "gui/model/heatmap_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numeric>

namespace shadowtune::gui {

namespace {

using Rows = std::vector<vmcs::FieldIndex>;

[[nodiscard]] std::string small_letters(std::string_view text) {
    std::string small{text};
    std::ranges::transform(small, small.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    });
    return small;
}

// How a field is used, apart from how much: logarithms of the rates, scaled to length 1.
[[nodiscard]] std::vector<double> shape_of(const HeatmapMatrix& matrix, vmcs::FieldIndex field) {
    constexpr double floor{1e-6};
    std::vector<double> shape{};
    for (std::size_t column{0}; column < matrix.columns.size(); ++column) {
        const CellRate& cell{matrix.at(field, column)};
        shape.push_back(std::log10(std::max(cell.reads, floor) / floor));
        shape.push_back(std::log10(std::max(cell.writes, floor) / floor));
    }
    const double length{std::sqrt(std::inner_product(shape.begin(), shape.end(), shape.begin(), 0.0))};
    if (length > 0) std::ranges::for_each(shape, [length](double& value) { value /= length; });
    return shape;
}

// Average linkage: the two nearest groups become one, end to end, until one is left. Cubic in the rows, of
// which there are 206 at most.
[[nodiscard]] Rows cluster(const HeatmapMatrix& matrix, const Rows& rows) {
    if (rows.empty()) return rows;
    const std::size_t count{rows.size()};
    std::vector<std::vector<double>> shapes{};
    for (const vmcs::FieldIndex field : rows)
        shapes.push_back(shape_of(matrix, field));
    std::vector<std::vector<double>> distance(count, std::vector<double>(count, 0));
    for (std::size_t a{0}; a < count; ++a) {
        for (std::size_t b{0}; b < a; ++b) {
            distance[a][b] = distance[b][a] =
                1 - std::inner_product(shapes[a].begin(), shapes[a].end(), shapes[b].begin(), 0.0);
        }
    }
    std::vector<std::vector<std::size_t>> groups(count);
    for (std::size_t i{0}; i < count; ++i)
        groups[i] = {i};
    std::vector<std::size_t> alive(count);
    std::iota(alive.begin(), alive.end(), std::size_t{0});
    const auto between{[&](std::size_t a, std::size_t b) { return distance[a][b]; }};
    auto ends{distance}; // between rows themselves, for joining like ends
    while (alive.size() > 1) {
        std::size_t best_a{0}, best_b{1};
        for (std::size_t i{0}; i < alive.size(); ++i) {
            for (std::size_t j{i + 1}; j < alive.size(); ++j) {
                if (between(alive[i], alive[j]) < between(alive[best_a], alive[best_b])) {
                    best_a = i;
                    best_b = j;
                }
            }
        }
        const std::size_t a{alive[best_a]}, b{alive[best_b]};
        const auto size_a{static_cast<double>(groups[a].size())};
        const auto size_b{static_cast<double>(groups[b].size())};
        for (const std::size_t other : alive) {
            distance[a][other] = distance[other][a] =
                (size_a * distance[a][other] + size_b * distance[b][other]) / (size_a + size_b);
        }
        auto& left{groups[a]};
        auto& right{groups[b]};
        if (ends[left.front()][right.front()] < ends[left.back()][right.front()]) std::ranges::reverse(left);
        if (ends[left.back()][right.back()] < ends[left.back()][right.front()]) std::ranges::reverse(right);
        left.insert(left.end(), right.begin(), right.end());
        alive.erase(alive.begin() + static_cast<std::ptrdiff_t>(best_b));
    }
    Rows ordered{};
    for (const std::size_t i : groups[alive.front()])
        ordered.push_back(rows[i]);
    return ordered;
}

} // namespace

bool name_matches(vmcs::FieldIndex field, const std::string& text) {
    const vmcs::FieldInfo& info{vmcs::catalogue[field]};
    char encoding[8]{};
    std::snprintf(encoding, sizeof(encoding), "%04xh", static_cast<unsigned>(info.encoding));
    return info.symbol.find(text) != std::string_view::npos ||
           small_letters(info.name).find(text) != std::string::npos ||
           std::string_view{encoding}.find(text) != std::string_view::npos;
}

std::string group_name(vmcs::FieldIndex field) {
    const vmcs::FieldInfo& info{vmcs::catalogue[field]};
    return std::string{vmcs::text(info.type)} + ", " + std::string{vmcs::text(info.width)} +
           (info.width == vmcs::Width::natural ? "" : "-bit");
}

std::vector<vmcs::FieldIndex> arrange_rows(const HeatmapMatrix& matrix, const vmcs::FieldSet& offered,
                                           const RowChoice& choice) {
    std::array<double, vmcs::field_count> heat{};
    for (vmcs::FieldIndex field{0}; field < vmcs::field_count; ++field) {
        for (std::size_t column{0}; column < matrix.columns.size(); ++column) {
            heat[field] += matrix.at(field, column).of(choice.accesses) *
                           static_cast<double>(matrix.columns[column].round_trips);
        }
    }
    Rows rows{};
    for (vmcs::FieldIndex field{0}; field < vmcs::field_count; ++field) {
        if (heat[field] <= 0 && (choice.hide_cold || !offered.test(field))) continue;
        if (!choice.text.empty() && !name_matches(field, choice.text)) continue;
        rows.push_back(field);
    }
    if (choice.order == RowOrder::heat) {
        std::ranges::stable_sort(rows, std::greater{}, [&](vmcs::FieldIndex field) { return heat[field]; });
    } else {
        std::ranges::stable_sort(rows, {}, [](vmcs::FieldIndex field) {
            return std::pair{vmcs::catalogue[field].type, vmcs::catalogue[field].width};
        });
    }
    return choice.order == RowOrder::alike ? cluster(matrix, rows) : rows;
}

} // namespace shadowtune::gui

#include "cli/table.hpp"

#include <algorithm>

namespace shadowtune::cli {

namespace {

// Columns on the screen: bytes that continue a UTF-8 character take none.
[[nodiscard]] std::size_t width_of(const std::string& text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }));
}

} // namespace

std::string Table::text() const {
    std::vector<std::size_t> widths{};
    for (std::size_t i{0}; i < m_columns.size(); ++i) {
        std::size_t width{width_of(m_columns[i].title)};
        for (const auto& row : m_rows)
            width = std::max(width, width_of(row[i]));
        widths.push_back(width);
    }
    std::string out{};
    const auto add_line{[&](const auto& cell_of) {
        std::string line{};
        for (std::size_t i{0}; i < m_columns.size(); ++i) {
            const std::string cell{cell_of(i)};
            const std::string gap(widths[i] - width_of(cell), ' ');
            if (i != 0) line += "  ";
            line += m_columns[i].align == Align::left ? cell + gap : gap + cell;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    }};
    add_line([&](std::size_t i) { return m_columns[i].title; });
    add_line([&](std::size_t i) { return std::string(widths[i], '-'); });
    for (const auto& row : m_rows)
        add_line([&](std::size_t i) { return row[i]; });
    return out;
}

std::string csv_cell(const std::string& text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string quoted{"\""};
    for (const char c : text) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    return quoted + "\"";
}

} // namespace shadowtune::cli

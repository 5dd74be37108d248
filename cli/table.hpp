#pragma once

// Text tables: columns as wide as their contents, two spaces between, names to the left and numbers to the
// right.

#include <cstdint>
#include <string>
#include <vector>

namespace shadowtune::cli {

class Table {
public:
    enum class Align : std::uint8_t { left, right };
    struct Column {
        std::string title;
        Align align{Align::right};
    };

    explicit Table(std::vector<Column> columns) : m_columns{std::move(columns)} {}
    // As many cells as columns.
    void add(std::vector<std::string> cells) { m_rows.push_back(std::move(cells)); }
    // Each line without blanks at its end; the title is underlined.
    [[nodiscard]] std::string text() const;

private:
    std::vector<Column> m_columns;
    std::vector<std::vector<std::string>> m_rows;
};

// CSV (RFC 4180): quoted only where it must be.
[[nodiscard]] std::string csv_cell(const std::string& text);

} // namespace shadowtune::cli

#pragma once

// "key=value" words, from the command line and from lines typed on COM1.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shadowtune::micro_l1 {

class Parameters {
public:
    // Later words win over earlier ones; words without '=' are flags, with an empty value. The text must
    // stay.
    void add(std::string_view line);

    [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }
    [[nodiscard]] std::string_view text(std::string_view key, std::string_view otherwise) const;
    // Decimal, or hexadecimal with 0x; `otherwise` where the key is absent or is no number.
    [[nodiscard]] std::uint64_t number(std::string_view key, std::uint64_t otherwise) const;

private:
    struct Word {
        std::string_view key;
        std::string_view value;
    };
    static constexpr std::size_t max_words{64};

    [[nodiscard]] const Word* find(std::string_view key) const;

    Word m_words[max_words]{};
    std::size_t m_count{0};
};

} // namespace shadowtune::micro_l1

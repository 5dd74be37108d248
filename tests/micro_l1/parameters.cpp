#include "tests/micro_l1/parameters.hpp"

namespace shadowtune::micro_l1 {

void Parameters::add(std::string_view line) {
    std::size_t at{0};
    while (at < line.size()) {
        while (at < line.size() && line[at] == ' ')
            ++at;
        std::size_t end{at};
        while (end < line.size() && line[end] != ' ')
            ++end;
        if (end == at) return;
        const std::string_view word{line.data() + at, end - at};
        at = end;
        const std::size_t equals{word.find('=')};
        if (m_count == max_words) return;
        m_words[m_count++] =
            equals == std::string_view::npos
                ? Word{word, {}}
                : Word{{word.data(), equals}, {word.data() + equals + 1, word.size() - equals - 1}};
    }
}

const Parameters::Word* Parameters::find(std::string_view key) const {
    for (std::size_t i{m_count}; i != 0; --i) {
        if (m_words[i - 1].key == key) return &m_words[i - 1];
    }
    return nullptr;
}

std::string_view Parameters::text(std::string_view key, std::string_view otherwise) const {
    const Word* const word{find(key)};
    return word == nullptr ? otherwise : word->value;
}

std::uint64_t Parameters::number(std::string_view key, std::uint64_t otherwise) const {
    std::string_view digits{text(key, {})};
    unsigned base{10};
    if (digits.size() > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) {
        base = 16;
        digits.remove_prefix(2);
    }
    if (digits.empty()) return otherwise;
    std::uint64_t value{0};
    for (const char c : digits) {
        unsigned digit{99};
        if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
        if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
        if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A') + 10;
        if (digit >= base) return otherwise;
        value = value * base + digit;
    }
    return value;
}

} // namespace shadowtune::micro_l1

// Words of the form name=number, as on dom0's command line.
#pragma once

#include <cstdint>
#include <string_view>

namespace shadowtune::xen {

// Where the text begins that follows the first `word`, or the end: by hand, for dom0 has no memchr.
[[nodiscard]] constexpr std::string_view after(std::string_view text, std::string_view word) {
    for (std::size_t at{0}; at + word.size() <= text.size(); ++at) {
        std::size_t matched{0};
        while (matched < word.size() && text[at + matched] == word[matched])
            ++matched;
        if (matched == word.size()) return {text.data() + at + matched, text.size() - at - matched};
    }
    return {};
}

// The decimal number behind the first `name`, which ends with '=', or `otherwise`.
[[nodiscard]] constexpr std::uint64_t number_of(std::string_view text, std::string_view name,
                                                std::uint64_t otherwise) {
    const std::string_view rest{after(text, name)};
    if (rest.empty() || rest[0] < '0' || rest[0] > '9') return otherwise;
    std::uint64_t number{0};
    for (const char c : rest) {
        if (c < '0' || c > '9') break;
        number = number * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return number;
}

} // namespace shadowtune::xen

#pragma once

// Why a boot step failed, as the one line that the operator sees: what failed, where, and the mend.
// Text of fixed capacity, because nothing may be allocated before there is memory to give.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace shadowtune::boot {

// A number that prints as 0x... (addresses, magic numbers).
struct Hex {
    std::uint64_t value;
};

class BootError {
public:
    static constexpr std::size_t capacity{255}; // bytes; longer text is cut

    constexpr BootError() = default;

    // BootError::of("initrd: ", size, " bytes do not fit; ...")
    template <typename... Parts>
    [[nodiscard]] static constexpr BootError of(const Parts&... parts) {
        BootError error;
        (error.append(parts), ...);
        return error;
    }

    [[nodiscard]] constexpr std::string_view text() const { return {m_text, m_length}; }

private:
    // Control characters of a hostile string would break the "one line" promise.
    constexpr void append(std::string_view part) {
        for (const char c : part) {
            if (m_length == capacity) return;
            m_text[m_length++] = c < ' ' || c > '~' ? '?' : c;
        }
    }

    // Without strlen, which the VMM does not have and clang would call.
    template <std::size_t size>
    constexpr void append(const char (&literal)[size]) {
        append(std::string_view{literal, size - 1});
    }

    constexpr void append_number(std::uint64_t value, unsigned base) {
        char digits[20]{};
        std::size_t first{sizeof(digits)};
        do {
            digits[--first] = "0123456789abcdef"[value % base];
            value /= base;
        } while (value != 0);
        append(std::string_view{digits + first, sizeof(digits) - first});
    }

    constexpr void append(Hex number) {
        append("0x");
        append_number(number.value, 16);
    }

    template <std::unsigned_integral Number>
    constexpr void append(Number number) {
        append_number(number, 10);
    }

    char m_text[capacity + 1]{}; // always closed by a zero
    std::size_t m_length{0};
};

} // namespace shadowtune::boot

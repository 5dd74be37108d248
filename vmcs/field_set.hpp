#pragma once

// A set of catalogue fields: one bit per FieldIndex, the same bytes in memory, in frames and in profile
// images.

#include "vmcs/catalogue.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace shadowtune::vmcs {

namespace detail {

// Calls visit(0) to visit(words - 1) without a loop, for the paths that count.
template <std::size_t words, typename Visit>
constexpr void in_each_word(Visit visit) {
    [&]<std::size_t... w>(std::index_sequence<w...>) {
        (visit(w), ...);
    }
    (std::make_index_sequence<words>{});
}

} // namespace detail

class FieldSet {
public:
    static constexpr std::size_t words{(field_count + 63) / 64};

    constexpr void set(FieldIndex index) { m_words[index / 64] |= bit(index); }
    constexpr void clear(FieldIndex index) { m_words[index / 64] &= ~bit(index); }
    constexpr void reset() {
        for (auto& word : m_words)
            word = 0;
    }

    [[nodiscard]] constexpr bool test(FieldIndex index) const {
        return (m_words[index / 64] >> (index % 64) & 1U) != 0;
    }
    [[nodiscard]] constexpr bool test(Field field) const { return test(index_of(field)); }
    constexpr void set(Field field) { set(index_of(field)); }
    constexpr void clear(Field field) { clear(index_of(field)); }

    [[nodiscard]] constexpr std::size_t count() const {
        std::size_t sum{0};
        for (const auto word : m_words)
            sum += static_cast<std::size_t>(std::popcount(word));
        return sum;
    }

    [[nodiscard]] constexpr bool empty() const {
        std::uint64_t any{0};
        detail::in_each_word<words>([&](std::size_t w) { any |= m_words[w]; });
        return any == 0;
    }

    // Calls visit(FieldIndex) for each member in ascending order.
    template <typename Visit>
    constexpr void for_each(Visit visit) const {
        for (std::size_t w{0}; w < words; ++w) {
            for (std::uint64_t rest{m_words[w]}; rest != 0; rest &= rest - 1) {
                visit(static_cast<FieldIndex>(w * 64 + static_cast<unsigned>(std::countr_zero(rest))));
            }
        }
    }

    // The same for the members of both sets.
    template <typename Visit>
    static constexpr void for_each_in_both(const FieldSet& a, const FieldSet& b, Visit visit) {
        detail::in_each_word<words>([&](std::size_t w) {
            for (std::uint64_t rest{a.m_words[w] & b.m_words[w]}; rest != 0; rest &= rest - 1) {
                visit(static_cast<FieldIndex>(w * 64 + static_cast<unsigned>(std::countr_zero(rest))));
            }
        });
    }

    // From and to the words of a record, which may be packed: any alignment. Bits past the catalogue's end
    // are dropped: bytes from outside cannot name a field that does not exist.
    [[nodiscard]] static FieldSet load(const void* from) {
        FieldSet set{};
        __builtin_memcpy(set.m_words, from, sizeof(set.m_words));
        constexpr std::size_t in_last{field_count - (words - 1) * 64};
        if constexpr (in_last < 64) set.m_words[words - 1] &= (std::uint64_t{1} << in_last) - 1;
        return set;
    }
    void store(void* to) const { __builtin_memcpy(to, m_words, sizeof(m_words)); }
    // Do these words name nothing beyond the catalogue's end?
    [[nodiscard]] static bool are_members(const void* from) {
        const FieldSet set{load(from)};
        return __builtin_memcmp(set.m_words, from, sizeof(set.m_words)) == 0;
    }

    constexpr FieldSet& operator|=(const FieldSet& other) {
        detail::in_each_word<words>([&](std::size_t w) { m_words[w] |= other.m_words[w]; });
        return *this;
    }
    constexpr FieldSet& operator&=(const FieldSet& other) {
        detail::in_each_word<words>([&](std::size_t w) { m_words[w] &= other.m_words[w]; });
        return *this;
    }
    constexpr FieldSet& operator-=(const FieldSet& other) {
        detail::in_each_word<words>([&](std::size_t w) { m_words[w] &= ~other.m_words[w]; });
        return *this;
    }
    [[nodiscard]] friend constexpr FieldSet operator|(FieldSet a, const FieldSet& b) { return a |= b; }
    [[nodiscard]] friend constexpr FieldSet operator&(FieldSet a, const FieldSet& b) { return a &= b; }
    [[nodiscard]] friend constexpr FieldSet operator-(FieldSet a, const FieldSet& b) { return a -= b; }
    [[nodiscard]] friend constexpr bool operator==(const FieldSet&, const FieldSet&) = default;

private:
    [[nodiscard]] static constexpr std::uint64_t bit(FieldIndex index) {
        return std::uint64_t{1} << (index % 64);
    }

    std::uint64_t m_words[words]{};
};

static_assert(FieldSet::words == 4);

} // namespace shadowtune::vmcs

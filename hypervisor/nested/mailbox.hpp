#pragma once

// What other processors want of a vCPU: INIT and start-up IPIs that L1 sent, and L0's own requests. One word,
// written by anybody, taken by the vCPU's own processor at its next exit. Who writes to it wakes the vCPU
// where it sleeps (nested/sleep.hpp).

#include <atomic>
#include <cstdint>

namespace shadowtune::nested {

// An INIT comes before a start-up IPI in the same mail.
struct Mail {
    bool init{false};
    bool startup{false};
    std::uint8_t startup_vector{0};
    bool freeze{false};
};

class Mailbox {
public:
    // A start-up IPI that is still in here came before this INIT, which undoes what it began.
    void post_init() {
        change([](std::uint32_t word) { return (word & ~(startup_bit | vector_mask)) | init_bit; });
    }
    // Where two come the first one counts: the second meets a processor that no longer waits for one.
    void post_startup(std::uint8_t vector) {
        change([vector](std::uint32_t word) {
            if ((word & startup_bit) != 0) return word;
            return word | startup_bit | std::uint32_t{vector} << vector_shift;
        });
    }
    // The counters are to be copied for a snapshot.
    void post_freeze() { m_word.fetch_or(freeze_bit); }
    // Nothing but to wake up: there are newer bitmaps.
    void post_look() { m_word.fetch_or(look_bit); }

    [[nodiscard]] bool is_empty() const { return m_word.load(std::memory_order_relaxed) == 0; }
    [[nodiscard]] bool has_init() const { return (m_word.load() & init_bit) != 0; }
    [[nodiscard]] bool has_ipi() const { return (m_word.load() & (init_bit | startup_bit)) != 0; }

    // Leaves the rest where it is.
    [[nodiscard]] bool take_freeze() { return (m_word.fetch_and(~freeze_bit) & freeze_bit) != 0; }

    [[nodiscard]] Mail take() {
        const std::uint32_t word{m_word.exchange(0)};
        return {(word & init_bit) != 0, (word & startup_bit) != 0,
                static_cast<std::uint8_t>(word >> vector_shift), (word & freeze_bit) != 0};
    }

    // 0 where it is empty.
    [[nodiscard]] const std::atomic<std::uint32_t>& word() const { return m_word; }

private:
    static constexpr std::uint32_t init_bit{1}, startup_bit{2}, freeze_bit{4}, look_bit{8};
    static constexpr unsigned vector_shift{24};
    static constexpr std::uint32_t vector_mask{0xFF00'0000};

    template <typename Change>
    void change(Change&& next) {
        std::uint32_t word{m_word.load()};
        while (!m_word.compare_exchange_weak(word, next(word))) {
        }
    }

    std::atomic<std::uint32_t> m_word{0};
};

} // namespace shadowtune::nested

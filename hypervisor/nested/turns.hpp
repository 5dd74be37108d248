#pragma once

// Processors that stand still at the call of one, and do what it asks of them one at a time. Plain code over
// atomics; who waits says how.

#include <atomic>
#include <cstddef>

namespace shadowtune::nested {

struct Vcpu;

class Turns {
public:
    using Share = void (*)(Vcpu& vcpu, void* argument);
    static constexpr unsigned nobody{0}; // the number of the one that calls: it has no turn

    // Of the one that calls.
    void call() { m_called = true; }
    void release() { m_called = false; }
    [[nodiscard]] std::size_t standing() const { return m_standing; }
    // Has one that stands do its share; the next one's turn comes when is_at_work() has become false.
    void begin(unsigned number, Share share, void* argument) {
        m_share = share;
        m_argument = argument;
        m_turn = number;
    }
    [[nodiscard]] bool is_at_work(unsigned number) const { return m_turn == number; }

    // Of the others.
    [[nodiscard]] bool is_called() const { return m_called.load(std::memory_order_relaxed); }
    // Until it is released. `work(share, argument)` when its turn has come, `wait()` again and again.
    template <typename Work, typename Wait>
    void stand(unsigned number, Work&& work, Wait&& wait) {
        m_standing.fetch_add(1);
        while (m_called) {
            if (is_at_work(number)) {
                work(m_share, m_argument);
                m_turn = nobody;
            }
            wait();
        }
        m_standing.fetch_sub(1);
    }

private:
    std::atomic<bool> m_called{false};
    std::atomic<std::size_t> m_standing{0};
    std::atomic<unsigned> m_turn{nobody};
    Share m_share{nullptr}; // of whoever's turn it is
    void* m_argument{nullptr};
};

} // namespace shadowtune::nested

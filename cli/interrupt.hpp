#pragma once

// Ctrl-C (SIGINT) and SIGTERM, taken by flags so that a verb ends at a point of its own choice. The first
// asks for a clean end, the second for an end at once; a verb that has nothing to save makes the first one
// count as both.

#include <atomic>

namespace shadowtune::cli {

class Interrupt {
public:
    // Takes both signals over until it is destroyed. One at a time.
    Interrupt();
    ~Interrupt();
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;

    // From now on the first signal leaves time to save.
    void begin_saving();

    // As the first signal does: for a verb that has found its own end.
    void request();

    [[nodiscard]] const std::atomic<bool>& wanted() const; // end cleanly
    [[nodiscard]] const std::atomic<bool>& now() const;    // end at once
};

} // namespace shadowtune::cli

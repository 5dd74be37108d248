#include "cli/interrupt.hpp"

#include <csignal>
#include <initializer_list>

namespace shadowtune::cli {

namespace {

// A signal handler may touch lock-free atomics and little else.
std::atomic<bool> g_wanted{false};
std::atomic<bool> g_now{false};
std::atomic<bool> g_saving{false};
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void take_signal(int) {
    const bool again{g_wanted.exchange(true)};
    if (again || !g_saving) g_now = true;
}

void set_handler(void (*handler)(int)) {
    for (const int number : {SIGINT, SIGTERM}) {
        struct sigaction action {};
        action.sa_handler = handler;
        sigaction(number, &action, nullptr);
    }
}

} // namespace

Interrupt::Interrupt() {
    g_wanted = g_now = g_saving = false;
    set_handler(take_signal);
}

Interrupt::~Interrupt() {
    set_handler(SIG_DFL);
}

void Interrupt::begin_saving() {
    g_saving = true;
}

void Interrupt::request() {
    g_wanted = true;
}

const std::atomic<bool>& Interrupt::wanted() const {
    return g_wanted;
}

const std::atomic<bool>& Interrupt::now() const {
    return g_now;
}

} // namespace shadowtune::cli

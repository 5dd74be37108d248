#include "hypervisor/nested/turns.hpp"

#include <array>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace shadowtune::nested {

// As much of one as a turn is given.
struct Vcpu {
    unsigned number{0};
};

namespace {

constexpr unsigned others{3};

// Processors that count what they do whenever nobody calls them, as L1's would.
class TurnsTest : public ::testing::Test {
protected:
    TurnsTest() {
        for (unsigned number{1}; number <= others; ++number)
            m_threads.emplace_back([this, number] { run(number); });
    }
    ~TurnsTest() override {
        m_ends = true;
        for (auto& thread : m_threads)
            thread.join();
    }

    void call() {
        m_turns.call();
        while (m_turns.standing() != others)
            std::this_thread::yield();
    }
    void release() {
        m_turns.release();
        while (m_turns.standing() != 0)
            std::this_thread::yield();
    }
    [[nodiscard]] std::array<std::uint64_t, others> done() const {
        std::array<std::uint64_t, others> all{};
        for (unsigned i{0}; i < others; ++i)
            all[i] = m_done[i];
        return all;
    }

    Turns m_turns{};

private:
    void run(unsigned number) {
        Vcpu vcpu{number};
        while (!m_ends) {
            m_done[number - 1].fetch_add(1);
            if (!m_turns.is_called()) continue;
            m_turns.stand(
                number, [&](Turns::Share share, void* argument) { share(vcpu, argument); },
                [] { std::this_thread::yield(); });
        }
    }

    std::array<std::atomic<std::uint64_t>, others> m_done{};
    std::atomic<bool> m_ends{false};
    std::vector<std::thread> m_threads{};
};

TEST_F(TurnsTest, WhoStandsDoesNothingButItsShare) {
    for (unsigned round{0}; round < 50; ++round) {
        call();
        const auto before{done()};
        // No lock: one at a time, and whoever comes next sees what the last one wrote.
        std::vector<unsigned> order{};
        for (unsigned number{others}; number != 0; --number) {
            m_turns.begin(
                number,
                [](Vcpu& vcpu, void* argument) {
                    static_cast<std::vector<unsigned>*>(argument)->push_back(vcpu.number);
                },
                &order);
            while (m_turns.is_at_work(number))
                std::this_thread::yield();
        }
        EXPECT_EQ(order, (std::vector<unsigned>{3, 2, 1}));
        EXPECT_EQ(done(), before);
        release();
    }
}

TEST_F(TurnsTest, WhoIsReleasedGoesOn) {
    call();
    const auto before{done()};
    release();
    for (unsigned i{0}; i < others; ++i) {
        while (done()[i] == before[i])
            std::this_thread::yield();
    }
}

} // namespace
} // namespace shadowtune::nested

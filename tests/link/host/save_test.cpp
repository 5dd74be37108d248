// Saved states over a line that loses, doubles, damages and is cut.

#include "tests/link/host/session_fixture.hpp"

#include <gtest/gtest.h>
#include <random>

namespace shadowtune::link::test {
namespace {

class SaveTest : public SessionTest {
protected:
    SaveTest() {
        for (auto& byte : blob)
            byte = static_cast<std::uint8_t>(m_random());
    }

    // Saves, restarts and restores as the verbs do it: each with a session of its own.
    void expect_round_trip(FakeVmm& vmm) {
        const auto saved{open()->save()};
        ASSERT_TRUE(saved.ok()) << saved.error().message;
        EXPECT_EQ(saved.value(), blob);
        EXPECT_EQ(vmm.l1_state(), L1State::saved);
        const auto restarted{open()->release(saved.value(), ReleaseAction::restart)};
        ASSERT_TRUE(restarted.ok()) << restarted.error().message;
        EXPECT_EQ(vmm.l1_state(), L1State::awaited);
        const auto restored{open()->restore(saved.value())};
        ASSERT_TRUE(restored.ok()) << restored.error().message;
        EXPECT_EQ(vmm.l1_state(), L1State::running);
        EXPECT_EQ(vmm.restored(), blob);
        EXPECT_EQ(vmm.commits(), 1U);
    }

    std::vector<std::uint8_t> blob = std::vector<std::uint8_t>(20'000);

private:
    std::mt19937 m_random{11};
};

TEST_F(SaveTest, ComesOverAndGoesBack) {
    options.silence = 5s;
    FakeVmm vmm{{}};
    vmm.set_saved(blob);
    vmm.listen_unix(path);
    expect_round_trip(vmm);
}

TEST_F(SaveTest, ComesOverWhateverTheLineDoes) {
    for (unsigned seed{1}; seed <= 3; ++seed) {
        FakeVmm vmm{{.fault_one_in = 5, .seed = seed}};
        vmm.set_saved(blob);
        vmm.listen_unix(path);
        expect_round_trip(vmm);
    }
}

// The line holds no longer than some parts at a time.
TEST_F(SaveTest, GoesOnWhereItWasAfterACut) {
    FakeVmm vmm{{.cut_after = 6'000}};
    vmm.set_saved(blob);
    vmm.listen_unix(path);
    expect_round_trip(vmm);
    EXPECT_GT(vmm.connections(), 4U);
}

TEST_F(SaveTest, LetsL1GoOn) {
    FakeVmm vmm{{}};
    vmm.set_saved(blob);
    vmm.listen_unix(path);
    const auto session{open()};
    const auto saved{session->save()};
    ASSERT_TRUE(saved.ok());
    ASSERT_TRUE(session->release(saved.value(), ReleaseAction::resume).ok());
    EXPECT_EQ(vmm.l1_state(), L1State::running);
}

TEST_F(SaveTest, SaysWhyNot) {
    FakeVmm vmm{{}};
    vmm.set_saved(blob);
    vmm.listen_unix(path);
    const auto session{open()};
    const auto restored{session->restore(blob)};
    ASSERT_FALSE(restored.ok());
    EXPECT_EQ(restored.error().kind, LinkErrorKind::refused);
    EXPECT_NE(restored.error().message.find("an L1 runs there"), std::string::npos)
        << restored.error().message;
    const std::vector<std::uint8_t> other(100);
    const auto released{session->release(other, ReleaseAction::restart)};
    ASSERT_FALSE(released.ok());
    EXPECT_NE(released.error().message.find("save again"), std::string::npos) << released.error().message;
    vmm.await_l1();
    const auto saved{session->save()};
    ASSERT_FALSE(saved.ok());
    EXPECT_NE(saved.error().message.find("no L1 runs there"), std::string::npos) << saved.error().message;
}

} // namespace
} // namespace shadowtune::link::test

#include "hypervisor/nested/mailbox.hpp"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace shadowtune::nested {
namespace {

TEST(Mailbox, GivesWhatWasPostedOnce) {
    Mailbox box{};
    EXPECT_TRUE(box.is_empty());
    box.post_init();
    box.post_startup(0x9A);
    box.post_freeze();
    EXPECT_TRUE(box.has_init());
    const Mail mail{box.take()};
    EXPECT_TRUE(mail.init && mail.startup && mail.freeze);
    EXPECT_EQ(mail.startup_vector, 0x9A);
    EXPECT_TRUE(box.is_empty());
    EXPECT_FALSE(box.take().init);
}

TEST(Mailbox, TheFirstOfTwoStartupsCounts) {
    Mailbox box{};
    box.post_startup(0x10);
    box.post_startup(0x20);
    EXPECT_EQ(box.take().startup_vector, 0x10);
    box.post_startup(0);
    const Mail mail{box.take()};
    EXPECT_TRUE(mail.startup);
    EXPECT_EQ(mail.startup_vector, 0);
}

TEST(Mailbox, AnInitUndoesAnEarlierStartup) {
    Mailbox box{};
    box.post_startup(0x10);
    box.post_init();
    EXPECT_FALSE(box.take().startup);
    box.post_startup(0x10);
    box.post_init();
    box.post_startup(0x20);
    const Mail mail{box.take()};
    EXPECT_TRUE(mail.init && mail.startup);
    EXPECT_EQ(mail.startup_vector, 0x20);
}

TEST(Mailbox, AFreezeIsTakenAlone) {
    Mailbox box{};
    EXPECT_FALSE(box.take_freeze());
    box.post_startup(0x10);
    box.post_freeze();
    EXPECT_TRUE(box.take_freeze());
    EXPECT_FALSE(box.take_freeze());
    EXPECT_TRUE(box.has_ipi());
    EXPECT_EQ(box.take().startup_vector, 0x10);
    box.post_freeze();
    box.post_look();
    EXPECT_FALSE(box.has_ipi());
    box.post_init();
    EXPECT_TRUE(box.has_ipi());
}

TEST(Mailbox, ALookWakesAndSaysNothing) {
    Mailbox box{};
    box.post_look();
    EXPECT_FALSE(box.is_empty());
    const Mail mail{box.take()};
    EXPECT_FALSE(mail.init || mail.startup || mail.freeze);
}

// Several senders at once: each start-up IPI that is taken is one that was posted, whole.
TEST(Mailbox, SendersDoNotMixUp) {
    Mailbox box{};
    std::atomic<unsigned> running{4};
    std::vector<std::thread> senders;
    for (unsigned n{0}; n < 4; ++n) {
        senders.emplace_back([&box, &running, n] {
            for (unsigned i{0}; i < 20'000; ++i) {
                box.post_startup(static_cast<std::uint8_t>(0x11 * (n + 1)));
                if (i % 3 == 0) box.post_freeze();
            }
            --running;
        });
    }
    unsigned startups{0};
    while (running != 0 || !box.is_empty()) {
        const Mail mail{box.take()};
        if (!mail.startup) continue;
        ++startups;
        ASSERT_TRUE(mail.startup_vector % 0x11 == 0 && mail.startup_vector != 0);
        ASSERT_FALSE(mail.init);
    }
    for (auto& sender : senders)
        sender.join();
    EXPECT_GT(startups, 0U);
}

} // namespace
} // namespace shadowtune::nested

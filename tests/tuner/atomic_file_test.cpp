// What a result may be written over, and where it goes.

#include "tests/db/sample_recording.hpp"
#include "tuner/atomic_file.hpp"

#include <gtest/gtest.h>

namespace shadowtune {
namespace {

namespace fs = std::filesystem;

[[nodiscard]] std::string contents(const fs::path& path) {
    auto text{tuner::read_whole(path, std::size_t{1} << 20)};
    return text ? text.value() : text.error();
}

[[nodiscard]] std::ptrdiff_t entries(const fs::path& folder) {
    return std::distance(fs::directory_iterator{folder}, {});
}

TEST(AtomicFile, DatabasesStay) {
    const test::TemporaryFolder folder{};
    test::write_sample(folder / "a.db");
    fs::create_symlink("a.db", folder / "link.json");
    const std::string before{contents(folder / "a.db")};
    for (const char* name : {"a.db", "link.json"}) {
        const auto written{tuner::write_atomically(folder / name, "{}")};
        ASSERT_FALSE(written.ok());
        EXPECT_EQ(written.error(),
                  (folder / name).string() + ": a database is there, and would be lost; give another name");
        EXPECT_FALSE(tuner::check_replaceable(folder / name).ok());
    }
    EXPECT_EQ(contents(folder / "a.db"), before);
}

TEST(AtomicFile, AllElseIsReplaceable) {
    const test::TemporaryFolder folder{};
    EXPECT_TRUE(tuner::check_replaceable("").ok());
    EXPECT_TRUE(tuner::check_replaceable(folder / "none").ok());
    EXPECT_TRUE(tuner::check_replaceable("/dev/null").ok());
    for (const char* text : {"", "SQLite", "{}"}) {
        ASSERT_TRUE(tuner::write_atomically(folder / "f", text).ok());
        EXPECT_TRUE(tuner::check_replaceable(folder / "f").ok()) << text;
    }
}

TEST(AtomicFile, SymlinksStayAndAreFollowed) {
    const test::TemporaryFolder folder{};
    fs::create_directory(folder / "real");
    ASSERT_TRUE(tuner::write_atomically(folder / "real/p.json", "old").ok());
    fs::permissions(folder / "real/p.json", fs::perms::owner_read | fs::perms::owner_write);
    fs::create_symlink("real/p.json", folder / "relative");
    fs::create_symlink(folder / "relative", folder / "absolute");
    fs::create_symlink("real/new.json", folder / "dangling");
    for (const char* link : {"relative", "absolute", "dangling"}) {
        const auto written{tuner::write_atomically(folder / link, link)};
        ASSERT_TRUE(written.ok()) << written.error();
        EXPECT_TRUE(fs::is_symlink(folder / link));
        EXPECT_EQ(contents(folder / link), link);
    }
    EXPECT_EQ(contents(folder / "real/p.json"), "absolute");
    EXPECT_EQ(contents(folder / "real/new.json"), "dangling");
    EXPECT_EQ(fs::status(folder / "real/p.json").permissions(),
              fs::perms::owner_read | fs::perms::owner_write);
    EXPECT_EQ(entries(folder.path()), 4);
    EXPECT_EQ(entries(folder / "real"), 2);
}

TEST(AtomicFile, SymlinkInACircle) {
    const test::TemporaryFolder folder{};
    fs::create_symlink("b", folder / "a");
    fs::create_symlink("a", folder / "b");
    EXPECT_FALSE(tuner::write_atomically(folder / "a", "text").ok());
    EXPECT_TRUE(fs::is_symlink(folder / "a"));
    EXPECT_EQ(entries(folder.path()), 2);
}

} // namespace
} // namespace shadowtune

#include "lab/bochs_config.hpp"

#include <gtest/gtest.h>

namespace shadowtune::lab {
namespace {

[[nodiscard]] bool has_line(const std::string& text, const std::string& line) {
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(BochsConfig, takes_what_is_asked_for) {
    RunOptions options;
    options.cpus = 2;
    options.ips = 50'000'000;
    options.cpu_model = "broadwell_ult";
    const auto text = bochs_config(options, {4001, 4002});
    EXPECT_TRUE(has_line(text, "cpu: model=broadwell_ult, count=2, ips=50000000, reset_on_triple_fault=0"))
        << text;
    EXPECT_TRUE(has_line(text, "com1: enabled=1, mode=socket-client, dev=127.0.0.1:4001"));
    EXPECT_TRUE(has_line(text, "com2: enabled=1, mode=socket-client, dev=127.0.0.1:4002"));
    EXPECT_TRUE(has_line(text, "memory: guest=512, host=512"));
}

TEST(BochsConfig, large_memory_is_paged) {
    RunOptions options;
    options.memory_mib = 3072;
    EXPECT_TRUE(has_line(bochs_config(options, {}), "memory: guest=3072, host=2048"));
}

TEST(BochsConfig, a_disk_is_the_first_drive) {
    RunOptions options;
    EXPECT_TRUE(has_line(bochs_config(options, {}), "boot: cdrom"));
    EXPECT_EQ(bochs_config(options, {}).find("disk.img"), std::string::npos);
    options.disk = "d";
    auto text = bochs_config(options, {});
    EXPECT_TRUE(has_line(text, "ata0-master: type=disk, path=disk.img, mode=flat, cylinders=0"));
    EXPECT_TRUE(has_line(text, "ata1-master: type=cdrom, path=boot.iso, status=inserted"));
    EXPECT_TRUE(has_line(text, "boot: cdrom"));
    options = {};
    options.l1_kind = L1Kind::bios_disk;
    options.l1 = "d";
    EXPECT_TRUE(has_line(bochs_config(options, {}), "boot: cdrom")); // the VMM comes first
    options.bare = true;
    text = bochs_config(options, {});
    EXPECT_TRUE(has_line(text, "boot: disk"));
    EXPECT_EQ(text.find("boot.iso"), std::string::npos);
}

TEST(BochsConfig, every_run_is_the_same_run_and_stops_at_the_first_panic) {
    const auto text = bochs_config({}, {});
    EXPECT_TRUE(has_line(text, "clock: sync=none"));
    EXPECT_TRUE(has_line(text, "panic: action=fatal"));
    EXPECT_TRUE(has_line(text, "port_e9_hack: enabled=1"));
    EXPECT_TRUE(has_line(text, "com2: enabled=1, mode=null"));
}

} // namespace
} // namespace shadowtune::lab

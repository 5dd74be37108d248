#include "lab/failure.hpp"
#include "lab/options.hpp"

#include <gtest/gtest.h>

namespace shadowtune::lab {
namespace {

[[nodiscard]] RunOptions good_linux() {
    RunOptions options;
    parse_l1("linux:vmlinuz", options);
    options.vmm = "vmm.elf";
    return options;
}

// The message of the usage error that `action` throws; a failed test where it throws none.
template <typename Action>
[[nodiscard]] std::string usage_error(Action action) {
    try {
        action();
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), ExitCode::usage);
        EXPECT_EQ(std::string{failure.what()}.find('\n'), std::string::npos) << "one line";
        return failure.what();
    }
    ADD_FAILURE() << "no error";
    return {};
}

TEST(Options, l1_names_its_kind) {
    RunOptions options;
    parse_l1("multiboot:dir/a:b.elf", options);
    EXPECT_EQ(options.l1_kind, L1Kind::multiboot);
    EXPECT_EQ(options.l1, "dir/a:b.elf");
    EXPECT_FALSE(options.multiboot1);
    parse_l1("multiboot1:a.elf", options);
    EXPECT_EQ(options.l1_kind, L1Kind::multiboot);
    EXPECT_TRUE(options.multiboot1);
    parse_l1("disk:a.img", options);
    EXPECT_EQ(options.l1_kind, L1Kind::bios_disk);
    EXPECT_EQ(disk_of(options), "a.img");
    parse_l1("linux:vmlinuz", options);
    EXPECT_EQ(options.l1_kind, L1Kind::linux_bzimage);
    EXPECT_TRUE(disk_of(options).empty());
    options.disk = "b.img";
    EXPECT_EQ(disk_of(options), "b.img");
}

TEST(Options, l1_without_kind_or_file_is_refused) {
    RunOptions options;
    for (const auto* text : {"vmlinuz", "", "linux", "linux:", ":x", "Linux:x"}) {
        EXPECT_NE(usage_error([&] { parse_l1(text, options); }).find("--l1"), std::string::npos) << text;
    }
}

TEST(Options, a_boot_disk_brings_its_own_files) {
    RunOptions options;
    options.vmm = "vmm.elf";
    parse_l1("disk:a.img", options);
    check_options(options);
    const auto refused = [](RunOptions changed) {
        return usage_error([&] { check_options(changed); }).find("disk:IMAGE") != std::string::npos;
    };
    auto changed = options;
    changed.cmdline = "quiet";
    EXPECT_TRUE(refused(changed));
    changed = options;
    changed.initrd = "i";
    EXPECT_TRUE(refused(changed));
    changed = options;
    changed.disk = "b.img";
    EXPECT_TRUE(refused(changed));
    changed = options;
    changed.modules = {{"a", ""}};
    EXPECT_TRUE(refused(changed));
}

TEST(Options, module_keeps_everything_after_the_first_comma) {
    const auto module = parse_module("f.bin,a=1,b 2");
    EXPECT_EQ(module.file, "f.bin");
    EXPECT_EQ(module.arguments, "a=1,b 2");
    EXPECT_EQ(parse_module("f.bin").arguments, "");
    EXPECT_FALSE(usage_error([] { static_cast<void>(parse_module(",x")); }).empty());
}

TEST(Options, link_faults) {
    const auto faults = parse_link_faults("7,1/100");
    EXPECT_EQ(faults.seed, 7U);
    EXPECT_EQ(faults.one_in, 100U);
    for (const auto* text : {"", "7", "7,100", "7,1/0", "7,1/x", "x,1/2", "7,1/2 ", "-1,1/2", "7,2/3"}) {
        EXPECT_FALSE(usage_error([&] { static_cast<void>(parse_link_faults(text)); }).empty()) << text;
    }
}

TEST(Options, ranges_are_checked) {
    EXPECT_NO_THROW(check_options(good_linux()));
    const auto refused = [](auto change, const char* name) {
        auto options = good_linux();
        change(options);
        EXPECT_NE(usage_error([&] { check_options(options); }).find(name), std::string::npos) << name;
    };
    refused([](auto& o) { o.memory_mib = 31; }, "--memory");
    refused([](auto& o) { o.memory_mib = 4001; }, "--memory");
    refused([](auto& o) { o.cpus = 0; }, "--cpus");
    refused([](auto& o) { o.cpus = 9; }, "--cpus");
    refused([](auto& o) { o.ips = 1000; }, "--ips");
    refused([](auto& o) { o.timeout = std::chrono::seconds{-1}; }, "--timeout");
    refused([](auto& o) { o.cpu_model = "x, count=4"; }, "--cpu-model");
    refused([](auto& o) { o.cpu_model = ""; }, "--cpu-model");
    refused([](auto& o) { o.link = std::string(200, 'x'); }, "--link");
    refused([](auto& o) { o.vmm.clear(); }, "--vmm");
    refused([](auto& o) { o.l1.clear(); }, "--l1");
}

TEST(Options, what_does_not_go_together_is_refused) {
    auto options = good_linux();
    options.modules.push_back({"m", ""});
    EXPECT_FALSE(usage_error([&] { check_options(options); }).empty());

    options = good_linux();
    parse_l1("multiboot:x", options);
    options.initrd = "i";
    EXPECT_FALSE(usage_error([&] { check_options(options); }).empty());

    options = good_linux();
    options.bare = true;
    EXPECT_NO_THROW(check_options(options));
    options.link = "s";
    EXPECT_FALSE(usage_error([&] { check_options(options); }).empty());
}

} // namespace
} // namespace shadowtune::lab

#include "lab/failure.hpp"
#include "lab/grub_config.hpp"

#include <gtest/gtest.h>

namespace shadowtune::lab {
namespace {

TEST(GrubConfig, quoting_keeps_the_shell_characters) {
    EXPECT_EQ(grub_quote("a$b;c"), "'a$b;c'");
    EXPECT_EQ(grub_quote("it's"), "'it'\\''s'");
    EXPECT_EQ(grub_quote(""), "''");
}

TEST(GrubConfig, words_are_quoted_one_by_one) {
    EXPECT_EQ(grub_words("console=ttyS0,115200  quiet ", "--cmdline"), "'console=ttyS0,115200' 'quiet'");
    EXPECT_EQ(grub_words("a={b} $x >y #z", "--cmdline"), "'a={b}' '$x' '>y' '#z'");
    EXPECT_EQ(grub_words("", "--cmdline"), "");
}

TEST(GrubConfig, double_quotes_keep_a_space_inside_a_word) {
    EXPECT_EQ(grub_words("dyndbg=\"file a +p\" x", "--cmdline"), "'dyndbg=file a +p' 'x'");
    EXPECT_EQ(grub_words("a=\"\"", "--cmdline"), "'a='");
}

TEST(GrubConfig, what_grub_cannot_pass_on_is_refused) {
    for (const auto* text : {"a\\b", "a'b", "a\nb", "a\"b"}) {
        try {
            static_cast<void>(grub_words(text, "--cmdline"));
            ADD_FAILURE() << text;
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.code(), ExitCode::usage);
            EXPECT_NE(std::string{failure.what()}.find("--cmdline"), std::string::npos);
        }
    }
}

TEST(GrubConfig, linux_under_the_vmm) {
    RunOptions options;
    options.cmdline = "quiet";
    options.initrd = "i";
    options.vmm_arguments = "mode=trap";
    options.profile = {std::byte{1}};
    EXPECT_EQ(grub_config(options, ImageKind::linux_bzimage), "set timeout=0\n"
                                                              "multiboot2 /boot/vmm.elf lab 'mode=trap'\n"
                                                              "module2 /boot/l1 linux 'quiet'\n"
                                                              "module2 /boot/initrd initrd\n"
                                                              "module2 /boot/profile profile\n"
                                                              "boot\n");
}

TEST(GrubConfig, multiboot_under_the_vmm) {
    RunOptions options;
    options.l1_kind = L1Kind::multiboot;
    options.modules = {{"a", "NR_CPUS=1"}, {"b", ""}};
    EXPECT_EQ(grub_config(options, ImageKind::multiboot1), "set timeout=0\n"
                                                           "multiboot2 /boot/vmm.elf lab\n"
                                                           "module2 /boot/l1 multiboot\n"
                                                           "module2 /boot/mod0 module 'NR_CPUS=1'\n"
                                                           "module2 /boot/mod1 module\n"
                                                           "boot\n");
}

TEST(GrubConfig, version_1_where_it_is_asked_for) {
    RunOptions options;
    options.l1_kind = L1Kind::multiboot;
    options.multiboot1 = true;
    EXPECT_NE(grub_config(options, ImageKind::multiboot2).find("module2 /boot/l1 multiboot1\n"),
              std::string::npos);
    options.bare = true;
    EXPECT_NE(grub_config(options, ImageKind::multiboot2).find("multiboot /boot/l1\n"), std::string::npos);
}

TEST(GrubConfig, a_disk_under_the_vmm) {
    RunOptions options;
    options.l1_kind = L1Kind::bios_disk;
    EXPECT_EQ(grub_config(options, ImageKind::boot_disk), "set timeout=0\n"
                                                          "multiboot2 /boot/vmm.elf lab\n"
                                                          "module2 (hd0)0+1 disk 0x80\n"
                                                          "boot\n");
}

TEST(GrubConfig, bare_multiboot_comes_from_its_disk) {
    RunOptions options;
    options.bare = true;
    options.l1_kind = L1Kind::multiboot;
    options.disk = "d";
    options.modules = {{"a", ""}};
    EXPECT_EQ(grub_config(options, ImageKind::multiboot1), "set timeout=0\n"
                                                           "set cd=$root\n"
                                                           "set root=hd0\n"
                                                           "multiboot ($cd)/boot/l1\n"
                                                           "module ($cd)/boot/mod0\n"
                                                           "boot\n");
}

TEST(GrubConfig, bare_uses_the_loader_of_the_kind_found) {
    RunOptions options;
    options.bare = true;
    options.cmdline = "quiet";
    EXPECT_EQ(grub_config(options, ImageKind::linux_bzimage),
              "set timeout=0\nlinux /boot/l1 'quiet'\nboot\n");
    options.l1_kind = L1Kind::multiboot;
    options.modules = {{"a", "x"}};
    EXPECT_EQ(grub_config(options, ImageKind::multiboot1),
              "set timeout=0\nmultiboot /boot/l1 'quiet'\nmodule /boot/mod0 'x'\nboot\n");
    EXPECT_EQ(grub_config(options, ImageKind::multiboot2),
              "set timeout=0\nmultiboot2 /boot/l1 'quiet'\nmodule2 /boot/mod0 'x'\nboot\n");
}

} // namespace
} // namespace shadowtune::lab

#include "lab/failure.hpp"
#include "lab/prerequisites.hpp"
#include "lab/run.hpp"
#include "lab/work_dir.hpp"

#include <cstdlib>
#include <gtest/gtest.h>

namespace shadowtune::lab {
namespace {

[[nodiscard]] RunOptions bare(L1Kind kind, const std::filesystem::path& l1) {
    RunOptions options;
    options.bare = true;
    options.l1_kind = kind;
    options.l1 = l1;
    options.quiet = true;
    return options;
}

TEST(Run, bad_options_and_images_have_their_codes) {
    EXPECT_EQ(run({}), ExitCode::usage);
    EXPECT_EQ(run(bare(L1Kind::linux_bzimage, "/nonexistent")), ExitCode::bad_image);
    const WorkDir work;
    work.write("text", "no kernel");
    EXPECT_EQ(run(bare(L1Kind::linux_bzimage, work.path() / "text")), ExitCode::bad_image);
    EXPECT_EQ(run(bare(L1Kind::multiboot, work.path() / "text")), ExitCode::bad_image);
}

TEST(Run, a_missing_program_is_told_with_the_mend) {
    const std::string old_path = std::getenv("PATH");
    setenv("PATH", "/nonexistent", 1);
    try {
        static_cast<void>(check_prerequisites(bare(L1Kind::linux_bzimage, "/nonexistent")));
        ADD_FAILURE();
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.code(), ExitCode::not_ready);
        EXPECT_NE(std::string{failure.what()}.find("scripts/setup"), std::string::npos);
        EXPECT_NE(std::string{failure.what()}.find("bochs"), std::string::npos);
    }
    setenv("PATH", old_path.c_str(), 1);
}

} // namespace
} // namespace shadowtune::lab

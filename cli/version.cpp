// `shadowtune version`: the numbers by which files and VMM must agree with this program.

#include "cli/console.hpp"
#include "cli/verbs.hpp"
#include "db/schema.hpp"
#include "link/messages.hpp"
#include "tuner/profile_file.hpp"
#include "vmcs/catalogue.hpp"

#include <fmt/core.h>

namespace shadowtune::cli {

void add_version_verb(CLI::App& app, int& exit_code) {
    auto* verb{app.add_subcommand("version", "Show the versions of this program, its files and its link")};
    verb->footer("Example:\n  shadowtune version");
    verb->callback([&exit_code] {
        fmt::print("shadowtune       {}\n", SHADOWTUNE_VERSION);
        fmt::print("field catalogue  0x{:08X}, {} fields\n", vmcs::catalogue_version, vmcs::field_count);
        fmt::print("database schema  {}\n", db::schema_version());
        fmt::print("profile schema   {}\n", tuner::profile_schema_version);
        fmt::print("link protocol    {}\n", link::protocol_version);
        exit_code = finish_output();
    });
}

} // namespace shadowtune::cli

// `shadowtune status`: who runs on the other end of the link, and what is in force there.

#include "cli/connection.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "profiler/convert.hpp"

#include <fmt/core.h>
#include <memory>
#include <nlohmann/json.hpp>

namespace shadowtune::cli {

namespace {

using Json = nlohmann::ordered_json;

struct Options {
    ConnectionOptions connection;
    std::string format{"table"};
};

[[nodiscard]] std::string_view text(link::L1State state) {
    switch (state) {
    case link::L1State::running: return "running";
    case link::L1State::in_vmx_operation: return "in VMX operation";
    case link::L1State::running_l2: return "running L2";
    case link::L1State::stopped: return "stopped by L0";
    case link::L1State::saved: return "saved, stands still";
    case link::L1State::awaited: return "awaited";
    case link::L1State::waiting_for_startup: return "waits for its start";
    }
    return "unknown";
}

// What L0 made of L1 when it ran its first L2.
[[nodiscard]] std::string recognised_as(const link::FingerprintInfo& print) {
    switch (print.state) {
    case link::RecognitionState::awaited: return "not yet: it has run no L2";
    case link::RecognitionState::hidden: return "no: a profile was in force before its first L2";
    case link::RecognitionState::seen: break;
    }
    const std::string profile{print.profile.empty() ? "" : ", profile " + print.profile};
    switch (print.verdict) {
    case link::Verdict::none: return "no: L0 has no library";
    case link::Verdict::recognised: return print.type + profile;
    case link::Verdict::unknown: break;
    }
    return "unknown" + profile;
}

[[nodiscard]] std::string as_table(const link::HelloInfo& hello, const link::FingerprintInfo& print,
                                   const std::vector<link::VcpuStatus>& vcpus) {
    std::string out{fmt::format("VMM        {}, boot {:016x}\n", hello.vmm_version, hello.boot_id)};
    out += fmt::format("Processor  {}, signature {:x}\n", hello.cpu_brand, hello.cpu_signature);
    out += fmt::format("L1         {}, {} MiB\n", hello.l1_name, hello.memory_bytes >> 20);
    out += fmt::format("Recognised {}\n", recognised_as(print));
    out += fmt::format("Fields     {} offered to L1, {} in the processor\n\n", hello.offered_fields.count(),
                       hello.physical_fields.count());
    Table table{{{"vCPU"},
                 {"L1", Table::Align::left},
                 {"mode", Table::Align::left},
                 {"generation"},
                 {"accepted"},
                 {"round trips"},
                 {"reload ticks"},
                 {"profile", Table::Align::left}}};
    for (const auto& vcpu : vcpus) {
        table.add({std::to_string(vcpu.vcpu), std::string{text(vcpu.l1_state)},
                   mode_text(vcpu.mode, vcpu.sample_interval), std::to_string(vcpu.generation),
                   std::to_string(vcpu.newest_generation), grouped(vcpu.round_trips),
                   grouped(vcpu.last_reload_ticks), vcpu.profile_name});
    }
    return out + table.text();
}

[[nodiscard]] std::string as_json(const link::HelloInfo& hello, const link::FingerprintInfo& print,
                                  const std::vector<link::VcpuStatus>& vcpus) {
    Json json{{"vmm_version", hello.vmm_version},
              {"boot_id", fmt::format("{:016x}", hello.boot_id)},
              {"cpu_brand", hello.cpu_brand},
              {"cpu_signature", hello.cpu_signature},
              {"memory_bytes", hello.memory_bytes},
              {"l1", hello.l1_name},
              {"recognised", recognised_as(print)},
              {"fields_offered", hello.offered_fields.count()},
              {"fields_physical", hello.physical_fields.count()}};
    Json list(Json::array());
    for (const auto& vcpu : vcpus) {
        list.push_back({{"vcpu", vcpu.vcpu},
                        {"l1_state", text(vcpu.l1_state)},
                        {"mode", db::text(static_cast<db::Mode>(vcpu.mode))},
                        {"sample_interval", vcpu.sample_interval},
                        {"generation", vcpu.generation},
                        {"newest_generation", vcpu.newest_generation},
                        {"round_trips", vcpu.round_trips},
                        {"round_trip_ticks", vcpu.round_trip_ticks},
                        {"last_reload_ticks", vcpu.last_reload_ticks},
                        {"profile", vcpu.profile_name}});
    }
    json["vcpus"] = std::move(list);
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

[[nodiscard]] int run(const Options& options) {
    const Interrupt interrupt{};
    auto connected{connect(options.connection, interrupt)};
    if (!connected) return fail(connected.error());
    link::Session& session{*connected.value()};
    const auto hello{session.hello()};
    if (!hello) return fail(to_cli_error(hello.error()));
    const auto vcpus{session.status()};
    if (!vcpus) return fail(to_cli_error(vcpus.error()));
    const auto print{session.fingerprint()};
    if (!print) return fail(to_cli_error(print.error()));
    fmt::print("{}", options.format == "json" ? as_json(hello.value(), print.value(), vcpus.value())
                                              : as_table(hello.value(), print.value(), vcpus.value()));
    return finish_output();
}

} // namespace

void add_status_verb(CLI::App& app, int& exit_code) {
    auto* verb{
        app.add_subcommand("status", "Show the running VMM: machine, L1, mode and generation of each vCPU")};
    const auto options{std::make_shared<Options>()};
    add_connection_options(*verb, options->connection);
    verb->add_option("--format", options->format, "table or json")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
    verb->footer("Examples:\n"
                 "  shadowtune status --link /tmp/lab.sock\n"
                 "  shadowtune status --link tcp:localhost:4555 --format json");
    verb->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace shadowtune::cli

// `shadowtune info`: what is in a saved state.

#include "cli/connection.hpp"
#include "cli/saved_file.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"

#include <fmt/core.h>
#include <memory>
#include <nlohmann/json.hpp>

namespace shadowtune::cli {

namespace {

using Json = nlohmann::ordered_json;
using Fields = link::SavedList<link::SavedField>;

struct Options {
    std::string file;
    std::string format{"table"};
};

[[nodiscard]] std::string hex(std::uint64_t value) {
    return fmt::format("{:x}", value);
}

[[nodiscard]] std::string address(std::uint64_t value) {
    return value == link::no_address ? "none" : hex(value);
}

template <std::size_t N>
[[nodiscard]] std::string text(const char (&bytes)[N]) {
    std::string out;
    for (const char c : bytes) {
        if (c == '\0') break;
        // L1's makers wrote it: a terminal would obey what it can obey.
        out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    }
    return out;
}

[[nodiscard]] std::string mode_of(const link::SavedBitmaps& bitmaps) {
    std::string out{mode_text(static_cast<link::Mode>(bitmaps.mode), bitmaps.sample_interval)};
    if (bitmaps.has_profile != 0) {
        out += fmt::format(", profile {}", text(reinterpret_cast<const char(&)[32]>(bitmaps.profile.name)));
    }
    return out;
}

[[nodiscard]] std::string field_table(std::string_view title, const Fields& fields) {
    if (fields.size() == 0) return {};
    Table table{{{"field", Table::Align::left}, {"encoding"}, {"value"}}};
    for (std::size_t i{0}; i < fields.size(); ++i) {
        const link::SavedField field{fields[i]};
        table.add({std::string{vmcs::catalogue[vmcs::find(field.encoding)].symbol},
                   fmt::format("{:04x}", std::uint16_t{field.encoding}), hex(field.value)});
    }
    return fmt::format("\n{}\n{}", title, table.text());
}

[[nodiscard]] std::string vcpu_text(std::size_t number, const link::SavedVcpu& vcpu) {
    const link::SavedRegisters& r{vcpu.registers};
    constexpr const char* names[]{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"};
    std::string out{fmt::format("\nvCPU {}     {}\n", number, describe_mode(vcpu))};
    out += fmt::format("VMXON      {}\n", address(vcpu.vmx.vmxon_pointer));
    out += fmt::format("vmcs12     {}{}\n", address(vcpu.vmx.current_vmcs),
                       vcpu.vmx.launched != 0 ? ", launched" : "");
    out += "Registers ";
    for (std::size_t i{0}; i < 16; ++i) {
        if (i == 4) continue; // RSP is a field
        out += i < 8 ? fmt::format(" {} {}", names[i], hex(r.general[i]))
                     : fmt::format(" r{} {}", i, hex(r.general[i]));
        if (i == 7) out += "\n          ";
    }
    out += fmt::format("\n           cr2 {} dr0 {} dr1 {} dr2 {} dr3 {} dr6 {} xcr0 {}\n", hex(r.cr2),
                       hex(r.dr[0]), hex(r.dr[1]), hex(r.dr[2]), hex(r.dr[3]), hex(r.dr6), hex(r.xcr0));
    out += fmt::format("Pending    {}\n", r.nmi_pending != 0 ? "NMI" : "nothing");
    if (vcpu.vmx.runs_l2 != 0) {
        out += fmt::format("In L2      timer {}, {} fields of vmcs12 changed, {} in vmcs02 only\n",
                           std::uint32_t{vcpu.vmx.timer_left}, vmcs::FieldSet::load(vcpu.vmx.dirty).count(),
                           vmcs::FieldSet::load(vcpu.vmx.in_vmcs02).count());
    }
    out += fmt::format("Counted    {} round trips, {} exits, {} counters\n",
                       grouped(vcpu.statistics.round_trips), grouped(vcpu.statistics.vm_exits),
                       grouped(vcpu.counters.size()));
    Table msrs{{{"MSR"}, {"value"}}};
    for (std::size_t i{0}; i < vcpu.msrs.size(); ++i) {
        const link::SavedMsr msr{vcpu.msrs[i]};
        if (msr.value != 0) msrs.add({hex(msr.number), hex(msr.value)});
    }
    out += "\nMSRs that are not 0\n" + msrs.text();
    out += field_table("vmcs01: L1", vcpu.vmcs01);
    out += field_table("vmcs12: L1's current VMCS", vcpu.vmcs12);
    return out + field_table("vmcs02: L2", vcpu.vmcs02);
}

[[nodiscard]] std::string as_table(const link::SavedState& state) {
    const link::SavedMachine& machine{state.machine()};
    std::string out{fmt::format("VMM        {}, boot {:016x}\n", text(machine.vmm_version),
                                std::uint64_t{machine.boot_id})};
    out += fmt::format("Processor  signature {}\n", hex(machine.cpu_signature));
    out += fmt::format("L1         {}, {} MiB; L0 at {} to {}\n", text(machine.l1_name),
                       machine.memory_bytes >> 20, hex(machine.hidden_begin), hex(machine.hidden_end));
    out += fmt::format("Bitmaps    generation {}, mode {}\n", std::uint32_t{state.bitmaps().generation},
                       mode_of(state.bitmaps()));
    for (std::size_t i{0}; i < state.vcpus(); ++i)
        out += vcpu_text(i, state.vcpu(i));
    return out;
}

[[nodiscard]] Json json_of(const Fields& fields) {
    Json json(Json::object());
    for (std::size_t i{0}; i < fields.size(); ++i) {
        const link::SavedField field{fields[i]};
        json[std::string{vmcs::catalogue[vmcs::find(field.encoding)].symbol}] = hex(field.value);
    }
    return json;
}

[[nodiscard]] Json json_of(const vmcs::FieldSet& set) {
    Json json(Json::array());
    set.for_each([&](vmcs::FieldIndex field) { json.push_back(std::string{vmcs::catalogue[field].symbol}); });
    return json;
}

[[nodiscard]] Json json_of(std::size_t number, const link::SavedVcpu& vcpu) {
    Json general(Json::array());
    for (const std::uint64_t value : vcpu.registers.general)
        general.push_back(hex(value));
    Json msrs(Json::object());
    for (std::size_t i{0}; i < vcpu.msrs.size(); ++i)
        msrs[hex(vcpu.msrs[i].number)] = hex(vcpu.msrs[i].value);
    return {{"vcpu", number},
            {"mode", describe_mode(vcpu)},
            {"runs_l2", vcpu.vmx.runs_l2 != 0},
            {"vmxon_pointer", address(vcpu.vmx.vmxon_pointer)},
            {"current_vmcs", address(vcpu.vmx.current_vmcs)},
            {"launched", vcpu.vmx.launched != 0},
            {"timer_left", std::uint32_t{vcpu.vmx.timer_left}},
            {"nmi_pending", vcpu.registers.nmi_pending != 0},
            {"general_registers", std::move(general)},
            {"cr2", hex(vcpu.registers.cr2)},
            {"xcr0", hex(vcpu.registers.xcr0)},
            {"extended_state_bytes", vcpu.extended_state.size()},
            {"msrs", std::move(msrs)},
            {"dirty", json_of(vmcs::FieldSet::load(vcpu.vmx.dirty))},
            {"in_vmcs02", json_of(vmcs::FieldSet::load(vcpu.vmx.in_vmcs02))},
            {"round_trips", std::uint64_t{vcpu.statistics.round_trips}},
            {"counters", vcpu.counters.size()},
            {"vmcs01", json_of(vcpu.vmcs01)},
            {"vmcs12", json_of(vcpu.vmcs12)},
            {"vmcs02", json_of(vcpu.vmcs02)}};
}

[[nodiscard]] std::string as_json(const link::SavedState& state) {
    const link::SavedMachine& machine{state.machine()};
    Json json{{"format", link::saved_format},
              {"vmm_version", text(machine.vmm_version)},
              {"boot_id", fmt::format("{:016x}", std::uint64_t{machine.boot_id})},
              {"cpu_signature", std::uint32_t{machine.cpu_signature}},
              {"memory_bytes", std::uint64_t{machine.memory_bytes}},
              {"l0_begin", hex(machine.hidden_begin)},
              {"l0_end", hex(machine.hidden_end)},
              {"l1", text(machine.l1_name)},
              {"generation", std::uint32_t{state.bitmaps().generation}},
              {"bitmaps", mode_of(state.bitmaps())}};
    Json vcpus(Json::array());
    for (std::size_t i{0}; i < state.vcpus(); ++i)
        vcpus.push_back(json_of(i, state.vcpu(i)));
    json["vcpus"] = std::move(vcpus);
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

[[nodiscard]] int run(const Options& options) {
    const auto bytes{read_saved(options.file)};
    if (!bytes) return fail(bytes.error());
    const auto state{check_saved(options.file, bytes.value())};
    if (!state) return fail(state.error());
    fmt::print("{}", options.format == "json" ? as_json(state.value()) : as_table(state.value()));
    return finish_output();
}

} // namespace

void add_info_verb(CLI::App& app, int& exit_code) {
    auto* verb{
        app.add_subcommand("info", "Show what is in a saved L1: mode, registers, VMCS fields by name")};
    const auto options{std::make_shared<Options>()};
    verb->add_option("file", options->file, "File made by 'shadowtune save'")->required();
    verb->add_option("--format", options->format, "table or json")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
    verb->footer("Examples:\n"
                 "  shadowtune info l1.state\n"
                 "  shadowtune info l1.state --format json | jq '.vcpus[0].vmcs12.guest_rip'");
    verb->callback([options, &exit_code] { exit_code = run(*options); });
}

} // namespace shadowtune::cli

#include "cli/report_format.hpp"

#include "cli/console.hpp"
#include "cli/table.hpp"

#include <chrono>
#include <fmt/chrono.h>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace shadowtune::cli {

namespace {

using Align = Table::Align;
using Json = nlohmann::ordered_json;

[[nodiscard]] double ratio(std::uint64_t count, std::uint64_t trips) {
    return trips == 0 ? 0.0 : static_cast<double>(count) / static_cast<double>(trips);
}
// Of accesses that are not in sampled round trips.
[[nodiscard]] double per_trip(std::uint64_t count, const db::Totals& totals) {
    return ratio(count, totals.unsampled_round_trips());
}

[[nodiscard]] std::string rate(double value) {
    return value == 0 ? "-" : fmt::format("{:.4f}", value);
}

[[nodiscard]] std::string_view reason_name(const ReportRow& row) {
    return vmcs::exit_reason_names[row.reason.value()];
}

// Names that L1 and its boot loader chose may be long; the head shall stay in 100 columns.
[[nodiscard]] std::string shortened(const std::string& text, std::size_t width) {
    if (text.size() <= width) return text;
    std::size_t cut{width - 3};
    while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0U) == 0x80)
        --cut;
    return text.substr(0, cut) + "...";
}

struct Touched {
    std::size_t read{0};
    std::size_t written{0};
    std::size_t either{0};
};

[[nodiscard]] Touched touched(const db::Totals& totals) {
    Touched count{};
    for (const auto& field : totals.fields) {
        count.read += field.reads != 0 ? 1U : 0U;
        count.written += field.writes != 0 ? 1U : 0U;
        count.either += field.sum() != 0 ? 1U : 0U;
    }
    return count;
}

[[nodiscard]] std::string head(const Selection& selection) {
    const auto& [database, reader, totals]{selection};
    const db::RecordingInfo& info{reader.info()};
    const auto& counters{totals.counters};
    const Touched fields{touched(totals)};
    const std::size_t offered{reader.machine().offered_fields.count()};
    std::string text{
        fmt::format("Recording {}: {}\n", info.id,
                    shortened(info.labels.workload.empty() ? "(no label)" : info.labels.workload, 80))};
    const std::uint32_t vcpus{reader.machine().vcpus};
    text += fmt::format("L1          {}, {}\n", shortened(info.labels.l1_name, 70),
                        totals.vcpu ? fmt::format("vCPU {} of {}", *totals.vcpu, vcpus)
                                    : fmt::format("{} vCPU{}", vcpus, vcpus == 1 ? "" : "s"));
    text += fmt::format(
        "Processor   {}{}\n", shortened(reader.machine().cpu_brand, 48),
        info.labels.cpu_model.empty() ? "" : ", lab model " + shortened(info.labels.cpu_model, 30));
    text += fmt::format("Recorded    {} UTC, snapshots {} to {} of {}{}\n", utc(info.started_ms),
                        totals.range.from, totals.range.to, info.snapshots,
                        info.ended_ms ? "" : ", not finished");
    text += fmt::format("Round trips {}, {:.0f} ticks each, {:.0f} of them in L0\n",
                        grouped(counters.round_trips), ratio(counters.round_trip_ticks, counters.round_trips),
                        ratio(counters.l0_ticks, counters.round_trips));
    text += fmt::format("Trapped     {:.4f} accesses per round trip; {} outside round trips\n",
                        per_trip(totals.inside(), totals), grouped(totals.outside));
    text += fmt::format("Fields      {} read, {} written, {} of the {} offered accessed\n", fields.read,
                        fields.written, fields.either, offered);
    if (counters.unknown_field_accesses != 0) {
        text += fmt::format("            and {} accesses of fields that L1 is not offered\n",
                            grouped(counters.unknown_field_accesses));
    }
    if (totals.sampled_round_trips != 0) {
        text += fmt::format("Sampled     {} of the round trips, in which every access was counted\n",
                            grouped(totals.sampled_round_trips));
    }
    if (!totals.all_trap) {
        text += fmt::format(
            "Note: shadowed accesses do not exit and are not counted: part of this was in mode {}.\n",
            totals.sampled_round_trips != 0 ? "sample" : "tuned");
    }
    return text + "\n";
}

[[nodiscard]] std::string vcpu_table(const std::vector<db::Totals>& by_vcpu) {
    if (by_vcpu.empty()) return {};
    Table table{{{"vCPU"}, {"round trips"}, {"trapped/trip"}, {"outside"}, {"generation"}, {"reloads"}}};
    for (const db::Totals& totals : by_vcpu) {
        table.add({std::to_string(*totals.vcpu), grouped(totals.counters.round_trips),
                   rate(per_trip(totals.inside(), totals)), grouped(totals.outside),
                   std::to_string(totals.generation), grouped(totals.counters.reloads)});
    }
    return table.text() + "\n";
}

// Each one's, where the machine has several and all were asked for.
[[nodiscard]] Result<std::vector<db::Totals>, CliError> totals_by_vcpu(const Selection& selection) {
    const std::uint32_t vcpus{selection.reader.machine().vcpus};
    std::vector<db::Totals> list;
    if (vcpus < 2 || selection.totals.vcpu) return list;
    for (std::uint32_t number{0}; number < vcpus; ++number) {
        auto totals{selection.reader.totals(selection.totals.range, static_cast<std::uint16_t>(number))};
        if (!totals) return Failure{CliError{ExitCode::bad_input, totals.error().message}};
        list.push_back(std::move(totals).value());
    }
    return list;
}

} // namespace

Result<Report, CliError> make_report(const Selection& selection, const ReportOptions& options) {
    auto by_vcpu{totals_by_vcpu(selection)};
    if (!by_vcpu) return Failure{by_vcpu.error()};
    return Report{&selection, std::move(by_vcpu).value(), report_rows(selection.totals, options),
                  sampled_rows(selection.totals, options)};
}

std::string utc(std::int64_t ms) {
    const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds{ms}};
    return fmt::format("{:%Y-%m-%d %H:%M:%S}", std::chrono::floor<std::chrono::seconds>(time));
}

namespace {

[[nodiscard]] std::string interval(const tuner::RateInterval& rate) {
    return fmt::format("{:.4f} ({:.4f} to {:.4f})", rate.estimate, rate.low, rate.high);
}

[[nodiscard]] std::string sampled_as_table(const std::vector<SampledRow>& rows) {
    if (rows.empty()) return {};
    Table table{{{"field", Align::left}, {"reads/trip (95 %)"}, {"writes/trip (95 %)"}}};
    for (const SampledRow& row : rows) {
        table.add(
            {std::string{vmcs::catalogue[row.field].symbol}, interval(row.reads), interval(row.writes)});
    }
    return "\nOf all round trips, as the sampled ones estimate them:\n" + table.text();
}

[[nodiscard]] Json sampled_as_json(const std::vector<SampledRow>& rows) {
    Json list(Json::array());
    for (const SampledRow& row : rows) {
        list.push_back({{"field", vmcs::catalogue[row.field].symbol},
                        {"reads_per_round_trip", row.reads.estimate},
                        {"reads_low", row.reads.low},
                        {"reads_high", row.reads.high},
                        {"writes_per_round_trip", row.writes.estimate},
                        {"writes_low", row.writes.low},
                        {"writes_high", row.writes.high}});
    }
    return list;
}

} // namespace

std::string report_as_table(const Report& report, const ReportOptions& options) {
    const auto& rows{report.rows};
    const db::Machine& machine{report.selection->reader.machine()};
    std::string text{head(*report.selection) + vcpu_table(report.by_vcpu)};
    const std::vector<Table::Column> columns{
        {"field", Align::left}, {"reads/trip"}, {"writes/trip"}, {"share"},
        {"cumulative"},         {"outside"},    {"KVM's list"}};
    std::optional<Table> table{};
    double cumulative{0};
    for (std::size_t i{0}; i < rows.size(); ++i) {
        const ReportRow& row{rows[i]};
        const bool new_group{i == 0 || rows[i - 1].reason != row.reason};
        if (new_group) {
            if (table) text += table->text() + "\n";
            table.emplace(columns);
            cumulative = 0;
            if (options.by_reason && *row.reason == vmcs::no_round_trip) {
                text += fmt::format("{}\n", reason_name(row));
            } else if (options.by_reason) {
                text +=
                    fmt::format("{}: {} round trips\n", reason_name(row), grouped(row.reason_round_trips));
            }
        }
        cumulative += row.share;
        table->add({std::string{vmcs::catalogue[row.field].symbol}, rate(row.reads_per_trip),
                    rate(row.writes_per_trip), fmt::format("{:.1f} %", row.share * 100),
                    fmt::format("{:.1f} %", cumulative * 100), row.outside == 0 ? "-" : grouped(row.outside),
                    std::string{kvm_list_mark(row.field, machine)}});
    }
    text += table ? table->text() : "No access was trapped.\n";
    return text + sampled_as_table(report.sampled);
}

std::string report_as_json(const Report& report) {
    const auto& [database, reader, totals]{*report.selection};
    const db::RecordingInfo& info{reader.info()};
    const Touched fields{touched(totals)};
    Json json{{"recording", info.id},
              {"l1", info.labels.l1_name},
              {"workload", info.labels.workload},
              {"cpu_model", info.labels.cpu_model},
              {"from_snapshot", totals.range.from},
              {"to_snapshot", totals.range.to},
              {"complete", totals.all_trap},
              {"round_trips", totals.counters.round_trips},
              {"round_trip_ticks", totals.counters.round_trip_ticks},
              {"l0_ticks", totals.counters.l0_ticks},
              {"trapped_per_round_trip", per_trip(totals.inside(), totals)},
              {"trapped_outside_round_trips", totals.outside},
              {"fields_offered", reader.machine().offered_fields.count()},
              {"fields_read", fields.read},
              {"fields_written", fields.written}};
    if (totals.vcpu) json["vcpu"] = *totals.vcpu;
    for (const db::Totals& one : report.by_vcpu) {
        json["vcpus"].push_back({{"vcpu", *one.vcpu},
                                 {"round_trips", one.counters.round_trips},
                                 {"trapped_per_round_trip", per_trip(one.inside(), one)},
                                 {"trapped_outside_round_trips", one.outside},
                                 {"generation", one.generation},
                                 {"reloads", one.counters.reloads}});
    }
    Json list(Json::array());
    for (const auto& row : report.rows) {
        Json entry{};
        if (row.reason) {
            entry["exit_reason"] = reason_name(row);
            entry["exit_reason_round_trips"] = row.reason_round_trips;
        }
        entry["field"] = vmcs::catalogue[row.field].symbol;
        entry["encoding"] = vmcs::catalogue[row.field].encoding;
        entry["reads"] = row.reads;
        entry["writes"] = row.writes;
        entry["outside_round_trips"] = row.outside;
        entry["reads_per_round_trip"] = row.reads_per_trip;
        entry["writes_per_round_trip"] = row.writes_per_trip;
        entry["share"] = row.share;
        entry["kvm_list"] = kvm_list_mark(row.field, reader.machine());
        list.push_back(std::move(entry));
    }
    json["fields"] = std::move(list);
    if (!report.sampled.empty()) {
        json["sampled_round_trips"] = totals.sampled_round_trips;
        json["sampled"] = sampled_as_json(report.sampled);
    }
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string report_as_csv(const Report& report) {
    const auto& rows{report.rows};
    const db::Machine& machine{report.selection->reader.machine()};
    const bool by_reason{!rows.empty() && rows.front().reason.has_value()};
    std::string text{by_reason ? "exit_reason,exit_reason_round_trips," : ""};
    text += "field,encoding,reads,writes,outside_round_trips,reads_per_round_trip,writes_per_round_trip,"
            "share,kvm_list\n";
    for (const auto& row : rows) {
        if (by_reason)
            text += fmt::format("{},{},", csv_cell(std::string{reason_name(row)}), row.reason_round_trips);
        const auto& field{vmcs::catalogue[row.field]};
        text += fmt::format("{},0x{:04X},{},{},{},{:.6f},{:.6f},{:.6f},{}\n", field.symbol, field.encoding,
                            row.reads, row.writes, row.outside, row.reads_per_trip, row.writes_per_trip,
                            row.share, kvm_list_mark(row.field, machine));
    }
    return text;
}

std::string recordings_as_table(const std::vector<db::RecordingInfo>& recordings) {
    Table table{{{"recording"},
                 {"started (UTC)", Align::left},
                 {"snapshots"},
                 {"finished", Align::left},
                 {"workload", Align::left},
                 {"L1", Align::left}}};
    for (const auto& info : recordings) {
        table.add({std::to_string(info.id), utc(info.started_ms), std::to_string(info.snapshots),
                   info.ended_ms ? "yes" : "no", shortened(info.labels.workload, 20),
                   shortened(info.labels.l1_name, 22)});
    }
    return table.text();
}

} // namespace shadowtune::cli

#include "cli/report_generations.hpp"

#include "cli/connection.hpp"
#include "cli/table.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace shadowtune::cli {

namespace {

using Json = nlohmann::ordered_json;

// A part of the recording under one generation.
struct Part {
    GenerationRow row;
    db::Totals totals;
};

[[nodiscard]] Part part_of(const db::Generation& generation, db::Totals totals) {
    return {{generation, totals.range, measurement_of(totals), {}}, std::move(totals)};
}

// The last part in mode trap before this one, or else the first after it.
[[nodiscard]] const Part* basis_of(const std::vector<Part>& parts, std::size_t of) {
    for (std::size_t i{of}; i-- > 0;)
        if (parts[i].totals.all_trap) return &parts[i];
    for (std::size_t i{of}; i < parts.size(); ++i)
        if (parts[i].totals.all_trap) return &parts[i];
    return nullptr;
}

[[nodiscard]] std::string number_or_dash(const std::optional<tuner::Effect>& effect, auto&& figure,
                                         int digits) {
    return effect ? fmt::format("{:.{}f}", figure(*effect), digits) : "-";
}

// Of a set; `unknown` where nobody knows it.
[[nodiscard]] std::string count_or(const db::Generation& generation, const vmcs::FieldSet& set,
                                   const char* unknown) {
    return generation.knows_sets() ? std::to_string(set.count()) : unknown;
}

[[nodiscard]] Json count_or_null(const db::Generation& generation, const vmcs::FieldSet& set) {
    return generation.knows_sets() ? Json(set.count()) : Json();
}

[[nodiscard]] double trapped_of(const tuner::Effect& effect) {
    return effect.trapped();
}
[[nodiscard]] double synced_of(const tuner::Effect& effect) {
    return effect.synced;
}

} // namespace

Result<std::vector<GenerationRow>, CliError> generation_rows(const db::RecordingReader& reader) {
    const auto bad_input{[](const db::Error& error) {
        return Failure{CliError{ExitCode::bad_input, error.message}};
    }};
    const auto generations{reader.generations()};
    if (!generations) return bad_input(generations.error());
    const auto stretches{reader.stretches()};
    if (!stretches) return bad_input(stretches.error());
    std::vector<Part> parts{};
    for (const auto& [number, range] : stretches.value()) {
        if (range.from == range.to) continue;
        const auto generation{std::ranges::find(generations.value(), number, &db::Generation::number)};
        if (generation == generations.value().end()) continue;
        auto totals{reader.totals(range)};
        if (!totals) return bad_input(totals.error());
        if (totals.value().counters.round_trips == 0) continue;
        parts.push_back(part_of(*generation, std::move(totals).value()));
    }
    std::vector<GenerationRow> rows{};
    for (std::size_t i{0}; i < parts.size(); ++i) {
        const Part* basis{basis_of(parts, i)};
        if (basis != nullptr && parts[i].row.generation.knows_sets()) {
            parts[i].row.predicted = tuner::predict(
                parts[i].row.generation.sets, tuner::workload_of(basis->totals), tuner::published_costs());
        }
        rows.push_back(parts[i].row);
    }
    return rows;
}

std::string generations_as_table(const std::vector<GenerationRow>& rows) {
    Table table{{{"generation"},
                 {"mode", Table::Align::left},
                 {"profile", Table::Align::left},
                 {"R"},
                 {"W"},
                 {"round trips"},
                 {"trapped, predicted"},
                 {"measured"},
                 {"copies, at most"},
                 {"measured"},
                 {"ticks"},
                 {"in L0"}}};
    for (const GenerationRow& row : rows) {
        const db::Generation& g{row.generation};
        table.add({std::to_string(g.number), mode_text(static_cast<link::Mode>(g.mode), g.sample_interval),
                   g.profile_name, count_or(g, g.sets.read, "-"), count_or(g, g.sets.write, "-"),
                   grouped(row.measured.round_trips), number_or_dash(row.predicted, trapped_of, 4),
                   fmt::format("{:.4f}", row.measured.trapped), number_or_dash(row.predicted, synced_of, 0),
                   fmt::format("{:.2f}", row.measured.copies), fmt::format("{:.0f}", row.measured.ticks),
                   fmt::format("{:.0f}", row.measured.l0_ticks)});
    }
    return table.text();
}

std::string generations_as_csv(const std::vector<GenerationRow>& rows) {
    std::string text{
        "generation,mode,sample_interval,profile,fields_read,fields_written,from_snapshot,to_snapshot,"
        "round_trips,trapped_predicted,trapped,copies_predicted,copies,ticks,l0_ticks\n"};
    for (const GenerationRow& row : rows) {
        const db::Generation& g{row.generation};
        text +=
            fmt::format("{},{},{},{},{},{},{},{},{},{},{:.6f},{},{:.4f},{:.3f},{:.3f}\n", g.number,
                        db::text(g.mode), g.sample_interval, csv_cell(g.profile_name),
                        count_or(g, g.sets.read, ""), count_or(g, g.sets.write, ""), row.range.from,
                        row.range.to, row.measured.round_trips, number_or_dash(row.predicted, trapped_of, 6),
                        row.measured.trapped, number_or_dash(row.predicted, synced_of, 0),
                        row.measured.copies, row.measured.ticks, row.measured.l0_ticks);
    }
    return text;
}

std::string generations_as_json(const std::vector<GenerationRow>& rows) {
    Json list(Json::array());
    for (const GenerationRow& row : rows) {
        const db::Generation& g{row.generation};
        Json entry{{"generation", g.number},
                   {"mode", db::text(g.mode)},
                   {"sample_interval", g.sample_interval},
                   {"profile", g.profile_name},
                   {"fields_read", count_or_null(g, g.sets.read)},
                   {"fields_written", count_or_null(g, g.sets.write)},
                   {"from_snapshot", row.range.from},
                   {"to_snapshot", row.range.to},
                   {"round_trips", row.measured.round_trips},
                   {"trapped", row.measured.trapped},
                   {"copies", row.measured.copies},
                   {"ticks", row.measured.ticks},
                   {"l0_ticks", row.measured.l0_ticks}};
        if (row.predicted) {
            entry["predicted"] =
                Json{{"trapped", row.predicted->trapped()}, {"copies", row.predicted->synced}};
        }
        list.push_back(std::move(entry));
    }
    return Json{{"generations", std::move(list)}}.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace shadowtune::cli

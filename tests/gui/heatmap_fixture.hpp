#pragma once

#include "gui/model/heatmap_model.hpp"
#include "tests/db/sample_recording.hpp"

namespace shadowtune::gui {

inline constexpr std::uint8_t cpuid{10};
inline constexpr std::uint8_t io{30};

// The tests' small recording: 1,000 round trips, 400 by CPUID and 600 by I/O.
struct HeatmapFixture {
    explicit HeatmapFixture(db::Mode mode = db::Mode::trap) : file{(folder / "a.db").string()} {
        test::write_sample(file, mode);
    }

    [[nodiscard]] HeatmapPtr heatmap(const Filter& filter = {}) {
        const auto read{source.heatmap({{file, 0}, filter, {{file, 1}}})};
        return read ? read.value() : nullptr;
    }

    test::TemporaryFolder folder;
    std::string file;
    RecordingSource source;
};

[[nodiscard]] inline CellRate rate(const HeatmapData& data, vmcs::Field field, std::uint8_t reason) {
    for (std::size_t i{0}; i < data.matrix.columns.size(); ++i) {
        if (data.matrix.columns[i].reason == reason) return data.matrix.at(vmcs::index_of(field), i);
    }
    return {-1, -1};
}

} // namespace shadowtune::gui

#pragma once

// Two recordings beside each other: their rates, what differs between them, and whether by more than chance
// (docs/diff.md).

#include "gui/model/heatmap_model.hpp"
#include "tuner/difference.hpp"

namespace shadowtune::gui {

// One map for each, of the same rows and columns, and the second's rates less the first's.
struct ComparedMaps {
    HeatmapPtr first;
    HeatmapPtr second;
    HeatmapPtr difference;
};
[[nodiscard]] ComparedMaps compared_maps(const RecordingPtr& first, const RecordingPtr& second);

// The test is one of counts: both recordings have to be in mode trap, with round trips. Empty words where
// they are; else why there is no test.
[[nodiscard]] QString why_no_test(const RecordingData& first, const RecordingData& second);

class DifferenceModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column : int {
        field_column,
        access_column,
        first_column,
        second_column,
        difference_column,
        p_column,
        column_count
    };

    explicit DifferenceModel(QObject* parent = nullptr) : QAbstractTableModel{parent} {}

    void show(std::vector<tuner::RateDifference> differences);
    [[nodiscard]] const std::vector<tuner::RateDifference>& differences() const { return m_differences; }
    [[nodiscard]] std::size_t significant() const;

    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation,
                                      int role = Qt::DisplayRole) const override;

private:
    std::vector<tuner::RateDifference> m_differences;
};

inline constexpr double usual_level{0.01};

} // namespace shadowtune::gui

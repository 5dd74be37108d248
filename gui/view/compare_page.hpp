#pragma once

// Two recordings side by side, their difference as a map, and a table of what differs beyond chance.

#include "gui/model/comparison.hpp"
#include "gui/model/recordings_model.hpp"

#include <QWidget>

class QComboBox;
class QLabel;
class QSplitter;

namespace shadowtune::gui {

class HeatmapView;

class ComparePage : public QWidget {
    Q_OBJECT
public:
    ComparePage(RecordingsModel& recordings, Loader& loader, QWidget* parent = nullptr);

    void compare(int first_row, int second_row);
    void set_appearance(Palette palette, bool dark);
    [[nodiscard]] const DifferenceModel& differences() const { return m_differences; }
    [[nodiscard]] QString words() const;

protected:
    void showEvent(QShowEvent* event) override;

private:
    void refill();
    void request();
    void divide();
    void take(const RecordingPtr& first, const TimelinePtr& first_steps, const RecordingPtr& second,
              const TimelinePtr& second_steps);

    RecordingsModel& m_recordings;
    Loader& m_loader;
    DifferenceModel m_differences;
    HeatmapModel m_maps[3]; // first, second, difference
    HeatmapView* m_views[3]{};
    QComboBox* m_first;
    QComboBox* m_second;
    QLabel* m_words;
    QLabel* m_empty;          // in place of maps and table
    QSplitter* m_split;       // maps and table
    QSplitter* m_sides;       // the maps
    bool m_is_divided{false}; // by hand afterwards
    bool m_stale{true};       // to be read when it is looked at
};

} // namespace shadowtune::gui

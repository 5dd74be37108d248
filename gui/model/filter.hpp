#pragma once

// What all views show a part of: one state, shared and undoable.

#include "gui/model/heatmap_matrix.hpp"

#include <QObject>
#include <QString>
#include <QStringList>
#include <functional>
#include <optional>
#include <set>

class QUndoStack;

namespace shadowtune::gui {

struct Filter {
    Axis axis{Axis::reason};
    RowChoice rows;
    std::optional<db::SnapshotRange> range; // none: the whole recording
    std::set<std::uint8_t> reasons;         // empty: all
    std::optional<std::uint16_t> vcpu;      // none: all together
};
[[nodiscard]] bool operator==(const Filter& a, const Filter& b);

class FilterState : public QObject {
    Q_OBJECT
public:
    // `undo` must outlive the state.
    explicit FilterState(QUndoStack& undo, QObject* parent = nullptr);

    [[nodiscard]] const Filter& filter() const { return m_filter; }

    // One undoable change, named `what`. Changes with the same `merge` (not 0) that follow each other are
    // undone as one: typing, dragging.
    void change(const QString& what, const std::function<void(Filter&)>& edit, int merge = 0);

    // What is left out, each with words for its chip. Removing one is a change too.
    enum class Part : std::uint8_t { range, reasons, vcpu, text };
    struct Chip {
        Part part;
        QString words;
    };
    [[nodiscard]] std::vector<Chip> chips() const;
    void remove(Part part);

    enum Merge : int { merge_text = 1, merge_range = 2 };

signals:
    void changed();

private:
    friend class FilterChange;
    void set(const Filter& filter);

    QUndoStack& m_undo;
    Filter m_filter;
};

} // namespace shadowtune::gui

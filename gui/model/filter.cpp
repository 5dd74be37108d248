#include "gui/model/filter.hpp"

#include <QUndoCommand>
#include <QUndoStack>
#include <tuple>

namespace shadowtune::gui {

bool operator==(const Filter& a, const Filter& b) {
    const auto key{[](const Filter& f) {
        const db::SnapshotRange range{f.range.value_or(db::SnapshotRange{})};
        return std::tuple{f.axis,   f.rows.order, f.rows.accesses, f.rows.hide_cold, f.rows.text, range.from,
                          range.to, f.reasons,    f.vcpu};
    }};
    return key(a) == key(b);
}

class FilterChange : public QUndoCommand {
public:
    FilterChange(FilterState& state, Filter after, const QString& what, int merge)
        : QUndoCommand{what}, m_state{state}, m_before{state.filter()}, m_after{std::move(after)},
          m_merge{merge} {}

    void undo() override { m_state.set(m_before); }
    void redo() override { m_state.set(m_after); }
    [[nodiscard]] int id() const override { return m_merge == 0 ? -1 : m_merge; }
    bool mergeWith(const QUndoCommand* next) override {
        m_after = static_cast<const FilterChange*>(next)->m_after;
        setObsolete(m_after == m_before);
        return true;
    }

private:
    FilterState& m_state;
    Filter m_before;
    Filter m_after;
    int m_merge;
};

FilterState::FilterState(QUndoStack& undo, QObject* parent) : QObject{parent}, m_undo{undo} {}

void FilterState::change(const QString& what, const std::function<void(Filter&)>& edit, int merge) {
    Filter after{m_filter};
    edit(after);
    if (after == m_filter) return;
    m_undo.push(new FilterChange{*this, std::move(after), what, merge});
}

void FilterState::set(const Filter& filter) {
    if (filter == m_filter) return;
    m_filter = filter;
    emit changed();
}

std::vector<FilterState::Chip> FilterState::chips() const {
    std::vector<Chip> chips{};
    if (m_filter.range) {
        chips.push_back(
            {Part::range, QString{"snapshots %1 to %2"}.arg(m_filter.range->from).arg(m_filter.range->to)});
    }
    if (!m_filter.reasons.empty()) {
        QStringList names{};
        for (const std::uint8_t reason : m_filter.reasons)
            names << QString::fromUtf8(vmcs::exit_reason_names[reason].data());
        if (names.size() > 3) names = {QString{"%1 exit reasons"}.arg(names.size())};
        chips.push_back({Part::reasons, names.join(", ")});
    }
    if (m_filter.vcpu) chips.push_back({Part::vcpu, QString{"vCPU %1"}.arg(*m_filter.vcpu)});
    if (!m_filter.rows.text.empty())
        chips.push_back({Part::text, QString{"fields like '%1'"}.arg(m_filter.rows.text.c_str())});
    return chips;
}

void FilterState::remove(Part part) {
    change("remove a filter", [part](Filter& filter) {
        switch (part) {
        case Part::range: filter.range.reset(); break;
        case Part::reasons: filter.reasons.clear(); break;
        case Part::vcpu: filter.vcpu.reset(); break;
        case Part::text: filter.rows.text.clear(); break;
        }
    });
}

} // namespace shadowtune::gui

#include "gui/model/heatmap_model.hpp"
#include "tuner/static_lists.hpp"

#include <cmath>

namespace shadowtune::gui {

namespace {

[[nodiscard]] QString escaped(std::string_view text) {
    return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size())).toHtmlEscaped();
}

[[nodiscard]] QString line(const QString& what, const QString& value) {
    return QString{"<tr><td style='padding-right:10px'>%1</td><td>%2</td></tr>"}.arg(what, value);
}

[[nodiscard]] QString word(const vmcs::ShadowSets& sets, vmcs::FieldIndex field) {
    if (sets.write.test(field)) return "reads and writes shadowed";
    if (sets.read.test(field)) return "reads shadowed";
    return "trapped";
}

// The section of Appendix B that lists fields of this width and type. There is no 16-bit read-only data, so
// the 16-bit sections have one number less.
[[nodiscard]] QString sdm_section(const vmcs::FieldInfo& info) {
    constexpr int chapter[]{1, 2, 3, 4}; // 16, 64, 32, natural
    int section{static_cast<int>(info.type) + 1};
    if (info.width == vmcs::Width::bits16 && info.type > vmcs::Type::read_only_data) --section;
    return QString{"Vol. 3D, B.%1.%2"}.arg(chapter[static_cast<std::size_t>(info.width)]).arg(section);
}

[[nodiscard]] QString head(vmcs::FieldIndex field) {
    const vmcs::FieldInfo& info{vmcs::catalogue[field]};
    return QString{"<b>%1</b><br>%2, encoding %3, %4<br>"}.arg(escaped(info.name), escaped(info.symbol),
                                                               encoding_text(info.encoding),
                                                               QString::fromStdString(group_name(field)));
}

[[nodiscard]] QString rules(vmcs::FieldIndex field, const vmcs::FieldSet& offered) {
    const vmcs::FieldInfo& info{vmcs::catalogue[field]};
    QString text{line("KVM's list", word(tuner::kvm_static_list(offered), field)) +
                 line("Xen", word(tuner::xen_static_list(offered), field))};
    if (const std::string_view why{vmcs::reason(info.shadowing)}; !why.empty()) {
        text +=
            line("rule", (vmcs::may_shadow_read(info.shadowing) ? "reads only: " : "never: ") + escaped(why));
    }
    return text + line("SDM", sdm_section(info));
}

[[nodiscard]] std::optional<tuner::RateInterval> interval_in(const HeatmapData& data, vmcs::FieldIndex field,
                                                             std::size_t column, db::Access access) {
    return cell_interval(data.matrix, *data.recording, data.timeline.get(), field, column, access);
}

} // namespace

QString encoding_text(vmcs::Encoding encoding) {
    return QString{"%1"}.arg(encoding, 4, 16, QChar{'0'}).toUpper() + 'H';
}

QString rate_text(double rate) {
    return rate >= 1000 ? QString::number(rate, 'f', 0) : QString::number(rate, 'g', 3);
}

QString grouped(std::uint64_t number) {
    QString text{QString::number(number)};
    for (qsizetype at{text.size() - 3}; at > 0; at -= 3)
        text.insert(at, ',');
    return text;
}

QString interval_text(const tuner::RateInterval& interval) {
    if (!std::isfinite(interval.high)) return "no round trip sampled";
    return QString{"95 %: %1 to %2"}.arg(rate_text(interval.low), rate_text(interval.high));
}

QString cell_words(const HeatmapData& data, vmcs::FieldIndex field, std::size_t column, Accesses accesses) {
    const CellRate& cell{data.matrix.at(field, column)};
    const auto rate{[&](double value, const char* what, db::Access access) {
        const auto interval{interval_in(data, field, column, access)};
        return QString{"%1 %2%3"}.arg(rate_text(value), what,
                                      interval ? " (" + interval_text(*interval) + ")" : QString{});
    }};
    QStringList told{};
    if (!data.matrix.estimated) {
        told << QString{"%1 accesses"}.arg(rate_text(cell.of(accesses)));
    } else {
        if (accesses != Accesses::writes) told << rate(cell.reads, "reads", db::Access::read);
        if (accesses != Accesses::reads) told << rate(cell.writes, "writes", db::Access::write);
    }
    return QString{"%1, %2: %3 per round trip"}.arg(vmcs::catalogue[field].symbol.data(),
                                                    QString::fromStdString(data.matrix.columns[column].title),
                                                    told.join(", "));
}

QString field_tooltip(vmcs::FieldIndex field, const vmcs::FieldSet& offered) {
    return head(field) + "<table>" + rules(field, offered) + "</table>";
}

QString cell_tooltip(const HeatmapData& data, vmcs::FieldIndex field, std::size_t column,
                     const vmcs::ShadowSets& profile) {
    const RecordingData& recording{*data.recording};
    const HeatmapColumn& of{data.matrix.columns[column]};
    const CellRate& cell{data.matrix.at(field, column)};
    const vmcs::ShadowSets in_force{recording.in_force()};
    const bool of_recordings{data.matrix.axis != Axis::reason && data.matrix.axis != Axis::time};
    QString text{head(field) + escaped(of.title) + ": " + grouped(of.round_trips) + " round trips<table>"};
    const auto rate{[&](const char* what, double value, db::Access access) {
        const auto interval{interval_in(data, field, column, access)};
        const QString exact{interval ? " (" + interval_text(*interval) + ")"
                            : is_in(in_force, field, access) && !of_recordings && !data.matrix.complete
                                ? QString{" trapped; shadowed ones are not seen"}
                            : data.matrix.complete && !data.matrix.differences ? QString{" (all counted)"}
                                                                               : QString{}};
        text += line(what, rate_text(value) + " per round trip" + exact);
    }};
    rate("reads", cell.reads, db::Access::read);
    rate("writes", cell.writes, db::Access::write);
    if (!of_recordings) text += line("in force", word(in_force, field));
    text += line("profile", word(profile, field));
    return text + rules(field, recording.machine.offered_fields) + "</table>";
}

} // namespace shadowtune::gui

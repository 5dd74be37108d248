#include "gui/view/bitmap_page.hpp"

#include "gui/model/heatmap_model.hpp"
#include "tuner/static_lists.hpp"

#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QSignalBlocker>
#include <QVBoxLayout>
#include <filesystem>

namespace shadowtune::gui {

namespace {

enum Choice : int { in_force, of_profile, first_list };

} // namespace

BitmapPage::BitmapPage(ProfileDocument& document, QWidget* parent) : QWidget{parent}, m_document{document} {
    auto* const layout{new QVBoxLayout{this}};
    auto* const line{new QHBoxLayout};
    const auto choice{[&](const char* label, int start) {
        auto* const words{new QLabel{label, this}};
        auto* const combo{new QComboBox{this}};
        combo->addItems({"in force", "the profile"});
        for (const tuner::StaticList& list : tuner::static_lists())
            combo->addItem(QString::fromUtf8(list.title.data(), static_cast<qsizetype>(list.title.size())));
        combo->setCurrentIndex(start);
        words->setBuddy(combo);
        line->addWidget(words);
        line->addWidget(combo);
        connect(combo, &QComboBox::currentIndexChanged, this, [this] { refresh(); });
        return combo;
    }};
    m_shown = choice("S&how", of_profile);
    m_other = choice("  compare &with", in_force);
    m_words = new QLabel{this};
    m_words->setWordWrap(true);
    line->addSpacing(16);
    line->addWidget(m_words, 1);
    layout->addLayout(line);
    auto* const pages{new QHBoxLayout};
    m_reads = new BitmapView{"VMREAD bitmap", this};
    m_writes = new BitmapView{"VMWRITE bitmap", this};
    for (BitmapView* const view : {m_reads, m_writes}) {
        pages->addWidget(view, 1);
        connect(view, &BitmapView::picked, m_words, &QLabel::setText);
        connect(view, &BitmapView::toggled, this,
                [this, view](vmcs::FieldIndex field) { m_document.toggle(field, view == m_writes); });
    }
    layout->addLayout(pages, 1);
    auto* const key{
        new QLabel{"Each cell is one bit, in the order of the page: width down, type across, index from "
                   "left to right. Green passes to the shadow VMCS, grey traps, empty is no field. A frame "
                   "marks what differs: + only here, − only in the other. Space or Enter toggles a field of "
                   "the profile.",
                   this}};
    key->setWordWrap(true);
    layout->addWidget(key);
    connect(&document, &ProfileDocument::changed, this, [this] { refresh(); });
    refresh();
}

void BitmapPage::compare(const QString& shown, const QString& other) {
    m_shown->setCurrentText(shown);
    m_other->setCurrentText(other);
}

QString BitmapPage::as_csv() const {
    QString text{"encoding,field,read_passes,write_passes,other_read_passes,other_write_passes\n"};
    for (std::size_t i{0}; i < m_reads->cells().size(); ++i) {
        const BitmapCell& read{m_reads->cells()[i]};
        const BitmapCell& write{m_writes->cells()[i]};
        if (read.field == vmcs::no_field) continue;
        text += QString{"%1,%2,%3,%4,%5,%6\n"}
                    .arg(encoding_text(read.encoding), vmcs::catalogue[read.field].symbol.data())
                    .arg(int{read.passes})
                    .arg(int{write.passes})
                    .arg(int{read.passes_other})
                    .arg(int{write.passes_other});
    }
    return text;
}

vmcs::ShadowSets BitmapPage::sets_of(int choice) const {
    const RecordingPtr& recording{m_document.recording()};
    if (choice == in_force) return recording ? recording->in_force() : vmcs::ShadowSets{};
    if (choice == of_profile) return m_document.sets();
    const auto place{static_cast<std::size_t>(choice - first_list)};
    const auto lists{tuner::static_lists()};
    if (place < lists.size()) return lists[place].sets(m_document.target().offered);
    return m_document.opened()[place - lists.size()].sets;
}

// Behind the fixed lists, in their order: profiles that were opened stay to be compared with.
void BitmapPage::list_opened() {
    const int first{first_list + static_cast<int>(tuner::static_lists().size())};
    const auto& opened{m_document.opened()};
    for (QComboBox* const combo : {m_shown, m_other}) {
        const QSignalBlocker quiet{combo};
        for (int i{0}; i < static_cast<int>(opened.size()); ++i) {
            const ProfileDocument::Opened& of{opened[static_cast<std::size_t>(i)]};
            const QString title{QString{"%1 (%2)"}.arg(
                QString::fromStdString(of.name),
                QString::fromStdString(std::filesystem::path{of.file}.filename().string()))};
            if (first + i < combo->count()) {
                combo->setItemText(first + i, title);
            } else {
                combo->addItem(title);
            }
        }
    }
}

void BitmapPage::refresh() {
    list_opened();
    const vmcs::ShadowSets shown{sets_of(m_shown->currentIndex())};
    const vmcs::ShadowSets other{sets_of(m_other->currentIndex())};
    m_reads->show_sets(shown.read, other.read, m_document.target().offered);
    m_writes->show_sets(shown.write, other.write, m_document.target().offered);
    const auto differing{
        [](const vmcs::FieldSet& a, const vmcs::FieldSet& b) { return ((a | b) - (a & b)).count(); }};
    const bool asks_in_force{m_shown->currentIndex() == in_force || m_other->currentIndex() == in_force};
    if (asks_in_force && m_document.recording() && !m_document.recording()->knows_in_force()) {
        m_words->setText(
            "What is in force is not known: somebody else loaded it, and L0 tells only its name. "
            "It is shown as if all trapped.");
        return;
    }
    m_words->setText(QString{"%1 fields differ in reads, %2 in writes"}
                         .arg(differing(shown.read, other.read))
                         .arg(differing(shown.write, other.write)));
}

} // namespace shadowtune::gui

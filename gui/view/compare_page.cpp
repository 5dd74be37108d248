#include "gui/view/compare_page.hpp"

#include "gui/view/heatmap_view.hpp"

#include <QComboBox>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QScrollBar>
#include <QSignalBlocker>
#include <QSplitter>
#include <QTableView>
#include <QVBoxLayout>

namespace shadowtune::gui {

ComparePage::ComparePage(RecordingsModel& recordings, Loader& loader, QWidget* parent)
    : QWidget{parent}, m_recordings{recordings}, m_loader{loader} {
    auto* const layout{new QVBoxLayout{this}};
    auto* const line{new QHBoxLayout};
    const auto choice{[&](const char* label) {
        auto* const words{new QLabel{label, this}};
        auto* const combo{new QComboBox{this}};
        combo->setSizeAdjustPolicy(QComboBox::AdjustToContents);
        words->setBuddy(combo);
        line->addWidget(words);
        line->addWidget(combo);
        connect(combo, &QComboBox::activated, this, [this] { request(); });
        return combo;
    }};
    m_first = choice("F&irst");
    m_second = choice("  Seco&nd");
    line->addStretch();
    layout->addLayout(line);
    m_words = new QLabel{this};
    m_words->setWordWrap(true);
    layout->addWidget(m_words);
    m_empty = new QLabel{"Open two recordings to compare them: Ctrl+O, or drop the files here.\n"
                         "A file that holds several has them to choose from above.",
                         this};
    m_empty->setAlignment(Qt::AlignCenter);
    m_empty->setWordWrap(true);
    m_empty->setForegroundRole(QPalette::PlaceholderText);
    layout->addWidget(m_empty, 1);
    m_split = new QSplitter{Qt::Vertical, this};
    m_sides = new QSplitter{Qt::Horizontal, m_split};
    constexpr const char* names[]{"First", "Second", "Blue less, orange more"};
    for (std::size_t i{0}; i < 3; ++i) {
        auto* const side{new QWidget{m_sides}};
        auto* const column{new QVBoxLayout{side}};
        column->setContentsMargins(0, 0, 0, 0);
        auto* const title{new QLabel{QString{"<b>%1</b>"}.arg(names[i]), side}};
        title->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
        column->addWidget(title);
        m_views[i] = new HeatmapView{m_maps[i], side};
        m_views[i]->setAccessibleName(names[i]);
        column->addWidget(m_views[i], 1);
        if (i != 0) m_views[i]->verticalHeader()->hide();
        for (std::size_t other{0}; other < i; ++other) {
            connect(m_views[i]->verticalScrollBar(), &QScrollBar::valueChanged,
                    m_views[other]->verticalScrollBar(), &QScrollBar::setValue);
            connect(m_views[other]->verticalScrollBar(), &QScrollBar::valueChanged,
                    m_views[i]->verticalScrollBar(), &QScrollBar::setValue);
        }
    }
    for (int side{0}; side < m_sides->count(); ++side)
        m_sides->setStretchFactor(side, 1);
    auto* const table{new QTableView{m_split}};
    table->setModel(&m_differences);
    table->setAccessibleName("What differs");
    table->setShowGrid(false);
    table->setAlternatingRowColors(true);
    table->verticalHeader()->hide();
    table->verticalHeader()->setDefaultSectionSize(fontMetrics().height() + 5);
    table->horizontalHeader()->setSectionResizeMode(DifferenceModel::field_column, QHeaderView::Stretch);
    m_split->setStretchFactor(0, 3);
    m_split->setStretchFactor(1, 1);
    layout->addWidget(m_split, 1);
    connect(&recordings, &QAbstractItemModel::rowsInserted, this, [this] { refill(); });
    connect(&recordings, &QAbstractItemModel::rowsRemoved, this, [this] { refill(); });
    connect(&loader, &Loader::compared, this, &ComparePage::take);
    refill();
}

QString ComparePage::words() const {
    return m_words->text();
}

void ComparePage::set_appearance(Palette palette, bool dark) {
    for (HeatmapModel& map : m_maps)
        map.set_appearance(palette, dark);
}

void ComparePage::refill() {
    for (QComboBox* const combo : {m_first, m_second}) {
        const QSignalBlocker quiet{combo};
        const int before{combo->currentIndex()};
        combo->clear();
        for (int row{0}; row < m_recordings.rowCount(); ++row) {
            const auto text{[&](int column) { return m_recordings.index(row, column).data().toString(); }};
            combo->addItem(QString{"%1, %2 (%3)"}.arg(text(RecordingsModel::l1_column),
                                                      text(RecordingsModel::workload_column),
                                                      text(RecordingsModel::file_column)));
        }
        const int usual{combo == m_first ? 0 : 1};
        combo->setCurrentIndex(std::min(std::max(before, usual), combo->count() - 1));
    }
    m_stale = true;
    const bool enough{m_recordings.rowCount() >= 2};
    m_empty->setHidden(enough);
    m_words->setVisible(enough);
    m_split->setVisible(enough);
    if (isVisible()) request();
}

void ComparePage::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    if (m_stale) request();
}

void ComparePage::compare(int first_row, int second_row) {
    m_first->setCurrentIndex(first_row);
    m_second->setCurrentIndex(second_row);
    request();
}

void ComparePage::request() {
    if (m_recordings.rowCount() < 2 || m_first->currentIndex() < 0 || m_second->currentIndex() < 0) return;
    m_stale = false;
    m_loader.compare(m_recordings.key(m_first->currentIndex()), m_recordings.key(m_second->currentIndex()));
}

void ComparePage::take(const RecordingPtr& first, const TimelinePtr& first_steps, const RecordingPtr& second,
                       const TimelinePtr& second_steps) {
    const ComparedMaps maps{compared_maps(first, second)};
    // One scale for both: equal colours are equal rates.
    RateSpan span{rate_span(maps.first->matrix, Accesses::both)};
    const RateSpan other{rate_span(maps.second->matrix, Accesses::both)};
    if (other.most > 0)
        span = {span.most > 0 ? std::min(span.least, other.least) : other.least,
                std::max(span.most, other.most)};
    m_maps[0].show(maps.first, Accesses::both, span);
    m_maps[1].show(maps.second, Accesses::both, span);
    m_maps[2].show(maps.difference, Accesses::both);
    if (!m_is_divided) divide();
    const QString trouble{why_no_test(*first, *second)};
    if (!trouble.isEmpty()) {
        m_differences.show({});
        m_words->setText(trouble);
        return;
    }
    const auto sample{[](const RecordingData& recording, const TimelineData& steps) {
        return tuner::rate_sample(recording.workload(), steps.steps);
    }};
    m_differences.show(
        tuner::compare_rates(sample(*first, *first_steps), sample(*second, *second_steps), usual_level));
    m_words->setText(QString{"%1 of %2 rates differ by more than chance (level %3)."}
                         .arg(m_differences.significant())
                         .arg(m_differences.rowCount())
                         .arg(usual_level));
}

// As much room for the cells of each map: the first one has the fields' names as well.
void ComparePage::divide() {
    const int names{m_views[0]->verticalHeader()->width()};
    const int cells{(m_sides->width() - names) / 3};
    m_sides->setSizes({names + cells, cells, cells});
    m_is_divided = true;
}

} // namespace shadowtune::gui

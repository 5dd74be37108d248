#include "gui/view/command_palette.hpp"

#include <QAction>
#include <QKeyEvent>
#include <QLineEdit>
#include <QListWidget>
#include <QMenu>
#include <QPainter>
#include <QStyledItemDelegate>
#include <QVBoxLayout>
#include <utility>

namespace shadowtune::gui {

namespace {

[[nodiscard]] QString plain_name(const QAction& action) {
    const QString group{action.property("group").toString()};
    return (group.isEmpty() ? QString{} : group + ": ") + QString{action.text()}.remove('&').remove("...");
}

constexpr int keys_role{Qt::UserRole + 1};

// The name on the left, its keys on the right.
class CommandDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void paint(QPainter* painter, const QStyleOptionViewItem& option,
               const QModelIndex& index) const override {
        QStyledItemDelegate::paint(painter, option, index);
        const bool is_selected{(option.state & QStyle::State_Selected) != 0};
        painter->setPen(
            option.palette.color(is_selected ? QPalette::HighlightedText : QPalette::PlaceholderText));
        painter->drawText(option.rect.adjusted(0, 0, -8, 0), Qt::AlignRight | Qt::AlignVCenter,
                          index.data(keys_role).toString());
    }
    [[nodiscard]] QSize sizeHint(const QStyleOptionViewItem& option,
                                 const QModelIndex& index) const override {
        return QStyledItemDelegate::sizeHint(option, index).expandedTo({0, option.fontMetrics.height() + 8});
    }
};

} // namespace

QList<QAction*> commands_of(const QWidget& window) {
    QList<QAction*> commands{};
    for (QAction* const action : window.findChildren<QAction*>()) {
        const bool is_command{!action->isSeparator() && action->menu() == nullptr && action->isVisible() &&
                              !action->text().isEmpty() && action->property("command").toBool()};
        if (is_command) commands << action;
    }
    return commands;
}

CommandPalette::CommandPalette(const QList<QAction*>& actions, QWidget* parent)
    : QDialog{parent, Qt::Popup}, m_actions{actions} {
    setAccessibleName("Commands");
    resize(520, 380);
    auto* const layout{new QVBoxLayout{this}};
    layout->setContentsMargins(8, 8, 8, 8);
    m_text = new QLineEdit{this};
    m_text->setPlaceholderText("Type a command");
    m_text->installEventFilter(this);
    layout->addWidget(m_text);
    m_list = new QListWidget{this};
    m_list->setFocusPolicy(Qt::NoFocus);
    m_list->setItemDelegate(new CommandDelegate{m_list});
    layout->addWidget(m_list);
    connect(m_text, &QLineEdit::textChanged, this, [this](const QString& text) { filter(text); });
    connect(m_text, &QLineEdit::returnPressed, this, [this] { run(); });
    connect(m_list, &QListWidget::itemClicked, this, [this] { run(); });
    filter({});
    m_text->setFocus();
    if (parent != nullptr) move(parent->mapToGlobal(QPoint{(parent->width() - width()) / 2, 60}));
}

void CommandPalette::filter(const QString& text) {
    m_list->clear();
    const QStringList words{text.split(' ', Qt::SkipEmptyParts)};
    for (qsizetype i{0}; i < m_actions.size(); ++i) {
        const QString name{plain_name(*m_actions[i])};
        const bool matches{std::ranges::all_of(
            words, [&](const QString& word) { return name.contains(word, Qt::CaseInsensitive); })};
        if (!matches) continue;
        const QString keys{m_actions[i]->shortcut().toString(QKeySequence::NativeText)};
        auto* const item{new QListWidgetItem{name, m_list}};
        item->setData(Qt::UserRole, i);
        item->setData(keys_role, keys);
        item->setData(Qt::AccessibleTextRole, keys.isEmpty() ? name : name + ", " + keys);
        if (!m_actions[i]->isEnabled()) item->setFlags(Qt::NoItemFlags);
    }
    m_list->setCurrentRow(0);
}

void CommandPalette::run() {
    const QListWidgetItem* const item{m_list->currentItem()};
    if (item == nullptr) return;
    QAction* const action{m_actions[item->data(Qt::UserRole).toLongLong()]};
    accept();
    action->trigger();
}

bool CommandPalette::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_text && event->type() == QEvent::KeyPress) {
        const int key{static_cast<QKeyEvent*>(event)->key()};
        const int step{key == Qt::Key_Down ? 1 : key == Qt::Key_Up ? -1 : 0};
        if (step != 0) {
            m_list->setCurrentRow(
                std::clamp(m_list->currentRow() + step, 0, std::max(m_list->count() - 1, 0)));
            return true;
        }
    }
    return QDialog::eventFilter(watched, event);
}

QString keys_as_html(const QList<QAction*>& actions) {
    QString rows{};
    const auto add{[&rows](const QString& keys, const QString& what) {
        rows += "<tr><td style='padding-right:18px'><b>" + keys.toHtmlEscaped() + "</b></td><td>" +
                what.toHtmlEscaped() + "</td></tr>";
    }};
    constexpr std::pair<const char*, const char*> of_views[]{
        {"Arrows, Page Up, Page Down, Home, End", "Heatmap: move from cell to cell"},
        {"R or Enter, W", "Heatmap: shadow the field's reads, its writes, or trap them again"},
        {"+, -, 0", "Heatmap: larger cells, smaller cells, fit; Ctrl and the wheel do the same"},
        {"Left, Right", "Timeline: move the brush"},
        {"Shift+Left, Shift+Right", "Timeline: make it smaller, larger"},
        {"Escape", "Timeline: the whole recording"},
        {"Tab, F6", "Go from view to view"}};
    for (const auto& [keys, what] : of_views)
        add(keys, what);
    for (const QAction* const action : actions) {
        const QString keys{action->shortcut().toString(QKeySequence::NativeText)};
        if (!keys.isEmpty()) add(keys, plain_name(*action));
    }
    return "<table>" + rows + "</table>";
}

} // namespace shadowtune::gui

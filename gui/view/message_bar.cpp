#include "gui/view/message_bar.hpp"

#include <QHBoxLayout>
#include <QLabel>
#include <QToolButton>

namespace shadowtune::gui {

MessageBar::MessageBar(QWidget* parent) : QWidget{parent} {
    auto* const layout{new QHBoxLayout{this}};
    layout->setContentsMargins(10, 6, 10, 6);
    m_words = new QLabel{this};
    m_words->setWordWrap(true);
    m_words->setTextFormat(Qt::PlainText);
    m_words->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    layout->addWidget(m_words, 1);
    auto* const close{new QToolButton{this}};
    close->setText("✕");
    close->setAutoRaise(true);
    close->setAccessibleName("Close the message");
    connect(close, &QToolButton::clicked, this, &QWidget::hide);
    layout->addWidget(close, 0, Qt::AlignTop);
    setAttribute(Qt::WA_StyledBackground);
    hide();
}

QString MessageBar::words() const {
    return isHidden() ? QString{} : m_words->text();
}

void MessageBar::show_words(const QString& words, bool error) {
    setStyleSheet(
        QString{"shadowtune--gui--MessageBar { background: %1; } QLabel, QToolButton { color: white; }"}.arg(
            error ? "#B03A2E" : "#2A6FC9"));
    m_words->setText(words);
    show();
}

} // namespace shadowtune::gui

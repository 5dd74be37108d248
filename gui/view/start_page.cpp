#include "gui/view/start_page.hpp"

#include <QCommandLinkButton>
#include <QFileInfo>
#include <QLabel>
#include <QVBoxLayout>

namespace shadowtune::gui {

StartPage::StartPage(QWidget* parent) : QWidget{parent} {
    auto* const outer{new QVBoxLayout{this}};
    outer->addStretch(2);
    auto* const box{new QWidget{this}};
    box->setFixedWidth(fontMetrics().horizontalAdvance('x') * 76);
    auto* const layout{new QVBoxLayout{box}};
    auto* const title{new QLabel{"<h2 style='margin:0'>What does your L1 do to its VMCS?</h2>", box}};
    layout->addWidget(title);
    auto* const words{
        new QLabel{"Open a recording, or look at a running VMM. Files may be dropped here, too.", box}};
    words->setWordWrap(true);
    layout->addWidget(words);
    layout->addSpacing(10);
    const auto add{[&](const QString& what, const QString& how, void (StartPage::*wanted)()) {
        auto* const button{new QCommandLinkButton{what, how, box}};
        button->setIconSize({0, 0});
        button->setMinimumHeight(fontMetrics().height() * 4);
        connect(button, &QCommandLinkButton::clicked, this, wanted);
        layout->addWidget(button);
    }};
    add("Open a recording", "A file made by 'shadowtune record' (Ctrl+O)", &StartPage::open_wanted);
    add("Connect to a VMM", "By its Unix socket, tty, or TCP port (Ctrl+L)", &StartPage::connect_wanted);
    add("Run a hypervisor in the lab", "One of the zoo, emulated; no VT-x is needed (Ctrl+Shift+L)",
        &StartPage::lab_wanted);
    layout->addSpacing(10);
    m_recent = new QVBoxLayout;
    layout->addLayout(m_recent);
    outer->addWidget(box, 0, Qt::AlignHCenter);
    outer->addStretch(3);
}

void StartPage::set_recent(const QStringList& files) {
    while (QLayoutItem* const item{m_recent->takeAt(0)}) {
        delete item->widget();
        delete item;
    }
    if (files.isEmpty()) return;
    m_recent->addWidget(new QLabel{"<b>Recent</b>", this});
    for (const QString& file : files) {
        auto* const link{new QLabel{QString{"<a href='%1'>%2</a> <span>%3</span>"}.arg(
                                        file.toHtmlEscaped(), QFileInfo{file}.fileName().toHtmlEscaped(),
                                        QFileInfo{file}.path().toHtmlEscaped()),
                                    this}};
        link->setFocusPolicy(Qt::StrongFocus);
        connect(link, &QLabel::linkActivated, this, &StartPage::file_wanted);
        m_recent->addWidget(link);
    }
}

} // namespace shadowtune::gui

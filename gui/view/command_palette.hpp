#pragma once

// All commands of a window by name: type a part of it, Enter.

#include <QDialog>

class QAction;
class QLineEdit;
class QListWidget;

namespace shadowtune::gui {

class CommandPalette : public QDialog {
    Q_OBJECT
public:
    CommandPalette(const QList<QAction*>& actions, QWidget* parent);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void filter(const QString& text);
    void run();

    QList<QAction*> m_actions;
    QLineEdit* m_text;
    QListWidget* m_list;
};

// Of these, those that can be picked by a person: with a name, and without a menu below.
[[nodiscard]] QList<QAction*> commands_of(const QWidget& window);

// What keys do, as a table of rich text; beside commands those of the views.
[[nodiscard]] QString keys_as_html(const QList<QAction*>& actions);

} // namespace shadowtune::gui

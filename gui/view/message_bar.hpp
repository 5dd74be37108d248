#pragma once

// Errors and notes in words, in place: above what they are about, until they are closed.

#include <QWidget>

class QLabel;

namespace shadowtune::gui {

class MessageBar : public QWidget {
    Q_OBJECT
public:
    explicit MessageBar(QWidget* parent = nullptr);
    void show_error(const QString& words) { show_words(words, true); }
    void show_note(const QString& words) { show_words(words, false); }
    [[nodiscard]] QString words() const;

private:
    void show_words(const QString& words, bool error);

    QLabel* m_words;
};

} // namespace shadowtune::gui

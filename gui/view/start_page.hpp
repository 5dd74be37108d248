#pragma once

// What is shown before anything is open: what to do next.

#include <QStringList>
#include <QWidget>

class QVBoxLayout;

namespace shadowtune::gui {

class StartPage : public QWidget {
    Q_OBJECT
public:
    explicit StartPage(QWidget* parent = nullptr);
    void set_recent(const QStringList& files);

signals:
    void open_wanted();
    void connect_wanted();
    void lab_wanted();
    void file_wanted(const QString& file);

private:
    QVBoxLayout* m_recent;
};

} // namespace shadowtune::gui

#pragma once

// Both bitmap pages: the sets in force, those of the profile, of a fixed list, or of a profile opened before,
// and what differs between two of them.

#include "gui/model/profile_document.hpp"
#include "gui/view/bitmap_view.hpp"

class QComboBox;
class QLabel;

namespace shadowtune::gui {

class BitmapPage : public QWidget {
    Q_OBJECT
public:
    explicit BitmapPage(ProfileDocument& document, QWidget* parent = nullptr);

    // A line for each encoding of a field: what both pages say of it, and those compared with.
    [[nodiscard]] QString as_csv() const;
    // As if picked in the boxes, by their entries' titles.
    void compare(const QString& shown, const QString& other);
    [[nodiscard]] BitmapView& reads() const { return *m_reads; }
    [[nodiscard]] BitmapView& writes() const { return *m_writes; }

private:
    void refresh();
    void list_opened();
    [[nodiscard]] vmcs::ShadowSets sets_of(int choice) const;

    ProfileDocument& m_document;
    QComboBox* m_shown;
    QComboBox* m_other;
    BitmapView* m_reads;
    BitmapView* m_writes;
    QLabel* m_words;
};

} // namespace shadowtune::gui

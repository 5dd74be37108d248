#pragma once

// Both bitmap pages: the sets in force, those of the profile, or those of a fixed list, and what differs
// between two of them.

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
    [[nodiscard]] BitmapView& reads() const { return *m_reads; }
    [[nodiscard]] BitmapView& writes() const { return *m_writes; }

private:
    void refresh();
    [[nodiscard]] vmcs::ShadowSets sets_of(int choice) const;

    ProfileDocument& m_document;
    QComboBox* m_shown;
    QComboBox* m_other;
    BitmapView* m_reads;
    BitmapView* m_writes;
    QLabel* m_words;
};

} // namespace shadowtune::gui

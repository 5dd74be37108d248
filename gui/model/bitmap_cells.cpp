#include "gui/model/bitmap_cells.hpp"

#include <memory>

namespace shadowtune::gui {

std::vector<BitmapCell> cells_of(const vmcs::FieldSet& shown, const vmcs::FieldSet& other) {
    // Pages are aligned to their size: too large a demand for the stack.
    const auto page{std::make_unique<vmcs::BitmapPage>()};
    const auto other_page{std::make_unique<vmcs::BitmapPage>()};
    page->assign(shown);
    other_page->assign(other);
    std::vector<BitmapCell> cells{};
    for (unsigned width{0}; width < 4; ++width) {
        for (unsigned type{0}; type < 4; ++type) {
            const vmcs::Encoding first{
                vmcs::encode(static_cast<vmcs::Width>(width), static_cast<vmcs::Type>(type), 0)};
            for (int i{0}; i < cells_per_stretch; ++i) {
                const auto encoding{static_cast<vmcs::Encoding>(first + i)};
                cells.push_back(
                    {encoding, vmcs::find(encoding), !page->traps(encoding), !other_page->traps(encoding)});
            }
        }
    }
    return cells;
}

} // namespace shadowtune::gui

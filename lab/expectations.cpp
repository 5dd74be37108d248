#include "lab/expectations.hpp"

#include <algorithm>

namespace shadowtune::lab {

void Expectations::pass(Stream stream, std::string_view bytes) {
    if (missing_.empty()) return;
    auto& tail = tails_[static_cast<std::size_t>(stream)];
    tail += bytes;
    std::erase_if(missing_, [&](const std::string& text) { return tail.find(text) != std::string::npos; });
    std::size_t longest = 0;
    for (const auto& text : missing_)
        longest = std::max(longest, text.size());
    if (tail.size() > longest) tail.erase(0, tail.size() - longest);
}

} // namespace shadowtune::lab

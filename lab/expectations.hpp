// Texts that L1 has to print before it powers off: how a run without a person at the console tells that L1's
// guests came to their end.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace shadowtune::lab {

class Expectations {
public:
    enum class Stream : std::size_t { console, debug_port };

    explicit Expectations(std::vector<std::string> texts) : missing_{std::move(texts)} {}

    // A text may come in pieces, but from one stream.
    void pass(Stream stream, std::string_view bytes);

    // The first text that has not come yet; empty where all have.
    [[nodiscard]] std::string first_missing() const { return missing_.empty() ? std::string{} : missing_[0]; }

private:
    std::vector<std::string> missing_;
    std::array<std::string, 2> tails_; // of each stream, as long as a text that has begun may be
};

} // namespace shadowtune::lab

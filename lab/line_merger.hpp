// L1's console and the debug port share one output. Each is a stream of its own, and their bytes come when
// they come: whoever looks for a line must not find it in the middle of another.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace shadowtune::lab {

class LineMerger {
public:
    enum class Stream : std::uint8_t { console, debug_port };

    // What may be printed now: at once what comes while the other stream is at the beginning of a line, and
    // what waited for that.
    [[nodiscard]] std::string pass(Stream stream, std::string_view bytes);

    // What waits, though the other's line has not ended: a prompt may stand there for ever.
    [[nodiscard]] std::string release();

private:
    // Everything that may be printed of this stream and, where its line has ended, of the other one.
    void emit(Stream stream, std::string& out);
    [[nodiscard]] std::string& waiting(Stream stream) { return waiting_[static_cast<std::size_t>(stream)]; }

    std::array<std::string, 2> waiting_;
    Stream current_ = Stream::console; // whose line is open, if one is
    bool in_line_ = false;
};

} // namespace shadowtune::lab

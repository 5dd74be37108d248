#include "lab/line_merger.hpp"

namespace shadowtune::lab {
namespace {

[[nodiscard]] LineMerger::Stream other(LineMerger::Stream stream) {
    using enum LineMerger::Stream;
    return stream == console ? debug_port : console;
}

} // namespace

std::string LineMerger::pass(Stream stream, std::string_view bytes) {
    waiting(stream) += bytes;
    std::string out;
    if (!in_line_ || stream == current_) emit(stream, out);
    return out;
}

void LineMerger::emit(Stream stream, std::string& out) {
    // Where the other one waits, only whole lines go before it.
    auto& mine = waiting(stream);
    auto& theirs = waiting(other(stream));
    const auto end_of_line = mine.find('\n');
    const bool turn = !theirs.empty() && end_of_line != std::string::npos;
    const auto length = turn ? end_of_line + 1 : mine.size();
    out.append(mine, 0, length);
    mine.erase(0, length);
    if (out.empty()) return;
    current_ = stream;
    in_line_ = out.back() != '\n';
    if (!in_line_ && !theirs.empty()) emit(other(stream), out);
}

std::string LineMerger::release() {
    std::string out;
    if (!waiting(other(current_)).empty()) emit(other(current_), out);
    return out;
}

} // namespace shadowtune::lab

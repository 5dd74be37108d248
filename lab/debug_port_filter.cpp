#include "lab/debug_port_filter.hpp"

#include <cctype>

namespace shadowtune::lab {
namespace {

constexpr std::string_view first_prompt = "Next at t=0";
constexpr std::size_t longest_line = 4096; // a machine that never ends a line must not fill the memory

[[nodiscard]] bool is_digit(char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

enum class Match { no, prefix, whole };

// Matches "(N).[D", the beginning of the line with which the debugger reports where it stopped.
[[nodiscard]] Match match_stop(std::string_view text) {
    std::size_t at = 0;
    const auto literal = [&](char c) { return at < text.size() && text[at] == c; };
    if (!literal('(')) return text.empty() ? Match::prefix : Match::no;
    ++at;
    const auto digits = at;
    while (at < text.size() && is_digit(text[at]))
        ++at;
    if (at == text.size()) return Match::prefix;
    if (at == digits) return Match::no;
    for (const char c : std::string_view{").["}) {
        if (at == text.size()) return Match::prefix;
        if (!literal(c)) return Match::no;
        ++at;
    }
    if (at == text.size()) return Match::prefix;
    return is_digit(text[at]) ? Match::whole : Match::no;
}

} // namespace

std::string DebugPortFilter::pass(std::string_view output) {
    std::string out;
    for (const char c : output) {
        switch (state_) {
        case State::machine: machine_byte(c, out); break;
        case State::stop_line:
            if (c == '\n') state_ = State::machine;
            break;
        case State::banner:
        case State::cpu_lines:
            if (c != '\n') {
                if (line_.size() < longest_line) line_ += c;
                break;
            }
            if (state_ == State::banner) {
                if (line_.starts_with(first_prompt)) state_ = State::cpu_lines;
            } else if (--cpu_lines_left_ == 0) {
                state_ = State::machine;
            }
            line_.clear();
            break;
        }
    }
    return out;
}

void DebugPortFilter::machine_byte(char c, std::string& out) {
    held_ += c;
    switch (match_stop(held_)) {
    case Match::prefix: return;
    case Match::whole:
        held_.clear();
        state_ = State::stop_line;
        return;
    case Match::no: break;
    }
    // The last byte may begin a new match; the ones before it cannot.
    held_.pop_back();
    out += held_;
    held_.clear();
    if (c == '(') {
        held_ = c;
    } else {
        out += c;
    }
}

std::string DebugPortFilter::finish() {
    std::string out;
    out.swap(held_);
    return out;
}

void VerdictWatch::pass(std::string_view machine_bytes) {
    for (const char c : machine_bytes) {
        if (c == '\n') {
            end_line();
        } else if (c != '\r' && line_.size() < longest_line) {
            line_ += c;
        }
    }
}

void VerdictWatch::end_line() {
    // Only the first of each counts: what comes after a stop is a consequence.
    if (stopped_.empty() && line_.starts_with("shadowtune: L1 stopped:")) stopped_ = line_;
    if (cannot_start_.empty() && line_.starts_with("shadowtune: cannot start:")) cannot_start_ = line_;
    line_.clear();
}

} // namespace shadowtune::lab

// Bytes that the machine writes to port 0xE9 come out of Bochs's standard output, between Bochs's own lines.
#pragma once

#include <string>
#include <string_view>

namespace shadowtune::lab {

// Takes Bochs's standard output and leaves what the machine wrote to port 0xE9. Bochs's start (banner,
// plug-in list, "Next at t=0" and one "(N) [0x...] ..." line per processor) and its end ("(N).[ticks] [0x...]
// ...") are removed, also where the end follows the machine's bytes on the same line.
class DebugPortFilter {
public:
    explicit DebugPortFilter(unsigned cpus) : cpu_lines_left_{cpus} {}

    // What of the machine's bytes is certain after `output`; at most a few bytes are held back until the next
    // call.
    [[nodiscard]] std::string pass(std::string_view output);

    // What was held back, at the end of the output.
    [[nodiscard]] std::string finish();

private:
    enum class State { banner, cpu_lines, machine, stop_line };

    void machine_byte(char c, std::string& out);

    State state_ = State::banner;
    unsigned cpu_lines_left_;
    std::string line_; // Bochs's own line as far as it has come
    std::string held_; // bytes that may be the beginning of "(N).["
};

// Cuts a stream into lines and looks for the two that the VMM announces its end with.
class VerdictWatch {
public:
    void pass(std::string_view machine_bytes);

    // The whole lines; empty while not seen.
    [[nodiscard]] const std::string& stopped() const { return stopped_; }
    [[nodiscard]] const std::string& cannot_start() const { return cannot_start_; }

private:
    void end_line();

    std::string line_;
    std::string stopped_;
    std::string cannot_start_;
};

} // namespace shadowtune::lab

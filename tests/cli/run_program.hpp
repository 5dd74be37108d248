#pragma once

// Runs `shadowtune` as a user does and takes what it prints and its exit code.

#include <string>
#include <sys/types.h>
#include <vector>

namespace shadowtune::test {

struct Outcome {
    int code{-1}; // -1: ended by a signal
    std::string out;
    std::string err;
};

// A program on its way. Its standard input is empty.
class Program {
public:
    explicit Program(const std::vector<std::string>& arguments, const char* output = nullptr);
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    ~Program();
    void send(int signal) const;
    // Waits for some bytes on its standard error: it is at work.
    void wait_for_error_output();
    [[nodiscard]] Outcome wait();

private:
    pid_t m_pid{-1};
    int m_out{-1};
    int m_err{-1};
    Outcome m_outcome;
};

[[nodiscard]] Outcome run_program(const std::vector<std::string>& arguments);

} // namespace shadowtune::test

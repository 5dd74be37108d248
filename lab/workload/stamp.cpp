#include "lab/workload/stamp.hpp"

#include <array>
#include <cstdio>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

namespace shadowtune::workload {

namespace {

[[nodiscard]] long long kvm_exits() {
    long long exits = -1;
    if (std::FILE* file = std::fopen("/sys/kernel/debug/kvm/exits", "r"); file != nullptr) {
        if (std::fscanf(file, "%lld", &exits) != 1) exits = -1;
        std::fclose(file);
    }
    return exits;
}

// One write per line: its reader waits for whole lines.
void print_stamped(std::string line) {
    line += " [ticks=" + std::to_string(__rdtsc()) + " exits=" + std::to_string(kvm_exits()) + "]\n";
    if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) return;
}

} // namespace

int stamp(char* const* program) {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) return 127;
    print_stamped("begin");
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(ends[1], STDOUT_FILENO);
        ::close(ends[0]);
        ::close(ends[1]);
        ::execv(program[0], program);
        ::_exit(127);
    }
    ::close(ends[1]);
    std::string line;
    char c = 0;
    while (::read(ends[0], &c, 1) == 1) {
        if (c == '\n') {
            print_stamped(std::move(line));
            line.clear();
        } else if (c != '\r') {
            line += c;
        }
    }
    ::close(ends[0]);
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 127;
    return WEXITSTATUS(status);
}

} // namespace shadowtune::workload

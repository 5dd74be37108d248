#include "tests/cli/run_program.hpp"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shadowtune::test {

Program::Program(const std::vector<std::string>& arguments, const char* output) {
    int out[2]{};
    int err[2]{};
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) std::abort();
    std::vector<std::string> words{SHADOWTUNE_PROGRAM};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> raw{};
    for (auto& word : words)
        raw.push_back(word.data());
    raw.push_back(nullptr);
    m_pid = fork();
    if (m_pid < 0) std::abort();
    if (m_pid == 0) {
        dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
        dup2(output == nullptr ? out[1] : open(output, O_WRONLY), STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        execv(SHADOWTUNE_PROGRAM, raw.data());
        _exit(127);
    }
    close(out[1]);
    close(err[1]);
    m_out = out[0];
    m_err = err[0];
}

Program::~Program() {
    if (m_pid > 0) {
        kill(m_pid, SIGKILL);
        waitpid(m_pid, nullptr, 0);
    }
    close(m_out);
    close(m_err);
}

void Program::send(int signal) const {
    kill(m_pid, signal);
}

void Program::wait_for_error_output() {
    char buffer[4096];
    const ssize_t got{read(m_err, buffer, sizeof(buffer))};
    if (got > 0) m_outcome.err.append(buffer, static_cast<std::size_t>(got));
}

Outcome Program::wait() {
    // Both at once, so that a program with much to say on one does not wait for the other.
    pollfd ends[2]{{m_out, POLLIN, 0}, {m_err, POLLIN, 0}};
    std::string* texts[2]{&m_outcome.out, &m_outcome.err};
    while (ends[0].fd >= 0 || ends[1].fd >= 0) {
        if (poll(ends, 2, -1) < 0) break;
        for (int i{0}; i < 2; ++i) {
            if (ends[i].revents == 0) continue;
            char buffer[65536];
            const ssize_t got{read(ends[i].fd, buffer, sizeof(buffer))};
            if (got <= 0) {
                ends[i].fd = -1;
            } else {
                texts[i]->append(buffer, static_cast<std::size_t>(got));
            }
        }
    }
    int status{0};
    waitpid(m_pid, &status, 0);
    m_pid = -1;
    m_outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return m_outcome;
}

Outcome run_program(const std::vector<std::string>& arguments) {
    return Program{arguments}.wait();
}

} // namespace shadowtune::test

#pragma once

// Owns a file descriptor.

#include <unistd.h>
#include <utility>

namespace shadowtune::link {

class UniqueFd {
public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) : m_fd{fd} {}
    UniqueFd(UniqueFd&& other) noexcept : m_fd{std::exchange(other.m_fd, -1)} {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        if (this != &other) {
            reset();
            m_fd = std::exchange(other.m_fd, -1);
        }
        return *this;
    }
    ~UniqueFd() { reset(); }

    [[nodiscard]] int get() const { return m_fd; }
    [[nodiscard]] explicit operator bool() const { return m_fd >= 0; }

    void reset() {
        if (m_fd >= 0) ::close(m_fd);
        m_fd = -1;
    }

private:
    int m_fd{-1};
};

} // namespace shadowtune::link

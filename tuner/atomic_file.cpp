#include "tuner/atomic_file.hpp"

#include "db/database.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace shadowtune::tuner {

namespace {

class Descriptor {
public:
    explicit Descriptor(int value) : m_value{value} {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (m_value >= 0) close(m_value);
    }
    [[nodiscard]] int get() const { return m_value; }

private:
    int m_value;
};

[[nodiscard]] Failure<std::string> failed(const std::filesystem::path& path, std::string_view what,
                                          int error) {
    return Failure{path.string() + ": " + std::string{what} + " (" + std::strerror(error) +
                   "); check the path, its permissions and the space on the disk"};
}

[[nodiscard]] bool write_all(int descriptor, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written{write(descriptor, text.data(), text.size())};
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    // Without it a power cut may leave the new name with no contents.
    return fsync(descriptor) == 0;
}

// A pipe or /dev/stdout cannot be replaced by rename; there is nothing to keep whole either.
[[nodiscard]] Result<void, std::string> write_in_place(const std::filesystem::path& path,
                                                       std::string_view text) {
    const Descriptor file{open(path.c_str(), O_WRONLY | O_CLOEXEC)};
    if (file.get() < 0) return failed(path, "cannot be written", errno);
    while (!text.empty()) {
        const ssize_t written{write(file.get(), text.data(), text.size())};
        if (written < 0) return failed(path, "cannot be written", errno);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

// The file that a chain of symlinks names, be it there or not: what is renamed must be that, not a link.
[[nodiscard]] std::filesystem::path followed(std::filesystem::path path) {
    std::error_code error{};
    for (auto to{std::filesystem::read_symlink(path, error)}; !error;
         to = std::filesystem::read_symlink(path, error))
        path = path.parent_path() / to;
    return path;
}

[[nodiscard]] bool is_plain_file(const std::filesystem::path& path) {
    std::error_code ignored{};
    return std::filesystem::is_regular_file(path, ignored);
}

} // namespace

Result<void, std::string> check_replaceable(const std::filesystem::path& path) {
    if (!is_plain_file(path) || !db::is_database(path)) return {};
    return Failure{path.string() + ": a database is there, and would be lost; give another name"};
}

Result<void, std::string> write_atomically(const std::filesystem::path& name, std::string_view text) {
    if (auto good{check_replaceable(name)}; !good) return good;
    struct stat existing {};
    const bool exists{stat(name.c_str(), &existing) == 0};
    if (!exists && errno != ENOENT) return failed(name, "cannot be written", errno);
    if (exists && !S_ISREG(existing.st_mode)) return write_in_place(name, text);
    const std::filesystem::path path{followed(name)};
    std::string temporary{path.string() + ".XXXXXX"};
    {
        const Descriptor file{mkostemp(temporary.data(), O_CLOEXEC)};
        if (file.get() < 0) return failed(path, "cannot be written", errno);
        // mkostemp makes the file for its owner alone; a new file gets what the user's umask allows.
        const mode_t mask{umask(0)};
        umask(mask);
        const mode_t mode{exists ? existing.st_mode & 07777U : 0666U & ~mask};
        if (!write_all(file.get(), text) || fchmod(file.get(), mode) != 0) {
            const int error{errno};
            unlink(temporary.c_str());
            return failed(path, "cannot be written", error);
        }
    }
    if (rename(temporary.c_str(), path.c_str()) != 0) {
        const int error{errno};
        unlink(temporary.c_str());
        return failed(path, "cannot be replaced", error);
    }
    return {};
}

Result<std::string, std::string> read_whole(const std::filesystem::path& path, std::size_t limit) {
    const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.get() < 0) return failed(path, "cannot be read", errno);
    std::string text{};
    char buffer[65536];
    while (true) {
        const ssize_t got{read(file.get(), buffer, sizeof(buffer))};
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return failed(path, "cannot be read", errno);
        if (got == 0) return text;
        text.append(buffer, static_cast<std::size_t>(got));
        if (text.size() > limit) {
            return Failure{path.string() + ": larger than " + std::to_string(limit >> 20) +
                           " MiB, so not a file of this kind; check the path"};
        }
    }
}

} // namespace shadowtune::tuner

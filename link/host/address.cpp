#include "link/host/address.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>

namespace shadowtune::link {

namespace {

[[nodiscard]] Failure<LinkError> fail(LinkErrorKind kind, const Address& address, const std::string& what) {
    return Failure{LinkError{kind, "link " + address.text + ": " + what}};
}

// A wrong path or a missing permission does not mend itself; a VMM that is not there yet does.
[[nodiscard]] Failure<LinkError> fail_errno(const Address& address, const char* what, int error) {
    const bool final{error == EACCES || error == EPERM || error == ENOTDIR || error == ELOOP ||
                     error == ENAMETOOLONG};
    std::string text{std::string{what} + ": " + std::strerror(error)};
    if (error == ENOENT || error == ECONNREFUSED) text += "; is the VMM started (shadowtune lab run --link)?";
    if (error == EACCES) text += "; a serial port needs the group dialout or root";
    return fail(final ? LinkErrorKind::bad_address : LinkErrorKind::no_connection, address, text);
}

[[nodiscard]] Result<Opening, LinkError> open_unix(const Address& address) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (address.path.size() >= sizeof(name.sun_path))
        return fail_errno(address, "cannot connect", ENAMETOOLONG);
    address.path.copy(name.sun_path, address.path.size());
    UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!fd) return fail_errno(address, "cannot make a socket", errno);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) != 0) {
        return fail_errno(address, "cannot connect", errno);
    }
    return Opening{std::move(fd), false, false};
}

// A tty's driver would otherwise translate line ends, echo, and swallow XON, XOFF and interrupt characters: a
// frame may hold any byte but zero.
[[nodiscard]] bool make_raw(int fd) {
    termios line{};
    if (::tcgetattr(fd, &line) != 0) return false;
    ::cfmakeraw(&line);
    line.c_cflag &= ~static_cast<tcflag_t>(CSTOPB | CRTSCTS | PARENB);
    line.c_cflag |= CLOCAL | CREAD | CS8;
    line.c_cc[VMIN] = 1;
    line.c_cc[VTIME] = 0;
    if (::cfsetispeed(&line, B115200) != 0 || ::cfsetospeed(&line, B115200) != 0) return false;
    return ::tcsetattr(fd, TCSANOW, &line) == 0;
}

[[nodiscard]] Result<Opening, LinkError> open_terminal(const Address& address) {
    UniqueFd fd{::open(address.path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)};
    if (!fd) return fail_errno(address, "cannot open", errno);
    if (::isatty(fd.get()) == 0) {
        return fail(LinkErrorKind::bad_address, address,
                    "a device, but no serial port; give its tty or a socket");
    }
    if (!make_raw(fd.get())) return fail_errno(address, "cannot set 115200 baud, raw", errno);
    // Two readers would each get half of the frames. Root may still do it; then CRC and sequence numbers
    // tell.
    ::ioctl(fd.get(), TIOCEXCL);
    return Opening{std::move(fd), false, true};
}

[[nodiscard]] Result<Opening, LinkError> open_path(const Address& address) {
    struct stat info {};
    if (::stat(address.path.c_str(), &info) != 0) return fail_errno(address, "cannot open", errno);
    if (S_ISSOCK(info.st_mode)) return open_unix(address);
    if (S_ISCHR(info.st_mode)) return open_terminal(address);
    return fail(LinkErrorKind::bad_address, address,
                "neither a socket nor a serial port; give the VMM's link");
}

[[nodiscard]] Result<Opening, LinkError> open_tcp(const Address& address, std::uint64_t attempt) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list{nullptr};
    if (const int error{::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &list)};
        error != 0) {
        // EAI_NONAME and the like: a name that nobody knows will not become known in seconds.
        const bool again{error == EAI_AGAIN || error == EAI_SYSTEM || error == EAI_MEMORY};
        return fail(again ? LinkErrorKind::no_connection : LinkErrorKind::bad_address, address,
                    "no such host: " + std::string{::gai_strerror(error)});
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner{list, &::freeaddrinfo};
    std::uint64_t count{0};
    for (const addrinfo* entry{list}; entry != nullptr; entry = entry->ai_next)
        ++count;
    const addrinfo* chosen{list};
    for (std::uint64_t i{0}; i < attempt % count; ++i)
        chosen = chosen->ai_next;

    UniqueFd fd{::socket(chosen->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!fd) return fail_errno(address, "cannot make a socket", errno);
    const int on{1};
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); // commands are small and waited for
    ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (::connect(fd.get(), chosen->ai_addr, chosen->ai_addrlen) != 0) {
        if (errno != EINPROGRESS) return fail_errno(address, "cannot connect", errno);
        return Opening{std::move(fd), true, false};
    }
    return Opening{std::move(fd), false, false};
}

} // namespace

Result<Address, LinkError> parse_address(std::string_view text) {
    Address address;
    address.text = text;
    const auto bad{[&](const char* what) { return fail(LinkErrorKind::bad_address, address, what); }};
    if (text.empty())
        return Failure{LinkError{LinkErrorKind::bad_address,
                                 "the link's address is empty; give a path or tcp:HOST:PORT"}};
    constexpr std::string_view tcp{"tcp:"};
    if (!text.starts_with(tcp)) {
        address.path = text;
        return address;
    }
    address.tcp = true;
    const std::string_view rest{text.substr(tcp.size())};
    const std::size_t colon{rest.rfind(':')};
    if (colon == std::string_view::npos || colon == 0) return bad("not of the form tcp:HOST:PORT");
    std::string_view host{rest.substr(0, colon)};
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return bad("an IPv6 address stands in brackets: tcp:[HOST]:PORT");
    }
    const std::string_view port{rest.substr(colon + 1)};
    unsigned number{0};
    const auto [end, error]{std::from_chars(port.data(), port.data() + port.size(), number)};
    if (error != std::errc{} || end != port.data() + port.size() || number == 0 || number > 65535) {
        return bad("the port is a number from 1 to 65535");
    }
    address.host = host;
    address.port = port;
    return address;
}

Result<Opening, LinkError> open_address(const Address& address, std::uint64_t attempt) {
    return address.tcp ? open_tcp(address, attempt) : open_path(address);
}

Result<void, LinkError> finish_opening(const Address& address, const UniqueFd& fd) {
    int error{0};
    socklen_t size{sizeof(error)};
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    if (error != 0) return fail_errno(address, "cannot connect", error);
    return {};
}

} // namespace shadowtune::link

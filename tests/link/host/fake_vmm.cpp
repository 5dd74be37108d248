#include "tests/link/host/fake_vmm.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace shadowtune::link::test {

namespace {

template <typename Record>
[[nodiscard]] Bytes bytes_of(const Record& record) {
    const auto* first{reinterpret_cast<const std::uint8_t*>(&record)};
    return {first, first + sizeof(record)};
}

[[nodiscard]] UniqueFd listening(int family, const void* name, socklen_t size) {
    UniqueFd fd{::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (::bind(fd.get(), static_cast<const sockaddr*>(name), size) != 0 || ::listen(fd.get(), 4) != 0) {
        throw std::runtime_error{std::string{"fake VMM: "} + std::strerror(errno)};
    }
    return fd;
}

} // namespace

CounterRecord fake_counter(std::size_t counter, std::uint64_t n) {
    if (counter == fake_counters) return {0, static_cast<std::uint8_t>(Counted::round_trips), fake_reason, n};
    const std::size_t fields{vmcs::field_count};
    return {vmcs::catalogue[counter % fields].encoding, static_cast<std::uint8_t>((counter / fields) % 2),
            static_cast<std::uint8_t>(counter / fields / 2), n * factor(counter)};
}

std::vector<Message> fake_snapshot(std::uint32_t id, std::uint16_t vcpu, std::uint64_t n, Mode mode,
                                   std::uint32_t generation, std::uint32_t since, std::uint64_t sampled) {
    std::vector<CounterRecord> records{};
    for (std::size_t i{0}; i < fake_records; ++i)
        records.push_back(fake_counter(i, n));
    if (sampled != 0) {
        const vmcs::Encoding rip{vmcs::encoding_of(vmcs::Field::guest_rip)};
        const auto add{[&](vmcs::Encoding encoding, Counted counted, std::uint64_t count) {
            records.push_back({encoding, static_cast<std::uint8_t>(counted), fake_reason, count});
        }};
        records.back().count += sampled * fake_sample_interval;
        add(0, Counted::sampled_round_trips, sampled);
        add(rip, Counted::sampled_reads, sampled);
        add(rip, Counted::squared_reads, 2 * sampled);
    }
    SnapshotHead head{};
    head.id = id;
    head.vcpu = vcpu;
    head.number = static_cast<std::uint32_t>(n);
    head.since = since;
    head.parts = static_cast<std::uint16_t>((records.size() + records_per_part - 1) / records_per_part);
    head.tsc = n * 1000;
    head.round_trips = n + sampled * fake_sample_interval;
    head.mode = static_cast<std::uint8_t>(mode);
    if (mode == Mode::sample) head.sample_interval = fake_sample_interval;
    head.generation = generation;
    std::vector<Message> messages{{MessageType::snapshot_head, bytes_of(head)}};
    for (std::uint16_t part{0}; part < head.parts; ++part) {
        const std::size_t first{part * records_per_part};
        const std::size_t count{std::min(records_per_part, records.size() - first)};
        Bytes payload{bytes_of(SnapshotPart{id, vcpu, part, static_cast<std::uint16_t>(count)})};
        for (std::size_t i{first}; i < first + count; ++i) {
            const Bytes record{bytes_of(records[i])};
            payload.insert(payload.end(), record.begin(), record.end());
        }
        messages.push_back({MessageType::snapshot_part, std::move(payload)});
    }
    return messages;
}

void FakeVmm::listen_unix(const std::string& path) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    path.copy(name.sun_path, sizeof(name.sun_path) - 1);
    ::unlink(path.c_str());
    start(listening(AF_UNIX, &name, sizeof(name)));
}

std::uint16_t FakeVmm::listen_tcp() {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    UniqueFd fd{listening(AF_INET, &name, sizeof(name))};
    socklen_t size{sizeof(name)};
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &size);
    start(std::move(fd));
    return ntohs(name.sin_port);
}

void FakeVmm::serve_terminal(UniqueFd master) {
    m_thread = std::thread{[this, fd = std::move(master)] { serve(fd.get()); }};
}

void FakeVmm::start(UniqueFd listener) {
    m_thread = std::thread{[this, fd = std::move(listener)] { accept_and_serve(fd.get()); }};
}

void FakeVmm::stop() {
    m_stop = true;
    if (m_thread.joinable()) m_thread.join();
}

void FakeVmm::accept_and_serve(int listener) {
    while (!m_stop) {
        pollfd entry{listener, POLLIN, 0};
        if (::poll(&entry, 1, 5) <= 0) continue;
        const UniqueFd fd{::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)};
        if (fd) serve(fd.get());
    }
}

void FakeVmm::serve(int fd) {
    ++m_connections;
    FrameDecoder decoder;
    Bytes frame;
    {
        const std::lock_guard lock{m_mutex};
        m_fd = fd;
        m_sent = 0;
        m_broken = false;
        m_cut = false;
    }
    while (!m_stop && !m_cut && !m_broken) {
        pollfd entry{fd, POLLIN, 0};
        if (::poll(&entry, 1, 2) <= 0) continue;
        if (!receive(fd, decoder, frame)) break;
    }
    const std::lock_guard lock{m_mutex};
    m_fd = -1;
}

bool FakeVmm::receive(int fd, FrameDecoder& decoder, Bytes& frame) {
    std::uint8_t bytes[512];
    const ssize_t got{::read(fd, bytes, sizeof(bytes))};
    if (got <= 0) return false;
    const std::lock_guard lock{m_mutex};
    for (ssize_t i{0}; i < got; ++i) {
        frame.push_back(bytes[i]);
        if (bytes[i] != 0) continue;
        for (const Bytes& arrived : line(frame)) {
            for (const std::uint8_t byte : arrived) {
                if (decoder.push(byte)) take(decoder.frame());
            }
        }
        frame.clear();
    }
    return true;
}

std::vector<Bytes> FakeVmm::line(const Bytes& frame) {
    if (m_options.fault_one_in == 0 || m_random() % m_options.fault_one_in != 0) return {frame};
    Bytes damaged{frame};
    switch (m_random() % 4) {
    case 0: return {};
    case 1: return {frame, frame};
    case 2: damaged.erase(damaged.begin() + static_cast<std::ptrdiff_t>(m_random() % damaged.size())); break;
    default: {
        auto& byte{damaged[m_random() % damaged.size()]};
        byte = static_cast<std::uint8_t>(byte ^ (1U << (m_random() % 8)));
    }
    }
    return {damaged};
}

void FakeVmm::take(const Frame& frame) {
    Command command{};
    if (m_options.mute || !read_record(frame.payload, command)) return;
    if (take_save_command(frame)) return;
    switch (frame.type) {
    case MessageType::hello_request: return greet(command.id);
    case MessageType::snapshot_request: {
        SnapshotRequest request{};
        if (!read_record(frame.payload, request)) return;
        // Time passes between two requests, and so it does when one request comes twice.
        ++m_snapshots;
        if (m_mode == Mode::sample) m_sampled += m_options.sampled_each;
        const std::uint64_t n{m_options.counts_go_back && m_snapshots > 1 ? 1000 - m_snapshots
                                                                          : 1000 + m_snapshots};
        // All counters change, so the differences are all of them.
        const bool knows{request.known != 0 && request.known == m_last_number};
        for (std::uint16_t vcpu{0}; vcpu < m_options.vcpus; ++vcpu) {
            for (const Message& message : fake_snapshot(command.id, vcpu, n, m_mode, m_generation,
                                                        knows ? m_last_number : 0, m_sampled))
                send(message.type, message.payload);
        }
        m_last_number = static_cast<std::uint32_t>(n);
        return;
    }
    case MessageType::status_request:
        for (std::uint16_t vcpu{0}; vcpu < m_options.vcpus; ++vcpu) {
            Status status{};
            status.id = command.id;
            status.vcpu = vcpu;
            status.mode = static_cast<std::uint8_t>(m_mode.load());
            status.l1_state = static_cast<std::uint8_t>(m_l1_stopped ? L1State::stopped : m_l1_state.load());
            status.generation = status.newest_generation = m_generation;
            std::strcpy(status.profile_name, "fake");
            send(MessageType::status, bytes_of(status));
        }
        return;
    case MessageType::fingerprint_request: return send_fingerprint(command.id);
    default: take_command(frame.type, command.id, frame);
    }
}

void FakeVmm::take_command(MessageType type, std::uint32_t id, const Frame& frame) {
    if (const auto known{m_answered.find(id)}; known != m_answered.end()) {
        send(MessageType::acknowledge, known->second);
        return;
    }
    Acknowledge answer{};
    answer.id = id;
    answer.command = static_cast<std::uint8_t>(type);
    if (m_options.busy_answers != 0) {
        --m_options.busy_answers;
        answer.status = static_cast<std::uint8_t>(CommandStatus::busy);
    } else if (m_options.refuse != CommandStatus::done) {
        answer.status = static_cast<std::uint8_t>(m_options.refuse);
        answer.detail = static_cast<std::uint8_t>(vmcs::ProfileRule::write_without_read);
        answer.field = vmcs::index_of(vmcs::Field::guest_rip);
    } else {
        SetMode mode{};
        if (type == MessageType::set_mode && read_record(frame.payload, mode))
            m_mode = static_cast<Mode>(mode.mode);
        answer.generation = ++m_generation;
    }
    send(MessageType::acknowledge, m_answered[id] = bytes_of(answer));
}

void FakeVmm::set_saved(Bytes blob) {
    const std::lock_guard lock{m_mutex};
    m_saved = std::move(blob);
}

Bytes FakeVmm::restored() {
    const std::lock_guard lock{m_mutex};
    return m_restored;
}

void FakeVmm::send_blob_state(MessageType command, std::uint32_t id, CommandStatus status) {
    BlobState state{};
    state.id = id;
    state.command = static_cast<std::uint8_t>(command);
    state.status = static_cast<std::uint8_t>(status);
    const bool saves{command == MessageType::save_request};
    state.crc = saves ? crc32c(m_saved) : m_incoming_crc;
    state.size = saves ? static_cast<std::uint32_t>(m_saved.size()) : m_incoming_size;
    state.held = saves ? state.size : static_cast<std::uint32_t>(m_incoming.size());
    send(MessageType::blob_state, bytes_of(state));
}

bool FakeVmm::take_save_command(const Frame& frame) {
    const auto acknowledge{[&](std::uint32_t id, CommandStatus status) {
        Acknowledge answer{};
        answer.id = id;
        answer.command = static_cast<std::uint8_t>(frame.type);
        answer.status = static_cast<std::uint8_t>(status);
        send(MessageType::acknowledge, bytes_of(answer));
    }};
    Command command{};
    BlobRequest request{};
    Release release{};
    RestoreBegin begin{};
    BlobChunk chunk{};
    RestoreCommit commit{};
    switch (frame.type) {
    case MessageType::save_request:
        if (!read_record(frame.payload, command)) return true;
        if (m_l1_state == L1State::awaited) {
            send_blob_state(frame.type, command.id, CommandStatus::l1_stopped);
            return true;
        }
        m_l1_state = L1State::saved;
        send_blob_state(frame.type, command.id, CommandStatus::done);
        return true;
    case MessageType::blob_request: {
        if (!read_record(frame.payload, request)) return true;
        if (request.crc != crc32c(m_saved) || request.offset >= m_saved.size()) {
            acknowledge(request.id, CommandStatus::other_blob);
            return true;
        }
        Bytes payload{bytes_of(BlobChunk{request.id, request.crc, request.offset})};
        const std::size_t count{std::min(blob_chunk_bytes, m_saved.size() - request.offset)};
        const auto first{m_saved.begin() + request.offset};
        payload.insert(payload.end(), first, first + static_cast<std::ptrdiff_t>(count));
        send(MessageType::blob_chunk, payload);
        return true;
    }
    case MessageType::release:
        if (!read_record(frame.payload, release)) return true;
        if (release.crc != crc32c(m_saved)) {
            acknowledge(release.id, CommandStatus::other_blob);
            return true;
        }
        // Whoever has the answer may look at the state at once; a restart answers first.
        if (release.action == static_cast<std::uint8_t>(ReleaseAction::resume)) m_l1_state = L1State::running;
        acknowledge(release.id, CommandStatus::done);
        if (m_l1_state == L1State::saved) {
            m_l1_state = L1State::awaited;
            reboot(m_options.boot_id + 1, false);
        }
        return true;
    case MessageType::restore_begin:
        if (!read_record(frame.payload, begin)) return true;
        if (m_l1_state != L1State::awaited && begin.crc != m_incoming_crc) {
            send_blob_state(frame.type, begin.id, CommandStatus::l1_not_awaited);
            return true;
        }
        if (begin.crc != m_incoming_crc || begin.size != m_incoming_size) m_incoming.clear();
        m_incoming_crc = begin.crc;
        m_incoming_size = begin.size;
        send_blob_state(frame.type, begin.id, CommandStatus::done);
        return true;
    case MessageType::restore_chunk: {
        if (!read_record(frame.payload, chunk)) return true;
        const auto bytes{frame.payload.subspan(sizeof(chunk))};
        if (chunk.crc == m_incoming_crc && chunk.offset == m_incoming.size())
            m_incoming.insert(m_incoming.end(), bytes.begin(), bytes.end());
        send_blob_state(frame.type, chunk.id, CommandStatus::done);
        return true;
    }
    case MessageType::restore_commit:
        if (!read_record(frame.payload, commit)) return true;
        if (m_l1_state == L1State::awaited) {
            if (crc32c(m_incoming) != commit.crc) {
                acknowledge(commit.id, CommandStatus::other_blob);
                return true;
            }
            m_restored = m_incoming;
            m_l1_state = L1State::running;
            ++m_commits;
        }
        acknowledge(commit.id, CommandStatus::done);
        return true;
    default: return false;
    }
}

void FakeVmm::greet(std::uint32_t id) {
    Hello hello{};
    hello.id = id;
    hello.protocol_version = protocol_version;
    hello.vcpus = m_options.vcpus;
    hello.catalogue_version = m_options.catalogue_version;
    hello.boot_id = m_options.boot_id;
    std::strcpy(hello.vmm_version, "fake");
    std::strcpy(hello.cpu_brand, "Fake CPU  ");
    std::memset(&hello.offered_fields, 0xFF, sizeof(hello.offered_fields));
    hello.l1_kind = static_cast<std::uint8_t>(L1Kind::linux_bzimage);
    std::strcpy(hello.l1_name, "Linux \x1b[31m6.1");
    send(MessageType::hello, bytes_of(hello));
}

void FakeVmm::send_fingerprint(std::uint32_t id) {
    const bool seen{m_options.fingerprint && ++m_fingerprints > 2};
    FingerprintReport report{};
    report.id = id;
    report.state = static_cast<std::uint8_t>(seen ? RecognitionState::seen : RecognitionState::awaited);
    Bytes payload{bytes_of(report)};
    const std::size_t head{payload.size()};
    payload.resize(head + max_fingerprint);
    payload.resize(head + (seen ? pack(*m_options.fingerprint, std::span{payload}.subspan(head)) : 0));
    send(MessageType::fingerprint, payload);
}

void FakeVmm::reboot(std::uint64_t boot_id, bool silent) {
    const std::lock_guard lock{m_mutex};
    m_options.boot_id = boot_id;
    m_snapshots = 0;
    m_sampled = 0;
    m_generation = 0;
    m_answered.clear();
    m_sequence = 0;
    if (!silent) greet(0);
}

void FakeVmm::send(MessageType type, const Bytes& payload) {
    if (m_options.chatter) {
        put(Bytes{0x11, 0x22, 0});
        Bytes chatter(max_encoded_frame);
        const Bytes text{static_cast<std::uint8_t>(LogLevel::warning), 'n', 'o', 'i', 's', 'e'};
        for (const auto other : {MessageType::log, static_cast<MessageType>(0xEE), MessageType::status}) {
            chatter.resize(max_encoded_frame);
            chatter.resize(encode_frame(other, m_sequence++, text, chatter));
            put(chatter);
        }
    }
    Bytes encoded(max_encoded_frame);
    encoded.resize(encode_frame(type, m_sequence++, payload, encoded));
    for (const Bytes& arrived : line(encoded))
        put(arrived);
}

void FakeVmm::put(const Bytes& encoded) {
    if (m_fd < 0 || m_broken) return;
    std::size_t room{encoded.size()};
    if (m_options.cut_after != 0 && m_sent + room >= m_options.cut_after) {
        room = m_options.cut_after - m_sent;
        m_broken = true;
    }
    // A slow line hands out a few bytes at a time.
    const std::size_t chunk{m_options.per_byte.count() == 0 ? room : 32};
    for (std::size_t from{0}; from < room && !m_stop; from += chunk) {
        const std::size_t count{std::min(chunk, room - from)};
        if (m_options.per_byte.count() != 0) std::this_thread::sleep_for(m_options.per_byte * count);
        // A peer that has gone ends the connection, not the test. A tty knows no send().
        ssize_t sent{::send(m_fd, encoded.data() + from, count, MSG_NOSIGNAL)};
        if (sent < 0 && errno == ENOTSOCK) sent = ::write(m_fd, encoded.data() + from, count);
        if (sent < 0) m_broken = true;
    }
    m_sent += room;
}

} // namespace shadowtune::link::test

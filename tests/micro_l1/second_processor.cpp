#include "tests/micro_l1/second_processor.hpp"

#include "tests/micro_l1/report.hpp"

#include <atomic>
#include <cstddef>

namespace shadowtune::micro_l1 {

extern "C" {
// second_processor_image.S; not there in the second processor's image.
extern const std::uint8_t micro_l1_second_image[] __attribute__((weak));
extern const std::uint8_t micro_l1_second_image_end[] __attribute__((weak));
extern const std::uint8_t micro_l1_startup[];
extern const std::uint8_t micro_l1_startup_end[];
}

namespace {

// At the start of an image (micro_l1.ld).
struct ImageHead {
    std::uint64_t base, start, end;
};

// What the boot loader would tell: Multiboot Specification 0.6.96, section 3.3.
struct BootInformation {
    std::uint32_t flags;
    std::uint32_t unused[3];
    std::uint32_t command_line;
};
constexpr std::uint32_t command_line_flag{4};

// Both processors know where these pages are: below 1 MiB, where a start-up IPI can lead, and where no image
// is. The other two words of startup_page are filled in for startup.S.
constexpr std::uint64_t startup_page{0x8000};
constexpr std::uint64_t shared_page{0x9000};

struct Shared {
    std::atomic<std::uint32_t> printing;
    std::atomic<std::uint32_t> ready;
    std::atomic<std::uint32_t> done;
    std::atomic<std::uint32_t> line_waits;
    std::size_t line_length;
    char line[512];
    BootInformation information;
    char command_line[1024];
};
static_assert(sizeof(Shared) <= 4096);

enum class Role : std::uint8_t { only, first, second };
Role g_role{Role::only};

[[nodiscard]] Shared& shared() {
    return *reinterpret_cast<Shared*>(shared_page);
}

void wait_until(const std::atomic<std::uint32_t>& word, std::uint32_t value) {
    while (word.load() != value)
        asm volatile("pause");
}

// The command register of the local APIC in xAPIC mode: SDM Vol. 3A, 11.6.1.
void send_to_others(std::uint32_t command) {
    constexpr std::uint32_t all_but_self{3U << 18};
    constexpr std::uint32_t assert_level{1U << 14};
    *reinterpret_cast<volatile std::uint32_t*>(0xFEE0'0300) = command | assert_level | all_but_self;
}

[[nodiscard]] const ImageHead& bring_image() {
    const auto& head{*reinterpret_cast<const ImageHead*>(micro_l1_second_image)};
    const auto size{static_cast<std::size_t>(micro_l1_second_image_end - micro_l1_second_image)};
    auto* const to{reinterpret_cast<std::uint8_t*>(head.base)};
    __builtin_memcpy(to, micro_l1_second_image, size);
    __builtin_memset(to + size, 0, head.end - head.base - size);
    return head;
}

void write_information(std::string_view boot_line) {
    constexpr std::string_view more{" processor=1"};
    Shared& s{shared()};
    __builtin_memset(static_cast<void*>(&s), 0, sizeof(s));
    std::size_t used{0};
    for (const std::string_view text : {boot_line, more}) {
        for (const char c : text) {
            if (used + 1 < sizeof(s.command_line)) s.command_line[used++] = c;
        }
    }
    s.information.flags = command_line_flag;
    s.information.command_line = static_cast<std::uint32_t>(reinterpret_cast<std::uint64_t>(s.command_line));
}

// Its last two words: where the 32-bit code goes and what it finds in EBX.
void write_startup(const ImageHead& head) {
    const auto size{static_cast<std::size_t>(micro_l1_startup_end - micro_l1_startup)};
    auto* const page{reinterpret_cast<std::uint8_t*>(startup_page)};
    __builtin_memcpy(page, micro_l1_startup, size);
    const std::uint32_t words[]{
        static_cast<std::uint32_t>(head.start),
        static_cast<std::uint32_t>(reinterpret_cast<std::uint64_t>(&shared().information))};
    __builtin_memcpy(page + size - sizeof(words), words, sizeof(words));
}

[[nodiscard]] bool is_ready_soon() {
    for (unsigned wait{0}; wait < 50'000'000; ++wait) {
        if (shared().ready.load() != 0) return true;
        asm volatile("pause");
    }
    return false;
}

} // namespace

void note_processor(const Parameters& parameters) {
    if (parameters.number("processor", 0) != 0) g_role = Role::second;
}

bool is_second_processor() {
    return g_role == Role::second;
}

bool start_second_processor(const Parameters& parameters, std::string_view boot_line) {
    if (is_second_processor()) {
        shared().ready = 1;
        return true;
    }
    if (parameters.number("processors", 1) == 1) return true;
    write_information(boot_line);
    write_startup(bring_image());
    constexpr std::uint32_t init{5U << 8}, startup{6U << 8};
    send_to_others(init);
    for (unsigned wait{0}; wait < 100'000; ++wait)
        asm volatile("pause");
    send_to_others(startup | static_cast<std::uint32_t>(startup_page >> 12U));
    if (!is_ready_soon()) {
        fail("processors", "the second one does not come; does the machine have two?");
        return false;
    }
    g_role = Role::first;
    return true;
}

void await_second_processor() {
    if (g_role == Role::first) wait_until(shared().done, 1);
}

void stop_second_processor() {
    shared().done = 1;
    for (;;)
        asm volatile("cli; hlt");
}

void begin_line() {
    if (g_role == Role::only) return;
    while (shared().printing.exchange(1) != 0)
        asm volatile("pause");
}

void end_line() {
    if (g_role != Role::only) shared().printing = 0;
}

void hand_on(std::string_view line) {
    if (g_role != Role::first) return;
    Shared& s{shared()};
    // It may be busy with what the last one said.
    wait_until(s.line_waits, 0);
    s.line_length = line.size() < sizeof(s.line) ? line.size() : sizeof(s.line);
    __builtin_memcpy(s.line, line.data(), s.line_length);
    s.line_waits = 1;
}

bool is_handed_on() {
    return shared().line_waits.load() != 0;
}

std::size_t take_handed_on(char* to, std::size_t capacity) {
    Shared& s{shared()};
    wait_until(s.line_waits, 1);
    const std::size_t length{s.line_length < capacity ? s.line_length : capacity};
    __builtin_memcpy(to, s.line, length);
    s.line_waits = 0;
    return length;
}

} // namespace shadowtune::micro_l1

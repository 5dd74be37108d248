// l2-workload: runs L2 guests that do exactly one kind of exit in a loop, on /dev/kvm, inside L1.
#include "lab/workload/guest_vm.hpp"
#include "lab/workload/stamp.hpp"

#include <charconv>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <deque>
#include <fcntl.h>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <sched.h>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>

extern "C" {
// Loops of guest.S.
extern const std::byte guest_cpuid[];
extern const std::byte guest_out[];
extern const std::byte guest_hlt[];
extern const std::byte guest_hlt_irq[];
extern const std::byte guest_ept[];
extern const std::byte guest_msr[];
extern const std::byte guest_interrupt[];
extern const std::byte guest_vmcall[];
extern const std::byte guest_mmio[];
extern const std::byte guest_steady[];
extern const std::byte guest_mix[];
extern const std::byte guest_devices[];
}

namespace {

using shadowtune::workload::GuestVm;
using shadowtune::workload::Irqchip;
using shadowtune::workload::KvmError;

enum ExitStatus { status_ok = 0, status_usage = 2, status_kvm = 3, status_other_kvm = 10 };

// Where --serve leaves the parameters of the KVM that it asks for by status_other_kvm.
constexpr const char* kvm_parameters_file = "/kvm-parameters";

struct Loop {
    std::string_view name;
    const std::byte* entry;
    Irqchip irqchip;
    std::uint32_t exits_per_lap;
    std::string_view meaning;
};

constexpr std::uint32_t max_exits = 1'000'000'000;

const Loop loops[] = {
    {"cpuid", guest_cpuid, Irqchip::none, 1, "CPUID, handled in L1's kernel"},
    {"out", guest_out, Irqchip::none, 1, "OUT, goes to L1's user space"},
    {"hlt", guest_hlt, Irqchip::none, 1, "HLT, goes to L1's user space"},
    {"hlt-irq", guest_hlt_irq, Irqchip::in_kernel, 1,
     "HLT, waits in L1's kernel for an interrupt from its PIC"},
    {"ept", guest_ept, Irqchip::none, 1, "EPT violation by touching a fresh page"},
    {"msr", guest_msr, Irqchip::none, 1, "WRMSR and RDMSR in turn"},
    {"interrupt", guest_interrupt, Irqchip::none, 1, "OUT, answered with an injected interrupt"},
    {"vmcall", guest_vmcall, Irqchip::none, 1, "VMCALL"},
    {"mmio", guest_mmio, Irqchip::none, 1, "write and read of an emulated device's memory in turn"},
    {"steady", guest_steady, Irqchip::none, 20, "a steady guest's proportions of the above"},
    {"mix", guest_mix, Irqchip::none, 8, "the above except hlt-irq and mmio, alike often"},
    {"devices", guest_devices, Irqchip::none, 8, "a guest whose devices are emulated: mmio, out, interrupt"},
};

// One write per line: the console is a serial line, and its reader waits for whole lines.
[[gnu::format(printf, 1, 2)]] void print(const char* format, ...) {
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    const int length = std::vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    std::string_view rest{line, static_cast<std::size_t>(length)};
    while (!rest.empty()) {
        const auto written = ::write(STDOUT_FILENO, rest.data(), rest.size());
        if (written <= 0) return;
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
}

[[nodiscard]] const Loop* find_loop(std::string_view name) {
    for (const auto& loop : loops) {
        if (loop.name == name) return &loop;
    }
    return nullptr;
}

class Runner {
public:
    // `where` ends each line.
    explicit Runner(std::string where = {}) : where_{std::move(where)} {}

    [[nodiscard]] const char* where() const { return where_.c_str(); }

    // Prints the two lines of one loop. False, with a line that says why, where it cannot run.
    [[nodiscard]] bool run(const Loop& loop, std::uint32_t exits) {
        try {
            const auto laps = (exits + loop.exits_per_lap - 1) / loop.exits_per_lap;
            const auto done = laps * loop.exits_per_lap;
            const auto result = vm(loop.irqchip).run(loop.entry, laps);
            const auto* name = loop.name.data();
            print("%s exits=%u result=%08x%08x%08x%s\n", name, done, result.guest_checksum,
                  result.user_checksum, result.interrupts, where());
            print("%s ticks-per-exit=%llu%s\n", name, static_cast<unsigned long long>(result.ticks / done),
                  where());
            return true;
        } catch (const KvmError& error) {
            print("l2-workload: %s: %s%s\n", loop.name.data(), error.what(), where());
            return false;
        }
    }

private:
    [[nodiscard]] GuestVm& vm(Irqchip irqchip) {
        auto& slot = irqchip == Irqchip::none ? plain_ : with_irqchip_;
        if (!slot) slot = std::make_unique<GuestVm>(irqchip);
        return *slot;
    }

    std::string where_;
    std::unique_ptr<GuestVm> plain_;
    std::unique_ptr<GuestVm> with_irqchip_;
};

[[nodiscard]] std::optional<std::uint32_t> parse_number(std::string_view text) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

[[nodiscard]] std::optional<std::uint32_t> parse_exits(std::string_view text) {
    const auto exits = parse_number(text);
    return exits && *exits != 0 && *exits <= max_exits ? exits : std::nullopt;
}

// NAME and COUNT as words; false where one of them is wrong.
[[nodiscard]] bool run_words(Runner& runner, std::string_view name, std::string_view count,
                             bool& usage_error) {
    const auto* loop = find_loop(name);
    const auto exits = parse_exits(count);
    usage_error = loop == nullptr || !exits;
    if (usage_error) {
        print("l2-workload: '%.*s %.*s' is not understood: give NAME COUNT (see l2-workload --help)\n",
              static_cast<int>(name.size()), name.data(), static_cast<int>(count.size()), count.data());
        return false;
    }
    return runner.run(*loop, *exits);
}

// Reads one line without its end; false at the end of the input. A carriage return ends a line too.
[[nodiscard]] bool read_line(std::string& line) {
    line.clear();
    char c = 0;
    while (::read(STDIN_FILENO, &c, 1) == 1) {
        if (c == '\n' || c == '\r') return true;
        if (line.size() < 128) line += c;
    }
    return false;
}

// Always answers, so that a script never waits for ever.
void run_and_answer(Runner& runner, const std::string& name, const std::string& count) {
    bool usage_error = false;
    const bool good = run_words(runner, name, count, usage_error);
    print("%s %s%s\n", good ? "done" : "failed", name.c_str(), runner.where());
}

// The loops of one of L1's processors, one after the other, beside those of the others.
class Worker {
public:
    explicit Worker(std::uint32_t processor) : processor_{processor}, thread_{[this] { work(); }} {}
    ~Worker() {
        give({});
        thread_.join();
    }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    struct Order {
        std::string name; // empty: there are no more
        std::string count;
    };
    void give(Order order) {
        {
            const std::lock_guard lock{mutex_};
            orders_.push_back(std::move(order));
        }
        changed_.notify_one();
    }

private:
    [[nodiscard]] Order next() {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [this] { return !orders_.empty(); });
        Order order = std::move(orders_.front());
        orders_.pop_front();
        return order;
    }

    void work() {
        Runner runner{" processor=" + std::to_string(processor_)};
        cpu_set_t only{};
        CPU_SET(processor_, &only);
        const bool pinned = ::sched_setaffinity(0, sizeof only, &only) == 0;
        for (Order order = next(); !order.name.empty(); order = next()) {
            if (pinned) {
                run_and_answer(runner, order.name, order.count);
            } else {
                print("l2-workload: there is no such processor%s\n", runner.where());
                print("failed %s%s\n", order.name.c_str(), runner.where());
            }
        }
    }

    std::uint32_t processor_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Order> orders_;
    std::thread thread_; // last: it uses the others
};

[[nodiscard]] std::string take_word(std::string& line) {
    const auto space = line.find(' ');
    std::string word = line.substr(0, space);
    line.erase(0, space == std::string::npos ? space : space + 1);
    return word;
}

[[nodiscard]] bool leave_kvm_parameters(const std::string& parameters) {
    const int file = ::open(kvm_parameters_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    const auto written = ::write(file, parameters.data(), parameters.size());
    ::close(file);
    if (written == static_cast<ssize_t>(parameters.size())) return true;
    print("l2-workload: %s cannot be written\n", kvm_parameters_file);
    return false;
}

[[nodiscard]] int serve() {
    Runner runner;
    std::map<std::uint32_t, Worker> workers;
    for (std::string line; read_line(line);) {
        if (line.empty()) continue;
        if (line == "quit") break;
        const std::string name = take_word(line);
        if (name == "kvm") {
            if (leave_kvm_parameters(line)) return status_other_kvm;
            continue;
        }
        const std::string count = take_word(line);
        const auto processor = parse_number(line);
        if (processor && *processor < CPU_SETSIZE) {
            workers.try_emplace(*processor, *processor).first->second.give({name, count});
        } else {
            run_and_answer(runner, name, count + line);
        }
    }
    return status_ok;
}

void help() {
    print(
        "Usage: l2-workload NAME COUNT [NAME COUNT]...\n       l2-workload --serve   (reads lines 'NAME "
        "COUNT [PROCESSOR]', those of "
        "several processors\n"
        "       run side by side; 'kvm PARAMETERS' ends with status 10, for whoever can load KVM anew with\n"
        "       what is in /kvm-parameters then; 'quit' ends)\n"
        "       l2-workload --stamp PROGRAM [ARGUMENT]...   (runs it; each line that it prints ends with "
        "the\n"
        "       ticks and KVM's exits so far)\n");
    for (const auto& loop : loops)
        print("  %-10s %s\n", loop.name.data(), loop.meaning.data());
}

} // namespace

int main(int argc, char** argv) {
    const std::span<char*> words{argv + 1, static_cast<std::size_t>(argc > 0 ? argc - 1 : 0)};
    if (words.size() == 1 && std::string_view{words[0]} == "--serve") return serve();
    if (words.size() >= 2 && std::string_view{words[0]} == "--stamp")
        return shadowtune::workload::stamp(argv + 2);
    if (words.size() == 1 && std::string_view{words[0]} == "--help") {
        help();
        return status_ok;
    }
    if (words.empty() || words.size() % 2 != 0) {
        help();
        return status_usage;
    }
    Runner runner;
    for (std::size_t i = 0; i < words.size(); i += 2) {
        bool usage_error = false;
        if (!run_words(runner, words[i], words[i + 1], usage_error))
            return usage_error ? status_usage : status_kvm;
    }
    return status_ok;
}

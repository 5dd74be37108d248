#include "cli/lab_calibration.hpp"

#include "cli/connection.hpp"
#include "cli/program_files.hpp"
#include "lab/options.hpp"
#include "lab/run.hpp"

#include <atomic>
#include <fmt/core.h>
#include <optional>
#include <thread>

namespace shadowtune::cli {

namespace {

// The link's bytes come by this clock, and L0 looks for them by it: faster, and the looks cost as many
// instructions as a small figure; slower, and the calibration waits for bytes.
constexpr std::uint64_t instructions_per_second{100'000'000};

class LabCalibration {
public:
    explicit LabCalibration(const profiler::CalibratorOptions& options) : m_options{options} {}
    LabCalibration(const LabCalibration&) = delete;
    LabCalibration& operator=(const LabCalibration&) = delete;

    [[nodiscard]] Result<db::Calibration, CliError> run() {
        lab::RunOptions run{};
        run.l1_kind = lab::L1Kind::multiboot;
        run.l1 = beside_this_program("micro-l1.elf");
        run.cmdline = "script=calibrate";
        run.vmm = beside_this_program("shadowtune-vmm.elf");
        run.memory_mib = 128;
        run.cpu_model = m_options.cpu_model;
        run.ips = instructions_per_second;
        run.input_fd = -1;
        run.quiet = true;
        run.console = [](std::span<const char>) {};
        std::thread measuring{};
        run.on_link_ready = [&](const std::filesystem::path& socket) {
            measuring = std::thread{[this, socket] { measure(socket.string()); }};
        };
        const lab::ExitCode code{lab::run(run)};
        m_machine_ended = true;
        if (measuring.joinable()) measuring.join();
        if (m_calibration && code == lab::ExitCode::powered_off) return std::move(*m_calibration);
        if (m_trouble && m_trouble->code != ExitCode::interrupted) return Failure{*m_trouble};
        return Failure{CliError{exit_code_of(code), "the lab's machine ended before it was calibrated"}};
    }

private:
    [[nodiscard]] static ExitCode exit_code_of(lab::ExitCode code) {
        switch (code) {
        case lab::ExitCode::usage: return ExitCode::usage;
        case lab::ExitCode::not_ready:
        case lab::ExitCode::bad_image: return ExitCode::missing_package;
        case lab::ExitCode::interrupted:
        case lab::ExitCode::terminated: return ExitCode::interrupted;
        default: return ExitCode::unreachable;
        }
    }

    // In a thread of its own: lab::run keeps the machine's lines going meanwhile.
    void measure(const std::string& socket) {
        link::SessionOptions session_options{};
        session_options.deadline = std::chrono::minutes{5}; // a machine that boots while others compute
        session_options.stop = &m_machine_ended;
        const auto session{link::Session::open(socket, session_options)};
        if (!session) {
            m_trouble = to_cli_error(session.error());
            return;
        }
        auto calibration{profiler::calibrate(*session.value(), m_options)};
        if (calibration) {
            m_calibration = std::move(calibration).value();
        } else {
            m_trouble = to_cli_error(calibration.error());
        }
        if (const auto ended{profiler::end_calibration(*session.value())}; !ended && !m_trouble) {
            m_trouble = to_cli_error(ended.error());
        }
    }

    const profiler::CalibratorOptions& m_options;
    std::atomic<bool> m_machine_ended{false};
    std::optional<db::Calibration> m_calibration;
    std::optional<CliError> m_trouble;
};

} // namespace

Result<db::Calibration, CliError> calibrate_in_lab(const profiler::CalibratorOptions& options) {
    return LabCalibration{options}.run();
}

} // namespace shadowtune::cli

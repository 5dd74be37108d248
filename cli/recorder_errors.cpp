#include "cli/recorder_errors.hpp"

#include "cli/connection.hpp"

namespace shadowtune::cli {

CliError to_cli_error(const db::Error& error) {
    switch (error.kind) {
    case db::ErrorKind::cannot_open:
    case db::ErrorKind::read_only:
    case db::ErrorKind::busy:
    case db::ErrorKind::no_space: return {ExitCode::output_failed, error.message};
    default: return {ExitCode::bad_input, error.message};
    }
}

CliError to_cli_error(const profiler::RecorderError& error) {
    if (error.room == profiler::RecorderError::Room::link)
        return to_cli_error(link::LinkError{error.link_kind, error.message});
    return to_cli_error(db::Error{error.db_kind, error.message});
}

} // namespace shadowtune::cli

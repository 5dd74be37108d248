#pragma once

// Counters are cumulative: within one boot none may go back. One that does shows a fault that no CRC sees.

#include "link/host/snapshot.hpp"
#include "vmcs/result.hpp"

#include <map>

namespace shadowtune::link {

class SnapshotGuard {
public:
    // Error: one line that names the counter. An accepted snapshot is what the next one is compared with; a
    // refused one leaves no trace. Another boot_id starts afresh.
    [[nodiscard]] Result<void, std::string> accept(const Snapshot& snapshot);

    // The last accepted one; without vCPUs where there was none.
    [[nodiscard]] const Snapshot& last() const { return m_last; }

private:
    Snapshot m_last;
};

} // namespace shadowtune::link

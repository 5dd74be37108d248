#pragma once

// Sessions with a VMM at the other end of a line that does what lines do.

#include "link/host/session.hpp"
#include "tests/link/host/fake_vmm.hpp"

#include <algorithm>
#include <filesystem>
#include <gtest/gtest.h>

namespace shadowtune::link::test {

using namespace std::chrono_literals;

class SessionTest : public testing::Test {
protected:
    SessionTest() {
        char name[]{"/tmp/shadowtune-link-XXXXXX"};
        m_folder = ::mkdtemp(name);
        path = m_folder + "/link";
        options.silence = 40ms;
        options.deadline = 20s;
    }
    ~SessionTest() override { std::filesystem::remove_all(m_folder); }

    [[nodiscard]] std::unique_ptr<Session> open(std::string_view address = {}) {
        auto opened{Session::open(address.empty() ? path : address, options)};
        EXPECT_TRUE(opened.ok());
        return std::move(opened).value();
    }

    std::string path;
    SessionOptions options;

private:
    std::string m_folder;
};

// Returns the snapshot's number; every counter must agree with it.
inline std::uint64_t check(const Snapshot& snapshot) {
    const std::uint64_t n{snapshot.vcpus.at(0).head.round_trips};
    for (const VcpuSnapshot& vcpu : snapshot.vcpus) {
        EXPECT_EQ(std::uint64_t{vcpu.head.round_trips}, n);
        EXPECT_EQ(vcpu.counters.size(), fake_records);
        for (std::size_t i{0}; i < fake_records; ++i) {
            const CounterRecord sent{fake_counter(i, n)};
            const Counter expected{sent.encoding, static_cast<Counted>(sent.counted), sent.reason,
                                   sent.count};
            if (!std::binary_search(vcpu.counters.begin(), vcpu.counters.end(), expected,
                                    [](const auto& a, const auto& b) {
                                        return std::tuple{a.key(), a.count} < std::tuple{b.key(), b.count};
                                    })) {
                ADD_FAILURE() << "counter " << i << " is wrong in snapshot " << n;
                return n;
            }
        }
    }
    return n;
}

template <typename T>
[[nodiscard]] std::string message(const Result<T, LinkError>& result) {
    return result.ok() ? std::string{"no error"} : result.error().message;
}

} // namespace shadowtune::link::test

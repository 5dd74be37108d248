// CRC-32C against published vectors: RFC 3720, appendix B.4, and the check value of the CRC catalogues.

#include "tests/link/frames.hpp"

#include <numeric>
#include <string_view>

namespace shadowtune::link::test {
namespace {

Bytes bytes_of(std::string_view text) {
    return {text.begin(), text.end()};
}

TEST(Crc32c, CheckValue) {
    EXPECT_EQ(crc32c(bytes_of("123456789")), 0xE3069283U);
}

TEST(Crc32c, VectorsOfRfc3720) {
    EXPECT_EQ(crc32c(Bytes(32, 0x00)), 0x8A9136AAU);
    EXPECT_EQ(crc32c(Bytes(32, 0xFF)), 0x62A8AB43U);
    Bytes ascending(32);
    std::iota(ascending.begin(), ascending.end(), std::uint8_t{0});
    EXPECT_EQ(crc32c(ascending), 0x46DD794EU);
    EXPECT_EQ(crc32c(Bytes(ascending.rbegin(), ascending.rend())), 0x113FDB5CU);
}

TEST(Crc32c, NothingIsZero) {
    EXPECT_EQ(crc32c({}), 0U);
}

TEST(Crc32c, InPiecesAsInOne) {
    const Bytes all{bytes_of("123456789")};
    for (std::size_t cut{0}; cut <= all.size(); ++cut) {
        const std::span whole{all};
        EXPECT_EQ(crc32c(whole.subspan(cut), crc32c(whole.first(cut))), 0xE3069283U) << "cut at " << cut;
    }
}

} // namespace
} // namespace shadowtune::link::test

#include "hypervisor/nested/store_instruction.hpp"

namespace shadowtune::nested {

namespace {

class Code {
public:
    explicit Code(std::span<const std::uint8_t> bytes)
        : m_bytes{bytes.first(bytes.size() < longest_instruction ? bytes.size() : longest_instruction)} {}

    // False where the bytes, or the 15 that an instruction may have, are over.
    [[nodiscard]] bool take(std::uint8_t& byte) {
        if (m_at == m_bytes.size()) return false;
        byte = m_bytes[m_at++];
        return true;
    }
    [[nodiscard]] bool skip(std::size_t count) {
        if (m_bytes.size() - m_at < count) return false;
        m_at += count;
        return true;
    }
    // Sign-extended.
    [[nodiscard]] bool take_signed(unsigned bytes, std::uint64_t& value) {
        value = 0;
        for (unsigned i{0}; i < bytes; ++i) {
            std::uint8_t byte{};
            if (!take(byte)) return false;
            value |= std::uint64_t{byte} << (8 * i);
        }
        const unsigned unused{64 - 8 * bytes};
        value = static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused) >> unused);
        return true;
    }
    [[nodiscard]] std::size_t position() const { return m_at; }

private:
    std::span<const std::uint8_t> m_bytes;
    std::size_t m_at{0};
};

// Vol. 2A, 2.1.1 and 2.2.1.
struct Prefixes {
    bool operand_size{false};
    bool address_size{false};
    bool repeat{false};
    std::uint8_t rex{0};
    Segment segment{Segment::ds};

    [[nodiscard]] bool rex_w() const { return (rex & 8U) != 0; }
    [[nodiscard]] std::uint8_t rex_r() const { return (rex & 4U) != 0 ? 8 : 0; }
};

class Decoder {
public:
    Decoder(std::span<const std::uint8_t> bytes, CodeSize size) : m_code{bytes}, m_size{size} {}

    [[nodiscard]] Result<StoreInstruction, StoreError> decode() {
        std::uint8_t opcode{};
        StoreError error{take_prefixes(opcode)};
        if (error == StoreError::none) error = decode_opcode(opcode);
        if (error != StoreError::none) return Failure{error};
        m_out.length = static_cast<std::uint8_t>(m_code.position());
        return m_out;
    }

private:
    // A REX prefix counts only where the opcode follows it at once.
    [[nodiscard]] StoreError take_prefixes(std::uint8_t& opcode) {
        for (;;) {
            if (!m_code.take(opcode)) return StoreError::too_short;
            const bool is_rex{m_size == CodeSize::bits64 && (opcode & 0xF0U) == 0x40};
            if (is_rex) {
                m_prefixes.rex = opcode;
            } else if (is_legacy_prefix(opcode)) {
                m_prefixes.rex = 0;
            } else {
                return StoreError::none;
            }
        }
    }

    [[nodiscard]] bool is_legacy_prefix(std::uint8_t byte) {
        switch (byte) {
        case 0x26: set_old_segment(Segment::es); return true;
        case 0x2E: set_old_segment(Segment::cs); return true;
        case 0x36: set_old_segment(Segment::ss); return true;
        case 0x3E: set_old_segment(Segment::ds); return true;
        case 0x64: m_prefixes.segment = Segment::fs; return true;
        case 0x65: m_prefixes.segment = Segment::gs; return true;
        case 0x66: m_prefixes.operand_size = true; return true;
        case 0x67: m_prefixes.address_size = true; return true;
        case 0xF2:
        case 0xF3: m_prefixes.repeat = true; return true;
        case 0xF0: return true; // LOCK changes nothing: the write is one access anyway
        default: return false;
        }
    }

    // 64-bit mode ignores these four (Vol. 2A, 2.1.1; Vol. 1, 3.4.4).
    void set_old_segment(Segment segment) {
        if (m_size != CodeSize::bits64) m_prefixes.segment = segment;
    }

    [[nodiscard]] std::uint8_t word_bytes() const {
        if (m_prefixes.rex_w()) return 8;
        const bool is_short{(m_size == CodeSize::bits16) != m_prefixes.operand_size};
        return is_short ? 2 : 4;
    }
    [[nodiscard]] AddressSize address_size() const {
        if (m_size == CodeSize::bits64)
            return m_prefixes.address_size ? AddressSize::bits32 : AddressSize::bits64;
        const bool is_short{(m_size == CodeSize::bits16) != m_prefixes.address_size};
        return is_short ? AddressSize::bits16 : AddressSize::bits32;
    }
    // Bit 0 of these opcodes tells bytes from words.
    void set_operand_size(std::uint8_t opcode) { m_out.bytes = (opcode & 1U) != 0 ? word_bytes() : 1; }

    [[nodiscard]] StoreError decode_opcode(std::uint8_t opcode) {
        set_operand_size(opcode);
        // 00H to 31H, op r/m, r: the operation in bits 5:3.
        if (opcode < 0x38 && (opcode & 6U) == 0) {
            m_out.kind = StoreKind::arithmetic;
            m_out.operation = static_cast<Arithmetic>(opcode >> 3);
            return take_register_form();
        }
        switch (opcode) {
        case 0x80:
        case 0x81:
        case 0x83: return take_arithmetic_group(opcode == 0x81 ? immediate_bytes() : 1);
        case 0x86:
        case 0x87: m_out.kind = StoreKind::exchange; return take_register_form();
        case 0x88:
        case 0x89: return take_register_form();
        case 0xA2:
        case 0xA3: return take_offset_form();
        case 0xA4:
        case 0xA5: return take_string(StoreKind::string_copy);
        case 0xAA:
        case 0xAB: return take_string(StoreKind::string_fill);
        case 0xC6:
        case 0xC7: return take_immediate_form();
        default: return StoreError::unknown;
        }
    }

    // An immediate of a 64-bit operand has 32 bits.
    [[nodiscard]] unsigned immediate_bytes() const { return m_out.bytes == 8 ? 4U : m_out.bytes; }

    [[nodiscard]] StoreError take_register_form() {
        std::uint8_t modrm{};
        if (const StoreError error{take_memory_operand(modrm)}; error != StoreError::none) return error;
        const auto number{static_cast<std::uint8_t>((modrm >> 3 & 7U) | m_prefixes.rex_r())};
        // Without a REX prefix the byte registers 4 to 7 are AH, CH, DH and BH (Vol. 2A, Table 2-2).
        m_out.high_byte = m_out.bytes == 1 && m_prefixes.rex == 0 && number >= 4;
        m_out.source_register = m_out.high_byte ? static_cast<std::uint8_t>(number - 4) : number;
        return StoreError::none;
    }

    [[nodiscard]] StoreError take_immediate_form() {
        std::uint8_t modrm{};
        if (const StoreError error{take_memory_operand(modrm)}; error != StoreError::none) return error;
        if ((modrm >> 3 & 7U) != 0) return StoreError::unknown;
        return take_immediate(immediate_bytes());
    }

    [[nodiscard]] StoreError take_arithmetic_group(unsigned bytes) {
        constexpr unsigned compare{7};
        std::uint8_t modrm{};
        if (const StoreError error{take_memory_operand(modrm)}; error != StoreError::none) return error;
        const unsigned number{modrm >> 3 & 7U};
        if (number == compare) return StoreError::unknown;
        m_out.kind = StoreKind::arithmetic;
        m_out.operation = static_cast<Arithmetic>(number);
        return take_immediate(bytes);
    }

    [[nodiscard]] StoreError take_immediate(unsigned bytes) {
        m_out.has_immediate = true;
        return m_code.take_signed(bytes, m_out.immediate) ? StoreError::none : StoreError::too_short;
    }

    // MOV moffs, rAX: the address is as long as the address size says.
    [[nodiscard]] StoreError take_offset_form() {
        const std::size_t bytes{std::size_t{2} << static_cast<unsigned>(address_size())};
        return m_code.skip(bytes) ? StoreError::none : StoreError::too_short;
    }

    [[nodiscard]] StoreError take_string(StoreKind kind) {
        m_out.kind = kind;
        m_out.repeated = m_prefixes.repeat;
        m_out.address_size = address_size();
        m_out.source_segment = m_prefixes.segment;
        return StoreError::none;
    }

    // ModRM, SIB and displacement: Vol. 2A, 2.1.3 to 2.1.5. A register operand is no store to memory.
    [[nodiscard]] StoreError take_memory_operand(std::uint8_t& modrm) {
        if (!m_code.take(modrm)) return StoreError::too_short;
        const unsigned mode{static_cast<unsigned>(modrm >> 6)};
        const unsigned base{modrm & 7U};
        if (mode == 3) return StoreError::unknown;
        std::size_t displacement{mode == 1 ? 1U : 0U};
        if (address_size() == AddressSize::bits16) {
            if (mode == 2 || (mode == 0 && base == 6)) displacement = 2;
        } else {
            std::uint8_t sib{0};
            if (base == 4 && !m_code.take(sib)) return StoreError::too_short;
            const bool no_base{mode == 0 && (base == 4 ? (sib & 7U) == 5 : base == 5)};
            if (mode == 2 || no_base) displacement = 4;
        }
        return m_code.skip(displacement) ? StoreError::none : StoreError::too_short;
    }

    Code m_code;
    CodeSize m_size;
    Prefixes m_prefixes{};
    StoreInstruction m_out{};
};

[[nodiscard]] bool has_even_parity(std::uint8_t byte) {
    constexpr unsigned odd_nibbles{0x6996};
    return (odd_nibbles >> ((byte ^ byte >> 4) & 0xF) & 1) == 0;
}

[[nodiscard]] std::uint64_t combine(Arithmetic operation, std::uint64_t a, std::uint64_t b, unsigned carry) {
    switch (operation) {
    case Arithmetic::add: return a + b;
    case Arithmetic::or_: return a | b;
    case Arithmetic::adc: return a + b + carry;
    case Arithmetic::sbb: return a - b - carry;
    case Arithmetic::and_: return a & b;
    case Arithmetic::sub: return a - b;
    case Arithmetic::xor_: return a ^ b;
    }
    return a;
}

} // namespace

Result<StoreInstruction, StoreError> decode_store(std::span<const std::uint8_t> code, CodeSize size) {
    return Decoder{code, size}.decode();
}

ArithmeticResult compute(Arithmetic operation, std::uint64_t destination, std::uint64_t source,
                         unsigned bytes, bool carry) {
    constexpr unsigned cf{0}, pf{2}, af{4}, zf{6}, sf{7}, of{11};
    const std::uint64_t mask{~std::uint64_t{0} >> (64 - 8 * bytes)};
    const unsigned top{8 * bytes - 1};
    const std::uint64_t a{destination & mask}, b{source & mask};
    const std::uint64_t value{combine(operation, a, b, carry ? 1U : 0U) & mask};
    const auto flag{[](bool set, unsigned place) { return std::uint64_t{set ? 1U : 0U} << place; }};
    std::uint64_t flags{flag(value == 0, zf) | flag((value >> top & 1) != 0, sf) |
                        flag(has_even_parity(static_cast<std::uint8_t>(value)), pf)};
    const bool adds{operation == Arithmetic::add || operation == Arithmetic::adc};
    const bool subtracts{operation == Arithmetic::sub || operation == Arithmetic::sbb};
    if (adds || subtracts) {
        // The carry into each bit is the sum without carries against the sum; the one out of it is the
        // majority of operands and result, with the first operand inverted for a borrow.
        const std::uint64_t first{subtracts ? ~a : a};
        const std::uint64_t carries{(first & b) | ((first | b) & (subtracts ? value : ~value))};
        const std::uint64_t signs{subtracts ? (a ^ b) & (a ^ value) : (a ^ value) & (b ^ value)};
        flags |= flag((carries >> top & 1) != 0, cf) | flag((carries >> 3 & 1) != 0, af) |
                 flag((signs >> top & 1) != 0, of);
    }
    return {value, flags};
}

} // namespace shadowtune::nested

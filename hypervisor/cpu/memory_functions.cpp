// The C library's functions that compilers and the standard headers call in freestanding code. The string
// instructions keep a clever compiler from turning a loop back into a call of the function it is in.

#include <cstddef>
#include <cstdint>

extern "C" {

// By eight bytes at a time: an emulated processor takes as long for one.
void* memcpy(void* destination, const void* source, std::size_t count) {
    void* to{destination};
    std::size_t words{count / sizeof(std::uint64_t)}, rest{count % sizeof(std::uint64_t)};
    asm volatile("rep movsq" : "+D"(to), "+S"(source), "+c"(words) : : "memory");
    asm volatile("rep movsb" : "+D"(to), "+S"(source), "+c"(rest) : : "memory");
    return destination;
}

void* memset(void* destination, int value, std::size_t count) {
    void* to{destination};
    std::size_t words{count / sizeof(std::uint64_t)}, rest{count % sizeof(std::uint64_t)};
    const std::uint64_t word{static_cast<unsigned char>(value) * 0x0101'0101'0101'0101U};
    asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(word) : "memory");
    asm volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(word) : "memory");
    return destination;
}

void* memmove(void* destination, const void* source, std::size_t count) {
    const auto to{reinterpret_cast<std::uintptr_t>(destination)};
    const auto from{reinterpret_cast<std::uintptr_t>(source)};
    if (to - from >= count) return memcpy(destination, source, count);
    void* last_to{static_cast<char*>(destination) + count - 1};
    const void* last_from{static_cast<const char*>(source) + count - 1};
    asm volatile("std; rep movsb; cld" : "+D"(last_to), "+S"(last_from), "+c"(count) : : "memory");
    return destination;
}

int memcmp(const void* a, const void* b, std::size_t count) {
    const auto* x{static_cast<const unsigned char*>(a)};
    const auto* y{static_cast<const unsigned char*>(b)};
    for (std::size_t i{0}; i < count; ++i) {
        if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
    }
    return 0;
}

const void* memchr(const void* area, int value, std::size_t count) {
    const auto* bytes{static_cast<const unsigned char*>(area)};
    for (std::size_t i{0}; i < count; ++i) {
        if (bytes[i] == static_cast<unsigned char>(value)) return bytes + i;
    }
    return nullptr;
}

std::size_t strlen(const char* text) {
    std::size_t length{0};
    while (text[length] != '\0')
        ++length;
    return length;
}

// libgcc's, which std::popcount becomes where the processor need not have POPCNT.
int __popcountdi2(std::int64_t word) {
    int count{0};
    for (auto rest{static_cast<std::uint64_t>(word)}; rest != 0; rest &= rest - 1)
        ++count;
    return count;
}

} // extern "C"

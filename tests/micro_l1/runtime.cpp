// What the compiler calls without being asked. There is no C library here.

#include <cstddef>
#include <cstdint>

extern "C" {

void* memset(void* destination, int value, std::size_t size) {
    void* const start{destination};
    asm volatile("rep stosb" : "+D"(destination), "+c"(size) : "a"(value) : "memory");
    return start;
}

void* memcpy(void* destination, const void* source, std::size_t size) {
    void* const start{destination};
    asm volatile("rep movsb" : "+D"(destination), "+S"(source), "+c"(size) : : "memory");
    return start;
}

void* memmove(void* destination, const void* source, std::size_t size) {
    if (reinterpret_cast<std::uintptr_t>(destination) <= reinterpret_cast<std::uintptr_t>(source)) {
        return memcpy(destination, source, size);
    }
    auto* to{static_cast<unsigned char*>(destination)};
    const auto* from{static_cast<const unsigned char*>(source)};
    while (size-- != 0)
        to[size] = from[size];
    return destination;
}

int memcmp(const void* left, const void* right, std::size_t size) {
    const auto* a{static_cast<const unsigned char*>(left)};
    const auto* b{static_cast<const unsigned char*>(right)};
    for (std::size_t i{0}; i < size; ++i) {
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}

void* memchr(const void* memory, int value, std::size_t size) {
    const auto* bytes{static_cast<const unsigned char*>(memory)};
    for (std::size_t i{0}; i < size; ++i) {
        if (bytes[i] == static_cast<unsigned char>(value)) return const_cast<unsigned char*>(bytes + i);
    }
    return nullptr;
}

std::size_t strlen(const char* text) {
    std::size_t length{0};
    while (text[length] != 0)
        ++length;
    return length;
}

} // extern "C"

#include "hypervisor/boot/archive.hpp"

#include <cstddef>

namespace shadowtune::boot {

namespace {

extern "C" {
extern std::uint8_t image_start[];
extern std::uint8_t image_end[];
extern std::uint8_t data_start[];
extern std::uint8_t data_end[];
extern std::uint8_t data_as_loaded[];
extern std::uint8_t bss_start[];
extern std::uint8_t boot_stack_top[];
extern const std::uint8_t restart_code[];
extern const std::uint8_t restart_code_end[];
extern const std::uint8_t park_code[];
void boot_main(std::uint32_t magic, std::uint32_t information, Archive* archive);
}

// Page tables for restart_code: 4 GiB one to one, at the worst by 2 MiB, and the image.
constexpr std::size_t table_pages{9};
// The record itself and restart_code.
constexpr std::size_t head_pages{1};

Archive* the_archive{nullptr};

[[nodiscard]] std::uint64_t distance(const std::uint8_t* from, const std::uint8_t* to) {
    return static_cast<std::uint64_t>(to - from);
}

[[nodiscard]] std::uint64_t image_pages_bytes() {
    return memory::align_up(distance(image_start, bss_start), memory::page_size);
}

[[nodiscard]] std::uint64_t information_size(std::uint32_t information) {
    return *memory::at_physical<std::uint32_t>(information);
}

[[nodiscard]] std::uint64_t code_of(const Archive& archive) {
    return archive.begin + memory::align_up(sizeof(Archive), 16);
}

} // namespace

std::uint64_t archive_bytes(std::uint32_t information) {
    return (head_pages + table_pages) * memory::page_size + image_pages_bytes() +
           memory::align_up(information_size(information), memory::page_size);
}

void make_archive(const ArchiveRequest& request) {
    const std::uint64_t begin{request.region.end - archive_bytes(request.information)};
    auto& a{*memory::at_physical<Archive>(begin)};
    __builtin_memset(static_cast<void*>(&a), 0, sizeof(a));
    a.begin = begin;
    a.region_begin = request.region.begin;
    a.region_end = request.region.end;
    a.magic = request.magic;
    const std::uint64_t tables{begin + head_pages * memory::page_size};
    a.image = tables + table_pages * memory::page_size;
    a.image_bytes = distance(image_start, bss_start);
    a.bss_bytes = distance(bss_start, image_end);
    a.information = a.image + image_pages_bytes();
    a.entry = reinterpret_cast<std::uint64_t>(&boot_main);
    a.stack = reinterpret_cast<std::uint64_t>(boot_stack_top);

    memory::L0Memory pages{request.region, {tables, a.image}};
    a.cr3 = memory::build_page_tables(pages, reinterpret_cast<std::uint64_t>(image_start),
                                      distance(image_start, image_end), memory::four_gib);
    // Code and constants are as they were loaded; of the variables boot/start.S has kept a copy.
    auto* const image{memory::at_physical<std::uint8_t>(a.image)};
    __builtin_memcpy(image, image_start, distance(image_start, data_start));
    __builtin_memcpy(image + distance(image_start, data_start), data_as_loaded,
                     distance(data_start, data_end));
    __builtin_memcpy(memory::at_physical<void>(a.information), memory::at_physical<void>(request.information),
                     information_size(request.information));
    __builtin_memcpy(memory::at_physical<void>(code_of(a)), restart_code,
                     distance(restart_code, restart_code_end));
    the_archive = &a;
}

Archive* archive() {
    return the_archive;
}

void use_archive(Archive* archive) {
    the_archive = archive;
}

void park(std::uint64_t number) {
    using Park = void (*)(Archive*, std::uint64_t);
    const std::uint64_t code{code_of(*the_archive) + distance(restart_code, park_code)};
    reinterpret_cast<Park>(code)(the_archive, number);
    __builtin_unreachable();
}

void start_anew(std::uint32_t awaited_crc) {
    the_archive->awaited_crc = awaited_crc;
    using Restart = void (*)(Archive*);
    reinterpret_cast<Restart>(code_of(*the_archive))(the_archive);
    __builtin_unreachable();
}

} // namespace shadowtune::boot

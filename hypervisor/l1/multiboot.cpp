#include "hypervisor/l1/multiboot.hpp"

#include "hypervisor/l1/multiboot_header.hpp"
#include "hypervisor/l1/multiboot_image.hpp"
#include "hypervisor/l1/multiboot_info.hpp"
#include "hypervisor/l1/staging.hpp"

#include <algorithm>

namespace shadowtune::l1 {
namespace {

using namespace std::string_view_literals; // lengths without strlen, which the VMM has not
using boot::BootError;
using memory::MemoryRange;

// Without string_view::find, which calls memchr.
std::string_view first_word(std::string_view text) {
    return {text.data(), static_cast<std::size_t>(std::ranges::find(text, ' ') - text.begin())};
}

class MultibootLoader {
public:
    MultibootLoader(const L1Request& request, L1Kind kind)
        : m_request{request}, m_kind{kind}, m_staging{request} {}

    [[nodiscard]] Result<L1Entry, BootError> load() {
        if (const auto done = read(); !done) return Failure{done.error()};
        if (const auto done = place_image(); !done) return Failure{done.error()};
        if (const auto done = place_modules(); !done) return Failure{done.error()};
        boot::ByteWriter measure{{}};
        write_info(measure);
        const auto info = m_staging.find_low("the multiboot information"sv, measure.position());
        if (!info) return Failure{info.error()};
        m_info = info.value();
        const auto gdt = m_staging.find_low("the boot GDT"sv, memory::page_size);
        if (!gdt) return Failure{gdt.error()};

        if (const auto done = m_staging.move(); !done) return Failure{done.error()};
        const auto bytes = m_staging.open(m_info);
        if (!bytes) return Failure{bytes.error()};
        boot::ByteWriter writer{bytes.value()};
        write_info(writer);

        L1Entry entry;
        if (const auto done = m_staging.write_gdt(gdt.value(), entry); !done) return Failure{done.error()};
        entry.eip = static_cast<std::uint32_t>(m_image.entry + m_shift);
        entry.eax = m_kind == L1Kind::multiboot1 ? multiboot1_boot_magic : multiboot2_boot_magic;
        entry.ebx = static_cast<std::uint32_t>(m_info.begin);
        entry.kind = m_kind;
        const auto text = m_request.modules.kernel.text;
        set_name(entry, text.empty() ? "multiboot"sv : first_word(text));
        return entry;
    }

private:
    [[nodiscard]] Result<void, BootError> read() {
        const auto file = m_staging.open(m_request.modules.kernel.range);
        if (!file) return Failure{file.error()};
        const bool have_rsdp{m_request.info.old_rsdp().size != 0 || m_request.info.new_rsdp().size != 0};
        const auto header = m_kind == L1Kind::multiboot1 ? read_multiboot1_header(file.value())
                                                         : read_multiboot2_header(file.value(), have_rsdp);
        if (!header) return Failure{header.error()};
        m_header = header.value();
        const auto image = read_multiboot_image(file.value(), m_header);
        if (!image) return Failure{image.error()};
        m_image = image.value();
        return {};
    }

    // Where it is linked if it may stay there, else as one piece somewhere within the window that it allows.
    // The shift is modulo 2^64, so it may go down as well as up.
    [[nodiscard]] Result<void, BootError> place_image() {
        const MemoryRange linked{m_image.span()};
        const auto is_free = [&](const Segment& segment) { return m_staging.is_free(segment.range()); };
        const bool stays{m_header.window.contains(linked) && linked.begin % m_header.alignment == 0 &&
                         std::ranges::all_of(m_image.view(), is_free)};
        if (m_header.relocatable && !stays) {
            const auto place =
                m_staging.find("the multiboot image"sv,
                               {linked.size(), m_header.alignment, m_header.window, m_header.prefer_highest},
                               m_request.modules.kernel.range);
            if (!place) return Failure{place.error()};
            m_shift = place.value().begin - linked.begin;
        } else {
            for (const Segment& segment : m_image.view())
                if (const auto done = m_staging.claim("a segment of the multiboot image"sv, segment.range());
                    !done)
                    return done;
        }
        for (const Segment& segment : m_image.view()) {
            const std::uint64_t source{m_request.modules.kernel.range.begin + segment.offset};
            const std::uint64_t place{segment.address + m_shift};
            if (segment.file_size != 0)
                if (const auto done = m_staging.copy({source, place, segment.file_size}); !done) return done;
            const MemoryRange rest{place + segment.file_size, place + segment.memory_size};
            if (const auto done = m_staging.zero(rest); !done) return done;
        }
        return {};
    }

    [[nodiscard]] Result<void, BootError> place_modules() {
        const std::uint64_t image_end{m_image.span().end + m_shift};
        for (const Image& module : m_request.modules.l1_modules()) {
            const auto place = m_staging.find(
                "a module of the multiboot image"sv,
                {module.range.size(), memory::page_size, {image_end, memory::four_gib}, false}, module.range);
            if (!place) return Failure{place.error()};
            if (const auto done =
                    m_staging.copy({module.range.begin, place.value().begin, module.range.size()});
                !done)
                return done;
            m_modules[m_module_count++] = {place.value(), module.text};
        }
        return {};
    }

    void write_info(boot::ByteWriter& writer) const {
        const MultibootFacts facts{.command_line = m_request.modules.kernel.text,
                                   .modules = {m_modules, m_module_count},
                                   .map = m_request.map,
                                   .info = m_request.info,
                                   .video = m_header.wants_video,
                                   .relocated = m_header.relocatable,
                                   .load_base = static_cast<std::uint32_t>(m_image.span().begin + m_shift)};
        if (m_kind == L1Kind::multiboot1)
            write_multiboot1_info(writer, static_cast<std::uint32_t>(m_info.begin), facts);
        else
            write_multiboot2_info(writer, facts);
    }

    const L1Request& m_request;
    L1Kind m_kind;
    Staging m_staging;
    MultibootHeader m_header;
    MultibootImage m_image;
    std::uint64_t m_shift{0};
    PlacedModule m_modules[boot::max_modules]{};
    std::size_t m_module_count{0};
    MemoryRange m_info;
};

} // namespace

Result<L1Entry, BootError> load_multiboot1(const L1Request& request) {
    return MultibootLoader{request, L1Kind::multiboot1}.load();
}

Result<L1Entry, BootError> load_multiboot2(const L1Request& request) {
    return MultibootLoader{request, L1Kind::multiboot2}.load();
}

} // namespace shadowtune::l1

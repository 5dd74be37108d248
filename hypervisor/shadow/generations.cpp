#include "hypervisor/shadow/generations.hpp"

#include "hypervisor/memory/l0_memory.hpp"

namespace shadowtune::shadow {

namespace {

void write_page(std::uint64_t address, const vmcs::FieldSet& shadowed) {
    memory::at_physical<vmcs::BitmapPage>(address)->assign(shadowed);
}

} // namespace

void Generations::start(std::uint64_t pages, const vmcs::ProfileTarget& target) {
    m_target = target;
    for (Generation& slot : m_slots) {
        slot.read_bitmap = pages;
        slot.write_bitmap = pages + memory::page_size;
        pages += 2 * memory::page_size;
    }
    m_trap_bitmap = pages;
    write_page(m_trap_bitmap, {});
    m_last_number = m_slots[0].number = 1;
    write_page(m_slots[0].read_bitmap, {});
    write_page(m_slots[0].write_bitmap, {});
}

Generation& Generations::take_newest() {
    for (;;) {
        Generation& newest{*m_newest.load()};
        auto& users{m_users[&newest - m_slots]};
        users.fetch_add(1);
        if (m_newest.load() == &newest) return newest;
        users.fetch_sub(1);
    }
}

Generation* Generations::free_slot() {
    for (std::size_t i{0}; i < slots; ++i) {
        if (&m_slots[i] != m_newest.load() && m_users[i].load() == 0) return &m_slots[i];
    }
    return nullptr;
}

Result<std::uint32_t, Refusal> Generations::publish(link::Mode mode, std::uint16_t sample_interval) {
    Generation* const slot{free_slot()};
    if (slot == nullptr) return Failure{Refusal{link::CommandStatus::busy, {}}};
    if (mode != link::Mode::trap) m_has_shadowed = true;
    slot->number = ++m_last_number;
    slot->mode = mode;
    slot->sample_interval = sample_interval;
    slot->sets = mode == link::Mode::trap ? vmcs::ShadowSets{} : m_profile;
    slot->writes.assign(slot->sets.write);
    write_page(slot->read_bitmap, slot->sets.read);
    write_page(slot->write_bitmap, slot->sets.write);
    __builtin_memset(slot->name, 0, sizeof(slot->name));
    if (mode != link::Mode::trap) __builtin_memcpy(slot->name, m_name, sizeof(m_name));
    m_newest = slot;
    return slot->number;
}

Result<vmcs::ShadowSets, Refusal> Generations::check(const link::ProfileImage& image) const {
    if (image.magic != link::profile_magic) return Failure{Refusal{link::CommandStatus::malformed, {}}};
    if (image.catalogue_version != vmcs::catalogue_version) {
        return Failure{Refusal{link::CommandStatus::other_catalogue, {}}};
    }
    // A profile for other fields than ours.
    if (!vmcs::FieldSet::are_members(image.read) || !vmcs::FieldSet::are_members(image.write))
        return Failure{Refusal{link::CommandStatus::malformed, {}}};
    const vmcs::ShadowSets sets{vmcs::FieldSet::load(image.read), vmcs::FieldSet::load(image.write)};
    if (const auto checked{vmcs::validate(sets, m_target)}; !checked) {
        return Failure{Refusal{link::CommandStatus::profile_rejected, checked.error()}};
    }
    return sets;
}

Result<std::uint32_t, Refusal> Generations::load(const link::ProfileImage& image) {
    const auto sets{check(image)};
    if (!sets) return Failure{sets.error()};
    const Right right{m_publishing};
    if (!right || free_slot() == nullptr) return Failure{Refusal{link::CommandStatus::busy, {}}};
    m_profile = sets.value();
    m_has_profile = true;
    __builtin_memcpy(m_name, image.name, sizeof(m_name));
    m_name[sizeof(m_name) - 1] = '\0';
    const Generation& now{newest()};
    if (now.mode == link::Mode::sample) return publish(now.mode, now.sample_interval);
    return publish(link::Mode::tuned, 0);
}

link::SavedBitmaps Generations::save() const {
    const Generation& now{*m_newest.load()};
    link::SavedBitmaps saved{};
    saved.generation = now.number;
    saved.mode = static_cast<std::uint8_t>(now.mode);
    saved.has_profile = m_has_profile ? 1 : 0;
    saved.sample_interval = now.sample_interval;
    saved.profile.magic = link::profile_magic;
    saved.profile.catalogue_version = vmcs::catalogue_version;
    m_profile.read.store(saved.profile.read);
    m_profile.write.store(saved.profile.write);
    __builtin_memcpy(saved.profile.name, m_name, sizeof(m_name));
    return saved;
}

Result<void, Refusal> Generations::restore(const link::SavedBitmaps& saved) {
    if (saved.has_profile != 0) {
        const auto sets{check(saved.profile)};
        if (!sets) return Failure{sets.error()};
        m_profile = sets.value();
        m_has_profile = true;
        __builtin_memcpy(m_name, saved.profile.name, sizeof(m_name));
        m_name[sizeof(m_name) - 1] = '\0';
    }
    m_last_number = saved.generation - 1;
    const auto published{publish(static_cast<link::Mode>(saved.mode), saved.sample_interval)};
    if (!published) return Failure{published.error()};
    return {};
}

Result<std::uint32_t, Refusal> Generations::set_mode(link::Mode mode, std::uint16_t sample_interval) {
    if (mode > link::last_mode || (mode == link::Mode::sample) != (sample_interval != 0))
        return Failure{Refusal{link::CommandStatus::malformed, {}}};
    const Right right{m_publishing};
    if (!right) return Failure{Refusal{link::CommandStatus::busy, {}}};
    if (mode == newest().mode && sample_interval == newest().sample_interval) return newest().number;
    if (mode != link::Mode::trap && !m_has_profile)
        return Failure{Refusal{link::CommandStatus::no_profile, {}}};
    return publish(mode, sample_interval);
}

} // namespace shadowtune::shadow

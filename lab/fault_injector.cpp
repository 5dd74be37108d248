#include "lab/fault_injector.hpp"

namespace shadowtune::lab {

// SplitMix64: tiny, and its quality is far above what choosing frames needs.
std::uint64_t FaultInjector::next_random() {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
    return mixed ^ (mixed >> 31U);
}

void FaultInjector::pass(std::span<const std::uint8_t> in, std::vector<std::uint8_t>& out) {
    if (faults_.one_in == 0) {
        out.insert(out.end(), in.begin(), in.end());
        return;
    }
    for (const auto byte : in) {
        frame_.push_back(byte);
        if (byte == 0 || frame_.size() >= longest_frame) end_frame(out);
    }
}

void FaultInjector::end_frame(std::vector<std::uint8_t>& out) {
    ++counts_.frames;
    int copies = 1;
    if (next_random() % faults_.one_in == 0) {
        switch (next_random() % 3) {
        case 0: {
            // Any byte may suffer, the terminator too: then two frames run into one, as on a real wire.
            const auto at = static_cast<std::size_t>(next_random() % frame_.size());
            const auto flip = static_cast<std::uint8_t>(1 + next_random() % 255);
            frame_[at] = static_cast<std::uint8_t>(frame_[at] ^ flip);
            ++counts_.corrupted;
            break;
        }
        case 1:
            copies = 0;
            ++counts_.dropped;
            break;
        default:
            copies = 2;
            ++counts_.doubled;
            break;
        }
    }
    for (; copies > 0; --copies)
        out.insert(out.end(), frame_.begin(), frame_.end());
    frame_.clear();
}

} // namespace shadowtune::lab

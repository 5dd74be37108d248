#include "lab/zoo.hpp"

#include "lab/failure.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <sstream>
#include <system_error>

namespace shadowtune::lab {
namespace {

constexpr std::string_view blanks = " \t";
constexpr std::string_view directory_mark = "{}";

[[nodiscard]] std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

[[nodiscard]] std::vector<std::string> words_of(const std::string& text) {
    std::istringstream stream{text};
    std::vector<std::string> words;
    for (std::string word; stream >> word;)
        words.push_back(word);
    return words;
}

class Parser {
public:
    [[nodiscard]] std::vector<ZooMember> parse(std::string_view table) {
        std::istringstream lines{std::string{table}};
        for (std::string line; std::getline(lines, line);) {
            ++number_;
            take(line);
        }
        end_member();
        return std::move(members_);
    }

private:
    void take(const std::string& line) {
        const auto text = trimmed(line);
        if (text.empty() || text.front() == '#') return;
        if (blanks.find(line.front()) != std::string_view::npos) {
            if (value_ == nullptr) throw wrong("continues nothing");
            *value_ += " " + std::string{text};
            return;
        }
        if (text.front() == '[') {
            end_member();
            begin_member(text);
            return;
        }
        const auto equals = text.find('=');
        if (equals == std::string_view::npos) throw wrong("is neither [NAME] nor KEY = VALUE");
        value_ = &value_of(trimmed(text.substr(0, equals)));
        if (!value_->empty()) throw wrong("gives a key a second time");
        *value_ = trimmed(text.substr(equals + 1));
    }

    void begin_member(std::string_view text) {
        if (text.back() != ']' || text.size() < 3) throw wrong("is no [NAME]");
        members_.emplace_back().name = text.substr(1, text.size() - 2);
        value_ = nullptr;
        files_.clear();
    }

    [[nodiscard]] std::string& value_of(std::string_view key) {
        if (members_.empty()) throw wrong("comes before the first [NAME]");
        auto& member = members_.back();
        if (key == "what") return member.what;
        if (key == "files") return files_;
        if (key == "recipe") return member.recipe;
        if (key == "run") return member.run;
        throw wrong(fmt::format("has the unknown key '{}'", key));
    }

    void end_member() {
        if (members_.empty()) return;
        auto& member = members_.back();
        member.files = words_of(files_);
        const auto is_same = [&](const ZooMember& other) { return other.name == member.name; };
        if (std::count_if(members_.begin(), members_.end(), is_same) != 1)
            throw wrong(fmt::format("follows a second [{}]", member.name));
        if (member.what.empty() || member.files.empty() || member.recipe.empty() || member.run.empty())
            throw wrong(fmt::format("ends [{}], which lacks what, files, recipe or run", member.name));
    }

    [[nodiscard]] Failure wrong(std::string_view what) const {
        return Failure{ExitCode::internal, fmt::format("lab/zoo/members: line {} {}", number_, what)};
    }

    std::vector<ZooMember> members_;
    std::string files_;
    std::string* value_ = nullptr; // what a continuation line goes on with
    unsigned number_ = 0;
};

} // namespace

std::vector<ZooMember> parse_zoo(std::string_view table) {
    return Parser{}.parse(table);
}

const ZooMember& find_member(const std::vector<ZooMember>& zoo, std::string_view name) {
    const auto found =
        std::find_if(zoo.begin(), zoo.end(), [&](const ZooMember& member) { return member.name == name; });
    if (found != zoo.end()) return *found;
    std::string names;
    for (const auto& member : zoo)
        names += (names.empty() ? "" : ", ") + member.name;
    throw Failure{ExitCode::usage, fmt::format("the zoo has no '{}': give one of {}", name, names)};
}

std::string missing_file(const ZooMember& member, const std::filesystem::path& directory) {
    std::error_code ignored;
    for (const auto& file : member.files) {
        if (!std::filesystem::exists(directory / file, ignored)) return file;
    }
    return {};
}

std::string bring_command(const ZooMember& member) {
    return "scripts/setup --zoo " + member.name;
}

std::string with_directory(std::string word, const std::filesystem::path& directory) {
    const auto path = directory.string();
    for (auto at = word.find(directory_mark); at != std::string::npos;
         at = word.find(directory_mark, at + path.size())) {
        word.replace(at, directory_mark.size(), path);
    }
    return word;
}

} // namespace shadowtune::lab

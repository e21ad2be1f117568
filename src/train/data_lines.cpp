#include "train/data_lines.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/throw.h"

namespace dstorch::training {

void read_data_lines(std::string_view text, const std::filesystem::path& path,
                     const std::function<void(std::string_view)>& read) {
  constexpr std::size_t kListed = 20;
  std::vector<std::string> problems;
  std::size_t wrong = 0;
  int64_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find('\n', begin), text.size());
    const auto line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) {
      continue;
    }
    try {
      read(line);
    } catch (const LMError& e) {
      ++wrong;
      if (problems.size() < kListed) {
        problems.push_back(fmt::format("line {}: {}", number, e.what()));
      }
    }
  }
  require(wrong == 0, ErrorKind::invalid_argument, "{} has {} that cannot be learned from: {}{}", path.string(),
          wrong == 1 ? "a line" : fmt::format("{} lines", wrong), fmt::join(problems, "; "),
          wrong > problems.size() ? fmt::format("; and {} more", wrong - problems.size()) : "");
}

}  // namespace dstorch::training

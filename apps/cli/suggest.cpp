#include "suggest.h"

#include <algorithm>
#include <numeric>

namespace dstorch::cli {
namespace {

/// The optimal string alignment distance: three rows of the table are enough.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  constexpr std::size_t kShortestPart = 3;
  const auto letters = [](std::string_view name) {
    return name.size() - std::min(name.size(), name.find_first_not_of('-'));
  };
  std::string best;
  std::size_t least = std::max<std::size_t>(1, letters(word) / 3) + 1;  // what is farther off is a guess
  for (const auto& name : known) {
    const bool begins = letters(word) >= kShortestPart && name.starts_with(word);
    const auto far = begins ? 1 : distance(word, name);
    if (far < least) {
      least = far;
      best = name;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const auto name = suggestion(word, known);
  return name.empty() ? "" : "; did you mean " + name + "?";
}

}  // namespace dstorch::cli

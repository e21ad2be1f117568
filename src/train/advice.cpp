#include "train/advice.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "core/json.h"
#include "core/mapped_file.h"
#include "dstorch/log.h"

namespace dstorch::training {
namespace {

constexpr std::size_t kLinesLookedAt = 3;
constexpr std::size_t kLongestLine = std::size_t{1} << 20;

bool is_chat(std::string_view line) {
  constexpr std::array kKeys{"messages", "conversations", "prompt", "instruction"};
  const auto json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  return json.is_object() &&
         std::any_of(kKeys.begin(), kKeys.end(), [&](const char* key) { return json.contains(key); });
}

}  // namespace

bool looks_like_chats(std::string_view text) {
  std::size_t chats = 0;
  while (!text.empty() && chats < kLinesLookedAt) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    if (line.size() > kLongestLine || !is_chat(line)) {
      return false;
    }
    ++chats;
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return chats > 0;
}

void advise(const TrainOptions& options) {
  if (options.warmup_steps >= options.steps && options.learning_rate > 0) {
    log(LogLevel::warning,
        fmt::format(
            "warning: the warm-up of {} steps is as long as the run of {}: the learning rate hardly reaches {}; "
            "a tenth of the run is usual",
            options.warmup_steps, options.steps, options.learning_rate));
  }
  for (const auto& path : options.data) {
    const auto file = MappedFile::open(path);
    if (looks_like_chats({reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()})) {
      log(LogLevel::warning, fmt::format("warning: {} looks like JSON lines of chats; training learns them as plain "
                                         "text, braces and all",
                                         path.string()));
    }
  }
}

}  // namespace dstorch::training

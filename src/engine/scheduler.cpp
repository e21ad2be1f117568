#include "engine/scheduler.h"

#include <algorithm>

namespace dstorch::engine {
namespace {

bool reads_prompt(const Sequence& sequence) { return sequence.done() < sequence.prompt_length(); }

/// Shares `rows` among prompts in their order.
void share_prompts(std::vector<StepShare>& prompts, int64_t rows) {
  const auto give = [&](StepShare& share, int64_t most) {
    const auto count = std::min({most, rows, share.sequence->pending() - share.count});
    share.count += count;
    rows -= count;
  };
  if (prompts.size() > 1) {
    const auto others = static_cast<int64_t>(prompts.size()) - 1;
    const auto part = std::max<int64_t>(1, rows / 2 / others);
    give(prompts.front(), rows - rows / 2);
    for (std::size_t i = 1; i < prompts.size(); ++i) {
      give(prompts[i], part);
    }
  }
  for (auto& share : prompts) {
    give(share, rows);  // what is left, to the oldest
  }
}

}  // namespace

std::vector<StepShare> plan_step(std::span<Sequence* const> running, const StepLimits& limits) {
  std::vector<StepShare> step;
  std::vector<StepShare> prompts;
  for (auto* sequence : running) {
    if (reads_prompt(*sequence)) {
      prompts.push_back({.sequence = sequence, .first = sequence->done()});
    } else {
      step.push_back({.sequence = sequence, .first = sequence->done(), .count = sequence->pending()});
    }
  }
  share_prompts(prompts, step.empty() ? limits.prompt_rows : limits.shared_prompt_rows);
  std::copy_if(prompts.begin(), prompts.end(), std::back_inserter(step),
               [](const StepShare& share) { return share.count > 0; });
  return step;
}

std::vector<StepShare> plan_whole(std::span<Sequence* const> running) {
  std::vector<StepShare> step;
  for (auto* sequence : running) {
    step.push_back({.sequence = sequence, .count = sequence->length()});
  }
  return step;
}

}  // namespace dstorch::engine

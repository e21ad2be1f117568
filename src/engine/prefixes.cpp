// The prefix cache's part of the engine: when pages are looked for, remembered and dropped.

#include <algorithm>
#include <utility>

#include "core/throw.h"
#include "dstorch/memory.h"
#include "engine/engine.h"

namespace dstorch::engine {
namespace {

/// A sequence waits for another one that will save it at least this many positions.
constexpr int64_t kWorthWaiting = ops::kPagePositions;

/// The tokens whose keys and values may come from the cache: all but the last, which must go through the model since
/// its logits are wanted.
std::span<const int64_t> findable(const Sequence& sequence) {
  return sequence.tokens().first(static_cast<std::size_t>(sequence.length() - 1));
}

}  // namespace

bool Engine::finds_prefix(const Sequence& sequence) const {
  return prefixes_ && sequence.wants() == Sequence::Wants::last_logits;
}

void Engine::begin(std::size_t place) {
  auto& sequence = *running_[place];
  sequence.pages.emplace(*pool_);
  if (!finds_prefix(sequence)) {
    return;
  }
  const auto tokens = findable(sequence);
  for (std::size_t i = 0; i < place; ++i) {
    const auto& other = *running_[i];
    if (!finds_prefix(other) || other.adapter != sequence.adapter || other.done() >= other.prompt_length()) {
      continue;
    }
    const auto mismatch = std::mismatch(tokens.begin(), tokens.end(), other.tokens().begin(), other.tokens().end());
    const auto common = static_cast<int64_t>(mismatch.first - tokens.begin());
    if (common >= other.done() + kWorthWaiting && (!sequence.ahead || common > sequence.ahead->positions)) {
      sequence.ahead = {running_[i], common};
    }
  }
  if (!sequence.ahead) {
    find_prefix(sequence);
  }
}

bool Engine::waits(Sequence& sequence) {
  if (!sequence.ahead) {
    return false;
  }
  const auto& [other, positions] = *sequence.ahead;
  if (other->pages && other->done() < positions) {
    return true;
  }
  sequence.ahead.reset();
  find_prefix(sequence);
  return false;
}

void Engine::find_prefix(Sequence& sequence) {
  auto found = prefixes_->find(findable(sequence), sequence.adapter);
  prefixes_->make_own(found, [this](int64_t bytes) { make_room(bytes); });
  prefixes_->count(sequence.prompt_length(), std::min(found.positions, sequence.prompt_length()));
  if (found.positions > 0) {
    sequence.pages->adopt(std::move(found.pages));
    sequence.advance(found.positions);
    sequence.on_found(found.positions);
  }
}

void Engine::remember(const Sequence& sequence) {
  if (finds_prefix(sequence) && sequence.pages && sequence.done() > 0) {
    prefixes_->put(sequence.tokens().first(static_cast<std::size_t>(sequence.done())), sequence.adapter,
                   *sequence.pages);
  }
}

void Engine::remember_after_step(const StepShare& share) {
  const auto& sequence = *share.sequence;
  if (sequence.finished()) {
    return;  // `let_go_of_pages` remembers it
  }
  const bool read_prompt = share.first < sequence.prompt_length();
  if (read_prompt || share.first / ops::kPagePositions != sequence.done() / ops::kPagePositions) {
    remember(sequence);
  }
}

void Engine::put_prefix(std::span<const int64_t> tokens, const std::shared_ptr<const nn::Adapter>& adapter,
                        std::span<const at::Tensor> pages) {
  between_steps([&] { put_pages(tokens, adapter, pages); });
}

void Engine::put_pages(std::span<const int64_t> tokens, const std::shared_ptr<const nn::Adapter>& adapter,
                       std::span<const at::Tensor> pages) {
  int64_t bytes = 0;
  for (const auto& group : pages) {
    bytes += static_cast<int64_t>(group.nbytes());
  }
  make_room(bytes);
  const auto room = admission_.page_limit(running_) - page_bytes_in_use();
  require(bytes <= room, ErrorKind::out_of_memory,
          "the keys and values of {} tokens take {}, prefixes may take {} now; raise kv_memory or the memory limit",
          tokens.size(), format_bytes(bytes), format_bytes(std::max<int64_t>(room, 0)));
  const auto last = (static_cast<int64_t>(tokens.size()) - 1) / ops::kPagePositions;
  std::vector<std::vector<nn::PageRef>> held;
  for (std::size_t group = 0; group < pages.size(); ++group) {
    auto& own = held.emplace_back(static_cast<std::size_t>(last + 1));
    const auto count = pages[group].size(0);
    for (int64_t i = 0; i < count; ++i) {
      own[static_cast<std::size_t>(last + 1 - count + i)] = pool_->take(group, pages[group][i]);
    }
  }
  nn::SequencePages whole(*pool_);
  whole.adopt(std::move(held));
  prefixes_->put(tokens, adapter, whole);
}

void Engine::let_go_of_pages(Sequence& sequence) {
  remember(sequence);
  if (model_draft_) {
    model_draft_->forget(sequence);
  }
  sequence.ahead.reset();
  sequence.pages.reset();
}

int64_t Engine::page_bytes_in_use() const {
  return pool_->bytes_in_use() + (model_draft_ ? model_draft_->bytes_in_use() : 0);
}

void Engine::make_room(int64_t bytes) {
  if (!prefixes_) {
    return;
  }
  const auto limit = admission_.page_limit(running_);
  const auto drop_oldest = [this] { return (model_draft_ && model_draft_->drop_oldest()) || prefixes_->drop_oldest(); };
  while (page_bytes_in_use() + bytes > limit && drop_oldest()) {
  }
}

}  // namespace dstorch::engine

#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "engine/engine_config.h"
#include "engine/sequence.h"

namespace dstorch::engine {

/// Which sequences may run at once: all that each may ever need is set aside before it begins, so that none has to give
/// up what it has. Immutable, hence thread-safe.
class Admission {
 public:
  explicit Admission(const EngineConfig& config);

  /// Whether `next` may begin beside `running`.
  [[nodiscard]] bool admits(std::span<const std::shared_ptr<Sequence>> running, const Sequence& next) const;
  /// Throws LMError{out_of_memory} with the plan for a sequence that would not even run alone.
  void check(const Sequence& sequence) const;
  /// The most bytes of pages there may be, cached ones included, while `running` go through the model.
  [[nodiscard]] int64_t page_limit(std::span<const std::shared_ptr<Sequence>> running) const;
  /// Bytes of keys and values set aside for a sequence.
  [[nodiscard]] int64_t kv_bytes(const Sequence& sequence) const;
  /// Rows of drafts that a step of `running` may have: what would pass the memory bounds is left out, before anything
  /// has to wait for it.
  [[nodiscard]] int64_t draft_rows(std::span<const std::shared_ptr<Sequence>> running) const;

 private:
  /// Of the largest pass of `running` and `next`, which may be null, with so many rows of drafts.
  [[nodiscard]] int64_t pass_bytes(std::span<const std::shared_ptr<Sequence>> running, const Sequence* next,
                                   int64_t drafts) const;

  nn::KvLayout layout_;
  MemoryBounds bounds_;
  at::ScalarType kv_dtype_;
  nn::KvLayout draft_layout_;  // of the model that guesses; empty without one
  at::ScalarType draft_kv_dtype_;
  int64_t piece_;        // the most rows of a sequence in one pass
  int64_t prompt_rows_;  // of which so many of its prompt
  int64_t all_draft_rows_;
  int64_t max_running_;
};

}  // namespace dstorch::engine

#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "engine/engine_config.h"
#include "engine/sequence.h"

namespace dstorch::engine {

/// Decides which sequences may run at once. A sequence begins only when the memory for its full length is free, so that
/// no running sequence ever has to give pages back. Immutable, hence thread-safe.
class Admission {
 public:
  explicit Admission(const EngineConfig& config);

  /// Whether `next` may begin beside `running`.
  [[nodiscard]] bool admits(std::span<const std::shared_ptr<Sequence>> running, const Sequence& next) const;
  /// Throws LMError{out_of_memory}, with the plan, when the sequence could not run even alone.
  void check(const Sequence& sequence) const;
  /// How many bytes of pages there may be at most, those of the prefix cache included, while `running` run.
  [[nodiscard]] int64_t page_limit(std::span<const std::shared_ptr<Sequence>> running) const;
  /// Bytes of keys and values that are reserved for a sequence.
  [[nodiscard]] int64_t kv_bytes(const Sequence& sequence) const;
  /// How many rows of drafts a step of `running` may have within the memory bounds. Drafts are given up first, before a
  /// sequence has to wait.
  [[nodiscard]] int64_t draft_rows(std::span<const std::shared_ptr<Sequence>> running) const;

 private:
  /// Bytes that the largest pass of `running` and `next` (may be null) takes with `drafts` rows of drafts.
  [[nodiscard]] int64_t pass_bytes(std::span<const std::shared_ptr<Sequence>> running, const Sequence* next,
                                   int64_t drafts) const;

  nn::KvLayout layout_;
  MemoryBounds bounds_;
  at::ScalarType kv_dtype_;
  nn::KvLayout draft_layout_;  // of the draft model; empty without one
  at::ScalarType draft_kv_dtype_;
  int64_t piece_;        // the most rows of a sequence in one pass
  int64_t prompt_rows_;  // the most of these that may be of its prompt
  int64_t all_draft_rows_;
  int64_t max_running_;
};

}  // namespace dstorch::engine

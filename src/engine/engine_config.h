#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "device/memory_account.h"
#include "dstorch/tokenizer.h"
#include "engine/scheduler.h"
#include "models/language_model.h"

namespace dstorch::engine {

/// Bytes that running sequences may take, and what they take. 0 is no bound.
struct MemoryBounds {
  /// Of keys and values.
  int64_t kv = 0;
  /// Of keys and values, and of one pass.
  int64_t together = 0;
  /// Free pages that are kept for the next sequence.
  int64_t kept = 0;
  /// The most of pages that nothing needs but the cache of prefixes; here 0 is no cache. They give way to sequences.
  int64_t prefixes = 0;
  /// What a pass of so many rows takes, in which the longest sequence has so many positions and so many sequences want
  /// logits.
  std::function<int64_t(int64_t rows, int64_t positions, int64_t sequences)> pass;
  /// Says what one sequence of so many positions needs.
  std::function<std::string(int64_t positions)> plan;
};

/// A model that guesses how answers go on; none where `model` is null. It has the vocabulary of the one it guesses for.
struct DraftModelConfig {
  std::shared_ptr<models::LanguageModel> model;
  /// Of its keys and values.
  at::ScalarType kv_dtype = at::kFloat;
};

/// What an engine runs, and within which bounds.
struct EngineConfig {
  std::shared_ptr<models::LanguageModel> model;
  std::shared_ptr<const Tokenizer> tokenizer;  // may be null
  std::set<int64_t> end_tokens;
  /// Most positions of a sequence.
  int64_t max_context = 0;
  at::Device device = at::kCPU;
  /// Of keys and values.
  at::ScalarType kv_dtype = at::kFloat;
  /// Of one pass; below 1: the processors this process may run on.
  int threads = 1;
  MemoryBounds memory;
  /// In whose account the memory is; may be null.
  std::shared_ptr<MemoryAccount> account;
  StepLimits step;
  /// A row comes out the same, to the bit, however many go through with it: what speculation needs.
  bool exact_rows = true;
  /// Only with `exact_rows`.
  DraftModelConfig draft;
  /// Sequences that go through the model together, and those that may wait for a place among them.
  int64_t max_running = 64;
  int64_t max_waiting = 1024;
};

}  // namespace dstorch::engine

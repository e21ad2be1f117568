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

/// Bounds in bytes for the sequences that run, and functions that say what they need. 0 is no bound.
struct MemoryBounds {
  /// Bound of the keys and values.
  int64_t kv = 0;
  /// Bound of the keys and values and of one pass together.
  int64_t together = 0;
  /// How much of free pages is kept for the next sequence instead of being given back to the system.
  int64_t kept = 0;
  /// How much of pages may be held by the prefix cache alone, until sequences need the room; 0 here means no cache.
  int64_t prefixes = 0;
  /// Bytes that a pass of `rows` rows takes, whose longest sequence has `positions` positions and after which
  /// `sequences` rows want logits. `rank`: of the adapters that its rows go through, the largest; 0 without any.
  std::function<int64_t(int64_t rows, int64_t positions, int64_t sequences, int64_t rank)> pass;
  /// A text, for errors, that says what one sequence of `positions` positions needs.
  std::function<std::string(int64_t positions)> plan;
};

/// The draft model, which guesses how answers go on; none where `model` is null. It must have the vocabulary of the
/// model that it guesses for.
struct DraftModelConfig {
  std::shared_ptr<models::LanguageModel> model;
  /// What its keys and values are kept in.
  at::ScalarType kv_dtype = at::kFloat;
};

/// What an engine runs, and within which bounds.
struct EngineConfig {
  std::shared_ptr<models::LanguageModel> model;
  std::shared_ptr<const Tokenizer> tokenizer;  // may be null
  std::set<int64_t> end_tokens;
  /// The most positions, prompt and answer, of one sequence.
  int64_t max_context = 0;
  at::Device device = at::kCPU;
  /// What keys and values are kept in.
  at::ScalarType kv_dtype = at::kFloat;
  /// Threads of one pass; below 1: the processors this process may run on.
  int threads = 1;
  MemoryBounds memory;
  /// Counts the engine's memory; may be null.
  std::shared_ptr<MemoryAccount> account;
  StepLimits step;
  /// Whether a row's result is the same to the bit however many rows go through with it. Speculation needs that.
  bool exact_rows = true;
  /// Used only with `exact_rows`.
  DraftModelConfig draft;
  /// How many sequences may run at once, and how many more may wait.
  int64_t max_running = 64;
  int64_t max_waiting = 1024;
};

}  // namespace dstorch::engine

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>

#include "device/memory_account.h"
#include "dstorch/generation.h"
#include "dstorch/tokenizer.h"
#include "generate/call_memory.h"
#include "models/causal_lm.h"

namespace dstorch::generate {

/// A model with what generation needs around it. Shared by all callers; `step_mutex` lets one forward pass run at a
/// time, since each uses every thread there is.
struct Engine {
  std::shared_ptr<models::CausalLM> model;
  std::shared_ptr<const Tokenizer> tokenizer;  // may be null
  std::set<int64_t> end_tokens;
  int64_t max_context = 0;
  at::Device device = at::kCPU;
  std::shared_ptr<MemoryAccount> memory;  // of the model and its callers; may be null
  std::unique_ptr<CallLimit> limit;       // null without one
  std::mutex step_mutex;
};

/// Positions processed in one forward pass of a prompt: enough to keep the products busy, few enough to cancel soon.
inline constexpr int64_t kPromptChunk = 256;

/// Continues `prompt`. Throws LMError: invalid_argument, context_overflow (says by how much), inference.
GenerationResult complete(Engine& engine, std::span<const int64_t> prompt, const GenerationOptions& options);

/// Runs `tokens` through the layers of a sequence in chunks; `visit` gets each chunk's last hidden states
/// [chunk, hidden] and the index of its first token, and returns false to stop. Throws LMError{invalid_argument} for
/// ids outside the vocabulary.
using HiddenVisitor = std::function<bool(const at::Tensor& hidden, int64_t first)>;
void run_chunks(Engine& engine, nn::SequenceState& state, std::span<const int64_t> tokens, const HiddenVisitor& visit);

/// Throws LMError{invalid_argument} naming the first id that is not in the vocabulary, or that there is none at all.
void check_tokens(const Engine& engine, std::span<const int64_t> tokens);

}  // namespace dstorch::generate

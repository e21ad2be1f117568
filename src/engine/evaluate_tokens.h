#pragma once

#include <memory>
#include <span>
#include <vector>

#include "dstorch/log.h"
#include "engine/engine.h"

namespace dstorch::engine {

// `adapter` may be null. Each waits for its turns beside the sequences that generate. They throw LMError:
// invalid_argument for ids outside the vocabulary, context_overflow, inference for numbers that are not finite,
// out_of_memory, cancelled when the engine is closed meanwhile.

/// The logits for the token after `prompt`, one per vocabulary entry.
std::vector<float> next_logits(Engine& engine, std::span<const int64_t> prompt,
                               std::shared_ptr<const nn::Adapter> adapter = {});

/// The keys and values of `tokens`, as `nn::SequencePages::contents`. Throws LMError{unsupported} for a model that
/// keeps none.
std::vector<at::Tensor> keys_and_values(Engine& engine, std::span<const int64_t> tokens,
                                        std::shared_ptr<const nn::Adapter> adapter = {});

/// The mean over the tokens of the last hidden state after the final norm. Throws LMError{unsupported} for a model
/// that shows none.
std::vector<float> mean_hidden(Engine& engine, std::span<const int64_t> tokens,
                               std::shared_ptr<const nn::Adapter> adapter = {});

/// Sum of the negative log-likelihoods (natural logarithm) of all tokens but the first, each predicted once, from at
/// least half a window before it (or all there is). `on_progress` is called on this thread.
double negative_log_likelihood(Engine& engine, std::span<const int64_t> tokens, const ProgressCallback& on_progress,
                               const std::shared_ptr<const nn::Adapter>& adapter = {});

}  // namespace dstorch::engine

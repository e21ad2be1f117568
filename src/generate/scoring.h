#pragma once

#include <span>
#include <vector>

#include "dstorch/log.h"
#include "generate/generator.h"

namespace dstorch::generate {

/// The logits for the token after `prompt`, one per vocabulary entry.
std::vector<float> next_logits(Engine& engine, std::span<const int64_t> prompt);

/// The mean over the tokens of the last hidden state after the final norm.
std::vector<float> mean_hidden(Engine& engine, std::span<const int64_t> tokens);

/// Sum of the negative log-likelihoods (natural logarithm) of all tokens but the first, each predicted once, from at
/// least half a window before it (or all there is).
double negative_log_likelihood(Engine& engine, std::span<const int64_t> tokens, const ProgressCallback& on_progress);

}  // namespace dstorch::generate

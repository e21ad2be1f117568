#include "engine/check_options.h"

#include <cmath>
#include <limits>

#include "core/throw.h"

namespace dstorch::engine {
namespace {

constexpr int64_t kMaxLogprobs = 100;

void check_range(const char* name, double value, double low, double high) {
  require(value >= low && value <= high, ErrorKind::invalid_argument, "{} must be between {} and {}, got {}", name, low,
          high, value);
}

}  // namespace

void check_options(const GenerationOptions& options, int64_t vocab_size) {
  require(options.max_tokens.value_or(0) >= 0, ErrorKind::invalid_argument, "max_tokens must be at least 0, got {}",
          options.max_tokens.value_or(0));
  check_range("temperature", options.temperature, 0, 1e6);
  require(options.top_k >= 0, ErrorKind::invalid_argument, "top_k must be at least 0 (0 keeps all), got {}",
          options.top_k);
  require(options.top_p > 0 && options.top_p <= 1, ErrorKind::invalid_argument,
          "top_p must be above 0 and at most 1, got {}", options.top_p);
  check_range("min_p", options.min_p, 0, 1);
  require(options.repetition_penalty > 0 && std::isfinite(options.repetition_penalty), ErrorKind::invalid_argument,
          "repetition_penalty must be above 0 (1 is off), got {}", options.repetition_penalty);
  check_range("frequency_penalty", options.frequency_penalty, -2, 2);
  check_range("presence_penalty", options.presence_penalty, -2, 2);
  if (options.logprobs) {
    require(*options.logprobs >= 0 && *options.logprobs <= kMaxLogprobs, ErrorKind::invalid_argument,
            "logprobs must be between 0 and {}, got {}", kMaxLogprobs, *options.logprobs);
  }
  for (const auto& [token, bias] : options.logit_bias) {
    require(token >= 0 && (vocab_size == 0 || token < vocab_size), ErrorKind::invalid_argument,
            "logit_bias: token ids must be between 0 and {}, got {}", vocab_size - 1, token);
    require(!std::isnan(bias) && bias != std::numeric_limits<double>::infinity(), ErrorKind::invalid_argument,
            "logit_bias of token {} must be a number or -infinity, got {}", token, bias);
  }
  require(!options.constraint || options.stop_sequences.empty(), ErrorKind::invalid_argument,
          "a constraint and stop_sequences must not be set together: a stop string would cut the answer, which ends by "
          "itself when it is complete");
  for (const auto& stop : options.stop_sequences) {
    require(!stop.empty(), ErrorKind::invalid_argument, "stop_sequences must not hold an empty string");
  }
}

}  // namespace dstorch::engine

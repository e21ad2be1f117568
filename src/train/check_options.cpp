#include "train/check_options.h"

#include <string_view>

#include "core/throw.h"
#include "ops/cpu/threads.h"

namespace dstorch::training {
namespace {

void at_least(std::string_view name, int64_t value, int64_t least) {
  require(value >= least, ErrorKind::invalid_argument, "{} must be at least {}, got {}", name, least, value);
}

/// Written so that a NaN fails.
void within(std::string_view name, double value, double least, double most) {
  require(value >= least && value <= most, ErrorKind::invalid_argument, "{} must be {} to {}, got {}", name, least,
          most, value);
}

}  // namespace

void check_options(const TrainOptions& options) {
  constexpr int64_t kMostTokensPerStep = int64_t{1} << 31;
  require(!options.data.empty(), ErrorKind::invalid_argument, "data must name at least one text file");
  require(!options.output.empty(), ErrorKind::invalid_argument, "output must name a directory");
  at_least("steps", options.steps, 1);
  at_least("batch_size", options.batch_size, 1);
  at_least("sequence_length", options.sequence_length, 1);
  require(options.batch_size <= kMostTokensPerStep && options.sequence_length <= kMostTokensPerStep &&
              options.batch_size * options.sequence_length <= kMostTokensPerStep,
          ErrorKind::invalid_argument, "batch_size times sequence_length must be at most 2^31, got {} times {}",
          options.batch_size, options.sequence_length);
  at_least("warmup_steps", options.warmup_steps, 0);
  at_least("eval_every", options.eval_every, 0);
  at_least("save_every", options.save_every, 0);
  require(options.threads >= 0 && options.threads <= ops::most_threads(), ErrorKind::invalid_argument,
          "threads must be between 0 and {} (0 uses every core), got {}", ops::most_threads(), options.threads);
  at_least("memory_limit", options.memory_limit, 0);
  within("learning_rate", options.learning_rate, 0, 1e3);
  within("min_learning_rate", options.min_learning_rate, 0, options.learning_rate);
  within("beta1", options.beta1, 0, 0.999999);
  within("beta2", options.beta2, 0, 0.999999999);
  within("epsilon", options.epsilon, 0, 1);
  within("weight_decay", options.weight_decay, 0, 1e3);
  within("clip_norm", options.clip_norm, 0, 1e9);
  within("held_out_fraction", options.held_out_fraction, 0, 0.9);
  require(options.save_dtype == DType::float32 || options.save_dtype == DType::bfloat16 ||
              options.save_dtype == DType::float16,
          ErrorKind::invalid_argument, "save_dtype must be float32, bfloat16 or float16, got {}",
          to_string(options.save_dtype));
}

}  // namespace dstorch::training

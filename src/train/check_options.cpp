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

constexpr int64_t kMostTokensPerStep = int64_t{1} << 31;

void check_threads(int threads) {
  require(threads >= 0 && threads <= ops::most_threads(), ErrorKind::invalid_argument,
          "threads must be between 0 and {} (0 uses every core), got {}", ops::most_threads(), threads);
}

void check_save_dtype(DType dtype) {
  require(dtype == DType::float32 || dtype == DType::bfloat16 || dtype == DType::float16, ErrorKind::invalid_argument,
          "save_dtype must be float32, bfloat16 or float16, got {}", to_string(dtype));
}

/// Of both kinds of training.
template <typename Options>
void check_adamw(const Options& options) {
  within("beta1", options.beta1, 0, 0.999999);
  within("beta2", options.beta2, 0, 0.999999999);
  within("epsilon", options.epsilon, 0, 1);
  within("weight_decay", options.weight_decay, 0, 1e3);
  within("clip_norm", options.clip_norm, 0, 1e9);
}

}  // namespace

void check_options(const FinetuneOptions& options) {
  constexpr int64_t kMost = int64_t{1} << 20;
  require(!options.data.empty(), ErrorKind::invalid_argument, "data must name a file of examples");
  require(!options.output.empty(), ErrorKind::invalid_argument, "output must name a directory");
  require(options.lora_rank >= 1 && options.lora_rank <= kMost, ErrorKind::invalid_argument,
          "lora_rank must be 1 to {}, got {}", kMost, options.lora_rank);
  within("lora_alpha", options.lora_alpha, 0, 1e6);
  within("lora_dropout", options.lora_dropout, 0, 0.99);
  require(options.full || !options.lora_targets.empty(), ErrorKind::invalid_argument,
          "lora_targets must name at least one layer");
  at_least("epochs", options.epochs, 1);
  at_least("steps", options.steps.value_or(1), 1);
  at_least("batch_size", options.batch_size, 1);
  at_least("accumulate", options.accumulate, 1);
  require(options.sequence_length == 0 || options.sequence_length >= 2, ErrorKind::invalid_argument,
          "sequence_length must be at least 2 (0 takes the model's limit), got {}", options.sequence_length);
  require(options.epochs <= kMost && options.batch_size <= kMost && options.accumulate <= kMost,
          ErrorKind::invalid_argument, "epochs, batch_size and accumulate must be at most {}", kMost);
  within("learning_rate", options.learning_rate.value_or(0), 0, 1e3);
  within("min_learning_rate", options.min_learning_rate, 0, options.learning_rate.value_or(1e3));
  at_least("warmup_steps", options.warmup_steps.value_or(0), 0);
  check_adamw(options);
  within("held_out_fraction", options.held_out_fraction, 0, 0.9);
  at_least("eval_every", options.eval_every, 0);
  at_least("patience", options.patience, 0);
  require(options.patience == 0 || options.eval_every > 0, ErrorKind::invalid_argument,
          "patience needs evaluations: eval_every must be at least 1, got {}", options.eval_every);
  at_least("save_every", options.save_every, 0);
  at_least("report_answers", options.report_answers, 0);
  at_least("memory_limit", options.memory_limit, 0);
  check_threads(options.threads);
  check_save_dtype(options.save_dtype.value_or(DType::float32));
}

void check_options(const TrainOptions& options) {
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
  check_threads(options.threads);
  at_least("memory_limit", options.memory_limit, 0);
  within("learning_rate", options.learning_rate, 0, 1e3);
  within("min_learning_rate", options.min_learning_rate, 0, options.learning_rate);
  check_adamw(options);
  within("held_out_fraction", options.held_out_fraction, 0, 0.9);
  check_save_dtype(options.save_dtype);
}

}  // namespace dstorch::training

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dstorch/device.h"
#include "dstorch/dtype.h"
#include "dstorch/generation.h"
#include "dstorch/memory.h"

namespace dstorch {

/// What a step of training came to.
struct TrainingStep {
  /// Steps done, this one included.
  int64_t step = 0;
  int64_t total_steps = 0;
  double loss = 0;
  double learning_rate = 0;
  double grad_norm = 0;
  double tokens_per_second = 0;
  double seconds_left = 0;
  /// Mean loss on what is held out, when this step evaluated.
  std::optional<double> held_out_loss{};
  /// The same in bits per byte of that text; of plain text alone.
  std::optional<double> held_out_bits_per_byte{};
  /// Share of the held-out examples whose answer greedy generation says right to the end; of fine-tuning alone.
  std::optional<double> held_out_right{};
};

/// Training a model from nothing on plain text.
struct TrainOptions {
  /// Text files, UTF-8. A line `<|endoftext|>` is the token of that name where the tokenizer has it.
  std::vector<std::filesystem::path> data;
  /// A `tokenizer.json` or a directory with one; copied beside the model. The config's vocab_size must cover it; a
  /// config without one takes the tokenizer's.
  std::filesystem::path tokenizer;
  /// A Hugging Face `config.json`; its model_type chooses the architecture.
  std::filesystem::path config;
  /// Model directory to write; also holds the training state.
  std::filesystem::path output;

  /// Optimizer steps in all.
  int64_t steps = 1000;
  /// Sequences per step.
  int64_t batch_size = 8;
  /// Tokens per sequence.
  int64_t sequence_length = 256;
  /// AdamW (Loshchilov & Hutter 2019).
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.95;
  /// On matrices only, not on norms and biases.
  double weight_decay = 0.1;
  /// The learning rate rises linearly over this many steps, then falls by a cosine to `min_learning_rate`.
  int64_t warmup_steps = 100;
  double min_learning_rate = 1e-4;
  double epsilon = 1e-8;
  /// Largest norm of all gradients together; 0 is off.
  double clip_norm = 1.0;
  /// Run the forward pass under bfloat16 autocast: on the CPU alone. Unset: there, where the processor has bfloat16
  /// instructions.
  std::optional<bool> bfloat16;
  /// Share of the data, taken off the end from a line's start, that is only evaluated on: nothing of a text without
  /// line breaks. Ignored with `held_out`.
  double held_out_fraction = 0.05;
  std::optional<std::filesystem::path> held_out;
  /// Evaluate every so many steps; 0 is at the end only.
  int64_t eval_every = 200;
  /// Write the training state every so many steps; it is always written at the end and when cancelled.
  int64_t save_every = 500;
  /// Of the weights in `model.safetensors`: float32, bfloat16 or float16. Training itself is float32.
  DType save_dtype = DType::float32;
  uint64_t seed = 0;
  /// Where the model is trained. The same seed starts from the same weights on each.
  Device device{};
  /// Most bytes of tensors on the device; 0 is no limit. A run whose plan is over it fails before it allocates:
  /// LMError{out_of_memory} with the plan in its message.
  int64_t memory_limit = 0;
  /// 0 uses every core this process may run on.
  int threads = 0;
  /// Go on from the state in `output` if there is one. Off: a state there is an error.
  bool resume = true;
  /// Replace a model or a state in `output` that this run did not write. Off: that is an error, before any work.
  bool overwrite = false;
  /// Stops after the running step; the state is saved.
  std::optional<CancelToken> cancel;

  using Step = TrainingStep;
  /// Called after every step.
  std::function<void(const Step&)> on_step;
};

struct TrainResult {
  int64_t steps = 0;
  double loss = 0;
  /// Of the finished model; none when there was no text to evaluate on, or the run was cancelled.
  std::optional<double> held_out_loss;
  std::optional<double> held_out_bits_per_byte;
  bool finished = false;  ///< False when it was cancelled.
  /// On the device at the end of the run; the peaks are what it took.
  MemoryUse memory;
};

/// Trains and writes a Hugging Face model directory (config.json, tokenizer.json, generation_config.json,
/// model.safetensors) at `options.output`, saving a state from which the next call goes on as if never stopped. Beside
/// them lie metrics.jsonl, a line a step, and loss.svg, the curve. One run at a time in a directory. Throws LMError.
TrainResult train(const TrainOptions& options);

}  // namespace dstorch

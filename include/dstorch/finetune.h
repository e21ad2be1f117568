#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dstorch/dtype.h"
#include "dstorch/generation.h"
#include "dstorch/memory.h"
#include "dstorch/train.h"

namespace dstorch {

/// How the learning rate goes on after the warm-up.
enum class LearningRateSchedule {
  constant,
  linear,  ///< Down to `min_learning_rate` at the last step.
  cosine,  ///< The same by half a cosine.
};

/// Training a model that is there on examples: low-rank adapters beside its weights (LoRA, Hu et al. 2021), or all of
/// its weights. On the CPU.
struct FinetuneOptions {
  /// A Hugging Face model directory, or the state dict of a plain network (SimpleTransformer).
  std::filesystem::path model;
  /// JSON lines, one example each. Of a language model:
  ///   {"prompt": text, "completion": text}   the completion is learned, and the end token after it
  ///   {"messages": [{"role", "content"}..]}  what the assistant says is learned; needs a chat template
  ///   {"text": text}                         all of it is learned
  ///   {"text": text, "label": class}         the class is learned, a text or a whole number, by a head of its own on
  ///                                          the text's last state: the model then classifies instead of writing
  /// or plain text. Of a plain network:
  ///   {"input": [numbers] or text, "target": [numbers]}    with the mean squared error
  ///   {"input": [numbers] or text, "label": number}        with the cross-entropy; labels count outputs from 0
  /// Prompt and completion become tokens apart. A line that is wrong or longer than a sequence is an error.
  std::filesystem::path data;
  /// Written: an adapter in PEFT's format, or the model's directory; with it the state that a stopped run goes on from,
  /// metrics.jsonl, loss.svg, and at the end report.md.
  std::filesystem::path output;

  /// Train all weights instead of adapters; always so for plain networks.
  bool full = false;
  int64_t lora_rank = 16;
  /// The change is multiplied by alpha / rank, with `rslora` by alpha / sqrt(rank) (Kalajdzievski 2023).
  double lora_alpha = 32;
  /// Share of an adapter's inputs that each pass leaves out, in [0, 1).
  double lora_dropout = 0;
  bool rslora = false;
  /// Layers with an adapter: names, or what they end with ("q_proj"); regular expressions for whole names; "all-linear"
  /// is every linear layer of the blocks. The head and the embeddings are meant only by their names.
  std::vector<std::string> lora_targets = {"all-linear"};

  /// Times that each example is learned from; `steps` goes before it.
  int64_t epochs = 3;
  std::optional<int64_t> steps{};
  /// Examples that go through the model together, and how often that is done in a step. The loss of a step is the mean
  /// over all of its tokens.
  int64_t batch_size = 8;
  int64_t accumulate = 1;
  /// Most tokens of an example; 0 takes the model's limit, at most 512.
  int64_t sequence_length = 0;
  /// As many examples together as have batch_size times sequence_length tokens, instead of batch_size. No example sees
  /// another.
  bool packing = false;
  /// Of the warm-up's end; unset 2e-4 for adapters, 2e-5 for all weights, 1e-3 for plain networks.
  std::optional<double> learning_rate{};
  double min_learning_rate = 0;
  LearningRateSchedule schedule = LearningRateSchedule::linear;
  /// Unset: a tenth of the steps.
  std::optional<int64_t> warmup_steps{};
  /// AdamW (Loshchilov & Hutter 2019); the decay is of matrices, not of norms and biases.
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;
  /// Largest norm of all gradients together; 0 is off.
  double clip_norm = 1.0;
  /// Passes in bfloat16, what is trained in float32. Unset: where the processor has bfloat16 instructions.
  std::optional<bool> bfloat16{};
  /// Compute the inside of each block a second time for the gradients instead of keeping it: less memory, more time.
  bool checkpointing = false;

  /// Share of the examples, drawn by the seed, that are only evaluated on. Ignored with `held_out`, a file of its own.
  double held_out_fraction = 0.1;
  std::optional<std::filesystem::path> held_out{};
  /// Evaluate every so many steps; 0 is before the first and after the last only.
  int64_t eval_every = 0;
  /// End after so many evaluations without a lower held-out loss, with the weights of the lowest; 0 is never.
  int64_t patience = 0;
  /// Write the state every so many steps; it is always written at the end and when cancelled. The state before it is
  /// kept, and gone on from where the last is damaged.
  int64_t save_every = 100;
  /// Of the weights written when all are trained: float32, bfloat16 or float16; unset takes that of the model.
  std::optional<DType> save_dtype{};
  uint64_t seed = 0;
  /// 0 uses every core this process may run on.
  int threads = 0;
  /// Most bytes of tensors; 0 is no limit.
  int64_t memory_limit = 0;
  /// Go on from the state in `output` if there is one. Off: a state there is an error.
  bool resume = true;
  /// Replace what is in `output`, whatever run it is of.
  bool overwrite = false;
  /// Held-out examples whose answers before and after stand in report.md; language models with prompts alone.
  int64_t report_answers = 10;
  /// Stops after the running step; the state is saved.
  std::optional<CancelToken> cancel{};
  /// Called after every step, on the calling thread.
  std::function<void(const TrainingStep&)> on_step{};
};

/// How well a model does on what is held out.
struct HeldOutScores {
  /// Mean over the tokens that are learned; over the examples where they have labels, or a plain network learns.
  double loss = 0;
  /// Share of the examples answered right: to the end token by greedy generation; by the largest output where there are
  /// labels.
  std::optional<double> right{};
};

struct FinetuneResult {
  int64_t steps = 0;
  double loss = 0;
  /// False when it was cancelled.
  bool finished = false;
  /// It was finished before it was called, and did nothing.
  bool was_finished = false;
  /// Before the first step, and of what was written; none where nothing is held out.
  std::optional<HeldOutScores> before{};
  std::optional<HeldOutScores> after{};
  /// Numbers that are trained.
  int64_t trained = 0;
  /// The peaks are what it took.
  MemoryUse memory;
};

/// Trains, and writes `options.output`. A run that was stopped or killed goes on when it is called again with the same
/// options, and ends with the same weights to the bit, on the same machine with any number of threads. Only one run
/// at a time in a directory. Throws LMError: invalid_argument for options outside their range, data that cannot be
/// learned from (each line is named), a directory of another run (what differs is named) or that another run is
/// training into; not_found, format, unsupported, io, inference when a loss is not finite.
FinetuneResult finetune(const FinetuneOptions& options);

struct MergeOptions {
  /// A Hugging Face model directory.
  std::filesystem::path model;
  /// A LoRA adapter of it in PEFT's format: a directory with adapter_config.json and its weights.
  std::filesystem::path adapter;
  /// A directory to make, or a `.pt` file of the weights alone.
  std::filesystem::path output;
  /// Of the weights written: float32, bfloat16 or float16; unset keeps that of each tensor.
  std::optional<DType> dtype{};
  /// Replace what `output` names.
  bool overwrite = false;
};

/// Writes the model as the adapter makes it, W + scale · B · A for each weight that it changes, computed in float32: as
/// a directory with the model's other files, or as a `.pt` that Python's `torch.load` reads as the model's state dict.
/// Throws LMError: not_found, format when the adapter is of another model, unsupported for adapters that are more than
/// LoRA, invalid_argument when there is something at `output`, io.
void merge_adapter(const MergeOptions& options);

}  // namespace dstorch

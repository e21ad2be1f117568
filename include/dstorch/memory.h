#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dstorch/device.h"
#include "dstorch/dtype.h"

namespace dstorch {

struct TorchModelConfig;

/// What a block of memory holds.
enum class MemoryKind {
  weights,      ///< Parameters, copied or in a mapped file.
  kv_cache,     ///< Keys and values of the sequences being generated.
  activations,  ///< What a pass computes, and keeps for its gradients.
  gradients,    ///< `.grad` of the parameters.
  optimizer,    ///< What the optimizer remembers, e.g. AdamW's two moments.
  other,        ///< Everything else: rotation tables, batches, tensors made by the program around.
};
inline constexpr std::size_t kMemoryKinds = 6;

/// "weights", "kv_cache", "activations", "gradients", "optimizer", "other".
std::string_view to_string(MemoryKind kind) noexcept;

/// Bytes in tensors on one device, counted where they are allocated and freed. What is no tensor is not in it: the
/// program itself with LibTorch's code, the tokenizer, scratch space of kernels.
struct MemoryUse {
  struct Amount {
    /// Bytes now.
    int64_t bytes = 0;
    /// The most there have been at once.
    int64_t peak = 0;
  };

  Device device{};
  /// All kinds together.
  Amount total;
  /// By kind, in the order of MemoryKind. Each peak is the kind's own: they need not have been at the same moment.
  std::array<Amount, kMemoryKinds> kinds{};
  /// The part of the weights that is used in place in a mapped file. The system can drop these pages when memory is
  /// short and read them again.
  Amount mapped;

  /// What is kept to find prompts' beginnings again. Of one model: `TorchModel::memory`.
  struct Prefixes {
    /// Pages of 64 positions, which running calls may use too, and their bytes: a part of the kv_cache.
    int64_t pages = 0;
    int64_t bytes = 0;
    /// Tokens of all prompts since `init`, and how many of them were found.
    int64_t tokens_asked = 0;
    int64_t tokens_found = 0;
  };
  Prefixes prefixes{};

  [[nodiscard]] const Amount& operator[](MemoryKind kind) const { return kinds[static_cast<std::size_t>(kind)]; }
};

/// What a model will need, in bytes, and what there is.
struct MemoryPlan {
  Device device{};
  /// Of the weights.
  DType dtype = DType::float32;
  /// Positions of each sequence, and how many sequences there are at once.
  int64_t context = 0;
  int64_t batch = 0;
  /// The most of each kind, in the order of MemoryKind.
  std::array<int64_t, kMemoryKinds> kinds{};
  /// The most at once. In training the kinds are not all at their most at the same moment: less than their sum.
  int64_t total = 0;
  /// What the device has free, or the memory limit where that is less; 0 when the device does not tell.
  int64_t available = 0;
  /// The longest context, with this batch, whose total is within `available`: at most the model's limit; 0 when none
  /// is.
  int64_t largest_context = 0;
  /// The longest context the model has.
  int64_t model_context = 0;

  [[nodiscard]] int64_t operator[](MemoryKind kind) const { return kinds[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] bool fits() const noexcept { return available == 0 || total <= available; }
};

/// In one line: "weights 256.6 MiB, KV cache 180.0 MiB, ..., together 440.3 MiB; available 8.0 GiB; ...".
std::string to_string(const MemoryPlan& plan);

/// What is trained, and how: see PlanOptions.
enum class Training { none, full, full_finetune, lora };

/// What to plan for.
struct PlanOptions {
  /// Positions of each sequence; 0 takes the config's `max_context`, then the model's limit; in training 256.
  int64_t context = 0;
  /// Sequences at once: concurrent calls of `generate`, or the batch of a training step. 0 is 1; in training 8.
  int64_t batch = 0;
  /// full: as `train` does it, from nothing, in float32 with AdamW. full_finetune: as `finetune` does it with `full`,
  /// the model's weights as float32. lora: as `finetune` does it, with adapters of `lora_rank` on every linear layer of
  /// the blocks, beside weights in the format of the passes. In fine-tuning the config's `threads` learn parts of the
  /// batch side by side.
  Training training = Training::none;
  int64_t lora_rank = 8;
  /// Passes in bfloat16. Unset: as `train` and `finetune` decide.
  std::optional<bool> bfloat16{};
  /// full_finetune, lora: as `FinetuneOptions::checkpointing`.
  bool checkpointing = false;
};

/// What loading the model of `config` and running it will need, from its config.json and the headers of its weights
/// alone; a directory with only a config.json, or the file itself, is planned in its `torch_dtype`. Not counted: the
/// program with LibTorch's code, the tokenizer. Throws LMError: not_found, format, unsupported (TorchScript says no
/// sizes), invalid_argument.
MemoryPlan plan_memory(const TorchModelConfig& config, const PlanOptions& options = {});

/// "256.6 MiB": as B, KiB, MiB, GiB or TiB.
std::string format_bytes(int64_t bytes);

/// What the models and trainings of this process use on `device`. Tensors that a program makes itself are not counted
/// on the CPU. On cuda: by what LibTorch's allocator tells of each block (LibTorch 2.2 and later); where it does not,
/// the totals alone (2.10 and later), and kinds are 0. Thread-safe. Throws LMError{unsupported} unless the device is
/// available.
MemoryUse memory_use(const Device& device = {});

}  // namespace dstorch

#pragma once

#include <cstdint>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dstorch/checkpoint.h"
#include "dstorch/device.h"
#include "dstorch/dtype.h"
#include "dstorch/lm_driver.h"
#include "dstorch/log.h"
#include "dstorch/memory.h"
#include "dstorch/tokenizer.h"

namespace dstorch {

/// The framework's first model: Linear, ReLU, (num_layers - 1) x [Linear, ReLU], Linear. Sizes in features.
struct Architecture {
  int64_t input_size = 0;
  int64_t hidden_size = 0;
  int64_t output_size = 0;
  int64_t num_layers = 1;
};

/// Either `model_path` or `architecture` must be set.
struct TorchModelConfig {
  /// A Hugging Face model directory; a `.pt`/`.pth`/`.bin`/`.safetensors` state dict of the plain architecture; a
  /// TorchScript archive.
  std::optional<std::filesystem::path> model_path{};
  Device device{};
  /// Random weights from `seed` unless `model_path` gives them.
  std::optional<Architecture> architecture{};
  /// Weights are converted to it while loading; unset keeps what the file has.
  std::optional<DType> dtype{};
  /// Threads for one forward pass; 0 uses every core this process may run on.
  int threads = 0;
  /// Instead of the tokenizer in the model's directory.
  std::optional<std::filesystem::path> tokenizer_path{};
  /// Most positions of one sequence; 0 takes the model's own limit.
  int64_t max_context = 0;
  uint64_t seed = 0;
  /// Most bytes of tensors on the device, weights in mapped files included; 0 is no limit. What would pass it, loading
  /// or a call, fails before it allocates: LMError{out_of_memory} with the plan in its message. On cuda the plan alone
  /// keeps it, not the allocator.
  int64_t memory_limit = 0;
  ProgressCallback on_progress{};
};

enum class Training { none, full, lora };

/// What to plan for.
struct PlanOptions {
  /// Positions of each sequence; 0 takes the config's `max_context`, then the model's limit; in training 256.
  int64_t context = 0;
  /// Sequences at once: concurrent calls of `generate`, or the batch of a training step. 0 is 1; in training 8.
  int64_t batch = 0;
  /// full: as `train` does it, in float32 with AdamW. lora: the weights stay as they are, adapters of `lora_rank` on
  /// every linear layer of the blocks are trained (Hu et al. 2021).
  Training training = Training::none;
  int64_t lora_rank = 8;
  /// full: forward passes under bfloat16 autocast. Unset: as `train` decides.
  std::optional<bool> bfloat16{};
};

/// What a loaded model is.
struct ModelInfo {
  /// "llama", "gpt2", ..., "simple_transformer", "torchscript".
  std::string model_type;
  int64_t parameters = 0;
  /// Bytes of the weights.
  int64_t weight_bytes = 0;
  DType dtype = DType::float32;
  /// 0 for models that are no language models.
  int64_t vocab_size = 0;
  int64_t max_context = 0;
  int64_t hidden_size = 0;
  int64_t num_layers = 0;
  /// Bytes of weights read to make one token: all but an input table that is not the head's too.
  int64_t bytes_per_token = 0;
};

struct PerplexityResult {
  /// Sum of the negative log-likelihoods of all tokens but the first, natural logarithm.
  double nll = 0;
  double perplexity = 0;
  double bits_per_byte = 0;
  /// Tokens predicted: all but the first.
  int64_t tokens = 0;
  int64_t bytes = 0;
};

/// A model from PyTorch or Hugging Face, running in this process.
///
/// All functions may be called from several threads at once; each caller gets what it would have got alone. `init()`
/// and `cleanup()` wait for running calls. Errors are LMError.
class TorchModel : public LMDriver {
 public:
  explicit TorchModel(TorchModelConfig config);
  ~TorchModel() override;

  /// Loads the model. Does nothing when it is loaded. Without copies: weights stay in the mapped file.
  void init() override;
  std::string generate(std::string_view prompt, const GenerationOptions& options = {}) override;
  /// `generate` on a thread of its own.
  std::future<std::string> generate_async(std::string prompt, GenerationOptions options = {});
  /// `generate` with everything there is to know about the answer.
  GenerationResult complete(std::string_view prompt, const GenerationOptions& options = {});
  /// The same from token ids; needs no tokenizer (the text is then empty).
  GenerationResult complete(std::span<const int64_t> prompt, const GenerationOptions& options = {});
  /// `complete` that hands each piece of text to `on_token` as it comes.
  GenerationResult stream(std::string_view prompt, TokenCallback on_token, GenerationOptions options = {});
  /// The mean over the tokens of the last hidden state (after the final norm), `hidden_size` numbers, not normalized.
  std::vector<float> embed(std::string_view text);
  /// The logits for the token after `prompt`: one per vocabulary entry. A plain network without a tokenizer, which
  /// takes what `generate` takes: all that it puts out.
  std::vector<float> logits(std::string_view prompt);
  /// The same from token ids: language models alone.
  std::vector<float> logits(std::span<const int64_t> prompt);
  /// How well the model predicts `text`: windows of `max_context` tokens, each token once, with half a window of
  /// context.
  PerplexityResult perplexity(std::string_view text, const ProgressCallback& on_progress = {});
  /// Gives the memory back to the system.
  void cleanup() override;

  [[nodiscard]] bool initialized() const;
  [[nodiscard]] ModelInfo info() const;
  /// What this model holds on its device: weights, the caches of running calls and what else they made. Before `init()`
  /// and after `cleanup()` nothing is left but the peaks. Where blocks on cuda cannot be counted
  /// (`memory_use`): what the whole process holds there.
  [[nodiscard]] MemoryUse memory() const;
  /// Null for a model without one. Throws LMError{not_initialized} before `init()`.
  [[nodiscard]] std::shared_ptr<const Tokenizer> tokenizer() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// What loading the model of `config` and running it will need, from its config.json and the headers of its weights
/// alone; a directory with only a config.json, or the file itself, is planned in its `torch_dtype`. Not counted: the
/// program with LibTorch's code, the tokenizer. Throws LMError: not_found, format, unsupported (TorchScript says no
/// sizes), invalid_argument.
MemoryPlan plan_memory(const TorchModelConfig& config, const PlanOptions& options = {});

}  // namespace dstorch

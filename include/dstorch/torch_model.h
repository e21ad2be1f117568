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

#include "dstorch/architecture.h"
#include "dstorch/checkpoint.h"
#include "dstorch/conversation.h"
#include "dstorch/device.h"
#include "dstorch/dtype.h"
#include "dstorch/lm_driver.h"
#include "dstorch/log.h"
#include "dstorch/memory.h"
#include "dstorch/tokenizer.h"

namespace dstorch {

/// Either `model_path` or `architecture` must be set.
struct TorchModelConfig {
  /// A Hugging Face model directory, its config.json or a file of its weights; a `.pt`/`.pth`/`.bin`/`.safetensors`
  /// state dict of the plain architecture; a TorchScript archive (only with `allow_scripts`).
  std::optional<std::filesystem::path> model_path{};
  Device device{};
  /// Random weights from `seed` unless `model_path` gives them.
  std::optional<Architecture> architecture{};
  /// Weights are converted to it while loading; unset keeps what the file has.
  std::optional<DType> dtype{};
  /// What keys and values are kept in; unset takes that of the weights. q8 is not for `webgl`.
  std::optional<KvDType> kv_dtype{};
  /// Most bytes of keys and values of all running calls together; what does not fit waits. 0 takes what `memory_limit`
  /// leaves, or else half of the memory that is free at `init`.
  int64_t kv_memory = 0;
  /// Find what calls have in common, from their beginnings on, instead of computing it again (docs/prefixes.md); no bit
  /// of an answer changes. What is kept for it gives way to calls, and is at most what `kv_memory` or `memory_limit`
  /// leave, or without either an eighth of the memory that is free at `init`.
  bool prefix_cache = true;
  /// Threads of this model's forward passes; 0 uses every core this process may run on.
  int threads = 0;
  /// Instead of the tokenizer in the model's directory.
  std::optional<std::filesystem::path> tokenizer_path{};
  /// Most positions of one sequence; 0 takes the model's own limit.
  int64_t max_context = 0;
  uint64_t seed = 0;
  /// Most bytes of tensors on the device, weights in mapped files included; 0 is no limit. A model or a call that could
  /// never stay within it fails before it allocates: LMError{out_of_memory} with the plan in its message. A call that
  /// must wait for others to end waits.
  int64_t memory_limit = 0;
  /// Run a TorchScript archive. It is a program, which can read and write whatever this process may: set it for files
  /// from people you trust. Off: such a file is refused before any of it runs, LMError{invalid_argument}.
  bool allow_scripts = false;
  /// Read the weights into memory of this process instead of mapping their files: whatever happens to the files later,
  /// the model stays what it was. Costs the memory and the time of reading; see `CheckpointAccess`.
  bool copy_weights = false;
  ProgressCallback on_progress{};
  /// An adapter in PEFT's format, a directory with adapter_config.json: of all calls that name no other. One that
  /// replaces modules whole, such as the head of a classifier, is the only one of its model.
  std::optional<std::filesystem::path> adapter{};
  /// The directory of a smaller language model with the same vocabulary, which guesses answers ahead
  /// (docs/speculation.md); no bit of an answer changes. It takes memory for its weights, and for keys and values of
  /// its own within the same bounds. On the CPU, with weights of float32 and less; else LMError{unsupported}. One of
  /// another vocabulary is LMError{invalid_argument}.
  std::optional<std::filesystem::path> draft_model_path{};
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
  /// Of a model that tells classes of texts apart instead of writing: their names.
  std::vector<std::string> classes{};
};

/// A class that a text may be of.
struct ClassScore {
  std::string name;
  /// The probabilities of a text's classes add up to 1.
  double probability = 0;
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
/// All functions may be called from several threads at once: calls go through the model together, and each gets what it
/// would have got alone, to the bit. They may be called from a token callback too. Errors are LMError.
/// In a child of a fork a model from before it is not initialized; `init()` loads it anew.
class TorchModel : public LMDriver {
 public:
  explicit TorchModel(TorchModelConfig config);
  /// Calls that still run end as cancelled. Not from a progress or log callback of this model's.
  ~TorchModel() override;

  /// Loads the model. Does nothing when it is loaded. Without copies: weights stay in the mapped file.
  void init() override;
  std::string generate(std::string_view prompt, const GenerationOptions& options = {}) override;
  /// `generate` without waiting for it; `on_token` is called on a thread of its own.
  std::future<std::string> generate_async(std::string prompt, GenerationOptions options = {});
  /// `generate` with everything there is to know about the answer.
  GenerationResult complete(std::string_view prompt, const GenerationOptions& options = {});
  /// The same from token ids; needs no tokenizer (the text is then empty).
  GenerationResult complete(std::span<const int64_t> prompt, const GenerationOptions& options = {});
  /// `complete` that hands each piece of text to `on_token` as it comes.
  GenerationResult stream(std::string_view prompt, TokenCallback on_token, GenerationOptions options = {});
  /// `complete` of many prompts together; the answers are in their order. The options have no `on_token`. When one
  /// fails the others are cancelled and its error is thrown.
  std::vector<GenerationResult> complete_all(std::span<const std::string> prompts,
                                             const GenerationOptions& options = {});
  /// `n` answers to one prompt, at least 1: with the seeds `seed`, `seed` + 1, ..., the first drawn where none is set.
  /// Each is what `complete` gives with its seed, to the bit; the prompt is read once (with `prefix_cache`). No
  /// `on_token`; when one fails the others are cancelled and its error is thrown.
  std::vector<GenerationResult> complete_all(std::string_view prompt, int64_t n, const GenerationOptions& options = {});
  std::vector<GenerationResult> complete_all(std::span<const int64_t> prompt, int64_t n,
                                             const GenerationOptions& options = {});
  /// Begins a `complete` and returns at once. Throws what can be known before it begins; at most 1024 calls may wait.
  PendingGeneration submit(std::string_view prompt, GenerationOptions options = {});
  PendingGeneration submit(std::span<const int64_t> prompt, GenerationOptions options = {});
  /// The assistant's next message of a conversation, written for the model by its own chat template. Special tokens
  /// that a message spells stay text. Throws LMError: not_found for a model without a template; invalid_argument,
  /// naming the message or the tool, for what the template refuses, messages out of order, tools whose parameters are
  /// no schema.
  ChatResult chat(std::span<const Message> messages, const ChatOptions& options = {});
  /// `n` next messages of one conversation, as `complete_all` answers a prompt. The options have no `on_piece`.
  std::vector<ChatResult> chat_all(std::span<const Message> messages, int64_t n, const ChatOptions& options = {});
  /// Begins a `chat` and returns at once.
  PendingChat submit_chat(std::span<const Message> messages, ChatOptions options = {});
  /// How the model's makers sample its answers: its generation_config.json, as transformers reads it. It holds for
  /// `chat` alone: `generate` has its own defaults. Throws LMError as `chat` does.
  [[nodiscard]] GenerationOptions chat_defaults() const;
  /// What `chat` writes conversations with. Never null; throws LMError as `chat` does.
  [[nodiscard]] std::shared_ptr<const ChatTemplate> chat_template() const;
  /// The mean over the tokens of the last hidden state (after the final norm), `hidden_size` numbers, not normalized.
  /// Throws LMError{unsupported} for TorchScript archives, which show none.
  std::vector<float> embed(std::string_view text);
  /// How likely `text` is of each class, the likeliest first: of a model whose architecture is
  /// "...ForSequenceClassification", or that an adapter makes one. Such a model neither generates nor has a perplexity.
  /// Throws LMError: unsupported for other models, context_overflow.
  std::vector<ClassScore> classify(std::string_view text);
  /// The logits for the token after `prompt`: one per vocabulary entry, or per class. A plain network without a
  /// tokenizer, which takes what `generate` takes: all that it puts out.
  std::vector<float> logits(std::string_view prompt);
  /// The same from token ids: language models alone.
  std::vector<float> logits(std::span<const int64_t> prompt);
  /// How well the model predicts `text`: windows of `max_context` tokens, each token once, with half a window of
  /// context.
  PerplexityResult perplexity(std::string_view text, const ProgressCallback& on_progress = {});
  /// Writes the keys and values of `prompt` to a safetensors file, computing what is not there yet, for `load_prefix`
  /// of the same model in another process. `adapter`: as `GenerationOptions::adapter`. The file appears when it is
  /// whole. Throws LMError: not_initialized, unsupported with `prefix_cache` off, context_overflow, io.
  void save_prefix(const std::filesystem::path& path, std::string_view prompt, const std::string& adapter = {});
  void save_prefix(const std::filesystem::path& path, std::span<const int64_t> prompt, const std::string& adapter = {});
  /// Lets calls find what `save_prefix` wrote, as long as nothing needs the room; returns how many tokens that is.
  /// Throws LMError: format for any other file, and one of another model (a byte of its weights or its config.json),
  /// adapter, device or `kv_dtype`; not_found for an adapter that is not attached under the name it had; out_of_memory,
  /// unsupported with `prefix_cache` off.
  int64_t load_prefix(const std::filesystem::path& path);
  /// Loads the LoRA adapter in `directory` (PEFT's format: adapter_config.json, adapter_model.safetensors), for calls
  /// that name it: `GenerationOptions::adapter`. The model's weights stay as they are; calls with different adapters go
  /// through them together, and each gets what it would have got alone, to the bit. Throws LMError: not_initialized,
  /// not_found, format when it is of another model, unsupported for other kinds of adapters (DoRA, ...) and for
  /// modules that are replaced whole, which `TorchModelConfig::adapter` takes alone, invalid_argument for a name that
  /// is taken.
  void attach_adapter(const std::string& name, const std::filesystem::path& directory);
  /// Takes no new calls for the adapter; those that run go on with it. Throws LMError{not_found}.
  void detach_adapter(std::string_view name);
  /// The names of those attached, sorted. Gone after `cleanup()`.
  [[nodiscard]] std::vector<std::string> adapters() const;
  /// Takes no new calls, waits for those that run, and gives the memory back to the system.
  void cleanup() override;

  [[nodiscard]] bool initialized() const;
  [[nodiscard]] ModelInfo info() const;
  /// What this model holds on its device: weights, keys and values of running calls and what else they made. Before
  /// `init()` and after `cleanup()` nothing is left but the peaks. Where blocks on cuda cannot be counted
  /// (`memory_use`): what the whole process holds there.
  [[nodiscard]] MemoryUse memory() const;
  /// Null for a model without one. Throws LMError{not_initialized} before `init()`.
  [[nodiscard]] std::shared_ptr<const Tokenizer> tokenizer() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dstorch

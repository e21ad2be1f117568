#include "dstorch/torch_model.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>
#include <set>

#include "core/throw.h"
#include "device/cuda_allocator.h"
#include "device/memory_account.h"
#include "driver/answer_length.h"
#include "driver/class_scores.h"
#include "driver/guarded.h"
#include "driver/loaded_parts.h"
#include "driver/model_lifetime.h"
#include "driver/pending_chat_state.h"
#include "driver/pending_generation_state.h"
#include "driver/saved_prefix.h"
#include "driver/wait_for_all.h"
#include "engine/check_options.h"
#include "engine/evaluate_tokens.h"
#include "engine/generation_sequence.h"

namespace dstorch {
namespace {

using driver::adapter_of;
using driver::encode;
using driver::engine_of;
using driver::guarded;
using driver::LoadedModel;
using driver::shelf_of;
using driver::tokens_to_make;
using driver::wait_for_all;

/// Tokens made where nobody says how many.
constexpr int64_t kDefaultTokens = 256;
/// The same in a conversation, where the model ends its answers itself.
constexpr int64_t kDefaultChatTokens = 4096;

uint64_t draw_seed() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32U) | device();
}

void require_no_callback(const GenerationOptions& options) {
  require(!options.on_token, ErrorKind::invalid_argument,
          "complete_all has no on_token: its pieces would not say which answer they belong to; use submit");
}

void require_answers(int64_t n) {
  require(n >= 1, ErrorKind::invalid_argument, "the number of answers must be at least 1, got {}", n);
}

void require_writes(const LoadedModel& loaded) {
  require(loaded.info.classes.empty(), ErrorKind::unsupported,
          "the model tells {} classes of texts apart and writes nothing: ask it to classify (TorchModel::classify, "
          "dstorch classify)",
          loaded.info.classes.size());
}

/// Whether a text prompt is answered by the numbers of a plain network.
bool answers_plainly(const LoadedModel& loaded) {
  const auto* engine = loaded.engine();
  return std::holds_alternative<driver::PlainModel>(loaded.model) ||
         (std::holds_alternative<driver::ScriptedModel>(loaded.model) && engine->tokenizer() == nullptr);
}

}  // namespace

class TorchModel::Impl {
 public:
  explicit Impl(TorchModelConfig config)
      : config_(std::move(config)), memory_(std::make_shared<MemoryAccount>()), life_(config_, memory_) {}

  driver::ModelLifetime& life() { return life_; }

  [[nodiscard]] MemoryUse memory() const {
    auto use = count_memory(config_.device) ? memory_->use(config_.device) : memory_use(config_.device);
    const auto loaded = life_.loaded_or_null();
    const auto* engine = loaded ? loaded->engine() : nullptr;
    if (const auto* counts = engine != nullptr ? engine->prefix_counts() : nullptr) {
      use.prefixes = {counts->pages, counts->bytes, counts->tokens_asked, counts->tokens_found};
    }
    return use;
  }

  PendingGeneration submit(std::string_view prompt, GenerationOptions options) {
    const auto loaded = life_.loaded();
    return guarded([&] {
      if (answers_plainly(*loaded)) {
        return answer_plainly(*loaded, prompt, std::move(options));
      }
      return submit(*loaded, text_call(*loaded, encode(*loaded, prompt)), std::move(options));
    });
  }

  PendingGeneration submit(std::span<const int64_t> prompt, GenerationOptions options) {
    const auto loaded = life_.loaded();
    return guarded([&] {
      return submit(*loaded, text_call(*loaded, {prompt.begin(), prompt.end()}), std::move(options));
    });
  }

  PendingChat submit_chat(std::span<const Message> messages, ChatOptions options) {
    const auto loaded = life_.loaded();
    return guarded([&] {
      auto& engine = engine_of(*loaded);
      const auto chat = loaded->chat();
      auto generation = options.generation.value_or(chat->defaults());
      require(!generation.on_token, ErrorKind::invalid_argument,
              "a chat has no on_token: its pieces would not say what they are a part of; use on_piece");
      auto prompt = chat->prompt(messages, options.prompt);
      auto answer =
          std::make_shared<driver::ChatAnswer>(std::move(prompt.format), prompt.hash, std::move(options.on_piece));
      // The marks around reasoning and calls may be special tokens.
      generation.skip_special_tokens = false;
      generation.on_token = [answer](std::string_view piece) { return answer->take(piece); };
      Call call{std::move(prompt.ids), engine.end_tokens(), kDefaultChatTokens};
      call.end_tokens.insert(chat->end_tokens().begin(), chat->end_tokens().end());
      return PendingChat(std::make_unique<PendingChat::State>(submit(*loaded, std::move(call), std::move(generation)),
                                                              std::move(answer)));
    });
  }

  void save_prefix(const std::filesystem::path& path, std::span<const int64_t> prompt, const std::string& adapter) {
    const auto loaded = life_.loaded();
    guarded([&] { driver::save_prefix(*loaded, path, prompt, adapter); });
  }

  void save_prefix(const std::filesystem::path& path, std::string_view prompt, const std::string& adapter) {
    const auto loaded = life_.loaded();
    guarded([&] { driver::save_prefix(*loaded, path, encode(*loaded, prompt), adapter); });
  }

  int64_t load_prefix(const std::filesystem::path& path) {
    const auto loaded = life_.loaded();
    return guarded([&] { return driver::load_prefix(*loaded, path); });
  }

  /// A text or ids.
  template <typename Prompt>
  std::vector<GenerationResult> complete_all(const Prompt& prompt, int64_t n, GenerationOptions options) {
    require_answers(n);
    require_no_callback(options);
    const auto first = options.seed ? *options.seed : draw_seed();
    return wait_for_all(static_cast<uint64_t>(n), [&](uint64_t i) {
      options.seed = first + i;
      return submit(prompt, options);
    });
  }

  std::vector<ChatResult> chat_all(std::span<const Message> messages, int64_t n, ChatOptions options) {
    require_answers(n);
    require(!options.on_piece, ErrorKind::invalid_argument,
            "chat_all has no on_piece: its pieces would not say which answer they belong to; use submit_chat");
    if (!options.generation) {
      options.generation = chat_model()->defaults();
    }
    const auto first = options.generation->seed ? *options.generation->seed : draw_seed();
    return wait_for_all(static_cast<uint64_t>(n), [&](uint64_t i) {
      options.generation->seed = first + i;
      return submit_chat(messages, options);
    });
  }

  std::shared_ptr<const text::ChatModel> chat_model() const {
    const auto loaded = life_.loaded();
    return guarded([&] {
      (void)engine_of(*loaded);
      return loaded->chat();
    });
  }

  std::vector<float> logits(std::span<const int64_t> prompt) {
    const auto loaded = life_.loaded();
    return guarded([&] { return engine::next_logits(engine_of(*loaded), prompt, adapter_of(*loaded, "")); });
  }

  std::vector<float> logits(std::string_view prompt) {
    const auto loaded = life_.loaded();
    return guarded([&] {
      if (!answers_plainly(*loaded)) {
        return engine::next_logits(engine_of(*loaded), encode(*loaded, prompt), adapter_of(*loaded, ""));
      }
      const MemoryScope scope(memory_, MemoryKind::activations);
      const auto output = driver::plain_output(*loaded, prompt).to(at::kCPU, at::kFloat).contiguous();
      return std::vector<float>(output.data_ptr<float>(), output.data_ptr<float>() + output.numel());
    });
  }

  std::vector<ClassScore> classify(std::string_view text) {
    const auto loaded = life_.loaded();
    return guarded([&] {
      auto& engine = engine_of(*loaded);
      const auto& classes = loaded->info.classes;
      require(!classes.empty(), ErrorKind::unsupported,
              "classify needs a model with classes (an architecture called \"...ForSequenceClassification\", or an "
              "adapter that makes it one); this one writes");
      return driver::class_scores(engine::next_logits(engine, encode(*loaded, text), adapter_of(*loaded, "")), classes);
    });
  }

  std::vector<float> embed(std::string_view text) {
    const auto loaded = life_.loaded();
    return guarded(
        [&] { return engine::mean_hidden(engine_of(*loaded), encode(*loaded, text), adapter_of(*loaded, "")); });
  }

  PerplexityResult perplexity(std::string_view text, const ProgressCallback& on_progress) {
    const auto loaded = life_.loaded();
    return guarded([&] {
      require_writes(*loaded);
      const auto tokens = encode(*loaded, text);
      require(tokens.size() >= 2, ErrorKind::invalid_argument, "perplexity needs a text of at least two tokens, got {}",
              tokens.size());
      PerplexityResult result;
      result.nll = engine::negative_log_likelihood(engine_of(*loaded), tokens, on_progress, adapter_of(*loaded, ""));
      result.tokens = static_cast<int64_t>(tokens.size()) - 1;
      result.bytes = static_cast<int64_t>(text.size());
      result.perplexity = std::exp(result.nll / static_cast<double>(result.tokens));
      result.bits_per_byte = result.nll / std::numbers::ln2 / static_cast<double>(result.bytes);
      return result;
    });
  }

 private:
  /// What to continue, and where it ends by itself.
  struct Call {
    std::vector<int64_t> prompt;
    std::set<int64_t> end_tokens;
    int64_t max_tokens_by_default;
  };

  static Call text_call(const LoadedModel& loaded, std::vector<int64_t> prompt) {
    return {std::move(prompt), engine_of(loaded).end_tokens(), kDefaultTokens};
  }

  PendingGeneration submit(const LoadedModel& loaded, Call call, GenerationOptions options) {
    auto& engine = engine_of(loaded);
    require_writes(loaded);
    engine::check_options(options, engine.model().sizes().vocab_size);
    engine.check_tokens(call.prompt);
    require(options.speculation != Speculation::lookup || engine.speculates(), ErrorKind::unsupported,
            "speculation lookup needs a model from a directory on the cpu, in float32, bfloat16 or float16: elsewhere "
            "guesses could change an answer; take automatic or off");
    require(options.speculation != Speculation::draft_model || engine.has_draft_model(), ErrorKind::invalid_argument,
            "speculation draft_model needs a draft model; give its directory as draft_model_path (--draft-model)");
    auto adapter = adapter_of(loaded, options.adapter);
    const auto prompt_tokens = static_cast<int64_t>(call.prompt.size());
    const auto needed = options.constraint ? engine.tokens_needed(*options.constraint) : 0;
    const auto count = tokens_to_make(options, prompt_tokens, engine.max_context(), call.max_tokens_by_default, needed);
    auto constraint = options.constraint ? engine.constrain(*options.constraint, count,
                                                            options.ignore_eos ? std::set<int64_t>() : call.end_tokens)
                                         : nullptr;
    const auto seed = options.seed ? *options.seed : draw_seed();
    auto outbox = std::make_shared<engine::Outbox>(options.cancel);
    auto on_token = std::exchange(options.on_token, {});
    if (count == 0) {
      outbox->end({});
    } else {
      auto sequence =
          std::make_shared<engine::GenerationSequence>(std::move(call.prompt), options, count, seed, engine.tokenizer(),
                                                       std::move(call.end_tokens), outbox, std::move(constraint));
      if (sequence->finished()) {
        sequence->deliver();  // all of it was forced
      } else {
        sequence->adapter = std::move(adapter);
        engine.submit(std::move(sequence));
      }
    }
    return PendingGeneration(
        std::make_unique<PendingGeneration::State>(std::move(outbox), std::move(on_token), prompt_tokens, seed));
  }

  PendingGeneration answer_plainly(const LoadedModel& loaded, std::string_view prompt, GenerationOptions options) {
    require(!options.constraint, ErrorKind::unsupported,
            "a constraint is of a language model's text; this model puts out numbers");
    const MemoryScope scope(memory_, MemoryKind::activations);
    GenerationResult result;
    result.text = driver::describe_plain_output(driver::plain_output(loaded, prompt));
    result.finish_reason = FinishReason::stop;
    return PendingGeneration(
        std::make_unique<PendingGeneration::State>(std::move(result), std::move(options.on_token)));
  }

  TorchModelConfig config_;
  std::shared_ptr<MemoryAccount> memory_;
  driver::ModelLifetime life_;
};

TorchModel::TorchModel(TorchModelConfig config) : impl_(std::make_unique<Impl>(std::move(config))) {}

TorchModel::~TorchModel() = default;

void TorchModel::init() { impl_->life().init(); }

void TorchModel::cleanup() { impl_->life().cleanup(); }

bool TorchModel::initialized() const { return impl_->life().initialized(); }

std::string TorchModel::generate(std::string_view prompt, const GenerationOptions& options) {
  return submit(prompt, options).wait().text;
}

std::future<std::string> TorchModel::generate_async(std::string prompt, GenerationOptions options) {
  try {
    // Not `this`: the model may be gone before the thread is done.
    auto pending = std::make_shared<PendingGeneration>(submit(prompt, std::move(options)));
    return std::async(std::launch::async, [pending = std::move(pending)] { return pending->wait().text; });
  } catch (...) {
    std::promise<std::string> failed;
    failed.set_exception(std::current_exception());
    return failed.get_future();
  }
}

GenerationResult TorchModel::complete(std::string_view prompt, const GenerationOptions& options) {
  return submit(prompt, options).wait();
}

GenerationResult TorchModel::complete(std::span<const int64_t> prompt, const GenerationOptions& options) {
  return submit(prompt, options).wait();
}

GenerationResult TorchModel::stream(std::string_view prompt, TokenCallback on_token, GenerationOptions options) {
  options.on_token = std::move(on_token);
  return submit(prompt, std::move(options)).wait();
}

std::vector<GenerationResult> TorchModel::complete_all(std::span<const std::string> prompts,
                                                       const GenerationOptions& options) {
  require_no_callback(options);
  return wait_for_all(prompts.size(), [&](uint64_t i) { return submit(prompts[i], options); });
}

std::vector<GenerationResult> TorchModel::complete_all(std::string_view prompt, int64_t n,
                                                       const GenerationOptions& options) {
  return impl_->complete_all(prompt, n, options);
}

std::vector<GenerationResult> TorchModel::complete_all(std::span<const int64_t> prompt, int64_t n,
                                                       const GenerationOptions& options) {
  return impl_->complete_all(prompt, n, options);
}

PendingGeneration TorchModel::submit(std::string_view prompt, GenerationOptions options) {
  return impl_->submit(prompt, std::move(options));
}

PendingGeneration TorchModel::submit(std::span<const int64_t> prompt, GenerationOptions options) {
  return impl_->submit(prompt, std::move(options));
}

ChatResult TorchModel::chat(std::span<const Message> messages, const ChatOptions& options) {
  return submit_chat(messages, options).wait();
}

std::vector<ChatResult> TorchModel::chat_all(std::span<const Message> messages, int64_t n, const ChatOptions& options) {
  return impl_->chat_all(messages, n, options);
}

PendingChat TorchModel::submit_chat(std::span<const Message> messages, ChatOptions options) {
  return impl_->submit_chat(messages, std::move(options));
}

GenerationOptions TorchModel::chat_defaults() const { return impl_->chat_model()->defaults(); }

std::shared_ptr<const ChatTemplate> TorchModel::chat_template() const { return impl_->chat_model()->chat_template(); }

std::vector<float> TorchModel::logits(std::string_view prompt) { return impl_->logits(prompt); }

std::vector<ClassScore> TorchModel::classify(std::string_view text) { return impl_->classify(text); }

std::vector<float> TorchModel::embed(std::string_view text) { return impl_->embed(text); }

std::vector<float> TorchModel::logits(std::span<const int64_t> prompt) { return impl_->logits(prompt); }

PerplexityResult TorchModel::perplexity(std::string_view text, const ProgressCallback& on_progress) {
  return impl_->perplexity(text, on_progress);
}

void TorchModel::save_prefix(const std::filesystem::path& path, std::string_view prompt, const std::string& adapter) {
  impl_->save_prefix(path, prompt, adapter);
}

void TorchModel::save_prefix(const std::filesystem::path& path, std::span<const int64_t> prompt,
                             const std::string& adapter) {
  impl_->save_prefix(path, prompt, adapter);
}

int64_t TorchModel::load_prefix(const std::filesystem::path& path) { return impl_->load_prefix(path); }

void TorchModel::attach_adapter(const std::string& name, const std::filesystem::path& directory) {
  require(!name.empty(), ErrorKind::invalid_argument, "an adapter must have a name");
  shelf_of(*impl_->life().loaded()).attach(name, directory);
}

void TorchModel::detach_adapter(std::string_view name) {
  require(!name.empty(), ErrorKind::invalid_argument, "an adapter must have a name");
  shelf_of(*impl_->life().loaded()).detach(name);
}

std::vector<std::string> TorchModel::adapters() const {
  const auto loaded = impl_->life().loaded();
  return loaded->adapters ? loaded->adapters->names() : std::vector<std::string>();
}

ModelInfo TorchModel::info() const { return impl_->life().loaded()->info; }

MemoryUse TorchModel::memory() const { return impl_->memory(); }

std::shared_ptr<const Tokenizer> TorchModel::tokenizer() const {
  const auto loaded = impl_->life().loaded();
  const auto* engine = loaded->engine();
  return engine != nullptr ? engine->tokenizer() : nullptr;
}

}  // namespace dstorch

#include "dstorch/torch_model.h"

#include <ATen/Parallel.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <shared_mutex>

#include "core/throw.h"
#include "device/cuda_allocator.h"
#include "device/memory_account.h"
#include "driver/framework_words.h"
#include "driver/loaded_model.h"
#include "driver/plan_memory.h"
#include "generate/scoring.h"
#include "ops/cpu/threads.h"

namespace dstorch {
namespace {

/// Runs `work`; whatever LibTorch or the standard library throws becomes an LMError in the framework's words.
template <typename Work>
auto guarded(Work&& work) {
  try {
    return work();
  } catch (...) {
    driver::rethrow_as("Torch model inference failed", ErrorKind::inference);
  }
}

}  // namespace

class TorchModel::Impl {
 public:
  explicit Impl(TorchModelConfig config) : config_(std::move(config)), memory_(std::make_shared<MemoryAccount>()) {
    count_memory(config_.device);
  }

  void init() {
    const std::unique_lock lock(mutex_);
    if (model_) {
      return;
    }
    require(config_.threads >= 0 && config_.threads <= ops::most_threads(), ErrorKind::invalid_argument,
            "threads must be between 0 and {} (0 uses every core), got {}", ops::most_threads(), config_.threads);
    if (config_.threads > 0) {
      ops::set_num_threads(config_.threads);
    }
    at::set_num_threads(ops::num_threads());  // LibTorch starts with one
    try {
      require(config_.memory_limit >= 0, ErrorKind::invalid_argument,
              "memory_limit must be at least 0 bytes (0 is no limit), got {}", config_.memory_limit);
      if (config_.memory_limit > 0) {
        driver::check_limit(config_);
      }
      memory_->set_limit(config_.device, config_.memory_limit);
      const MemoryScope scope(memory_, MemoryKind::other);
      model_ = driver::load_model(config_);
      if (model_->engine) {
        model_->engine->memory = memory_;
        set_call_limit(*model_);
      }
    } catch (...) {
      driver::rethrow_as("Failed to initialize Torch model", ErrorKind::internal);
    }
  }

  void cleanup() {
    const std::unique_lock lock(mutex_);
    model_.reset();
    ::malloc_trim(0);
    if (config_.device.type == DeviceType::cuda) {
      release_cuda_cache();
    }
  }

  [[nodiscard]] MemoryUse memory() const {
    return count_memory(config_.device) ? memory_->use(config_.device) : memory_use(config_.device);
  }

  [[nodiscard]] bool initialized() const {
    const std::shared_lock lock(mutex_);
    return model_ != nullptr;
  }

  /// Calls `work` with the loaded model, which stays loaded meanwhile.
  template <typename Work>
  auto with_model(Work&& work) const {
    const std::shared_lock lock(mutex_);
    require(model_ != nullptr, ErrorKind::not_initialized, "Torch model not initialized. Call init() first.");
    return work(*model_);
  }

  GenerationResult complete(std::string_view prompt, const GenerationOptions& options) const {
    return with_model([&](driver::LoadedModel& model) {
      return guarded([&] {
        if (is_plain(model)) {
          return complete_plain(model, prompt, options);
        }
        return generate::complete(*model.engine, encode(model, prompt), options);
      });
    });
  }

  GenerationResult complete(std::span<const int64_t> prompt, const GenerationOptions& options) const {
    return with_model([&](driver::LoadedModel& model) {
      return guarded([&] { return generate::complete(engine(model), prompt, options); });
    });
  }

  std::vector<float> logits(std::span<const int64_t> prompt) const {
    return with_model([&](driver::LoadedModel& model) {
      return guarded([&] { return generate::next_logits(engine(model), prompt); });
    });
  }

  std::vector<float> logits(std::string_view prompt) const {
    return with_model([&](driver::LoadedModel& model) {
      return guarded([&] {
        if (is_plain(model)) {
          const auto output = run_plain(model, prompt).to(at::kCPU, at::kFloat).contiguous();
          return std::vector<float>(output.data_ptr<float>(), output.data_ptr<float>() + output.numel());
        }
        return generate::next_logits(engine(model), encode(model, prompt));
      });
    });
  }

  std::vector<float> embed(std::string_view text) const {
    return with_model([&](driver::LoadedModel& model) {
      return guarded([&] { return generate::mean_hidden(engine(model), encode(model, text)); });
    });
  }

  PerplexityResult perplexity(std::string_view text, const ProgressCallback& on_progress) const {
    return with_model([&](driver::LoadedModel& model) {
      return guarded([&] {
        const auto tokens = encode(model, text);
        require(tokens.size() >= 2, ErrorKind::invalid_argument,
                "perplexity needs a text of at least two tokens, got {}", tokens.size());
        PerplexityResult result;
        result.nll = generate::negative_log_likelihood(engine(model), tokens, on_progress);
        result.tokens = static_cast<int64_t>(tokens.size()) - 1;
        result.bytes = static_cast<int64_t>(text.size());
        result.perplexity = std::exp(result.nll / static_cast<double>(result.tokens));
        result.bits_per_byte = result.nll / std::numbers::ln2 / static_cast<double>(result.bytes);
        return result;
      });
    });
  }

 private:
  void set_call_limit(driver::LoadedModel& model) const {
    if (config_.memory_limit == 0) {
      return;
    }
    auto limit = std::make_unique<generate::CallLimit>(config_.memory_limit, memory_->use(config_.device).total.bytes);
    limit->dtype = model.info.dtype;
    limit->device = config_.device;
    models::ModelOutline outline;
    outline.sizes = model.engine->model->sizes();
    outline.dtype = model.info.dtype;
    outline.parameters = model.info.parameters;
    outline.weight_bytes = model.info.weight_bytes;
    limit->plan = [outline, config = config_](int64_t positions) {
      return to_string(driver::plan_generation(outline, config, positions, 1));
    };
    model.engine->limit = std::move(limit);
  }

  static generate::Engine& engine(driver::LoadedModel& model) {
    require(model.engine != nullptr, ErrorKind::unsupported, "this needs a language model; the model loaded is {}",
            model.info.model_type);
    return *model.engine;
  }

  static std::vector<int64_t> encode(driver::LoadedModel& model, std::string_view text) {
    const auto& tokenizer = engine(model).tokenizer;
    require(
        tokenizer != nullptr, ErrorKind::unsupported,
        "the model's directory must hold a tokenizer (tokenizer.json, tokenizer.model, or vocab.json and merges.txt); "
        "give one, or token ids instead of text");
    return tokenizer->encode(text);
  }

  /// Whether a prompt is one input of a network, not tokens.
  static bool is_plain(const driver::LoadedModel& model) {
    return model.plain || (model.plain_scripted && !model.engine->tokenizer);
  }

  /// What the network makes of the prompt, as it comes: [1, output_size] of the plain architecture.
  at::Tensor run_plain(driver::LoadedModel& model, std::string_view prompt) const {
    const at::NoGradGuard no_grad;
    const MemoryScope scope(memory_, MemoryKind::activations);
    const auto input = driver::plain_input(prompt, model.plain_input_size);
    return model.plain ? model.plain->forward(input.to(model.plain->parameters().front().device()))
                       : model.plain_scripted->run(input.to(model.engine->device));
  }

  GenerationResult complete_plain(driver::LoadedModel& model, std::string_view prompt,
                                  const GenerationOptions& options) const {
    GenerationResult result;
    result.text = driver::plain_output(run_plain(model, prompt));
    result.finish_reason = FinishReason::stop;
    if (options.on_token) {
      options.on_token(result.text);
    }
    return result;
  }

  TorchModelConfig config_;
  std::shared_ptr<MemoryAccount> memory_;
  mutable std::shared_mutex mutex_;
  std::unique_ptr<driver::LoadedModel> model_;
};

TorchModel::TorchModel(TorchModelConfig config) : impl_(std::make_unique<Impl>(std::move(config))) {}

TorchModel::~TorchModel() = default;

void TorchModel::init() { impl_->init(); }

void TorchModel::cleanup() { impl_->cleanup(); }

bool TorchModel::initialized() const { return impl_->initialized(); }

std::string TorchModel::generate(std::string_view prompt, const GenerationOptions& options) {
  return impl_->complete(prompt, options).text;
}

std::future<std::string> TorchModel::generate_async(std::string prompt, GenerationOptions options) {
  return std::async(std::launch::async, [this, prompt = std::move(prompt), options = std::move(options)] {
    return impl_->complete(prompt, options).text;
  });
}

GenerationResult TorchModel::complete(std::string_view prompt, const GenerationOptions& options) {
  return impl_->complete(prompt, options);
}

GenerationResult TorchModel::complete(std::span<const int64_t> prompt, const GenerationOptions& options) {
  return impl_->complete(prompt, options);
}

GenerationResult TorchModel::stream(std::string_view prompt, TokenCallback on_token, GenerationOptions options) {
  options.on_token = std::move(on_token);
  return impl_->complete(prompt, options);
}

std::vector<float> TorchModel::embed(std::string_view text) { return impl_->embed(text); }

std::vector<float> TorchModel::logits(std::span<const int64_t> prompt) { return impl_->logits(prompt); }

std::vector<float> TorchModel::logits(std::string_view prompt) { return impl_->logits(prompt); }

PerplexityResult TorchModel::perplexity(std::string_view text, const ProgressCallback& on_progress) {
  return impl_->perplexity(text, on_progress);
}

ModelInfo TorchModel::info() const {
  return impl_->with_model([](const driver::LoadedModel& model) { return model.info; });
}

MemoryUse TorchModel::memory() const { return impl_->memory(); }

std::shared_ptr<const Tokenizer> TorchModel::tokenizer() const {
  return impl_->with_model([](const driver::LoadedModel& model) -> std::shared_ptr<const Tokenizer> {
    return model.engine ? model.engine->tokenizer : nullptr;
  });
}

}  // namespace dstorch

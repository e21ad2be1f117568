#include "dstorch/train.h"

#include <algorithm>
#include <chrono>

#include "core/throw.h"
#include "device/machine_memory.h"
#include "device/memory_account.h"
#include "device/torch_types.h"
#include "dstorch/log.h"
#include "models/registry.h"
#include "ops/fork.h"
#include "ops/pass_threads.h"
#include "train/advice.h"
#include "train/check_options.h"
#include "train/evaluate.h"
#include "train/initialize.h"
#include "train/model_directory.h"
#include "train/output_directory.h"
#include "train/processor.h"
#include "train/schedule.h"
#include "train/step.h"
#include "train/text_data.h"
#include "train/training_plan.h"
#include "train/training_state.h"

namespace dstorch {
namespace training {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

uint64_t fnv1a(std::string_view bytes) {
  uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char c : bytes) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  }
  return hash;
}

RunIdentity identify(const TrainOptions& options, const ModelFiles& files, const TextData& data) {
  // Not what writing the model changes in a config, so that the one in the output directory may be that of the run.
  auto config = Json::parse(files.config.dump());
  for (const char* key : {"dtype", "torch_dtype"}) {
    config.erase(key);
  }
  const std::string_view ids(reinterpret_cast<const char*>(data.train.ids.data()),
                             data.train.ids.size() * sizeof(int32_t));
  return {{"config", fmt::format("{:016x}", fnv1a(config.dump()))},
          {"tokenizer", fmt::format("{:016x}", fnv1a(files.tokenizer_json))},
          {"data", fmt::format("{} tokens {:016x}", data.train.size(), fnv1a(ids))},
          {"batch_size", std::to_string(options.batch_size)},
          {"sequence_length", std::to_string(options.sequence_length)},
          {"seed", std::to_string(options.seed)}};
}

ModelFiles read_files(const TrainOptions& options, const Tokenizer& tokenizer) {
  auto files = read_model_files(options.config, options.tokenizer, tokenizer);
  if (!options.overwrite) {
    require_no_model_without_state(options.output, files.sources);
  }
  return files;
}

void check_limit(const TrainOptions& options, const Json& config, bool bfloat16) {
  if (options.memory_limit == 0) {
    return;
  }
  PlannedRun run;
  run.device = options.device;
  run.memory_limit = options.memory_limit;
  run.batch = options.batch_size;
  run.sequence = options.sequence_length;
  run.bfloat16 = bfloat16;
  const auto plan = plan_training(models::outline(config, nullptr, DType::float32, true), run);
  require(plan.total <= options.memory_limit, ErrorKind::out_of_memory,
          "training does not fit into the memory limit of {}: {}. Take a smaller batch or shorter sequences",
          format_bytes(options.memory_limit), to_string(plan));
}

std::shared_ptr<models::LanguageModel> make_model(const TrainOptions& options, const ModelFiles& files,
                                                  const Tokenizer& tokenizer, bool bfloat16) {
  const auto config = Json::parse(files.config.dump());
  check_limit(options, config, bfloat16);
  const auto device = to_torch(options.device);
  nn::FreshWeights weights(at::TensorOptions(at::kFloat).device(device));
  auto model = models::create_model(config, weights, {device});
  const auto& sizes = model->sizes();
  require(tokenizer.vocab_size() <= sizes.vocab_size, ErrorKind::invalid_argument,
          "{}: vocab_size must be at least the tokenizer's {}, it is {}", options.config.string(),
          tokenizer.vocab_size(), sizes.vocab_size);
  require(options.sequence_length <= sizes.max_positions, ErrorKind::invalid_argument,
          "sequence_length must be at most the model's max_position_embeddings {}, got {}", sizes.max_positions,
          options.sequence_length);
  Initialization how;
  how.range = json_get_or(config, "initializer_range", 0.02, "config.json");
  how.num_layers = sizes.num_layers;
  how.seed = options.seed;
  initialize_parameters(*model, how);
  model->train();
  return model;
}

void make_directory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  require(fs::is_directory(directory), ErrorKind::io, "cannot make the directory {}: {}", directory.string(),
          error ? error.message() : "a file of that name exists");
}

/// Smooths the time of a step over about the last twenty.
class Pace {
 public:
  void add(double seconds) {
    mean_ = steps_ == 0 ? seconds : mean_ + (seconds - mean_) / static_cast<double>(std::min<int64_t>(steps_ + 1, 20));
    ++steps_;
  }
  [[nodiscard]] double seconds_per_step() const noexcept { return mean_; }

 private:
  double mean_ = 0;
  int64_t steps_ = 0;
};

class Run {
 public:
  Run(const TrainOptions& options, const std::shared_ptr<MemoryAccount>& memory)
      : options_(options),
        memory_(memory, MemoryKind::other),
        threads_(options.threads, ops::PassThreads::LibTorch::team),
        bfloat16_(trains_in_bfloat16(options.bfloat16, options.device)),
        tokenizer_(Tokenizer::load(options.tokenizer)),
        files_(read_files(options, *tokenizer_)),
        model_(make_model(options, files_, *tokenizer_, bfloat16_)),
        data_(load_text_data(options.data, options.held_out, options.held_out_fraction, *tokenizer_)),
        evaluates_(can_evaluate(data_.held_out, *tokenizer_, tokenizer_->token_to_id(kEndOfText))),
        sampler_(data_.train.ids, options.batch_size, options.sequence_length, options.seed),
        optimizer_(make_optimizer(*model_, {options.beta1, options.beta2, options.epsilon, options.weight_decay})),
        identity_(identify(options, files_, data_)),
        schedule_{options.learning_rate, options.min_learning_rate, options.warmup_steps, options.steps} {
    files_.run_mark = run_mark(identity_);
    count_gradients(*model_);
  }

  TrainResult run() {
    require(data_.train.bytes > 0, ErrorKind::invalid_argument,
            "the text to learn from must have more than lines of {}: it has {} tokens and no text", kEndOfText,
            data_.train.size());
    advise(options_);
    resume();
    if (!options_.overwrite) {
      require_own_directory(options_.output, identity_, files_.sources);
    }
    clean_directory(options_.output);
    make_directory(options_.output);
    if (!evaluates_) {
      log(LogLevel::info, "no text is held out: there will be no held-out loss");
    }
    log(LogLevel::info,
        fmt::format("learning from {} tokens, evaluating on {}; {} windows an epoch; {}", data_.train.size(),
                    data_.held_out.size(), sampler_.windows_per_epoch(), bfloat16_ ? "bfloat16" : "float32"));
    save();  // A directory that cannot be written is better known before the work than after.
    while (progress_.step < options_.steps && !cancelled()) {
      one_step();
    }
    return finish();
  }

 private:
  [[nodiscard]] bool cancelled() const { return options_.cancel && options_.cancel->cancelled(); }

  [[nodiscard]] fs::path state_path() const { return options_.output / kStateFile; }

  void resume() {
    if (!fs::exists(state_path())) {
      return;
    }
    if (options_.overwrite && (!options_.resume || !is_training_state_of(state_path(), identity_))) {
      return;
    }
    require(options_.resume, ErrorKind::invalid_argument,
            "{} holds the state of an earlier run: resume it, delete it, overwrite it (--overwrite), or choose another "
            "directory",
            state_path().string());
    progress_ = load_training_state(state_path(), *model_, *optimizer_, identity_);
    log(LogLevel::info, fmt::format("going on after step {}", progress_.step));
  }

  void save() {
    save_training_state(state_path(), *model_, *optimizer_, progress_, identity_);
    saved_ = progress_.step;
  }

  Batch batch(int64_t step) {
    const auto device = to_torch(options_.device);
    auto made = sampler_.batch(step);
    return {made.inputs.to(device), made.targets.to(device)};
  }

  void one_step() {
    const auto start = Clock::now();
    const auto step = progress_.step;
    TrainOptions::Step report;
    report.learning_rate = schedule_.at(step);
    const auto result =
        train_step(*model_, *optimizer_, batch(step), report.learning_rate, options_.clip_norm, bfloat16_, step + 1);
    progress_ = {step + 1, result.loss};
    pace_.add(std::chrono::duration<double>(Clock::now() - start).count());
    report.step = progress_.step;
    report.total_steps = options_.steps;
    report.loss = result.loss;
    report.grad_norm = result.grad_norm;
    report.tokens_per_second =
        static_cast<double>(options_.batch_size * options_.sequence_length) / pace_.seconds_per_step();
    report.seconds_left = static_cast<double>(options_.steps - progress_.step) * pace_.seconds_per_step();
    const bool last = progress_.step == options_.steps;
    if (last || (options_.eval_every > 0 && progress_.step % options_.eval_every == 0)) {
      if (const auto evaluation = evaluate_now()) {
        report.held_out_loss = evaluation->loss;
        report.held_out_bits_per_byte = evaluation->bits_per_byte;
      }
    }
    if (options_.save_every > 0 && progress_.step % options_.save_every == 0) {
      save();
    }
    if (options_.on_step) {
      options_.on_step(report);
    }
  }

  std::optional<Evaluation> evaluate_now() {
    if (!evaluates_) {
      return std::nullopt;
    }
    evaluation_ = evaluate(*model_, data_.held_out, *tokenizer_, tokenizer_->token_to_id(kEndOfText),
                           options_.batch_size, options_.sequence_length, bfloat16_);
    evaluated_ = progress_.step;
    return evaluation_;
  }

  TrainResult finish() {
    if (saved_ != progress_.step) {
      save();
    }
    write_model_directory(options_.output, *model_, files_, options_.save_dtype);
    TrainResult result;
    result.steps = progress_.step;
    result.loss = progress_.loss;
    result.finished = progress_.step >= options_.steps;
    if (result.finished && evaluated_ != progress_.step) {
      evaluate_now();
    }
    if (evaluated_ == progress_.step) {
      result.held_out_loss = evaluation_.loss;
      result.held_out_bits_per_byte = evaluation_.bits_per_byte;
    }
    return result;
  }

  const TrainOptions& options_;
  MemoryScope memory_;
  ops::PassThreads threads_;
  bool bfloat16_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  ModelFiles files_;
  std::shared_ptr<models::LanguageModel> model_;
  TextData data_;
  bool evaluates_;
  WindowSampler sampler_;
  std::unique_ptr<torch::optim::AdamW> optimizer_;
  RunIdentity identity_;
  Schedule schedule_;
  RunProgress progress_;
  Pace pace_;
  Evaluation evaluation_;
  int64_t evaluated_ = -1;
  int64_t saved_ = -1;
};

}  // namespace
}  // namespace training

TrainResult train(const TrainOptions& options) {
  training::check_options(options);
  try {
    options.device.require_available();
    const bool counted = count_memory(options.device);
    const auto memory = std::make_shared<MemoryAccount>();
    memory->set_limit(options.device, options.memory_limit);
    auto result = training::Run(options, memory).run();
    result.memory = memory->use(options.device);
    // Totals of the process, where this LibTorch tells those at least.
    if (!counted && machine_memory(options.device).total > 0) {
      result.memory = memory_use(options.device);
    }
    return result;
  } catch (const c10::Error& e) {
    throw LMError(ErrorKind::internal, fmt::format("training failed: {}", e.what_without_backtrace()));
  }
}

}  // namespace dstorch

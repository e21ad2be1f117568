#include "dstorch/train.h"

#include "core/throw.h"
#include "device/machine_memory.h"
#include "device/memory_account.h"
#include "device/torch_types.h"
#include "dstorch/log.h"
#include "models/registry.h"
#include "ops/pass_threads.h"
#include "train/advice.h"
#include "train/bfloat16.h"
#include "train/check_options.h"
#include "train/evaluate.h"
#include "train/initialize.h"
#include "train/loop.h"
#include "train/model_directory.h"
#include "train/output_directory.h"
#include "train/schedule.h"
#include "train/step.h"
#include "train/text_data.h"
#include "train/training_plan.h"
#include "train/training_state.h"
#include "train/window_pass.h"

namespace dstorch {
namespace training {
namespace {

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
  run.threads = ops::cpu::ThreadPool::current().threads();
  const auto plan = plan_training(config, nullptr, run);
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
  how.residual_layers = model->parts().residual_layers;
  how.norm_weight = model->parts().first_norm_weight;
  how.seed = options.seed;
  initialize_parameters(*model, how);
  model->train();
  return model;
}

/// A model and the text that it learns to go on with.
class Pretraining : public Trainee {
 public:
  Pretraining(const TrainOptions& options, bool bfloat16)
      : options_(options),
        bfloat16_(bfloat16),
        tokenizer_(Tokenizer::load(options.tokenizer)),
        files_(read_files(options, *tokenizer_)),
        model_(make_model(options, files_, *tokenizer_, bfloat16_)),
        parameters_(parameters_of(*model_)),
        data_(load_text_data(options.data, options.held_out, options.held_out_fraction, *tokenizer_)),
        first_context_(tokenizer_->token_to_id(kEndOfText)),
        evaluates_(can_evaluate(data_.held_out, *tokenizer_, first_context_)),
        sampler_(data_.train.ids, options.batch_size, options.sequence_length, options.seed),
        identity_(identify(options, files_, data_)) {
    files_.run_mark = run_mark(identity_);
    require(data_.train.bytes > 0, ErrorKind::invalid_argument,
            "the text to learn from must have more than lines of {}: it has {} tokens and no text", kEndOfText,
            data_.train.size());
  }

  [[nodiscard]] const Parameters& parameters() const override { return parameters_; }
  [[nodiscard]] int64_t tokens() const override { return options_.batch_size * options_.sequence_length; }

  double learn(int64_t step) override {
    return learn_windows(*model_, parameters_, sampler_.batch(step), bfloat16_, step + 1);
  }

  std::optional<Scores> evaluate() override {
    if (!evaluates_) {
      return std::nullopt;
    }
    const auto found = training::evaluate(*model_, data_.held_out, *tokenizer_, first_context_, options_.batch_size,
                                          options_.sequence_length, bfloat16_);
    return Scores{found.loss, found.bits_per_byte, std::nullopt};
  }

  void prepare_directory() const {
    if (!options_.overwrite) {
      require_own_directory(options_.output, identity_, files_.sources);
    }
    clean_directory(options_.output);
  }

  void tell() const {
    if (!evaluates_) {
      log(LogLevel::info, "no text is held out: there will be no held-out loss");
    }
    log(LogLevel::info,
        fmt::format("learning from {} tokens, evaluating on {}; {} windows an epoch; {}", data_.train.size(),
                    data_.held_out.size(), sampler_.windows_per_epoch(), bfloat16_ ? "bfloat16" : "float32"));
  }

  void write() const { write_model_directory(options_.output, *model_, files_, options_.save_dtype); }

  [[nodiscard]] const RunIdentity& identity() const noexcept { return identity_; }

 private:
  const TrainOptions& options_;
  bool bfloat16_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  ModelFiles files_;
  std::shared_ptr<models::LanguageModel> model_;
  Parameters parameters_;
  TextData data_;
  std::optional<int64_t> first_context_;
  bool evaluates_;
  WindowSampler sampler_;
  RunIdentity identity_;
};

LoopOptions loop_options(const TrainOptions& options) {
  LoopOptions loop;
  loop.directory = options.output;
  loop.steps = options.steps;
  loop.optimizer = {options.beta1, options.beta2, options.epsilon, options.weight_decay};
  loop.schedule = {options.learning_rate, options.min_learning_rate, options.warmup_steps, options.steps};
  loop.clip_norm = options.clip_norm;
  loop.eval_every = options.eval_every;
  loop.save_every = options.save_every;
  loop.resume = options.resume;
  loop.overwrite = options.overwrite;
  loop.cancel = options.cancel;
  loop.on_step = options.on_step;
  return loop;
}

TrainResult run(const TrainOptions& options, const std::shared_ptr<MemoryAccount>& account) {
  const MemoryScope memory(account, MemoryKind::other);
  const ops::PassThreads threads(options.threads);
  Pretraining trainee(options, trains_in_bfloat16(options.bfloat16, options.device));
  advise(options);
  const auto how = loop_options(options);
  Loop loop(trainee, how, trainee.identity());
  loop.resume();
  trainee.prepare_directory();
  trainee.tell();
  loop.run();
  trainee.write();
  TrainResult result;
  result.steps = loop.progress().step;
  result.loss = loop.progress().loss;
  result.finished = loop.finished();
  if (const auto scores = result.finished ? loop.scores() : std::nullopt) {
    result.held_out_loss = scores->loss;
    result.held_out_bits_per_byte = scores->bits_per_byte;
  }
  return result;
}

}  // namespace
}  // namespace training

TrainResult train(const TrainOptions& options) {
  training::check_options(options);
  try {
    options.device.require_available();
    const bool counted = count_memory(options.device);
    const auto memory = std::make_shared<MemoryAccount>();
    memory->set_limit(options.device, options.memory_limit);
    auto result = training::run(options, memory);
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

#include "dstorch/finetune.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>

#include "core/atomic_file.h"
#include "core/throw.h"
#include "device/memory_account.h"
#include "driver/finetune_report.h"
#include "driver/model_files.h"
#include "dstorch/log.h"
#include "dstorch/memory.h"
#include "dstorch/model_source.h"
#include "dstorch/torch_model.h"
#include "ops/pass_threads.h"
#include "train/check_options.h"
#include "train/finetune_model.h"
#include "train/finetune_network.h"
#include "train/loop.h"
#include "train/output_directory.h"

namespace dstorch {
namespace driver {
namespace {

namespace fs = std::filesystem;
using training::RunIdentity;

using Facts = std::vector<std::pair<std::string, std::string>>;

const char* name_of(LearningRateSchedule schedule) {
  switch (schedule) {
    case LearningRateSchedule::constant:
      return "constant";
    case LearningRateSchedule::linear:
      return "linear";
    case LearningRateSchedule::cosine:
      break;
  }
  return "cosine";
}

training::Decay decay_of(LearningRateSchedule schedule) {
  switch (schedule) {
    case LearningRateSchedule::constant:
      return training::Decay::constant;
    case LearningRateSchedule::linear:
      return training::Decay::linear;
    case LearningRateSchedule::cosine:
      break;
  }
  return training::Decay::cosine;
}

/// Removes what killed runs left of what they were writing.
void clean(const fs::path& directory) {
  for (const char* name : {training::kStateFile, training::kPreviousStateFile, "metrics.jsonl", "loss.svg", "report.md",
                           "adapter_model.safetensors", "adapter_config.json", "model.safetensors", "model.pt"}) {
    prepare_to_replace(directory / name);
  }
}

/// Throws for a directory with files in it that are of no run.
void require_own(const FinetuneOptions& options) {
  const auto& directory = options.output;
  std::error_code ignored;
  if (!fs::exists(directory)) {
    return;
  }
  require(fs::is_directory(directory), ErrorKind::invalid_argument, "output must name a directory, {} is a file",
          directory.string());
  require(!fs::equivalent(directory, options.model, ignored), ErrorKind::invalid_argument,
          "{} is the model itself: write to another directory", directory.string());
  clean(directory);
  const bool own = fs::exists(directory / training::kStateFile) || fs::exists(directory / training::kPreviousStateFile);
  require(own || options.overwrite || fs::is_empty(directory, ignored), ErrorKind::invalid_argument,
          "{} holds files that this run did not write: choose another directory, or let the run replace them "
          "(overwrite, --overwrite)",
          directory.string());
}

/// The options with all that was left open decided.
FinetuneOptions decided(FinetuneOptions options, bool network) {
  options.full = options.full || network;
  if (!options.learning_rate) {
    options.learning_rate = network ? 1e-3 : options.full ? 2e-5 : 2e-4;
  }
  return options;
}

void decide_steps(FinetuneOptions& options, int64_t steps) {
  options.steps = options.steps.value_or(steps);
  if (!options.warmup_steps) {
    options.warmup_steps = *options.steps / 10;
  }
}

/// What must be the same for a run to be gone on with, by the options' names.
RunIdentity identify(const FinetuneOptions& options, RunIdentity identity) {
  const auto number = [](double value) { return fmt::format("{}", value); };
  if (options.full) {
    identity["full"] = "on";
  } else {
    identity["lora_rank"] = std::to_string(options.lora_rank);
    identity["lora_alpha"] = number(options.lora_alpha);
    identity["lora_dropout"] = number(options.lora_dropout);
    identity["rslora"] = options.rslora ? "on" : "off";
    identity["lora_targets"] = fmt::format("{}", fmt::join(options.lora_targets, " "));
  }
  identity["steps"] = std::to_string(*options.steps);
  identity["batch_size"] = std::to_string(options.batch_size);
  identity["accumulate"] = std::to_string(options.accumulate);
  identity["packing"] = options.packing ? "on" : "off";
  identity["learning_rate"] = number(*options.learning_rate);
  identity["min_learning_rate"] = number(options.min_learning_rate);
  identity["schedule"] = name_of(options.schedule);
  identity["warmup_steps"] = std::to_string(*options.warmup_steps);
  identity["beta1"] = number(options.beta1);
  identity["beta2"] = number(options.beta2);
  identity["epsilon"] = number(options.epsilon);
  identity["weight_decay"] = number(options.weight_decay);
  identity["clip_norm"] = number(options.clip_norm);
  identity["checkpointing"] = options.checkpointing ? "on" : "off";
  identity["patience"] = std::to_string(options.patience);
  if (options.patience > 0) {
    identity["eval_every"] = std::to_string(options.eval_every);
  }
  identity["seed"] = std::to_string(options.seed);
  return identity;
}

training::LoopOptions loop_options(const FinetuneOptions& options) {
  training::LoopOptions loop;
  loop.directory = options.output;
  loop.steps = *options.steps;
  loop.optimizer = {options.beta1, options.beta2, options.epsilon, options.weight_decay};
  loop.schedule = {*options.learning_rate, options.min_learning_rate, *options.warmup_steps, *options.steps,
                   decay_of(options.schedule)};
  loop.clip_norm = options.clip_norm;
  loop.eval_every = options.eval_every;
  loop.save_every = options.save_every;
  loop.patience = options.patience;
  loop.resume = options.resume;
  loop.overwrite = options.overwrite;
  loop.keep_previous = true;
  loop.evaluate_first = true;
  loop.cancel = options.cancel;
  loop.on_step = options.on_step;
  return loop;
}

std::optional<HeldOutScores> first_scores(const training::Metrics& metrics) {
  const auto& entries = metrics.entries();
  if (entries.empty() || entries.front().step != 0 || !entries.front().held_out_loss) {
    return std::nullopt;
  }
  return HeldOutScores{*entries.front().held_out_loss, entries.front().held_out_right};
}

Facts facts_of(const FinetuneOptions& options, const FinetuneResult& result, Facts about_data) {
  Facts facts{
      {"model", options.model.string()},
      {"trained", options.full
                      ? fmt::format("all {} weights", result.trained)
                      : fmt::format("LoRA of rank {}, alpha {:g}{}{}, on {}: {} numbers", options.lora_rank,
                                    options.lora_alpha, options.rslora ? " (rsLoRA)" : "",
                                    options.lora_dropout > 0 ? fmt::format(", dropout {:g}", options.lora_dropout) : "",
                                    fmt::join(options.lora_targets, " "), result.trained)}};
  facts.insert(facts.end(), about_data.begin(), about_data.end());
  facts.emplace_back("steps", result.steps == *options.steps ? std::to_string(result.steps)
                                                             : fmt::format("{} of {}: the held-out loss fell no more",
                                                                           result.steps, *options.steps));
  facts.emplace_back("batch",
                     fmt::format("{}{}",
                                 options.packing ? fmt::format("{} sequences' worth of tokens", options.batch_size)
                                                 : fmt::format("{} examples", options.batch_size),
                                 options.accumulate > 1 ? fmt::format(", {} times a step", options.accumulate) : ""));
  facts.emplace_back("learning rate", fmt::format("{:g}, {}, after {} steps of warm-up", *options.learning_rate,
                                                  name_of(options.schedule), *options.warmup_steps));
  facts.emplace_back("AdamW", fmt::format("betas {:g} and {:g}, weight decay {:g}, gradients clipped to {:g}",
                                          options.beta1, options.beta2, options.weight_decay, options.clip_norm));
  facts.emplace_back("seed", std::to_string(options.seed));
  return facts;
}

/// What is the same for a language model and a network: the loop, and what is written at its end.
template <typename Kind>
FinetuneResult train(FinetuneOptions options, Kind& trainee,
                     const std::function<void(const FinetuneOptions&, const FinetuneResult&)>& report) {
  decide_steps(options, trainee.steps_of(options.epochs));
  require(*options.warmup_steps <= *options.steps, ErrorKind::invalid_argument,
          "warmup_steps must be at most the {} steps, got {}", *options.steps, *options.warmup_steps);
  const auto identity = identify(options, trainee.identity());
  const auto how = loop_options(options);
  training::Loop loop(trainee, how, identity);
  loop.resume();
  FinetuneResult result;
  for (const auto& [name, parameter] : trainee.parameters()) {
    result.trained += parameter.numel();
  }
  const bool was_finished = loop.finished() && fs::exists(options.output / "report.md");
  loop.run();
  result.steps = loop.progress().step;
  result.loss = loop.progress().loss;
  result.finished = loop.finished();
  result.was_finished = was_finished;
  result.before = first_scores(loop.metrics());
  if (!result.finished) {
    return result;
  }
  if (const auto scores = loop.scores()) {
    result.after = HeldOutScores{scores->loss, scores->right};
  }
  if (!was_finished) {
    trainee.write(options.output);
    report(options, result);
  }
  return result;
}

/// Throws LMError{out_of_memory}, with the plan, when all weights shall learn and these, their gradients and what the
/// optimizer remembers alone pass the limit: before anything is loaded. What the examples take besides shows while they
/// are learned.
void check_limit(const FinetuneOptions& options) {
  if (!options.full || options.memory_limit == 0) {
    return;
  }
  const auto least = plan_memory({.model_path = options.model, .threads = 1, .memory_limit = options.memory_limit},
                                 {.context = 1,
                                  .batch = 1,
                                  .training = Training::full_finetune,
                                  .bfloat16 = options.bfloat16,
                                  .checkpointing = options.checkpointing});
  const auto certain = least[MemoryKind::weights] + least[MemoryKind::gradients] + least[MemoryKind::optimizer];
  require(certain <= options.memory_limit, ErrorKind::out_of_memory,
          "fine-tuning all weights does not fit into the memory limit of {}: {}. Train adapters instead (without "
          "--full), or raise the limit",
          format_bytes(options.memory_limit), to_string(least));
}

FinetuneResult finetune_model(const FinetuneOptions& options) {
  check_limit(options);
  training::FinetuneModel trainee(options);
  log(LogLevel::info, fmt::format("learning from {} examples, evaluating on {}; {}", trainee.data().train.size(),
                                  trainee.data().held_out.size(), trainee.bfloat16() ? "bfloat16" : "float32"));
  return train(options, trainee, [&](const FinetuneOptions& all, const FinetuneResult& result) {
    if (options.full) {
      copy_model_files(options.model, options.output, trainee.config(), options.save_dtype);
    }
    int64_t learned = 0;
    int64_t tokens = 0;
    for (const auto& example : trainee.data().train) {
      learned += example.learned_count();
      tokens += example.length();
    }
    const auto& classes = trainee.classes();
    Facts data{
        {"data", options.data.string()},
        {"examples", fmt::format("{}, {} held out", trainee.data().train.size(), trainee.data().held_out.size())},
        {"tokens", classes.empty() ? fmt::format("{}, {} of them learned", tokens, learned)
                                   : fmt::format("{}, {} labels learned", tokens, learned)},
        {"numbers", trainee.bfloat16() ? "bfloat16, trained in float32" : "float32"}};
    if (!classes.empty()) {
      data.emplace_back("classes", fmt::format("{}: {}", classes.size(), fmt::join(classes, ", ")));
    }
    write_report(all, facts_of(all, result, data), result, compare_answers(options, trainee.data().held_out));
  });
}

FinetuneResult finetune_network(const FinetuneOptions& options) {
  training::FinetuneNetwork trainee(options);
  log(LogLevel::info,
      fmt::format("learning from {} examples, evaluating on {}", trainee.learned_from(), trainee.held_out()));
  return train(options, trainee, [&](const FinetuneOptions& all, const FinetuneResult& result) {
    const Facts data{{"data", options.data.string()},
                     {"examples", fmt::format("{}, {} held out", trainee.learned_from(), trainee.held_out())}};
    write_report(all, facts_of(all, result, data), result, {});
  });
}

/// A language model, or a plain network.
ModelSource trainable(const fs::path& model) {
  auto source = resolve(model);
  require(source.kind == ModelSource::Kind::language_model || source.kind == ModelSource::Kind::plain_network,
          ErrorKind::format,
          "{} must be a model directory with a config.json, or the state dict of a stack of linear layers and nothing "
          "else",
          model.string());
  return source;
}

}  // namespace
}  // namespace driver

FinetuneResult finetune(const FinetuneOptions& given) {
  training::check_options(given);
  const auto source = driver::trainable(given.model);
  const bool network = source.kind == ModelSource::Kind::plain_network;
  auto options = driver::decided(given, network);
  if (!network) {
    options.model = source.directory;
  }
  driver::require_own(options);
  try {
    count_memory(Device{});
    const auto memory = std::make_shared<MemoryAccount>();
    memory->set_limit(Device{}, options.memory_limit);
    FinetuneResult result;
    {
      const MemoryScope scope(memory, MemoryKind::other);
      const ops::PassThreads threads(options.threads);
      result = network ? driver::finetune_network(options) : driver::finetune_model(options);
    }
    result.memory = memory->use(Device{});
    return result;
  } catch (const c10::Error& e) {
    throw LMError(ErrorKind::internal, fmt::format("fine-tuning failed: {}", e.what_without_backtrace()));
  }
}

}  // namespace dstorch

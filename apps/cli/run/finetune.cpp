#include "dstorch/finetune.h"

#include <fmt/core.h>

#include <algorithm>

#include "commands.h"
#include "dstorch/checkpoint.h"
#include "terminal.h"
#include "training_progress.h"

namespace dstorch::cli {
namespace {

LearningRateSchedule schedule_of(const std::string& name) {
  return name == "constant" ? LearningRateSchedule::constant
         : name == "cosine" ? LearningRateSchedule::cosine
                            : LearningRateSchedule::linear;
}

FinetuneOptions options_of(const FinetuneArguments& arguments) {
  auto options = arguments.options;
  options.model = arguments.model.empty() ? bundled_model_path() : std::filesystem::path(arguments.model);
  options.data = arguments.data;
  options.output = arguments.output;
  if (!arguments.held_out.empty()) {
    options.held_out = arguments.held_out;
  }
  if (!arguments.save_dtype.empty()) {
    options.save_dtype = parse_dtype(arguments.save_dtype);
  }
  if (!arguments.targets.empty()) {
    options.lora_targets = arguments.targets;
  }
  if (arguments.bfloat16 != "auto") {
    options.bfloat16 = arguments.bfloat16 == "on";
  }
  options.schedule = schedule_of(arguments.schedule);
  options.resume = !arguments.fresh;
  options.cancel = interrupt_token();
  return options;
}

std::string scores(const HeldOutScores& scores) {
  return scores.right ? fmt::format("loss {:.4f}, {:.1f} % right", scores.loss, 100 * *scores.right)
                      : fmt::format("loss {:.4f}", scores.loss);
}

}  // namespace

void run(const FinetuneArguments& arguments) {
  auto options = options_of(arguments);
  FinetuneResult result;
  {
    TrainingProgress progress(std::max<int64_t>(1, arguments.log_every));
    options.on_step = [&](const TrainingStep& step) { progress.show(step); };
    result = finetune(options);
  }
  if (!result.finished) {
    say(fmt::format("stopped after step {}; the same command goes on from there", result.steps));
    throw Interrupted();
  }
  if (result.was_finished) {
    say(fmt::format("{} is finished: {} steps, loss {:.4f}; there is nothing left to do", options.output.string(),
                    result.steps, result.loss));
    return;
  }
  say(fmt::format("wrote {}: loss {:.4f} after {} steps, with at most {} of tensors; see report.md there",
                  options.output.string(), result.loss, result.steps, format_bytes(result.memory.total.peak)));
  if (result.before && result.after) {
    say(fmt::format("held out: before {}; after {}", scores(*result.before), scores(*result.after)));
  }
}

}  // namespace dstorch::cli

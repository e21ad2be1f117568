#include "training_progress.h"

#include <fmt/core.h>

#include <cmath>

namespace dstorch::cli {
namespace {

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  return whole >= 3600 ? fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
                       : fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

void TrainingProgress::show(const TrainingStep& step) {
  // What a narrow terminal cuts off comes last.
  auto text = fmt::format("step {}/{}  loss {:.4f}", step.step, step.total_steps, step.loss);
  if (step.held_out_loss) {
    text += fmt::format("  held-out loss {:.4f}", *step.held_out_loss);
  }
  if (step.held_out_bits_per_byte) {
    text += fmt::format(", {:.4f} bits/byte", *step.held_out_bits_per_byte);
  }
  if (step.held_out_right) {
    text += fmt::format(", {:.1f} % right", 100 * *step.held_out_right);
  }
  text += fmt::format("  {:.0f} {}/s  {} left  lr {:.2e}  norm {:.2f}", step.tokens_per_second, unit_,
                      duration(step.seconds_left), step.learning_rate, step.grad_norm);
  const bool now_and_then = !has_moving_lines() && (step.step % every_ == 0 || step.step == 1);
  if (step.held_out_loss || step.step == step.total_steps || now_and_then) {
    say(text);
  }
  line_.update(std::move(text));
}

}  // namespace dstorch::cli

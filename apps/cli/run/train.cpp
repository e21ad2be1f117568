#include "dstorch/train.h"

#include <fmt/core.h>

#include <cmath>

#include "commands.h"
#include "load_model.h"
#include "terminal.h"

namespace dstorch::cli {
namespace {

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  return whole >= 3600 ? fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
                       : fmt::format("{}:{:02}", whole / 60, whole % 60);
}

/// What a step came to: on a terminal in a line that moves, elsewhere now and then. Evaluations and the last step stay.
class ProgressLine {
 public:
  explicit ProgressLine(int64_t every) : every_(every), line_("reading the data") {}

  void show(const TrainOptions::Step& step) {
    auto text = fmt::format("step {}/{}  loss {:.4f}  lr {:.2e}  norm {:.2f}  {:.0f} tokens/s  {} left", step.step,
                            step.total_steps, step.loss, step.learning_rate, step.grad_norm, step.tokens_per_second,
                            duration(step.seconds_left));
    if (step.held_out_loss) {
      text +=
          fmt::format("  held-out loss {:.4f}, {:.4f} bits/byte", *step.held_out_loss, *step.held_out_bits_per_byte);
    }
    const bool now_and_then = !has_moving_lines() && (step.step % every_ == 0 || step.step == 1);
    if (step.held_out_loss || step.step == step.total_steps || now_and_then) {
      say(text);
    }
    line_.update(std::move(text));
  }

 private:
  int64_t every_;
  StatusLine line_;
};

}  // namespace

void run(const TrainArguments& arguments) {
  auto options = arguments.options;
  if (!arguments.held_out.empty()) {
    options.held_out = arguments.held_out;
  }
  options.save_dtype = parse_dtype(arguments.save_dtype).value();
  if (arguments.bfloat16 != "auto") {
    options.bfloat16 = arguments.bfloat16 == "on";
  }
  options.device = parse_device(arguments.device);
  options.resume = !arguments.fresh;
  options.cancel = interrupt_token();
  TrainResult result;
  {
    ProgressLine line(std::max<int64_t>(1, arguments.log_every));
    options.on_step = [&](const TrainOptions::Step& step) { line.show(step); };
    result = train(options);
  }
  if (!result.finished) {
    say(fmt::format("stopped after step {}; the same command goes on from there", result.steps));
    throw Interrupted();
  }
  const auto held_out = result.held_out_loss ? fmt::format("held-out loss {:.4f}, {:.4f} bits/byte",
                                                           *result.held_out_loss, *result.held_out_bits_per_byte)
                                             : std::string("nothing held out");
  say(fmt::format("wrote {}: loss {:.4f}, {}", options.output.string(), result.loss, held_out));
}

}  // namespace dstorch::cli

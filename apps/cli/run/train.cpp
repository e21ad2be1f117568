#include "dstorch/train.h"

#include <fmt/core.h>

#include <algorithm>

#include "commands.h"
#include "load_model.h"
#include "terminal.h"
#include "training_progress.h"

namespace dstorch::cli {
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
    TrainingProgress line(std::max<int64_t>(1, arguments.log_every));
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

#include "dstorch/train.h"

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>

#include "commands.h"
#include "dstorch/error.h"
#include "model_options.h"

namespace dstorch::cli {
namespace {

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  return whole >= 3600 ? fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
                       : fmt::format("{}:{:02}", whole / 60, whole % 60);
}

/// One line about training: rewritten in place on a terminal, now and then a new one elsewhere.
class ProgressLine {
 public:
  explicit ProgressLine(int64_t every) : terminal_(::isatty(STDERR_FILENO) == 1), every_(every) {}

  void show(const TrainOptions::Step& step) {
    auto line = fmt::format("step {}/{}  loss {:.4f}  lr {:.2e}  norm {:.2f}  {:.0f} tokens/s  {} left", step.step,
                            step.total_steps, step.loss, step.learning_rate, step.grad_norm, step.tokens_per_second,
                            duration(step.seconds_left));
    if (step.held_out_loss) {
      line +=
          fmt::format("  held-out loss {:.4f}, {:.4f} bits/byte", *step.held_out_loss, *step.held_out_bits_per_byte);
    }
    const bool keep = step.held_out_loss || step.step == step.total_steps;
    if (terminal_) {
      std::fprintf(stderr, "\r\033[K%s%s", line.c_str(), keep ? "\n" : "");
      open_ = !keep;
    } else if (keep || step.step % every_ == 0 || step.step == 1) {
      std::fprintf(stderr, "%s\n", line.c_str());
    }
    std::fflush(stderr);
  }

  void close() {
    if (open_) {
      std::fputc('\n', stderr);
      open_ = false;
    }
  }

 private:
  bool terminal_;
  int64_t every_;
  bool open_ = false;
};

struct Arguments {
  TrainOptions options;
  std::string held_out;
  std::string save_dtype = "float32";
  std::string device = "cpu";
  std::string memory_limit;
  std::string bfloat16 = "auto";
  bool fresh = false;
  int64_t log_every = 20;
};

void add_options(CLI::App& command, Arguments& arguments) {
  auto& options = arguments.options;
  command.add_option("--data", options.data, "Text files; a line <|endoftext|> ends a document")
      ->required()
      ->type_name("FILE");
  command.add_option("--tokenizer", options.tokenizer, "tokenizer.json, or a directory with one")->required();
  command.add_option("--config", options.config, "Hugging Face config.json")->required();
  command.add_option("-o,--output", options.output, "Model directory to write; also holds the training state")
      ->required();
  const auto number = [&](const char* name, auto& value, const char* help) {
    command.add_option(name, value, help)->capture_default_str();
  };
  number("--steps", options.steps, "Optimizer steps in all");
  number("--batch-size", options.batch_size, "Sequences per step");
  number("--sequence-length", options.sequence_length, "Tokens per sequence");
  number("--lr", options.learning_rate, "Largest learning rate");
  number("--min-lr", options.min_learning_rate, "Learning rate of the last step");
  number("--warmup", options.warmup_steps, "Steps until the largest learning rate");
  number("--beta1", options.beta1, "AdamW");
  number("--beta2", options.beta2, "AdamW");
  number("--epsilon", options.epsilon, "AdamW");
  number("--weight-decay", options.weight_decay, "On matrices only");
  number("--clip", options.clip_norm, "Largest gradient norm; 0 is off");
  number("--held-out-fraction", options.held_out_fraction, "Share of the data's end that is only evaluated on");
  command.add_option("--held-out", arguments.held_out, "A text file to evaluate on instead")->type_name("FILE");
  number("--eval-every", options.eval_every, "Evaluate every so many steps; 0 is at the end only");
  number("--save-every", options.save_every, "Write the state every so many steps; 0 is at the end only");
  number("--seed", options.seed, "Of the weights and the order of the data");
  command.add_option("--device", arguments.device, "cpu, cuda, cuda:N, webgl, or auto, the best there is")
      ->capture_default_str();
  command.add_option("--memory-limit", arguments.memory_limit,
                     "Most memory for tensors, as in 500M or 2G; a run whose plan is over it fails before it begins");
  number("--threads", options.threads, "0 uses every core");
  command.add_option("--save-dtype", arguments.save_dtype, "Of the weights written: float32, bfloat16, float16")
      ->capture_default_str();
  command.add_option("--bf16", arguments.bfloat16, "Forward pass in bfloat16, on the CPU: auto, on, off")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
  command.add_flag("--no-resume", arguments.fresh, "Fail when the output directory holds a state already");
  command.add_flag("--overwrite", arguments.options.overwrite,
                   "Replace a model in the output directory that this run did not write");
  number("--log-every", arguments.log_every, "Steps between progress lines when not on a terminal");
}

void run(Arguments& arguments) {
  auto& options = arguments.options;
  if (!arguments.held_out.empty()) {
    options.held_out = arguments.held_out;
  }
  const auto dtype = parse_dtype(arguments.save_dtype);
  if (!dtype) {
    throw LMError(ErrorKind::invalid_argument,
                  "--save-dtype must be float32, bfloat16 or float16, got " + arguments.save_dtype);
  }
  options.save_dtype = *dtype;
  if (arguments.bfloat16 != "auto") {
    options.bfloat16 = arguments.bfloat16 == "on";
  }
  options.device = parse_device(arguments.device);
  if (!arguments.memory_limit.empty()) {
    options.memory_limit = parse_size(arguments.memory_limit);
  }
  options.resume = !arguments.fresh;
  options.cancel = interrupt_token();
  ProgressLine line(std::max<int64_t>(1, arguments.log_every));
  options.on_step = [&](const TrainOptions::Step& step) { line.show(step); };
  TrainResult result;
  try {
    result = train(options);
  } catch (...) {
    line.close();
    throw;
  }
  line.close();
  const auto output = options.output.string();
  if (!result.finished) {
    std::fprintf(stderr, "stopped after step %lld; the same command goes on from there\n",
                 static_cast<long long>(result.steps));
    throw Interrupted{};
  }
  const auto held_out = result.held_out_loss ? fmt::format("held-out loss {:.4f}, {:.4f} bits/byte",
                                                           *result.held_out_loss, *result.held_out_bits_per_byte)
                                             : std::string("nothing held out");
  std::fprintf(stderr, "wrote %s: loss %.4f, %s\n", output.c_str(), result.loss, held_out.c_str());
}

}  // namespace

void add_train(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  auto* command =
      app.add_subcommand("train", "Train a model from nothing on text; Ctrl-C saves, the same command goes on");
  add_options(*command, *arguments);
  command->footer(
      example("dstorch train --data text.txt --tokenizer tokenizer.json --config config.json -o my-model "
              "--steps 2000 --batch-size 16"));
  command->callback([arguments] { run(*arguments); });
}

}  // namespace dstorch::cli

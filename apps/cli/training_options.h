#pragma once

#include "values.h"

namespace dstorch::cli {

/// AdamW's numbers, of TrainOptions or FinetuneOptions.
template <class Options>
void add_optimizer(CLI::App& command, Options& options, const char* group) {
  const auto number = [&](const char* name, auto& value, const char* help) {
    add_number(command, name, value, help)->group(group);
  };
  number("--beta1", options.beta1, "AdamW");
  number("--beta2", options.beta2, "AdamW");
  number("--epsilon", options.epsilon, "AdamW");
  number("--weight-decay", options.weight_decay, "On matrices only");
  number("--clip", options.clip_norm, "Largest gradient norm; 0 is off");
}

/// How often something is done besides learning, of TrainArguments or FinetuneArguments.
template <class Arguments>
void add_rhythm(CLI::App& command, Arguments& arguments, const char* evaluating) {
  const auto number = [&](const char* name, auto& value, const char* help) {
    add_number(command, name, value, help)->group("How often");
  };
  number("--eval-every", arguments.options.eval_every, evaluating);
  number("--save-every", arguments.options.save_every, "Write the state every so many steps; 0 is at the end only");
  number("--log-every", arguments.log_every, "Steps between progress lines when not on a terminal");
}

}  // namespace dstorch::cli

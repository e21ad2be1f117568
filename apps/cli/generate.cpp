#include "commands.h"
#include "help.h"
#include "model_options.h"
#include "values.h"

namespace dstorch::cli {
namespace {

void add_sampling(CLI::App& command, GenerationOptions& generation) {
  constexpr const char* kGroup = "Choosing tokens";
  const auto number = [&](const char* name, auto& value, const char* help) {
    add_number(command, name, value, help)->group(kGroup);
  };
  number("--temperature", generation.temperature, "0 takes the likeliest token; above 1 is more even");
  number("--top-k", generation.top_k, "Keep the k likeliest tokens; 0 is off");
  number("--top-p", generation.top_p, "Keep the likeliest tokens up to this probability; 1 is off");
  number("--min-p", generation.min_p, "Keep tokens this likely relative to the likeliest; 0 is off");
  number("--seed", generation.seed, "Same seed, same text; drawn when left out");
  number("--repetition-penalty", generation.repetition_penalty, "Above 1 discourages tokens seen before");
  number("--frequency-penalty", generation.frequency_penalty, "-2 to 2, by how often a token was made");
  number("--presence-penalty", generation.presence_penalty, "-2 to 2, once a token was made");
  add_value(command, "--logit-bias", "ID:BIAS", "Added to a token's logit; -inf forbids it; may be repeated",
            [&generation](const std::string& option, const std::string& text) {
              const auto [token, bias] = parse_logit_bias(option, text);
              generation.logit_bias[token] = bias;
            })
      ->take_all()
      ->allow_extra_args(false)
      ->group(kGroup);
}

void add_ends(CLI::App& command, GenerationOptions& generation) {
  constexpr const char* kGroup = "Where to end";
  add_number(command, "--max-tokens", generation.max_tokens,
             "Most tokens to make; left out, what the context has room for, at most 256")
      ->group(kGroup);
  add_texts(command, "--stop", generation.stop_sequences, "TEXT", "End before this text; may be repeated")
      ->group(kGroup);
  command.add_flag("--ignore-eos", generation.ignore_eos, "Go on past the model's end tokens")->group(kGroup);
}

}  // namespace

void add_generate(CLI::App& app) {
  auto arguments = std::make_shared<GenerateArguments>();
  auto& command = *app.add_subcommand("generate", "Continue a prompt")->group(kRunGroup);
  add_prompt(command, arguments->prompt, "The text to continue; left out or -, it is read from standard input",
             "Token ids to continue instead of a text");
  add_ends(command, arguments->generation);
  add_sampling(command, arguments->generation);
  add_model_options(command, arguments->model);
  constexpr const char* kOutput = "Output";
  add_number(command, "--logprobs", arguments->generation.logprobs,
             "Record log-probabilities, with this many alternatives (--json)")
      ->group(kOutput);
  command.add_flag("--json", arguments->json, "Print one JSON object instead of the text")->group(kOutput);
  command.footer(example("dstorch generate \"python3-yaml\t\" --temperature 0"));
  command.callback([arguments] {
    check_prompt(arguments->prompt);
    run(*arguments);
  });
}

}  // namespace dstorch::cli

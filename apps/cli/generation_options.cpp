#include "generation_options.h"

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

void add_speculation(CLI::App& command, std::string& speculation) {
  add_choice(
      command, "--speculation", speculation, {"automatic", "lookup", "draft_model", "off"},
      "Guess the answer ahead where it pays, or always from what prompt and answer say already, or always by the "
      "--draft-model. The text is the same")
      ->group("Speed");
}

void add_ends(CLI::App& command, GenerationOptions& generation) {
  constexpr const char* kGroup = "Where to end";
  add_number(command, "--max-tokens", generation.max_tokens,
             "Most tokens to make; left out, what the context has room for, at most 256, in a conversation 4096")
      ->group(kGroup);
  add_texts(command, "--stop", generation.stop_sequences, "TEXT", "End before this text; may be repeated")
      ->group(kGroup);
  command.add_flag("--ignore-eos", generation.ignore_eos, "Go on past the model's end tokens")->group(kGroup);
}

}  // namespace

void add_generation_options(CLI::App& command, GenerationArguments& arguments) {
  add_ends(command, arguments.options);
  add_sampling(command, arguments.options);
  add_speculation(command, arguments.speculation);
  command.parse_complete_callback([&command, &arguments] {
    arguments.options.speculation = parse_speculation(arguments.speculation).value();
    for (const char* name : kMakersOptions) {
      if (command.count(name) > 0) {
        arguments.said.insert(name);
      }
    }
  });
}

GenerationOptions with_defaults(const GenerationArguments& arguments, const GenerationOptions& makers) {
  GenerationOptions options = arguments.options;
  const auto take = [&](const char* name, auto field) {
    if (!arguments.said.contains(name)) {
      options.*field = makers.*field;
    }
  };
  take("--temperature", &GenerationOptions::temperature);
  take("--top-k", &GenerationOptions::top_k);
  take("--top-p", &GenerationOptions::top_p);
  take("--min-p", &GenerationOptions::min_p);
  take("--repetition-penalty", &GenerationOptions::repetition_penalty);
  return options;
}

void add_conversation_options(CLI::App& command, ConversationArguments& arguments) {
  constexpr const char* kGroup = "Conversation";
  add_text(command, "--system", arguments.system, "TEXT", "What the model is told before the conversation")
      ->group(kGroup);
  add_text(command, "--tools", arguments.tools, "FILE", "Functions that the model may call, a JSON array")
      ->group(kGroup);
  add_text(command, "--variables", arguments.variables, "JSON",
           R"(More that the model's template asks for, an object: '{"enable_thinking": false}')")
      ->group(kGroup);
}

}  // namespace dstorch::cli

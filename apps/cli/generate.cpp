#include <fmt/core.h>

#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "dstorch/error.h"
#include "model_options.h"

namespace dstorch::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string prompt;
  std::string ids;
  std::vector<std::string> logit_bias;
  std::optional<uint64_t> seed;
  std::optional<int64_t> logprobs;
  GenerationOptions generation;
  bool json = false;
};

/// "ID:BIAS" into the map of biases; "-inf" forbids a token.
void parse_logit_bias(const std::vector<std::string>& items, std::map<int64_t, double>& biases) {
  for (const auto& item : items) {
    const auto colon = item.find(':');
    int64_t id = 0;
    double bias = 0;
    bool valid = colon != std::string::npos;
    if (valid) {
      const auto [id_end, id_error] = std::from_chars(item.data(), item.data() + colon, id);
      const auto [end, error] = std::from_chars(item.data() + colon + 1, item.data() + item.size(), bias);
      valid = id_error == std::errc() && id_end == item.data() + colon && error == std::errc() &&
              end == item.data() + item.size();
    }
    if (!valid) {
      throw LMError(ErrorKind::invalid_argument,
                    fmt::format("--logit-bias must be ID:BIAS, as in 42:-5 or 42:-inf; got \"{}\"", item));
    }
    biases[id] = bias;
  }
}

nlohmann::ordered_json to_json(const GenerationResult& result) {
  nlohmann::ordered_json json;
  json["text"] = result.text;
  json["tokens"] = result.tokens;
  json["finish_reason"] = to_string(result.finish_reason);
  if (result.stop_sequence) {
    json["stop_sequence"] = *result.stop_sequence;
  }
  json["usage"] = {{"prompt_tokens", result.usage.prompt_tokens},
                   {"completion_tokens", result.usage.completion_tokens}};
  json["seed"] = result.seed;
  for (const auto& record : result.logprobs) {
    nlohmann::ordered_json top = nlohmann::ordered_json::array();
    for (const auto& [token, logprob] : record.top) {
      top.push_back({{"token", token}, {"logprob", logprob}});
    }
    json["logprobs"].push_back({{"token", record.token}, {"logprob", record.logprob}, {"top", top}});
  }
  json["timings"] = {{"prompt_seconds", result.timings.prompt_seconds},
                     {"generation_seconds", result.timings.generation_seconds}};
  return json;
}

void print_piece(std::string_view piece) {
  std::fwrite(piece.data(), 1, piece.size(), stdout);
  std::fflush(stdout);
}

void run(Options& options) {
  auto& generation = options.generation;
  generation.seed = options.seed;
  generation.logprobs = options.logprobs;
  parse_logit_bias(options.logit_bias, generation.logit_bias);
  generation.cancel = interrupt_token();
  const auto model = load_model(options.model);
  if (!options.json) {
    generation.on_token = [](std::string_view piece) {
      print_piece(piece);
      return true;
    };
  }
  GenerationResult result;
  if (!options.ids.empty()) {
    result = model->complete(parse_ids(options.ids), generation);
  } else {
    result = model->complete(options.prompt == "-" ? read_stdin() : options.prompt, generation);
  }
  if (options.json) {
    // A token may end inside a character only where the text was cut; what is no UTF-8 is shown as U+FFFD.
    print_piece(to_json(result).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  } else {
    print_piece("\n");
  }
  if (result.finish_reason == FinishReason::cancelled) {
    throw Interrupted();
  }
}

}  // namespace

void add_generate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("generate", "Continue a prompt");
  auto* prompt = command->add_option("prompt", options->prompt, "The text to continue; - reads standard input");
  command->add_option("--ids", options->ids, "Token ids to continue instead of a text: 1,2,3")->excludes(prompt);
  add_model_options(*command, options->model);
  auto& generation = options->generation;
  command->add_option("--max-tokens", generation.max_tokens, "Most tokens to make")->capture_default_str();
  command->add_option("--temperature", generation.temperature, "0 takes the likeliest token")->capture_default_str();
  command->add_option("--top-k", generation.top_k, "Keep the k likeliest tokens; 0 is off")->capture_default_str();
  command->add_option("--top-p", generation.top_p, "Keep the likeliest tokens up to this probability; 1 is off")
      ->capture_default_str();
  command->add_option("--min-p", generation.min_p, "Keep tokens this likely relative to the likeliest; 0 is off")
      ->capture_default_str();
  command->add_option("--repetition-penalty", generation.repetition_penalty, "Above 1 discourages seen tokens")
      ->capture_default_str();
  command->add_option("--frequency-penalty", generation.frequency_penalty, "-2 to 2, by how often a token was made")
      ->capture_default_str();
  command->add_option("--presence-penalty", generation.presence_penalty, "-2 to 2, once a token was made")
      ->capture_default_str();
  command->add_option("--logit-bias", options->logit_bias, "ID:BIAS, added to a token's logit; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--seed", options->seed, "Same seed, same text");
  command->add_option("--stop", generation.stop_sequences, "End before this text; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--logprobs", options->logprobs,
                      "Record log-probabilities, with this many alternatives (--json)");
  command->add_flag("--ignore-eos", generation.ignore_eos, "Go on past the model's end tokens");
  command->add_flag("--json", options->json, "Print one JSON object instead of the text");
  command->footer(example("dstorch generate \"python3-yaml\t\" --temperature 0"));
  command->callback([command, options] {
    if (options->prompt.empty() && options->ids.empty() && command->count("prompt") == 0) {
      throw CLI::RequiredError("a PROMPT or --ids");
    }
    run(*options);
  });
}

}  // namespace dstorch::cli

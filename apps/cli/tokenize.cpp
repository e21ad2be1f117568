#include <dstorch/error.h>
#include <dstorch/tokenizer.h>
#include <dstorch/torch_model.h>
#include <fmt/core.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "commands.h"

namespace dstorch::cli {
namespace {

struct TokenizeOptions {
  std::string text = "-";
  std::string model;
  std::vector<int64_t> decode;
  bool decodes = false;
  bool json = false;
};

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

// A token as JSON writes it, so that line breaks and the like show.
std::string quoted(const std::string& token) {
  return nlohmann::json(token).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void decode(const Tokenizer& tokenizer, const TokenizeOptions& options) {
  const std::string text = tokenizer.decode(options.decode, false);
  print(options.json ? nlohmann::json{{"text", text}}.dump() + "\n" : text + "\n");
}

void encode(const Tokenizer& tokenizer, const TokenizeOptions& options) {
  const std::string text = options.text == "-" ? read_stdin() : options.text;
  const std::vector<int64_t> ids = tokenizer.encode(text);
  if (options.json) {
    print(nlohmann::json{{"ids", ids}}.dump() + "\n");
    return;
  }
  std::string out;
  for (const int64_t id : ids) {
    out += fmt::format("{:>8}  {}\n", id, quoted(tokenizer.id_to_token(id)));
  }
  print(out);
}

void run(const TokenizeOptions& options) {
  const std::filesystem::path path =
      options.model.empty() ? bundled_model_path() : std::filesystem::path(options.model);
  const auto tokenizer = Tokenizer::load(path);
  if (options.decodes) {
    decode(*tokenizer, options);
  } else {
    encode(*tokenizer, options);
  }
}

}  // namespace

void add_tokenize(CLI::App& app) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = app.add_subcommand("tokenize", "Text to token ids, and back");
  command->add_option("TEXT", options->text, "The text; - (the default) reads standard input");
  command->add_option("-m,--model", options->model,
                      "A model directory, tokenizer.json, tokenizer.model or vocab.json; the bundled model by default");
  auto* decode_option =
      command->add_option("--decode", options->decode, "Token ids, separated by commas, to turn into text")
          ->delimiter(',');
  command->add_flag("--json", options->json, R"(Print {"ids": [...]} or {"text": "..."})");
  command->footer(example("dstorch tokenize 'python3-yaml' --json\n  dstorch tokenize --decode 389,1616,566"));
  command->callback([options, decode_option] {
    options->decodes = decode_option->count() > 0;
    run(*options);
  });
}

}  // namespace dstorch::cli

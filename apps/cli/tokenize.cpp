#include <dstorch/checkpoint.h>
#include <dstorch/tokenizer.h>
#include <fmt/core.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "commands.h"
#include "help.h"
#include "output.h"
#include "values.h"

namespace dstorch::cli {
namespace {

struct TokenizeArguments {
  std::string text = "-";
  std::string model;
  std::optional<std::vector<int64_t>> ids;
  bool json = false;
};

// A token as JSON writes it, so that line breaks and the like show.
std::string quoted(const std::string& token) {
  return nlohmann::json(token).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void decode(const Tokenizer& tokenizer, const std::vector<int64_t>& ids, bool json) {
  const std::string text = tokenizer.decode(ids, false);
  json ? print_json({{"text", text}}) : print("{}\n", text);
}

void encode(const Tokenizer& tokenizer, const std::string& text, bool json) {
  const std::vector<int64_t> ids = tokenizer.encode(text);
  if (json) {
    print_json({{"ids", ids}});
    return;
  }
  for (const int64_t id : ids) {
    print("{:>8}  {}\n", id, quoted(tokenizer.id_to_token(id)));
  }
}

void run(const TokenizeArguments& arguments) {
  const auto path = arguments.model.empty() ? bundled_model_path() : std::filesystem::path(arguments.model);
  const auto tokenizer = Tokenizer::load(path);
  if (arguments.ids) {
    decode(*tokenizer, *arguments.ids, arguments.json);
  } else {
    encode(*tokenizer, arguments.text == "-" ? read_stdin() : arguments.text, arguments.json);
  }
}

}  // namespace

void add_tokenize(CLI::App& app) {
  auto arguments = std::make_shared<TokenizeArguments>();
  auto& command = *app.add_subcommand("tokenize", "Text to token ids, and back")->group(kLookGroup);
  add_value(command, "TEXT", "", "The text; left out or -, it is read from standard input",
            [&text = arguments->text](const std::string&, const std::string& given) { text = given; });
  add_text(command, "-m,--model", arguments->model, "MODEL",
           "A model directory, tokenizer.json, tokenizer.model or vocab.json; the bundled model when left out");
  add_value(
      command, "--decode", "1,2,3", "Token ids to turn into text",
      [&ids = arguments->ids](const std::string& option, const std::string& text) { ids = parse_ids(option, text); });
  command.add_flag("--json", arguments->json, R"(Print {"ids": [...]} or {"text": "..."})");
  command.footer(example("dstorch tokenize 'python3-yaml' --json\n  dstorch tokenize --decode 389,1616,566"));
  command.callback([arguments] { run(*arguments); });
}

}  // namespace dstorch::cli

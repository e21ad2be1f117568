#include <filesystem>
#include <memory>
#include <vector>

#include "commands.h"
#include "dstorch/tokenizer.h"
#include "help.h"
#include "terminal.h"
#include "values.h"

namespace dstorch::cli {
namespace {

struct TrainTokenizerArguments {
  std::vector<std::string> files;
  std::string output;
  BpeTrainerOptions options;
};

void run(const TrainTokenizerArguments& arguments) {
  const std::vector<std::filesystem::path> files(arguments.files.begin(), arguments.files.end());
  {
    const StatusLine line("learning a tokenizer");
    train_bpe_tokenizer(files, arguments.output, arguments.options);
  }
  say("wrote " + arguments.output);
}

}  // namespace

void add_train_tokenizer(CLI::App& app) {
  auto arguments = std::make_shared<TrainTokenizerArguments>();
  auto& options = arguments->options;
  auto& command = *app.add_subcommand("train-tokenizer", "Learn a byte-level BPE tokenizer.json from text files")
                       ->group(kTrainGroup);
  add_texts(command, "FILE", arguments->files, "", "Text files, UTF-8")
      ->required()
      ->expected(CLI::detail::expected_max_vector_size);
  add_text(command, "-o,--output", arguments->output, "FILE", "The tokenizer.json to write")->required();
  add_number(command, "--vocab-size", options.vocab_size, "Tokens in all, 256 bytes and specials included");
  add_number(command, "--min-frequency", options.min_frequency, "Merge only pairs that occur this often");
  auto specials = std::make_shared<std::vector<std::string>>();
  add_texts(command, "--special", *specials, "TOKEN ...", "Special tokens; the first has id 0")
      ->expected(CLI::detail::expected_max_vector_size)
      ->default_str(options.special_tokens.front());
  add_text(command, "--pattern", options.pattern, "REGEX",
           "Regular expression of the pieces that merges stay inside; GPT-2's when left out");
  command.footer(example("dstorch train-tokenizer text.txt --vocab-size 4096 -o tokenizer.json"));
  command.callback([arguments, specials] {
    if (!specials->empty()) {
      arguments->options.special_tokens = *specials;
    }
    run(*arguments);
  });
}

}  // namespace dstorch::cli

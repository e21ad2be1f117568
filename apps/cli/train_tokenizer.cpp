#include <cstdio>
#include <filesystem>
#include <memory>
#include <vector>

#include "commands.h"
#include "dstorch/tokenizer.h"

namespace dstorch::cli {

void add_train_tokenizer(CLI::App& app) {
  struct Arguments {
    std::vector<std::filesystem::path> files;
    std::filesystem::path output;
    BpeTrainerOptions options;
  };
  auto arguments = std::make_shared<Arguments>();
  auto* command = app.add_subcommand("train-tokenizer", "Learn a byte-level BPE tokenizer.json from text files");
  command->add_option("files", arguments->files, "Text files, UTF-8")->required()->type_name("FILE");
  command->add_option("-o,--output", arguments->output, "The tokenizer.json to write")->required()->type_name("FILE");
  command->add_option("--vocab-size", arguments->options.vocab_size, "Tokens in all, 256 bytes and specials included")
      ->capture_default_str();
  command->add_option("--min-frequency", arguments->options.min_frequency, "Merge only pairs that occur this often")
      ->capture_default_str();
  command->add_option("--special", arguments->options.special_tokens, "Special tokens; the first has id 0")
      ->capture_default_str()
      ->type_name("TOKEN");
  command->add_option("--pattern", arguments->options.pattern,
                      "Regular expression of the pieces that merges stay inside (default: GPT-2's)");
  command->footer(example("dstorch train-tokenizer text.txt --vocab-size 4096 -o tokenizer.json"));
  command->callback([arguments] {
    train_bpe_tokenizer(arguments->files, arguments->output, arguments->options);
    std::fprintf(stderr, "wrote %s\n", arguments->output.c_str());
  });
}

}  // namespace dstorch::cli

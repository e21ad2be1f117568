#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "dstorch/error.h"
#include "model_options.h"

namespace dstorch::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string file;
  bool json = false;
};

std::string read_text(const std::string& file) {
  if (file == "-") {
    return read_stdin();
  }
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored) && !std::filesystem::is_regular_file(file, ignored)) {
    throw LMError(ErrorKind::invalid_argument,
                  fmt::format("{} must be a regular file; a pipe comes in as standard input, which is -", file));
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    throw LMError(ErrorKind::not_found, fmt::format("cannot read {}; give a text file", file));
  }
  return {std::istreambuf_iterator<char>(stream), {}};
}

void run(const Options& options) {
  const auto text = read_text(options.file);
  const auto model = load_model(options.model);
  const auto cancel = interrupt_token();
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  const auto progress = [&](const Progress& state) {
    if (terminal) {
      fmt::print(stderr, "\r{} of {} tokens", state.done, state.total);
    }
    return !cancel.cancelled();
  };
  PerplexityResult result;
  try {
    result = model->perplexity(text, progress);
  } catch (const LMError& e) {
    if (e.kind() == ErrorKind::cancelled) {
      throw Interrupted();
    }
    throw;
  }
  if (terminal) {
    fmt::print(stderr, "\r\033[K");
  }
  if (options.json) {
    const nlohmann::ordered_json json{{"nll", result.nll},
                                      {"perplexity", result.perplexity},
                                      {"bits_per_byte", result.bits_per_byte},
                                      {"tokens", result.tokens},
                                      {"bytes", result.bytes}};
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print(
        "perplexity     {:.4f}\nbits per byte  {:.4f}\nnll            {:.2f}\ntokens         {}\nbytes          {}\n",
        result.perplexity, result.bits_per_byte, result.nll, result.tokens, result.bytes);
  }
}

}  // namespace

void add_perplexity(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("perplexity", "How well a model predicts a text");
  command->add_option("file", options->file, "The text file; - reads standard input")->required();
  add_model_options(*command, options->model);
  command->add_flag("--json", options->json,
                    "Print {\"nll\", \"perplexity\", \"bits_per_byte\", \"tokens\", \"bytes\"}");
  command->footer(example("dstorch perplexity README.md"));
  command->callback([options] { run(*options); });
}

}  // namespace dstorch::cli

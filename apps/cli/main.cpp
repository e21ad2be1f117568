#include <cstdio>
#include <exception>

#include "commands.h"
#include "dstorch/error.h"
#include "dstorch/log.h"

namespace {

constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;
constexpr int kInterrupted = 130;

int run(int argc, char** argv) {
  CLI::App app("Load, run and train language models on LibTorch, without Python.", "dstorch");
  app.require_subcommand(1);
  app.set_version_flag("--version", DSTORCH_VERSION);
  dstorch::cli::add_generate(app);
  dstorch::cli::add_tokenize(app);
  dstorch::cli::add_logits(app);
  dstorch::cli::add_perplexity(app);
  dstorch::cli::add_inspect(app);
  dstorch::cli::add_plan(app);
  dstorch::cli::add_devices(app);
  dstorch::cli::add_bench(app);
  dstorch::cli::add_train(app);
  dstorch::cli::add_train_tokenizer(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    // CLI11 asks for a command without saying that it does not know the one given.
    if (const auto words = app.remaining(); e.get_exit_code() != 0 && app.get_subcommands().empty() && !words.empty()) {
      std::fprintf(stderr, "there is no command \"%s\"\nRun with --help for more information.\n", words[0].c_str());
      return kWrongUsage;
    }
    return app.exit(e) == 0 ? 0 : kWrongUsage;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  dstorch::set_log_callback([](dstorch::LogLevel level, std::string_view message) {
    if (level != dstorch::LogLevel::debug) {
      std::fprintf(stderr, "%.*s\n", static_cast<int>(message.size()), message.data());
    }
  });
  try {
    return run(argc, argv);
  } catch (const dstorch::cli::Interrupted&) {
    return kInterrupted;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return kFailed;
  }
}

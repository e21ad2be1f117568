#include "command_line.h"

#include <cstdio>
#include <exception>
#include <string_view>

#include "commands.h"
#include "completion.h"
#include "dstorch/error.h"
#include "help.h"
#include "output.h"
#include "suggest.h"
#include "terminal.h"

namespace dstorch::cli {
namespace {

constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;
constexpr int kInterrupted = 130;

char** words_of_command_line = nullptr;

void add_commands(CLI::App& app) {
  app.formatter(std::make_shared<Help>());
  app.require_subcommand(1);
  app.set_help_flag("-h,--help", "Show this, or with a command what it takes");
  app.set_version_flag("--version", DSTORCH_VERSION, "Show the version");
  add_generate(app);
  add_chat(app);
  add_classify(app);
  add_embed(app);
  add_logits(app);
  add_tokenize(app);
  add_template(app);
  add_inspect(app);
  add_plan(app);
  add_perplexity(app);
  add_bench(app);
  add_devices(app);
  add_finetune(app);
  add_train(app);
  add_merge(app);
  add_train_tokenizer(app);
  add_shell_files(app);
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::vector<std::string> names_of_all_options(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
  }
  return names;
}

/// CLI11's words for too few and too many values of an option, said as its user sees it.
std::string value_problem(std::string_view problem) {
  const auto name = problem.substr(0, problem.find(": "));
  if (problem.ends_with(" missing")) {
    return fmt::format("{} needs a value", name);
  }
  if (problem.find("At Most 1 required") != std::string_view::npos) {
    return fmt::format("{} can be given once", name);
  }
  return std::string(problem);
}

/// What CLI11 has no words of its own for: a command or an option that there is not.
std::string usage_problem(const CLI::App& app, const CLI::App& command, const CLI::ParseError& error) {
  const auto words = command.remaining();
  if (&command == &app && !words.empty() && !words[0].starts_with("-")) {
    return fmt::format("there is no command \"{}\"{}", words[0], did_you_mean(words[0], command_names(app)));
  }
  for (const auto& word : words) {
    if (word.size() > 1 && word.starts_with("-")) {
      const auto name = word.substr(0, word.find('='));
      const auto where = &command == &app ? std::string("before the command") : "for " + command.get_name();
      return fmt::format("there is no option {} {}{}", name, where, did_you_mean(name, names_of_all_options(command)));
    }
  }
  if (!words.empty()) {
    return fmt::format("\"{}\" is one text too many; a text with spaces must be quoted", words[0]);
  }
  return value_problem(error.what());
}

int wrong_usage(const CLI::App& app, const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();
  const auto& command = chosen.empty() ? app : *chosen.back();
  if (chosen.empty() && app.remaining().empty()) {
    std::fputs(app.help().c_str(), stderr);  // nothing was asked for
    return kWrongUsage;
  }
  const auto name = chosen.empty() ? app.get_name() : app.get_name() + " " + command.get_name();
  say(fmt::format("error: {}\n{} --help says what it takes", usage_problem(app, command, error), name));
  return kWrongUsage;
}

void parse_and_run(CLI::App& app, int argc, char** argv, int& exit_code) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    print(app.help());
  } catch (const CLI::CallForVersion&) {
    print("{}\n", DSTORCH_VERSION);
  } catch (const CLI::ParseError& e) {
    exit_code = wrong_usage(app, e);
  }
  flush_output();
}

}  // namespace

char** command_line() { return words_of_command_line; }

int run_command_line(int argc, char** argv) {
  words_of_command_line = argv;
  CLI::App app("Load, run and train language models on LibTorch, without Python.", "dstorch");
  add_commands(app);
  int exit_code = 0;
  try {
    parse_and_run(app, argc, argv, exit_code);
  } catch (const Interrupted&) {
    exit_code = kInterrupted;
  } catch (const LMError& e) {
    if (e.kind() == ErrorKind::cancelled && interrupt_token().cancelled()) {
      return kInterrupted;
    }
    say(fmt::format("error: {}", e.what()));
    exit_code = e.kind() == ErrorKind::invalid_argument ? kWrongUsage : kFailed;
  } catch (const std::exception& e) {
    say(fmt::format("error: {}", e.what()));
    exit_code = kFailed;
  }
  return exit_code;
}

}  // namespace dstorch::cli

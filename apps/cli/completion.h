#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace dstorch::cli {

/// Adds `shell-files bash|zsh|man`, which the build runs: what follows, as a text. Not shown in --help.
void add_shell_files(CLI::App& app);

/// The completion scripts of the two shells, and the manual page in roff, of all commands of `app` and their options.
std::string bash_completion(const CLI::App& app);
std::string zsh_completion(const CLI::App& app);
std::string man_page(const CLI::App& app);

/// The commands of `app` but those that are not shown.
std::vector<const CLI::App*> shown_commands(const CLI::App& app);

/// "--model", "-m": the long names first.
std::vector<std::string> option_names(const CLI::Option& option);

/// Whether a value follows the option's name.
bool takes_value(const CLI::Option& option);

/// The words that may follow, where they are few.
std::vector<std::string> choices(const CLI::Option& option);

}  // namespace dstorch::cli

#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace dstorch::cli {

/// --help as people read it: groups, the value's stand-in, what is taken when an option is left out, lines of at most
/// 100 columns.
class Help : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
};

/// An `Example:` (or several) for the end of a command's --help.
std::string example(const std::string& command);

/// The groups of the commands in --help, in its order.
inline constexpr const char* kRunGroup = "Run a model";
inline constexpr const char* kLookGroup = "Look at models and machines";
inline constexpr const char* kTrainGroup = "Train";

}  // namespace dstorch::cli

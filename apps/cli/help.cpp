#include "help.h"

#include <fmt/core.h>

#include <algorithm>

namespace dstorch::cli {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::size_t kColumn = 30;  // where descriptions begin

/// `text` broken into lines; all but the first begin at `column`.
std::string wrapped(const std::string& text, std::size_t column) {
  std::string out;
  std::size_t used = column;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find(' ', begin), text.size());
    const auto word = text.substr(begin, end - begin);
    if (begin > 0 && used + 1 + word.size() > kWidth) {
      out += "\n" + std::string(column, ' ');
      used = column;
    } else if (begin > 0) {
      out += ' ';
      ++used;
    }
    out += word;
    used += word.size();
    begin = end + 1;
  }
  return out;
}

std::string row(const std::string& name, const std::string& description) {
  const auto left = "  " + name;
  const auto gap =
      left.size() + 2 <= kColumn ? std::string(kColumn - left.size(), ' ') : "\n" + std::string(kColumn, ' ');
  return left + gap + wrapped(description, kColumn) + "\n";
}

std::string name_of(const CLI::Option& option) {
  if (option.get_positional() && !option.nonpositional()) {
    return option.get_name(true, false) + (option.get_expected_max() > 1 ? " ..." : "");
  }
  const auto type = option.get_type_size() == 0 ? std::string() : " " + option.get_type_name();
  auto name = option.get_name(false, true);
  std::replace(name.begin(), name.end(), ',', ' ');
  return name + type;
}

std::string description_of(const CLI::Option& option) {
  auto text = option.get_description();
  if (const auto& left_out = option.get_default_str(); !left_out.empty()) {
    text += fmt::format(" [{}]", left_out);
  }
  return option.get_required() && option.nonpositional() ? text + " (required)" : text;
}

std::string usage(const CLI::App& app, const std::string& name) {
  std::string line = "Usage: " + name;
  if (!app.get_subcommands([](const CLI::App*) { return true; }).empty()) {
    return line + " COMMAND [OPTIONS]\n       " + name + " COMMAND --help\n";
  }
  for (const auto* option : app.get_options()) {
    if (option->get_positional() && !option->nonpositional()) {
      const auto shown = name_of(*option);
      line += option->get_required() ? " " + shown : " [" + shown + "]";
    } else if (option->get_required()) {
      line += " " + option->get_name(false, false) + " " + option->get_type_name();
    }
  }
  return line + " [OPTIONS]\n";
}

/// The options of each group, in the order in which the groups were first named; the help flag's comes last.
std::string options(const CLI::App& app) {
  auto groups = app.get_groups();
  std::rotate(groups.begin(), groups.begin() + (groups.empty() ? 0 : 1), groups.end());
  std::string out;
  for (const auto& group : groups) {
    std::string rows;
    for (const auto* option : app.get_options()) {
      if (option->get_group() == group && option->nonpositional()) {
        rows += row(name_of(*option), description_of(*option));
      }
    }
    if (!rows.empty()) {
      out += "\n" + group + ":\n" + rows;
    }
  }
  return out;
}

std::string positionals(const CLI::App& app) {
  std::string rows;
  for (const auto* option : app.get_options()) {
    if (!option->nonpositional()) {
      rows += row(name_of(*option), description_of(*option));
    }
  }
  return rows.empty() ? rows : "\n" + rows;
}

std::string commands(const CLI::App& app) {
  std::string out;
  for (const char* group : {kRunGroup, kLookGroup, kTrainGroup}) {
    std::string rows;
    for (const auto* command : app.get_subcommands([&](const CLI::App* one) { return one->get_group() == group; })) {
      rows += row(command->get_name(), command->get_description());
    }
    out += fmt::format("{} {}:\n{}", out.empty() ? "\nSubcommands:\n" : "\n", group, rows);
  }
  return out;
}

}  // namespace

std::string Help::make_help(const CLI::App* app, std::string /*name*/, CLI::AppFormatMode /*mode*/) const {
  const auto* parent = app->get_parent();
  const auto name = parent == nullptr ? app->get_name() : parent->get_name() + " " + app->get_name();
  auto out = app->get_description() + "\n\n" + usage(*app, name) + positionals(*app) + options(*app);
  if (parent == nullptr) {
    out += commands(*app);
  }
  const auto footer = app->get_footer();
  return footer.empty() ? out : out + "\n" + footer + "\n";
}

std::string example(const std::string& command) { return "Example:\n  " + command; }

}  // namespace dstorch::cli

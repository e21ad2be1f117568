#include "completion.h"

#include <fmt/ranges.h>

#include <map>
#include <string_view>

#include "output.h"

namespace dstorch::cli {
namespace {

/// In single quotes, for a shell.
std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    c == '\'' ? out += "'\\''" : out += c;
  }
  return out + "'";
}

std::string joined_words(const std::vector<std::string>& words, std::string_view between) {
  return fmt::format("{}", fmt::join(words, between));
}

/// What zsh takes for a sign of its own within an option's description or a command's.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, text.find(". "))) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') {
      out += '\\';
    }
    out += c;
  }
  return out;
}

std::string zsh_option(const CLI::Option& option) {
  const auto names = option_names(option);
  std::string value;
  if (takes_value(option)) {
    const auto words = choices(option);
    value = fmt::format(":{}:{}", zsh_text(names[0].substr(2)),
                        words.empty() ? "_files" : fmt::format("({})", joined_words(words, " ")));
  }
  std::string specs;
  for (const auto& name : names) {
    specs += fmt::format("        {} \\\n",
                         shell_quoted(fmt::format("*{}[{}]{}", name, zsh_text(option.get_description()), value)));
  }
  return specs;
}

}  // namespace

std::vector<const CLI::App*> shown_commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
}

std::vector<std::string> option_names(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const auto& name : option.get_lnames()) {
    names.push_back("--" + name);
  }
  for (const auto& name : option.get_snames()) {
    names.push_back("-" + name);
  }
  return names;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }  // a flag: none

std::vector<std::string> choices(const CLI::Option& option) {
  static const std::map<std::string, std::vector<std::string>> known{
      {"--device", {"auto", "cpu", "cuda", "webgl"}},
      {"--dtype", {"float32", "bfloat16", "float16", "float64"}},
  };
  const auto names = option_names(option);
  if (const auto found = names.empty() ? known.end() : known.find(names[0]); found != known.end()) {
    return found->second;
  }
  // "auto|on|off" stands for the value in --help.
  const auto type = option.get_type_name();
  std::vector<std::string> words;
  if (type.find('|') != std::string::npos) {
    for (std::size_t begin = 0; begin <= type.size();) {
      const auto end = std::min(type.find('|', begin), type.size());
      words.push_back(type.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return words;
}

std::string bash_completion(const CLI::App& app) {
  std::vector<std::string> commands;
  std::string cases;
  std::string values;
  for (const auto* command : shown_commands(app)) {
    commands.push_back(command->get_name());
    std::vector<std::string> all;
    for (const auto* option : command->get_options()) {
      const auto names = option_names(*option);
      all.insert(all.end(), names.begin(), names.end());
      if (!names.empty() && takes_value(*option)) {
        std::vector<std::string> places;
        for (const auto& name : names) {
          places.push_back(command->get_name() + ":" + name);
        }
        const auto words = choices(*option);
        values +=
            fmt::format("    {}) {} ;;\n", joined_words(places, "|"),
                        words.empty() ? "return" : fmt::format("words={}", shell_quoted(joined_words(words, " "))));
      }
    }
    cases += fmt::format("    {}) words={} ;;\n", command->get_name(), shell_quoted(joined_words(all, " ")));
  }
  return fmt::format(R"(# bash completion of {0}. Made from the command's own options.
_{0}() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command= words= i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    if [[ ${{COMP_WORDS[i]}} != -* ]]; then command=${{COMP_WORDS[i]}}; break; fi
  done
  COMPREPLY=()
  # A value: one of a few words, or a file, which is what the shell does with no answer.
  case $command:$before in
{1}  esac
  if [[ -z $words ]]; then
    case $command in
    '') words='{2} --help --version' ;;
{3}    esac
    [[ $word == -* || -z $command ]] || return
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -o bashdefault -F _{0} {0}
)",
                     app.get_name(), values, joined_words(commands, " "), cases);
}

std::string zsh_completion(const CLI::App& app) {
  std::string commands;
  std::string cases;
  for (const auto* command : shown_commands(app)) {
    commands += fmt::format(
        "    {}\n", shell_quoted(fmt::format("{}:{}", command->get_name(), zsh_text(command->get_description()))));
    std::string options;
    for (const auto* option : command->get_options()) {
      if (option->nonpositional()) {
        options += zsh_option(*option);
      }
    }
    cases +=
        fmt::format("    {})\n      _arguments \\\n{}        '*: :_files'\n      ;;\n", command->get_name(), options);
  }
  return fmt::format(R"(#compdef {0}
# zsh completion of {0}. Made from the command's own options.
_{0}() {{
  local -a commands=(
{1}  )
  if (( CURRENT == 2 )); then
    _describe command commands
    _arguments '--help[Show what it takes]' '--version[Show the version]'
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{2}  esac
}}
_{0} "$@"
)",
                     app.get_name(), commands, cases);
}

void add_shell_files(CLI::App& app) {
  auto kind = std::make_shared<std::string>();
  auto* command = app.add_subcommand("shell-files", "The completion of bash or zsh, or the manual page")->group("");
  command->add_option("KIND", *kind)->required()->check(CLI::IsMember({"bash", "zsh", "man"}));
  command->callback([kind, &app] {
    print("{}", *kind == "bash" ? bash_completion(app) : *kind == "zsh" ? zsh_completion(app) : man_page(app));
  });
}

}  // namespace dstorch::cli

#pragma once

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dstorch::cli {

/// The whole of `text` as a number, as `option` needs it. Throws LMError{invalid_argument} for anything else, an empty
/// text and a number too large included.
void parse_number(const std::string& option, const std::string& text, int& value);
void parse_number(const std::string& option, const std::string& text, int64_t& value);
void parse_number(const std::string& option, const std::string& text, uint64_t& value);
void parse_number(const std::string& option, const std::string& text, double& value);

template <typename T>
void parse_number(const std::string& option, const std::string& text, std::optional<T>& value) {
  T number{};
  parse_number(option, text, number);
  value = number;
}

/// "1,2,3". Throws LMError{invalid_argument}.
std::vector<int64_t> parse_ids(const std::string& option, const std::string& text);

/// "500M", "2G", "1.5GiB", "123456": bytes, the letters counting in powers of 1024. Throws LMError{invalid_argument}.
int64_t parse_size(const std::string& option, const std::string& text);

/// "ID:BIAS" into the id and the bias; "-inf" forbids a token. Throws LMError{invalid_argument}.
std::pair<int64_t, double> parse_logit_bias(const std::string& option, const std::string& text);

/// An option whose value is read by `read(name, text)`. `type` stands for the value in --help.
template <typename Read>
CLI::Option* add_value(CLI::App& command, const std::string& name, const std::string& type, const std::string& help,
                       Read read) {
  const auto shown = name.substr(name.rfind(',') + 1);  // the long one of "-m,--model"
  return command
      .add_option(
          name,
          [read, shown](const CLI::results_t& texts) {
            for (const auto& text : texts) {
              read(shown, text);
            }
            return true;
          },
          help)
      ->type_name(type);
}

/// An option that is a number; --help shows what it is when left out.
template <typename T>
CLI::Option* add_number(CLI::App& command, const std::string& name, T& value, const std::string& help) {
  return add_value(command, name, "N", help,
                   [&value](const std::string& option, const std::string& text) { parse_number(option, text, value); })
      ->default_str(fmt::format("{}", value));
}

template <typename T>
CLI::Option* add_number(CLI::App& command, const std::string& name, std::optional<T>& value, const std::string& help) {
  return add_value(command, name, "N", help,
                   [&value](const std::string& option, const std::string& text) { parse_number(option, text, value); });
}

/// An option that is a text, and not an empty one.
CLI::Option* add_text(CLI::App& command, const std::string& name, std::string& value, const std::string& type,
                      const std::string& help);

/// An option that may be given several times, one text each.
CLI::Option* add_texts(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                       const std::string& type, const std::string& help);

/// An option that is one of a few words.
CLI::Option* add_choice(CLI::App& command, const std::string& name, std::string& value,
                        const std::vector<std::string>& choices, const std::string& help);

}  // namespace dstorch::cli

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dstorch/chat.h"
#include "dstorch/tokenizer.h"

namespace dstorch::training {

/// One sequence to learn from.
struct Example {
  std::vector<int32_t> ids;
  /// By token: whether its prediction is learned.
  std::vector<bool> learned;
  /// Of a text whose class is learned instead of its tokens: the class's number.
  std::optional<int64_t> label{};
  /// What a report shows of it; empty where there is no prompt apart.
  std::string prompt;
  std::string completion;

  /// Predictions that are learned: one of a text with a label, else one a learned token. The first token of a sequence
  /// is predicted from nothing, and never is.
  [[nodiscard]] int64_t learned_count() const;
  /// Tokens that go through the model: all of a text with a label; else the last is predicted only.
  [[nodiscard]] int64_t read_count() const noexcept { return label ? length() : length() - 1; }
  [[nodiscard]] int64_t length() const noexcept { return static_cast<int64_t>(ids.size()); }
};

/// How examples become tokens.
struct ExampleRules {
  std::shared_ptr<const Tokenizer> tokenizer;
  /// Null: `messages` are an error.
  std::shared_ptr<const ChatTemplate> chat;
  /// Follows a completion and ends a text; none: nothing does.
  std::optional<int64_t> end_token;
  /// Most tokens of an example.
  int64_t sequence_length = 0;
  /// The names of the classes that labels name, by number; empty: labels are an error.
  std::vector<std::string> classes{};
};

/// Reads JSON lines, each an object of one of these forms, blank lines left out:
///   {"prompt": text, "completion": text}   learned: the completion and the end token
///   {"messages": [...]}                    learned: what the assistant says, as the chat template writes it
///   {"text": text}                         learned: everything
///   {"text": text, "label": class}         learned: the class, by its name or as a number that is its name
/// A file that does not begin with a '{' is plain text, as one text. Texts longer than a sequence are cut into several;
/// a pair or conversation that is longer is an error, since its end would never be seen.
/// Throws LMError: not_found, io, invalid_argument that names the file and lists the lines that are wrong, each with
/// its number and what is wrong with it.
std::vector<Example> read_examples(const std::filesystem::path& path, const ExampleRules& rules);

/// The labels that the lines of a file have, each once, numbers by size and texts by their letters; none unless the
/// first line has one. What is wrong with a line is for `read_examples` to say.
std::vector<std::string> read_labels(const std::filesystem::path& path);

}  // namespace dstorch::training

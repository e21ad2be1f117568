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
  /// What a report shows of it; empty where there is no prompt apart.
  std::string prompt;
  std::string completion;

  /// Tokens whose prediction is learned; the first of a sequence is predicted from nothing, and never is.
  [[nodiscard]] int64_t learned_count() const;
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
};

/// Reads JSON lines, each an object of one of these forms, blank lines left out:
///   {"prompt": text, "completion": text}   learned: the completion and the end token
///   {"messages": [...]}                    learned: what the assistant says, as the chat template writes it
///   {"text": text}                         learned: everything
/// A file that does not begin with a '{' is plain text, as one text. Texts longer than a sequence are cut into several;
/// a pair or conversation that is longer is an error, since its end would never be seen.
/// Throws LMError: not_found, io, invalid_argument that names the file and lists the lines that are wrong, each with
/// its number and what is wrong with it.
std::vector<Example> read_examples(const std::filesystem::path& path, const ExampleRules& rules);

}  // namespace dstorch::training

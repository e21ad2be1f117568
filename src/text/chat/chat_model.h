#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dstorch/chat.h"
#include "dstorch/generation.h"
#include "dstorch/tokenizer.h"
#include "text/chat/chat_template.h"

namespace dstorch::text {

/// What a model's files say about conversations: how they are written, how answers are sampled and where they end.
/// Immutable, hence usable from any number of threads at once.
class ChatModel {
 public:
  /// `directory` holds the tokenizer's files, and generation_config.json perhaps. Throws LMError: not_found without a
  /// template, format.
  ChatModel(std::shared_ptr<const Tokenizer> tokenizer, const std::filesystem::path& directory);

  struct Prompt {
    std::vector<int64_t> ids;
    /// How the answer is to be read.
    AnswerFormat format;
    /// Differs with the prompt's text; not 0.
    uint64_t hash = 0;
  };
  /// Throws LMError{invalid_argument} naming the message or the tool that is wrong, or what the template refuses.
  [[nodiscard]] Prompt prompt(std::span<const Message> messages, const ChatTemplateOptions& options) const;

  [[nodiscard]] std::shared_ptr<const ChatTemplate> chat_template() const noexcept { return template_; }
  /// How the model's makers sample answers.
  [[nodiscard]] const GenerationOptions& defaults() const noexcept { return defaults_; }
  /// The tokens that end an answer, beside those that end a text: what the template writes behind the assistant's
  /// words, and the tokenizer's own "eos_token".
  [[nodiscard]] const std::set<int64_t>& end_tokens() const noexcept { return end_tokens_; }

 private:
  [[nodiscard]] std::set<int64_t> find_end_tokens() const;
  [[nodiscard]] AnswerFormat answer_format(const ChatTemplateOptions& options, std::string_view prompt) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const JinjaChatTemplate> template_;
  ChatEncoder encoder_;
  std::vector<std::string> special_;
  GenerationOptions defaults_;
  std::set<int64_t> end_tokens_;
};

}  // namespace dstorch::text

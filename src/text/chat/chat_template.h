#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/json.h"
#include "dstorch/chat.h"
#include "dstorch/tokenizer.h"
#include "text/chat/template_files.h"
#include "text/jinja/template.h"

namespace dstorch::text {

/// A prompt, and which of the special tokens in it are only text that somebody wrote.
struct ChatPrompt {
  std::string text;
  /// Bytes where such a text begins, in order.
  std::vector<std::size_t> plain_at;
};

class JinjaChatTemplate : public ChatTemplate {
 public:
  explicit JinjaChatTemplate(TemplateFiles files);

  [[nodiscard]] std::string render(std::span<const Message> messages,
                                   const ChatTemplateOptions& options) const override;
  [[nodiscard]] std::string render_json(std::string_view messages, const ChatTemplateOptions& options) const override;
  [[nodiscard]] std::vector<std::string> names() const override;
  [[nodiscard]] std::string_view source(std::string_view name) const override;

  /// As `render`. `special`: the tokens that a message's text must not become. Throws LMError{invalid_argument} where
  /// the template does something of its own with such a text.
  [[nodiscard]] ChatPrompt render_guarded(std::span<const Message> messages, const ChatTemplateOptions& options,
                                          std::span<const std::string> special) const;

  /// The source of the template that these options choose.
  [[nodiscard]] std::string_view source_for(const ChatTemplateOptions& options) const { return choose(options).source; }
  /// {"bos_token": "<s>", ...}
  [[nodiscard]] const OrderedJson& special_tokens() const noexcept { return special_tokens_; }

 private:
  struct Named {
    std::string source;
    jinja::Template compiled;
  };
  [[nodiscard]] const Named& choose(const ChatTemplateOptions& options) const;
  [[nodiscard]] OrderedJson variables(std::span<const Message> messages, const ChatTemplateOptions& options) const;
  [[nodiscard]] std::string render_variables(const OrderedJson& variables, const ChatTemplateOptions& options) const;
  [[nodiscard]] std::string refused_part(const OrderedJson& variables, const ChatTemplateOptions& options,
                                         std::string_view why) const;

  std::map<std::string, Named, std::less<>> templates_;
  OrderedJson special_tokens_;
  std::string where_;
};

/// Turns conversations into ids: the template's special tokens are tokens, those that a message spells are text. Made
/// once for a model; immutable, hence usable from any number of threads at once.
class ChatEncoder {
 public:
  ChatEncoder(std::shared_ptr<const Tokenizer> tokenizer, std::shared_ptr<const ChatTemplate> chat_template);

  struct Encoded {
    std::vector<int64_t> ids;
    /// What the template made.
    std::string prompt;
  };
  /// Throws LMError as ChatTemplate::render does.
  [[nodiscard]] Encoded encode(std::span<const Message> messages, const ChatTemplateOptions& options = {}) const;

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const ChatTemplate> template_;
  std::vector<std::string> special_;
};

}  // namespace dstorch::text

#include "text/chat/chat_model.h"

#include <algorithm>
#include <utility>

#include "text/chat/guard.h"
#include "text/chat/sampling_defaults.h"
#include "text/chat/template_files.h"
#include "text/hash.h"

namespace dstorch::text {
namespace {

/// Special tokens inside an answer that say what a part of it is.
bool is_mark(std::string_view token, const AnswerFormat& format) {
  if (token == format.reasoning_begin || token == format.reasoning_end) {
    return true;
  }
  switch (format.tool_calls) {
    case ToolCallFormat::hermes:
      return token == "<tool_call>" || token == "</tool_call>";
    case ToolCallFormat::llama3:
      return token == "<|python_tag|>";
    case ToolCallFormat::mistral:
      return token == "[TOOL_CALLS]" || token == "[ARGS]" || token == "[CALL_ID]";
    default:
      return false;
  }
}

/// The longest of `tokens` that `text` begins with; empty without one.
std::string beginning_of(std::string_view text, std::span<const std::string> tokens) {
  std::string longest;
  for (const std::string& token : tokens) {
    if (token.size() > longest.size() && text.starts_with(token)) {
      longest = token;
    }
  }
  return longest;
}

}  // namespace

ChatModel::ChatModel(std::shared_ptr<const Tokenizer> tokenizer, const std::filesystem::path& directory)
    : tokenizer_(std::move(tokenizer)),
      template_(std::make_shared<const JinjaChatTemplate>(read_template_files(directory))),
      encoder_(tokenizer_, template_),
      special_(special_tokens_of(*tokenizer_)),
      defaults_(read_sampling_defaults(directory)),
      end_tokens_(find_end_tokens()) {}

std::set<int64_t> ChatModel::find_end_tokens() const {
  std::set<int64_t> tokens;
  const auto add = [&](const std::string& token) {
    if (const auto id = tokenizer_->token_to_id(token); !token.empty() && id) {
      tokens.insert(*id);
    }
  };
  const auto& special = template_->special_tokens();
  if (const auto eos = special.find("eos_token"); eos != special.end() && eos->is_string()) {
    add(eos->get<std::string>());
  }
  // What stands behind an assistant's words that nothing else in a template is likely to be.
  const std::string words = "dstorch looks where this ends";
  ChatTemplateOptions options;
  options.add_generation_prompt = false;
  try {
    const std::vector<Message> messages{{.role = "user", .content = "a"}, {.role = "assistant", .content = words}};
    const std::string text = template_->render(messages, options);
    if (const std::size_t at = text.rfind(words); at != std::string::npos) {
      std::string_view behind = std::string_view(text).substr(at + words.size());
      behind.remove_prefix(std::min(behind.find_first_not_of(" \t\r\n"), behind.size()));
      add(beginning_of(behind, special_));
    }
  } catch (const LMError&) {  // a template that takes no such conversation: the model's own end tokens must do
  }
  return tokens;
}

AnswerFormat ChatModel::answer_format(const ChatTemplateOptions& options, std::string_view prompt) const {
  AnswerFormat format = detect_answer_format(template_->source_for(options), prompt);
  if (options.tools.empty()) {
    format.tool_calls = ToolCallFormat::none;  // without tools there is nothing to call, whatever an answer looks like
  }
  std::copy_if(special_.begin(), special_.end(), std::back_inserter(format.dropped),
               [&](const std::string& token) { return !is_mark(token, format); });
  return format;
}

ChatModel::Prompt ChatModel::prompt(std::span<const Message> messages, const ChatTemplateOptions& options) const {
  check_conversation(messages, options.tools);
  ChatEncoder::Encoded encoded = encoder_.encode(messages, options);
  Prompt prompt;
  prompt.ids = std::move(encoded.ids);
  prompt.format = answer_format(options, encoded.prompt);
  prompt.hash = hash_bytes(encoded.prompt) | 1U;
  return prompt;
}

}  // namespace dstorch::text

#include "text/chat/guard.h"

#include <algorithm>

#include "text/utf8.h"

namespace dstorch::text {
namespace {

// A noncharacter, which no text has a use for; where one has it all the same, it is cut from the marked copy, and the
// renderings differ.
constexpr std::string_view kMark = "\uFDD1";

// The longest of `special` that begins at `at`; 0 without one.
std::size_t special_length(std::string_view text, std::size_t at, std::span<const std::string> special) {
  std::size_t longest = 0;
  for (const std::string& token : special) {
    if (token.size() > longest && text.substr(at).starts_with(token)) {
      longest = token.size();
    }
  }
  return longest;
}

bool mark_text(std::string& text, std::span<const std::string> special) {
  std::string marked;
  bool any = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = special_length(text, at, special);
    // The mark goes behind the first character, so that cutting white space or looking at the beginning stays the same.
    const std::size_t first = utf8_length(text[at]);
    marked.append(text, at, std::min(first, text.size() - at));
    if (length != 0) {
      any = true;
      marked.append(kMark);
      // What lies inside a special token needs no mark of its own.
      marked.append(text, at + first, length - first);
    }
    at += std::max(length, first);
  }
  text = std::move(marked);
  return any;
}

bool mark_values(OrderedJson& json, std::span<const std::string> special) {
  if (json.is_string()) {
    return mark_text(json.get_ref<std::string&>(), special);
  }
  bool any = false;
  if (json.is_array()) {
    for (OrderedJson& item : json) {
      any = mark_values(item, special) || any;
    }
  } else if (json.is_object()) {
    OrderedJson marked = OrderedJson::object();
    for (auto& [key, value] : json.items()) {
      std::string name = key;
      any = mark_text(name, special) || any;
      any = mark_values(value, special) || any;
      marked[name] = std::move(value);
    }
    json = std::move(marked);
  }
  return any;
}

}  // namespace

bool mark_special(OrderedJson& variables, std::span<const std::string> special) {
  bool any = false;
  for (const char* name : {"messages", "tools", "documents"}) {
    any = mark_values(variables[name], special) || any;
  }
  return any;
}

ChatPrompt take_marks(const std::string& rendering) {
  ChatPrompt prompt;
  std::size_t from = 0;
  for (std::size_t at = rendering.find(kMark); at != std::string::npos; at = rendering.find(kMark, from)) {
    prompt.text.append(rendering, from, at - from);
    // The special token begins with the character before the mark.
    prompt.plain_at.push_back(prompt.text.empty() ? 0 : previous_utf8(prompt.text, prompt.text.size()));
    from = at + kMark.size();
  }
  prompt.text.append(rendering, from);
  return prompt;
}

std::vector<std::string> special_tokens_of(const Tokenizer& tokenizer) {
  std::vector<std::string> tokens;
  for (int64_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (tokenizer.is_special(id)) {
      tokens.push_back(tokenizer.id_to_token(id));
    }
  }
  std::erase(tokens, "");
  return tokens;
}

}  // namespace dstorch::text

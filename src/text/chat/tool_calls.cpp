#include "text/chat/tool_calls.h"

#include <algorithm>

#include "core/json.h"
#include "text/chat/message_json.h"

namespace dstorch {
namespace text {
namespace {

using Calls = std::optional<std::vector<ToolCall>>;

constexpr std::string_view kSpace = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(kSpace), text.size());
  text.remove_prefix(begin);
  const std::size_t last = text.find_last_not_of(kSpace);
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

// The end of the JSON value that `text` begins with, by its brackets; nothing where it does not end.
std::optional<std::size_t> value_end(std::string_view text) {
  int open = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      i += c == '\\' ? 1 : 0;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++open;
    } else if (c == '}' || c == ']') {
      if (--open == 0) {
        return i + 1;
      }
    }
  }
  return std::nullopt;
}

std::optional<OrderedJson> try_parse(std::string_view text) {
  try {
    return parse_ordered_json(text, "a tool call");
  } catch (const LMError&) {
    return std::nullopt;
  }
}

// {"name": ..., "arguments" or "parameters": {...}}, perhaps inside "function".
std::optional<ToolCall> one_call(const OrderedJson& json) {
  const bool wrapped = json.is_object() && json.contains("function") && json["function"].is_object();
  const OrderedJson& function = wrapped ? json["function"] : json;
  if (!function.is_object() || !function.contains("name") || !function["name"].is_string()) {
    return std::nullopt;
  }
  ToolCall call;
  call.name = function["name"].get<std::string>();
  if (json.contains("id") && json["id"].is_string()) {
    call.id = json["id"].get<std::string>();
  }
  for (const char* key : {"arguments", "parameters"}) {
    const auto found = function.find(key);
    if (found == function.end()) {
      continue;
    }
    // Some write the object as a text.
    const auto arguments =
        found->is_string() ? try_parse(found->get<std::string>()) : std::optional<OrderedJson>(*found);
    if (!arguments || !arguments->is_object()) {
      return std::nullopt;
    }
    call.arguments = arguments->dump();
    return call;
  }
  return std::nullopt;
}

bool add_calls(const OrderedJson& json, std::vector<ToolCall>& calls) {
  if (json.is_array()) {
    return !json.empty() &&
           std::all_of(json.begin(), json.end(), [&](const OrderedJson& item) { return add_calls(item, calls); });
  }
  if (json.is_object() && json.contains("tool_calls")) {
    return add_calls(json["tool_calls"], calls);
  }
  auto call = one_call(json);
  if (call) {
    calls.push_back(std::move(*call));
  }
  return call.has_value();
}

// JSON values one after another, with nothing but white space or `;` between them.
Calls read_values(std::string_view text) {
  std::vector<ToolCall> calls;
  for (text = trimmed(text); !text.empty(); text = trimmed(text)) {
    const auto end = value_end(text);
    const auto json = end ? try_parse(text.substr(0, *end)) : std::nullopt;
    if (!json || !add_calls(*json, calls)) {
      return std::nullopt;
    }
    text = trimmed(text.substr(*end));
    if (text.starts_with(';')) {
      text.remove_prefix(1);
    }
  }
  return calls.empty() ? std::nullopt : Calls(std::move(calls));
}

// name[ARGS]{...}, with [CALL_ID]id between them in some.
Calls read_mistral(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('[') || text.starts_with('{')) {
    return read_values(text);
  }
  constexpr std::string_view kArgs = "[ARGS]";
  constexpr std::string_view kId = "[CALL_ID]";
  const std::size_t brace = text.find('{');
  if (brace == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view head = trimmed(text.substr(0, brace));
  if (head.ends_with(kArgs)) {
    head.remove_suffix(kArgs.size());
  }
  ToolCall call;
  if (const std::size_t id = head.find(kId); id != std::string_view::npos) {
    call.id = trimmed(head.substr(id + kId.size()));
    head = head.substr(0, id);
  }
  call.name = trimmed(head);
  const auto arguments = try_parse(text.substr(brace));
  if (!arguments || !arguments->is_object() || call.name.empty() ||
      call.name.find_first_of(" \n[]") != std::string::npos) {
    return std::nullopt;
  }
  call.arguments = arguments->dump();
  return std::vector<ToolCall>{std::move(call)};
}

}  // namespace

Calls read_calls(std::string_view text, ToolCallFormat format) {
  return format == ToolCallFormat::mistral ? read_mistral(text) : read_values(text);
}

}  // namespace text

ToolCallFormat detect_tool_calls(std::string_view source) {
  const auto has = [&](std::string_view what) { return source.find(what) != std::string_view::npos; };
  return has("[TOOL_CALLS]")                                          ? ToolCallFormat::mistral
         : has("<tool_call>")                                         ? ToolCallFormat::hermes
         : has("<|python_tag|>") || has("\"parameters\": dictionary") ? ToolCallFormat::llama3
         : has("tools")                                               ? ToolCallFormat::json
                                                                      : ToolCallFormat::none;
}

AnswerFormat detect_answer_format(std::string_view source, std::string_view prompt) {
  constexpr std::pair<const char*, const char*> kMarks[] = {{"<think>", "</think>"},
                                                            {"[THINK]", "[/THINK]"},
                                                            {"<seed:think>", "</seed:think>"},
                                                            {"<|START_THINKING|>", "<|END_THINKING|>"}};
  AnswerFormat format;
  format.tool_calls = detect_tool_calls(source);
  format.reasoning_begin.clear();
  format.reasoning_end.clear();
  for (const auto& [begin, end] : kMarks) {
    if (source.find(begin) != std::string_view::npos || source.find(end) != std::string_view::npos) {
      format.reasoning_begin = begin;
      format.reasoning_end = end;
      format.begins_reasoning = text::trimmed(prompt).ends_with(begin);
      break;
    }
  }
  return format;
}

}  // namespace dstorch

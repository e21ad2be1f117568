#include "text/chat/message_json.h"

#include <fmt/format.h>

#include <set>

#include "core/json_shape.h"
#include "text/utf8.h"

namespace dstorch {
namespace text {
namespace {

constexpr std::size_t kShown = 80;

OrderedJson parse_object(std::string_view text, const std::string& where) {
  OrderedJson json = parse_ordered_json(text, where);
  require(json.is_object(), ErrorKind::format, "{} must be a JSON object, it is {}", where, shown(json));
  return json;
}

OrderedJson call_to_json(const ToolCall& call, const std::string& where) {
  OrderedJson json = {{"type", "function"},
                      {"function", {{"name", call.name}, {"arguments", parse_object(call.arguments, where)}}}};
  if (!call.id.empty()) {
    json["id"] = call.id;
  }
  return json;
}

OrderedJson message_to_json(const Message& message, const std::string& where) {
  OrderedJson json = {{"role", message.role}};
  json["content"] = message.content_json.empty() ? OrderedJson(replace_invalid_utf8(message.content))
                                                 : parse_ordered_json(message.content_json, where + ": content_json");
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) {
      json[key] = value;
    }
  };
  add("reasoning_content", message.reasoning);
  for (std::size_t i = 0; i < message.tool_calls.size(); ++i) {
    json["tool_calls"].push_back(
        call_to_json(message.tool_calls[i], fmt::format("{}: arguments of tool call {}", where, i)));
  }
  add("tool_call_id", message.tool_call_id);
  add("name", message.name);
  if (!message.more.empty()) {
    const auto more = parse_object(message.more, where + ": more");  // which `items` only refers to
    for (const auto& [key, value] : more.items()) {
      json[key] = value;
    }
  }
  return json;
}

std::string text_field(const OrderedJson& json, const char* key, const std::string& where) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) {
    return {};
  }
  require(found->is_string(), ErrorKind::format, "{}: \"{}\" must be text, it is {}", where, key, shown(*found));
  return found->get<std::string>();
}

ToolCall read_call(const OrderedJson& json, const std::string& where) {
  require(json.is_object(), ErrorKind::format, "{} must be an object, it is {}", where, shown(json));
  const OrderedJson& function = json.contains("function") ? json["function"] : json;
  require(function.is_object() && function.contains("name"), ErrorKind::format,
          "{} must have a \"function\" with a \"name\", it is {}", where, shown(json));
  ToolCall call;
  call.id = text_field(json, "id", where);
  call.name = text_field(function, "name", where);
  const auto arguments = function.find("arguments");
  if (arguments != function.end() && !arguments->is_null()) {
    // OpenAI's API writes the object as a text.
    call.arguments = arguments->is_string() ? arguments->get<std::string>() : arguments->dump();
    parse_object(call.arguments, where + ": \"arguments\"");
  }
  return call;
}

void read_content(const OrderedJson& json, Message& message, const std::string& where) {
  const auto content = json.find("content");
  if (content == json.end() || content->is_null()) {
    message.content_json = "null";
    return;
  }
  if (content->is_string()) {
    message.content = content->get<std::string>();
    return;
  }
  require(content->is_array() || content->is_object(), ErrorKind::format,
          "{}: \"content\" must be text, an array of parts or null, it is {}", where, shown(*content));
  message.content_json = content->dump();
}

Message read_message(const OrderedJson& json, const std::string& where) {
  Message message;
  message.role = json["role"].get<std::string>();
  read_content(json, message, where);
  message.reasoning = text_field(json, "reasoning_content", where);
  if (json.contains("tool_calls") && !json["tool_calls"].is_null()) {
    require(json["tool_calls"].is_array(), ErrorKind::format, "{}: \"tool_calls\" must be an array, it is {}", where,
            shown(json["tool_calls"]));
    for (const OrderedJson& call : json["tool_calls"]) {
      message.tool_calls.push_back(read_call(call, fmt::format("{}: tool call {}", where, message.tool_calls.size())));
    }
  }
  message.tool_call_id = text_field(json, "tool_call_id", where);
  message.name = text_field(json, "name", where);
  OrderedJson more = OrderedJson::object();
  const std::set<std::string> known = {"role", "content", "reasoning_content", "tool_calls", "tool_call_id", "name"};
  for (const auto& [key, value] : json.items()) {
    if (!known.contains(key)) {
      more[key] = value;
    }
  }
  message.more = more.empty() ? std::string() : more.dump();
  return message;
}

Tool read_tool(const OrderedJson& json, const std::string& where) {
  require(json.is_object(), ErrorKind::format, "{} must be an object, it is {}", where, shown(json));
  const OrderedJson& function = json.contains("function") ? json["function"] : json;
  require(function.is_object() && function.contains("name") && function["name"].is_string(), ErrorKind::format,
          "{} must be {{\"type\": \"function\", \"function\": {{\"name\": ..., \"parameters\": ...}}}}, it is {}",
          where, shown(json));
  Tool tool;
  tool.name = function["name"].get<std::string>();
  tool.description = text_field(function, "description", where + " \"" + tool.name + "\"");
  if (const auto parameters = function.find("parameters"); parameters != function.end() && !parameters->is_null()) {
    require(parameters->is_object(), ErrorKind::format,
            "{} \"{}\": \"parameters\" must be a JSON schema, an object, it is {}", where, tool.name,
            shown(*parameters));
    tool.parameters = parameters->dump();
  }
  tool.json = json.dump();
  return tool;
}

}  // namespace

std::string shown(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace).substr(0, kShown);
}

OrderedJson parse_ordered_json(std::string_view text, std::string_view where) {
  check_json_depth(text, where);
  try {
    return OrderedJson::parse(text);
  } catch (const OrderedJson::exception& e) {
    fail(ErrorKind::format, "{} must be valid JSON: {}", where, e.what());
  }
}

OrderedJson messages_to_json(std::span<const Message> messages) {
  OrderedJson all = OrderedJson::array();
  for (const Message& message : messages) {
    all.push_back(message_to_json(message, fmt::format("message {}", all.size())));
  }
  return all;
}

OrderedJson tools_to_json(std::span<const Tool> tools) {
  OrderedJson all = OrderedJson::array();
  for (const Tool& tool : tools) {
    const std::string where = fmt::format("tool {} \"{}\"", all.size(), tool.name);
    if (!tool.json.empty()) {
      all.push_back(parse_object(tool.json, where));
      continue;
    }
    OrderedJson function = OrderedJson::object();
    function["name"] = tool.name;
    function["description"] = tool.description;
    function["parameters"] = parse_object(tool.parameters, where + ": parameters");
    OrderedJson whole = OrderedJson::object();
    whole["type"] = "function";
    whole["function"] = std::move(function);
    all.push_back(std::move(whole));
  }
  return all;
}

OrderedJson read_messages(std::string_view json) {
  OrderedJson all = parse_ordered_json(json, "messages");
  if (all.is_object() && all.contains("messages")) {
    all = OrderedJson(all["messages"]);
  }
  require(all.is_array() && !all.empty(), ErrorKind::format,
          "messages must be a JSON array of at least one message, it is {}", shown(all));
  for (std::size_t i = 0; i < all.size(); ++i) {
    require(all[i].is_object() && all[i].contains("role") && all[i]["role"].is_string(), ErrorKind::format,
            "message {} must be an object with a \"role\", it is {}", i, shown(all[i]));
  }
  return all;
}

}  // namespace text

std::vector<Message> parse_messages(std::string_view json) {
  std::vector<Message> messages;
  for (const OrderedJson& message : text::read_messages(json)) {
    messages.push_back(text::read_message(message, fmt::format("message {}", messages.size())));
  }
  return messages;
}

std::vector<Tool> parse_tools(std::string_view json) {
  const OrderedJson all = text::parse_ordered_json(json, "tools");
  require(all.is_array(), ErrorKind::format, "tools must be a JSON array, it is {}", text::shown(all));
  std::vector<Tool> tools;
  for (const OrderedJson& tool : all) {
    tools.push_back(text::read_tool(tool, fmt::format("tool {}", tools.size())));
  }
  return tools;
}

std::string to_json(std::span<const Message> messages) { return text::messages_to_json(messages).dump(); }

}  // namespace dstorch

#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "core/json.h"
#include "dstorch/chat.h"
#include "text/chat/message_json.h"

namespace dstorch {
namespace {

using text::shown;

constexpr auto kWrong = ErrorKind::invalid_argument;
constexpr std::string_view kTypes[] = {"string", "number", "integer", "boolean", "object", "array", "null"};

/// A tool's answer, `calls` being what the assistant asked for before it.
void check_answer(const Message& answer, const Message* asked, std::size_t at) {
  require(asked != nullptr, kWrong,
          "message {}: a tool's answer must follow the assistant's message that calls the tool, or another such answer",
          at);
  if (answer.tool_call_id.empty()) {
    return;
  }
  std::vector<std::string> ids;
  for (const ToolCall& call : asked->tool_calls) {
    ids.push_back(call.id);
  }
  const bool named = std::any_of(ids.begin(), ids.end(), [](const std::string& id) { return !id.empty(); });
  require(!named || std::find(ids.begin(), ids.end(), answer.tool_call_id) != ids.end(), kWrong,
          "message {}: its tool_call_id \"{}\" must be that of a call before it: {}", at, answer.tool_call_id,
          fmt::join(ids, ", "));
}

void check_schema(const OrderedJson& schema, const std::string& where);

void check_type(const OrderedJson& type, const std::string& where) {
  const auto known = [](const OrderedJson& name) {
    return name.is_string() &&
           std::find(std::begin(kTypes), std::end(kTypes), name.get_ref<const std::string&>()) != std::end(kTypes);
  };
  const bool right = type.is_array() ? !type.empty() && std::all_of(type.begin(), type.end(), known) : known(type);
  require(right, kWrong, "{}: \"type\" must be {}, or a list of them; it is {}", where, fmt::join(kTypes, ", "),
          shown(type));
}

/// The schemas in an object, by name.
void check_named(const OrderedJson& schemas, const std::string& where) {
  require(schemas.is_object(), kWrong, "{} must be an object, it is {}", where, shown(schemas));
  for (const auto& [name, schema] : schemas.items()) {
    check_schema(schema, fmt::format("{}.{}", where, name));
  }
}

void check_list(const OrderedJson& schemas, const std::string& where) {
  require(schemas.is_array() && !schemas.empty(), kWrong, "{} must be a list of schemas, it is {}", where,
          shown(schemas));
  for (std::size_t i = 0; i < schemas.size(); ++i) {
    check_schema(schemas[i], fmt::format("{}[{}]", where, i));
  }
}

void check_required(const OrderedJson& names, const std::string& where) {
  const bool right =
      names.is_array() && std::all_of(names.begin(), names.end(), [](const auto& name) { return name.is_string(); });
  require(right, kWrong, "{} must be a list of names, it is {}", where, shown(names));
}

void check_keyword(const std::string& key, const OrderedJson& value, const std::string& where) {
  const std::string place = where + "." + key;
  if (key == "type") {
    check_type(value, where);
  } else if (key == "properties" || key == "patternProperties" || key == "$defs" || key == "definitions") {
    check_named(value, place);
  } else if (key == "anyOf" || key == "oneOf" || key == "allOf" || key == "prefixItems" ||
             (key == "items" && value.is_array())) {
    check_list(value, place);
  } else if (key == "items" || key == "additionalProperties" || key == "not") {
    check_schema(value, place);
  } else if (key == "required") {
    check_required(value, place);
  } else if (key == "enum") {
    require(value.is_array(), kWrong, "{} must be a list, it is {}", place, shown(value));
  }
}

void check_schema(const OrderedJson& schema, const std::string& where) {
  if (schema.is_boolean()) {
    return;
  }
  require(schema.is_object(), kWrong, "{} must be a JSON schema, an object; it is {}", where, shown(schema));
  for (const auto& [key, value] : schema.items()) {
    check_keyword(key, value, where);
  }
}

void check_messages(std::span<const Message> messages) {
  require(!messages.empty(), kWrong, "a conversation needs at least one message");
  const Message* asked = nullptr;  // who called the tools that may answer now
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    require(!message.role.empty(), kWrong, "message {} must have a role: system, user, assistant or tool", i);
    if (message.role == "tool") {
      check_answer(message, asked, i);
    } else {
      asked = message.tool_calls.empty() ? nullptr : &message;
    }
  }
  require(messages.back().role != "assistant", kWrong,
          "message {}: the last message must be one to answer, a user's or a tool's; it is the assistant's own",
          messages.size() - 1);
}

void check_tools(std::span<const Tool> tools) {
  const OrderedJson all = text::tools_to_json(tools);
  std::set<std::string> names;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const OrderedJson& function = all[i].contains("function") ? all[i]["function"] : all[i];
    const bool named = function.is_object() && function.contains("name") && function["name"].is_string();
    const std::string name = named ? function["name"].get<std::string>() : std::string();
    require(!name.empty(), kWrong, "tool {} must have a \"name\", it is {}", i, shown(all[i]));
    require(names.insert(name).second, kWrong, "tool {} \"{}\": another tool has this name", i, name);
    const auto parameters = function.find("parameters");
    if (parameters == function.end() || parameters->is_null()) {
      continue;
    }
    const std::string where = fmt::format("tool {} \"{}\": parameters", i, name);
    require(parameters->is_object(), kWrong, "{} must be a JSON schema, an object; it is {}", where,
            shown(*parameters));
    const auto type = parameters->find("type");
    require(type == parameters->end() || *type == "object", kWrong, "{}: \"type\" must be \"object\", it is {}", where,
            type == parameters->end() ? std::string() : shown(*type));
    check_schema(*parameters, where);
  }
}

}  // namespace

void check_conversation(std::span<const Message> messages, std::span<const Tool> tools) {
  check_messages(messages);
  check_tools(tools);
}

}  // namespace dstorch

#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/json.h"
#include "dstorch/chat.h"

namespace dstorch::text {

/// JSON whose objects keep their order, as templates print them. Throws LMError{format}; `where` names it there.
OrderedJson parse_ordered_json(std::string_view text, std::string_view where);

/// The beginning of `json`, for errors.
std::string shown(const OrderedJson& json);

/// As a template is given them.
OrderedJson messages_to_json(std::span<const Message> messages);
OrderedJson tools_to_json(std::span<const Tool> tools);

/// The array in `json`, or under its "messages". Throws LMError{format} unless every message is an object with a role.
OrderedJson read_messages(std::string_view json);

}  // namespace dstorch::text

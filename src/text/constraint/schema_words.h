#pragma once

#include <functional>
#include <map>
#include <string>

#include "core/json.h"
#include "text/constraint/schema_node.h"

namespace dstorch::text::constraint {

/// Adds what a word of JSON Schema asks to a node: the word, and its value in the schema. Throws LMError{format} for a
/// value that the word cannot have. Words about items add to the last of `items`, those about properties to the last
/// of `properties`.
using SchemaWord = std::function<void(SchemaNode&, const std::string&, const OrderedJson&)>;

/// The words by name, but for those that lead to other schemas for the same value: $ref, allOf, anyOf, oneOf.
const std::map<std::string, SchemaWord>& schema_words();
/// Whether the word asks nothing of values.
bool is_annotation(const std::string& word);

// What the value of `word` must be. Throw LMError{format} naming the word.
const OrderedJson& schema_of(const std::string& word, const OrderedJson& value);
const OrderedJson& list_of(const std::string& word, const OrderedJson& value);
std::string text_of(const std::string& word, const OrderedJson& value);

}  // namespace dstorch::text::constraint

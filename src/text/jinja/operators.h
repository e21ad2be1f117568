#pragma once

#include <string>
#include <string_view>

#include "text/jinja/value.h"

namespace dstorch::text::jinja {

class Runtime;

enum class BinaryOp { add, subtract, multiply, divide, floor_divide, modulo, power };
enum class CompareOp { equal, not_equal, less, less_equal, greater, greater_equal, in, not_in };

/// Python's bool(x).
bool truth(Runtime& runtime, const Value& value);

/// Python's x == y.
bool equal(Runtime& runtime, const Value& a, const Value& b);

/// Python's x is y, where two equal texts or numbers count as one.
bool identical(const Value& a, const Value& b);

/// Python's x < y; throws for what has no order.
bool less(Runtime& runtime, const Value& a, const Value& b);

/// Python's x in container.
bool contains(Runtime& runtime, const Value& container, const Value& item);

bool compare(Runtime& runtime, CompareOp op, const Value& a, const Value& b);

Value binary(Runtime& runtime, BinaryOp op, const Value& a, const Value& b);
Value negate(Runtime& runtime, const Value& value);
Value plus(Runtime& runtime, const Value& value);

/// Python's len(x); throws for what has none.
int64_t length(Runtime& runtime, const Value& value);
/// As above, -1 for what has none.
int64_t length_or_none(Runtime& runtime, const Value& value);

/// Python's iter(x); throws for what cannot be iterated over.
Iterator* iterate(Runtime& runtime, const Value& value);
/// As above, null for what cannot.
Iterator* iterate_or_null(Runtime& runtime, const Value& value);

/// Python's list(x).
List* to_list(Runtime& runtime, const Value& value);

/// A whole number that is an argument of `what`; throws for any other value.
int64_t to_index(Runtime& runtime, const Value& value, std::string_view what);

}  // namespace dstorch::text::jinja

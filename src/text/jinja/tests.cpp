// `value is test`.
#include <unordered_map>

#include "text/jinja/filters.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"
#include "text/jinja/text_case.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

// A test of the value alone.
template <bool (*Holds)(Runtime&, const Value&)>
bool plain(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "a test", args, {});
  return Holds(runtime, value);
}

template <CompareOp op>
bool compared(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "a test", args, {"other"}, 1);
  return compare(runtime, op, value, bound[0]);
}

bool is_defined(Runtime& /*runtime*/, const Value& value) { return !value.is(Type::undefined); }
bool is_undefined(Runtime& /*runtime*/, const Value& value) { return value.is(Type::undefined); }
bool is_none(Runtime& /*runtime*/, const Value& value) { return value.is(Type::none); }
bool is_boolean(Runtime& /*runtime*/, const Value& value) { return value.is(Type::boolean); }
bool is_true(Runtime& /*runtime*/, const Value& value) { return value.is(Type::boolean) && value.boolean; }
bool is_false(Runtime& /*runtime*/, const Value& value) { return value.is(Type::boolean) && !value.boolean; }
bool is_integer(Runtime& /*runtime*/, const Value& value) { return value.is(Type::integer); }
bool is_float(Runtime& /*runtime*/, const Value& value) { return value.is(Type::real); }
bool is_any_number(Runtime& /*runtime*/, const Value& value) { return value.is_number(); }
bool is_string(Runtime& /*runtime*/, const Value& value) { return value.is_string(); }
bool is_mapping(Runtime& /*runtime*/, const Value& value) { return value.is(Type::dict); }
bool is_iterable(Runtime& runtime, const Value& value) { return iterate_or_null(runtime, value) != nullptr; }
bool is_escaped(Runtime& /*runtime*/, const Value& value) { return value.is_string() && value.str->safe; }
bool is_filter(Runtime& /*runtime*/, const Value& value) {
  return value.is_string() && find_filter(value.text()) != nullptr;
}
bool is_test(Runtime& /*runtime*/, const Value& value) {
  return value.is_string() && find_test(value.text()) != nullptr;
}

bool is_sequence(Runtime& /*runtime*/, const Value& value) {
  return value.is_string() || value.is_sequence() || value.is(Type::dict) || value.is(Type::undefined) ||
         (value.is(Type::object) && value.object->indexable());
}

bool is_callable(Runtime& /*runtime*/, const Value& value) {
  return value.is(Type::undefined) || (value.is(Type::object) && value.object->callable());
}

bool has_lower_case(Runtime& runtime, const Value& value) { return is_lower_case(to_text(runtime, value)); }
bool has_upper_case(Runtime& runtime, const Value& value) { return is_upper_case(to_text(runtime, value)); }

template <int rest>
bool divides_into(Runtime& runtime, const Value& value) {
  return equal(runtime, binary(runtime, BinaryOp::modulo, value, Value::of(int64_t{2})), Value::of(int64_t{rest}));
}

bool divisible_by(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "divisibleby", args, {"num"}, 1);
  return equal(runtime, binary(runtime, BinaryOp::modulo, value, bound[0]), Value::of(int64_t{0}));
}

bool same_as(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "sameas", args, {"other"}, 1);
  return identical(value, bound[0]);
}

}  // namespace

Test find_test(std::string_view name) {
  static const std::unordered_map<std::string_view, Test> tests = {
      {"defined", plain<is_defined>},
      {"undefined", plain<is_undefined>},
      {"none", plain<is_none>},
      {"boolean", plain<is_boolean>},
      {"true", plain<is_true>},
      {"false", plain<is_false>},
      {"integer", plain<is_integer>},
      {"float", plain<is_float>},
      {"number", plain<is_any_number>},
      {"string", plain<is_string>},
      {"mapping", plain<is_mapping>},
      {"iterable", plain<is_iterable>},
      {"sequence", plain<is_sequence>},
      {"callable", plain<is_callable>},
      {"escaped", plain<is_escaped>},
      {"lower", plain<has_lower_case>},
      {"upper", plain<has_upper_case>},
      {"filter", plain<is_filter>},
      {"test", plain<is_test>},
      {"odd", plain<divides_into<1>>},
      {"even", plain<divides_into<0>>},
      {"divisibleby", divisible_by},
      {"sameas", same_as},
      {"in", compared<CompareOp::in>},
      {"==", compared<CompareOp::equal>},
      {"eq", compared<CompareOp::equal>},
      {"equalto", compared<CompareOp::equal>},
      {"!=", compared<CompareOp::not_equal>},
      {"ne", compared<CompareOp::not_equal>},
      {"<", compared<CompareOp::less>},
      {"lt", compared<CompareOp::less>},
      {"lessthan", compared<CompareOp::less>},
      {"<=", compared<CompareOp::less_equal>},
      {"le", compared<CompareOp::less_equal>},
      {">", compared<CompareOp::greater>},
      {"gt", compared<CompareOp::greater>},
      {"greaterthan", compared<CompareOp::greater>},
      {">=", compared<CompareOp::greater_equal>},
      {"ge", compared<CompareOp::greater_equal>},
  };
  const auto found = tests.find(name);
  return found == tests.end() ? nullptr : found->second;
}

}  // namespace dstorch::text::jinja

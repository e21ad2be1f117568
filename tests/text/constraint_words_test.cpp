// The words of JSON Schema: each means what the standard says, alone and beside others, or is an error that names it.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dstorch/constraint.h"
#include "dstorch/error.h"

namespace dstorch {
namespace {

std::string error_of(const std::string& schema) {
  try {
    static_cast<void>(Constraint::json_schema(schema));
  } catch (const LMError& e) {
    return std::string(to_string(e.kind())) + ": " + e.what();
  }
  return "no error";
}

struct Case {
  const char* schema;
  std::vector<const char*> right;
  std::vector<const char*> wrong;
};

void check(const std::vector<Case>& cases) {
  for (const auto& [schema, right, wrong] : cases) {
    const auto constraint = Constraint::json_schema(schema);
    for (const char* text : right) {
      EXPECT_TRUE(constraint.matches(text)) << schema << "\n" << text;
    }
    for (const char* text : wrong) {
      EXPECT_FALSE(constraint.matches(text)) << schema << "\n" << text;
    }
  }
}

TEST(ConstraintWords, EachMeansWhatTheStandardSays) {
  check({
      {"true", {"1", "null", "[{}]"}, {"", "x"}},
      {R"({"type": "null"})", {"null"}, {"0", "\"null\""}},
      {R"({"type": "boolean"})", {"true", "false"}, {"0", "null"}},
      {R"({"type": "integer"})", {"0", "-12"}, {"1.5", "\"1\"", "01"}},
      {R"({"type": "number"})", {"0", "-1.5", "1e5"}, {"true", "1."}},
      {R"({"type": "string"})", {R"("")", R"("a\u00e9\n")"}, {"a", "\"\n\"", R"("\ud800")"}},
      {R"({"type": "array"})", {"[]", "[1,[]]"}, {"{}", "[1,]"}},
      {R"({"type": "object"})", {"{}", R"({"a":1})"}, {"[]", R"({"a":1,"a":2})"}},
      {R"({"type": ["integer", "null"]})", {"1", "null"}, {"1.5", "\"\""}},
      {R"({"enum": [1, "a", null, {"x": [2]}]})", {"1", "\"a\"", "null", R"({"x":[2]})"}, {"2", R"({"x":[3]})"}},
      {R"({"const": "a"})", {"\"a\""}, {"\"b\"", "1"}},
      {R"({"type": "object", "properties": {"a": {"const": 1}, "b": {}}, "required": ["b"]})",
       {R"({"b":2})", R"({"a":1,"b":2})"},
       {"{}", R"({"a":1})", R"({"a":2,"b":2})"}},
      {R"({"type": "object", "properties": {"a": {}}, "additionalProperties": false})", {R"({"a":1})"}, {R"({"b":1})"}},
      {R"({"type": "object", "properties": {"a": {}}, "additionalProperties": {"const": 2}})",
       {R"({"a":1,"b":2})"},
       {R"({"a":1,"b":1})"}},
      {R"({"type": "object", "patternProperties": {"^x": {"const": 1}, "y$": {"type": "integer"}}})",
       {R"({"x":1})", R"({"ay":3})", R"({"xy":1})"},
       {R"({"x":2})", R"({"xy":3})"}},
      {R"({"type": "object", "propertyNames": {"pattern": "^a+$"}})", {R"({"a":1,"aa":2})"}, {R"({"b":1})"}},
      {R"({"type": "object", "minProperties": 1, "maxProperties": 2})",
       {R"({"a":1})", R"({"a":1,"b":1})"},
       {"{}", R"({"a":1,"b":1,"c":1})"}},
      {R"({"type": "array", "items": {"type": "array", "items": {"const": 0}, "minItems": 1, "maxItems": 2}})",
       {"[]", "[[0],[0,0]]"},
       {"[[]]", "[[0,0,0]]", "[0]", "[[1]]"}},
      {R"({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": false})",
       {"[]", "[1]", "[1,2]"},
       {"[2]", "[1,2,3]"}},
      {R"({"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": true})", {"[]", "[2,1]"}, {"[1,1]", "[1,2,1]"}},
      {R"({"type": "string", "minLength": 2, "maxLength": 3})",
       {R"("ab")", R"("\u00e9bc")", "\"\xF0\x9F\x98\x80\xC3\xA9\""},
       {R"("a")", R"("abcd")"}},
      {R"({"type": "string", "pattern": "b+$"})", {R"("abb")"}, {R"("abc")"}},
      {R"({"type": "string", "format": "date"})", {R"("2024-02-29")"}, {R"("2023-02-29")", R"("2024-2-1")"}},
      {R"({"type": "string", "format": "time"})", {R"("12:34:56Z")"}, {R"("25:00:00Z")", R"("12:34")"}},
      {R"({"type": "string", "format": "date-time"})", {R"("2024-02-29T12:34:56Z")"}, {R"("2024-02-29")"}},
      {R"({"type": "string", "format": "duration"})", {R"("P1DT2H")"}, {R"("P")", R"("1D")"}},
      {R"({"type": "string", "format": "email"})", {R"("a.b@c.de")"}, {R"("a")", R"("@c.de")"}},
      {R"({"type": "string", "format": "hostname"})", {R"("a-b.example.org")"}, {R"("-a")", R"("a..b")"}},
      {R"({"type": "string", "format": "ipv4"})", {R"("127.0.0.1")"}, {R"("256.0.0.1")", R"("1.2.3")"}},
      {R"({"type": "string", "format": "ipv6"})", {R"("fe80::1")"}, {R"("1::2::3")"}},
      {R"({"type": "string", "format": "uri"})", {R"("https://a.org/b?c=d#e")"}, {R"("a b")", R"("//a")"}},
      {R"({"type": "string", "format": "uuid"})", {R"("123e4567-e89b-12d3-a456-426614174000")"}, {R"("123e4567")"}},
      {R"({"type": "integer", "minimum": -2, "maximum": 11})", {"-2", "0", "11"}, {"-3", "12"}},
      {R"({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1})", {"0.5"}, {"0", "0.0", "1", "1.0"}},
      {R"({"type": "integer", "multipleOf": 3})", {"0", "9", "-3"}, {"4"}},
      {R"({"type": "number", "minimum": 0, "maximum": 2, "multipleOf": 0.25})", {"0.75", "2"}, {"0.3"}},
      {R"({"$ref": "#/$defs/a", "$defs": {"a": {"type": ["null", "array"], "items": {"$ref": "#/$defs/a"}}}})",
       {"null", "[[null],[]]"},
       {"[1]"}},
      {R"({"$ref": "#/definitions/a", "definitions": {"a": {"const": 1}}})", {"1"}, {"2"}},
      {R"({"anyOf": [{"const": 1}, {"type": "string", "maxLength": 1}]})", {"1", "\"a\""}, {"2", "\"ab\""}},
      {R"({"oneOf": [{"type": "integer", "maximum": 3}, {"type": "integer", "minimum": 5}]})", {"3", "5"}, {"4"}},
      {R"({"allOf": [{"type": "integer"}, {"minimum": 2}, {"maximum": 3}]})", {"2", "3"}, {"1", "4", "null"}},
  });
}

// What one word leaves open, another may close: whichever comes first.
TEST(ConstraintWords, HoldTogether) {
  check({
      {R"({"type": "integer", "exclusiveMinimum": 3, "minimum": 3})", {"4"}, {"3"}},
      {R"({"type": "integer", "minimum": 3, "exclusiveMinimum": 3})", {"4"}, {"3"}},
      {R"({"type": "integer", "exclusiveMaximum": 3, "maximum": 3})", {"2"}, {"3"}},
      {R"({"type": "integer", "maximum": 3, "exclusiveMaximum": 3})", {"2"}, {"3"}},
      {R"({"allOf": [{"type": "integer"}, {"type": "number"}]})", {"1"}, {"1.5"}},
      {R"({"allOf": [{"type": "number"}, {"type": "integer"}]})", {"1"}, {"1.5"}},
      {R"({"enum": ["a", "abc", "abcd"], "minLength": 2, "maxLength": 3})", {R"("abc")"}, {R"("a")", R"("abcd")"}},
      {R"({"enum": [[1, 1], [1, 2]], "uniqueItems": true})", {"[1,2]"}, {"[1,1]"}},
      {R"({"enum": [[], [1], [1, 2]], "minItems": 1, "maxItems": 1})", {"[1]"}, {"[]", "[1,2]"}},
      {R"({"enum": [{}, {"a": 1}, {"a": 1, "b": 2}], "minProperties": 1, "maxProperties": 1})",
       {R"({"a":1})"},
       {"{}", R"({"a":1,"b":2})"}},
      // An array of one item at most has none twice, whatever it is.
      {R"({"type": "array", "uniqueItems": true, "maxItems": 1})", {"[]", "[5]", "[{}]"}, {"[5,6]"}},
      // A property that must be there and cannot be: nothing is right.
      {R"({"type": "object", "properties": {"a": false, "b": {"const": 1}}, "required": ["a"]})",
       {},
       {"{}", R"({"b":1})", R"({"a":1})"}},
      {R"({"type": "object", "properties": {"a": false, "b": {"const": 1}}})", {"{}", R"({"b":1})"}, {R"({"a":1})"}},
  });
}

// What an object may have is said by its words about properties, and no more than they say.
TEST(ConstraintWords, OtherPropertiesComeWhereASchemaSpeaksOfThemOrOfNone) {
  check({
      {R"({"type": "object", "required": ["a"]})", {R"({"a":1})"}, {"{}", R"({"a":1,"q":2})"}},
      {R"({"type": "object", "patternProperties": {"^x": {"const": 1}}})", {R"({"x":1})", "{}"}, {R"({"y":1})"}},
      {R"({"type": "object", "patternProperties": {"^x": {"const": 1}}, "additionalProperties": {"const": 2}})",
       {R"({"x":1,"y":2})"},
       {R"({"y":1})", R"({"x":2})"}},
  });
}

TEST(ConstraintWords, OneOfNumbersMustNotShareALimit) {
  EXPECT_THAT(error_of(R"({"oneOf": [{"type": "integer", "maximum": 3}, {"type": "integer", "minimum": 3}]})"),
              testing::HasSubstr("oneOf"));
  for (const char* schema :
       {R"({"oneOf": [{"type": "integer", "exclusiveMaximum": 3}, {"type": "integer", "minimum": 3}]})",
        R"({"oneOf": [{"type": "integer", "maximum": 3}, {"type": "integer", "exclusiveMinimum": 3}]})"}) {
    EXPECT_EQ(error_of(schema), "no error");
    EXPECT_TRUE(Constraint::json_schema(schema).matches("3"));
  }
}

TEST(ConstraintWords, AllOthersOfTheStandardAreErrorsThatNameThem) {
  for (const std::string word : {"$anchor",
                                 "$dynamicAnchor",
                                 "$dynamicRef",
                                 "$vocabulary",
                                 "$recursiveRef",
                                 "$recursiveAnchor",
                                 "not",
                                 "if",
                                 "then",
                                 "else",
                                 "dependentSchemas",
                                 "dependentRequired",
                                 "dependencies",
                                 "contains",
                                 "minContains",
                                 "maxContains",
                                 "additionalItems",
                                 "unevaluatedItems",
                                 "unevaluatedProperties",
                                 "contentEncoding",
                                 "contentMediaType",
                                 "contentSchema",
                                 "Type",
                                 ""}) {
    for (const char* around :
         {R"({{"{}": {{}}}})", R"({{"anyOf": [{{"type": "object", "properties": {{"a": {{"{}": 1}}}}}}]}})",
          R"({{"$ref": "#/$defs/a", "$defs": {{"a": {{"{}": true}}}}}})"}) {
      EXPECT_THAT(error_of(fmt::format(fmt::runtime(around), word)),
                  testing::AllOf(testing::StartsWith("unsupported"), testing::HasSubstr("\"" + word + "\"")));
    }
  }
  for (const std::string format : {"idn-email", "idn-hostname", "iri", "iri-reference", "uri-reference", "uri-template",
                                   "json-pointer", "relative-json-pointer", "regex", "Date", "int32"}) {
    EXPECT_THAT(error_of(R"({"type": "string", "format": ")" + format + "\"}"),
                testing::AllOf(testing::StartsWith("unsupported"), testing::HasSubstr("\"" + format + "\"")));
  }
}

}  // namespace
}  // namespace dstorch

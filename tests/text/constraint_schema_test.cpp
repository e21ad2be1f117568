#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "constraint_vocabulary.h"
#include "core/json.h"
#include "dstorch/constraint.h"
#include "dstorch/error.h"
#include "schema_validator.h"
#include "support/paths.h"
#include "text/constraint/effort.h"
#include "text/constraint/network.h"
#include "text/constraint/sample.h"
#include "text/constraint/schema_compiler.h"

namespace dstorch {
namespace {

using test::SchemaValidator;
using text::constraint::LanguageSampler;
using text::constraint::Masks;
using text::constraint::Matcher;
using text::constraint::Vocabulary;

const OrderedJson& cases() {
  static const OrderedJson kCases =
      OrderedJson::parse(std::ifstream(test::source_dir() / "tests/text/data/constraint.json"));
  return kCases;
}

/// Of even numbers without white space, of odd ones with it.
Constraint constraint_of(const OrderedJson& schema, std::size_t number) {
  return Constraint::json_schema(schema.dump(),
                                 number % 2 == 0 ? Constraint::WhiteSpace::none : Constraint::WhiteSpace::bounded);
}

std::string error_of(const std::string& schema) {
  try {
    static_cast<void>(Constraint::json_schema(schema));
  } catch (const LMError& e) {
    return std::string(to_string(e.kind())) + ": " + e.what();
  }
  return "no error";
}

TEST(ConstraintSchema, TakesWhatAnotherValidatorTakesAndNothingThatItDoesNot) {
  ASSERT_GE(cases().size(), 200U);
  std::size_t number = 0;
  for (const auto& test_case : cases()) {
    const auto constraint = constraint_of(test_case["schema"], number++);
    const SchemaValidator validator(test_case["schema"]);
    for (const auto& text : test_case["accepted"]) {
      EXPECT_TRUE(constraint.matches(text.get<std::string>())) << test_case["schema"] << "\n" << text;
      EXPECT_TRUE(validator.accepts_text(text)) << test_case["schema"] << "\n" << text;
    }
    for (const auto& text : test_case["rejected"]) {
      EXPECT_FALSE(constraint.matches(text.get<std::string>())) << test_case["schema"] << "\n" << text;
      EXPECT_FALSE(validator.accepts_text(text)) << test_case["schema"] << "\n" << text;
    }
  }
}

// Tokens that cross every border, drawn without any sense, with as few of them as are enough and with more.
TEST(ConstraintSchema, EveryAnswerOfRandomTokensIsOfTheSchema) {
  const auto vocabulary = std::make_shared<const Vocabulary>(test::crossing_tokens(3, 1500));
  std::size_t number = 0;
  for (const auto& test_case : cases()) {
    const auto constraint = constraint_of(test_case["schema"], number++);
    const SchemaValidator validator(test_case["schema"]);
    const auto masks = std::make_shared<Masks>(constraint.network(), vocabulary);
    const int64_t least = masks->automaton().distance(masks->automaton().start());
    Rng rng(number);
    for (int i = 0; i < 12; ++i) {
      const auto budget = least + static_cast<int64_t>(i % 3 == 0 ? 0 : i % 3 == 1 ? rng.below(20) : 150);
      const auto answer = test::random_answer(Matcher(masks, budget), *vocabulary, rng);
      EXPECT_TRUE(validator.accepts_text(answer)) << test_case["schema"] << "\n" << answer;
    }
  }
}

TEST(ConstraintSchema, EveryTextOfTheLanguageCanComeHoweverItIsCut) {
  const auto vocabulary = std::make_shared<const Vocabulary>(test::crossing_tokens(5, 1500));
  std::size_t number = 0;
  for (const auto& test_case : cases()) {
    const auto constraint = constraint_of(test_case["schema"], number++);
    const auto masks = std::make_shared<Masks>(constraint.network(), vocabulary);
    LanguageSampler sampler(constraint.network());
    Rng rng(number);
    for (int i = 0; i < 6; ++i) {
      const auto text = sampler.draw(rng, 60);
      Matcher matcher(masks, 100000);
      for (const auto id : test::random_cut(*vocabulary, text, rng)) {
        ASSERT_TRUE(matcher.allows(id)) << test_case["schema"] << "\n"
                                        << text << "\n"
                                        << vocabulary->token(static_cast<std::size_t>(id));
        matcher.accept(id);
      }
      EXPECT_TRUE(matcher.complete()) << test_case["schema"] << "\n" << text;
    }
  }
}

TEST(ConstraintSchema, PropertiesComeInOrderAndExtraOnesAfterThem) {
  const auto constraint = Constraint::json_schema(
      R"({"type": "object", "properties": {"b": {"const": 1}, "a": {"const": 2}}, "required": ["a"], "additionalProperties": {"const": 3}})");
  EXPECT_TRUE(constraint.matches(R"({"b":1,"a":2})"));
  EXPECT_TRUE(constraint.matches(R"({"a": 2, "z": 3, "c": 3})"));
  EXPECT_FALSE(constraint.matches(R"({"a":2,"b":1})"));
  EXPECT_FALSE(constraint.matches(R"({"z":3,"a":2})"));
  EXPECT_FALSE(constraint.matches(R"({"a":2,"z":3,"z":3})"));
  EXPECT_FALSE(constraint.matches(R"({"a":2,"b":3})"));
  EXPECT_FALSE(constraint.matches(R"({"b":1})"));
}

TEST(ConstraintSchema, ValuesMustBeWhatElseIsAskedOfThem) {
  const auto sevens = Constraint::json_schema(R"({"enum": [7, 8, 14, 14.0, 7], "multipleOf": 7})");
  EXPECT_TRUE(sevens.matches("7"));
  EXPECT_TRUE(sevens.matches("14"));
  EXPECT_FALSE(sevens.matches("8"));
  const auto both = Constraint::json_schema(R"({"allOf": [{"enum": [1, "a", {"b": 1}]}, {"enum": ["a", 1.0, 2]}]})");
  EXPECT_TRUE(both.matches("1.0"));
  EXPECT_TRUE(both.matches(R"("a")"));
  EXPECT_FALSE(both.matches("2"));
  EXPECT_FALSE(both.matches(R"({"b":1})"));
  const auto short_array = Constraint::json_schema(
      R"({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}, {"const": 3}], "maxItems": 2})");
  EXPECT_TRUE(short_array.matches("[1,2]"));
  EXPECT_FALSE(short_array.matches("[1,2,3]"));
  EXPECT_TRUE(Constraint::json_schema(R"({"$ref": "#/$defs/a%", "$defs": {"a%": {"const": 1}}})").matches("1"));
  EXPECT_TRUE(Constraint::json_schema(R"({"$ref": "#/$defs/a%2", "$defs": {"a%2": {"const": 1}}})").matches("1"));
  const auto ip = Constraint::json_schema(R"({"type": "string", "format": "ipv6"})");
  for (const char* right : {"::", "::1", "1::", "1:2::3:4", "1:2:3:4:5:6:7:8", "1:2:3::6:7:8"}) {
    EXPECT_TRUE(ip.matches("\"" + std::string(right) + "\"")) << right;
  }
  for (const char* wrong : {"", "1", "1:2", "1::2::3", "1:2:3:4:5:6:7:8:9", "1:2:3:4::5:6:7:8", "g::"}) {
    EXPECT_FALSE(ip.matches("\"" + std::string(wrong) + "\"")) << wrong;
  }
}

TEST(ConstraintSchema, NumbersHaveAsManyDigitsAsAreDocumented) {
  const auto takes = [](const char* limits, const char* number) {
    return Constraint::json_schema(std::string(R"({"type": "number")") + limits + "}").matches(number);
  };
  EXPECT_TRUE(takes("", "123456789012345.123456789012345e-12"));
  EXPECT_FALSE(takes("", "1234567890123456"));
  EXPECT_FALSE(takes("", "1e123"));
  EXPECT_TRUE(takes(R"(, "minimum": 2)", "123456789.123456"));
  EXPECT_FALSE(takes(R"(, "minimum": 2)", "1234567890"));
  EXPECT_FALSE(takes(R"(, "minimum": 2)", "3.1234567"));
  EXPECT_FALSE(takes(R"(, "minimum": 2)", "3e0"));
  EXPECT_TRUE(takes(R"(, "minimum": 1234567890)", "1234567891.5"));
  EXPECT_TRUE(takes(R"(, "minimum": 2, "maximum": 30)", "12.1234567890123"));
  EXPECT_FALSE(takes(R"(, "minimum": 2, "maximum": 30)", "12.12345678901234"));
  const auto whole = Constraint::json_schema(R"({"type": "integer"})");
  EXPECT_TRUE(whole.matches("-123456789012345678"));
  EXPECT_FALSE(whole.matches("1234567890123456789"));
  EXPECT_FALSE(whole.matches("1.0"));
}

TEST(ConstraintSchema, WhatASchemaDoesNotNameIsLeftOutUnlessItSaysSo) {
  EXPECT_FALSE(Constraint::json_schema(R"({"type": "object", "properties": {"a": {}}})").matches(R"({"q":1})"));
  EXPECT_TRUE(Constraint::json_schema(R"({"type": "object"})").matches(R"({"q":1})"));
}

TEST(ConstraintSchema, WhiteSpaceIsBounded) {
  const auto bounded = Constraint::json_schema(R"({"type": "array", "items": {"type": "integer"}})");
  EXPECT_TRUE(bounded.matches("[1,2]"));
  EXPECT_TRUE(bounded.matches("[ 1, 2 ]"));
  EXPECT_TRUE(bounded.matches("[\n  1,\n  2\n]"));
  EXPECT_FALSE(bounded.matches("[  1]"));
  EXPECT_FALSE(bounded.matches("[1 ,2]"));
  EXPECT_FALSE(bounded.matches("[1] "));
  EXPECT_FALSE(bounded.matches("[\n" + std::string(17, ' ') + "1]"));
  EXPECT_FALSE(Constraint::json_schema(R"({"type": "array"})", Constraint::WhiteSpace::none).matches("[ ]"));
}

TEST(ConstraintSchema, AnnotationsSayNothing) {
  for (const std::string word : {"title", "description", "default", "examples", "$comment", "$schema", "$id",
                                 "deprecated", "readOnly", "writeOnly", "$defs", "definitions"}) {
    const auto annotated = Constraint::json_schema(R"({"type": "object", "properties": {"a": {"type": "integer", ")" +
                                                   word + R"(": {"if": 1}}}, ")" + word + R"(": {"not": 2}})");
    EXPECT_TRUE(annotated.matches(R"({"a":1})")) << word;
    EXPECT_FALSE(annotated.matches(R"({"a":"x"})")) << word;
    EXPECT_FALSE(annotated.matches(R"({"b":1})")) << word;
  }
}

TEST(ConstraintSchema, UnknownWordsAreNamed) {
  for (const std::string word :
       {"if", "not", "dependentRequired", "unevaluatedProperties", "contains", "$anchor", "nullable", "id"}) {
    EXPECT_THAT(error_of(R"({")" + word + R"(": {}})"),
                testing::AllOf(testing::StartsWith("unsupported"), testing::HasSubstr("\"" + word + "\"")));
    EXPECT_THAT(error_of(R"({"type": "object", "properties": {"a": {"items": {")" + word + R"(": {}}}}})"),
                testing::HasSubstr("\"" + word + "\""));
  }
  EXPECT_THAT(error_of(R"({"type": "string", "format": "regex"})"), testing::HasSubstr("\"regex\""));
  EXPECT_THAT(error_of(R"({"type": "integer", "format": "int32"})"), testing::HasSubstr("\"int32\""));
  EXPECT_THAT(error_of(R"({"enum": [1], "format": "int32"})"), testing::HasSubstr("\"int32\""));
  EXPECT_THAT(error_of(R"({"type": "array", "uniqueItems": true})"), testing::HasSubstr("uniqueItems"));
  EXPECT_THAT(error_of(R"({"$ref": "https://example.com/other"})"), testing::HasSubstr("https://example.com/other"));
}

TEST(ConstraintSchema, WhatIsNoSchemaIsAnError) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"", "JSON"},
      {"{", "JSON"},
      {"1", "a schema"},
      {R"({"type": "text"})", "\"type\""},
      {R"({"type": []})", "\"type\""},
      {R"({"enum": []})", "\"enum\""},
      {R"({"enum": 1})", "\"enum\""},
      {R"({"minLength": -1})", "\"minLength\""},
      {R"({"maxItems": 1.5})", "\"maxItems\""},
      {R"({"minimum": "1"})", "\"minimum\""},
      {R"({"multipleOf": 0})", "\"multipleOf\""},
      {R"({"required": "a"})", "\"required\""},
      {R"({"required": [1]})", "\"required\""},
      {R"({"properties": []})", "\"properties\""},
      {R"({"properties": {"a": 1}})", "\"properties\""},
      {R"({"anyOf": []})", "\"anyOf\""},
      {R"({"allOf": {}})", "\"allOf\""},
      {R"({"uniqueItems": 1})", "\"uniqueItems\""},
      {R"({"$ref": "#/$defs/a"})", "#/$defs/a"},
      {R"({"$ref": "#"})", "leads to itself"},
      {R"({"allOf": [{"$ref": "#"}]})", "leads to itself"},
      {R"({"pattern": "(", "type": "string"})", "pattern"},
  };
  for (const auto& [schema, named] : wrong) {
    EXPECT_THAT(error_of(schema), testing::AllOf(testing::StartsWith("format"), testing::HasSubstr(named))) << schema;
  }
}

TEST(ConstraintSchema, OneOfMustShowThatItsSchemasAreApart) {
  EXPECT_THAT(error_of(R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})"), testing::HasSubstr("oneOf"));
  EXPECT_THAT(error_of(R"({"oneOf": [{"type": "object", "properties": {"a": {"const": 1}}}, {"type": "object"}]})"),
              testing::HasSubstr("numbers 1 and 2"));
  // Both ask for an item more than the other's items allow.
  EXPECT_EQ(error_of(R"({"oneOf": [{"type": "array", "prefixItems": [{"const": 1}], "minItems": 1},
                                   {"type": "array", "prefixItems": [{"const": 2}]}]})"),
            "no error");
  EXPECT_THAT(error_of(R"({"oneOf": [{"type": "string", "pattern": "a"}, {"type": "string", "pattern": "b"}]})"),
              testing::HasSubstr("oneOf"));
  EXPECT_THAT(error_of(R"({"oneOf": [{"enum": [1, 2]}, {"enum": [2, 3]}]})"), testing::HasSubstr("oneOf"));
}

/// Without the limit of what may be spent each of these runs for seconds, for years, or out of memory.
TEST(ConstraintSchema, WhatWouldTakeTooLongIsAnErrorOrAnAnswer) {
  const auto doubling = [](const std::string& first, const auto& next) {
    std::string schema = R"({"$ref": "#/$defs/a30", "$defs": {"a0": )" + first;
    for (int i = 0; i < 30; ++i) {
      schema += R"(, "a)" + std::to_string(i + 1) + "\": " + next(R"({"$ref": "#/$defs/a)" + std::to_string(i) + "\"}");
    }
    return schema + "}}";
  };
  // 2^30 times the same says nothing new.
  const auto same = doubling(R"({"type": "integer"})",
                             [](const std::string& part) { return R"({"allOf": [)" + part + "," + part + "]}"; });
  EXPECT_TRUE(Constraint::json_schema(same).matches("3"));
  EXPECT_FALSE(Constraint::json_schema(same).matches("null"));
  const auto too_long = testing::StartsWith("unsupported: the constraint takes too long to work out");
  EXPECT_THAT(error_of(doubling(R"({"const": 1})",
                                [](const std::string& part) {
                                  std::string array =
                                      R"({"type": "array", "minItems": 8, "items": false, "prefixItems": [)";
                                  for (int i = 0; i < 8; ++i) {
                                    array += i > 0 ? "," : "";
                                    array += part;
                                  }
                                  array += "]}";
                                  return R"({"oneOf": [)" + array + "," + array + "]}";
                                })),
              too_long);
  EXPECT_THAT(error_of(R"({"$defs": {"a": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/a"}},
                                                     {"type": "array", "items": {"$ref": "#/$defs/a"}}]}},
                           "$ref": "#/$defs/a", "const": )" +
                       std::string(60, '[') + "1" + std::string(60, ']') + "}"),
              too_long);
  std::string names;
  std::string values = "0";
  for (int i = 0; i < 20000; ++i) {
    names += fmt::format("{}\"r{}\"", i > 0 ? "," : "", i);
    values += fmt::format(",{}", i);
  }
  EXPECT_THAT(error_of(R"({"type": "object", "required": [)" + names + "]}"), too_long);
  EXPECT_EQ(error_of(R"({"allOf": [{"enum": [)" + values + R"(]}, {"enum": [)" + values + R"(]}], "multipleOf": 7})"),
            "no error");
  EXPECT_EQ(error_of(R"({"enum": [)" + names + R"(], "format": "uri", "minLength": 1})"), "no error");
  std::string limits;
  for (int i = 0; i < 200; ++i) {
    limits +=
        fmt::format(R"({}"p{}": {{"type": "integer", "minimum": 7, "multipleOf": {}}})", i > 0 ? "," : "", i, 900 + i);
  }
  EXPECT_THAT(error_of(R"({"type": "object", "properties": {)" + limits + "}}"), testing::StartsWith("unsupported"));
  std::string members;
  for (int i = 0; i < 4001; ++i) {
    members += fmt::format("{}\"p{}\": {{}}", i > 0 ? "," : "", i);
  }
  EXPECT_THAT(error_of(R"({"$defs": {)" + members + "}}"),
              testing::HasSubstr("an object must have at most 4000 members, got 4001"));
  EXPECT_THAT(error_of(R"({"description": ")" + std::string(5'000'000, 'd') + "\"}"),
              testing::HasSubstr("must have at most 4194304 bytes"));
  // As many objects in a list as there is room for.
  std::string items = "{}";
  for (int i = 0; i < 1'000'000; ++i) {
    items += ",{}";
  }
  EXPECT_THAT(error_of(R"({"type": "array", "prefixItems": [)" + items + "]}"),
              testing::HasSubstr("more than 4000 parts"));
  std::string many = "{}";
  for (int i = 0; i < 300; ++i) {
    many += ",{}";
  }
  EXPECT_THAT(error_of(R"({"oneOf": [)" + many + "]}"), testing::HasSubstr("at most 256 schemas, got 301"));
  EXPECT_THROW(static_cast<void>(Constraint::regex(std::string(600'000, 'a'))), LMError);
  // Rules that may all be empty, each through the next.
  std::string chain = "root ::= r0 \"q\"\n";
  for (int i = 0; i < 20000; ++i) {
    chain += fmt::format("r{0} ::= r{1} | \"a\" r{0}\n", i, i + 1);
  }
  EXPECT_THROW(static_cast<void>(Constraint::grammar(chain + "r20000 ::= \"c\"?")), LMError);
  // So ambiguous that the first position is too much.
  std::string twice = "root ::= r0\n";
  for (int i = 0; i < 60; ++i) {
    twice += fmt::format("r{0} ::= r{1} r{1}\n", i, i + 1);
  }
  const auto ambiguous = Constraint::grammar(twice + "r60 ::= \"c\"?");
  EXPECT_THROW(static_cast<void>(ambiguous.matches("cc")), LMError);
}

TEST(ConstraintSchema, OrdinarySchemasTakeLittle) {
  std::size_t number = 0;
  for (const auto& test_case : cases()) {
    const text::constraint::EffortLimit limit(5'000'000);  // of 40 million
    text::constraint::SchemaCompiler compiler(test_case["schema"].dump(), number++ % 2 == 0);
    EXPECT_NO_THROW(text::constraint::build_network(compiler.compile())) << test_case["schema"];
  }
}

/// Hostile schemas: what would be exponential, deep, or huge. None takes long: the test's own limit is the time.
TEST(ConstraintSchema, WhatWouldBeTooLargeIsAnError) {
  std::string nested = R"({"type": "integer"})";
  for (int i = 0; i < 60; ++i) {
    nested = R"({"type": "array", "items": )" + nested + "}";
  }
  EXPECT_EQ(error_of(nested), "no error");
  std::string deep = "{}";
  for (int i = 0; i < 5000; ++i) {
    deep = R"({"items": )" + deep + "}";
  }
  EXPECT_THAT(error_of(deep), testing::StartsWith("format"));
  // 2^30 alternatives.
  std::string choices = R"({"allOf": [)";
  for (int i = 0; i < 30; ++i) {
    choices += std::string(i > 0 ? "," : "") + R"({"anyOf": [{"minLength": )" + std::to_string(i) +
               R"(}, {"maxLength": 99}]})";
  }
  EXPECT_THAT(error_of(choices + "]}"), testing::StartsWith("unsupported"));
  // Each part twice in the next.
  std::string doubling = R"({"$ref": "#/$defs/a30", "$defs": {"a0": {"type": "integer"})";
  for (int i = 0; i < 30; ++i) {
    const auto part = R"({"$ref": "#/$defs/a)" + std::to_string(i) + "\"}";
    doubling += R"(, "a)" + std::to_string(i + 1) + R"(": {"type": "array", "prefixItems": [)" + part + "," + part +
                R"(], "minItems": 2, "items": false})";
  }
  EXPECT_EQ(error_of(doubling + "}}"), "no error");
  EXPECT_THAT(error_of(R"({"type": "string", "minLength": 1000000000})"), testing::HasSubstr("minLength"));
  EXPECT_THAT(error_of(R"({"type": "array", "minItems": 1000000000})"), testing::HasSubstr("minItems"));
  EXPECT_THAT(error_of(R"({"type": "string", "pattern": "^((a{1000}){1000}){1000}$"})"),
              testing::StartsWith("unsupported"));
  EXPECT_THAT(error_of(R"({"type": "string", "pattern": "(a|b)*a(a|b){30}"})"), testing::StartsWith("unsupported"));
  EXPECT_THAT(error_of(R"({"type": "integer", "multipleOf": 99999999999})"), testing::StartsWith("unsupported"));
  EXPECT_THAT(error_of(R"({"type": "number", "minimum": 1e308, "maximum": 1.7e308, "multipleOf": 77777})"),
              testing::StartsWith("unsupported"));
  EXPECT_THAT(error_of(R"({"type": "object", "minProperties": 100000})"), testing::HasSubstr("minProperties"));
  EXPECT_EQ(error_of(R"({"type": "string", "maxLength": 1000000000})"), "no error");
  EXPECT_EQ(error_of(R"({"type": "array", "maxItems": 1000000000, "items": {"type": "string", "maxLength": 1000000}})"),
            "no error");
}

TEST(ConstraintSchema, ASchemaThatAllowsNothingIsAnErrorBeforeTheFirstToken) {
  const auto masks = [](const char* schema) {
    return std::make_shared<Masks>(Constraint::json_schema(schema).network(),
                                   std::shared_ptr<const Vocabulary>(&Vocabulary::bytes(), [](const auto*) {}));
  };
  for (const char* schema : {"false", R"({"allOf": [{"type": "string"}, {"type": "null"}]})",
                             R"({"type": "string", "minLength": 2, "maxLength": 1})",
                             R"({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})"}) {
    EXPECT_THROW(Matcher(masks(schema), 1000), LMError) << schema;
  }
}

}  // namespace
}  // namespace dstorch

#include "core/json.h"

#include <gtest/gtest.h>

#include "core/json_shape.h"

namespace dstorch {
namespace {

std::string message_of(std::string_view text) {
  try {
    parse_json(text, "config.json");
  } catch (const LMError& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    return error.what();
  }
  return {};
}

TEST(ParseJson, ReadsAndNamesTheSourceOfErrors) {
  EXPECT_EQ(parse_json(R"({"a":[1,2]})", "config.json")["a"][1], 2);
  for (const auto* bad : {"", "{", "[1,]", "{\"a\":1}x", "nul", "\"\xFF\"", "'a'", "NaN"}) {
    EXPECT_NE(message_of(bad).find("config.json"), std::string::npos) << bad;
  }
}

TEST(ParseJson, DepthIsLimited) {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
  };
  EXPECT_TRUE(parse_json(nested(kMaxJsonDepth), "x").is_array());
  EXPECT_NE(message_of(nested(kMaxJsonDepth + 2)).find("levels deep"), std::string::npos);
  EXPECT_NE(message_of(std::string(1'000'000, '[')).find("levels deep"), std::string::npos);
}

TEST(JsonShape, CountsWhatIsOutsideOfTexts) {
  const auto shape = json_shape(R"({"a:{\"": [{"b": 1, "c": "]:}"}, [[]]], "d": {}, "e:": ":"})", kMaxJsonDepth);
  EXPECT_EQ(shape.depth, 4);
  EXPECT_EQ(shape.members, 3U);
  EXPECT_EQ(json_shape("]]}:\"", kMaxJsonDepth).depth, 0);
  EXPECT_EQ(json_shape(std::string(1'000'000, '['), 7).depth, 8);
}

TEST(JsonGet, IntegersMustBeWholeAndInRange) {
  const auto object =
      parse_json(R"({"huge":1.7e25,"part":2.5,"whole":3.0,"big":18446744073709551615,"text":"3"})", "x");
  for (const char* key : {"huge", "part", "big", "text"}) {
    EXPECT_THROW(json_get<int64_t>(object, key, "x"), LMError) << key;
  }
  EXPECT_EQ(json_get<int64_t>(object, "whole", "x"), 3);
  EXPECT_EQ(json_get<uint64_t>(object, "big", "x"), UINT64_MAX);
  EXPECT_DOUBLE_EQ(json_get<double>(object, "huge", "x"), 1.7e25);
}

TEST(JsonGet, TypesAndDefaults) {
  const auto object = parse_json(R"({"n":3,"s":"x","none":null})", "config.json");
  EXPECT_EQ(json_get<int64_t>(object, "n", "config.json"), 3);
  EXPECT_EQ(json_get_or<int64_t>(object, "missing", 7, "config.json"), 7);
  EXPECT_EQ(json_get_or<int64_t>(object, "none", 7, "config.json"), 7);
  EXPECT_EQ(json_get_or<int64_t>(object, "n", 7, "config.json"), 3);
  EXPECT_THROW(json_get<int64_t>(object, "missing", "config.json"), LMError);
  EXPECT_THROW(json_get_or<int64_t>(object, "s", 7, "config.json"), LMError);
  try {
    json_get<std::string>(object, "n", "config.json");
    FAIL();
  } catch (const LMError& error) {
    EXPECT_STREQ(error.what(), "config.json: \"n\" has the wrong type: 3");
  }
}

}  // namespace
}  // namespace dstorch

// Constraints are compiled once and kept by what they were made from.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "dstorch/constraint.h"
#include "text/constraint/network.h"

namespace dstorch {
namespace {

TEST(ConstraintCache, TheSameTextIsCompiledOnce) {
  const std::string schema = R"({"type": "array", "items": {"const": "kept"}})";
  const auto first = Constraint::json_schema(schema);
  EXPECT_EQ(Constraint::json_schema(schema).network(), first.network());
  EXPECT_NE(Constraint::json_schema(schema + " ").network(), first.network());
  // The same text as something else is another constraint.
  EXPECT_NE(Constraint::regex("kept").network(), Constraint::choice(std::vector<std::string>{"kept"}).network());
  const auto spaced = Constraint::json_schema(schema, Constraint::WhiteSpace::bounded);
  const auto bare = Constraint::json_schema(schema, Constraint::WhiteSpace::none);
  EXPECT_TRUE(spaced.matches(R"([ "kept" ])"));
  EXPECT_FALSE(bare.matches(R"([ "kept" ])"));
  EXPECT_TRUE(bare.matches(R"(["kept"])"));
}

TEST(ConstraintCache, WhatNobodyUsesAnyMoreIsForgottenInTheEnd) {
  const std::weak_ptr<const text::constraint::Network> unused = Constraint::regex("unused").network();
  EXPECT_FALSE(unused.expired()) << "it may be asked for again";
  for (int i = 0; i < 63; ++i) {
    static_cast<void>(Constraint::regex("other" + std::to_string(i)));
  }
  EXPECT_FALSE(unused.expired());
  static_cast<void>(Constraint::regex("one more"));
  EXPECT_TRUE(unused.expired());
}

}  // namespace
}  // namespace dstorch

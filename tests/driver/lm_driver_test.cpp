#include "dstorch/lm_driver.h"

#include <gtest/gtest.h>

#include "dstorch/error.h"

namespace dstorch {
namespace {

TEST(DummyLM, AnswersInOrderAndRemembersThePrompts) {
  DummyLM lm({"one", "two"});
  EXPECT_EQ(lm.generate("a"), "one");
  EXPECT_EQ(lm.generate("b"), "two");
  EXPECT_EQ(lm.generate("c"), "one");
  EXPECT_EQ(lm.prompts(), (std::vector<std::string>{"a", "b", "c"}));
}

TEST(DummyLM, HonoursStopSequencesAndTheCallback) {
  DummyLM lm({"answer: 42\nmore"});
  std::string streamed;
  const GenerationOptions options{.stop_sequences = {"\n", "42"}, .on_token = [&](std::string_view piece) {
                                    streamed += piece;
                                    return true;
                                  }};
  EXPECT_EQ(lm.generate("q", options), "answer: ");
  EXPECT_EQ(streamed, "answer: ");
}

TEST(DummyLM, NeedsAResponse) { EXPECT_THROW(DummyLM({}), LMError); }

TEST(ConfigureLM, GivesBackWhatWasSet) {
  const auto lm = std::make_shared<DummyLM>(std::vector<std::string>{"hello"});
  configure_lm(lm);
  EXPECT_EQ(get_lm(), lm);
  EXPECT_EQ(get_lm()->generate("x"), "hello");
  configure_lm(nullptr);
  try {
    get_lm();
    FAIL() << "there is no driver";
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), ErrorKind::not_initialized);
  }
}

}  // namespace
}  // namespace dstorch

#include "text/stop_matcher.h"

#include <gtest/gtest.h>

#include "core/rng.h"

namespace dstorch::text {
namespace {

TEST(StopMatcher, ReleasesTextThatCannotBeAStop) {
  StopMatcher matcher({"END"});
  EXPECT_EQ(matcher.push("hello E").text, "hello ");
  EXPECT_EQ(matcher.push("N").text, "");
  EXPECT_EQ(matcher.push("ORMOUS").text, "ENORMOUS");
  EXPECT_EQ(matcher.finish(), "");
}

TEST(StopMatcher, FindsAStopAcrossPieces) {
  StopMatcher matcher({"\n\n", "END"});
  EXPECT_EQ(matcher.push("a line\n").text, "a line");
  const auto result = matcher.push("\nmore");
  EXPECT_EQ(result.text, "");
  ASSERT_TRUE(result.stop);
  EXPECT_EQ(*result.stop, "\n\n");
  EXPECT_TRUE(matcher.stopped());
  EXPECT_EQ(matcher.push("ignored").text, "");
  EXPECT_EQ(matcher.finish(), "");
}

TEST(StopMatcher, OfTwoThatEndTogetherTakesTheLonger) {
  StopMatcher matcher({"bc", "abc"});
  const auto result = matcher.push("xabc");
  EXPECT_EQ(result.text, "x");
  EXPECT_EQ(result.stop.value_or(""), "abc");
}

TEST(StopMatcher, FinishGivesBackWhatWasHeld) {
  StopMatcher matcher({"STOP"});
  EXPECT_EQ(matcher.push("a STO").text, "a ");
  EXPECT_EQ(matcher.finish(), "STO");
  EXPECT_EQ(matcher.push("P").text, "P");
}

TEST(StopMatcher, WithoutStopsHoldsNothing) {
  StopMatcher matcher({"", ""});
  EXPECT_EQ(matcher.push("anything").text, "anything");
}

TEST(StopMatcher, AgreesWithSearchingTheWholeText) {
  Rng rng(7);
  for (int round = 0; round < 2000; ++round) {
    const auto word = [&](uint64_t longest) {
      std::string out;
      for (uint64_t i = rng.below(longest) + 1; i > 0; --i) {
        out.push_back(static_cast<char>('a' + rng.below(2)));
      }
      return out;
    };
    const std::vector<std::string> stops = {word(4), word(5), word(3)};
    const std::string text = word(24);
    // The first end of any stop string; of those that end there, the longest.
    std::size_t best_end = std::string::npos;
    std::string best;
    for (const auto& stop : stops) {
      const std::size_t at = text.find(stop);
      const std::size_t end = at == std::string::npos ? at : at + stop.size();
      if (end < best_end || (end == best_end && end != std::string::npos && stop.size() > best.size())) {
        best_end = end;
        best = stop;
      }
    }
    StopMatcher matcher(stops);
    std::string shown;
    std::optional<std::string> found;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t length = rng.below(4) + 1;
      const auto result = matcher.push(std::string_view(text).substr(at, length));
      shown += result.text;
      found = result.stop ? result.stop : found;
      at += length;
    }
    shown += matcher.finish();
    if (best_end == std::string::npos) {
      EXPECT_FALSE(found);
      EXPECT_EQ(shown, text);
    } else {
      EXPECT_EQ(found.value_or("nothing"), best) << text;
      EXPECT_EQ(shown, text.substr(0, best_end - best.size())) << text;
    }
  }
}

}  // namespace
}  // namespace dstorch::text

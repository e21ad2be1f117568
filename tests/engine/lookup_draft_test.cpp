#include "engine/lookup_draft.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/rng.h"

namespace dstorch::engine {
namespace {

using Tokens = std::vector<int64_t>;

LookupDraft::Guess guess(const Tokens& tokens, int64_t most = 4) { return LookupDraft().guess(tokens, most); }

TEST(LookupDraft, GoesOnAsItWentOnBefore) {
  const auto found = guess({1, 2, 3, 4, 5, 6, 7, 9, 2, 3});
  EXPECT_EQ(found.tokens, (Tokens{4, 5, 6, 7}));
  EXPECT_EQ(found.matched, 2);
  EXPECT_EQ(guess({1, 2, 3, 4, 5, 6, 7, 9, 2, 3}, 1).tokens, (Tokens{4}));
}

TEST(LookupDraft, HasNothingToSayOfWhatIsNew) {
  EXPECT_EQ(guess({}).matched, 0);
  EXPECT_EQ(guess({1}).matched, 0);
  EXPECT_EQ(guess({1, 2}).matched, 0);
  const auto found = guess({1, 2, 3, 4, 5, 2, 9, 3});
  EXPECT_EQ(found.matched, 0) << "one token in common is not enough";
  EXPECT_TRUE(found.tokens.empty());
}

TEST(LookupDraft, TakesThePlaceThatHasMostInCommon) {
  EXPECT_EQ(guess({7, 1, 2, 3, 50, 51, 8, 2, 3, 60, 61, 7, 1, 2, 3}, 2).tokens, (Tokens{50, 51}));
  EXPECT_EQ(guess({7, 1, 2, 3, 50, 51, 8, 2, 3, 60, 61, 7, 1, 2, 3}, 2).matched, 4);
  EXPECT_EQ(guess({1, 2, 50, 3, 1, 2, 60, 4, 1, 2}, 1).tokens, (Tokens{60})) << "of equal ones the last";
}

TEST(LookupDraft, GoesRoundWhereTheTextDoes) {
  EXPECT_EQ(guess({1, 2, 3, 1, 2, 3, 1, 2}, 7).tokens, (Tokens{3, 1, 2, 3, 1, 2, 3}));
  EXPECT_EQ(guess({9, 5, 5, 5}, 3).tokens, (Tokens{5, 5, 5}));
}

// Token by token it finds what it finds in the whole text, and what a search through all of it finds.
TEST(LookupDraft, IsTheSameHoweverTheTextComes) {
  Rng rng(1);
  for (int round = 0; round < 50; ++round) {
    Tokens text(rng.below(200));
    for (auto& token : text) {
      token = static_cast<int64_t>(rng.below(3 + round % 5));
    }
    LookupDraft growing;
    for (std::size_t length = 0; length <= text.size(); length += 1 + rng.below(3)) {
      const Tokens part(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length));
      const auto found = growing.guess(part, 5);
      const auto whole = guess(part, 5);
      EXPECT_EQ(found.tokens, whole.tokens);
      EXPECT_EQ(found.matched, whole.matched);
      int64_t most = 0;
      for (std::size_t place = 2; place < length; ++place) {
        int64_t common = 0;
        while (common < std::min<int64_t>(static_cast<int64_t>(place), LookupDraft::kLongest) &&
               part[place - 1 - static_cast<std::size_t>(common)] ==
                   part[length - 1 - static_cast<std::size_t>(common)]) {
          ++common;
        }
        most = std::max(most, common);
      }
      EXPECT_EQ(found.matched > 0, most >= 2);
      EXPECT_LE(found.matched, most);
      if (length < 32) {  // so few places are all looked at
        EXPECT_EQ(found.matched, most >= 2 ? most : 0);
      }
    }
  }
}

}  // namespace
}  // namespace dstorch::engine

// What one answer guesses, by whom, and what it learns from that.
#include "engine/guesses.h"

#include <gtest/gtest.h>

namespace dstorch::engine {
namespace {

using Tokens = std::vector<int64_t>;

const Tokens kRepeats{1, 2, 3, 4, 5, 1, 2, 3};

Tokens looked_up(Guesses& guesses, int64_t most = 2) {
  return guesses.look_up(kRepeats, most, [](std::span<const int64_t> tokens) { return std::ssize(tokens); }).tokens;
}

TEST(Guesses, EachKindAsksWhomItNames) {
  struct Kind {
    Speculation speculation;
    bool looks_up, asks, always;
  };
  for (const auto& [speculation, looks_up, asks, always] : {Kind{Speculation::automatic, true, true, false},
                                                            {Speculation::lookup, true, false, false},
                                                            {Speculation::draft_model, false, true, true},
                                                            {Speculation::off, false, false, false}}) {
    Guesses guesses(speculation);
    EXPECT_EQ(looked_up(guesses), looks_up ? (Tokens{4, 5}) : Tokens()) << to_string(speculation);
    EXPECT_EQ(guesses.asks_model(), asks) << to_string(speculation);
    EXPECT_EQ(guesses.asks_model_always(), always) << to_string(speculation);
  }
}

TEST(Guesses, KeepsToWhatIsPlausible) {
  Guesses guesses(Speculation::lookup);
  const auto draft = guesses.look_up(kRepeats, 2, [](std::span<const int64_t>) { return 1; });
  EXPECT_EQ(draft.tokens, (Tokens{4}));
  EXPECT_TRUE(draft.always);
  EXPECT_TRUE(looked_up(guesses, 0).empty());
}

/// What a model guesses is trusted by how sure it was, and by how that went before.
TEST(Guesses, LearnsHowFarAModelIsToBeTrusted) {
  Guesses guesses(Speculation::automatic);
  EXPECT_GT(guesses.chance_of_model(0.9), guesses.chance_of_model(0.7));
  EXPECT_GT(guesses.chance_of_model(0.7), guesses.chance_of_model(0.4));
  EXPECT_GT(guesses.chance_of_model(0.4), guesses.chance_of_model(0.1));
  const auto sure = guesses.chance_of_model(0.9);
  const auto at_all = guesses.chance_of_model();
  const Tokens guess{7, 8};
  const std::vector<double> confidences{0.9, 0.1};
  for (int i = 0; i < 100; ++i) {
    const auto draft = guesses.of_model(guess, confidences);
    EXPECT_EQ(draft.tokens, guess);
    EXPECT_FALSE(draft.always);
    EXPECT_NEAR(draft.chances[1], guesses.chance_of_model(0.9) * guesses.chance_of_model(0.1), 1e-12);
    guesses.learn(Tokens{9}, 2);  // another one came
  }
  EXPECT_LT(guesses.chance_of_model(0.9), 0.2 * sure);
  EXPECT_LT(guesses.chance_of_model(), at_all);
  EXPECT_EQ(guesses.drafted(), 200);
  EXPECT_EQ(guesses.accepted(), 0);
  const auto learned = guesses.chance_of_model(0.9);
  for (int i = 0; i < 400; ++i) {
    looked_up(guesses, 0);
    guesses.learn(Tokens{9}, 0);  // without a guess
  }
  EXPECT_GT(guesses.chance_of_model(0.9), learned) << "it is asked again";
  EXPECT_NEAR(guesses.chance_of_model(0.9), sure, 0.01);
}

TEST(Guesses, CountsWhatCameOfWhatWasTried) {
  Guesses guesses(Speculation::draft_model);
  const Tokens guess{7, 8, 9};
  EXPECT_TRUE(guesses.of_model(guess, std::vector<double>(3, 0.9)).always);
  guesses.learn(Tokens{7, 8, 1}, 1);
  EXPECT_EQ(guesses.drafted(), 1);
  EXPECT_EQ(guesses.accepted(), 1) << "the second came true, and had not been tried";
}

}  // namespace
}  // namespace dstorch::engine

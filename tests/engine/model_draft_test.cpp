// A model that guesses for another, alone and in an engine.
#include "engine/model_draft.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/test_model.h"

namespace dstorch::engine {
namespace {

using Tokens = std::vector<int64_t>;

const Json kLong = {{"max_position_embeddings", 448}};

/// A sequence that grows as the test says.
class Text : public Sequence {
 public:
  explicit Text(Tokens tokens) : Sequence(std::move(tokens), 448) {}
  [[nodiscard]] Wants wants() const override { return Wants::last_logits; }
  void on_cancelled() override {}
  void on_error(std::exception_ptr /*error*/) noexcept override {}
  [[nodiscard]] bool finished() const override { return false; }
  void deliver() override {}
  [[nodiscard]] bool cancelled() const noexcept override { return false; }
  void append(const Tokens& tokens) {
    for (const auto token : tokens) {
      add(token);
    }
  }
};

struct Guesser {
  explicit Guesser(const std::string& fixture, const Json& changes = kLong)
      : config(engine_config(fixture, changes)),
        draft(config.model, at::TensorOptions().dtype(at::kFloat), 0, true,
              [this](int64_t bytes) { bytes_taken += bytes; }) {}

  /// Its guess of `text`: `count` tokens.
  Tokens guess(Text& text, int64_t count, int64_t rows = 1000) {
    Sequence* sequence = &text;
    draft.begin({&sequence, 1}, rows);
    for (int64_t i = 1; i < count; ++i) {
      draft.go_on([](const ModelDraft::Guess&) { return true; });
    }
    return draft.guesses().empty() ? Tokens() : draft.guesses()[0].tokens;
  }
  /// Lets it read `tokens`, for others to find.
  void read(const Tokens& tokens) {
    Text text(tokens);
    guess(text, 1);
    draft.forget(text);
  }
  /// What the model says, greedily.
  Tokens plainly(const Tokens& prompt, int64_t count) const {
    Engine engine(config);
    GenerationOptions options;
    options.temperature = 0;
    options.ignore_eos = true;
    options.speculation = Speculation::off;
    Asked asked(prompt, options, count, 0);
    engine.submit(asked.sequence());
    return asked.wait();
  }

  const at::NoGradGuard no_grad;
  EngineConfig config;
  int64_t bytes_taken = 0;  // of pages
  ModelDraft draft;
};

Tokens joined(Tokens first, const Tokens& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

TEST(ModelDraft, GuessesWhatItWouldSay) {
  for (const auto* fixture : {"llama", "mistral", "qwen2_sliding"}) {
    Guesser guesser(fixture);
    Rng rng(4);
    const auto vocab = guesser.config.model->sizes().vocab_size;
    auto tokens = random_tokens(rng, 90, vocab);
    Text text(tokens);
    EXPECT_EQ(guesser.guess(text, 6), guesser.plainly(tokens, 6)) << fixture;
    // Some of it came, and then something else; and so on, over borders of pages.
    for (int round = 0; round < 12; ++round) {
      auto came = guesser.plainly(tokens, 6);
      came.resize(rng.below(6));
      came.push_back(static_cast<int64_t>(rng.below(static_cast<uint64_t>(vocab))));
      text.append(came);
      tokens = joined(tokens, came);
      EXPECT_EQ(guesser.guess(text, 6), guesser.plainly(tokens, 6)) << fixture << " round " << round;
    }
    for (const auto confidence : guesser.draft.guesses()[0].confidences) {
      EXPECT_GT(confidence, 1.0 / static_cast<double>(vocab));
      EXPECT_LE(confidence, 1);
    }
    guesser.draft.forget(text);
    EXPECT_EQ(guesser.draft.pages_in_use(), guesser.draft.pages_remembered());
  }
}

/// A page that only the first row of a pass sees, and one that is seen again when a guess did not come.
TEST(ModelDraft, KeepsThePagesThatAWindowStillSees) {
  Guesser guesser("mistral", {{"max_position_embeddings", 448}, {"sliding_window", 5}});
  Rng rng(10);
  const auto vocab = guesser.config.model->sizes().vocab_size;
  auto tokens = random_tokens(rng, 62, vocab);
  Text text(tokens);
  for (const int64_t more : {12, 1, 40, 1, 1, 1, 10, 1, 1}) {  // up to 74, over 128 and after it
    EXPECT_EQ(guesser.guess(text, 9), guesser.plainly(tokens, 9)) << tokens.size();
    const auto came = random_tokens(rng, more, vocab);
    text.append(came);
    tokens = joined(tokens, came);
  }
  Text other(random_tokens(rng, 66, vocab));  // its guesses leave the first page behind, and none of them comes
  auto known = Tokens(other.tokens().begin(), other.tokens().end());
  for (int round = 0; round < 4; ++round) {
    EXPECT_EQ(guesser.guess(other, 12), guesser.plainly(known, 12)) << round;
    const auto came = random_tokens(rng, 1, vocab);
    other.append(came);
    known = joined(known, came);
  }
}

TEST(ModelDraft, ReadsNoMoreThanItIsAllowedAtOnce) {
  Guesser guesser("llama");
  Rng rng(5);
  const auto tokens = random_tokens(rng, 100, guesser.config.model->sizes().vocab_size);
  Text text(tokens);
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(guesser.guess(text, 3, 30).empty()) << "it has not read to the end";
  }
  EXPECT_EQ(guesser.guess(text, 3, 30), guesser.plainly(tokens, 3));
}

TEST(ModelDraft, FindsWhatItHasReadBefore) {
  Guesser guesser("llama");
  Rng rng(6);
  const auto vocab = guesser.config.model->sizes().vocab_size;
  const auto tokens = random_tokens(rng, 150, vocab);
  guesser.read(tokens);
  const auto more = joined(tokens, random_tokens(rng, 10, vocab));
  Text text(more);
  EXPECT_TRUE(guesser.guess(text, 3, 9).empty());
  EXPECT_EQ(guesser.guess(text, 3, 9), guesser.plainly(more, 3)) << "160 tokens in 18 rows";
  EXPECT_GT(guesser.bytes_taken, 0);
  guesser.draft.forget(text);
  EXPECT_GT(guesser.draft.pages_in_use(), 0);
  while (guesser.draft.drop_oldest()) {
  }
  EXPECT_EQ(guesser.draft.pages_in_use(), 0);
}

/// Pages that it found are others' too: both go on in copies of the last one.
TEST(ModelDraft, SequencesGoOnFromTheSamePrefix) {
  Guesser guesser("llama");
  Rng rng(8);
  const auto vocab = guesser.config.model->sizes().vocab_size;
  const auto tokens = random_tokens(rng, 100, vocab);
  guesser.read(tokens);
  const auto first = joined(tokens, random_tokens(rng, 12, vocab));
  const auto second = joined(tokens, random_tokens(rng, 9, vocab));
  Text one(first), other(second);
  const std::vector<Sequence*> both{&one, &other};
  const auto all = [](const ModelDraft::Guess&) { return true; };
  for (int round = 0; round < 2; ++round) {
    guesser.draft.begin(both, 1000);
    guesser.draft.go_on(all);
    guesser.draft.go_on(all);
    ASSERT_EQ(guesser.draft.guesses().size(), 2U);
    EXPECT_EQ(guesser.draft.guesses()[0].tokens, guesser.plainly(first, 3));
    EXPECT_EQ(guesser.draft.guesses()[1].tokens, guesser.plainly(second, 3));
  }
}

TEST(ModelDraft, SaysNothingBeyondItsContext) {
  Guesser guesser("llama", {{"max_position_embeddings", 64}});
  Rng rng(7);
  const auto vocab = guesser.config.model->sizes().vocab_size;
  Text close(random_tokens(rng, 62, vocab)), full(random_tokens(rng, 64, vocab)), beyond(random_tokens(rng, 65, vocab));
  EXPECT_EQ(guesser.guess(close, 9).size(), 3U) << "positions 62 and 63, and what comes after them";
  EXPECT_EQ(guesser.guess(full, 9).size(), 1U);
  EXPECT_TRUE(guesser.guess(beyond, 9).empty());
}

struct Answer {
  Tokens tokens;
  int64_t drafted = 0;
  int64_t accepted = 0;
};

Answer ask(const EngineConfig& config, Speculation speculation, double temperature = 0) {
  Engine engine(config);
  GenerationOptions options;
  options.temperature = temperature;
  options.ignore_eos = true;
  options.speculation = speculation;
  // Nothing that stands here twice: what is guessed is the model's.
  Asked asked({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, options, 60, 3);
  engine.submit(asked.sequence());
  auto tokens = asked.wait();
  return {std::move(tokens), asked.drafted, asked.accepted};
}

TEST(DraftModel, OneThatIsTheModelIsAlwaysRight) {
  auto config = engine_config("llama", kLong);
  const auto plain = ask(config, Speculation::off);
  config.draft = {config.model, at::kFloat};
  const auto guessed = ask(config, Speculation::draft_model);
  EXPECT_EQ(guessed.tokens, plain.tokens);
  EXPECT_EQ(guessed.accepted, guessed.drafted);
  EXPECT_GT(guessed.accepted, 25);
}

TEST(DraftModel, LookupAndOffDoNotAskIt) {
  auto config = engine_config("llama", kLong);
  const auto lookup = ask(config, Speculation::lookup, 2.0);
  config.draft = {config.model, at::kFloat};
  EXPECT_EQ(ask(config, Speculation::off).drafted, 0);
  EXPECT_EQ(ask(config, Speculation::lookup, 2.0).drafted, lookup.drafted);
}

// Its pages are counted with the calls' own: two calls that would fit without it run one after the other.
TEST(DraftModel, TakesItsPartOfTheMemoryForKeysAndValues) {
  auto config = engine_config("llama", kLong);
  config.memory.kv = 2 * config.model->kv_layout().sequence_bytes(448, 256, at::kFloat);
  const auto call = std::make_shared<Text>(Tokens(10, 1));
  const std::vector<std::shared_ptr<Sequence>> running{call};
  EXPECT_TRUE(Admission(config).admits(running, *call));
  config.draft = {config.model, at::kFloat};
  EXPECT_TRUE(Admission(config).admits({}, *call));
  EXPECT_FALSE(Admission(config).admits(running, *call));
}

}  // namespace
}  // namespace dstorch::engine

// Answers that are guessed ahead are, to the bit, the answers that come one token at a time.

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <deque>
#include <limits>
#include <thread>

#include "core/rng.h"
#include "test_model.h"

namespace dstorch::engine {
namespace {

using Tokens = std::vector<int64_t>;

constexpr int64_t kMuch = int64_t{1} << 30;

int64_t below(Rng& rng, int64_t bound) { return static_cast<int64_t>(rng.below(static_cast<uint64_t>(bound))); }

/// A text that says things again, not always in the same words.
Tokens repeating_tokens(Rng& rng, int64_t length, int64_t vocab) {
  const auto said = random_tokens(rng, 3 + below(rng, 20), vocab);
  Tokens tokens;
  while (std::ssize(tokens) < length) {
    tokens.insert(tokens.end(), said.begin(), said.end());
    if (rng.below(2) == 0) {
      tokens[rng.below(tokens.size())] = below(rng, vocab);
    }
  }
  tokens.resize(static_cast<std::size_t>(length));
  return tokens;
}

/// A model, with a tokenizer where its fixture has one, and an engine that runs it as it is. Another engine of the same
/// model must have drained before this one is asked.
struct Reference {
  Reference(const std::string& fixture, const Json& changes, at::ScalarType pages = at::kFloat)
      : config(engine_config(fixture, changes, pages)) {
    const auto path = test::source_dir() / "tests/parity/fixtures" / fixture / "model";
    if (std::filesystem::exists(path / "tokenizer.json")) {
      config.tokenizer = Tokenizer::load(path);
      config.end_tokens = {read_json(path / "config.json").at("eos_token_id").get<int64_t>()};
    }
    engine = std::make_unique<Engine>(config);
  }

  [[nodiscard]] int64_t vocab() const { return config.model->sizes().vocab_size; }

  EngineConfig config;
  std::unique_ptr<Engine> engine;
};

/// What an answer may be asked for.
struct Question {
  Tokens prompt;
  GenerationOptions options;
  int64_t max_tokens = 0;
  uint64_t seed = 0;
  std::set<int64_t> end_tokens{};
  std::shared_ptr<const nn::Adapter> adapter{};
};

/// All that came of it.
struct Answer {
  Tokens tokens;
  std::unique_ptr<Asked> asked;
};

std::unique_ptr<Asked> ask(Engine& engine, const Question& question) {
  const auto ends = question.options.ignore_eos ? std::set<int64_t>() : question.end_tokens;
  auto constraint =
      question.options.constraint ? engine.constrain(*question.options.constraint, question.max_tokens, ends) : nullptr;
  auto asked = std::make_unique<Asked>(question.prompt, question.options, question.max_tokens, question.seed,
                                       engine.tokenizer(), question.end_tokens, std::move(constraint));
  asked->sequence()->adapter = question.adapter;
  if (asked->sequence()->finished()) {
    asked->sequence()->deliver();  // all of it was forced
  } else {
    engine.submit(asked->sequence());
  }
  return asked;
}

Answer plainly(Engine& engine, Question question) {
  question.options.speculation = Speculation::off;
  auto asked = ask(engine, question);
  auto tokens = asked->wait();
  EXPECT_EQ(asked->drafted, 0);
  return {std::move(tokens), std::move(asked)};
}

void expect_same_logprobs(const Asked& asked, const Asked& expected) {
  ASSERT_LE(asked.logprobs.size(), expected.logprobs.size());
  for (std::size_t i = 0; i < asked.logprobs.size(); ++i) {
    EXPECT_EQ(asked.logprobs[i].token, expected.logprobs[i].token);
    EXPECT_EQ(asked.logprobs[i].logprob, expected.logprobs[i].logprob) << "to the bit";
    EXPECT_EQ(asked.logprobs[i].top, expected.logprobs[i].top);
  }
}

void expect_same(const Asked& asked, const Tokens& tokens, const Answer& expected) {
  if (asked.error) {
    try {
      std::rethrow_exception(asked.error);
    } catch (const std::exception& e) {
      FAIL() << e.what() << (expected.asked->error ? " (without guesses too)" : "");
    }
  }
  expect_same_logprobs(asked, *expected.asked);
  if (asked.reason == FinishReason::cancelled) {
    ASSERT_LE(tokens.size(), expected.tokens.size());
    EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), expected.tokens.begin())) << "up to where it was cancelled";
    return;
  }
  EXPECT_EQ(tokens, expected.tokens);
  EXPECT_EQ(asked.text, expected.asked->text);
  EXPECT_EQ(asked.reason, expected.asked->reason);
  EXPECT_EQ(asked.stop_sequence, expected.asked->stop_sequence);
  EXPECT_EQ(asked.logprobs.size(), expected.asked->logprobs.size());
}

/// Sampling, penalties, biases, log-probabilities, ends.
GenerationOptions random_options(Rng& rng, const Reference& reference) {
  GenerationOptions options;
  const Speculation kinds[] = {Speculation::automatic, Speculation::lookup, Speculation::draft_model};
  options.speculation = kinds[rng.below(3)];
  const double temperatures[] = {0, 0, 0.2, 0.7, 2};
  options.temperature = temperatures[rng.below(5)];
  options.top_k = rng.below(3) == 0 ? 1 + below(rng, 20) : 0;
  options.top_p = rng.below(3) == 0 ? 0.8 : 1;
  options.min_p = rng.below(4) == 0 ? 0.05 : 0;
  options.repetition_penalty = rng.below(4) == 0 ? 1.1 : 1;
  options.frequency_penalty = rng.below(4) == 0 ? 0.1 : 0;
  options.presence_penalty = rng.below(4) == 0 ? -0.2 : 0;
  if (rng.below(4) == 0) {
    options.logit_bias = {{below(rng, reference.vocab()), -std::numeric_limits<double>::infinity()},
                          {below(rng, reference.vocab()), 1.5}};
  }
  if (rng.below(3) == 0) {
    options.logprobs = below(rng, 4);
  }
  options.ignore_eos = rng.below(2) == 0;
  return options;
}

const std::vector<Constraint>& constraints() {
  static const std::vector<Constraint> all{
      Constraint::json_schema(R"({"type": "array", "items": {"type": "object",
        "properties": {"a long name": {"enum": ["red", "green", "blue"]}, "n": {"type": "integer", "maximum": 99}},
        "required": ["a long name", "n"]}, "maxItems": 4})"),
      Constraint::json_schema("{}"), Constraint::regex("(ab?c ){2,30}"),
      Constraint::choice(std::vector<std::string>{"yes", "no", "no, never, never, never"})};
  return all;
}

/// Something that ends an answer or holds it, for models that write text.
void add_text_options(Rng& rng, const Reference& reference, Question& question) {
  const auto kind = rng.below(3);
  if (kind == 0) {
    const char* stops[] = {"e", " t", "the", "a b", "q"};
    question.options.stop_sequences = {stops[rng.below(5)], "never there"};
  } else if (kind == 1) {
    question.options.constraint = constraints()[rng.below(constraints().size())];
    question.max_tokens = std::max<int64_t>(question.max_tokens, 40);
    question.end_tokens = reference.config.end_tokens;  // no part of an answer's text
  }
}

/// A model that guesses for the reference's: itself, or one that is a little different.
DraftModelConfig draft_model(const Reference& reference, const Mix& mix, bool itself) {
  if (itself) {
    return {reference.config.model, reference.config.kv_dtype};
  }
  const auto other = engine_config(mix.fixture, mix.changes).model;
  Rng rng(9);
  for (auto& parameter : other->parameters()) {
    const auto noise = at::empty(parameter.sizes());
    for (int64_t i = 0; i < noise.numel(); ++i) {
      noise.data_ptr<float>()[i] = (static_cast<float>(rng.below(2000)) / 1000 - 1) * 0.2F;
    }
    parameter.mul_((1 + noise).to(parameter.scalar_type()));
  }
  return {other, at::kFloat};
}

class RandomSpeculation : public testing::TestWithParam<Mix> {};

// Many at once, prompts beside them, answers that come back as prompts, cancels, little room: whatever is guessed.
TEST_P(RandomSpeculation, EachGetsWhatItWouldGetWithoutGuesses) {
  Reference reference(GetParam().fixture, GetParam().changes, GetParam().pages);
  const auto most = reference.engine->max_context();
  const std::vector<std::shared_ptr<const nn::Adapter>> adapters{
      nullptr, nullptr, random_adapter(*reference.config.model, 1), random_adapter(*reference.config.model, 2)};
  int64_t drafted = 0;
  int64_t accepted = 0;
  int64_t found = 0;
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    Rng rng(seed);
    auto config = reference.config;
    const auto& layout = config.model->kv_layout();
    config.memory.prefixes = seed % 3 == 0   ? 0
                             : seed % 3 == 1 ? kMuch
                                             : layout.sequence_bytes(200, 256, config.kv_dtype);
    config.max_running = 1 + below(rng, 9);
    config.step.prompt_rows = 1 + below(rng, 100);
    config.step.shared_prompt_rows = 1 + below(rng, 40);
    if (seed % 3 != 0) {
      config.draft = draft_model(reference, GetParam(), seed % 3 == 1);
    }
    config.step.draft_rows = 1 + below(rng, 15);
    config.step.all_draft_rows = config.step.draft_rows + below(rng, 30);
    config.memory.kept = below(rng, 3) * layout.page_bytes(0, config.kv_dtype);
    if (seed % 2 == 0) {
      const auto guessed = config.draft.model ? layout.sequence_bytes(most, 100, config.draft.kv_dtype) : 0;
      config.memory.kv = (layout.sequence_bytes(most, 100, config.kv_dtype) + guessed) * (1 + below(rng, 3));
    }
    Engine engine(std::move(config));
    struct Case {
      Question question;
      std::unique_ptr<Asked> asked;
      Tokens tokens;
      bool waited = false;
    };
    const auto wait_for = [](Case& one) {
      if (!one.waited) {
        one.tokens = one.asked->wait();
        one.waited = true;
      }
    };
    std::deque<Case> cases;
    for (int i = 0; i < 30; ++i) {
      Case one;
      auto& question = one.question;
      question.options = random_options(rng, reference);
      question.seed = rng.next();
      question.adapter = adapters[rng.below(adapters.size())];
      question.prompt = repeating_tokens(rng, 1 + below(rng, most / 2), reference.vocab());
      if (!cases.empty() && rng.below(3) == 0) {
        auto& before = cases[rng.below(cases.size())];
        wait_for(before);
        question.prompt = before.question.prompt;
        question.prompt.insert(question.prompt.end(), before.tokens.begin(), before.tokens.end());
        const auto more = random_tokens(rng, below(rng, 20), reference.vocab());
        question.prompt.insert(question.prompt.end(), more.begin(), more.end());
        question.prompt.resize(std::min(question.prompt.size(), static_cast<std::size_t>(most - 60)));
      }
      if (!cases.empty() && rng.below(5) == 0) {
        question.prompt = cases.back().question.prompt;  // another answer to it
        question.adapter = cases.back().question.adapter;
      }
      for (int j = 0; j < 2; ++j) {
        question.end_tokens.insert(below(rng, reference.vocab()));
      }
      const auto room = most - std::ssize(question.prompt);
      question.max_tokens = 1 + below(rng, std::min<int64_t>(room, 90));
      if (reference.config.tokenizer && room >= 60) {
        add_text_options(rng, reference, question);
      }
      one.asked = ask(engine, question);
      cases.push_back(std::move(one));
      if (rng.below(3) == 0) {
        std::this_thread::sleep_for(std::chrono::microseconds(rng.below(3000)));
      }
      if (rng.below(8) == 0) {
        cases[rng.below(cases.size())].asked->cancel();
      }
    }
    for (auto& one : cases) {
      wait_for(one);
    }
    engine.drain();
    EXPECT_EQ(engine.pages_in_use(), engine.prefix_counts() ? engine.prefix_counts()->pages.load() : 0)
        << "no page is lost";
    if (const auto* guesses = engine.model_draft()) {
      EXPECT_EQ(guesses->pages_in_use(), guesses->pages_remembered()) << "nor one of the draft model";
    }
    found += engine.prefix_counts() ? engine.prefix_counts()->tokens_found.load() : 0;
    for (auto& one : cases) {
      expect_same(*one.asked, one.tokens, plainly(*reference.engine, one.question));
      drafted += one.asked->drafted;
      accepted += one.asked->accepted;
      EXPECT_LE(one.asked->accepted, one.asked->drafted);
      EXPECT_LE(one.asked->accepted, std::ssize(one.tokens));
    }
  }
  EXPECT_GT(accepted, 200);
  EXPECT_GT(drafted - accepted, 300) << "some must be wrong";
  EXPECT_GT(found, 500);
}

std::vector<Mix> mixes_with_text() {
  auto all = mixes();
  all.push_back({"text", "text", {{"max_position_embeddings", 448}}});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Models, RandomSpeculation, testing::ValuesIn(mixes_with_text()),
                         [](const auto& name) { return std::string(name.param.name); });

/// A question that a model of random weights answers by going round and round.
Question endless(int64_t max_tokens) {
  Question question;
  question.prompt = {1, 2, 3, 4, 1, 2, 3, 4, 1, 2};
  question.options.temperature = 0;
  question.options.ignore_eos = true;
  question.options.speculation = Speculation::lookup;
  question.max_tokens = max_tokens;
  return question;
}

TEST(Speculation, AcceptsWhatComesAndTakesFewerSteps) {
  Reference reference("llama", {{"max_position_embeddings", 448}});
  const auto question = endless(400);
  auto asked = ask(*reference.engine, question);
  const auto tokens = asked->wait();
  EXPECT_EQ(tokens, plainly(*reference.engine, question).tokens);
  EXPECT_GT(asked->accepted, 100) << "of 400";
  EXPECT_GE(asked->drafted, asked->accepted);
}

TEST(Speculation, OffGuessesNothing) {
  Reference reference("llama", {{"max_position_embeddings", 448}});
  auto question = endless(60);
  question.options.speculation = Speculation::off;
  auto asked = ask(*reference.engine, question);
  EXPECT_EQ(asked->wait().size(), 60U);
  EXPECT_EQ(asked->drafted, 0);
}

TEST(Speculation, AnEngineWhoseRowsAreNotExactGuessesNothing) {
  Reference reference("llama", {{"max_position_embeddings", 448}});
  auto config = reference.config;
  config.exact_rows = false;
  Engine engine(std::move(config));
  EXPECT_FALSE(engine.speculates());
  EXPECT_TRUE(reference.engine->speculates());
  auto asked = ask(engine, endless(60));
  const auto tokens = asked->wait();
  EXPECT_EQ(asked->drafted, 0);
  engine.drain();
  EXPECT_EQ(tokens, plainly(*reference.engine, endless(60)).tokens);
}

// What is guessed takes no room from calls: under a limit that a step without it just meets it is left out.
TEST(Speculation, StaysWithinTheMemoryBounds) {
  Reference reference("llama", {{"max_position_embeddings", 448}});
  const auto question = endless(200);
  const auto expected = plainly(*reference.engine, question).tokens;
  const auto kv = reference.config.model->kv_layout().sequence_bytes(210, 256, at::kFloat);
  struct Limit {
    int64_t rows;  // more than the prompt's
    bool guesses;
  };
  for (const auto& [rows, guesses] : {Limit{0, false}, Limit{1, true}, Limit{40, true}}) {
    auto config = reference.config;
    config.memory.pass = [](int64_t pass_rows, int64_t /*positions*/, int64_t wanted, int64_t /*rank*/) {
      return pass_rows + wanted;
    };
    config.memory.together = kv + 10 + 1 + 2 * rows;
    Engine engine(std::move(config));
    auto asked = ask(engine, question);
    EXPECT_EQ(asked->wait(), expected);
    EXPECT_EQ(asked->drafted > 0, guesses) << rows;
    if (rows == 1) {
      EXPECT_LE(asked->drafted, 200) << "one a step";
    }
  }
}

// The last token of an answer goes through no more, so that the context has room for all of it.
TEST(Speculation, GoesUpToTheLastPosition) {
  Reference reference("gpt2", Json::object());
  const auto question = endless(reference.engine->max_context() - 10);
  auto asked = ask(*reference.engine, question);
  const auto tokens = asked->wait();
  EXPECT_EQ(asked->reason, FinishReason::length);
  EXPECT_EQ(std::ssize(tokens), question.max_tokens);
  EXPECT_EQ(tokens, plainly(*reference.engine, question).tokens);
  EXPECT_GT(asked->accepted, 0);
}

// Rows that were wrong are never found by another call.
TEST(Speculation, WhatWasNotTrueIsNotCached) {
  Reference reference("llama", {{"max_position_embeddings", 448}});
  auto config = reference.config;
  config.memory.prefixes = kMuch;
  Engine engine(std::move(config));
  Rng rng(3);
  struct Second {
    Question question;
    std::unique_ptr<Asked> asked;
    Tokens tokens;
  };
  std::vector<Second> seconds;
  int64_t dropped = 0;
  for (int round = 0; round < 12; ++round) {
    Question question = endless(70);
    question.prompt = repeating_tokens(rng, 60 + below(rng, 80), reference.vocab());
    question.options.temperature = 0.8;
    question.seed = rng.next();
    auto first = ask(engine, question);
    const auto answer = first->wait();
    dropped += first->drafted - first->accepted;
    question.prompt.insert(question.prompt.end(), answer.begin(), answer.end());
    const auto known = std::ssize(question.prompt);
    question.prompt.insert(question.prompt.end(), {7, 8, 9});
    auto second = ask(engine, question);
    auto tokens = second->wait();
    EXPECT_EQ(second->cached_tokens, known - 1) << "what was true is, and the last token never went through";
    seconds.push_back({std::move(question), std::move(second), std::move(tokens)});
  }
  EXPECT_GT(dropped, 30);
  engine.drain();
  for (const auto& second : seconds) {
    expect_same(*second.asked, second.tokens, plainly(*reference.engine, second.question));
  }
}

TEST(Speculation, TriesWhatTheConstraintAllows) {
  Reference reference("text", {{"max_position_embeddings", 448}});
  auto question = endless(120);
  question.prompt = reference.config.tokenizer->encode("the the the the the the");
  question.options.constraint = Constraint::regex("[^t]*");
  auto asked = ask(*reference.engine, question);
  const auto tokens = asked->wait();
  expect_same(*asked, tokens, plainly(*reference.engine, question));
  EXPECT_EQ(asked->text.find('t'), std::string::npos);
}

}  // namespace
}  // namespace dstorch::engine

// How lines become what is learned, and which examples a step takes.
#include "train/examples.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <numeric>
#include <set>

#include "core/atomic_file.h"
#include "dstorch/error.h"
#include "support/paths.h"
#include "train/example_order.h"
#include "train/finetune_model.h"

namespace dstorch::training {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr int64_t kEnd = 199;

class Examples : public testing::Test {
 protected:
  Examples() : path_(fs::temp_directory_path() / fmt::format("dstorch_examples_{}.jsonl", ::getpid())) {
    rules_.tokenizer = Tokenizer::load(test::source_dir() / "models/default");
    rules_.end_token = kEnd;
    rules_.sequence_length = 24;
    rules_.chat = ChatTemplate::from_source(
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}");
  }
  ~Examples() override { fs::remove(path_); }

  std::vector<Example> read(const std::string& text) const {
    write_file(path_, text);
    return read_examples(path_, rules_);
  }

  std::string refusal(const std::string& text) const {
    try {
      read(text);
    } catch (const LMError& e) {
      EXPECT_EQ(e.kind(), ErrorKind::invalid_argument);
      return e.what();
    }
    ADD_FAILURE() << "no error";
    return {};
  }

  /// The text of the tokens that are learned, or of those that are not.
  [[nodiscard]] std::string part(const Example& example, bool learned) const {
    std::vector<int64_t> ids;
    for (std::size_t i = 0; i < example.ids.size(); ++i) {
      if (example.learned[i] == learned) {
        ids.push_back(example.ids[i]);
      }
    }
    return rules_.tokenizer->decode(ids, false);
  }

  fs::path path_;
  ExampleRules rules_;
};

TEST_F(Examples, OfAPairTheCompletionAndItsEndAreLearned) {
  const auto examples =
      read("{\"prompt\": \"one two\", \"completion\": \" three\"}\n\n{\"prompt\":\"a\",\"completion\":\"b\"}");
  ASSERT_EQ(examples.size(), 2U);
  EXPECT_EQ(part(examples[0], false), "one two");
  EXPECT_EQ(part(examples[0], true), " three\n") << "the end token is the line break";
  EXPECT_EQ(examples[0].ids.back(), kEnd);
  EXPECT_EQ(examples[0].prompt, "one two");
  EXPECT_EQ(examples[0].completion, " three");
  // Apart: the letters on both sides of the border never become one token.
  const auto apart = read("{\"prompt\": \"lib\", \"completion\": \"rary\"}");
  const auto joined = rules_.tokenizer->encode("library");
  EXPECT_GT(apart[0].ids.size(), joined.size() + 1);
}

TEST_F(Examples, OfAConversationWhatTheAssistantSaysIsLearned) {
  rules_.sequence_length = 200;
  const auto longer = read(
      R"({"messages": [{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"assistant","content":"d"}]})");
  ASSERT_EQ(longer.size(), 1U);
  EXPECT_EQ(part(longer[0], true), "b</assistant>d</assistant>\n");
  EXPECT_EQ(part(longer[0], false), "<user>a</user><assistant><user>c</user><assistant>");
}

TEST_F(Examples, OfATextEverythingIsLearnedInPiecesThatMeet) {
  std::string words;
  for (int i = 0; i < 40; ++i) {
    words += " " + std::to_string(i);
  }
  const auto examples = read("{\"text\": \"" + words + "\"}");
  ASSERT_GT(examples.size(), 2U);
  auto whole = rules_.tokenizer->encode(words);
  whole.push_back(kEnd);
  std::vector<int64_t> joined;
  for (const auto& example : examples) {
    EXPECT_LE(example.length(), 24);
    EXPECT_EQ(example.learned_count(), example.length() - 1);
    joined.insert(joined.end(), example.ids.begin() + (joined.empty() ? 0 : 1), example.ids.end());
  }
  EXPECT_EQ(joined, whole);
  // A file that is no JSON is one such text.
  const auto plain = read(words);
  ASSERT_EQ(plain.size(), examples.size());
  EXPECT_EQ(plain.back().ids, examples.back().ids);
}

TEST_F(Examples, EveryBadLineIsNamedWithWhatIsWrong) {
  const auto message = refusal(
      "{\"prompt\": \"a\", \"completion\": \"b\"}\n"
      "{\"prompt\": \"a\"}\n"
      "\n"
      "{\"prompt\": \"a\", \"completion\": 3}\n"
      "{nonsense\n"
      "{\"text\": \"a\", \"label\": \"b\"}\n"
      "[1]\n"
      "{\"prompt\": \"a\", \"completion\": \"b\", \"weight\": 2}\n"
      "{\"prompt\": \"one two three four five six seven\", \"completion\": \"eight nine ten eleven twelve thirteen "
      "fourteen\"}\n"
      "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n"
      "{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}]}\n");
  EXPECT_THAT(message, HasSubstr("has 9 lines that cannot be learned from"));
  EXPECT_THAT(message, HasSubstr("line 2: must have \"completion\""));
  EXPECT_THAT(message, HasSubstr("line 4: \"completion\" must be a text, it is 3"));
  EXPECT_THAT(message, HasSubstr("line 5: the line must be valid JSON"));
  EXPECT_THAT(message, HasSubstr("line 6: has a \"label\", and the first line has none"));
  EXPECT_THAT(message, HasSubstr("line 7: must be a JSON object"));
  EXPECT_THAT(message, HasSubstr("line 8: \"weight\" has no meaning"));
  EXPECT_THAT(message, testing::ContainsRegex("line 9: has [0-9]+ tokens, and a sequence at most 24"));
  EXPECT_THAT(message, HasSubstr("line 10: the assistant says nothing"));
  EXPECT_THAT(message, HasSubstr("line 11: the assistant cannot have the first word"));
  rules_.chat = nullptr;
  EXPECT_THAT(refusal("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}"), HasSubstr("no chat template"));
  EXPECT_THAT(refusal(" \n"), HasSubstr("is empty"));
  std::string many;
  for (int i = 0; i < 30; ++i) {
    many += "{}\n";
  }
  EXPECT_THAT(refusal(many), HasSubstr("line 20: must have \"prompt\" and \"completion\", or \"messages\", or "
                                       "\"text\"; and 10 more"));
}

TEST_F(Examples, OfALabelTheClassIsLearned) {
  rules_.classes = {"libs", "7", "kernel"};
  const auto examples = read(
      "{\"text\": \"a b\", \"label\": \"kernel\"}\n"
      "{\"label\": 7, \"text\": \"c\"}\n");
  ASSERT_EQ(examples.size(), 2U);
  EXPECT_EQ(examples[0].label, 2);
  EXPECT_EQ(examples[1].label, 1);
  EXPECT_EQ(examples[0].learned_count(), 1);
  EXPECT_EQ(examples[0].read_count(), examples[0].length()) << "the last token is read too";
  const auto ids = rules_.tokenizer->encode("a b");
  EXPECT_EQ(examples[0].ids, std::vector<int32_t>(ids.begin(), ids.end())) << "and no end token follows";
  const auto message = refusal(
      "{\"text\": \"a\", \"label\": \"kernels\"}\n"
      "{\"text\": \"a\", \"label\": 7.5}\n"
      "{\"text\": \"a\"}\n"
      "{\"text\": \"\", \"label\": 7}\n"
      "{\"prompt\": \"a\", \"completion\": \"b\"}\n"
      "{\"text\": \"one two three four five six seven eight nine ten eleven twelve thirteen\", \"label\": 7}\n");
  EXPECT_THAT(message, HasSubstr("has 6 lines"));
  EXPECT_THAT(message, HasSubstr("line 1: \"label\" is \"kernels\", and the classes are libs, 7, kernel"));
  EXPECT_THAT(message, HasSubstr("line 2: \"label\" must be a text or a whole number, it is 7.5"));
  EXPECT_THAT(message, HasSubstr("line 3: must have \"text\" and \"label\""));
  EXPECT_THAT(message, HasSubstr("line 4: must have text"));
  EXPECT_THAT(message, HasSubstr("line 5: \"completion\" has no meaning"));
  EXPECT_THAT(message, testing::ContainsRegex("line 6: has [0-9]+ tokens, and a sequence at most 24"));
}

TEST_F(Examples, LabelsAreCollectedInOrder) {
  const auto labels = [&](const std::string& text) {
    write_file(path_, text);
    return read_labels(path_);
  };
  EXPECT_EQ(labels("{\"text\": \"a\", \"label\": \"b\"}\n\n{bad\n{\"label\": \"a\"}\n{\"label\": \"b\"}"),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(labels("{\"label\": 10}\n{\"label\": 9}\n{\"label\": \"9\"}\n"), (std::vector<std::string>{"9", "10"}));
  EXPECT_TRUE(labels("{\"text\": \"a\"}\n{\"label\": 9}\n").empty());
  EXPECT_TRUE(labels("plain text").empty());
}

TEST_F(Examples, SplitsByTheSeedAndLosesNone) {
  std::vector<Example> all(50);
  for (int i = 0; i < 50; ++i) {
    all[static_cast<std::size_t>(i)].ids = {i};
  }
  const auto held_out = [&](double share, uint64_t seed) {
    std::set<int> ids;
    std::set<int> rest;
    const auto split = split_examples(all, share, seed);
    for (const auto& example : split.held_out) {
      ids.insert(example.ids[0]);
    }
    for (const auto& example : split.train) {
      rest.insert(example.ids[0]);
    }
    EXPECT_EQ(ids.size() + rest.size(), 50U);
    return ids;
  };
  EXPECT_EQ(held_out(0.1, 1).size(), 5U);
  EXPECT_EQ(held_out(0.1, 1), held_out(0.1, 1));
  EXPECT_NE(held_out(0.1, 1), held_out(0.1, 2));
  EXPECT_TRUE(held_out(0, 1).empty());
  EXPECT_EQ(held_out(0.001, 1).size(), 1U);
}

std::vector<std::size_t> flat(const std::vector<MicroBatch>& step) {
  std::vector<std::size_t> all;
  for (const auto& batch : step) {
    all.insert(all.end(), batch.begin(), batch.end());
  }
  return all;
}

TEST(ExampleOrder, EveryEpochTakesEachOnceInAnotherOrder) {
  ExampleOrder order(std::vector<int64_t>(23, 5), {.batch_size = 4, .accumulate = 2, .seed = 3});
  EXPECT_EQ(order.steps_of(1), 3);
  EXPECT_EQ(order.steps_of(4), 12);
  std::vector<std::vector<std::size_t>> epochs;
  for (int64_t epoch = 0; epoch < 2; ++epoch) {
    epochs.emplace_back();
    for (int64_t step = 0; step < 3; ++step) {
      const auto batches = order.step(3 * epoch + step);
      EXPECT_EQ(batches.size(), 2U);
      const auto part = flat(batches);
      EXPECT_EQ(part.size(), step < 2 ? 8U : 7U);
      epochs.back().insert(epochs.back().end(), part.begin(), part.end());
    }
    EXPECT_EQ(std::set<std::size_t>(epochs.back().begin(), epochs.back().end()).size(), 23U);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  // Whatever was asked for before, as after a restart.
  ExampleOrder again(std::vector<int64_t>(23, 5), {.batch_size = 4, .accumulate = 2, .seed = 3});
  EXPECT_EQ(again.step(4), order.step(4));
  ExampleOrder other(std::vector<int64_t>(23, 5), {.batch_size = 4, .accumulate = 2, .seed = 4});
  EXPECT_NE(other.step(4), order.step(4));
}

TEST(ExampleOrder, FillsBatchesWithTokens) {
  const std::vector<int64_t> lengths{30, 10, 10, 10, 50, 20, 5, 5, 7, 90, 3};
  ExampleOrder order(lengths, {.batch_size = 1, .tokens = 50, .seed = 1});
  std::size_t examples = 0;
  for (int64_t step = 0; step < order.steps_of(1); ++step) {
    const auto batch = flat(order.step(step));
    int64_t tokens = 0;
    for (const auto place : batch) {
      tokens += lengths[place];
    }
    EXPECT_TRUE(tokens <= 50 || batch.size() == 1) << "only what is longer than a batch may overfill one";
    examples += batch.size();
  }
  EXPECT_EQ(examples, lengths.size());
  EXPECT_LT(order.steps_of(1), 9);
}

}  // namespace
}  // namespace dstorch::training

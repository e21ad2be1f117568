#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "constraint_vocabulary.h"
#include "dstorch/constraint.h"
#include "dstorch/error.h"
#include "dstorch/tokenizer.h"
#include "support/paths.h"
#include "text/constraint/matcher.h"
#include "text/constraint/sample.h"

namespace dstorch::text::constraint {
namespace {

using testing::HasSubstr;

std::shared_ptr<const Vocabulary> vocabulary_of(std::vector<std::string> tokens) {
  return std::make_shared<const Vocabulary>(std::move(tokens));
}

/// Every byte, whose id it is, and then these.
std::vector<std::string> bytes_and(const std::vector<std::string>& more) {
  auto tokens = test::crossing_tokens(0, 0);
  tokens.insert(tokens.end(), more.begin(), more.end());
  return tokens;
}

std::shared_ptr<Masks> masks_of(const Constraint& constraint, std::shared_ptr<const Vocabulary> vocabulary) {
  return std::make_shared<Masks>(constraint.network(), std::move(vocabulary));
}

/// Which tokens may come after `begun`, asked of each by itself: nothing shared, nothing kept.
std::vector<int64_t> allowed_one_by_one(const Constraint& constraint, const Vocabulary& vocabulary,
                                        const std::string& begun) {
  Automaton automaton(constraint.network(), find_distances(*constraint.network(), vocabulary));
  std::vector<int64_t> ids;
  for (std::size_t id = 0; id < vocabulary.size(); ++id) {
    auto position = automaton.start();
    for (const char c : begun + std::string(vocabulary.token(id))) {
      position = automaton.step(position, static_cast<uint8_t>(c));
    }
    if (!vocabulary.token(id).empty() && position != Automaton::kDead) {
      ids.push_back(static_cast<int64_t>(id));
    }
  }
  return ids;
}

TEST(ConstraintMask, AllowsWhatIsAllowedTokenByToken) {
  // Some long ones: of more characters than any group of plain tokens, and at the borders between the groups.
  std::vector<std::string> more = {"",
                                   "\"",
                                   "\"",
                                   "abcd",
                                   "abcd",
                                   "abcde",
                                   std::string(8, 'q'),
                                   std::string(9, 'q'),
                                   std::string(32, ' '),
                                   std::string(33, ' '),
                                   std::string(100, ' '),
                                   "\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9",
                                   "a\xF0\x9F\x98\x80"};
  auto tokens = test::crossing_tokens(9, 800);
  tokens.insert(tokens.end(), more.begin(), more.end());
  const auto vocabulary = vocabulary_of(tokens);
  const std::vector<Constraint> constraints = {
      Constraint::json_schema("{}"),
      Constraint::json_schema(R"({"type": "string", "maxLength": 7})"),
      Constraint::json_schema(R"({"type": "string", "minLength": 3, "maxLength": 70})"),
      Constraint::json_schema(R"({"type": "string", "pattern": "^[^q]*$"})"),
      Constraint::json_schema(
          R"({"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "x": {"type": "number"}}}})"),
      Constraint::regex(".*"),
      Constraint::regex("(.{3}|[a-d]{5}\"?)+"),
      // Texts that end with some characters and come back to themselves with others, or may end at once with some.
      Constraint::regex("[^b]*b"),
      Constraint::regex("b|[^b].*"),
      Constraint::grammar(R"(root ::= "{" root "}" | [^{}]* )"),
  };
  Rng rng(1);
  for (const auto& constraint : constraints) {
    const auto masks = masks_of(constraint, vocabulary);
    LanguageSampler sampler(constraint.network());
    for (int i = 0; i < 8; ++i) {
      const auto text = sampler.draw(rng, 30);
      const auto begun = test::random_cut(*vocabulary, text, rng);
      Matcher matcher(masks, 10000);
      std::string before;
      for (const auto id : begun) {
        ASSERT_EQ(test::allowed(matcher), allowed_one_by_one(constraint, *vocabulary, before)) << before;
        matcher.accept(id);
        before += vocabulary->token(static_cast<std::size_t>(id));
      }
    }
  }
}

TEST(ConstraintMask, VeryLongTokensNeverCome) {
  const auto masks =
      masks_of(Constraint::regex(".*"), vocabulary_of(bytes_and({std::string(4096, 'a'), std::string(4097, 'a')})));
  Matcher matcher(masks, 10);
  EXPECT_TRUE(matcher.allows(256));
  EXPECT_FALSE(matcher.allows(257));
}

// Of the many places in a pattern where a text may be, those from which nothing else can follow are not kept.
TEST(ConstraintMask, CountsThatCanBeReadInManyWaysStaySmall) {
  const auto vocabulary = vocabulary_of(test::crossing_tokens(9, 800));
  for (const char* pattern : {".{0,2000}a.{0,2000}", "[ab]{0,2000}a[ab]{0,2000}", "(.{0,2000}a){3}"}) {
    const auto masks = masks_of(Constraint::regex(pattern), vocabulary);
    Matcher matcher(masks, 10000);
    for (int i = 0; i < 60; ++i) {
      matcher.prepare();
      matcher.accept(i % 3 == 0 ? 'a' : 'b');
    }
    EXPECT_LT(masks->memory(), std::size_t{8} << 20U) << pattern;
    EXPECT_TRUE(matcher.complete() || std::string(pattern).starts_with("("));
  }
  // The last of what may come in the second part comes after the last "a".
  const auto late = Constraint::regex("[ab]{0,20}a[ab]{0,20}");
  EXPECT_TRUE(late.matches(std::string(20, 'b') + "a" + std::string(20, 'b')));
  EXPECT_FALSE(late.matches(std::string(21, 'b') + "a" + std::string(20, 'b')));
  EXPECT_FALSE(late.matches(std::string(20, 'b') + "a" + std::string(21, 'b')));
  EXPECT_TRUE(late.matches("a" + std::string(19, 'b') + "a" + std::string(20, 'b')));
  // Places of one part that are not its first, and the same part called from two places.
  const auto twice = Constraint::regex("(a|aa){0,12}b");
  EXPECT_TRUE(twice.matches(std::string(24, 'a') + "b"));
  EXPECT_FALSE(twice.matches(std::string(25, 'a') + "b"));
  const auto called = Constraint::grammar("root ::= r \"1\" | \"a\" r \"2\"\nr ::= \"(\" r \")\" | \"a\"{0,12}");
  EXPECT_TRUE(called.matches(std::string(12, 'a') + "1"));
  EXPECT_TRUE(called.matches(std::string(13, 'a') + "2"));
  EXPECT_FALSE(called.matches(std::string(13, 'a') + "1"));
  EXPECT_FALSE(called.matches(std::string(14, 'a') + "2"));
  const auto both = Constraint::grammar(
      "root ::= q \"x\" | \"a\" q \"y\"\nq ::= \"(\" q \")\" | p{0,12}\np ::= \"(\" root \")\" | \"ab\" | \"a\" | "
      "\"ba\"");
  for (const char* text : {"aabx", "aaby", "abax", "aabay", "aab(x)bax", "aab(ay)bay"}) {
    EXPECT_TRUE(both.matches(text)) << text;
  }
  const auto parts = Constraint::grammar(
      "root ::= p{0,12} \"x\" | \"a\" p{0,12} \"y\"\np ::= \"(\" root \")\" | \"ab\" | \"a\" | \"ba\"");
  EXPECT_TRUE(parts.matches("aab(x)baax"));
  EXPECT_TRUE(parts.matches(std::string(13, 'a') + "y"));
  EXPECT_FALSE(parts.matches(std::string(13, 'a') + "x"));
}

TEST(ConstraintBudget, TheShortestAnswerNeedsWhatItIsSaidToNeed) {
  const auto constraint = Constraint::json_schema(
      R"({"type": "object", "properties": {"name": {"type": "string", "minLength": 3}}, "required": ["name"]})",
      Constraint::WhiteSpace::none);
  const auto needs = [&](const std::vector<std::string>& tokens) {
    return masks_of(constraint, vocabulary_of(bytes_and(tokens)))->automaton().distance(1);
  };
  EXPECT_EQ(needs({}), 14U);                                     // {"name":"xxx"}
  EXPECT_EQ(needs({"{\"name\":\""}), 1U + 3 + 2);                // and three letters, and the end
  EXPECT_EQ(needs({"{\"na", "me\":", "\"}"}), 2U + 1 + 3 + 1);   //
  EXPECT_EQ(needs({"{\"name\":\"", "   ", "\"}"}), 1U + 1 + 1);  // the tokens of one character many times
  // What comes after a key that may be any.
  const auto keyed = Constraint::json_schema(
      R"({"type": "object", "additionalProperties": {"const": "a long text"}, "minProperties": 1})",
      Constraint::WhiteSpace::none);
  EXPECT_EQ(masks_of(keyed, vocabulary_of(bytes_and({":\"a long text\"}"})))->automaton().distance(1),
            1U + 1 + (1 + 2) + 1);  // two more than for the shortest key, which may be taken
  const auto masks = masks_of(constraint, vocabulary_of(bytes_and({})));
  try {
    Matcher matcher(masks, 13);
    FAIL() << "13 tokens are too few";
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), ErrorKind::invalid_argument);
    EXPECT_THAT(e.what(), HasSubstr("needs 14 tokens"));
  }
  EXPECT_NO_THROW(Matcher(masks, 14));
}

TEST(ConstraintBudget, TokensAfterWhichTheRestWouldNotFitAreNotAllowed) {
  const auto constraint = Constraint::regex("a(bbbbbbbb|c)");
  const auto masks = masks_of(constraint, vocabulary_of(bytes_and({"ab", "ac"})));
  Matcher roomy(masks, 9);
  EXPECT_EQ(test::allowed(roomy), (std::vector<int64_t>{'a', 256, 257}));
  Matcher tight(masks, 7);
  EXPECT_EQ(test::allowed(tight), (std::vector<int64_t>{'a', 257})) << "\"ab\" needs seven more";
  tight.accept('a');
  EXPECT_EQ(test::allowed(tight), (std::vector<int64_t>{'c'}));
  Matcher least(masks, 1);
  EXPECT_EQ(test::allowed(least), (std::vector<int64_t>{257}));
  EXPECT_THROW(roomy.accept('z'), LMError);
}

// Of tokens that all may come by what their characters are, some need more after them than there is.
TEST(ConstraintBudget, HoldsForTokensOfPlainTextAlone) {
  const auto masks = masks_of(Constraint::regex(".|..c{50}"), vocabulary_of(bytes_and({"aa"})));
  Matcher tight(masks, 20);
  EXPECT_TRUE(tight.allows('a'));
  EXPECT_FALSE(tight.allows(256)) << "it needs fifty more";
  EXPECT_TRUE(Matcher(masks, 60).allows(256));
}

TEST(ConstraintBudget, AVocabularyWithoutAllBytesEndsAllTheSame) {
  // No token is one byte of a character of several; "q" can only come with "u".
  const auto vocabulary = vocabulary_of({"\"", "a", "\xC3\xA9", "\xE4\xB8\x80\xE4\xB8\x81", "qu", "\\n"});
  const auto masks = masks_of(Constraint::regex("\"[^b]{2,5}[q\xC3\xA9]u?\""), vocabulary);
  Rng rng(4);
  std::set<std::string> answers;
  for (int i = 0; i < 300; ++i) {
    answers.insert(test::random_answer(Matcher(masks, 5 + i % 4), *vocabulary, rng));
  }
  for (const auto& answer : answers) {
    EXPECT_TRUE(Constraint::regex("\"[^b]{2,5}[q\xC3\xA9]u?\"").matches(answer)) << answer;
  }
  EXPECT_GT(answers.size(), 30U);
  EXPECT_THROW(Matcher(masks_of(Constraint::regex("b"), vocabulary), 10), LMError);
  // Among many characters, those that are tokens are found.
  const auto two = vocabulary_of({"\xE4\xB8\x80", "\xE4\xB8\x81"});
  EXPECT_NO_THROW(Matcher(masks_of(Constraint::regex("[\\u4e00-\\u9fa5]{2}"), two), 2));
}

// Where the short keys are taken, a longer one must still fit: the way to it is kept free.
TEST(ConstraintKeys, NoObjectHasAKeyTwiceHoweverFewTokensAreLeft) {
  const auto vocabulary = vocabulary_of(bytes_and({"\"\":0,\"\"", "{\"\":0,", "\"\":", "\"x_\":1,\"x_", "\":0,\"",
                                                   "},{\"\"", "\"a\":0,\"a", "\"a", ",\"a", "aa\"", "\"\\"}));
  const std::vector<std::string> schemas = {
      R"({"type": "object", "additionalProperties": {"enum": [0, 1]}})",
      R"({"type": "object", "additionalProperties": {"enum": [0, 1]}, "minProperties": 12})",
      R"({"type": "object", "patternProperties": {"^x_": {"enum": [0, 1]}}, "additionalProperties": false, "minProperties": 6})",
      R"({"type": "object", "patternProperties": {"^(ab?)*$": {"enum": [0, 1]}}, "additionalProperties": false, "minProperties": 9})",
      R"({"type": "object", "patternProperties": {"^(ab|ac|b*)$": {"enum": [0, 1]}}, "additionalProperties": false, "minProperties": 7})",
      R"({"type": "object", "patternProperties": {"^(aa|ab*)$": {"enum": [0, 1]}}, "additionalProperties": false, "minProperties": 5})",
      R"({"type": "object", "patternProperties": {"^(\"|\"\"|a\"|b*)$": {"enum": [0, 1]}}, "additionalProperties": false, "minProperties": 6})",
      R"({"type": "array", "items": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": {"const": 0}}}})",
  };
  for (const auto& schema : schemas) {
    const auto constraint = Constraint::json_schema(schema, Constraint::WhiteSpace::none);
    const auto masks = masks_of(constraint, vocabulary);
    const int64_t least = masks->automaton().distance(masks->automaton().start());
    Rng rng(2);
    for (int i = 0; i < 150; ++i) {
      const auto answer = test::random_answer(Matcher(masks, least + i % 60), *vocabulary, rng);
      EXPECT_TRUE(constraint.matches(answer)) << schema << "\n" << answer;
    }
  }
}

// What makes one key short does nothing for the next one, which must be another.
TEST(ConstraintKeys, ATokenOfAKeyIsNotCountedOn) {
  const auto vocabulary = vocabulary_of(bytes_and({"aaaaaaaa"}));
  const auto constraint = Constraint::json_schema(
      R"({"type": "object", "patternProperties": {"^(a{8}|[b-z]{8,})$": {"const": 0}}, "additionalProperties": false, "minProperties": 2})",
      Constraint::WhiteSpace::none);
  const auto masks = masks_of(constraint, vocabulary);
  const int64_t least = masks->automaton().distance(masks->automaton().start());
  Rng rng(2);
  for (int i = 0; i < 60; ++i) {
    const auto answer = test::random_answer(Matcher(masks, least + i % 20), *vocabulary, rng);
    EXPECT_TRUE(constraint.matches(answer)) << answer;
  }
}

TEST(ConstraintKeys, AreToldFromOtherTextsAndByWhatTheySay) {
  const auto constraint = Constraint::json_schema(
      R"({"type": "object", "additionalProperties": {"type": ["array", "integer"], "items": {"type": ["string", "object"], "additionalProperties": true}}})",
      Constraint::WhiteSpace::none);
  EXPECT_FALSE(constraint.matches(R"({"\\":0,"\\":0})"));
  EXPECT_TRUE(constraint.matches(R"({"\\":0,"\\\\":0,"\"":0})"));
  EXPECT_TRUE(constraint.matches(R"({"a":["a","a",{"a":["a"]},"a","a"],"b":0})"));
  EXPECT_FALSE(constraint.matches(R"({"a":["a",{"b":1,"c":{},"b":1}]})"));
  EXPECT_FALSE(constraint.matches(R"({"a":[{"c":{"d":1}},"x"],"a":0})"));
}

TEST(ConstraintKeys, AQuoteWithinAKeyIsNotItsEnd) {
  const auto masks = masks_of(
      Constraint::json_schema(
          R"({"type": "object", "patternProperties": {"^(\"|\"\"|b*)$": {"const": 0}}, "additionalProperties": false})",
          Constraint::WhiteSpace::none),
      vocabulary_of(bytes_and({})));
  const auto allows = [&](const std::string& text, char next) {
    Matcher matcher(masks, 1000);
    for (const char c : text) {
      matcher.accept(static_cast<uint8_t>(c));
    }
    return matcher.allows(static_cast<uint8_t>(next));
  };
  EXPECT_TRUE(allows(R"({")", '\\'));
  EXPECT_TRUE(allows(R"({"\"":0,")", '\\')) << "there may be two quotes";
  EXPECT_TRUE(allows(R"({"\"\"":0,")", '\\')) << "there may be one";
  EXPECT_FALSE(allows(R"({"\"":0,"\"\"":0,")", '\\'));
  EXPECT_TRUE(allows(R"({"\"":0,"\"\"":0,")", 'b'));
  EXPECT_FALSE(allows(R"({"\"":0,"\")", '"'));
  EXPECT_TRUE(allows(R"({"\"":0,"\")", '\\'));
  EXPECT_TRUE(allows(R"({"\"\"":0,"\")", '"'));
  EXPECT_FALSE(allows(R"({"\"\"":0,"\")", '\\'));
}

TEST(ConstraintKeys, ARepeatedKeyIsRefusedWithinATokenToo) {
  const auto vocabulary =
      vocabulary_of(bytes_and({"\"a\":0,\"a\"", "\"a\":0,\"b\"", "a\"", "a\":0,\"a\"", "a\":0,\"c"}));
  const auto masks = masks_of(Constraint::json_schema(R"({"type": "object", "additionalProperties": {"const": 0}})",
                                                      Constraint::WhiteSpace::none),
                              vocabulary);
  const auto after = [&](const std::string& text) {
    Matcher matcher(masks, 1000);
    for (const char c : text) {
      matcher.accept(static_cast<uint8_t>(c));
    }
    return matcher;
  };
  EXPECT_FALSE(after("{").allows(256));
  EXPECT_TRUE(after("{").allows(257));
  EXPECT_FALSE(after("{\"b\":0,").allows(257));
  EXPECT_FALSE(after("{\"a\":0,").allows(257));
  EXPECT_TRUE(after("{\"").allows(258));
  EXPECT_FALSE(after("{\"a\":0,\"").allows(258));
  EXPECT_FALSE(after("{\"").allows(259));
  EXPECT_TRUE(after("{\"").allows(260));
  EXPECT_FALSE(after("{\"a\":0,\"").allows(260));
  EXPECT_FALSE(after("{\"a\":0,\"a").allows('"'));
  EXPECT_TRUE(after("{\"a\":0,\"a").allows('a'));
  EXPECT_TRUE(after("{\"a\":0,\"b").allows('"'));
}

std::shared_ptr<const Tokenizer> tokenizer() {
  return Tokenizer::load(test::source_dir() / "tests/parity/fixtures/text/model");
}

TEST(ConstraintForced, IsCutAsTheTokenizerCutsIt) {
  const auto tokens = tokenizer();
  const auto vocabulary = vocabulary_of(bytes_of_tokens(*tokens));
  const std::string text = "python3-yaml is a library for reading YAML, and so on";
  const auto forced_of = [&](const Constraint& constraint, const std::string& before) {
    Matcher matcher(masks_of(constraint, vocabulary), 1000);
    return matcher.forced(*tokens, before);
  };
  const EncodeOptions plain{.add_special_tokens = false, .parse_special_tokens = false};
  // All of it, where nothing can follow.
  EXPECT_EQ(forced_of(Constraint::choice(std::vector<std::string>{text}), ""), tokens->encode(text, plain));
  // With what is before it.
  const auto with = tokens->encode("The name: " + text, plain);
  EXPECT_EQ(tokens->decode(forced_of(Constraint::choice(std::vector<std::string>{text}), "The name:")), text);
  const auto rest = forced_of(Constraint::choice(std::vector<std::string>{" " + text}), "The name:");
  EXPECT_THAT(with, testing::IsSupersetOf(rest));
  EXPECT_EQ(tokens->decode(rest), " " + text);
  // Not the tokens at the end that what is free could become part of.
  const auto begun = forced_of(Constraint::regex("python3-yaml is a librar[a-z]*"), "");
  EXPECT_FALSE(begun.empty());
  EXPECT_THAT(std::string("python3-yaml is a librar"), testing::StartsWith(tokens->decode(begun)));
  EXPECT_THAT(tokens->decode(begun), testing::Not(HasSubstr("librar")));
  // Whole characters alone, of what is before it too.
  EXPECT_EQ(tokens->decode(forced_of(Constraint::regex("YAML:[\xC3\xA9-\xC3\xBF]"), "")), "YAML:");
  EXPECT_EQ(forced_of(Constraint::choice(std::vector<std::string>{text}), "\x82 The name: "),
            forced_of(Constraint::choice(std::vector<std::string>{text}), " The name: "));
  // Nothing where its first token would reach into what is there.
  EXPECT_TRUE(forced_of(Constraint::choice(std::vector<std::string>{"e name"}), "Th").empty());
  // Nothing where a choice is left, or the answer is complete.
  EXPECT_TRUE(forced_of(Constraint::regex("[ab]c"), "").empty());
  EXPECT_TRUE(forced_of(Constraint::regex("(ab)?"), "").empty());
}

// Where the tokenizer takes more tokens for it than are left, the way that is short enough stays open.
TEST(ConstraintForced, LeavesEnoughTokensForTheRest) {
  const auto tokens = tokenizer();
  const auto vocabulary = vocabulary_of(bytes_of_tokens(*tokens));
  const std::string text = "mapan";
  ASSERT_EQ(tokens->encode(text, {.add_special_tokens = false}).size(), 4U);  // m a pa n
  const auto masks = masks_of(Constraint::choice(std::vector<std::string>{text}), vocabulary);
  ASSERT_EQ(masks->automaton().distance(masks->automaton().start()), 3U);  // ma pa n
  EXPECT_EQ(Matcher(masks, 4).forced(*tokens, "").size(), 4U);
  Matcher matcher(masks, 3);
  std::string written;
  for (const auto id : matcher.forced(*tokens, "")) {
    matcher.accept(id);
    written += tokens->token_bytes(id);
  }
  EXPECT_LT(written.size(), text.size());
  Rng rng(6);
  EXPECT_EQ(written + test::random_answer(matcher, *vocabulary, rng), text);
}

TEST(TokenBytes, AreTheTextOfATokenInTheMiddle) {
  const auto tokens = tokenizer();
  const std::string text = "caf\xC3\xA9 \xE2\x82\xAC 100 \xF0\x9F\x98\x80 \"quoted\"\n";
  std::string joined;
  for (const auto id : tokens->encode(text, {.add_special_tokens = false})) {
    joined += tokens->token_bytes(id);
  }
  EXPECT_EQ(joined, text);
  EXPECT_EQ(tokens->token_bytes(-1), "");
  EXPECT_EQ(tokens->token_bytes(tokens->vocab_size()), "");
  for (int64_t id = 0; id < tokens->vocab_size(); ++id) {
    EXPECT_EQ(tokens->token_bytes(id).empty(), tokens->is_special(id)) << id;
  }
}

// Of what is guessed to come next: as much as could be accepted, within the budget.
TEST(ConstraintMatcher, SaysHowManyOfTheTokensMayFollow) {
  const auto vocabulary = vocabulary_of(test::crossing_tokens(4, 300));
  const std::vector<Constraint> constraints = {
      Constraint::json_schema(R"({"type": "array", "items": {"enum": ["name", "kind", "x"]}, "maxItems": 9})"),
      Constraint::regex("([ab]x?){3,40}1"), Constraint::grammar(R"(root ::= "{" root "}" | [^{}]* )")};
  Rng rng(5);
  int64_t followed = 0;
  int64_t refused = 0;
  for (const auto& constraint : constraints) {
    const auto masks = masks_of(constraint, vocabulary);
    for (int round = 0; round < 60; ++round) {
      Matcher matcher(masks, 12 + static_cast<int64_t>(rng.below(60)));
      std::vector<int64_t> tokens;
      auto ahead = matcher;
      for (auto ids = test::allowed(ahead); !ids.empty() && ahead.budget() > 0; ids = test::allowed(ahead)) {
        tokens.push_back(ids[rng.below(ids.size())]);
        ahead.accept(tokens.back());
      }
      EXPECT_EQ(matcher.may_follow(tokens), std::ssize(tokens));
      followed += std::ssize(tokens);
      if (!tokens.empty()) {
        const auto changed = rng.below(tokens.size());
        const auto other = static_cast<int64_t>(rng.below(vocabulary->size() + 5));  // the last five are in none
        tokens[changed] = other;
        auto before = matcher;
        for (std::size_t i = 0; i < changed; ++i) {
          before.accept(tokens[i]);
        }
        const auto count = matcher.may_follow(tokens);
        EXPECT_EQ(count > static_cast<int64_t>(changed), before.allows(other));
        refused += count == static_cast<int64_t>(changed) ? 1 : 0;
        EXPECT_GE(count, static_cast<int64_t>(changed));
      }
    }
  }
  EXPECT_GT(followed, 1000);
  EXPECT_GT(refused, 50);
  Matcher matcher(masks_of(constraints[1], vocabulary), 4);
  EXPECT_EQ(matcher.may_follow(std::vector<int64_t>{'a', 'a', 'a', 'a'}), 3) << "the end needs one more";
  EXPECT_EQ(matcher.may_follow(std::vector<int64_t>{-1}), 0);
}

}  // namespace
}  // namespace dstorch::text::constraint

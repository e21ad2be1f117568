#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/rng.h"
#include "dstorch/constraint.h"
#include "dstorch/error.h"
#include "text/constraint/sample.h"

namespace dstorch {
namespace {

using text::constraint::LanguageSampler;

/// A grammar of a few rules, as a program would make one, that can be asked whether it takes a text: by trying all ways
/// from each place, with what is known kept (memoized recursive descent).
class ReferenceGrammar {
 public:
  /// Rules use only later ones, but after a character: none begins with itself.
  explicit ReferenceGrammar(Rng& rng) {
    rules_.resize(2 + rng.below(4));
    for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
      rules_[rule].resize(1 + rng.below(3));
      for (auto& alternative : rules_[rule]) {
        alternative = random_sequence(rng, rule);
      }
    }
    for (auto& rule : rules_) {
      rule.push_back({{Part::Kind::character, "a", 0, 1, 1}});  // there is an end
    }
  }

  [[nodiscard]] std::string gbnf() const {
    std::string text = "# a random grammar\n";
    for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
      text += name_of(rule) + " ::= ";
      for (std::size_t i = 0; i < rules_[rule].size(); ++i) {
        text += i > 0 ? " | " : "";
        text += rules_[rule][i].empty() ? "\"\"" : "";  // a rule of nothing at all would go on in the next line
        for (const auto& part : rules_[rule][i]) {
          const auto what = part.kind == Part::Kind::rule        ? name_of(part.rule)
                            : part.kind == Part::Kind::character ? "\"" + part.text + "\""
                                                                 : "[" + part.text + "]";
          text += what + count_of(part) + " ";
        }
      }
      text += "\n";
    }
    return text;
  }

  [[nodiscard]] bool takes(const std::string& text) const {
    std::map<std::pair<std::size_t, std::size_t>, std::set<std::size_t>> known;
    return ends_of_rule(0, 0, text, known).contains(text.size());
  }

 private:
  struct Part {
    enum class Kind { character, members, rule };
    Kind kind = Kind::character;
    std::string text;
    std::size_t rule = 0;
    int least = 1;
    int most = 1;  // -1: any number
  };
  using Known = std::map<std::pair<std::size_t, std::size_t>, std::set<std::size_t>>;

  std::vector<Part> random_sequence(Rng& rng, std::size_t rule) const {
    std::vector<Part> sequence;
    for (auto parts = rng.below(4); parts > 0; --parts) {
      Part part;
      const auto kind = rng.below(3);
      if (kind == 0) {
        part.text = std::string(1, static_cast<char>('a' + rng.below(3)));
      } else if (kind == 1) {
        part.kind = Part::Kind::members;
        part.text = rng.below(2) == 0 ? "ab" : "b-c";
      } else {
        part.kind = Part::Kind::rule;
        const bool consumed =
            !sequence.empty() && sequence.front().kind != Part::Kind::rule && sequence.front().least > 0;
        part.rule = consumed ? rng.below(rules_.size()) : std::min(rules_.size() - 1, rule + 1 + rng.below(2));
        if (!consumed && part.rule <= rule) {
          continue;
        }
      }
      const auto count = rng.below(6);
      part.least = count < 3 ? 1 : count == 3 ? 0 : 2;
      part.most = count < 3 ? 1 : count == 5 ? 3 : -1;
      sequence.push_back(part);
    }
    return sequence;
  }

  static std::string name_of(std::size_t rule) { return rule == 0 ? "root" : "rule-" + std::to_string(rule); }
  static std::string count_of(const Part& part) {
    if (part.least == 1 && part.most == 1) {
      return "";
    }
    return part.least == 0 ? "*" : part.most == 3 ? "{2,3}" : "{2,}";
  }

  std::set<std::size_t> ends_of_rule(std::size_t rule, std::size_t at, const std::string& text, Known& known) const {
    const auto found = known.find({rule, at});
    if (found != known.end()) {
      return found->second;
    }
    std::set<std::size_t> ends;
    for (const auto& alternative : rules_[rule]) {
      std::set<std::size_t> places = {at};
      for (const auto& part : alternative) {
        places = ends_of_part(part, places, text, known);
      }
      ends.insert(places.begin(), places.end());
    }
    return known[{rule, at}] = ends;
  }

  std::set<std::size_t> ends_of_part(const Part& part, std::set<std::size_t> places, const std::string& text,
                                     Known& known) const {
    std::set<std::size_t> ends = part.least == 0 ? places : std::set<std::size_t>();
    for (int i = 1; !places.empty() && (part.most < 0 || i <= part.most); ++i) {
      std::set<std::size_t> next;
      for (const auto place : places) {
        if (part.kind == Part::Kind::rule) {
          next.merge(ends_of_rule(part.rule, place, text, known));
        } else if (place < text.size() && holds(part, text[place])) {
          next.insert(place + 1);
        }
      }
      const auto before = ends.size();
      if (i >= part.least) {
        ends.insert(next.begin(), next.end());
        if (part.most < 0 && ends.size() == before && i > static_cast<int>(text.size())) {
          break;
        }
      }
      places = std::move(next);
    }
    return ends;
  }

  static bool holds(const Part& part, char c) {
    return part.kind == Part::Kind::character ? part.text[0] == c
           : part.text == "b-c"               ? c == 'b' || c == 'c'
                                              : c == 'a' || c == 'b';
  }

  std::vector<std::vector<std::vector<Part>>> rules_;
};

TEST(ConstraintGrammar, AgreesWithAPlainMatcher) {
  Rng rng(21);
  int taken = 0;
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    const ReferenceGrammar reference(rng);
    const auto constraint = Constraint::grammar(reference.gbnf());
    LanguageSampler sampler(constraint.network());
    for (int j = 0; j < 10; ++j) {
      const auto text = sampler.draw(rng, 6);
      if (text.size() > 40) {
        continue;
      }
      EXPECT_TRUE(reference.takes(text)) << reference.gbnf() << text;
      auto other = text;
      const auto at = rng.below(other.size() + 1);
      other.insert(at, 1, static_cast<char>('a' + rng.below(3)));
      other.erase(rng.below(other.size()), rng.below(3));
      for (const auto& tried : {text, other}) {
        const bool expected = reference.takes(tried);
        EXPECT_EQ(constraint.matches(tried), expected) << reference.gbnf() << tried;
        (expected ? taken : refused) += 1;
      }
    }
  }
  EXPECT_GT(taken, 1000);
  EXPECT_GT(refused, 300);
}

TEST(ConstraintGrammar, RecursionIsFollowedToAnyDepth) {
  const auto constraint = Constraint::grammar(R"gbnf(root ::= "(" root ")" | "[" root "]" | "")gbnf");
  std::string text = std::string(500, '(') + std::string(500, '[') + std::string(500, ']') + std::string(500, ')');
  EXPECT_TRUE(constraint.matches(text));
  text[1200] = ')';
  EXPECT_FALSE(constraint.matches(text));
}

/// All ways through it are exponentially many.
TEST(ConstraintGrammar, AnAmbiguousGrammarStaysSmall) {
  const auto constraint = Constraint::grammar(R"gbnf(root ::= "a" root "b" | "a" root "c" | "a" root root | "d")gbnf");
  std::string text = std::string(60, 'a') + "d" + std::string(60, 'b');
  EXPECT_TRUE(constraint.matches(text));
  EXPECT_FALSE(constraint.matches(text + "b"));
}

TEST(ConstraintGrammar, ReadsItsSyntax) {
  const auto constraint = Constraint::grammar(R"gbnf(
# a comment
root ::= item ("," ws item)*   # and one more
item ::= [a-zA-Z\x30-\x39] | "\"" [^"\n]* "\"" | (
  "x"{2} |
  "\u00e9"{1,2} | "z"{3,}
)
ws ::= " "?
)gbnf");
  EXPECT_TRUE(constraint.matches("a, 7,\"q w\",xx,\xC3\xA9\xC3\xA9,zzzz"));
  EXPECT_FALSE(constraint.matches("a,  7"));
  EXPECT_FALSE(constraint.matches("zz"));
  EXPECT_FALSE(constraint.matches("\"\n\""));
}

TEST(ConstraintGrammar, WhatIsWrongIsAnErrorThatNamesIt) {
  const auto error_of = [](const std::string& text) -> std::string {
    try {
      static_cast<void>(Constraint::grammar(text));
    } catch (const LMError& e) {
      return e.what();
    }
    return "no error";
  };
  using testing::HasSubstr;
  EXPECT_THAT(error_of(""), HasSubstr("root"));
  EXPECT_THAT(error_of("a ::= \"b\""), HasSubstr("root"));
  EXPECT_THAT(error_of("root ::= missing"), HasSubstr("missing"));
  EXPECT_THAT(error_of("root ::= \"a\"\nroot ::= \"b\""), HasSubstr("twice"));
  EXPECT_THAT(error_of("root ::= one \"a\"\none ::= two\ntwo ::= one | \"b\""), HasSubstr("left recursion"));
  EXPECT_THAT(error_of("root ::= \"\" root"), HasSubstr("\"root\" begins with itself"));
  EXPECT_THAT(error_of("root ::= empty root\nempty ::= \"x\"?"), HasSubstr("begins with itself"));
  // A rule of its own, which recursive ones stay, and may be empty.
  EXPECT_THAT(error_of("root ::= list root \"x\" | \"y\"\nlist ::= \"[\" list \"]\" | \"\""),
              HasSubstr("begins with itself"));
  EXPECT_THAT(error_of("root ::= \"a"), HasSubstr("too early"));
  EXPECT_THAT(error_of("root ::= [b-a]"), HasSubstr("order"));
  EXPECT_THAT(error_of("root ::= (\"a\""), HasSubstr("\")\""));
  EXPECT_THAT(error_of("root := \"a\""), HasSubstr("::="));
  EXPECT_THAT(error_of("root ::= \"\\q\""), HasSubstr("escape"));
  EXPECT_THAT(error_of("root ::= \"a\" \"b\" }"), HasSubstr("line"));
  EXPECT_THAT(error_of("root ::= \"\xFF\""), HasSubstr("UTF-8"));
}

TEST(ConstraintGrammar, AGrammarWithoutAnEndAllowsNothing) {
  EXPECT_FALSE(Constraint::grammar("root ::= \"a\" root").matches("aaa"));
}

TEST(ConstraintChoice, IsOneOfItsTexts) {
  const std::vector<std::string> texts = {"yes", "no", "yes, please", "\xC3\xA9 \"x\"\n"};
  const auto constraint = Constraint::choice(texts);
  for (const auto& text : texts) {
    EXPECT_TRUE(constraint.matches(text));
    EXPECT_FALSE(constraint.matches(text + "x"));
    EXPECT_FALSE(constraint.matches(text.substr(1)));
  }
  EXPECT_THROW(static_cast<void>(Constraint::choice({})), LMError);
  EXPECT_THROW(static_cast<void>(Constraint::choice(std::vector<std::string>{"a", ""})), LMError);
  // The same bytes cut otherwise are another choice.
  EXPECT_FALSE(Constraint::choice(std::vector<std::string>{"a 1 b"}).matches("b"));
  EXPECT_TRUE(Constraint::choice(std::vector<std::string>{"a", "b"}).matches("b"));
}

}  // namespace
}  // namespace dstorch

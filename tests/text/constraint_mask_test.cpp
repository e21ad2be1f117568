// Masks are put together from what many tokens have in common: here they are compared with each token by itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "constraint_vocabulary.h"
#include "dstorch/constraint.h"
#include "text/constraint/byte_kinds.h"
#include "text/constraint/masks.h"
#include "text/constraint/merged_tree.h"
#include "text/constraint/sample.h"

namespace dstorch::text::constraint {
namespace {

/// Every byte, and words: of small letters, of capitals, with digits, hyphens, spaces and quotes, of other scripts.
std::vector<std::string> words(uint64_t seed, std::size_t count) {
  const std::vector<std::string> letters = {
      "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "-._@/: ", "foobarhttps", "\"\\\n"};
  auto tokens = test::crossing_tokens(0, 0);
  Rng rng(seed);
  while (tokens.size() < 256 + count) {
    std::string token = rng.below(3) == 0 ? " " : "";
    const auto kind = rng.below(4) == 0 ? rng.below(letters.size()) : 0;
    for (auto length = 1 + rng.below(7); length > 0; --length) {
      const auto& from = letters[rng.below(8) == 0 ? rng.below(letters.size()) : kind];
      token += rng.below(40) == 0 ? "\xC3\xA9" : std::string(1, from[rng.below(from.size())]);
    }
    tokens.push_back(rng.below(20) == 0 ? tokens[rng.below(tokens.size())] : token);
  }
  return tokens;
}

/// Without most of the bytes.
std::vector<std::string> without_bytes(std::vector<std::string> tokens) {
  for (std::size_t id = 0; id < 256; ++id) {
    const auto byte = static_cast<unsigned char>(tokens[id][0]);
    if (byte >= 0x80 || (byte >= 'f' && byte < 'z')) {
      tokens[id].clear();
    }
  }
  return tokens;
}

std::vector<Constraint> constraints() {
  std::vector<Constraint> all;
  for (
      const char* schema : {
          "{}",
          R"({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 130}, "tags": {"type": "array", "items": {"type": "string", "maxLength": 9}}}, "required": ["name", "age"]})",
          R"({"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}, "mail": {"type": "string", "format": "email"}, "score": {"type": "number", "minimum": 0, "maximum": 1}}, "required": ["id", "mail"]})",
          R"({"type": "object", "additionalProperties": {"type": "string", "maxLength": 30}})",
          R"({"type": "array", "items": {"type": "string", "format": "hostname"}})",
          R"({"type": "array", "items": {"type": "string", "format": "uri"}})",
          R"({"type": "array", "items": {"type": "string", "format": "ipv6"}})",
          R"({"type": "array", "items": {"type": "string", "format": "date-time"}})",
          R"({"type": "array", "items": {"type": "string", "pattern": "foo.*bar"}})",
          R"({"type": "array", "items": {"type": "string", "pattern": "^[A-Z][a-z]+( [A-Z][a-z]+)*$"}})",
          R"({"type": "array", "items": {"anyOf": [{"type": "string", "format": "email"}, {"type": "string", "pattern": "^(a|b|ab)*c$"}]}})",
          R"({"type": "object", "patternProperties": {"^x_": {"type": "string"}, "^n_": {"type": "number"}}, "additionalProperties": false})",
          R"({"$defs": {"node": {"type": "object", "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}}, "required": ["value"]}}, "$ref": "#/$defs/node"})",
      }) {
    all.push_back(Constraint::json_schema(schema));
  }
  for (const char* pattern : {"(\\w+ ?)+\\.", "(.{3}|[a-d]{5}\"?)+", "([A-Z][a-z]*[ ,.]){1,50}", ".{0,300}a.{0,300}",
                              "(.*foo.*|.*bar.*)", "(a|ab|abc|b|bc|c|d|de|e){0,60}", "[^b]*b[^c]*c.*",
                              "[a-m0-9]{2,40}-(x|[n-z]+[0-9]?)*", "([a-z]{3}|[b-y][a-z])+Z"}) {
    all.push_back(Constraint::regex(pattern));
  }
  for (const char* grammar :
       {"root ::= s\ns ::= \"(\" s \")\" s | [a-z]*",
        "root ::= w (\" \" w)* \".\"\nw ::= [a-zA-Z]+ | [0-9]+ | [a-z]+ \"-\" [a-z]+ | \"\\\"\" [^\"]* \"\\\"\"",
        "root ::= l+\nl ::= [^\\n]* \"\\n\" | \"# \" [^\\n]* \"\\n\" | \"- \" [^\\n]* \"\\n\"",
        "root ::= p{0,9}\np ::= \"(\" root \")\" | \"ab\" | \"a\" | \"ba\" | [^()]",
        "root ::= a \"1\" | b \"2\"\na ::= \"[\" x \"]\" [a-f]*\nb ::= \"<\" x \">\" [a-z]*\nx ::= [a-z]* | \"(\" x "
        "\")\" "
        "[0-9a-z]*"}) {
    all.push_back(Constraint::grammar(grammar));
  }
  return all;
}

/// The mask of what each token by itself leads to.
Mask one_by_one(Automaton& automaton, const Vocabulary& vocabulary, const std::string& begun, Distance most) {
  auto start = automaton.start();
  for (const char c : begun) {
    start = automaton.step(start, static_cast<uint8_t>(c));
  }
  Mask mask(vocabulary.size());
  for (std::size_t id = 0; id < vocabulary.size(); ++id) {
    auto position = start;
    for (const char c : vocabulary.token(id)) {
      position = automaton.step(position, static_cast<uint8_t>(c));
    }
    const bool allowed = !vocabulary.token(id).empty() && position != Automaton::kDead;
    if (allowed && automaton.distance(position) <= most) {
      mask.set(id);
      mask.farthest = std::max(mask.farthest, automaton.distance(position));
    }
  }
  return mask;
}

TEST(ConstraintMasks, AreWhatEachTokenByItselfLeadsTo) {
  const std::vector<std::shared_ptr<const Vocabulary>> vocabularies = {
      std::make_shared<const Vocabulary>(words(1, 1200)),
      std::make_shared<const Vocabulary>(test::crossing_tokens(9, 700)),
      std::make_shared<const Vocabulary>(without_bytes(words(2, 900)))};
  Rng rng(8);
  std::size_t compared = 0;
  std::size_t full = 0;
  for (const auto& constraint : constraints()) {
    LanguageSampler sampler(constraint.network());
    for (const auto& vocabulary : vocabularies) {
      Masks masks(constraint.network(), vocabulary);
      Automaton automaton(constraint.network(), find_distances(*constraint.network(), *vocabulary));
      for (int i = 0; i < 5; ++i) {
        const auto text = sampler.draw(rng, 50);
        std::set<std::size_t> ends = {0, text.size()};
        for (int j = 0; j < 5; ++j) {
          ends.insert(rng.below(text.size() + 1));
        }
        for (const auto end : ends) {
          const auto begun = text.substr(0, end);
          const auto position = masks.walk(masks.automaton().start(), begun);
          if (position == Automaton::kDead) {
            continue;  // this vocabulary cannot write the rest of it
          }
          const auto distance = masks.automaton().distance(position);
          for (const auto most : {kNoWay, distance, distance + 1 + static_cast<Distance>(rng.below(4))}) {
            const auto fast = masks.within(position, most);
            const auto plain = one_by_one(automaton, *vocabulary, begun, most);
            ASSERT_EQ(fast.bits, plain.bits) << begun;
            ASSERT_EQ(fast.farthest, plain.farthest) << begun;
            ++compared;
            full += std::count_if(plain.bits.begin(), plain.bits.end(), [](auto word) { return word != 0; }) > 12;
          }
        }
      }
    }
  }
  EXPECT_GT(compared, 3000U);
  EXPECT_GT(full, 500U);  // many tokens at once, not just a few
}

// However a text came to a position, it is the same one: else nothing that is kept by position would be found again.
TEST(ConstraintPositions, AreEachThereOnce) {
  const auto network = Constraint::regex("((ax|bx|acx|(?:a|c|ac)?(?:x|cx)){0,60}y){0,60}").network();
  Automaton automaton(network, find_distances(*network, Vocabulary::bytes()));
  // All positions between two parts, by a way of its own for each round: the later ones find what the first one made.
  const auto walk = [&](const char* part) {
    std::vector<Automaton::Position> met;
    auto line = automaton.start();
    for (int i = 0; i < 60; ++i) {
      auto position = line;
      for (int j = 0; j < 60; ++j) {
        for (const char* c = part; *c != '\0'; ++c) {
          position = automaton.step(position, static_cast<uint8_t>(*c));
        }
        met.push_back(position);
      }
      line = automaton.step(line, 'y');
    }
    return met;
  };
  const auto first = walk("bx");
  EXPECT_EQ(std::set<Automaton::Position>(first.begin(), first.end()).size(), 3600U);
  EXPECT_EQ(walk("cx"), first);
  EXPECT_EQ(walk("acx"), first);
  EXPECT_EQ(automaton.step(Automaton::kDead, 'a'), Automaton::kDead);
}

TEST(ConstraintMasks, TellBytesApartWhereTheyLeadElsewhereAndNowhereElse) {
  // Within the text that the quotes hold, small letters are one kind, whatever the words before and after tell apart.
  const auto network =
      Constraint::grammar("root ::= (\"name\" | \"age\") \"\\\"\" t \"\\\"\" [ab]\nt ::= ([a-z] | \"-\" [a-z])+")
          .network();
  const auto regions = find_regions(*network, 4);
  ASSERT_EQ(regions.size(), 1U);
  const auto& kinds = regions[0].kinds.of;
  for (char c = 'a'; c <= 'z'; ++c) {
    EXPECT_EQ(kinds[static_cast<uint8_t>(c)], kinds['a']) << c;
  }
  EXPECT_NE(kinds['-'], kinds['a']);
  for (const char c : {'A', ' ', '0', '"', '\\', '\n'}) {
    EXPECT_EQ(kinds[static_cast<uint8_t>(c)], ByteKinds::kNowhere) << c;
  }
  EXPECT_FALSE(regions[0].holds[network->start(0)] != 0) << "there, letters are told apart";
  const auto everywhere = kinds_everywhere(*network);
  ASSERT_TRUE(everywhere.has_value());
  EXPECT_NE(everywhere->of['n'], everywhere->of['a']);
  EXPECT_NE(everywhere->of['b'], everywhere->of['z']);
  EXPECT_EQ(everywhere->of['x'], everywhere->of['z']);
  EXPECT_NE(everywhere->of['"'], everywhere->of['z']);
  EXPECT_EQ(everywhere->of['A'], ByteKinds::kNowhere);
  // Where what comes back from a call tells letters apart, they are told apart within it.
  const auto called =
      Constraint::grammar(
          "root ::= \"(\" t \")\" | \"[\" t \"]\" | \"1\" t [a-f]* \"2\"\nt ::= \"{\" t \"}\" | [a-z]{3}")
          .network();
  const auto within = find_regions(*called, 4);
  ASSERT_FALSE(within.empty());
  for (const auto& region : within) {
    EXPECT_NE(region.kinds.of['a'], region.kinds.of['z']);
    EXPECT_EQ(region.kinds.of['a'], region.kinds.of['f']);
  }
}

TEST(ConstraintMasks, TokensOfTheSameKindsAreOneWay) {
  const Vocabulary vocabulary({"a", "b", "ab", "ba", "zz", "a1", "c1", "", "11", "a-", "ab", "abc\"", "aAb"});
  ByteKinds kinds;
  kinds.of.fill(ByteKinds::kNowhere);
  std::fill(&kinds.of['a'], &kinds.of['z'] + 1, uint16_t{0});
  kinds.of['1'] = 1;
  kinds.of['-'] = 2;
  kinds.count = 3;
  const std::vector<uint64_t> wanted = {~uint64_t{0} & ~(uint64_t{1} << 8U)};  // without "11"
  const MergedTree tree(vocabulary, vocabulary.all(), kinds, wanted);
  const auto& nodes = tree.nodes();
  // The root; a letter, two letters, a letter and "1", a letter and "-".
  ASSERT_EQ(nodes.size(), 5U);
  EXPECT_EQ(nodes[0].end, 5U);
  EXPECT_EQ(nodes[1].end, 5U);
  const auto tokens = [&](std::size_t node) {
    std::vector<uint64_t> bits = {0};
    tree.add_tokens(nodes[node], bits);
    return bits[0];
  };
  const auto bits_of = [](std::initializer_list<unsigned> ids) {
    uint64_t bits = 0;
    for (const auto id : ids) {
      bits |= uint64_t{1} << id;
    }
    return bits;
  };
  std::set<std::pair<unsigned, uint64_t>> found;
  for (std::size_t node = 1; node < nodes.size(); ++node) {
    found.emplace(nodes[node].depth, tokens(node));
    EXPECT_EQ(nodes[node].end, node == 1 ? 5U : node + 1);
    EXPECT_TRUE(nodes[node].has_tokens());
  }
  EXPECT_EQ(found, (std::set<std::pair<unsigned, uint64_t>>{
                       {1, bits_of({0, 1})}, {2, bits_of({2, 3, 4, 10})}, {2, bits_of({5, 6})}, {2, bits_of({9})}}));
  // However many there are side by side.
  const auto& bytes = Vocabulary::bytes();
  for (std::size_t byte = 0; byte < 256; ++byte) {
    kinds.of[byte] = static_cast<uint16_t>(byte % 3);
  }
  const MergedTree wide(bytes, bytes.all(), kinds, std::vector<uint64_t>(4, ~uint64_t{0}));
  ASSERT_EQ(wide.nodes().size(), 4U);
  for (std::size_t kind = 0; kind < 3; ++kind) {
    std::vector<uint64_t> bits(4, 0);
    wide.add_tokens(wide.nodes()[kind + 1], bits);
    for (std::size_t byte = 0; byte < 256; ++byte) {
      EXPECT_EQ((bits[byte / 64] >> (byte % 64) & 1U) != 0, byte % 3 == kind);
    }
  }
}

}  // namespace
}  // namespace dstorch::text::constraint

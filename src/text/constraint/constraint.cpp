#include "dstorch/constraint.h"

#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/throw.h"
#include "text/constraint/automaton.h"
#include "text/constraint/effort.h"
#include "text/constraint/gbnf_parser.h"
#include "text/constraint/key_tracker.h"
#include "text/constraint/network.h"
#include "text/constraint/regex_parser.h"
#include "text/constraint/schema_compiler.h"

namespace dstorch {
namespace {

using text::constraint::Grammar;
using text::constraint::Network;

/// Constraints that are kept when nobody uses them.
constexpr std::size_t kMostKept = 64;

/// The last ones that were compiled, by what they were compiled from. Any thread.
class Compiled {
 public:
  template <typename Compile>
  std::shared_ptr<const Network> get(const std::string& content, Compile compile) {
    if (auto known = find(content)) {
      return known;
    }
    const text::constraint::EffortLimit limit;
    auto network = std::make_shared<const Network>(text::constraint::build_network(compile()));
    const std::lock_guard lock(mutex_);
    if (by_content_.contains(content)) {
      return by_content_[content]->second;  // another thread was faster
    }
    recent_.emplace_front(content, network);
    by_content_[content] = recent_.begin();
    if (recent_.size() > kMostKept) {
      by_content_.erase(recent_.back().first);
      recent_.pop_back();
    }
    return network;
  }

 private:
  std::shared_ptr<const Network> find(const std::string& content) {
    const std::lock_guard lock(mutex_);
    const auto known = by_content_.find(content);
    if (known == by_content_.end()) {
      return nullptr;
    }
    recent_.splice(recent_.begin(), recent_, known->second);
    return known->second->second;
  }

  using Entry = std::pair<std::string, std::shared_ptr<const Network>>;
  std::mutex mutex_;
  std::list<Entry> recent_;
  std::unordered_map<std::string, std::list<Entry>::iterator> by_content_;
};

Compiled& compiled() {
  static Compiled compiled;
  return compiled;
}

Grammar grammar_of(text::constraint::Expr root) {
  Grammar grammar;
  grammar.root = grammar.add("root", std::move(root));
  return grammar;
}

}  // namespace

Constraint Constraint::json_schema(std::string_view schema, WhiteSpace white_space) {
  const bool spaced = white_space == WhiteSpace::bounded;
  return Constraint(compiled().get((spaced ? "json " : "bare json ") + std::string(schema),
                                   [&] { return text::constraint::SchemaCompiler(schema, spaced).compile(); }));
}

Constraint Constraint::regex(std::string_view pattern) {
  return Constraint(compiled().get("regex " + std::string(pattern),
                                   [&] { return grammar_of(text::constraint::parse_whole_regex(pattern)); }));
}

Constraint Constraint::choice(std::span<const std::string> choices) {
  require(!choices.empty(), ErrorKind::invalid_argument, "a choice must be among one text at least, got none");
  std::string content = "choice";
  std::vector<text::constraint::Expr> texts;
  for (const auto& text : choices) {
    require(!text.empty(), ErrorKind::invalid_argument, "the texts of a choice must not be empty");
    content += " " + std::to_string(text.size()) + " " + text;
    texts.push_back(text::constraint::bytes(text));
  }
  return Constraint(compiled().get(content, [&] { return grammar_of(text::constraint::choice(std::move(texts))); }));
}

Constraint Constraint::grammar(std::string_view gbnf) {
  return Constraint(compiled().get("grammar " + std::string(gbnf), [&] { return text::constraint::parse_gbnf(gbnf); }));
}

bool Constraint::matches(std::string_view text) const {
  text::constraint::Automaton automaton(
      network_, text::constraint::find_distances(*network_, text::constraint::Vocabulary::bytes()));
  auto position = automaton.start();
  for (const char c : text) {
    position = automaton.step(position, static_cast<uint8_t>(c));
    if (position == text::constraint::Automaton::kDead) {
      return false;
    }
  }
  return automaton.accepts(position) &&
         !(network_->unique_keys() && text::constraint::KeyTracker().repeats_anywhere(text));
}

}  // namespace dstorch

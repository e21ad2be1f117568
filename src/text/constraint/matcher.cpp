#include "text/constraint/matcher.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/throw.h"
#include "text/utf8.h"

namespace dstorch::text::constraint {
namespace {

/// Bytes of forced text that are looked at together.
constexpr std::size_t kMostForced = 512;
/// Beginnings of keys that are followed at once where a new one is looked for.
constexpr std::size_t kMostBeginnings = 1024;

Distance distance_within(int64_t budget) { return static_cast<Distance>(std::clamp<int64_t>(budget, 0, kNoWay - 1)); }

/// Whether what comes next in a JSON string that begins so belongs to a `\` at its end.
bool is_escaping(std::string_view begun) {
  const auto last = begun.find_last_not_of('\\');
  return (begun.size() - (last == std::string_view::npos ? 0 : last + 1)) % 2 == 1;
}

}  // namespace

Matcher::Matcher(std::shared_ptr<Masks> masks, int64_t budget) : masks_(std::move(masks)), budget_(budget) {
  const auto lock = masks_->lock();
  auto& automaton = masks_->automaton();
  position_ = automaton.start();
  require(position_ != Automaton::kDead, ErrorKind::unsupported,
          "the constraint allows no answer that this model's vocabulary can write");
  const int64_t needed = automaton.distance(position_);
  require(needed <= budget, ErrorKind::invalid_argument,
          "the shortest answer that the constraint allows needs {} tokens, and max_tokens is {}; ask for at least {}",
          needed, budget, needed);
  if (automaton.network().unique_keys()) {
    keys_.emplace();
  }
}

bool Matcher::needs_preparation() const {
  if (mask_) {
    return false;
  }
  const auto lock = masks_->lock();
  return !masks_->knows(position_) || masks_->at(position_)->farthest > distance_within(budget_ - 1);
}

bool Matcher::complete() const {
  const auto lock = masks_->lock();
  return masks_->automaton().accepts(position_);
}

bool Matcher::ended() const {
  const auto lock = masks_->lock();
  return masks_->automaton().ends(position_);
}

std::span<const uint64_t> Matcher::allowed() {
  prepare();
  return mask_->bits;
}

bool Matcher::allows(int64_t token) {
  prepare();
  return token >= 0 && mask_->has(static_cast<std::size_t>(token));
}

void Matcher::prepare() {
  if (mask_) {
    return;
  }
  const auto lock = masks_->lock();
  mask_ = masks_->at(position_);
  owned_ = false;
  const auto left = distance_within(budget_ - 1);
  if (mask_->farthest > left) {
    mask_ = std::make_shared<Mask>(masks_->within(position_, left));
    owned_ = true;
  }
  if (keys_) {
    drop_repeated_keys();
    if (keys_->in_key() && mask_->empty()) {
      keep_way_to_new_key();
    }
  }
}

void Matcher::accept(int64_t token) {
  require(allows(token), ErrorKind::internal, "token {} is not allowed by the constraint", token);
  const auto text = masks_->vocabulary().token(static_cast<std::size_t>(token));
  {
    const auto lock = masks_->lock();
    position_ = masks_->walk(position_, text);
  }
  if (keys_) {
    keys_->push(text);
  }
  --budget_;
  mask_.reset();
}

Mask& Matcher::own() {
  if (!owned_) {
    mask_ = std::make_shared<Mask>(*mask_);
    owned_ = true;
  }
  return const_cast<Mask&>(*mask_);  // made here, and nobody else's
}

void Matcher::drop_below(uint32_t node) {
  const auto& nodes = masks_->vocabulary().all().nodes();
  for (auto at = node; at < nodes[node].end; ++at) {
    for (auto token = nodes[at].token; token >= 0; token = masks_->vocabulary().next_same(token)) {
      own().clear(static_cast<std::size_t>(token));
    }
  }
}

// Tokens that would end a key that is there, or come to where all keys are there that it could become.
void Matcher::drop_repeated_keys() {
  if (keys_->in_key()) {
    drop_begun_keys();
  }
  // Whole keys within one token; where few keys go on in some way, their beginnings too.
  const auto& vocabulary = masks_->vocabulary();
  auto& automaton = masks_->automaton();
  const bool narrow = automaton.network().narrow_keys();
  const auto& nodes = (narrow ? vocabulary.others() : vocabulary.quoted()).nodes();
  std::vector<Automaton::Position> path = {position_};
  std::string text;
  for (std::size_t i = 1; i < nodes.size();) {
    const auto& node = nodes[i];
    path.resize(node.depth);
    text.resize(node.depth - 1U);
    path.push_back(automaton.step(path.back(), node.byte));
    text += static_cast<char>(node.byte);
    bool drop = path.back() != Automaton::kDead && node.byte == '"' && keys_->repeats(text);
    if (narrow && path.back() != Automaton::kDead && !drop) {
      auto after = *keys_;
      after.push(text);
      drop = after.in_key() && !has_new_end(path.back(), after.used(), after.key());
    }
    if (drop) {
      uint32_t below = 0;
      for (const char c : text) {
        below = vocabulary.all().child(below, static_cast<uint8_t>(c));
      }
      drop_below(below);
    }
    i = drop || path.back() == Automaton::kDead ? node.end : i + 1;
  }
}

void Matcher::drop_begun_keys() {
  const auto& tree = masks_->vocabulary().all();
  auto& automaton = masks_->automaton();
  const bool narrow = automaton.network().narrow_keys();
  const auto begun = keys_->key();
  const auto& used = keys_->used();
  for (auto key = used.lower_bound(begun); key != used.end() && key->starts_with(begun); ++key) {
    uint32_t node = 0;
    auto position = position_;
    for (std::size_t at = begun.size(); at <= key->size(); ++at) {
      const bool ends = at == key->size();
      const auto byte = static_cast<uint8_t>(ends ? '"' : (*key)[at]);
      node = tree.child(node, byte);
      position = automaton.step(position, byte);
      if (node == 0 || position == Automaton::kDead) {
        break;
      }
      if (ends || (narrow && !has_new_end(position, used, key->substr(0, at + 1)))) {
        drop_below(node);
        break;
      }
    }
  }
}

// Whether a key that begins so, and is at `position` after that, can become one that is not among `used`: it can if it
// has more ends than there are such keys.
bool Matcher::has_new_end(Automaton::Position position, const KeyTracker::Keys& used, const std::string& begun) {
  std::size_t taken = 0;
  for (auto key = used.lower_bound(begun); key != used.end() && key->starts_with(begun); ++key) {
    ++taken;
  }
  struct Open {
    Automaton::Position position;
    bool escaped;
  };
  auto& automaton = masks_->automaton();
  std::vector<Open> open = {{position, is_escaping(begun)}};
  std::size_t ended = 0;
  while (!open.empty() && ended + open.size() <= taken) {
    std::vector<Open> longer;
    for (const auto& [at, escaped] : open) {
      for (int byte = 0; byte < 256 && ended + longer.size() <= taken; ++byte) {
        const auto next = automaton.step(at, static_cast<uint8_t>(byte));
        if (next == Automaton::kDead) {
          continue;
        }
        if (byte == '"' && !escaped) {
          ++ended;
        } else {
          longer.push_back({next, byte == '\\' && !escaped});
        }
      }
    }
    open = std::move(longer);
  }
  return ended + open.size() > taken;
}

// Close to the end of the budget the short keys may all be taken. What was reserved for this is spent on the shortest
// new one, byte by byte.
void Matcher::keep_way_to_new_key() {
  auto& automaton = masks_->automaton();
  struct Begun {
    Automaton::Position position;
    std::string text;
  };
  std::vector<Begun> begun = {{position_, ""}};
  for (Distance length = 0; length < kNoWay && !begun.empty(); ++length) {
    std::vector<Begun> longer;
    for (const auto& [position, text] : begun) {
      const auto closed = automaton.step(position, '"');
      if (closed != Automaton::kDead && !keys_->repeats(text + '"') &&
          automaton.distance(closed) + length + 1 <= distance_within(budget_)) {
        const auto next = text.empty() ? '"' : text.front();
        own().set(static_cast<std::size_t>(
            masks_->vocabulary().all().nodes()[masks_->vocabulary().all().child(0, static_cast<uint8_t>(next))].token));
        return;
      }
      for (int byte = 0; byte < 256 && longer.size() < kMostBeginnings; ++byte) {
        const auto next = automaton.step(position, static_cast<uint8_t>(byte));
        if (byte != '"' && next != Automaton::kDead && masks_->vocabulary().has_byte(static_cast<uint8_t>(byte))) {
          longer.push_back({next, text + static_cast<char>(byte)});
        }
      }
    }
    begun = length < static_cast<Distance>(budget_) ? std::move(longer) : std::vector<Begun>();
  }
}

std::string Matcher::forced_text(Automaton::Position& end) {
  std::string text;
  end = position_;
  std::vector<Automaton::Position> path;
  while (text.size() < kMostForced) {
    const auto byte = masks_->automaton().forced(end);
    if (!byte) {
      break;
    }
    path.push_back(end);
    end = masks_->automaton().step(end, *byte);
    text += static_cast<char>(*byte);
  }
  // Tokenizers take whole characters.
  while (!text.empty() && !is_valid_utf8(text)) {
    text.pop_back();
    end = path[text.size()];
  }
  return text;
}

// Whether a token may come that begins with `tail` and goes on after it.
bool Matcher::may_grow(std::string_view tail, Automaton::Position end) {
  const auto& tree = masks_->vocabulary().all();
  uint32_t node = 0;
  for (const char c : tail) {
    node = tree.child(node, static_cast<uint8_t>(c));
    if (node == 0) {
      return false;
    }
  }
  const auto& nodes = tree.nodes();
  std::vector<Automaton::Position> path = {end};
  for (auto i = node + 1; i < nodes[node].end;) {
    path.resize(nodes[i].depth - tail.size());
    path.push_back(masks_->automaton().step(path.back(), nodes[i].byte));
    if (path.back() == Automaton::kDead) {
      i = nodes[i].end;
    } else if (nodes[i].token >= 0) {
      return true;
    } else {
      ++i;
    }
  }
  return false;
}

int64_t Matcher::may_follow(std::span<const int64_t> tokens) const {
  const auto lock = masks_->lock();
  auto position = position_;
  int64_t count = 0;
  for (const auto id : tokens) {
    const auto text = id < 0 ? std::string_view() : masks_->vocabulary().token(static_cast<std::size_t>(id));
    position = text.empty() ? Automaton::kDead : masks_->walk(position, text);
    const auto left = budget_ - count - 1;
    if (position == Automaton::kDead || left < 0 || masks_->automaton().distance(position) > distance_within(left)) {
      break;
    }
    ++count;
  }
  return count;
}

std::vector<int64_t> Matcher::forced(const Tokenizer& tokenizer, std::string_view before) {
  const auto lock = masks_->lock();
  auto end = position_;
  const auto text = forced_text(end);
  if (text.empty()) {
    return {};
  }
  // From a character's beginning on.
  while (!before.empty() && (static_cast<unsigned char>(before.front()) & 0xC0U) == 0x80U) {
    before.remove_prefix(1);
  }
  if (!is_valid_utf8(before)) {
    return {};
  }
  auto tokens =
      tokenizer.encode(std::string(before) + text, {.add_special_tokens = false, .parse_special_tokens = false});
  // The tokens at the end that are just the forced text; none where a token reaches into what is before.
  std::size_t first = tokens.size();
  std::size_t begin = text.size();
  while (first > 0 && begin > 0) {
    const auto token = masks_->vocabulary().token(static_cast<std::size_t>(tokens[first - 1]));
    if (token.empty() || token.size() > begin || text.compare(begin - token.size(), token.size(), token) != 0) {
      return {};
    }
    begin -= token.size();
    --first;
  }
  if (begin > 0) {
    return {};
  }
  tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(first));
  std::vector<int64_t> sure;
  auto position = position_;
  for (const auto id : tokens) {
    const auto token = masks_->vocabulary().token(static_cast<std::size_t>(id));
    position = masks_->walk(position, token);
    const auto left = budget_ - static_cast<int64_t>(sure.size()) - 1;
    if (may_grow(std::string_view(text).substr(begin), end) || left < 0 ||
        masks_->automaton().distance(position) > distance_within(left)) {
      break;
    }
    begin += token.size();
    sure.push_back(id);
  }
  return sure;
}

}  // namespace dstorch::text::constraint

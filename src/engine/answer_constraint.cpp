#include "engine/answer_constraint.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/throw.h"

namespace dstorch::engine {
namespace {

constexpr std::size_t kMostKept = 16;
/// When the states and masks of one constraint take more bytes than this, the next answer starts with new ones.
constexpr std::size_t kMostMemory = std::size_t{128} << 20U;
/// How many tokens before a forced text are encoded together with it, since they decide how it is cut into tokens.
constexpr std::size_t kTokensBefore = 8;

constexpr float kNever = -std::numeric_limits<float>::infinity();

}  // namespace

AnswerConstraint::AnswerConstraint(text::constraint::Matcher matcher, std::shared_ptr<text::constraint::Masks> masks,
                                   std::shared_ptr<const Tokenizer> tokenizer, std::set<int64_t> end_tokens)
    : matcher_(std::move(matcher)),
      masks_(std::move(masks)),
      tokenizer_(std::move(tokenizer)),
      end_tokens_(std::move(end_tokens)) {}

void AnswerConstraint::prepare(std::span<const int64_t> ahead) {
  matcher_.prepare();
  if (ahead.empty()) {
    return;
  }
  auto matcher = matcher_;
  for (const auto token : ahead) {
    if (!matcher.allows(token)) {
      break;
    }
    matcher.accept(token);
    matcher.prepare();
  }
}

void AnswerConstraint::apply(std::span<float> logits) {
  const auto bits = matcher_.allowed();
  const bool complete = matcher_.complete();
  std::vector<std::pair<std::size_t, float>> ends;
  for (const auto token : end_tokens_) {
    if (token < std::ssize(logits)) {
      ends.emplace_back(token, complete ? logits[static_cast<std::size_t>(token)] : kNever);
      logits[static_cast<std::size_t>(token)] = kNever;
    }
  }
  bool any = std::any_of(ends.begin(), ends.end(), [](const auto& end) { return end.second > kNever; });
  for (std::size_t first = 0; first < logits.size(); first += 64) {
    const auto word = first / 64 < bits.size() ? bits[first / 64] : 0;
    const auto part = logits.subspan(first, std::min<std::size_t>(64, logits.size() - first));
    if (word == 0) {
      std::fill(part.begin(), part.end(), kNever);
      continue;
    }
    if (any && word == ~uint64_t{0}) {
      continue;
    }
    for (std::size_t i = 0; i < part.size(); ++i) {
      part[i] = (word >> i & 1U) != 0 ? part[i] : kNever;
      any = any || part[i] > kNever;
    }
  }
  for (std::size_t i = 0; i < logits.size() && !any; ++i) {
    const bool may = i / 64 < bits.size() && (bits[i / 64] >> (i % 64) & 1U) != 0;
    logits[i] = may ? 0 : kNever;
  }
  for (const auto& [token, logit] : ends) {
    logits[token] = any || !complete ? logit : 0;
  }
}

void AnswerConstraint::accept(int64_t token) {
  if (!end_tokens_.contains(token)) {
    matcher_.accept(token);
  }
}

bool AnswerConstraint::over() {
  if (!matcher_.complete()) {
    return false;
  }
  if (matcher_.ended()) {
    return true;
  }
  // Without an end token to choose, an answer that cannot go on within its budget ends here.
  const auto bits = matcher_.allowed();
  return end_tokens_.empty() && std::all_of(bits.begin(), bits.end(), [](uint64_t word) { return word == 0; });
}

std::vector<int64_t> AnswerConstraint::forced(std::span<const int64_t> tokens) {
  std::string before;
  for (std::size_t i = 0; i < std::min(kTokensBefore, tokens.size()); ++i) {
    const auto bytes = bytes_of(tokens[tokens.size() - 1 - i]);
    if (bytes.empty()) {
      break;  // a special token: nothing before it matters
    }
    before.insert(0, bytes);
  }
  return matcher_.forced(*tokenizer_, before);
}

std::string_view AnswerConstraint::bytes_of(int64_t token) const {
  return masks_->vocabulary().token(static_cast<std::size_t>(token));
}

std::shared_ptr<AnswerConstraint> ConstraintStore::make(const Constraint& constraint, int64_t budget,
                                                        std::set<int64_t> end_tokens) {
  auto masks = masks_of(constraint);
  text::constraint::Matcher matcher(masks, budget);
  return std::make_shared<AnswerConstraint>(std::move(matcher), std::move(masks), tokenizer_, std::move(end_tokens));
}

int64_t ConstraintStore::tokens_needed(const Constraint& constraint) {
  const auto masks = masks_of(constraint);
  const auto lock = masks->lock();
  auto& automaton = masks->automaton();
  return automaton.start() == text::constraint::Automaton::kDead ? 0 : automaton.distance(automaton.start());
}

std::shared_ptr<text::constraint::Masks> ConstraintStore::masks_of(const Constraint& constraint) {
  require(tokenizer_ != nullptr, ErrorKind::unsupported,
          "a constraint is of an answer's text, and this model has no tokenizer; the model's directory must hold one");
  const std::lock_guard lock(mutex_);
  if (!vocabulary_) {
    auto tokens = text::constraint::bytes_of_tokens(*tokenizer_);
    if (vocab_size_ > 0 && static_cast<int64_t>(tokens.size()) > vocab_size_) {
      tokens.resize(static_cast<std::size_t>(vocab_size_));
    }
    for (const auto token : end_tokens_) {
      if (token < std::ssize(tokens)) {
        tokens[static_cast<std::size_t>(token)].clear();
      }
    }
    vocabulary_ = std::make_shared<const text::constraint::Vocabulary>(std::move(tokens));
  }
  const auto known = std::find_if(recent_.begin(), recent_.end(),
                                  [&](const Kept& kept) { return kept.constraint.network() == constraint.network(); });
  if (known != recent_.end()) {
    recent_.splice(recent_.begin(), recent_, known);
    const auto held = known->masks->lock();
    if (known->masks->memory() <= kMostMemory) {
      return known->masks;
    }
  }
  auto masks = std::make_shared<text::constraint::Masks>(constraint.network(), vocabulary_);
  if (known != recent_.end()) {
    known->masks = masks;
  } else {
    recent_.push_front({constraint, masks});
  }
  if (recent_.size() > kMostKept) {
    recent_.pop_back();
  }
  return masks;
}

}  // namespace dstorch::engine

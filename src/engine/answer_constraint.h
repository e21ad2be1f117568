#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "dstorch/constraint.h"
#include "dstorch/tokenizer.h"
#include "text/constraint/matcher.h"

namespace dstorch::engine {

/// The constraint of one answer: which tokens may come next, the end tokens among them once the text is complete. One
/// thread at a time.
class AnswerConstraint {
 public:
  /// `end_tokens`: none where they are ignored.
  AnswerConstraint(text::constraint::Matcher matcher, std::shared_ptr<text::constraint::Masks> masks,
                   std::shared_ptr<const Tokenizer> tokenizer, std::set<int64_t> end_tokens);

  [[nodiscard]] bool needs_preparation() const { return matcher_.needs_preparation(); }
  /// For the next token, and for those after each of `ahead`, should they come.
  void prepare(std::span<const int64_t> ahead);
  /// So many of `tokens` may come, one after the other, as far as the text and its length say; a key that an object has
  /// already is among them.
  [[nodiscard]] int64_t may_follow(std::span<const int64_t> tokens) const { return matcher_.may_follow(tokens); }
  /// logits [vocab]: -infinity for what may not come. Where nothing that may is left of them, all that may is equally
  /// likely: an answer can always be completed.
  void apply(std::span<float> logits);
  void accept(int64_t token);
  /// The answer is complete, and nothing can follow it but an end.
  [[nodiscard]] bool over();
  /// What must come next after `tokens`, prompt and answer; may be empty.
  std::vector<int64_t> forced(std::span<const int64_t> tokens);
  [[nodiscard]] std::string_view bytes_of(int64_t token) const;

 private:
  text::constraint::Matcher matcher_;
  std::shared_ptr<text::constraint::Masks> masks_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::set<int64_t> end_tokens_;
};

/// What is made once for a model's vocabulary, and once for each of the last constraints with it. Any thread.
class ConstraintStore {
 public:
  /// `vocab_size`: the model's, 0 where it is not known.
  ConstraintStore(std::shared_ptr<const Tokenizer> tokenizer, std::set<int64_t> end_tokens, int64_t vocab_size)
      : tokenizer_(std::move(tokenizer)), end_tokens_(std::move(end_tokens)), vocab_size_(vocab_size) {}

  /// Throws LMError: unsupported without a tokenizer; as Matcher does.
  std::shared_ptr<AnswerConstraint> make(const Constraint& constraint, int64_t budget, std::set<int64_t> end_tokens);
  /// Tokens that the shortest answer needs. Throws as `make`.
  int64_t tokens_needed(const Constraint& constraint);

 private:
  std::shared_ptr<text::constraint::Masks> masks_of(const Constraint& constraint);

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::set<int64_t> end_tokens_;
  int64_t vocab_size_;
  std::mutex mutex_;
  std::shared_ptr<const text::constraint::Vocabulary> vocabulary_;
  struct Kept {
    Constraint constraint;
    std::shared_ptr<text::constraint::Masks> masks;
  };
  std::list<Kept> recent_;  // the last one first
};

}  // namespace dstorch::engine

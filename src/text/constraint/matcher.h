#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dstorch/tokenizer.h"
#include "text/constraint/key_tracker.h"
#include "text/constraint/masks.h"

namespace dstorch::text::constraint {

/// Follows one answer token by token, and says which tokens may come next: those after which the answer can be
/// completed with the tokens that are left. Copies go their own ways. One thread at a time; several matchers may share
/// their masks.
class Matcher {
 public:
  /// `budget`: the most tokens of the answer. Throws LMError: invalid_argument where the shortest answer needs more of
  /// them, with their number; unsupported where the vocabulary cannot write any answer.
  Matcher(std::shared_ptr<Masks> masks, int64_t budget);

  /// Makes the mask for the next token, unless it is there.
  void prepare();
  /// Whether `prepare` has something to do that takes long.
  [[nodiscard]] bool needs_preparation() const;
  /// One bit for each token of the vocabulary that may come next. Prepares.
  std::span<const uint64_t> allowed();
  [[nodiscard]] bool allows(int64_t token);
  /// The text is complete: the answer may end here.
  [[nodiscard]] bool complete() const;
  /// It is, and nothing can follow it.
  [[nodiscard]] bool ended() const;
  /// `token` comes next. It must be allowed.
  void accept(int64_t token);
  /// The tokens that must come next, whatever the model says: the text that is forced, cut as `tokenizer` cuts it where
  /// it goes on after `before`, bytes of what is there already. Tokens are left out at the end where what is not forced
  /// yet could become part of them.
  std::vector<int64_t> forced(const Tokenizer& tokenizer, std::string_view before);
  /// So many of `tokens` may come, one after the other, but for keys that an object has already.
  [[nodiscard]] int64_t may_follow(std::span<const int64_t> tokens) const;
  /// Tokens that the answer may still have.
  [[nodiscard]] int64_t budget() const noexcept { return budget_; }

 private:
  void drop_repeated_keys();
  void drop_begun_keys();
  bool has_new_end(Automaton::Position position, const KeyTracker::Keys& used, const std::string& begun);
  void keep_way_to_new_key();
  void drop_below(uint32_t node);
  Mask& own();
  std::string forced_text(Automaton::Position& end);
  bool may_grow(std::string_view tail, Automaton::Position end);

  std::shared_ptr<Masks> masks_;
  Automaton::Position position_ = Automaton::kDead;
  int64_t budget_;
  std::optional<KeyTracker> keys_;
  std::shared_ptr<const Mask> mask_;  // of position_; null until prepared
  bool owned_ = false;                // nobody else has it
};

}  // namespace dstorch::text::constraint

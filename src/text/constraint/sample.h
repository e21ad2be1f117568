#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/rng.h"
#include "text/constraint/automaton.h"

namespace dstorch::text::constraint {

/// Draws texts of a constraint's language at random: at each byte any that can follow, until about `length` bytes are
/// there, then the shortest way to the end. One thread at a time.
class LanguageSampler {
 public:
  explicit LanguageSampler(const std::shared_ptr<const Network>& network);
  /// Throws LMError{unsupported} for an empty language.
  std::string draw(Rng& rng, std::size_t length);

 private:
  Automaton automaton_;
};

}  // namespace dstorch::text::constraint

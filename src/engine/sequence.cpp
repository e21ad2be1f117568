#include "engine/sequence.h"

#include <algorithm>

namespace dstorch::engine {

Sequence::Sequence(std::vector<int64_t> tokens, int64_t capacity)
    : tokens_(std::move(tokens)), capacity_(capacity), prompt_length_(static_cast<int64_t>(tokens_.size())) {
  tokens_.reserve(static_cast<std::size_t>(capacity));
}

int64_t Sequence::true_drafts() const noexcept {
  const auto since = tokens().subspan(static_cast<std::size_t>(drafted_at_));
  return std::mismatch(drafts_.begin(), drafts_.end(), since.begin(), since.end()).first - drafts_.begin();
}

}  // namespace dstorch::engine

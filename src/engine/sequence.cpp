#include "engine/sequence.h"

namespace dstorch::engine {

Sequence::Sequence(std::vector<int64_t> tokens, int64_t capacity)
    : tokens_(std::move(tokens)), capacity_(capacity), prompt_length_(static_cast<int64_t>(tokens_.size())) {
  tokens_.reserve(static_cast<std::size_t>(capacity));
}

}  // namespace dstorch::engine

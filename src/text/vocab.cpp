#include "text/vocab.h"

#include <algorithm>
#include <utility>

#include "core/throw.h"
#include "text/hash.h"

namespace dstorch::text {

std::size_t Vocab::slot_of(std::string_view token, uint64_t hash) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at].id != kNone) {
    const Slot& slot = slots_[at];
    if (slot.hash == static_cast<uint32_t>(hash >> 32U) && slot.length == token.size() &&
        std::string_view(pool_).substr(slot.offset, slot.length) == token) {
      break;
    }
    at = (at + 1) & mask;
  }
  return at;
}

void Vocab::grow() {
  std::vector<Slot> old(std::max<std::size_t>(1024, slots_.size() * 2));
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.id != kNone) {
      const std::string_view token = std::string_view(pool_).substr(slot.offset, slot.length);
      slots_[slot_of(token, hash_bytes(token))] = slot;
    }
  }
}

void Vocab::add(std::string_view token, int64_t id) {
  require(id >= 0 && id < kMaxId, ErrorKind::format, "token ids must be in [0, {}), got {}", kMaxId, id);
  require(pool_.size() + token.size() < UINT32_MAX / 2, ErrorKind::unsupported,
          "the vocabulary's text must be below 2 GB");
  if (entries_ * 2 >= slots_.size()) {
    grow();
  }
  const auto index = static_cast<uint32_t>(id);
  const uint64_t hash = hash_bytes(token);
  Slot& slot = slots_[slot_of(token, hash)];
  if (slot.id == kNone) {
    slot.offset = static_cast<uint32_t>(pool_.size());
    slot.length = static_cast<uint32_t>(token.size());
    slot.hash = static_cast<uint32_t>(hash >> 32U);
    pool_ += token;
    ++entries_;
    longest_ = std::max(longest_, token.size());
  }
  slot.id = index;
  if (index >= spans_.size()) {
    spans_.resize(std::size_t{index} + 1);
  }
  spans_[index].offset = slot.offset;
  spans_[index].length = slot.length & 0x7FFFFFFFU;
  spans_[index].known = 1;
}

uint32_t Vocab::find(std::string_view token) const noexcept {
  return slots_.empty() ? kNone : slots_[slot_of(token, hash_bytes(token))].id;
}

std::string_view Vocab::token(uint32_t id) const noexcept {
  return id < spans_.size() ? std::string_view(pool_).substr(spans_[id].offset, spans_[id].length) : std::string_view();
}

}  // namespace dstorch::text

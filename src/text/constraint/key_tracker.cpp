#include "text/constraint/key_tracker.h"

#include <algorithm>
#include <utility>

namespace dstorch::text::constraint {

void KeyTracker::push(std::string_view text) {
  for (const char c : text) {
    push(c);
  }
}

bool KeyTracker::repeats(std::string_view text) const {
  auto copy = *this;
  bool repeated = false;
  for (const char c : text) {
    repeated = copy.push(c);
  }
  return repeated;
}

bool KeyTracker::repeats_anywhere(std::string_view text) const {
  auto copy = *this;
  return std::any_of(text.begin(), text.end(), [&](char c) { return copy.push(c); });
}

const KeyTracker::Keys& KeyTracker::used() const {
  static const Keys none;
  return open_.empty() || !open_.back() ? none : *open_.back();
}

// True when `c` ends a key that was there.
bool KeyTracker::push(char c) {
  if (in_string_) {
    if (c == '"' && !escaped_) {
      in_string_ = false;
      if (!std::exchange(in_key_, false)) {
        return false;
      }
      auto keys = std::make_shared<Keys>(used());
      const bool repeated = !keys->insert(key_).second;
      open_.back() = std::move(keys);
      return repeated;
    }
    escaped_ = c == '\\' && !escaped_;
    if (in_key_) {
      key_ += c;
    }
    return false;
  }
  switch (c) {
    case '"':
      in_string_ = true;
      in_key_ = key_next_;
      key_.clear();
      break;
    case '{':
      open_.push_back(std::make_shared<Keys>());
      key_next_ = true;
      break;
    case '[':
      open_.emplace_back();
      key_next_ = false;
      break;
    case '}':
    case ']':
      if (!open_.empty()) {
        open_.pop_back();
      }
      key_next_ = false;
      break;
    case ',':
      key_next_ = !open_.empty() && open_.back() != nullptr;
      break;
    case ':':
      key_next_ = false;
      break;
    default:
      break;
  }
  return false;
}

}  // namespace dstorch::text::constraint

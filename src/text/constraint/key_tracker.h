#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dstorch::text::constraint {

/// Reads JSON as it is written, and remembers the keys of the objects that are open. The text must be JSON so far.
class KeyTracker {
 public:
  using Keys = std::set<std::string, std::less<>>;

  void push(std::string_view text);
  /// Whether `text`, if it came next, would end with a key that its object has already.
  [[nodiscard]] bool repeats(std::string_view text) const;
  /// Whether `text`, if it came next, would have a key twice in any of its objects.
  [[nodiscard]] bool repeats_anywhere(std::string_view text) const;
  /// Inside a key.
  [[nodiscard]] bool in_key() const noexcept { return in_key_; }
  /// What there is of it, as it is written.
  [[nodiscard]] const std::string& key() const noexcept { return key_; }
  /// Those of the innermost object before it.
  [[nodiscard]] const Keys& used() const;

 private:
  bool push(char c);

  // One for each object that is open, null for an array. Shared with copies until it changes.
  std::vector<std::shared_ptr<const Keys>> open_;
  bool in_string_ = false;
  bool escaped_ = false;
  bool in_key_ = false;
  bool key_next_ = false;
  std::string key_;
};

}  // namespace dstorch::text::constraint

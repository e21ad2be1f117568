#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/throw.h"

namespace dstorch::text {

/// The merges of a BPE model by rank, in one string: there are hundreds of thousands.
class MergeList {
 public:
  void add(std::string_view left, std::string_view right) {
    require(pool_.size() + left.size() + right.size() < UINT32_MAX, ErrorKind::unsupported,
            "the text of all merges must be below 4 GB");
    starts_.push_back(static_cast<uint32_t>(pool_.size()));
    pool_ += left;
    starts_.push_back(static_cast<uint32_t>(pool_.size()));
    pool_ += right;
  }
  /// "left right". Throws LMError{format} unless there is exactly one space.
  void add(std::string_view merge) {
    const std::size_t space = merge.find(' ');
    require(space != std::string_view::npos && merge.find(' ', space + 1) == std::string_view::npos, ErrorKind::format,
            "merge {} must be two tokens with a space between, got \"{}\"", size(), merge.substr(0, 80));
    add(merge.substr(0, space), merge.substr(space + 1));
  }

  [[nodiscard]] std::size_t size() const noexcept { return starts_.size() / 2; }
  [[nodiscard]] std::string_view left(std::size_t rank) const { return part(2 * rank); }
  [[nodiscard]] std::string_view right(std::size_t rank) const { return part(2 * rank + 1); }

 private:
  [[nodiscard]] std::string_view part(std::size_t index) const {
    const std::size_t end = index + 1 < starts_.size() ? starts_[index + 1] : pool_.size();
    return std::string_view(pool_).substr(starts_[index], end - starts_[index]);
  }

  std::string pool_;
  std::vector<uint32_t> starts_;
};

}  // namespace dstorch::text

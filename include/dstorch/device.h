#pragma once

#include <string>
#include <string_view>

namespace dstorch {

enum class DeviceType { cpu, cuda, webgl };

/// Where tensors live. Written and read as "cpu", "cuda", "cuda:N", "webgl".
struct Device {
  DeviceType type = DeviceType::cpu;
  /// Which of several; 0 unless said.
  int index = 0;

  /// Throws LMError{invalid_argument} that lists the known spellings.
  static Device parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
  /// Throws LMError{unsupported} that says what is missing, unless tensors can be made on it.
  void require_available() const;

  friend bool operator==(const Device&, const Device&) = default;
};

}  // namespace dstorch

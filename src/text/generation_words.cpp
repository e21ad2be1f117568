// What the values of generation options and results are called.
#include <array>
#include <utility>

#include "dstorch/generation.h"

namespace dstorch {
namespace {

constexpr std::array<std::pair<Speculation, std::string_view>, 4> kNames{{{Speculation::automatic, "automatic"},
                                                                          {Speculation::lookup, "lookup"},
                                                                          {Speculation::draft_model, "draft_model"},
                                                                          {Speculation::off, "off"}}};

}  // namespace

std::string_view to_string(FinishReason reason) noexcept {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::cancelled:
      return "cancelled";
  }
  return "unknown";
}

std::string_view to_string(Speculation speculation) noexcept {
  for (const auto& [value, name] : kNames) {
    if (value == speculation) {
      return name;
    }
  }
  return "unknown";
}

std::optional<Speculation> parse_speculation(std::string_view name) noexcept {
  for (const auto& [value, known] : kNames) {
    if (known == name) {
      return value;
    }
  }
  return std::nullopt;
}

}  // namespace dstorch

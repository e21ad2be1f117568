#include "driver/fingerprint.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <string_view>

#include "device/torch_types.h"
#include "engine/adapter_file.h"

namespace dstorch::driver {
namespace {

/// Of bytes, in four lanes of eight, so that it is as fast as memory is read. Not against people who look for two files
/// of one fingerprint.
class ContentHash {
 public:
  void add(std::span<const std::byte> bytes) {
    add_word(bytes.size());
    std::size_t at = 0;
    for (; at + sizeof(lanes_) <= bytes.size(); at += sizeof(lanes_)) {
      std::array<uint64_t, 4> words{};
      std::memcpy(words.data(), bytes.data() + at, sizeof(words));
      for (std::size_t i = 0; i < words.size(); ++i) {
        lanes_[i] = mixed(lanes_[i], words[i]);
      }
    }
    for (; at < bytes.size(); at += sizeof(uint64_t)) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, std::min(sizeof(word), bytes.size() - at));
      add_word(word);
    }
  }
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  void add(const at::Tensor& tensor) {
    const auto here = tensor.detach().to(at::kCPU).contiguous();
    add(fmt::format("{} {}", to_string(from_torch(here.scalar_type())), fmt::join(here.sizes(), ",")));
    add({static_cast<const std::byte*>(here.data_ptr()), here.nbytes()});
  }

  [[nodiscard]] std::string digits() const {
    auto first = kFirst;
    auto second = kSecond;
    for (const auto lane : lanes_) {
      first = finished(mixed(first, lane));
      second = finished(mixed(second, ~lane));
    }
    return fmt::format("{:016x}{:016x}", first, second);
  }

 private:
  // Odd: each step can be undone, so that no two words lead to the same lane.
  static constexpr uint64_t kFirst = 0x9E6C63D0876A9A35;
  static constexpr uint64_t kSecond = 0xC4CEB9FE1A85EC53;

  static uint64_t mixed(uint64_t lane, uint64_t word) { return std::rotl(lane ^ (word * kFirst), 27) * kSecond + 1; }
  static uint64_t finished(uint64_t word) {
    word ^= word >> 31U;
    word *= kFirst;
    return word ^ (word >> 29U);
  }
  void add_word(uint64_t word) {
    lanes_[next_] = mixed(lanes_[next_], word);
    next_ = (next_ + 1) % lanes_.size();
  }

  std::array<uint64_t, 4> lanes_{1, 2, 3, 4};
  std::size_t next_ = 0;
};

std::string of_weights(const models::LanguageModel& model) {
  ContentHash hash;
  for (const auto& parameter : model.named_parameters()) {
    hash.add(parameter.key());
    hash.add(parameter.value());
  }
  return hash.digits();
}

template <typename Layers>
void add_changes(ContentHash& hash, const Layers& layers, const nn::Adapter& adapter) {
  for (const auto& [name, layer] : layers) {
    if (const auto* change = adapter.find(*layer)) {
      hash.add(name);
      hash.add(change->a);
      hash.add(change->b);
      hash.add(fmt::format("{}", change->scale));
    }
  }
}

}  // namespace

std::string fingerprint(const LoadedModel& loaded, const nn::Adapter* adapter) {
  const auto& engine = *loaded.engine();
  ContentHash hash;
  hash.add(loaded.config_text);
  hash.add(loaded.once_of_weights([&] { return of_weights(engine.model()); }));
  hash.add(engine.device().str());
  hash.add(to_string(from_torch(engine.kv_dtype())));
  if (adapter != nullptr) {
    add_changes(hash, engine::linear_layers(engine.model()), *adapter);
    add_changes(hash, engine::embedding_tables(engine.model()), *adapter);
  }
  return hash.digits();
}

}  // namespace dstorch::driver

#include "text/constraint/sample.h"

#include <utility>
#include <vector>

#include "core/throw.h"
#include "text/constraint/key_tracker.h"

namespace dstorch::text::constraint {

LanguageSampler::LanguageSampler(const std::shared_ptr<const Network>& network)
    : automaton_(network, find_distances(*network, Vocabulary::bytes())) {}

std::string LanguageSampler::draw(Rng& rng, std::size_t length) {
  require(automaton_.start() != Automaton::kDead, ErrorKind::unsupported, "the constraint allows no text");
  const auto& network = automaton_.network();
  std::string text;
  KeyTracker keys;
  auto position = automaton_.start();
  while (true) {
    if (automaton_.accepts(position) && (automaton_.ends(position) || text.size() >= length || rng.below(4) == 0)) {
      return text;
    }
    const bool hurry = text.size() >= length;
    std::vector<std::vector<uint8_t>> by_class(network.byte_classes());
    for (unsigned byte = 0; byte < 256; ++byte) {
      const auto b = static_cast<uint8_t>(byte);
      const auto next = automaton_.step(position, b);
      const char c = static_cast<char>(b);
      if (next == Automaton::kDead || (network.unique_keys() && keys.repeats(std::string_view(&c, 1))) ||
          (hurry && !keys.in_key() && automaton_.distance(next) >= automaton_.distance(position))) {
        continue;
      }
      by_class[network.byte_class(b)].push_back(b);
    }
    std::erase_if(by_class, [](const auto& bytes) { return bytes.empty(); });
    require(!by_class.empty(), ErrorKind::internal, "a text of the constraint cannot be completed: {}", text);
    const auto& bytes = by_class[rng.below(by_class.size())];
    const auto byte = bytes[rng.below(bytes.size())];
    position = automaton_.step(position, byte);
    text += static_cast<char>(byte);
    if (network.unique_keys()) {
      keys.push(text.substr(text.size() - 1));
    }
  }
}

}  // namespace dstorch::text::constraint

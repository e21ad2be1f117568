#include "text/constraint/byte_kinds.h"

#include <algorithm>
#include <bitset>
#include <span>
#include <unordered_map>
#include <utility>

#include "text/constraint/vocabulary.h"

namespace dstorch::text::constraint {
namespace {

/// States and edges of a network past which it is not looked at: it takes about a microsecond for each.
constexpr std::size_t kMostLookedAt = 20'000;
/// Plain bytes that may come in a state of free text: more than the digits of a number have.
constexpr int kFree = 24;

/// Where bytes begin that an edge tells from the one before.
using Borders = std::bitset<257>;

bool leads_on(const Network::ByteEdge& edge) {
  for (int byte = edge.first; byte <= edge.last; ++byte) {
    if (is_plain(static_cast<uint8_t>(byte))) {
      return true;
    }
  }
  return false;
}

/// Which states plain bytes lead to from which, whatever is to be returned to: the states of a network, and after them
/// the ends of its rules.
class Steps {
 public:
  explicit Steps(const Network& network) : to_(network.size() + network.rules()) {
    const auto end_of = [&](uint32_t rule) { return network.size() + rule; };
    std::vector<uint32_t> seen(network.size(), UINT32_MAX);
    for (uint32_t rule = 0; rule < network.rules(); ++rule) {
      std::vector<uint32_t> open;
      const auto enter = [&](uint32_t state) {
        if (seen[state] != rule) {
          seen[state] = rule;
          open.push_back(state);
        }
      };
      enter(network.start(rule));
      while (!open.empty()) {
        const auto state = open.back();
        open.pop_back();
        for (const auto& edge : network.edges(state)) {
          enter(edge.target);
          if (leads_on(edge)) {
            to_[state].push_back(edge.target);
          }
        }
        for (const auto& call : network.calls(state)) {
          enter(call.target);
          to_[state].push_back(network.start(call.rule));
          to_[end_of(call.rule)].push_back(call.target);
        }
        if (network.final(state)) {
          to_[state].push_back(end_of(rule));
        }
      }
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return to_.size(); }
  [[nodiscard]] const std::vector<uint32_t>& from(uint32_t node) const noexcept { return to_[node]; }

 private:
  std::vector<std::vector<uint32_t>> to_;
};

/// For each state, the borders of all edges that may be met from it on.
std::vector<Borders> borders_ahead(const Network& network, const Steps& steps) {
  std::vector<Borders> borders(steps.size());
  std::vector<std::vector<uint32_t>> sources(steps.size());
  std::vector<uint32_t> open;
  for (uint32_t node = 0; node < steps.size(); ++node) {
    open.push_back(node);
    for (const auto next : steps.from(node)) {
      sources[next].push_back(node);
    }
    if (node < network.size()) {
      for (const auto& edge : network.edges(node)) {
        borders[node].set(edge.first);
        borders[node].set(std::size_t{edge.last} + 1);
      }
    }
  }
  std::vector<char> waits(steps.size(), 1);
  while (!open.empty()) {
    const auto node = open.back();
    open.pop_back();
    waits[node] = 0;
    for (const auto source : sources[node]) {
      const auto more = borders[source] | borders[node];
      if (more != borders[source]) {
        borders[source] = more;
        if (std::exchange(waits[source], 1) == 0) {
          open.push_back(source);
        }
      }
    }
  }
  return borders;
}

bool is_free(const Network& network, uint32_t state) {
  int bytes = 0;
  for (const auto& edge : network.edges(state)) {
    for (int byte = edge.first; byte <= edge.last; ++byte) {
      bytes += is_plain(static_cast<uint8_t>(byte)) ? 1 : 0;
    }
  }
  return bytes >= kFree;
}

/// Tells bytes apart, state by state. Two stay together as long as they lead to the same states in the same order.
class Refinement {
 public:
  explicit Refinement(const Borders& borders) {
    std::size_t parts = 0;
    for (std::size_t byte = 0; byte < part_of_.size(); ++byte) {
      parts += byte == 0 || borders[byte] ? 1 : 0;
      part_of_[byte] = parts - 1;
    }
    kind_.assign(parts, 0);
    lead_.assign(parts, 0);
    targets_.resize(parts);
  }

  void look_at(std::span<const Network::ByteEdge> edges) {
    for (auto& targets : targets_) {
      targets.clear();
    }
    for (const auto& edge : edges) {
      for (auto part = part_of_[edge.first]; part <= part_of_[edge.last]; ++part) {
        targets_[part].push_back(edge.target);
        lead_[part] = 1;
      }
    }
    const auto is_alike = [&](std::size_t part) { return targets_[part] == targets_[firsts_[kind_[part]]]; };
    std::size_t part = 0;
    while (part < kind_.size() && is_alike(part)) {
      ++part;
    }
    if (part < kind_.size()) {
      split();
    }
  }

  [[nodiscard]] ByteKinds kinds() const {
    ByteKinds kinds;
    for (std::size_t byte = 0; byte < kinds.of.size(); ++byte) {
      const auto part = part_of_[byte];
      kinds.of[byte] = lead_[part] != 0 ? kind_[part] : ByteKinds::kNowhere;
      kinds.count = std::max<uint16_t>(kinds.count, static_cast<uint16_t>(kind_[part] + 1));
    }
    return kinds;
  }

 private:
  // Parts of one kind stay so where they have the same targets, too.
  void split() {
    std::vector<uint16_t> kind(kind_.size(), 0);
    std::vector<std::size_t> firsts;
    for (std::size_t part = 0; part < kind_.size(); ++part) {
      const auto same = std::find_if(firsts.begin(), firsts.end(), [&](std::size_t first) {
        return kind_[first] == kind_[part] && targets_[first] == targets_[part];
      });
      kind[part] = static_cast<uint16_t>(same - firsts.begin());
      if (same == firsts.end()) {
        firsts.push_back(part);
      }
    }
    kind_ = std::move(kind);
    firsts_ = std::move(firsts);
  }

  std::array<std::size_t, 256> part_of_{};
  std::vector<uint16_t> kind_;                  // of each part, the bytes between two borders
  std::vector<std::size_t> firsts_ = {0};       // of each kind, its first part
  std::vector<char> lead_;                      // the part leads from some state to something
  std::vector<std::vector<uint32_t>> targets_;  // of each part in the state that is looked at
};

bool too_large(const Network& network) {
  std::size_t size = network.size();
  for (uint32_t state = 0; state < network.size() && size <= kMostLookedAt; ++state) {
    size += network.edges(state).size() + network.calls(state).size();
  }
  return size > kMostLookedAt;
}

ByteKinds kinds_of(const Network& network, const std::vector<char>& states) {
  Borders borders;
  const auto in_each = [&](auto look) {
    for (uint32_t state = 0; state < network.size(); ++state) {
      if (states[state] != 0) {
        look(network.edges(state));
      }
    }
  };
  in_each([&](std::span<const Network::ByteEdge> edges) {
    for (const auto& edge : edges) {
      borders.set(edge.first);
      borders.set(std::size_t{edge.last} + 1);
    }
  });
  Refinement refinement(borders);
  in_each([&](std::span<const Network::ByteEdge> edges) { refinement.look_at(edges); });
  return refinement.kinds();
}

Region region_from(const Network& network, const Steps& steps, std::vector<uint32_t> open) {
  Region region;
  region.holds.assign(steps.size(), 0);
  for (const auto state : open) {
    region.holds[state] = 1;
  }
  while (!open.empty()) {
    const auto node = open.back();
    open.pop_back();
    for (const auto next : steps.from(node)) {
      if (std::exchange(region.holds[next], 1) == 0) {
        open.push_back(next);
      }
    }
  }
  region.holds.resize(network.size());
  region.kinds = kinds_of(network, region.holds);
  for (int byte = 0; byte < 256; ++byte) {
    if (!is_plain(static_cast<uint8_t>(byte))) {
      region.kinds.of[static_cast<std::size_t>(byte)] = ByteKinds::kNowhere;
    }
  }
  return region;
}

}  // namespace

// States from which the same borders are met belong together: they are where the same texts go on. The region of all of
// them is for positions that are in several of these places at once.
std::vector<Region> find_regions(const Network& network, std::size_t most) {
  if (too_large(network)) {
    return {};
  }
  const Steps steps(network);
  const auto borders = borders_ahead(network, steps);
  std::unordered_map<Borders, std::size_t> alike;
  std::vector<std::vector<uint32_t>> seeds;
  for (uint32_t state = 0; state < network.size(); ++state) {
    if (is_free(network, state)) {
      const auto [known, added] = alike.try_emplace(borders[state], seeds.size());
      if (added) {
        seeds.emplace_back();
      }
      seeds[known->second].push_back(state);
    }
  }
  std::stable_sort(seeds.begin(), seeds.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  if (seeds.empty()) {
    return {};
  }
  std::vector<uint32_t> all;
  for (const auto& states : seeds) {
    all.insert(all.end(), states.begin(), states.end());
  }
  seeds.resize(std::min(seeds.size(), most - 1));
  seeds.push_back(std::move(all));
  std::vector<Region> regions;
  for (const auto& states : seeds) {
    auto region = region_from(network, steps, states);
    if (std::none_of(regions.begin(), regions.end(), [&](const Region& r) { return r.holds == region.holds; })) {
      regions.push_back(std::move(region));
    }
  }
  return regions;
}

std::optional<ByteKinds> kinds_everywhere(const Network& network) {
  if (too_large(network)) {
    return std::nullopt;
  }
  return kinds_of(network, std::vector<char>(network.size(), 1));
}

}  // namespace dstorch::text::constraint

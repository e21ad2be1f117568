#include "text/constraint/left_recursion.h"

#include <algorithm>
#include <set>

#include "core/throw.h"
#include "text/constraint/effort.h"

namespace dstorch::text::constraint {
namespace {

// Whether the rule of each state may end from there without a byte.
std::vector<char> find_nullable(const Network& network) {
  std::vector<char> nullable(network.size(), 0);
  for (bool changed = true; changed;) {
    changed = false;
    spend(network.size());
    for (uint32_t state = 0; state < network.size(); ++state) {
      if (nullable[state] != 0) {
        continue;
      }
      const auto calls = network.calls(state);
      if (network.final(state) || std::any_of(calls.begin(), calls.end(), [&](const auto& edge) {
            return nullable[network.start(edge.rule)] != 0 && nullable[edge.target] != 0;
          })) {
        nullable[state] = 1;
        changed = true;
      }
    }
  }
  return nullable;
}

}  // namespace

void check_left_recursion(const Network& network, const std::vector<std::string>& names) {
  const auto nullable = find_nullable(network);
  std::vector<std::set<uint32_t>> begins_with(network.rules());
  for (uint32_t rule = 0; rule < network.rules(); ++rule) {
    std::vector<uint32_t> open = {network.start(rule)};
    std::set<uint32_t> seen(open.begin(), open.end());
    while (!open.empty()) {
      const auto state = open.back();
      open.pop_back();
      spend(10 * static_cast<int64_t>(1 + network.calls(state).size()));
      for (const auto& edge : network.calls(state)) {
        begins_with[rule].insert(edge.rule);
        if (nullable[network.start(edge.rule)] != 0 && seen.insert(edge.target).second) {
          open.push_back(edge.target);
        }
      }
    }
  }
  // What begins with nothing is taken away, until nothing more can be: what is left is in a circle or leads to one.
  std::vector<uint32_t> missing(network.rules());
  std::vector<std::vector<uint32_t>> begun_by(network.rules());
  std::vector<uint32_t> open;
  for (uint32_t rule = 0; rule < network.rules(); ++rule) {
    missing[rule] = static_cast<uint32_t>(begins_with[rule].size());
    for (const auto used : begins_with[rule]) {
      begun_by[used].push_back(rule);
    }
    if (missing[rule] == 0) {
      open.push_back(rule);
    }
  }
  std::size_t taken = 0;
  for (; taken < open.size(); ++taken) {
    for (const auto user : begun_by[open[taken]]) {
      if (--missing[user] == 0) {
        open.push_back(user);
      }
    }
  }
  if (taken == network.rules()) {
    return;
  }
  auto rule = static_cast<uint32_t>(std::find_if(missing.begin(), missing.end(), [](auto n) { return n > 0; }) -
                                    missing.begin());
  for (uint32_t i = 0; i < network.rules(); ++i) {  // walks into the circle
    rule = *std::find_if(begins_with[rule].begin(), begins_with[rule].end(), [&](auto r) { return missing[r] > 0; });
  }
  fail(ErrorKind::unsupported,
       "the rule \"{}\" begins with itself (left recursion); write it as a repetition, or with itself at the end",
       names[rule]);
}

}  // namespace dstorch::text::constraint

#include "models/weight_names.h"

#include <algorithm>
#include <array>
#include <vector>

namespace dstorch::models {
namespace {

template <std::size_t count>
bool is_one_of(std::string_view part, const std::array<std::string_view, count>& parts) {
  return std::find(parts.begin(), parts.end(), part) != parts.end();
}

/// Modules around a model or around a part of it that have no weights of their own: torch.compile's, FSDP's, activation
/// checkpointing's, DeepSpeed's.
constexpr std::array<std::string_view, 4> kWrappers{"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module",
                                                    "_forward_module"};
/// What programs put before a model's names: the attribute of a larger model that holds it, DistributedDataParallel,
/// peft.
constexpr std::array<std::string_view, 4> kOutermost{"model", "transformer", "module", "base_model"};

/// The first part of a dotted name; empty if it has but one.
std::string_view first_part(std::string_view name) {
  const auto dot = name.find('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

void drop_outermost(std::string_view& name, std::string_view body) {
  while (!first_part(name).empty() && (first_part(name) == body || is_one_of(first_part(name), kOutermost))) {
    name.remove_prefix(first_part(name).size() + 1);
  }
}

/// `name` without wrappers, without what stands before a model's names, and without `body`.
std::string bare_name(std::string_view name, std::string_view body) {
  std::string without;
  while (!first_part(name).empty()) {
    const auto part = first_part(name);
    if (!is_one_of(part, kWrappers)) {
      without.append(part).append(".");
    }
    name.remove_prefix(part.size() + 1);
  }
  without += name;
  std::string_view rest = without;
  drop_outermost(rest, body);
  return std::string(rest);
}

/// Removes the parts that all names begin with.
void drop_common_parts(std::vector<std::string>& names, std::string_view body) {
  while (names.size() > 1) {
    const std::string common(first_part(names.front()));
    const bool all = !common.empty() && std::all_of(names.begin(), names.end(),
                                                    [&](const auto& name) { return first_part(name) == common; });
    if (!all) {
      return;
    }
    for (auto& name : names) {
      name = bare_name(std::string_view(name).substr(common.size() + 1), body);
    }
  }
}

}  // namespace

WeightNames::WeightNames(const Checkpoint& checkpoint, std::string body)
    : checkpoint_(&checkpoint), body_(std::move(body)) {
  std::vector<std::string> names;
  for (const auto& view : checkpoint.tensors()) {
    names.push_back(bare_name(view.name, body_));
  }
  drop_common_parts(names, body_);
  for (std::size_t i = 0; i < names.size(); ++i) {
    by_bare_name_.emplace(std::move(names[i]), &checkpoint.tensors()[i]);
  }
}

const TensorView* WeightNames::find(const std::string& name) const {
  if (const auto* view = checkpoint_->find(name)) {
    return view;
  }
  const auto it = by_bare_name_.find(bare_name(name, body_));
  return it == by_bare_name_.end() ? nullptr : it->second;
}

}  // namespace dstorch::models

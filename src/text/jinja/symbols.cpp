#include "text/jinja/symbols.h"

namespace dstorch::text::jinja {

std::optional<Symbols::Place> Symbols::find_place(const std::string& name) const {
  const auto found = places_.find(name);
  return found != places_.end() ? std::optional<Place>(found->second) : find_outside(name);
}

std::optional<Symbols::Place> Symbols::find_outside(const std::string& name) const {
  return parent_ == nullptr ? std::nullopt : parent_->find_place(name);
}

int Symbols::slot_of(const std::string& name) {
  const auto [slot, fresh] = slots_->try_emplace(name, function_->slots);
  function_->slots += fresh ? 1 : 0;
  return slot->second;
}

void Symbols::define(const std::string& name, const Load& load) {
  const int slot = slot_of(name);
  places_[name] = {function_->depth, slot};
  loads_[slot] = load;
}

void Symbols::load(const std::string& name) {
  if (!find_place(name)) {
    define(name, {Begin::resolve, name, {}});
  }
}

void Symbols::store(const std::string& name) {
  stores_.insert(name);
  if (places_.contains(name)) {
    return;
  }
  const auto outside = find_outside(name);
  define(name, outside ? Load{Begin::alias, name, *outside} : Load{Begin::undefined, name, {}});
}

int Symbols::declare_parameter(const std::string& name) {
  stores_.insert(name);
  define(name, {Begin::parameter, name, {}});
  return slot_of(name);
}

void Symbols::merge_branches(const std::vector<Symbols>& branches) {
  std::set<std::string> stored;
  for (const Symbols& branch : branches) {
    stored.insert(branch.stores_.begin(), branch.stores_.end());
  }
  for (const std::string& name : stores_) {
    stored.erase(name);
  }
  for (const Symbols& branch : branches) {
    for (const auto& [name, place] : branch.places_) {
      places_[name] = place;
    }
    for (const auto& [slot, load] : branch.loads_) {
      loads_[slot] = load;
    }
    stores_.insert(branch.stores_.begin(), branch.stores_.end());
  }
  // A branch that was not taken leaves what was there before.
  for (const std::string& name : stored) {
    const auto outside = find_outside(name);
    loads_[places_.at(name).slot] = outside ? Load{Begin::alias, name, *outside} : Load{Begin::resolve, name, {}};
  }
}

Variable Symbols::find(const std::string& name) const {
  const auto place = find_place(name);
  return place ? Variable{function_->depth - place->depth, place->slot} : Variable{};
}

Scope Symbols::scope() const {
  Scope scope;
  for (const auto& [slot, load] : loads_) {
    if (load.begin == Begin::parameter) {
      continue;
    }
    const ScopeLoad::Kind kind = load.begin == Begin::resolve ? ScopeLoad::Kind::resolve
                                 : load.begin == Begin::alias ? ScopeLoad::Kind::alias
                                                              : ScopeLoad::Kind::undefined;
    scope.loads.push_back({kind, slot, load.name, {function_->depth - load.source.depth, load.source.slot}});
  }
  return scope;
}

}  // namespace dstorch::text::jinja

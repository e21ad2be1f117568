#include "driver/adapter_shelf.h"

#include <fmt/ranges.h>

#include "core/throw.h"

namespace dstorch::driver {

void AdapterShelf::attach(const std::string& name, const std::filesystem::path& directory) {
  const auto file = engine::AdapterFile::open(directory);
  require(file.replaced.empty(), ErrorKind::unsupported,
          "{}: a module that is replaced whole ({}) cannot be chosen call by call; open the model with this adapter "
          "(TorchModelConfig::adapter, --adapter), or merge them (dstorch merge)",
          directory.string(), file.replaced.empty() ? "" : file.replaced.begin()->first);
  require(!replaced_, ErrorKind::unsupported,
          "the model was opened with an adapter that replaces modules whole, and has room for no other; open it "
          "without that one");
  add(name, file);
}

void AdapterShelf::attach_default(const engine::AdapterFile& file) {
  add("", file);
  replaced_ = !file.replaced.empty();
}

void AdapterShelf::add(const std::string& name, const engine::AdapterFile& file) {
  const MemoryScope scope(account_, MemoryKind::weights);
  auto adapter = engine::load_adapter(file, engine_.model());
  const std::lock_guard lock(mutex_);
  require(adapters_.try_emplace(name, std::move(adapter)).second, ErrorKind::invalid_argument,
          "there is an adapter \"{}\" already; detach it first, or choose another name", name);
}

void AdapterShelf::detach(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto it = adapters_.find(name);
  require(it != adapters_.end(), ErrorKind::not_found, "there is no adapter \"{}\" to detach", name);
  adapters_.erase(it);  // calls that run keep it
}

std::vector<std::string> AdapterShelf::names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, adapter] : adapters_) {
    if (!name.empty()) {
      names.push_back(name);
    }
  }
  return names;
}

std::shared_ptr<const nn::Adapter> AdapterShelf::find(const std::string& name) const {
  const auto known = names();
  const std::lock_guard lock(mutex_);
  const auto it = adapters_.find(name);
  if (it != adapters_.end()) {
    return it->second;
  }
  require(name.empty(), ErrorKind::not_found, "there is no adapter \"{}\"; attached are: {}", name,
          known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
  return nullptr;
}

}  // namespace dstorch::driver

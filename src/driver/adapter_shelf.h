#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "device/memory_account.h"
#include "engine/adapter_file.h"
#include "engine/engine.h"
#include "nn/adapter.h"

namespace dstorch::driver {

/// The adapters that calls of one model can name. Thread-safe. A call keeps the adapter it began with.
class AdapterShelf {
 public:
  AdapterShelf(const engine::Engine& engine, std::shared_ptr<MemoryAccount> account)
      : engine_(engine), account_(std::move(account)) {}

  /// Throws LMError: invalid_argument for a name that is taken, unsupported for an adapter that replaces modules whole,
  /// and what reading and fitting the files throws.
  void attach(const std::string& name, const std::filesystem::path& directory);
  /// The adapter that the model was loaded with, for calls that name none. The model has what it replaces whole.
  void attach_default(const engine::AdapterFile& file);
  /// Throws LMError{not_found}.
  void detach(std::string_view name);
  [[nodiscard]] std::vector<std::string> names() const;
  /// Null for an empty name unless a default was attached under it. Throws LMError{not_found} that lists the names.
  [[nodiscard]] std::shared_ptr<const nn::Adapter> find(const std::string& name) const;

 private:
  void add(const std::string& name, const engine::AdapterFile& file);

  const engine::Engine& engine_;
  std::shared_ptr<MemoryAccount> account_;
  bool replaced_ = false;  // the default adapter replaces modules whole: other calls would go through them too
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const nn::Adapter>, std::less<>> adapters_;
};

}  // namespace dstorch::driver

#pragma once

#include <sys/types.h>

#include <memory>
#include <mutex>
#include <thread>

#include "device/memory_account.h"
#include "driver/loaded_model.h"
#include "dstorch/torch_model.h"

namespace dstorch::driver {

/// A model that is loaded and let go of while others use it. Thread-safe. In a process that was forked it is not
/// loaded.
class ModelLifetime {
 public:
  ModelLifetime(const TorchModelConfig& config, std::shared_ptr<MemoryAccount> account);
  /// Ends what runs as cancelled.
  ~ModelLifetime();
  ModelLifetime(const ModelLifetime&) = delete;
  ModelLifetime& operator=(const ModelLifetime&) = delete;

  /// Loads the model unless it is loaded. Throws LMError in the framework's words.
  void init();
  /// Waits for what runs, and lets go of the model.
  void cleanup();
  [[nodiscard]] bool initialized() const { return loaded_or_null() != nullptr; }
  /// Throws LMError{not_initialized}. What it returns may be used as long as it is held, but takes no new calls once
  /// the model was cleaned up.
  [[nodiscard]] std::shared_ptr<const LoadedModel> loaded() const;
  /// Null where `loaded` throws.
  [[nodiscard]] std::shared_ptr<const LoadedModel> loaded_or_null() const;

 private:
  /// One `init` or `cleanup` at a time; throws for one that is called from inside the other.
  class Turn;

  /// The model, if it was loaded by this process; with `mutex_` held.
  [[nodiscard]] const std::shared_ptr<const LoadedModel>& own() const;
  void load();
  void release(std::shared_ptr<const LoadedModel> loaded);

  const TorchModelConfig& config_;
  std::shared_ptr<MemoryAccount> account_;
  std::mutex turn_mutex_;
  std::atomic<std::thread::id> turn_owner_{};
  mutable std::mutex mutex_;  // of `loaded_`, never held while anything is done
  mutable std::shared_ptr<const LoadedModel> loaded_;
  pid_t process_ = 0;  // that loaded it
};

}  // namespace dstorch::driver

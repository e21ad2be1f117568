#include "driver/model_lifetime.h"

#include <malloc.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "core/throw.h"
#include "device/cuda_allocator.h"
#include "driver/framework_words.h"
#include "driver/plan_memory.h"
#include "ops/cpu/threads.h"
#include "ops/fork.h"

namespace dstorch::driver {

class ModelLifetime::Turn {
 public:
  explicit Turn(ModelLifetime& life) : life_(life) {
    require(life.turn_owner_.load() != std::this_thread::get_id(), ErrorKind::invalid_argument,
            "init and cleanup cannot be called from the progress callback of the same model's init");
    life.turn_mutex_.lock();
    life.turn_owner_ = std::this_thread::get_id();
  }
  ~Turn() {
    life_.turn_owner_ = std::thread::id();
    life_.turn_mutex_.unlock();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  ModelLifetime& life_;
};

ModelLifetime::ModelLifetime(const TorchModelConfig& config, std::shared_ptr<MemoryAccount> account)
    : config_(config), account_(std::move(account)) {
  count_memory(config_.device);
}

ModelLifetime::~ModelLifetime() {
  // Whoever is in a call holds the model too: its answer comes now.
  if (own() && own()->engine() != nullptr) {
    own()->engine()->close();
  }
  release(std::exchange(loaded_, nullptr));
}

const std::shared_ptr<const LoadedModel>& ModelLifetime::own() const {
  if (loaded_ && process_ != ::getpid()) {
    // Only the thread that forked is in this process: the worker is not, and whatever waits for it, or for a lock that
    // it may have held, would wait for ever. So nothing of the model is touched, not even to let go of it.
    static auto& abandoned = *new std::vector<std::shared_ptr<const LoadedModel>>;
    abandoned.push_back(std::move(loaded_));
    loaded_ = nullptr;
  }
  return loaded_;
}

std::shared_ptr<const LoadedModel> ModelLifetime::loaded_or_null() const {
  const std::lock_guard lock(mutex_);
  return own();
}

std::shared_ptr<const LoadedModel> ModelLifetime::loaded() const {
  auto loaded = loaded_or_null();
  require(loaded != nullptr, ErrorKind::not_initialized, "Torch model not initialized. Call init() first.");
  return loaded;
}

void ModelLifetime::init() {
  const Turn turn(*this);
  if (initialized()) {
    return;
  }
  try {
    load();
  } catch (...) {
    rethrow_as("Failed to initialize Torch model", ErrorKind::internal);
  }
}

void ModelLifetime::load() {
  ops::keep_forks_working();
  require(config_.threads >= 0 && config_.threads <= ops::most_threads(), ErrorKind::invalid_argument,
          "threads must be between 0 and {} (0 uses every core), got {}", ops::most_threads(), config_.threads);
  require(config_.memory_limit >= 0, ErrorKind::invalid_argument,
          "memory_limit must be at least 0 bytes (0 is no limit), got {}", config_.memory_limit);
  if (config_.memory_limit > 0) {
    check_limit(config_);
  }
  account_->set_limit(config_.device, config_.memory_limit);
  const MemoryScope scope(account_, MemoryKind::other);
  auto loaded = load_model(config_, account_);
  // A TorchScript archive, which says no sizes before it is loaded.
  const auto taken = account_->use(config_.device).total.bytes;
  require(config_.memory_limit == 0 || taken <= config_.memory_limit, ErrorKind::out_of_memory,
          "the model takes {}, the memory limit is {}; raise it", format_bytes(taken),
          format_bytes(config_.memory_limit));
  const std::lock_guard lock(mutex_);
  loaded_ = std::move(loaded);
  process_ = ::getpid();
}

void ModelLifetime::cleanup() {
  const Turn turn(*this);
  std::shared_ptr<const LoadedModel> loaded;
  {
    const std::lock_guard lock(mutex_);
    static_cast<void>(own());  // forgets another process's
    loaded = std::exchange(loaded_, nullptr);
  }
  if (loaded && loaded->engine() != nullptr) {
    loaded->engine()->drain();
  }
  release(std::move(loaded));
}

void ModelLifetime::release(std::shared_ptr<const LoadedModel> loaded) {
  if (!loaded) {
    return;
  }
  loaded.reset();
  ::malloc_trim(0);
  if (config_.device.type == DeviceType::cuda) {
    release_cuda_cache();
  }
}

}  // namespace dstorch::driver

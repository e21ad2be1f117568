#include "dstorch/lm_driver.h"

#include <algorithm>

#include "core/throw.h"

namespace dstorch {
namespace {

std::mutex& driver_mutex() {
  static std::mutex mutex;
  return mutex;
}

std::shared_ptr<LMDriver>& configured_driver() {
  static std::shared_ptr<LMDriver> driver;
  return driver;
}

}  // namespace

DummyLM::DummyLM(std::vector<std::string> responses) : responses_(std::move(responses)) {
  require(!responses_.empty(), ErrorKind::invalid_argument, "DummyLM needs at least one response");
}

std::string DummyLM::generate(std::string_view prompt, const GenerationOptions& options) {
  std::string response;
  {
    const std::lock_guard lock(mutex_);
    response = responses_[prompts_.size() % responses_.size()];
    prompts_.emplace_back(prompt);
  }
  std::size_t end = response.size();
  for (const auto& stop : options.stop_sequences) {
    end = std::min(end, response.find(stop));
  }
  response.resize(std::min(end, response.size()));
  if (options.on_token && !response.empty()) {
    options.on_token(response);
  }
  return response;
}

std::vector<std::string> DummyLM::prompts() const {
  const std::lock_guard lock(mutex_);
  return prompts_;
}

void configure_lm(std::shared_ptr<LMDriver> driver) {
  const std::lock_guard lock(driver_mutex());
  configured_driver() = std::move(driver);
}

std::shared_ptr<LMDriver> get_lm() {
  const std::lock_guard lock(driver_mutex());
  require(configured_driver() != nullptr, ErrorKind::not_initialized,
          "no language model is configured; call configure_lm() with a driver first");
  return configured_driver();
}

}  // namespace dstorch

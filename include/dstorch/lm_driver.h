#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "dstorch/generation.h"

namespace dstorch {

/// What a program needs of a language model: a prompt in, its continuation out.
class LMDriver {
 public:
  LMDriver() = default;
  LMDriver(const LMDriver&) = delete;
  LMDriver& operator=(const LMDriver&) = delete;
  virtual ~LMDriver() = default;

  /// Makes the driver ready; may be called again after `cleanup()`.
  virtual void init() {}
  /// Throws LMError.
  virtual std::string generate(std::string_view prompt, const GenerationOptions& options = {}) = 0;
  /// Gives back what `init()` took. Calling it twice is harmless.
  virtual void cleanup() {}
};

/// Answers with canned responses, in order and then from the first again: for tests of programs. Remembers the prompts
/// it was given. Thread-safe.
class DummyLM : public LMDriver {
 public:
  /// At least one response; throws LMError{invalid_argument} otherwise.
  explicit DummyLM(std::vector<std::string> responses);

  /// The next response, cut before the first stop sequence; `on_token` gets it whole.
  std::string generate(std::string_view prompt, const GenerationOptions& options = {}) override;
  [[nodiscard]] std::vector<std::string> prompts() const;

 private:
  std::vector<std::string> responses_;
  mutable std::mutex mutex_;
  std::vector<std::string> prompts_;
};

/// Sets the driver that programs use unless told otherwise; null unsets it. Thread-safe.
void configure_lm(std::shared_ptr<LMDriver> driver);
/// Throws LMError{not_initialized} when none is set. Thread-safe.
std::shared_ptr<LMDriver> get_lm();

}  // namespace dstorch

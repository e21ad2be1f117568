#pragma once

#include <memory>

#include "dstorch/generation.h"

namespace dstorch {

/// A generation that was submitted and goes on by itself. Its owner waits for it or looks at it now and then; the
/// options' `on_token` is called then, on that thread. One thread at a time, but for `cancel`. It does not need the
/// model: when that is destroyed, the generation ends as cancelled.
class PendingGeneration {
 public:
  PendingGeneration(PendingGeneration&&) noexcept;
  PendingGeneration& operator=(PendingGeneration&&) noexcept;
  /// Cancels what nobody waited for.
  ~PendingGeneration();

  /// Waits for the end, calling `on_token` with each piece of text as it comes. Once. Throws LMError, or what
  /// `on_token` throws; the generation is cancelled then.
  GenerationResult wait();
  /// Calls `on_token` with what there is by now. True when `wait` will not block. Never throws an error of the
  /// generation's: `wait` does.
  bool poll();
  /// Ends it at once, with what was made so far; the finish reason is then `cancelled`. Any thread.
  void cancel() const noexcept;

 private:
  friend class TorchModel;
  class State;
  explicit PendingGeneration(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace dstorch

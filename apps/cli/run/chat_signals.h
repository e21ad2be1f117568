#pragma once

#include "dstorch/generation.h"

namespace dstorch::cli {

/// Ctrl-C and changes of the terminal while a conversation goes on at it: Ctrl-C stops the answer that is being made,
/// or empties the line that is being typed, and never ends the program. One at a time.
class ChatSignals {
 public:
  ChatSignals();
  /// The signals do again what they did before.
  ~ChatSignals();
  ChatSignals(const ChatSignals&) = delete;
  ChatSignals& operator=(const ChatSignals&) = delete;

  /// Cancelled by the next Ctrl-C, until `end_answer`.
  CancelToken begin_answer();
  void end_answer();

  /// Becomes readable when something happened that who reads the terminal must look at.
  [[nodiscard]] int descriptor() const;
  struct Events {
    bool interrupted = false;
    bool resized = false;    ///< the terminal has another size
    bool continued = false;  ///< the program was stopped, and goes on
  };
  /// What happened since the last call.
  Events take();
};

}  // namespace dstorch::cli

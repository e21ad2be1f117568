#pragma once

#include <dstorch/torch_model.h>
#include <napi.h>

#include <functional>
#include <memory>

#include "host.h"

namespace dstorch::node {

/// An answer that the engine makes: a generation's, or a conversation's. It belongs to the JavaScript thread.
class Pending {
 public:
  virtual ~Pending() = default;
  /// Hands out the pieces there are by now; true when `wait` will not block.
  virtual bool poll() = 0;
  virtual void notify(std::function<void()> on_news) = 0;
  virtual void cancel() const noexcept = 0;
  /// All about it, for JavaScript; once. Hands out the last pieces. Throws LMError.
  virtual Napi::Value wait(Napi::Env env) = 0;
};

/// Takes each piece of an answer, as what makes JavaScript's value of it. `Pending::poll` and `wait` call it.
using OnPiece = std::function<void(ToJs piece)>;

/// Begins an answer, on any thread. `on_piece` is empty where nobody wants pieces. Throws LMError.
using Submit = std::function<std::unique_ptr<Pending>(OnPiece on_piece)>;

std::unique_ptr<Pending> pending(PendingGeneration generation);
std::unique_ptr<Pending> pending(PendingChat chat);

/// What hands the library's pieces to `on_piece`; empty where that is.
TokenCallback token_callback(OnPiece on_piece);
AnswerCallback answer_callback(OnPiece on_piece);

}  // namespace dstorch::node

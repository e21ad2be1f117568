#include "generation.h"

#include <dstorch/error.h>

#include <atomic>
#include <utility>

namespace dstorch::node {

uint64_t Generations::begin(Submit submit, const Napi::Function& on_pieces, const Napi::Function& done) {
  const auto number = ++last_number_;
  auto running = std::make_shared<Running>();
  running->done = Napi::Persistent(done);
  OnPiece on_piece;
  if (!on_pieces.IsEmpty()) {
    running->on_pieces = Napi::Persistent(on_pieces);
    // Called on the JavaScript thread, while `look` holds what runs.
    on_piece = [&pieces = running->pieces](ToJs piece) { pieces.push_back(std::move(piece)); };
  }
  running_.emplace(number, std::move(running));
  host_.loop().hold();
  host_.quick().run([weak = weak_from_this(), loop = host_.shared_loop(), number, submit = std::move(submit),
                     on_piece = std::move(on_piece)] {
    // Shared only because a task must be copyable.
    auto pending = std::make_shared<std::unique_ptr<Pending>>();
    std::exception_ptr failure;
    try {
      *pending = submit(on_piece);
    } catch (...) {
      failure = std::current_exception();
    }
    loop->post([weak, number, pending = std::move(pending), failure](Napi::Env) {
      const auto self = weak.lock();
      if (self == nullptr) {
        return;
      }
      if (failure) {
        self->fail(number, failure);
      } else {
        self->submitted(number, std::move(*pending));
      }
    });
  });
  return number;
}

void Generations::submitted(uint64_t number, std::unique_ptr<Pending> pending) {
  const auto entry = running_.find(number);
  if (entry == running_.end()) {
    return;
  }
  auto& running = *entry->second;
  running.pending = std::move(pending);
  if (running.cancelled) {
    running.pending->cancel();
  }
  // News that come before the last were looked at are one.
  auto told = std::make_shared<std::atomic<bool>>(false);
  running.pending->notify([weak = weak_from_this(), loop = host_.shared_loop(), number, told = std::move(told)] {
    if (!told->exchange(true)) {
      loop->post([weak, number, told](Napi::Env) {
        told->store(false);
        if (const auto self = weak.lock()) {
          self->look(number);
        }
      });
    }
  });
}

void Generations::look(uint64_t number) {
  const auto entry = running_.find(number);
  if (entry == running_.end()) {
    return;
  }
  // Its own share: a callback may end everything.
  const auto running = entry->second;
  const bool ended = running->pending->poll();
  hand_out_pieces(*running);
  if (!ended || take(number) == nullptr) {
    return;
  }
  const auto env = running->done.Env();
  try {
    const auto result = running->pending->wait(env);
    hand_out_pieces(*running);
    running->done.Call({env.Null(), result});
  } catch (const LMError&) {
    running->done.Call({host_.error(std::current_exception())});
  }
}

void Generations::hand_out_pieces(Running& running) {
  if (running.pieces.empty()) {
    return;
  }
  const auto env = running.on_pieces.Env();
  const auto pieces = std::exchange(running.pieces, {});
  auto array = Napi::Array::New(env, pieces.size());
  for (uint32_t i = 0; i < pieces.size(); ++i) {
    array.Set(i, pieces[i](env));
  }
  running.on_pieces.Call({array});
}

void Generations::fail(uint64_t number, const std::exception_ptr& error) {
  if (const auto running = take(number)) {
    running->done.Call({host_.error(error)});
  }
}

std::shared_ptr<Generations::Running> Generations::take(uint64_t number) {
  auto entry = running_.extract(number);
  if (entry.empty()) {
    return nullptr;
  }
  host_.loop().release();
  return std::move(entry.mapped());
}

void Generations::cancel(uint64_t number) {
  const auto entry = running_.find(number);
  if (entry == running_.end()) {
    return;
  }
  entry->second->cancelled = true;
  if (entry->second->pending != nullptr) {
    entry->second->pending->cancel();
  }
}

void Generations::clear() {
  const auto running = std::exchange(running_, {});
  for (std::size_t i = 0; i < running.size(); ++i) {
    host_.loop().release();
  }
}

}  // namespace dstorch::node

#pragma once

#include <napi.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <set>
#include <string_view>
#include <unordered_map>

#include "loop.h"
#include "workers.h"

namespace dstorch::node {

class Model;

/// Makes a JavaScript value of a result, on the JavaScript thread.
using ToJs = std::function<Napi::Value(Napi::Env)>;

/// What the addon has for one JavaScript environment: the main thread's, or a worker thread's. All of it belongs to the
/// JavaScript thread, unless said otherwise.
class Host {
 public:
  explicit Host(Napi::Env env);
  ~Host() { close(); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  static Host& of(Napi::Env env) { return *env.GetInstanceData<Host>(); }

  /// Any thread.
  [[nodiscard]] Loop& loop() noexcept { return *loop_; }
  [[nodiscard]] const std::shared_ptr<Loop>& shared_loop() const noexcept { return loop_; }
  /// For what returns soon. Any thread.
  [[nodiscard]] Workers& quick() noexcept { return quick_; }
  /// For what waits for the engine, or for a disk. Any thread.
  [[nodiscard]] Workers& slow() noexcept { return slow_; }

  /// Runs `work` on a thread of `workers`, then `done(error)` or `done(null, value)` on the JavaScript thread. The
  /// function `also`, unless 0, is forgotten then.
  void call(Workers& workers, const Napi::Function& done, std::function<ToJs()> work, uint64_t also = 0);

  /// A function of JavaScript's until `forget`: its number may go to any thread.
  uint64_t keep(const Napi::Function& function);
  void forget(uint64_t number) { functions_.erase(number); }
  /// Calls it, unless it was forgotten.
  void tell(uint64_t number, const std::function<Napi::Value(Napi::Env)>& argument);

  /// `make(message, kind, cause)` makes the errors that programs see.
  void set_error_maker(const Napi::Function& make) { make_error_ = Napi::Persistent(make); }
  Napi::Value error(const std::exception_ptr& error);

  /// The constructor of tensors.
  void set_tensor_class(const Napi::Function& constructor) { tensor_class_ = Napi::Persistent(constructor); }
  [[nodiscard]] const Napi::FunctionReference& tensor_class() const noexcept { return tensor_class_; }

  /// Models are told when everything ends.
  void enter(Model& model) { models_.insert(&model); }
  void leave(Model& model) { models_.erase(&model); }

  /// Ends what runs, and waits until no thread of ours does: nothing of LibTorch may run while the process takes its
  /// libraries down.
  void close();
  [[nodiscard]] bool closed() const noexcept { return closed_; }

 private:
  Napi::Env env_;
  std::shared_ptr<Loop> loop_;
  std::unordered_map<uint64_t, Napi::FunctionReference> functions_;
  uint64_t last_number_ = 0;
  Napi::FunctionReference make_error_;
  Napi::FunctionReference tensor_class_;
  std::set<Model*> models_;
  bool closed_ = false;
  Workers quick_;
  Workers slow_;
};

}  // namespace dstorch::node

#include "host.h"

#include <dstorch/error.h>

#include <string>
#include <utility>

#include "model.h"

namespace dstorch::node {
namespace {

/// Prompts are short and tokenized at once; a plain network or a TorchScript archive computes its answer there.
constexpr std::size_t kQuickThreads = 4;
/// So many embeddings, say, go through the engine together.
constexpr std::size_t kSlowThreads = 32;

}  // namespace

Host::Host(Napi::Env env) : env_(env), loop_(std::make_shared<Loop>(env)), quick_(kQuickThreads), slow_(kSlowThreads) {
  // After the loop, hence called before Node takes the loop's own away.
  env.AddCleanupHook([this] { close(); });
}

void Host::call(Workers& workers, const Napi::Function& done, std::function<ToJs()> work, uint64_t also) {
  const auto number = keep(done);
  loop_->hold();
  workers.run([this, number, also, work = std::move(work)] {
    ToJs to_js;
    std::exception_ptr failure;
    try {
      to_js = work();
    } catch (...) {
      failure = std::current_exception();
    }
    loop_->post([this, number, also, to_js = std::move(to_js), failure](Napi::Env env) {
      loop_->release();
      forget(also);
      const auto entry = functions_.extract(number);
      if (entry.empty()) {
        return;
      }
      if (failure) {
        entry.mapped().Call({error(failure)});
      } else {
        entry.mapped().Call({env.Null(), to_js(env)});
      }
    });
  });
}

uint64_t Host::keep(const Napi::Function& function) {
  const auto number = ++last_number_;
  functions_.emplace(number, Napi::Persistent(function));
  return number;
}

void Host::tell(uint64_t number, const std::function<Napi::Value(Napi::Env)>& argument) {
  const auto entry = functions_.find(number);
  if (entry != functions_.end()) {
    // Its own reference: the function may have itself forgotten.
    const auto function = entry->second.Value();
    function.Call({argument(env_)});
  }
}

Napi::Value Host::error(const std::exception_ptr& error) {
  std::string message;
  std::string kind;
  Napi::Value cause = env_.Undefined();
  try {
    std::rethrow_exception(error);
  } catch (const LMError& e) {
    message = e.what();
    kind = to_string(e.kind());
    if (e.cause()) {
      cause = this->error(e.cause());
    }
  } catch (const Napi::Error& e) {
    return e.Value();
  } catch (...) {
    message = describe(error);
  }
  const auto word = kind.empty() ? env_.Undefined() : Napi::Value(Napi::String::New(env_, kind));
  return make_error_.Call({Napi::String::New(env_, message), word, cause});
}

void Host::close() {
  if (std::exchange(closed_, true)) {
    return;
  }
  for (auto* model : models_) {
    model->stop();
  }
  functions_.clear();
  quick_.close();
  slow_.close();
  for (auto* model : models_) {
    model->let_go();
  }
  loop_->close();
}

}  // namespace dstorch::node

#pragma once

#include <napi.h>

#include <exception>

#include "host.h"

namespace dstorch::node {

/// What `work` returns. Its exceptions, LibTorch's among them, become JavaScript's, as `Host::error` makes them.
template <typename Work>
auto thrown(Napi::Env env, Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw Napi::Error(env, Host::of(env).error(std::current_exception()));
  }
}

}  // namespace dstorch::node

#pragma once

#include <ATen/ATen.h>
#include <napi.h>

#include <string>

namespace dstorch::node {

/// A LibTorch tensor, for JavaScript. It lives as long as the object.
class Tensor : public Napi::ObjectWrap<Tensor> {
 public:
  /// The class, for `wrap`, and the functions that make tensors: `create`, `load`.
  static void define(Napi::Env env, Napi::Object& exports);

  explicit Tensor(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

 private:
  static Napi::Value wrap(Napi::Env env, at::Tensor tensor);
  static Napi::Value create(const Napi::CallbackInfo& info);
  static Napi::Value load(const Napi::CallbackInfo& info);

  Napi::Value shape(const Napi::CallbackInfo& info);
  Napi::Value dtype(const Napi::CallbackInfo& info);
  Napi::Value device(const Napi::CallbackInfo& info);
  Napi::Value requires_grad(const Napi::CallbackInfo& info);
  Napi::Value data(const Napi::CallbackInfo& info);
  Napi::Value numbers(const Napi::CallbackInfo& info);
  Napi::Value numel(const Napi::CallbackInfo& info);
  Napi::Value element_size(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  Napi::Value to(const Napi::CallbackInfo& info);

  at::Tensor tensor_;
};

}  // namespace dstorch::node

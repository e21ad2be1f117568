// The addon: one Host, the classes, and what belongs to no model.
#include <dstorch/checkpoint.h>
#include <dstorch/device.h>
#include <dstorch/memory.h>
#include <napi.h>

#include <vector>

#include "host.h"
#include "model.h"
#include "tensor.h"
#include "thrown.h"
#include "values.h"

namespace dstorch::node {
namespace {

/// `setup(makeError)`: before anything else.
Napi::Value setup(const Napi::CallbackInfo& info) {
  Host::of(info.Env()).set_error_maker(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

/// Ends everything of this environment, and waits for it.
Napi::Value shut_down(const Napi::CallbackInfo& info) {
  Host::of(info.Env()).close();
  return info.Env().Undefined();
}

Napi::Value devices(const Napi::CallbackInfo& info) {
  auto& host = Host::of(info.Env());
  host.call(host.slow(), info[0].As<Napi::Function>(), []() -> ToJs {
    return [devices = list_devices()](Napi::Env env) -> Napi::Value {
      auto array = Napi::Array::New(env, devices.size());
      for (uint32_t i = 0; i < devices.size(); ++i) {
        array.Set(i, device_information(env, devices[i]));
      }
      return array;
    };
  });
  return info.Env().Undefined();
}

/// The device of a spelling, as it is written: throws for one that is none, or that is not there.
Napi::Value device(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&] {
    const auto device = Device::parse(info[0].As<Napi::String>().Utf8Value());
    device.require_available();
    return Napi::String::New(info.Env(), device.to_string());
  });
}

Napi::Value process_memory(const Napi::CallbackInfo& info) {
  return thrown(info.Env(),
                [&] { return memory(info.Env(), memory_use(Device::parse(info[0].As<Napi::String>().Utf8Value()))); });
}

Napi::Value bundled_model(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&] { return Napi::String::New(info.Env(), bundled_model_path().string()); });
}

Napi::Object begin(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Host(env));  // Node deletes it with the environment
  exports.Set("Model", Model::define(env));
  Tensor::define(env, exports);
  exports.Set("setup", Napi::Function::New<&setup>(env));
  exports.Set("shutDown", Napi::Function::New<&shut_down>(env));
  exports.Set("devices", Napi::Function::New<&devices>(env));
  exports.Set("device", Napi::Function::New<&device>(env));
  exports.Set("memory", Napi::Function::New<&process_memory>(env));
  exports.Set("bundledModelPath", Napi::Function::New<&bundled_model>(env));
  return exports;
}

}  // namespace
}  // namespace dstorch::node

static Napi::Object init(Napi::Env env, Napi::Object exports) { return dstorch::node::begin(env, exports); }
NODE_API_MODULE(dstorch, init)

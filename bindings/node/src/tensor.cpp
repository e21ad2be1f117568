#include "tensor.h"

#include <dstorch/checkpoint.h>
#include <dstorch/error.h>
#include <dstorch/torch_utils.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "host.h"
#include "options.h"
#include "thrown.h"
#include "values.h"

namespace dstorch::node {
namespace {

/// LibTorch's name for a dtype of ours, where every LibTorch has one.
std::optional<at::ScalarType> scalar_type(DType dtype) {
  switch (dtype) {
    case DType::boolean:
      return at::kBool;
    case DType::uint8:
      return at::kByte;
    case DType::int8:
      return at::kChar;
    case DType::int16:
      return at::kShort;
    case DType::int32:
      return at::kInt;
    case DType::int64:
      return at::kLong;
    case DType::float16:
      return at::kHalf;
    case DType::bfloat16:
      return at::kBFloat16;
    case DType::float32:
      return at::kFloat;
    case DType::float64:
      return at::kDouble;
    default:
      return std::nullopt;
  }
}

/// The other way round.
std::string name_of(at::ScalarType type) {
  for (const auto dtype : {DType::boolean, DType::uint8, DType::int8, DType::int16, DType::int32, DType::int64,
                           DType::float16, DType::bfloat16, DType::float32, DType::float64}) {
    if (scalar_type(dtype) == type) {
      return std::string(to_string(dtype));
    }
  }
  return c10::toString(type);
}

template <typename T>
at::Tensor make(const Napi::TypedArray& array, const std::vector<int64_t>& shape, const TensorOptions& options) {
  const auto values = array.As<Napi::TypedArrayOf<T>>();
  return TorchUtils::create_tensor(std::span<const T>(values.Data(), values.ElementLength()), shape, options);
}

/// The dtype that TorchUtils::create_tensor takes for such an array.
DType default_dtype(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array:
      return DType::int8;
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return DType::uint8;
    case napi_int16_array:
      return DType::int16;
    case napi_int32_array:
      return DType::int32;
    case napi_bigint64_array:
      return DType::int64;
    default:
      return DType::float32;
  }
}

at::Tensor tensor_of(const Napi::TypedArray& array, const std::vector<int64_t>& shape, const TensorOptions& options) {
  switch (array.TypedArrayType()) {
    case napi_int8_array:
      return make<int8_t>(array, shape, options);
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return make<uint8_t>(array, shape, options);
    case napi_int16_array:
      return make<int16_t>(array, shape, options);
    case napi_int32_array:
      return make<int32_t>(array, shape, options);
    case napi_bigint64_array:
      return make<int64_t>(array, shape, options);
    case napi_float32_array:
      return make<float>(array, shape, options);
    case napi_float64_array:
      return make<double>(array, shape, options);
    default:
      throw LMError(ErrorKind::invalid_argument,
                    "data must be an array of numbers, or a typed array of a type that tensors have: Int8, Uint8, "
                    "Int16, Int32, BigInt64, Float32, Float64");
  }
}

/// A copy of what a file holds.
at::Tensor tensor_of(const TensorView& view) {
  const auto type = scalar_type(view.dtype);
  if (view.blocks != nullptr || !type) {
    throw LMError(ErrorKind::unsupported,
                  view.name + " is stored as " +
                      std::string(view.blocks != nullptr ? view.blocks->name : to_string(view.dtype)) +
                      ", which is no dtype of tensors here");
  }
  // Files align nothing: the storage is copied to where LibTorch wants it, then seen through the view's strides.
  auto storage = at::empty({static_cast<int64_t>(view.storage.size() / size_of(view.dtype))}, *type);
  std::memcpy(storage.data_ptr(), view.storage.data(), static_cast<std::size_t>(storage.nbytes()));
  return storage.as_strided(view.shape, view.strides, view.storage_offset).clone(at::MemoryFormat::Contiguous);
}

template <typename Array, typename T>
Napi::Value copy_out(Napi::Env env, const at::Tensor& tensor) {
  auto result = Array::New(env, static_cast<std::size_t>(tensor.numel()));
  std::memcpy(result.Data(), tensor.data_ptr<T>(), static_cast<std::size_t>(tensor.nbytes()));
  return result;
}

Napi::Value typed_array(Napi::Env env, const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return copy_out<Napi::Float32Array, float>(env, tensor);
    case at::kDouble:
      return copy_out<Napi::Float64Array, double>(env, tensor);
    case at::kLong:
      return copy_out<Napi::BigInt64Array, int64_t>(env, tensor);
    case at::kInt:
      return copy_out<Napi::Int32Array, int32_t>(env, tensor);
    case at::kShort:
      return copy_out<Napi::Int16Array, int16_t>(env, tensor);
    case at::kChar:
      return copy_out<Napi::Int8Array, int8_t>(env, tensor);
    case at::kByte:
      return copy_out<Napi::Uint8Array, uint8_t>(env, tensor);
    case at::kBool:
      return copy_out<Napi::Uint8Array, uint8_t>(env, tensor.to(at::kByte));
    default:
      return copy_out<Napi::Float32Array, float>(env, tensor.to(at::kFloat));  // the halves
  }
}

}  // namespace

void Tensor::define(Napi::Env env, Napi::Object& exports) {
  auto constructor = DefineClass(env, "Tensor",
                                 {
                                     InstanceAccessor<&Tensor::shape>("shape"),
                                     InstanceAccessor<&Tensor::dtype>("dtype"),
                                     InstanceAccessor<&Tensor::device>("device"),
                                     InstanceAccessor<&Tensor::requires_grad>("requiresGrad"),
                                     InstanceMethod<&Tensor::data>("data"),
                                     InstanceMethod<&Tensor::numbers>("numbers"),
                                     InstanceMethod<&Tensor::numel>("numel"),
                                     InstanceMethod<&Tensor::element_size>("element_size"),
                                     InstanceMethod<&Tensor::memory>("memory"),
                                     InstanceMethod<&Tensor::to>("to"),
                                 });
  exports.Set("Tensor", constructor);
  exports.Set("createTensor", Napi::Function::New<&Tensor::create>(env));
  exports.Set("load", Napi::Function::New<&Tensor::load>(env));
  Host::of(env).set_tensor_class(constructor);
}

Napi::Value Tensor::wrap(Napi::Env env, at::Tensor tensor) {
  const auto object = Host::of(env).tensor_class().New(std::initializer_list<napi_value>{});
  Unwrap(object)->tensor_ = std::move(tensor);
  return object;
}

Napi::Value Tensor::create(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&] {
    const auto array = info[0].As<Napi::TypedArray>();
    const auto given = info[1].As<Napi::Object>();
    TensorOptions options;
    options.dtype = default_dtype(array.TypedArrayType());
    if (const auto name = given.Get("dtype"); name.IsString()) {
      const auto dtype = parse_dtype(name.As<Napi::String>().Utf8Value());
      if (!dtype) {
        throw LMError(ErrorKind::invalid_argument,
                      "dtype must be a dtype of PyTorch's, got " + name.As<Napi::String>().Utf8Value());
      }
      options.dtype = *dtype;
    }
    if (const auto device = given.Get("device"); device.IsString()) {
      options.device = Device::parse(device.As<Napi::String>().Utf8Value());
    }
    options.requires_grad = given.Get("requiresGrad").ToBoolean();
    std::vector<int64_t> shape;
    if (const auto sizes = given.Get("shape"); sizes.IsTypedArray()) {
      shape = ids_from(sizes);
    }
    return wrap(info.Env(), tensor_of(array, shape, options));
  });
}

Napi::Value Tensor::load(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&]() -> Napi::Value {
    auto& host = Host::of(info.Env());
    host.call(host.slow(), info[1].As<Napi::Function>(), [path = info[0].As<Napi::String>().Utf8Value()]() -> ToJs {
      const auto checkpoint = Checkpoint::open(path);
      std::vector<std::pair<std::string, at::Tensor>> tensors;
      for (const auto& view : checkpoint->tensors()) {
        tensors.emplace_back(view.name, tensor_of(view));
      }
      return [tensors = std::move(tensors)](Napi::Env env) -> Napi::Value {
        auto object = Napi::Object::New(env);
        for (const auto& [name, tensor] : tensors) {
          object.Set(name, wrap(env, tensor));
        }
        return object;
      };
    });
    return info.Env().Undefined();
  });
}

Napi::Value Tensor::shape(const Napi::CallbackInfo& info) {
  const auto sizes = tensor_.defined() ? tensor_.sizes().vec() : std::vector<int64_t>{0};
  return array(info.Env(), std::span<const int64_t>(sizes));
}

Napi::Value Tensor::dtype(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), tensor_.defined() ? name_of(tensor_.scalar_type()) : "undefined");
}

Napi::Value Tensor::device(const Napi::CallbackInfo& info) {
  const auto device = tensor_.defined() ? tensor_.device() : at::Device(at::kCPU);
  auto name = device.str();
  if (device.is_cpu()) {
    name = "cpu";
  } else if (!device.is_cuda()) {
    name = "webgl";  // LibTorch calls it by the place that it has for devices from outside
  }
  return Napi::String::New(info.Env(), name);
}

Napi::Value Tensor::requires_grad(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), tensor_.defined() && tensor_.requires_grad());
}

Napi::Value Tensor::data(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&] {
    // As extract_tensor_data refuses it, and in its words.
    if (!tensor_.defined()) {
      TorchUtils::extract_tensor_data(tensor_);
    }
    return typed_array(info.Env(), tensor_.detach().to(at::kCPU).contiguous());
  });
}

Napi::Value Tensor::numbers(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&] {
    const auto values = TorchUtils::extract_tensor_data(tensor_);
    return array(info.Env(), std::span<const double>(values));
  });
}

Napi::Value Tensor::numel(const Napi::CallbackInfo& info) {
  return number(info.Env(), tensor_.defined() ? tensor_.numel() : 0);
}

Napi::Value Tensor::element_size(const Napi::CallbackInfo& info) {
  return number(info.Env(), tensor_.defined() ? static_cast<int64_t>(tensor_.element_size()) : 0);
}

Napi::Value Tensor::memory(const Napi::CallbackInfo& info) {
  return number(info.Env(), TorchUtils::calculate_tensor_memory(tensor_).bytes);
}

Napi::Value Tensor::to(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&] {
    const auto device = Device::parse(info[0].As<Napi::String>().Utf8Value());
    return wrap(info.Env(), TorchUtils::to_device(tensor_, device));
  });
}

}  // namespace dstorch::node

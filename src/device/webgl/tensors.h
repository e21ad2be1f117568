#pragma once

#include <ATen/ATen.h>

#include <string>

#include "device/webgl/context.h"
#include "device/webgl/launch.h"

namespace dstorch::webgl {

inline constexpr auto kDeviceType = c10::DeviceType::PrivateUse1;

inline bool on_device(const at::Tensor& tensor) { return tensor.device().type() == kDeviceType; }

/// The allocator of device storages; their data pointers are handles of a Buffer.
c10::Allocator* allocator();

/// The buffer behind a tensor on the device that has elements.
const Buffer& buffer_of(const at::Tensor& tensor);

/// Contiguous, contents undefined.
at::Tensor empty(at::IntArrayRef sizes, at::ScalarType dtype);

/// The dtypes shaders read and write. Integers of 64 bits are read and written as their low 32; copies keep all bits.
bool shader_takes(at::ScalarType dtype);
inline bool shader_takes(const at::Tensor& tensor) { return on_device(tensor) && shader_takes(tensor.scalar_type()); }

/// GLSL: `T load_NAME(int i)` and, where writable, `void store_NAME(int i, T v)` over the elements of the buffer in
/// `slot`, which is 0 where writable. T is float for floating-point dtypes and int for the others.
std::string accessor(const std::string& name, int slot, at::ScalarType dtype, bool writable);

/// GLSL: to_float, to_int, to_bool from float, int and bool.
extern const char* const kConversions;

/// What a shader sees of a tensor: elements of a buffer by offset, sizes and strides, all in elements.
struct View {
  const Buffer* buffer = nullptr;  ///< null: a number of the host's, the same for every element
  double number = 0;
  at::ScalarType dtype = at::kFloat;
  int64_t offset = 0;
  c10::SmallVector<int64_t, 6> sizes;
  c10::SmallVector<int64_t, 6> strides;

  [[nodiscard]] int64_t numel() const;
  /// The last element it shows; it must have elements.
  [[nodiscard]] int64_t last() const;
};

/// Throws LMError{unsupported} for more elements than shaders can number (2^31).
View view_of(const at::Tensor& tensor);

/// Whether elements first .. last fit one binding.
bool fits(const View& view, int64_t first, int64_t last);
/// Whether a stretch of `bytes` does, wherever it begins.
bool stretch_fits(int64_t bytes);
inline bool fits(const View& view) { return fits(view, view.offset, view.last()); }
inline bool fits(const at::Tensor& tensor) { return tensor.numel() == 0 || fits(view_of(tensor)); }

/// Shows elements first .. last, which must fit, in `slot`. The uniform int `offset_name` becomes the place of element
/// `view.offset` in what is shown (it may lie before). `texel`: for reads by other than the dtype's own words.
void bind_range(Launch& launch, int slot, const View& view, int64_t first, int64_t last, bool writable,
                const char* offset_name, c10::optional<Texel> texel = c10::nullopt);
inline void bind(Launch& launch, int slot, const View& view, bool writable, const char* offset_name) {
  bind_range(launch, slot, view, view.offset, view.last(), writable, offset_name);
}

}  // namespace dstorch::webgl

#include "device/webgl/tensors.h"

#include <ATen/EmptyTensor.h>

#include "core/throw.h"
#include "core/torch_compat.h"

namespace dstorch::webgl {
namespace {

void free_handle(void* handle) {
  if (handle != nullptr) {
    Context::get().free_buffer(std::unique_ptr<Buffer>(static_cast<Buffer*>(handle)));
  }
}

MemoryRecord* find_record(const at::DataPtr& block) {
  if (block.get_deleter() != &free_handle || block.get_context() == nullptr) {
    return nullptr;
  }
  return static_cast<Buffer*>(block.get_context())->record.get();
}

class BufferAllocator final : public compat::Allocator {
 public:
  [[nodiscard]] c10::DataPtr make(std::size_t bytes) const override {
    const c10::Device device(kDeviceType, 0);
    if (bytes == 0) {
      return {nullptr, nullptr, &free_handle, device};
    }
    // Counted before it is made: a limit refuses it here.
    auto record = std::make_unique<MemoryRecord>(Device{DeviceType::webgl}, static_cast<int64_t>(bytes));
    auto* buffer = Context::get().make_buffer(static_cast<int64_t>(bytes)).release();
    buffer->record = std::move(record);
    return {buffer, buffer, &free_handle, device};
  }
  [[nodiscard]] c10::DeleterFnPtr raw_deleter() const override { return &free_handle; }
};

Texel texel_of(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return Texel::f32;
    case at::kInt:
    case at::kLong:
      return Texel::i32;
    default:
      return Texel::u32;  // several elements to a word
  }
}

/// How elements narrower than a 32-bit word are taken out of `w`, `s` bits up, and put into `u`.
struct Packing {
  int per_word;
  const char* type;
  const char* load;
  const char* store;
};

Packing packing_of(at::ScalarType dtype) {
  switch (dtype) {
    case at::kHalf:
      return {2, "float", "half_to_float(w >> s)", "float_to_half(v)"};
    case at::kBFloat16:
      // Rounded to the nearest, ties to even, as LibTorch does; NaN stays NaN.
      return {2, "float", "uintBitsToFloat((w >> s) << 16)",
              "is_nan(v) ? 0x7FC0u : (floatBitsToUint(v) + 0x7FFFu + ((floatBitsToUint(v) >> 16) & 1u)) >> 16"};
    case at::kShort:
      return {2, "int", "bitfieldExtract(int(w), s, 16)", "uint(v)"};
    case at::kChar:
      return {4, "int", "bitfieldExtract(int(w), s, 8)", "uint(v)"};
    case at::kByte:
    case at::kBool:
      return {4, "int", "int(bitfieldExtract(w, s, 8))", "uint(v)"};
    default:
      fail(ErrorKind::unsupported, "webgl: shaders cannot read {}; convert the tensor to float32 or use --device cpu",
           at::toString(dtype));
  }
}

}  // namespace

c10::Allocator* allocator() {
  static auto* const instance = [] {
    set_record_finder(DeviceType::webgl, &find_record);
    return new BufferAllocator();
  }();
  return instance;
}

const Buffer& buffer_of(const at::Tensor& tensor) {
  const auto* buffer = static_cast<const Buffer*>(tensor.storage().data_ptr().get());
  require(buffer != nullptr, ErrorKind::internal, "webgl: a tensor with elements has no storage");
  return *buffer;
}

at::Tensor empty(at::IntArrayRef sizes, at::ScalarType dtype) {
  return at::empty(sizes, at::TensorOptions().dtype(dtype).device(c10::Device(kDeviceType, 0)));
}

bool shader_takes(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
    case at::kHalf:
    case at::kBFloat16:
    case at::kLong:
    case at::kInt:
    case at::kShort:
    case at::kChar:
    case at::kByte:
    case at::kBool:
      return true;
    default:
      return false;
  }
}

const char* const kConversions = R"(
float to_float(float v) { return v; }
float to_float(int v) { return float(v); }
float to_float(bool v) { return v ? 1.0 : 0.0; }
int to_int(float v) { return int(v); }
int to_int(int v) { return v; }
int to_int(bool v) { return v ? 1 : 0; }
int to_bool(float v) { return v != 0.0 ? 1 : 0; }
int to_bool(int v) { return v != 0 ? 1 : 0; }
int to_bool(bool v) { return v ? 1 : 0; }
)";

std::string accessor(const std::string& name, int slot, at::ScalarType dtype, bool writable) {
  std::string text;
  const auto texel = texel_of(dtype);
  const char* element = texel == Texel::f32 ? "float" : texel == Texel::i32 ? "int" : "uint";
  if (writable) {
    text = fmt::format(
        "layout(std430, binding = {0}) buffer Buffer_{1} {{ {2} data_{1}[]; }};\n{2} fetch_{1}(int i) {{ return "
        "data_{1}[i]; }}\n",
        slot, name, element);
  } else {
    text = read_buffer(name, slot, texel);
  }
  if (dtype == at::kFloat || dtype == at::kInt) {
    text += fmt::format("{1} load_{0}(int i) {{ return fetch_{0}(i); }}\n", name, element);
    if (writable) {
      text += fmt::format("void store_{0}(int i, {1} v) {{ data_{0}[i] = v; }}\n", name, element);
    }
    return text;
  }
  if (dtype == at::kLong) {  // ES has no 64-bit integers: the low word is the number, the high word its sign
    text += fmt::format("int load_{0}(int i) {{ return fetch_{0}(2 * i); }}\n", name);
    if (writable) {
      text +=
          fmt::format("void store_{0}(int i, int v) {{ data_{0}[2 * i] = v; data_{0}[2 * i + 1] = v >> 31; }}\n", name);
    }
    return text;
  }
  const auto packing = packing_of(dtype);
  const int bits = 32 / packing.per_word;
  const int shift = packing.per_word == 2 ? 1 : 2;
  text += fmt::format("{1} load_{0}(int i) {{ uint w = fetch_{0}(i >> {2}); int s = (i & {3}) * {4}; return {5}; }}\n",
                      name, packing.type, shift, packing.per_word - 1, bits, packing.load);
  if (writable) {
    // Neighbours in a word belong to other invocations: each replaces only its own bits.
    text += fmt::format(
        "void store_{0}(int i, {1} v) {{ uint u = ({5}) & {6}; int s = (i & {3}) * {4};\n"
        "  atomicAnd(data_{0}[i >> {2}], ~({6} << s)); atomicOr(data_{0}[i >> {2}], u << s); }}\n",
        name, packing.type, shift, packing.per_word - 1, bits, packing.store, bits == 16 ? "0xFFFFu" : "0xFFu");
  }
  return text;
}

int64_t View::numel() const {
  int64_t count = 1;
  for (const auto size : sizes) {
    count *= size;
  }
  return count;
}

int64_t View::last() const {
  int64_t last = offset;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    last += (sizes[d] - 1) * strides[d];
  }
  return last;
}

View view_of(const at::Tensor& tensor) {
  constexpr int64_t most = int64_t{1} << 31;
  require(static_cast<int64_t>(tensor.storage().nbytes()) / static_cast<int64_t>(tensor.element_size()) < most,
          ErrorKind::unsupported,
          "webgl: a tensor of {} elements is more than shaders can number (2^31); use --device cpu", tensor.numel());
  View view;
  view.buffer = &buffer_of(tensor);
  view.dtype = tensor.scalar_type();
  view.offset = tensor.storage_offset();
  view.sizes.assign(tensor.sizes().begin(), tensor.sizes().end());
  view.strides.assign(tensor.strides().begin(), tensor.strides().end());
  return view;
}

namespace {

struct Window {
  int64_t offset;  // bytes, of the buffer
  int64_t bytes;
};

Window window(const View& view, int64_t first, int64_t last) {
  const auto size = static_cast<int64_t>(c10::elementSize(view.dtype));
  const auto alignment = Context::get().limits().offset_alignment;
  const auto begin = first * size / alignment * alignment;
  const auto end = std::min(((last + 1) * size + 15) / 16 * 16, view.buffer->bytes);
  return {begin, end - begin};
}

}  // namespace

bool fits(const View& view, int64_t first, int64_t last) {
  return window(view, first, last).bytes <= Context::get().limits().block_bytes;
}

bool stretch_fits(int64_t bytes) {
  const auto& limits = Context::get().limits();
  return bytes + 2 * limits.offset_alignment <= limits.block_bytes;  // at most that lies before and after it
}

void bind_range(Launch& launch, int slot, const View& view, int64_t first, int64_t last, bool writable,
                const char* offset_name, c10::optional<Texel> texel) {
  const auto shown = window(view, first, last);
  require(shown.bytes <= Context::get().limits().block_bytes, ErrorKind::internal,
          "webgl: elements {} to {} do not fit one binding of {} bytes", first, last,
          Context::get().limits().block_bytes);
  if (writable) {
    launch.write(*view.buffer, shown.offset, shown.bytes);
  } else {
    launch.read(slot, *view.buffer, shown.offset, shown.bytes, texel.value_or(texel_of(view.dtype)));
  }
  launch.set(offset_name, view.offset - shown.offset / static_cast<int64_t>(c10::elementSize(view.dtype)));
}

}  // namespace dstorch::webgl

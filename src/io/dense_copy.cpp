#include "io/dense_copy.h"

#include <algorithm>
#include <cstring>

#include "core/throw.h"

namespace dstorch {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 18U;

/// Copies `count` elements of Size bytes that lie `stride` bytes apart.
template <std::size_t Size>
void gather(std::byte* to, const std::byte* from, int64_t count, int64_t stride) {
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(to + static_cast<std::size_t>(i) * Size, from + i * stride, Size);
  }
}

using Gather = void (*)(std::byte*, const std::byte*, int64_t, int64_t);

Gather gather_of(std::size_t size) {
  switch (size) {
    case 1:
      return gather<1>;
    case 2:
      return gather<2>;
    case 4:
      return gather<4>;
    case 8:
      return gather<8>;
    case 16:
      return gather<16>;
    default:
      fail(ErrorKind::internal, "no element has {} bytes", size);
  }
}

}  // namespace

void for_each_dense_piece(const TensorView& view, const std::function<void(std::span<const std::byte>)>& sink) {
  if (view.numel() == 0) {
    return;
  }
  if (view.is_contiguous()) {
    sink({view.data(), view.bytes()});
    return;
  }
  const auto element_size = static_cast<int64_t>(size_of(view.dtype));
  const auto copy = gather_of(size_of(view.dtype));
  const auto inner = view.shape.size() - 1;  // Not contiguous, hence at least one dimension.
  const auto fits = static_cast<int64_t>(kBufferBytes) / element_size;
  std::vector<std::byte> buffer(kBufferBytes);
  int64_t filled = 0;
  const auto flush = [&] {
    sink(std::span(buffer).first(static_cast<std::size_t>(filled * element_size)));
    filled = 0;
  };
  std::vector<int64_t> at(inner, 0);  // The row: an index for each dimension but the last.
  for (bool more = true; more;) {
    int64_t offset = view.storage_offset;
    for (std::size_t d = 0; d < inner; ++d) {
      offset += at[d] * view.strides[d];
    }
    for (int64_t done = 0; done < view.shape[inner];) {
      const auto count = std::min(view.shape[inner] - done, fits - filled);
      copy(buffer.data() + filled * element_size,
           view.storage.data() + (offset + done * view.strides[inner]) * element_size, count,
           view.strides[inner] * element_size);
      filled += count;
      done += count;
      if (filled == fits) {
        flush();
      }
    }
    more = false;
    for (std::size_t d = inner; d-- > 0 && !more;) {
      more = ++at[d] < view.shape[d];
      at[d] = more ? at[d] : 0;
    }
  }
  flush();
}

}  // namespace dstorch

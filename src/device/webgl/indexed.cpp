#include "device/webgl/indexed.h"

#include <array>

#include "core/throw.h"

namespace dstorch::webgl {
namespace {

constexpr int kIndexedDims = 6;
constexpr int64_t kIndexedSize = 16;

// Lines: all dimensions but `dim`; elements: all of them. `chosen` is the tensor that the index points into.
constexpr const char* kWalk = R"(
uniform int count, length, low, high, chosen_step, index_step, plain_step, offset_chosen, offset_index, offset_plain;
uniform int sizes[RANK], chosen_steps[RANK], index_steps[RANK], plain_steps[RANK];
void main() {
  int line = flat_index();
  if (line >= count) { return; }
  int rest = line;
  int chosen = offset_chosen;
  int at = offset_index;
  int plain = offset_plain;
  for (int d = 0; d < RANK; ++d) {
    int place = rest;
    if (d + 1 < RANK) { rest /= sizes[d]; place -= rest * sizes[d]; }
    chosen += place * chosen_steps[d];
    at += place * index_steps[d];
    plain += place * plain_steps[d];
  }
  for (int i = 0; i < length; ++i) {
    int index = load_index(at + i * index_step);
    if (index >= low && index < high) {
      int there = chosen + (index - low) * chosen_step;
      int here = plain + i * plain_step;
      MOVE
    }
  }
}
)";

struct Walk {
  View chosen;  // dim has the size that indices run over
  View index;
  View plain;  // index's sizes
  int64_t dim = 0;
};

void dispatch(const Walk& walk, bool into_chosen, bool add, int64_t low, int64_t high) {
  const auto rank = static_cast<int64_t>(walk.plain.sizes.size());
  const auto dim = static_cast<std::size_t>(walk.dim);
  // A gather's elements are each an invocation's; a scatter's must be taken in order along dim.
  const bool by_line = into_chosen;
  std::array<std::array<int, kIndexedDims>, 4> steps{};
  std::size_t used = 0;
  int64_t count = 1;
  for (int64_t d = rank - 1; d >= 0; --d) {
    const auto i = static_cast<std::size_t>(d);
    if (by_line && i == dim) {
      continue;
    }
    steps[0][used] = static_cast<int>(walk.plain.sizes[i]);
    steps[1][used] = i == dim ? 0 : static_cast<int>(walk.chosen.strides[i]);
    steps[2][used] = static_cast<int>(walk.index.strides[i]);
    steps[3][used] = static_cast<int>(walk.plain.strides[i]);
    count *= walk.plain.sizes[i];
    ++used;
  }
  if (used == 0) {
    steps[0][0] = 1;
    used = 1;
  }
  const auto key = fmt::format("indexed {} {} {} {} {} {}", used, into_chosen, add, static_cast<int>(walk.chosen.dtype),
                               static_cast<int>(walk.index.dtype), static_cast<int>(walk.plain.dtype));
  Launch launch(key, [&] {
    const char* move = !into_chosen ? "store_plain(here, load_chosen(there));"
                       : add        ? "store_chosen(there, load_chosen(there) + load_plain(here));"
                                    : "store_chosen(there, load_plain(here));";
    return flat_index(kIndexedSize) + accessor("chosen", 0, walk.chosen.dtype, into_chosen) +
           accessor("index", 1, walk.index.dtype, false) +
           accessor("plain", into_chosen ? 2 : 0, walk.plain.dtype, !into_chosen) +
           fmt::format("#define RANK {}\n#define MOVE {}\n", used, move) + kWalk;
  });
  // Of `chosen` only indices low .. high are shown.
  auto shown = walk.chosen;
  shown.offset += low * shown.strides[dim];
  shown.sizes[dim] = high - low;
  for (std::size_t d = 0; d < shown.sizes.size(); ++d) {
    if (d != dim) {
      shown.sizes[d] = walk.plain.sizes[d];
    }
  }
  bind(launch, 0, shown, into_chosen, "offset_chosen");
  bind(launch, 1, walk.index, false, "offset_index");
  bind(launch, into_chosen ? 2 : 0, walk.plain, !into_chosen, "offset_plain");
  launch.set("count", count).set("length", by_line ? walk.plain.sizes[dim] : int64_t{1});
  launch.set("low", low).set("high", high);
  launch.set("chosen_step", walk.chosen.strides[dim]);
  launch.set("index_step", walk.index.strides[dim]).set("plain_step", walk.plain.strides[dim]);
  const std::array<const char*, 4> names{"sizes", "chosen_steps", "index_steps", "plain_steps"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    launch.set(names[i], std::span<const int>(steps[i].data(), used));
  }
  launch.run_flat(count, kIndexedSize);
}

void run(const Walk& walk, bool into_chosen, bool add, int64_t low, int64_t high) {
  const auto dim = static_cast<std::size_t>(walk.dim);
  if (!fits(walk.index) || !fits(walk.plain)) {
    // By halves of the longest dimension that may be cut.
    std::size_t d = dim;
    for (std::size_t i = 0; i < walk.plain.sizes.size(); ++i) {
      if (walk.plain.sizes[i] > walk.plain.sizes[d]) {
        d = i;
      }
    }
    const auto half = walk.plain.sizes[d] / 2;
    require(half > 0, ErrorKind::internal, "webgl: an index of one element does not fit a binding");
    auto first = walk;
    auto second = walk;
    for (auto* view : {&first.index, &first.plain}) {
      view->sizes[d] = half;
    }
    for (auto* view : {&second.index, &second.plain}) {
      view->offset += half * view->strides[d];
      view->sizes[d] -= half;
    }
    if (d != dim) {
      first.chosen.sizes[d] = half;
      second.chosen.offset += half * second.chosen.strides[d];
      second.chosen.sizes[d] -= half;
    }
    run(first, into_chosen, add, low, high);
    run(second, into_chosen, add, low, high);
    return;
  }
  auto shown = walk.chosen;
  shown.offset += low * shown.strides[dim];
  shown.sizes[dim] = high - low;
  if (!fits(shown) && high - low > 1) {
    // Each part of what is chosen from takes the indices that point into it.
    const auto middle = low + (high - low) / 2;
    run(walk, into_chosen, add, low, middle);
    run(walk, into_chosen, add, middle, high);
    return;
  }
  dispatch(walk, into_chosen, add, low, high);
}

Walk walk_of(const at::Tensor& chosen, int64_t dim, const at::Tensor& index, const at::Tensor& plain) {
  require(plain.dim() <= kIndexedDims, ErrorKind::unsupported, "webgl: indexing takes at most {} dimensions, got {}",
          kIndexedDims, plain.dim());
  return {view_of(chosen), view_of(index), view_of(plain), dim};
}

}  // namespace

void gather(const at::Tensor& source, int64_t dim, const at::Tensor& index, const at::Tensor& target) {
  if (target.numel() > 0 && source.numel() > 0) {
    run(walk_of(source, dim, index, target), false, false, 0, source.size(dim));
  }
}

void scatter(const at::Tensor& source, int64_t dim, const at::Tensor& index, const at::Tensor& target, bool add) {
  if (source.numel() > 0 && target.numel() > 0) {
    run(walk_of(target, dim, index, source), true, add, 0, target.size(dim));
  }
}

}  // namespace dstorch::webgl

#pragma once

#include <cmath>
#include <memory>

#include "kernels/support.h"
#include "ops/cpu/attention.h"

namespace dstorch::ops::cpu {

/// One layer's attention with everything it may have, and a sequence to feed to it.
struct Layer {
  int64_t heads = 6, kv_heads = 2, dim = 20, window = 0, rotary_half = 0, length = 150;
  DType dtype = DType::float32;  // of pages
  NormKind norm = NormKind::none;

  std::vector<float> qkv, cos, sin;
  Stored query_gain, key_gain;

  int64_t columns() const { return (heads + 2 * kv_heads) * dim; }
  int64_t outputs() const { return heads * dim; }
  DType gains() const { return dtype == DType::int8 ? DType::float32 : dtype; }
  int64_t page_bytes() const {
    return 2 * kv_heads * kPagePositions * page_row(dtype, dim) * static_cast<int64_t>(size_of(dtype));
  }

  void fill(unsigned seed) {
    qkv = random_floats(length * columns(), seed);
    for (int64_t i = 0; i < length * rotary_half; ++i) {
      const auto angle = static_cast<float>(i / rotary_half) * std::pow(0.5f, static_cast<float>(i % rotary_half));
      cos.push_back(std::cos(angle));
      sin.push_back(std::sin(angle));
    }
    query_gain = Stored(gains(), random_floats(dim, seed + 1));
    key_gain = Stored(gains(), random_floats(dim, seed + 2));
  }

  /// A call for rows of `rows` columns() apart; spans and pages are still to come.
  AttentionCall call(const float* rows, float* out) const {
    return {.qkv = rows,
            .qkv_stride = columns(),
            .spans = {},
            .heads = heads,
            .kv_heads = kv_heads,
            .head_dim = dim,
            .scale = 0.2f,
            .window = window,
            .query_norm = {norm, query_gain.vector(), {}, 1e-5f},
            .key_norm = {norm, key_gain.vector(), {}, 1e-5f},
            .cos = rotary_half > 0 ? cos.data() : nullptr,
            .sin = rotary_half > 0 ? sin.data() : nullptr,
            .rotary_half = rotary_half,
            .cache_dtype = dtype,
            .out = out,
            .out_stride = outputs()};
  }

  std::vector<float> run(const std::vector<int64_t>& pieces, int threads) const;

  /// A head of a row after its norm and rotation, in double.
  std::vector<double> head(int64_t row, int64_t index) const {
    std::vector<double> x(static_cast<std::size_t>(dim));
    double squares = 0;
    for (int64_t i = 0; i < dim; ++i) {
      x[i] = qkv[row * columns() + index * dim + i];
      squares += x[i] * x[i];
    }
    if (index >= heads + kv_heads) return x;
    const auto& gain = index < heads ? query_gain : key_gain;
    for (int64_t i = 0; norm == NormKind::rms && i < dim; ++i) {
      x[i] *= gain[i] / std::sqrt(squares / static_cast<double>(dim) + 1e-5);
    }
    for (int64_t i = 0; i < rotary_half; ++i) {
      const double c = cos[row * rotary_half + i], s = sin[row * rotary_half + i];
      const auto low = x[i], high = x[rotary_half + i];
      x[i] = low * c - high * s;
      x[rotary_half + i] = high * c + low * s;
    }
    return x;
  }

  double definition(int64_t row, int64_t index, int64_t place, bool rounds) const {
    const auto kv = index / (heads / kv_heads);
    auto query = head(row, index);
    for (auto& x : query) x = rounds && dim % 2 == 0 ? Stored(DType::bfloat16, {static_cast<float>(x)})[0] : x;
    double total = 0, mixed = 0;
    for (int64_t j = window > 0 ? std::max<int64_t>(0, row - window + 1) : 0; j <= row; ++j) {
      const auto key = stored(head(j, heads + kv));
      double score = 0;
      for (int64_t i = 0; i < dim; ++i) score += query[i] * key[i];
      const auto weight = std::exp(score * 0.2f);
      total += weight;
      mixed += weight * stored(head(j, heads + kv_heads + kv))[place];
    }
    return mixed / total;
  }
  /// A key or a value as pages keep it.
  std::vector<double> stored(std::vector<double> x) const {
    double greatest = 0;
    for (const auto number : x) greatest = std::max(greatest, std::abs(number));
    const double scale = Stored(DType::bfloat16, {static_cast<float>(greatest / 127 * (1 + 0x1p-8))})[0];
    for (auto& number : x) {
      number = dtype == DType::int8 ? std::nearbyint(number / scale) * scale
                                    : Stored(dtype, {static_cast<float>(number)})[0];
    }
    return x;
  }
};

/// Pages of a layer, each an allocation of its own, handed out in no order.
class Pages {
 public:
  explicit Pages(const Layer& layer) : bytes_(layer.page_bytes()) {}

  /// What a page holds before it is written to must not matter; nor does what lies before this layer's part.
  int32_t take() {
    constexpr int64_t kStep = 7;  // numbers that have nothing to do with the order
    const auto number = static_cast<std::size_t>((next_++ * kStep + 3) % kMost);
    if (addresses_.empty()) addresses_.resize(kMost);
    blocks_.resize(kMost);
    blocks_[number] = std::vector<unsigned char>(static_cast<std::size_t>(kOffset + bytes_), 0xff);
    addresses_[number] = blocks_[number].data();
    return static_cast<int32_t>(number);
  }
  void give_back(int32_t page) {
    blocks_[static_cast<std::size_t>(page)] = {};
    addresses_[static_cast<std::size_t>(page)] = nullptr;
  }
  void put_into(AttentionCall& call) const {
    call.pages = addresses_.data();
    call.layer_offset = kOffset;
  }
  bool offset_untouched() const {
    for (const auto& block : blocks_) {
      for (std::size_t i = 0; i < block.size() && i < kOffset; ++i) {
        if (block[i] != 0xff) return false;
      }
    }
    return true;
  }

 private:
  static constexpr std::size_t kMost = 2000;
  static constexpr int64_t kOffset = 36;
  int64_t bytes_;
  int64_t next_ = 0;
  std::vector<std::vector<unsigned char>> blocks_;
  std::vector<void*> addresses_;
};

/// A sequence that is fed to a layer piece by piece: `next` rows of the layer's qkv are in its pages.
struct Fed {
  std::vector<int32_t> table;
  int64_t next = 0;

  /// The span of its next rows, which begin at row `first` of the call. Pages that fell behind the window are gone.
  AttentionSpan span(const Layer& layer, Pages& pages, int64_t first, int64_t count) {
    while (static_cast<int64_t>(table.size()) * kPagePositions < next + count) table.push_back(pages.take());
    const auto behind = layer.window > 0 ? std::max<int64_t>(next - layer.window + 1, 0) / kPagePositions : 0;
    for (int64_t i = 0; i < behind; ++i) {
      auto& page = table[static_cast<std::size_t>(i)];
      if (page >= 0) pages.give_back(page);
      page = -1;
    }
    const AttentionSpan result{.first = first, .count = count, .position = next, .pages = table.data()};
    next += count;
    return result;
  }
};

/// The sequence fed in pieces of these sizes, the last repeated.
inline std::vector<float> Layer::run(const std::vector<int64_t>& pieces, int threads) const {
  use_threads(threads);
  Pages pages(*this);
  Fed fed;
  std::vector<float> out(static_cast<std::size_t>(length * outputs()), NAN);
  for (std::size_t piece = 0; fed.next < length; ++piece) {
    const auto at = fed.next;
    const auto count = std::min(pieces[std::min(piece, pieces.size() - 1)], length - at);
    const auto span = fed.span(*this, pages, at, count);
    auto one = call(qkv.data(), out.data());
    one.spans = {&span, 1};
    pages.put_into(one);
    attention(one);
  }
  EXPECT_TRUE(pages.offset_untouched());
  return out;
}

/// Layers that differ in everything that the kernel looks at.
inline std::vector<Layer> layers() {
  std::vector<Layer> all;
  std::vector<DType> types(std::begin(kStoredTypes), std::end(kStoredTypes));
  types.push_back(DType::int8);
  for (const auto dtype : types) {
    Layer plain;
    plain.dtype = dtype;
    all.push_back(plain);
    Layer llama = plain;
    llama.heads = 9, llama.kv_heads = 3, llama.dim = 64, llama.rotary_half = 32;
    all.push_back(llama);
    Layer everything = plain;
    everything.window = 23, everything.rotary_half = 5, everything.norm = NormKind::rms, everything.dim = 17;
    all.push_back(everything);
    Layer single = plain;
    single.heads = 3, single.kv_heads = 3, single.window = 70, single.dim = 8, single.rotary_half = 4;
    all.push_back(single);
    Layer wide = plain;
    wide.heads = 4, wide.kv_heads = 1, wide.dim = 104, wide.window = 1;
    all.push_back(wide);
  }
  for (auto& layer : all) layer.fill(9);
  return all;
}

}  // namespace dstorch::ops::cpu

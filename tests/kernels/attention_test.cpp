#include "ops/cpu/attention.h"

#include <cmath>

#include "kernels/support.h"

namespace dstorch::ops::cpu {
namespace {

/// One layer's attention with everything it may have, over a sequence that can be fed in any pieces.
struct Layer {
  int64_t heads = 6, kv_heads = 2, dim = 20, window = 0, rotary_half = 0, length = 150, capacity = 160;
  DType dtype = DType::float32;
  NormKind norm = NormKind::none;

  std::vector<float> qkv, cos, sin;
  Stored query_gain, key_gain;

  int64_t columns() const { return (heads + 2 * kv_heads) * dim; }

  void fill(unsigned seed) {
    qkv = random_floats(length * columns(), seed);
    for (int64_t i = 0; i < length * rotary_half; ++i) {
      const auto angle = static_cast<float>(i / rotary_half) * std::pow(0.5f, static_cast<float>(i % rotary_half));
      cos.push_back(std::cos(angle));
      sin.push_back(std::sin(angle));
    }
    query_gain = Stored(dtype, random_floats(dim, seed + 1));
    key_gain = Stored(dtype, random_floats(dim, seed + 2));
  }

  /// The sequence fed in pieces of these sizes, the last repeated.
  std::vector<float> run(const std::vector<int64_t>& pieces, int threads) const {
    set_num_threads(threads);
    const auto cache_bytes = static_cast<std::size_t>(kv_heads * capacity * dim) * size_of(dtype);
    // What the cache holds beyond the sequence must not matter.
    std::vector<unsigned char> keys(cache_bytes, 0xff), values(cache_bytes, 0xff);
    std::vector<float> out(static_cast<std::size_t>(length * heads * dim), NAN);
    std::size_t piece = 0;
    for (int64_t at = 0; at < length;) {
      const auto count = std::min(pieces[std::min(piece++, pieces.size() - 1)], length - at);
      attention({.qkv = qkv.data() + at * columns(),
                 .qkv_stride = columns(),
                 .count = count,
                 .position = at,
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
                 .keys = keys.data(),
                 .values = values.data(),
                 .cache_dtype = dtype,
                 .cache_stride = capacity * dim,
                 .out = out.data() + at * heads * dim});
      at += count;
    }
    return out;
  }

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
    for (auto& x : query) x = rounds && dim % 2 == 0 ? rounded(x) : x;
    double total = 0, mixed = 0;
    for (int64_t j = window > 0 ? std::max<int64_t>(0, row - window + 1) : 0; j <= row; ++j) {
      const auto key = head(j, heads + kv);
      double score = 0;
      for (int64_t i = 0; i < dim; ++i) score += query[i] * rounded(key[i]);
      const auto weight = std::exp(score * 0.2f);
      total += weight;
      mixed += weight * rounded(head(j, heads + kv_heads + kv)[place]);
    }
    return mixed / total;
  }
  double rounded(double x) const { return Stored(dtype, {static_cast<float>(x)})[0]; }
};

class AttentionKernel : public EveryTarget {};
DSTORCH_EVERY_TARGET(AttentionKernel);

std::vector<Layer> layers() {
  std::vector<Layer> all;
  for (const auto dtype : kStoredTypes) {
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

TEST_P(AttentionKernel, AgreesWithItsDefinition) {
  for (const auto& layer : layers()) {
    const auto out = layer.run({layer.length}, 2);
    const bool rounds = GetParam().bf16_products && layer.dtype == DType::bfloat16;
    for (const int64_t row : {0, 1, 22, 23, 63, 64, 65, 127, 149}) {
      for (const int64_t head : {int64_t{0}, layer.heads - 1}) {
        for (const int64_t place : {int64_t{0}, layer.dim - 1}) {
          // A key that lies beside a tie may be rounded the other way.
          const auto tolerance = layer.dtype == DType::float32 ? 3e-6 : layer.dtype == DType::float16 ? 4e-4 : 3e-3;
          ASSERT_NEAR(out[(row * layer.heads + head) * layer.dim + place], layer.definition(row, head, place, rounds),
                      tolerance)
              << to_string(layer.dtype) << " dim " << layer.dim << " row " << row << " head " << head;
        }
      }
    }
  }
}

/// A prompt may be cut anywhere, and a token generated alone is as if it had been in the prompt.
TEST_P(AttentionKernel, PiecesAndThreadsDoNotMatterToTheBit) {
  for (const auto& layer : layers()) {
    const auto whole = layer.run({layer.length}, 1);
    const std::vector<std::pair<std::vector<int64_t>, int>> cuts = {
        {{1}, 1}, {{120, 1}, 2}, {{140, 1}, 3}, {{2}, 1}, {{7}, 2}, {{63, 2, 20}, 1}, {{64}, 3}, {{layer.length}, 2}};
    for (const auto& [pieces, threads] : cuts) {
      const auto out = layer.run(pieces, threads);
      ASSERT_TRUE(same_bits(out.data(), whole.data(), static_cast<int64_t>(whole.size())))
          << to_string(layer.dtype) << " dim " << layer.dim << " pieces of " << pieces[0] << " threads " << threads;
    }
  }
}

TEST_P(AttentionKernel, GreatScoresDoNotOverflow) {
  Layer layer;
  layer.length = 100;
  layer.fill(4);
  for (auto& value : layer.qkv) value *= 1000;
  for (const auto value : layer.run({layer.length}, 1)) {
    ASSERT_TRUE(std::isfinite(value));
    ASSERT_LT(std::abs(value), 6000);
  }
}

TEST_P(AttentionKernel, NotANumberReachesLaterPositionsOnly) {
  Layer layer;
  layer.length = 100;
  layer.fill(4);
  layer.qkv[70 * layer.columns() + layer.heads * layer.dim] = NAN;  // a key of the first KV head
  const auto out = layer.run({layer.length}, 2);
  for (int64_t row = 0; row < layer.length; ++row) {
    for (int64_t head = 0; head < layer.heads; ++head) {
      const bool spoilt = row >= 70 && head < layer.heads / layer.kv_heads;
      EXPECT_EQ(std::isnan(out[(row * layer.heads + head) * layer.dim]), spoilt) << row << " " << head;
    }
  }
}

}  // namespace
}  // namespace dstorch::ops::cpu

#include "ops/cpu/attention.h"

#include "kernels/attention_layer.h"

namespace dstorch::ops::cpu {
namespace {

class AttentionKernel : public EveryTarget {};
DSTORCH_EVERY_TARGET(AttentionKernel);

TEST_P(AttentionKernel, AgreesWithItsDefinition) {
  for (const auto& layer : layers()) {
    const auto out = layer.run({layer.length}, 2);
    const bool rounds = GetParam().bf16_products && (layer.dtype == DType::bfloat16 || layer.dtype == DType::int8);
    for (const int64_t row : {0, 1, 22, 23, 63, 64, 65, 127, 149}) {
      for (const int64_t head : {int64_t{0}, layer.heads - 1}) {
        for (const int64_t place : {int64_t{0}, layer.dim - 1}) {
          // A key that lies beside a tie may be rounded the other way.
          ASSERT_NEAR(out[(row * layer.heads + head) * layer.dim + place], layer.definition(row, head, place, rounds),
                      test::tolerance(Compared::attention_kernel, layer.dtype))
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

/// Over many tiles, which several threads share where there are few rows.
TEST_P(AttentionKernel, TilesMayBeSplitAmongThreads) {
  for (const int64_t window : {0, 300}) {
    Layer layer;
    layer.dtype = DType::bfloat16, layer.dim = 32, layer.window = window, layer.length = 700;
    layer.fill(5);
    const auto whole = layer.run({layer.length}, 1);
    for (const auto& pieces : std::vector<std::vector<int64_t>>{{680, 1}, {600, 5}, {500, 30}}) {
      for (const int threads : {1, 2, 3, 8}) {
        const auto out = layer.run(pieces, threads);
        ASSERT_TRUE(same_bits(out.data(), whole.data(), static_cast<int64_t>(whole.size())))
            << "window " << window << " pieces of " << pieces[1] << " threads " << threads;
      }
    }
  }
}

/// Four sequences of the same rows, each as far as chance has it, some in a call, some not; beside them whole ones.
TEST_P(AttentionKernel, RowsKeepTheirBitsInAnyCompany) {
  std::mt19937 random(3);
  const auto below = [&](int64_t most) { return static_cast<int64_t>(random() % static_cast<unsigned>(most)); };
  for (const auto& layer : layers()) {
    const auto paged = layer.run({layer.length}, 1);
    Pages pages(layer);
    std::vector<Fed> sequences(4);
    std::vector<float> whole;
    for (int step = 0; step < 40; ++step) {
      std::vector<AttentionSpan> spans;
      std::vector<float> rows;
      std::vector<int64_t> begins;  // in the layer's sequence
      const auto add = [&](const AttentionSpan& span) {
        begins.push_back(span.position);
        rows.insert(rows.end(), layer.qkv.begin() + span.position * layer.columns(),
                    layer.qkv.begin() + (span.position + span.count) * layer.columns());
        spans.push_back(span);
      };
      const auto first = [&] { return static_cast<int64_t>(rows.size()) / layer.columns(); };
      for (auto& sequence : sequences) {
        const auto count = std::min(step % 2 == 0 ? 1 : 1 + below(40), layer.length - sequence.next);
        if (count > 0 && below(4) > 0) add(sequence.span(layer, pages, first(), count));
      }
      if (step % 5 == 0) add({.first = first(), .count = 1 + below(layer.length)});
      if (step % 7 == 0) add({.first = first(), .count = 0});
      std::vector<float> out(static_cast<std::size_t>(first() * layer.outputs()) + 1, NAN);
      use_threads(1 + step % 3);
      auto call = layer.call(rows.data(), out.data());
      call.spans = spans;
      pages.put_into(call);
      attention(call);
      for (std::size_t i = 0; i < spans.size(); ++i) {
        auto expected = paged.data() + begins[i] * layer.outputs();
        if (spans[i].pages == nullptr) {
          whole.assign(static_cast<std::size_t>(spans[i].count * layer.outputs()), NAN);
          auto alone = layer.call(layer.qkv.data(), whole.data());
          const AttentionSpan span{.count = spans[i].count};
          alone.spans = {&span, 1};
          attention(alone);
          expected = whole.data();
        }
        ASSERT_TRUE(
            same_bits(out.data() + spans[i].first * layer.outputs(), expected, spans[i].count * layer.outputs()))
            << to_string(layer.dtype) << " dim " << layer.dim << " step " << step << " span " << i << " at "
            << begins[i] << "+" << spans[i].count;
      }
    }
    EXPECT_TRUE(pages.offset_untouched());
  }
}

/// A whole sequence is as one in float32 pages.
TEST_P(AttentionKernel, WholeSequencesNeedNoPages) {
  for (auto layer : layers()) {
    if (layer.dtype != DType::float32) continue;
    const auto paged = layer.run({layer.length}, 1);
    for (const int threads : {1, 2}) {
      use_threads(threads);
      std::vector<float> out(paged.size(), NAN);
      auto call = layer.call(layer.qkv.data(), out.data());
      const AttentionSpan span{.count = layer.length};
      call.spans = {&span, 1};
      call.cache_dtype = DType::float16;  // of pages, which are not there
      attention(call);
      ASSERT_TRUE(same_bits(out.data(), paged.data(), static_cast<int64_t>(out.size()))) << layer.dim;
    }
  }
}

TEST_P(AttentionKernel, SequencesMayReadTheSamePages) {
  Layer layer;
  layer.dtype = DType::float16;
  layer.fill(4);
  const auto paged = layer.run({layer.length}, 1);
  Pages pages(layer);
  Fed one;
  std::vector<float> out(paged.size(), NAN);
  const auto run = [&](std::vector<AttentionSpan> spans) {
    auto call = layer.call(layer.qkv.data(), out.data());
    call.spans = spans;
    pages.put_into(call);
    attention(call);
  };
  run({one.span(layer, pages, 0, kPagePositions)});
  Fed other = one;  // from here on each has pages of its own
  run({one.span(layer, pages, 64, 30), other.span(layer, pages, 94, 30)});
  // Rows 94 .. 124 of the layer stand for positions 64 .. 94 in the other: what matters is that it saw the first page.
  EXPECT_TRUE(same_bits(out.data(), paged.data(), 94 * layer.outputs()));
  const auto seen = std::vector<float>(out.begin() + 94 * layer.outputs(), out.begin() + 124 * layer.outputs());
  Pages own(layer);
  Fed alone;
  auto call = layer.call(layer.qkv.data(), out.data());
  for (const auto& [first, count] : {std::pair<int64_t, int64_t>{0, 64}, {94, 30}}) {
    const auto span = alone.span(layer, own, first, count);
    call.spans = {&span, 1};
    own.put_into(call);
    attention(call);
  }
  EXPECT_TRUE(same_bits(out.data() + 94 * layer.outputs(), seen.data(), static_cast<int64_t>(seen.size())));
}

/// A cache in one piece is a page table too.
TEST_P(AttentionKernel, StridesOfPagesAndOutput) {
  constexpr int64_t kCapacity = 155;
  Layer layer;
  layer.fill(4);
  const auto paged = layer.run({layer.length}, 1);
  const auto half = layer.kv_heads * kCapacity * layer.dim;
  std::vector<float> cache(static_cast<std::size_t>(2 * half), NAN);
  std::vector<void*> addresses;
  std::vector<int32_t> numbers;
  for (int32_t i = 0; i < 3; ++i) {
    addresses.push_back(cache.data() + half + i * kPagePositions * layer.dim);
    numbers.push_back(i);
  }
  const auto stride = layer.outputs() + 5;
  std::vector<float> out(static_cast<std::size_t>(layer.length * stride), 3.0f);
  auto call = layer.call(layer.qkv.data(), out.data());
  const AttentionSpan span{.count = layer.length, .pages = numbers.data()};
  call.spans = {&span, 1};
  call.pages = addresses.data();
  call.head_stride = kCapacity * layer.dim;
  call.values_offset = -half * static_cast<int64_t>(sizeof(float));  // values before the keys
  call.out_stride = stride;
  attention(call);
  for (int64_t row = 0; row < layer.length; ++row) {
    EXPECT_TRUE(same_bits(out.data() + row * stride, paged.data() + row * layer.outputs(), layer.outputs())) << row;
    EXPECT_EQ(out[row * stride + layer.outputs()], 3.0f);
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
  for (const auto dtype : {DType::float32, DType::int8}) {
    for (const auto spoiling : {NAN, INFINITY}) {
      Layer layer;
      layer.dtype = dtype;
      layer.length = 100;
      layer.fill(4);
      // A value of the first KV head.
      layer.qkv[70 * layer.columns() + (layer.heads + layer.kv_heads) * layer.dim] = spoiling;
      const auto out = layer.run({layer.length}, 2);
      for (int64_t row = 0; row < layer.length; ++row) {
        for (int64_t head = 0; head < layer.heads; ++head) {
          const bool spoilt = row >= 70 && head < layer.heads / layer.kv_heads;
          EXPECT_EQ(std::isfinite(out[(row * layer.heads + head) * layer.dim]), !spoilt) << row << " " << head;
        }
      }
    }
  }
}

/// Whatever the size of a row's numbers, none is off by more than half a step of 127 to the greatest.
TEST_P(AttentionKernel, EightBitsKeepWhatIsGreatOrSmall) {
  Layer layer;
  layer.heads = 1, layer.kv_heads = 1, layer.dim = 40, layer.length = 1, layer.dtype = DType::int8;
  for (const float size : {0.0f, 1e-30f, 1e-4f, 1.0f, 3e4f, 1e30f}) {
    layer.fill(4);
    float* values = layer.qkv.data() + 2 * layer.dim;
    for (int64_t i = 0; i < layer.dim; ++i) values[i] *= size;
    const auto out = layer.run({1}, 1);  // one position: its value
    const float greatest = std::abs(
        *std::max_element(values, values + layer.dim, [](float a, float b) { return std::abs(a) < std::abs(b); }));
    for (int64_t i = 0; i < layer.dim; ++i) {
      EXPECT_LE(std::abs(out[i] - values[i]), 0.51f * 1.008f * greatest / 127) << size;
    }
  }
}

}  // namespace
}  // namespace dstorch::ops::cpu

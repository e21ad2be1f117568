#include "ops/attention.h"

#include <cmath>
#include <numeric>

#include "ops/support.h"

namespace dstorch::ops {
namespace {

struct Case {
  const char* name;
  int64_t heads, kv_heads, dim, rotary_dim, window;
  bool norms;
  double cap = 0;
};

constexpr Case kCases[] = {
    {"one KV head a head", 4, 4, 16, 16, 0, false}, {"grouped", 9, 3, 64, 64, 0, false},
    {"no rotation", 4, 4, 32, 0, 0, false},         {"partial rotation", 6, 2, 24, 10, 0, false},
    {"sliding window", 4, 2, 16, 16, 5, false},     {"query and key norms", 4, 1, 40, 40, 0, true},
    {"capped scores", 4, 2, 32, 32, 0, false, 2},   {"widely capped scores", 4, 2, 32, 32, 70, false, 50},
};

constexpr LayerSlot kSlot{.group = 0, .index = 1};

AttentionConfig config_of(const Case& c, at::ScalarType type) {
  AttentionConfig config;
  config.num_heads = c.heads;
  config.num_kv_heads = c.kv_heads;
  config.head_dim = c.dim;
  config.scale = 1 / std::sqrt(static_cast<double>(c.dim));
  config.sliding_window = c.window;
  config.cap = c.cap;
  if (c.norms) {
    config.query_norm = random_norm(NormKind::rms, c.dim, type);
    config.key_norm = random_norm(NormKind::rms, c.dim, type);
  }
  return config;
}

RopeTable table_of(const Case& c, int64_t positions) {
  if (c.rotary_dim == 0) {
    return {};
  }
  const auto half = c.rotary_dim / 2;
  const auto angles = torch::arange(positions).unsqueeze(1) * torch::pow(10000.0, -torch::arange(half) / half);
  return {angles.cos().to(at::kFloat), angles.sin().to(at::kFloat)};
}

at::Tensor random_qkv(const Case& c, int64_t rows) { return torch::randn({rows, (c.heads + 2 * c.kv_heads) * c.dim}); }

/// Pages for some sequences, of which a batch has spans. The ids of a sequence are in no order.
class Pages {
 public:
  Pages(const Case& c, int64_t count, at::ScalarType type) : groups_(1) {
    for (int64_t i = 0; i < count; ++i) {
      auto page = torch::full({2, 2, c.kv_heads, kPagePositions, page_row(type, c.dim)}, type == kQ8Pages ? 99 : NAN,
                              torch::TensorOptions().dtype(type));
      groups_[0].addresses.push_back(page.data_ptr());
      groups_[0].pages.push_back(std::move(page));
    }
  }

  /// A batch of these spans, their rows one after the other.
  struct Part {
    const std::vector<int32_t>* ids;
    int64_t position;
    int64_t count;
  };
  Batch batch(const std::vector<Part>& parts) const {
    Batch batch;
    batch.groups = &groups_;
    int64_t row = 0;
    for (const auto& part : parts) {
      batch.spans.push_back({.first = row, .count = part.count, .position = part.position, .pages = {*part.ids}});
      row += part.count;
    }
    return batch;
  }
  [[nodiscard]] at::Tensor page(int32_t id) const { return groups_[0].pages[static_cast<std::size_t>(id)]; }

 private:
  std::vector<PageGroup> groups_;
};

TEST(Attention, AgreesWithReferenceOverPages) {
  torch::manual_seed(5);
  const torch::NoGradGuard no_grad;
  const std::vector<int32_t> ids{2, 0};
  for (const auto& c : kCases) {
    for (const auto type : kWeightTypes) {
      const auto config = config_of(c, type);
      const auto rope = table_of(c, 100);
      const Pages fast(c, 3, type), composed(c, 3, type);
      int64_t position = 0;
      for (const int64_t count : {5, 1, 1, 70, 1}) {
        const auto qkv = random_qkv(c, count);
        const auto y = attention(qkv, config, rope, fast.batch({{&ids, position, count}}), kSlot);
        const auto want = attention_reference(qkv, config, rope, composed.batch({{&ids, position, count}}), kSlot);
        ASSERT_EQ(y.sizes(), (at::IntArrayRef{count, c.heads * c.dim}));
        EXPECT_LT(distance(y, want), page_tolerance(type)) << c.name << " at " << position;
        position += count;
      }
      EXPECT_LT(distance(fast.page(2)[1], composed.page(2)[1]), page_tolerance(type)) << c.name;
      const auto last = position - kPagePositions;
      EXPECT_LT(distance(fast.page(0)[1].narrow(2, 0, last), composed.page(0)[1].narrow(2, 0, last)),
                page_tolerance(type));
      EXPECT_TRUE(fast.page(0)[1].narrow(2, last, kPagePositions - last).isnan().all().item<bool>()) << c.name;
      EXPECT_TRUE(fast.page(0)[0].isnan().all().item<bool>()) << "the other layer";
      EXPECT_TRUE(fast.page(1).isnan().all().item<bool>()) << "nobody's page";
    }
  }
}

/// In q8 too; what neither norm nor rotation touches is stored as the same bytes.
TEST(Attention, AgreesWithReferenceOverPagesOfEightBits) {
  torch::manual_seed(12);
  const torch::NoGradGuard no_grad;
  const std::vector<int32_t> ids{2, 0};
  for (const auto& c : kCases) {
    const auto config = config_of(c, at::kFloat);
    const auto rope = table_of(c, 100);
    const Pages fast(c, 3, kQ8Pages), composed(c, 3, kQ8Pages);
    int64_t position = 0;
    for (const int64_t count : {5, 1, 1, 70, 1}) {
      auto qkv = random_qkv(c, count);
      qkv.narrow(0, 0, 1).zero_();  // a row of nothing has no scale
      const auto y = attention(qkv, config, rope, fast.batch({{&ids, position, count}}), kSlot);
      const auto want = attention_reference(qkv, config, rope, composed.batch({{&ids, position, count}}), kSlot);
      EXPECT_LT(distance(y, want), page_tolerance(kQ8Pages)) << c.name << " at " << position;
      const auto wide = attention(qkv, config, rope, Pages(c, 3, at::kFloat).batch({{&ids, 0, count}}), kSlot);
      if (position == 0) {
        EXPECT_LT(distance(y, wide), 0.03) << c.name;
        EXPECT_GT(distance(y, wide), 1e-4) << c.name;
      }
      position += count;
    }
    const bool as_projected = c.rotary_dim == 0 && !c.norms;
    for (const int64_t part : {0, 1}) {
      if (part == 1 || as_projected) {
        EXPECT_TRUE(fast.page(2)[1][part].equal(composed.page(2)[1][part])) << c.name;
        EXPECT_TRUE(fast.page(0)[1][part].equal(composed.page(0)[1][part])) << c.name;
      }
    }
    EXPECT_TRUE((fast.page(0)[0] == 99).all().item<bool>()) << "the other layer";
    EXPECT_TRUE((fast.page(1) == 99).all().item<bool>()) << "nobody's page";
  }
}

TEST(Attention, AgreesWithReferenceWithoutPages) {
  torch::manual_seed(6);
  const torch::NoGradGuard no_grad;
  for (const auto& c : kCases) {
    const auto config = config_of(c, at::kFloat);
    const auto rope = table_of(c, 80);
    const auto alike = Batch::of_sequences(torch::zeros({2, 80}, at::kLong));
    Batch ragged;
    ragged.spans = {{.first = 0, .count = 33}, {.first = 33, .count = 80}, {.first = 113, .count = 1}};
    for (const Batch* batch : {&alike, static_cast<const Batch*>(&ragged)}) {
      const auto qkv = random_qkv(c, batch->spans.back().first + batch->spans.back().count);
      EXPECT_LT(distance(attention(qkv, config, rope, *batch, {}), attention_reference(qkv, config, rope, *batch, {})),
                kTolerance)
          << c.name;
    }
  }
}

/// The composed form of each sequence alone is what a batch of several must say.
TEST(Attention, TheComposedFormKeepsSequencesApart) {
  torch::manual_seed(9);
  const torch::NoGradGuard no_grad;
  const std::vector<int32_t> first{0, 1}, second{3, 2};
  for (const auto& c : kCases) {
    const auto config = config_of(c, at::kFloat);
    const auto rope = table_of(c, 100);
    const Pages together(c, 4, at::kFloat), alone(c, 4, at::kFloat);
    const auto a = random_qkv(c, 70), b = random_qkv(c, 20);
    const auto both =
        attention_reference(at::cat({a, b}), config, rope, together.batch({{&first, 0, 70}, {&second, 0, 20}}), kSlot);
    EXPECT_LT(
        distance(both.narrow(0, 0, 70), attention_reference(a, config, rope, alone.batch({{&first, 0, 70}}), kSlot)),
        1e-6)
        << c.name;
    EXPECT_LT(
        distance(both.narrow(0, 70, 20), attention_reference(b, config, rope, alone.batch({{&second, 0, 20}}), kSlot)),
        1e-6)
        << c.name;
  }
}

/// Only the kernel gives the same bits however a prompt is cut and whatever is beside it; so this also shows that it is
/// what runs.
TEST(Attention, ChunksAndCompanyChangeNoBit) {
  torch::manual_seed(7);
  const torch::NoGradGuard no_grad;
  const auto& c = kCases[1];
  const auto config = config_of(c, at::kBFloat16);
  const auto rope = table_of(c, 200);
  const auto qkv = random_qkv(c, 200);
  const std::vector<int32_t> ids{0, 1, 2, 3}, other{7, 5, 6, 4};
  const Pages whole_pages(c, 8, at::kBFloat16), cut_pages(c, 8, at::kBFloat16);
  const auto whole = attention(qkv, config, rope, whole_pages.batch({{&ids, 0, 200}}), kSlot);
  std::vector<at::Tensor> parts;
  for (int64_t at = 0; at < 200; at += 25) {
    const auto beside = random_qkv(c, at % 2 == 0 ? 1 : 17);
    const auto batch = cut_pages.batch({{&other, at, beside.size(0)}, {&ids, at, 25}});
    parts.push_back(
        attention(at::cat({beside, qkv.narrow(0, at, 25)}), config, rope, batch, kSlot).narrow(0, beside.size(0), 25));
  }
  EXPECT_TRUE(at::cat(parts).equal(whole));
  EXPECT_TRUE(cut_pages.page(1)[1].equal(whole_pages.page(1)[1]));
}

TEST(Attention, PagesThatAWindowHasPassedAreNotLookedAt) {
  torch::manual_seed(8);
  const torch::NoGradGuard no_grad;
  auto c = kCases[4];
  c.window = 40;
  const auto config = config_of(c, at::kFloat);
  const auto rope = table_of(c, 200);
  const Pages pages(c, 4, at::kFloat), composed(c, 4, at::kFloat);
  const std::vector<int32_t> all{0, 1, 2, 3};
  const auto prompt = random_qkv(c, 150);
  attention(prompt, config, rope, pages.batch({{&all, 0, 150}}), kSlot);
  attention_reference(prompt, config, rope, composed.batch({{&all, 0, 150}}), kSlot);
  const std::vector<int32_t> passed{-1, 1, 2, 3};  // 150 - 39 is in the second page
  const auto row = random_qkv(c, 1);
  EXPECT_LT(distance(attention(row, config, rope, pages.batch({{&passed, 150, 1}}), kSlot),
                     attention_reference(row, config, rope, composed.batch({{&passed, 150, 1}}), kSlot)),
            kTolerance);
}

TEST(Attention, ItsGradientsAreSlopes) {
  torch::manual_seed(14);
  for (const auto& c : kCases) {
    auto config = config_of(c, at::kFloat);
    const auto qkv = random_qkv(c, 6).requires_grad_();
    const auto rope = table_of(c, 6);
    const auto batch = Batch::of_sequences(torch::zeros({2, 3}, at::kLong));
    const auto run = [&] { return attention(qkv, config, rope, batch, {}); };
    expect_gradient(qkv, run);
    if (c.norms) {
      config.query_norm.weight.requires_grad_();
      expect_gradient(config.query_norm.weight, run);
      config.key_norm.weight.requires_grad_();
      expect_gradient(config.key_norm.weight, run);
    }
  }
}

TEST(Attention, APageTooFewIsRefused) {
  const torch::NoGradGuard no_grad;
  const auto& c = kCases[0];
  const Pages pages(c, 2, at::kFloat);
  const std::vector<int32_t> ids{0};
  const auto qkv = random_qkv(c, 3);
  const auto batch = pages.batch({{&ids, 62, 3}});
  EXPECT_ANY_THROW(attention(qkv, config_of(c, at::kFloat), table_of(c, 100), batch, kSlot));
  EXPECT_ANY_THROW(attention_reference(qkv, config_of(c, at::kFloat), table_of(c, 100), batch, kSlot));
}

}  // namespace
}  // namespace dstorch::ops

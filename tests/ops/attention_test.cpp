#include "ops/attention.h"

#include <cmath>

#include "ops/support.h"

namespace dstorch::ops {
namespace {

struct Case {
  const char* name;
  int64_t heads, kv_heads, dim, rotary_dim, window;
  bool norms;
};

constexpr Case kCases[] = {
    {"one KV head a head", 4, 4, 16, 16, 0, false}, {"grouped", 9, 3, 64, 64, 0, false},
    {"no rotation", 4, 4, 32, 0, 0, false},         {"partial rotation", 6, 2, 24, 10, 0, false},
    {"sliding window", 4, 2, 16, 16, 5, false},     {"query and key norms", 4, 1, 40, 40, 0, true},
};

AttentionConfig config_of(const Case& c, at::ScalarType type) {
  AttentionConfig config;
  config.num_heads = c.heads;
  config.num_kv_heads = c.kv_heads;
  config.head_dim = c.dim;
  config.scale = 1 / std::sqrt(static_cast<double>(c.dim));
  config.sliding_window = c.window;
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

LayerCache cache_of(const Case& c, int64_t capacity, at::ScalarType type) {
  const auto options = torch::TensorOptions().dtype(type);
  return {torch::full({c.kv_heads, capacity, c.dim}, NAN, options),
          torch::full({c.kv_heads, capacity, c.dim}, NAN, options)};
}

TEST(Attention, AgreesWithReferenceOverACache) {
  torch::manual_seed(5);
  const torch::NoGradGuard no_grad;
  for (const auto& c : kCases) {
    for (const auto type : kWeightTypes) {
      const auto config = config_of(c, type);
      const auto rope = table_of(c, 100);
      auto fast = cache_of(c, 100, type), composed = cache_of(c, 100, type);
      int64_t position = 0;
      for (const int64_t seq : {5, 1, 1, 70, 1}) {
        const auto qkv = torch::randn({1, seq, (c.heads + 2 * c.kv_heads) * c.dim});
        const auto y = attention(qkv, config, rope, &fast, position);
        const auto want = attention_reference(qkv, config, rope, &composed, position);
        ASSERT_EQ(y.sizes(), (at::IntArrayRef{1, seq, c.heads * c.dim}));
        EXPECT_LT(distance(y, want), cache_tolerance(type)) << c.name << " at " << position;
        position += seq;
      }
      for (const auto part : {&LayerCache::keys, &LayerCache::values}) {
        EXPECT_LT(distance((fast.*part).narrow(1, 0, position), (composed.*part).narrow(1, 0, position)),
                  cache_tolerance(type))
            << c.name;
        EXPECT_TRUE((fast.*part).narrow(1, position, 100 - position).isnan().all().item<bool>()) << c.name;
      }
    }
  }
}

TEST(Attention, AgreesWithReferenceWithoutACache) {
  torch::manual_seed(6);
  const torch::NoGradGuard no_grad;
  for (const auto& c : kCases) {
    const auto config = config_of(c, at::kFloat);
    const auto rope = table_of(c, 80);
    const auto qkv = torch::randn({2, 80, (c.heads + 2 * c.kv_heads) * c.dim});
    EXPECT_LT(distance(attention(qkv, config, rope, nullptr, 0), attention_reference(qkv, config, rope, nullptr, 0)),
              kTolerance)
        << c.name;
  }
}

/// Only the kernel gives the same bits however a prompt is cut; so this also shows that it is what runs.
TEST(Attention, ChunksGiveTheSameBits) {
  torch::manual_seed(7);
  const torch::NoGradGuard no_grad;
  const auto& c = kCases[1];
  const auto config = config_of(c, at::kBFloat16);
  const auto rope = table_of(c, 200);
  const auto qkv = torch::randn({1, 200, (c.heads + 2 * c.kv_heads) * c.dim});
  auto whole_cache = cache_of(c, 200, at::kBFloat16), cut_cache = cache_of(c, 200, at::kBFloat16);
  const auto whole = attention(qkv, config, rope, &whole_cache, 0);
  std::vector<at::Tensor> parts;
  for (int64_t at = 0; at < 200; at += 25) {
    parts.push_back(attention(qkv.narrow(1, at, 25), config, rope, &cut_cache, at));
  }
  EXPECT_TRUE(at::cat(parts, 1).equal(whole));
  EXPECT_TRUE(cut_cache.keys.equal(whole_cache.keys));
}

TEST(Attention, GradientsFlow) {
  const auto& c = kCases[5];
  auto config = config_of(c, at::kFloat);
  config.query_norm.weight.requires_grad_();
  const auto qkv = torch::randn({1, 6, (c.heads + 2 * c.kv_heads) * c.dim}).requires_grad_();
  attention(qkv, config, table_of(c, 6), nullptr, 0).square().sum().backward();
  EXPECT_GT(qkv.grad().abs().sum().item<double>(), 0);
  EXPECT_GT(config.query_norm.weight.grad().abs().sum().item<double>(), 0);
}

TEST(Attention, ACacheThatIsFullIsRefused) {
  const torch::NoGradGuard no_grad;
  const auto& c = kCases[0];
  auto cache = cache_of(c, 4, at::kFloat);
  const auto qkv = torch::randn({1, 3, (c.heads + 2 * c.kv_heads) * c.dim});
  EXPECT_ANY_THROW(attention(qkv, config_of(c, at::kFloat), table_of(c, 10), &cache, 2));
}

}  // namespace
}  // namespace dstorch::ops

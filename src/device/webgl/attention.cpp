#include "device/webgl/attention.h"

#include <fmt/core.h>

#include <algorithm>

#include "device/webgl/tensors.h"

namespace dstorch::webgl {
namespace {

constexpr int64_t kAttentionSize = 8;
constexpr int64_t kMaxHeadDim = 256;

bool by_four(const at::Tensor& x) {
  return on_device(x) && x.scalar_type() == at::kFloat && x.dim() == 3 && x.numel() > 0 && x.stride(2) == 1 &&
         x.size(2) % 4 == 0 && x.stride(0) % 4 == 0 && x.stride(1) % 4 == 0 && x.storage_offset() % 4 == 0 && fits(x);
}

/// An invocation is one query of one head; the softmax is renormalised as larger scores come (Milakov & Gimelshein
/// 2018), so that the keys are read once and a row's result does not depend on the others.
std::string shader(int64_t head_dim) {
  const auto texels = head_dim / 4;
  auto text = flat_index(kAttentionSize) + read_buffer("q", 0, Texel::f32x4) + read_buffer("k", 1, Texel::f32x4) +
              read_buffer("v", 2, Texel::f32x4) + accessor("out", 0, at::kFloat, true) + R"(
uniform int heads, group, position, window, q_offset, q_head, q_row, k_offset, k_head, k_row, v_offset, v_head, v_row;
uniform int out_offset, first_index, end_index;
uniform float scale;
void main() {
  int index = first_index + flat_index();
  if (index >= end_index) { return; }
  int row = index / heads;
  int head = index - row * heads;
  int q_at = (q_offset + head * q_head + row * q_row) >> 2;
  int k_at = (k_offset + head / group * k_head) >> 2;
  int v_at = (v_offset + head / group * v_head) >> 2;
  int last = position + row;
  int first = window > 0 ? max(0, last - window + 1) : 0;
  float most = -1e30;
  float total = 0.0;
)";
  for (int64_t i = 0; i < texels; ++i) {
    text += fmt::format("  vec4 q{0} = fetch_q(q_at + {0}) * scale;\n  vec4 a{0} = vec4(0.0);\n", i);
  }
  text +=
      "  for (int key = first; key <= last; ++key) {\n    int k = k_at + key * (k_row >> 2);\n    float score = 0.0;\n";
  for (int64_t i = 0; i < texels; ++i) {
    text += fmt::format("    score += dot(q{0}, fetch_k(k + {0}));\n", i);
  }
  text += R"(    float larger = max(most, score);
    float kept = exp(most - larger);
    float weight = exp(score - larger);
    most = larger;
    total = total * kept + weight;
    int v = v_at + key * (v_row >> 2);
)";
  for (int64_t i = 0; i < texels; ++i) {
    text += fmt::format("    a{0} = a{0} * kept + weight * fetch_v(v + {0});\n", i);
  }
  text += fmt::format("  }}\n  int out_at = out_offset + index * {};\n  float share = 1.0 / total;\n", head_dim);
  for (int64_t i = 0; i < head_dim; ++i) {
    text += fmt::format("  store_out(out_at + {}, a{}[{}] * share);\n", i, i / 4, i % 4);
  }
  return text + "}\n";
}

}  // namespace

bool attention_takes(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values) {
  return by_four(queries) && by_four(keys) && by_four(values) && queries.size(2) <= kMaxHeadDim &&
         keys.size(2) == queries.size(2) && values.size(2) == queries.size(2) && queries.size(0) % keys.size(0) == 0;
}

bool attention_takes(int64_t kv_heads, int64_t positions, int64_t head_dim) {
  const auto bytes = kv_heads * positions * head_dim * static_cast<int64_t>(sizeof(float));
  return head_dim % 4 == 0 && head_dim <= kMaxHeadDim &&
         (!why_unavailable().empty() || bytes <= describe().max_block_bytes);
}

at::Tensor attend(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values, double scale,
                  int64_t position, int64_t window) {
  const auto heads = queries.size(0);
  const auto seq = queries.size(1);
  const auto dim = queries.size(2);
  auto out = empty({seq, heads * dim}, at::kFloat);
  // A row meets all keys and all values; as many rows at a time as are done soon.
  const auto row_work = 2 * heads * (position + seq) * dim;
  const auto rows = std::max<int64_t>(1, Context::get().limits().work / row_work);
  for (int64_t first = 0; first < seq; first += rows) {
    const auto end = std::min(seq, first + rows);
    Launch launch(fmt::format("attention {}", dim), [&] { return shader(dim); });
    const auto read = [&](int slot, const at::Tensor& tensor, const char* offset, const char* head, const char* row) {
      const auto view = view_of(tensor);
      bind_range(launch, slot, view, view.offset, view.last(), false, offset, Texel::f32x4);
      launch.set(head, tensor.stride(0)).set(row, tensor.stride(1));
    };
    read(0, queries, "q_offset", "q_head", "q_row");
    read(1, keys, "k_offset", "k_head", "k_row");
    read(2, values, "v_offset", "v_head", "v_row");
    bind(launch, 0, view_of(out), true, "out_offset");
    launch.set("heads", heads).set("group", heads / keys.size(0));
    launch.set("first_index", first * heads).set("end_index", end * heads);
    launch.set("position", position).set("window", window).set("scale", scale);
    launch.run_flat((end - first) * heads, kAttentionSize);
  }
  return out;
}

}  // namespace dstorch::webgl

#include "models/training_layers.h"

namespace dstorch::models {

TrainingLayers::Block TrainingLayers::rotate(int64_t width) {
  const auto size = sizes_.qk_norm || sizes_.whole_qk_norm ? kFloat : product_;
  const auto turned = width / sizes_.head_dim * sizes_.rotary_dim;
  auto products = ledger_.take(size * tokens_ * 2 * turned);
  const auto halves = ledger_.take(size * tokens_ * turned);
  products.release();
  return ledger_.take(size * tokens_ * width);
}

bool TrainingLayers::heads(int64_t width, bool rotated, bool copies, Blocks& saved) {
  Block now;
  if (sizes_.qk_norm) {
    if (shape_.bfloat16) {
      saved.push_back(rows(width));  // the norm widens its input and keeps that
    }
    now = norm(width, saved, shape_.bfloat16);
  }
  if (shape_.bfloat16 && (sizes_.qk_norm || sizes_.whole_qk_norm)) {
    const auto turned = rotated ? rotate(width) : std::move(now);
    saved.push_back(narrow(width));
    return false;
  }
  if (rotated) {
    saved.push_back(rotate(width));
  } else if (copies) {
    saved.push_back(narrow(width));
  } else if (sizes_.qk_norm) {
    saved.push_back(std::move(now));
  } else {
    return true;
  }
  return sizes_.qk_norm;  // the norm keeps its input
}

TrainingLayers::Block TrainingLayers::attention(SavedLayer& layer, bool rotated) {
  const bool batched = shape_.batch > 1;
  const bool grouped = sizes_.num_heads != sizes_.num_kv_heads;
  auto qkv = narrow(query_size() + 2 * key_size());
  bool keep = heads(query_size(), rotated, batched || grouped, layer.attention);
  keep = heads(key_size(), rotated, batched, layer.attention) || keep;
  if (batched) {
    layer.attention.push_back(narrow(key_size()));
  } else {
    keep = true;
  }
  auto products = numbers(scores_size());
  auto scaled = numbers(scores_size());
  products.release();
  if (sizes_.capped_attention) {
    layer.probabilities.push_back(numbers(scores_size()));  // the tanh
    scaled = numbers(scores_size());
  }
  const auto mask = numbers(shape_.sequence * shape_.sequence);
  auto scores = numbers(scores_size());
  scaled.release();
  {
    const auto widened = shape_.bfloat16 ? floats(scores_size()) : Block();
    layer.probabilities.push_back(floats(scores_size()));
  }
  if (shape_.bfloat16) {
    layer.probabilities.push_back(numbers(scores_size()));
  }
  const auto mixed = narrow(query_size());
  layer.attention_output.push_back(narrow(query_size()));
  weights(query_size() * sizes_.hidden_size, layer.attention_output);
  adapters(1, layer.attention_output);
  if (keep) {
    layer.attention.push_back(std::move(qkv));
    return {};
  }
  return qkv;  // the layer's own until its end
}

TrainingLayers::Block TrainingLayers::residual(Blocks& saved) {
  auto output = narrow(sizes_.hidden_size);
  if (!sizes_.norm_after) {
    const auto scaled = sizes_.scaled_residual ? narrow(sizes_.hidden_size) : Block();
    return rows(sizes_.hidden_size);
  }
  if (shape_.bfloat16) {
    saved.push_back(rows(sizes_.hidden_size));  // the norm widens its input and keeps that
  } else {
    saved.push_back(std::move(output));
  }
  const auto normed = norm(sizes_.hidden_size, saved, shape_.bfloat16);
  return rows(sizes_.hidden_size);
}

TrainingLayers::Block TrainingLayers::whole_norm(int64_t width, Blocks& saved) {
  saved.push_back(shape_.bfloat16 ? rows(width) : narrow(width));  // the norm keeps its input, widened
  return norm(width, saved, shape_.bfloat16);
}

void TrainingLayers::keep_input(Block x, Blocks& saved) {
  if (sizes_.norm_before || !shape_.bfloat16) {
    saved.push_back(std::move(x));
  } else {
    input_ = std::move(x);
  }
}

TrainingLayers::Block TrainingLayers::forward_layer(Block x, bool rotated) {
  auto& layer = layers_.emplace_back();
  keep_input(std::move(x), layer.attention_norm);
  if (sizes_.parallel_parts) {
    forward_mlp(layer);
    const auto qkv = forward_attention(layer, rotated);
    const auto sum = residual(layer.attention_after);
    return residual(layer.mlp_after);
  }
  const auto qkv = forward_attention(layer, rotated);
  keep_input(residual(layer.attention_after), layer.mlp_norm);
  forward_mlp(layer);
  auto sum = residual(layer.mlp_after);
  input_.release();
  return sum;
}

TrainingLayers::Block TrainingLayers::forward_attention(SavedLayer& layer, bool rotated) {
  const auto joined = query_size() + 2 * key_size();
  {
    const auto products = sizes_.joined_layers ? 1 : 3;
    const auto normed = norm_for(products, layer.attention_norm);
    weights(sizes_.hidden_size * joined, layer.attention_norm);
    if (lora() && shape_.bfloat16) {  // of the block's matrices, for the passes
      layer.attention_norm.push_back(numbers(shape_.lora_block_parameters));
    }
    adapters(products, layer.attention_norm);
    if (sizes_.whole_qk_norm) {
      const auto q = whole_norm(query_size(), layer.attention);
      const auto k = whole_norm(key_size(), layer.attention);
      const auto v = narrow(key_size());
      const auto qkv = rows(joined);  // counted again by whoever keeps it
    } else {
      const auto parts = narrow(joined);
      const auto qkv = narrow(joined);
    }
  }
  return attention(layer, rotated);
}

void TrainingLayers::forward_mlp(SavedLayer& layer) {
  const auto parts = sizes_.gated_mlp ? 2 : 1;
  const auto products = sizes_.joined_layers ? 1 : parts;
  const auto width = sizes_.intermediate_size;
  const auto normed = norm_for(products, layer.mlp_norm);
  weights(parts * sizes_.hidden_size * width, layer.mlp_norm);
  adapters(products, layer.mlp_norm);
  layer.mlp.push_back(narrow(width));
  if (sizes_.gated_mlp) {
    layer.mlp.push_back(narrow(width));
    layer.mlp.push_back(narrow(width));
  }
  adapted(width);
  layer.mlp_output.push_back(narrow(width));
  weights(sizes_.hidden_size * width, layer.mlp_output);
  adapters(1, layer.mlp_output);
}

TrainingLayers::Block TrainingLayers::backward_after(Blocks& saved) {
  if (!sizes_.norm_after) {
    return {};
  }
  norm_backward();
  saved.clear();
  return rows(sizes_.hidden_size);
}

void TrainingLayers::backward_layer(SavedLayer& layer) {
  auto inner = backward_output(layer);
  if (!sizes_.parallel_parts) {
    backward_mlp(layer, std::move(inner));
  }
  backward_attention(layer);
  if (sizes_.parallel_parts) {  // it was computed first
    const auto first = rows(sizes_.hidden_size);
    backward_mlp(layer, std::move(inner));
  }
  keep_gradient(lora() ? shape_.lora_block_parameters : shape_.block_parameters);
}

TrainingLayers::Block TrainingLayers::backward_output(SavedLayer& layer) {
  const auto outer = backward_after(layer.mlp_after);
  const auto weight = weight_gradient(sizes_.hidden_size * sizes_.intermediate_size);
  auto inner = narrow(sizes_.intermediate_size);
  layer.mlp_output.clear();
  return inner;
}

void TrainingLayers::backward_mlp(SavedLayer& layer, Block inner) {
  const auto width = sizes_.intermediate_size;
  const auto matrix = sizes_.hidden_size * width;
  if (sizes_.gated_mlp) {
    auto gate = narrow(width);
    auto up = narrow(width);
    inner.release();
    auto weight = weight_gradient(matrix);
    const auto first = rows(sizes_.hidden_size);
    weight.release();
    up.release();
    const auto active = narrow(width);
    gate.release();
    weight = weight_gradient(matrix);
    const auto second = rows(sizes_.hidden_size);
  } else {
    const auto active = narrow(width);
    inner.release();
    const auto weight = weight_gradient(matrix);
    const auto first = rows(sizes_.hidden_size);
  }
  layer.mlp.clear();
  if (sizes_.norm_before) {
    norm_backward();
  }
  layer.mlp_norm.clear();
}

void TrainingLayers::backward_attention(SavedLayer& layer) {
  {
    auto outer = backward_after(layer.attention_after);
    const auto output = narrow(query_size());
    outer.release();
    layer.attention_output.clear();
    auto probabilities = numbers(scores_size());
    const auto values = narrow(key_size());
    if (shape_.bfloat16) {
      layer.probabilities.pop_back();  // the product's own copy
      probabilities = floats(scores_size());
    }
    auto scores = floats(scores_size());
    probabilities.release();
    layer.probabilities.clear();
    const auto scaled = numbers(scores_size());
    scores.release();
    const auto queries = narrow(query_size() + key_size());
  }
  {
    const auto rotated = narrow(3 * query_size());
    if (sizes_.qk_norm || sizes_.whole_qk_norm) {
      const auto parts = rows(4 * query_size());
    }
    layer.attention.clear();
  }
  if (sizes_.norm_before) {
    norm_backward();
  }
  layer.attention_norm.clear();
}

}  // namespace dstorch::models

#include <algorithm>
#include <cctype>
#include <map>

#include "dstorch/checkpoint.h"

namespace dstorch {
namespace {

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

/// Order of names in which numbers count by their value: fc2 before fc10.
bool comes_before(std::string_view a, std::string_view b) {
  std::size_t i = 0;
  std::size_t j = 0;
  const auto number_at = [](std::string_view text, std::size_t& at) {
    while (at + 1 < text.size() && text[at] == '0' && is_digit(text[at + 1])) {
      ++at;
    }
    const auto begin = at;
    while (at < text.size() && is_digit(text[at])) {
      ++at;
    }
    return text.substr(begin, at - begin);
  };
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      const auto first = number_at(a, i);
      const auto second = number_at(b, j);
      if (first != second) {
        return std::pair(first.size(), first) < std::pair(second.size(), second);
      }
    } else if (a[i] != b[j]) {
      return a[i] < b[j];
    } else {
      ++i;
      ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

std::vector<const TensorView*> in_order(const Checkpoint& checkpoint) {
  std::vector<const TensorView*> views;
  for (const auto& view : checkpoint.tensors()) {
    views.push_back(&view);
  }
  if (checkpoint.kind() == CheckpointKind::safetensors) {
    std::sort(views.begin(), views.end(), [](const auto* a, const auto* b) { return comes_before(a->name, b->name); });
  }
  return views;
}

/// "fc1" of "fc1.weight"; empty for a name without a dot.
std::string_view module_of(const TensorView& view) {
  const std::string_view name = view.name;
  const auto dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

bool is_dense_float(const TensorView& view) {
  return view.blocks == nullptr && (view.dtype == DType::float16 || view.dtype == DType::bfloat16 ||
                                    view.dtype == DType::float32 || view.dtype == DType::float64);
}

/// Gives each vector to the matrix of the same module or, where the names say nothing, to the matrix with its number
/// among them. False if one is left over.
bool give_biases(const std::vector<const TensorView*>& vectors, std::vector<LinearLayer>& layers) {
  std::map<std::string_view, LinearLayer*> by_module;
  for (auto& layer : layers) {
    const auto module = module_of(*layer.weight);
    if (!module.empty() && !by_module.emplace(module, &layer).second) {
      return false;
    }
  }
  const bool named = !by_module.empty();
  if (!named && !vectors.empty() && vectors.size() != layers.size()) {
    return false;
  }
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    const auto it = by_module.find(module_of(*vectors[i]));
    if (named && it == by_module.end()) {
      return false;
    }
    auto& layer = named ? *it->second : layers[i];
    if (layer.bias != nullptr) {
      return false;
    }
    layer.bias = vectors[i];
  }
  return true;
}

/// Whether each layer takes what the one before it gives.
bool chains(const std::vector<LinearLayer>& layers) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto& [weight, bias] = layers[i];
    const bool fits = weight->numel() > 0 && (i == 0 || weight->shape[1] == layers[i - 1].weight->shape[0]) &&
                      (bias == nullptr || bias->shape[0] == weight->shape[0]);
    if (!fits) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::vector<LinearLayer> linear_stack(const Checkpoint& checkpoint) {
  std::vector<LinearLayer> layers;
  std::vector<const TensorView*> vectors;
  for (const auto* view : in_order(checkpoint)) {
    if (!is_dense_float(*view) || view->shape.empty() || view->shape.size() > 2) {
      return {};
    }
    if (view->shape.size() == 2) {
      layers.push_back({view, nullptr});
    } else {
      vectors.push_back(view);
    }
  }
  const bool is_stack = layers.size() >= 2 && give_biases(vectors, layers) && chains(layers);
  return is_stack ? layers : std::vector<LinearLayer>();
}

}  // namespace dstorch

#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "ops/weight.h"

namespace dstorch::nn {

/// Which of two matrices that a config declares to be one a source has.
enum class TiedPair {
  same,       ///< The first; the second is missing or equal to it.
  second,     ///< Only the second.
  different,  ///< Both, and they differ, so that they are two matrices after all.
};

/// Where a module's parameters come from. Modules ask for them by checkpoint name while they are built, so that weights
/// are made once, on their device and in their format.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  /// A tensor of `shape` for the parameter `name`. `transposed` asks for memory in which the transpose is contiguous (a
  /// [in, out] weight whose rows of `out` are then ready for the kernels).
  virtual at::Tensor get(const std::string& name, at::IntArrayRef shape, bool transposed) = 0;
  /// The matrix `name` [rows, columns], in the format the source has it in; dense unless it says otherwise.
  virtual ops::Weight get_weight(const std::string& name, int64_t rows, int64_t columns) {
    return get(name, {rows, columns}, false);
  }
  /// Whether the source has a weight of this name; fresh weights have every one.
  [[nodiscard]] virtual bool has(const std::string& name) const = 0;
  /// Which of the matrices `first` and `second` there are, which a config declares to be one.
  virtual TiedPair tied_pair(const std::string& /*first*/, const std::string& /*second*/) { return TiedPair::same; }
  /// Tells the source what the model's names begin with ("model", "transformer"), which programs that save models leave
  /// out or write twice. Called before anything is asked for.
  virtual void names_begin_with(const std::string& /*body*/) {}
  /// Tells the source that a weight of this name may exist and is not used.
  virtual void leave_out(const std::string& /*name*/) {}
  /// The same for all names with this ending.
  virtual void leave_out_ending(const std::string& /*ending*/) {}
  /// Whether the weights will be trained.
  [[nodiscard]] virtual bool trainable() const = 0;
};

/// A source as one module sees it: names are relative to the module's name. It must not outlive the source.
class WeightScope {
 public:
  explicit WeightScope(WeightSource& source, std::string prefix = {}) : source_(&source), prefix_(std::move(prefix)) {}

  [[nodiscard]] WeightScope operator/(const std::string& child) const { return WeightScope(*source_, name(child)); }
  [[nodiscard]] WeightScope operator/(int64_t index) const { return *this / std::to_string(index); }

  [[nodiscard]] at::Tensor get(const std::string& parameter, at::IntArrayRef shape, bool transposed = false) const {
    return source_->get(name(parameter), shape, transposed);
  }
  [[nodiscard]] ops::Weight get_weight(const std::string& parameter, int64_t rows, int64_t columns) const {
    return source_->get_weight(name(parameter), rows, columns);
  }
  [[nodiscard]] bool has(const std::string& parameter) const { return source_->has(name(parameter)); }
  [[nodiscard]] bool trainable() const { return source_->trainable(); }

 private:
  [[nodiscard]] std::string name(const std::string& child) const {
    return prefix_.empty() ? child : prefix_ + "." + child;
  }

  WeightSource* source_;
  std::string prefix_;
};

/// Uninitialised weights for training from nothing; whoever trains fills them.
class FreshWeights : public WeightSource {
 public:
  explicit FreshWeights(at::TensorOptions options) : options_(options) {}
  at::Tensor get(const std::string& name, at::IntArrayRef shape, bool transposed) override;
  [[nodiscard]] bool has(const std::string&) const override { return true; }
  [[nodiscard]] bool trainable() const override { return true; }

 private:
  at::TensorOptions options_;
};

}  // namespace dstorch::nn

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <functional>
#include <map>
#include <optional>

#include "core/throw.h"
#include "device/torch_types.h"
#include "driver/model_files.h"
#include "dstorch/checkpoint.h"
#include "dstorch/finetune.h"
#include "engine/adapter_file.h"
#include "io/deferred_tensor.h"
#include "models/checkpoint_weights.h"
#include "models/planned_weights.h"
#include "models/registry.h"
#include "train/tensor_views.h"

namespace dstorch {
namespace driver {
namespace {

namespace fs = std::filesystem;
using engine::AdapterFile;

/// The weights of a model with an adapter worked into them.
class MergedWeights {
 public:
  explicit MergedWeights(const MergeOptions& options)
      : options_(options),
        file_(AdapterFile::open(options.adapter)),
        config_(file_.config_on(read_ordered_json(options.model / "config.json"))) {
    base_ = Checkpoint::open(options.model);
    models::PlannedWeights planned(base_, DType::float32, /*convert=*/false);
    model_ = models::create_model(Json::parse(config_.dump()), planned, {at::kMeta});
    names_.emplace(*base_, model_->parts().body);
    engine::require_fits(file_, *model_);
    find_changes();
  }

  [[nodiscard]] const std::shared_ptr<const Checkpoint>& base() const { return base_; }

  [[nodiscard]] at::Tensor tensor(const TensorView& view) const {
    const auto tensor = models::tensor_over(base_, view);
    const auto dtype = options_.dtype && tensor.is_floating_point() ? to_torch(*options_.dtype) : tensor.scalar_type();
    if (const auto it = replacements_.find(&view); it != replacements_.end()) {
      return models::tensor_over(file_.weights, *it->second).to(dtype);
    }
    const auto it = changes_.find(&view);
    return it == changes_.end() ? tensor.to(dtype) : (tensor.to(at::kFloat) + it->second()).to(dtype);
  }

  [[nodiscard]] DType dtype(const TensorView& view) const {
    const bool floating = at::isFloatingType(to_torch(view.dtype));
    return options_.dtype && floating ? *options_.dtype : view.dtype;
  }

  [[nodiscard]] bool tied() const { return model_->sizes().tied; }

  /// Whether the merged model has this tensor of the base.
  [[nodiscard]] bool keeps(const TensorView& view) const {
    return !file_.config.classifies || names_->find(head()) != &view;
  }
  /// The names of the weights that are one where the head is tied.
  [[nodiscard]] std::string table() const { return model_->parts().token_table + ".weight"; }
  [[nodiscard]] std::string head() const { return model_->parts().head + ".weight"; }

  /// What the merged model has and the base does not, by parameter.
  [[nodiscard]] const std::map<std::string, const TensorView*>& added() const { return added_; }
  [[nodiscard]] at::Tensor added_tensor(const TensorView& view) const {
    const auto tensor = models::tensor_over(file_.weights, view);
    return options_.dtype ? tensor.to(to_torch(*options_.dtype)) : tensor;
  }

  /// The merged model's config.json; the base's where nothing of it changes.
  [[nodiscard]] const OrderedJson& config() const { return config_; }

 private:
  [[nodiscard]] const TensorView& weight_of(const std::string& name) const {
    const auto* view = names_->find(name);
    require(view != nullptr, ErrorKind::format, "{} must have the tensor {}", options_.model.string(), name);
    require(view->blocks == nullptr, ErrorKind::unsupported,
            "an adapter can be merged into weights of numbers alone, and {} is in blocks of {}", name,
            view->blocks == nullptr ? "" : view->blocks->name);
    return *view;
  }

  /// scale · B · A: [out, in]
  [[nodiscard]] at::Tensor product(const std::string& module, const AdapterFile::Pair& pair) const {
    const auto a = models::tensor_over(file_.weights, *pair.a).to(at::kFloat);
    const auto b = models::tensor_over(file_.weights, *pair.b).to(at::kFloat);
    return at::matmul(b, a) * file_.config.scale_of(module);
  }

  void find_changes() {
    const auto layers = engine::linear_layers(*model_);
    for (const auto& [module, pair] : file_.linear) {
      const bool turned = layers.at(module)->layout() == nn::Linear::Layout::in_out;
      changes_[&weight_of(module + ".weight")] = [this, module = module, pair = pair, turned] {
        const auto change = product(module, pair);
        return turned ? change.t() : change;
      };
    }
    for (const auto& [module, pair] : file_.embedding) {
      require(!tied(), ErrorKind::unsupported, "{}: {} is the head too, which its adapter would change as well",
              options_.adapter.string(), module);
      const auto& view = weight_of(module + ".weight");
      changes_[&view] = [this, module = module, pair = pair] { return product(module, pair).t(); };
    }
    for (const auto& [parameter, view] : file_.replaced) {
      if (model_->sizes().num_classes > 0 && names_->find(parameter) == nullptr) {
        added_[parameter] = view;  // the head of the classes
        continue;
      }
      const auto& whole = weight_of(parameter);
      require(whole.shape == view->shape, ErrorKind::format, "{}: {} must be [{}], it is [{}]",
              options_.adapter.string(), parameter, fmt::join(whole.shape, ", "), fmt::join(view->shape, ", "));
      replacements_[&whole] = view;
    }
  }

  const MergeOptions& options_;
  AdapterFile file_;
  OrderedJson config_;
  std::shared_ptr<models::LanguageModel> model_;
  std::shared_ptr<const Checkpoint> base_;
  std::optional<models::WeightNames> names_;
  std::map<const TensorView*, std::function<at::Tensor()>> changes_;  // [rows, columns] of the tensor
  std::map<const TensorView*, const TensorView*> replacements_;
  std::map<std::string, const TensorView*> added_;
};

void write_directory(const MergeOptions& options, const MergedWeights& merged) {
  std::error_code error;
  fs::create_directories(options.output, error);
  require(fs::is_directory(options.output), ErrorKind::io, "cannot make the directory {}: {}", options.output.string(),
          error ? error.message() : "a file of that name exists");
  std::vector<DeferredTensor> tensors;
  for (const auto& view : merged.base()->tensors()) {
    if (!merged.keeps(view)) {
      continue;
    }
    tensors.push_back({view.name, merged.dtype(view), view.shape, [&](const auto& write) {
                         const auto tensor = merged.tensor(view).contiguous();
                         write(training::view_of(tensor));
                       }});
  }
  for (const auto& [name, view] : merged.added()) {
    tensors.push_back({name, merged.dtype(*view), view->shape, [&merged, view = view](const auto& write) {
                         const auto tensor = merged.added_tensor(*view).contiguous();
                         write(training::view_of(tensor));
                       }});
  }
  save_deferred_safetensors(options.output / "model.safetensors", tensors, {{"format", "pt"}});
  copy_model_files(options.model, options.output, merged.config(), options.dtype);
}

void write_state_dict(const MergeOptions& options, const MergedWeights& merged) {
  std::vector<at::Tensor> kept;
  std::vector<TensorView> views;
  std::map<const TensorView*, std::size_t> places;  // of the base's tensors in `views`
  const auto add = [&](const std::string& name, const at::Tensor& tensor) {
    kept.push_back(tensor.contiguous());
    views.push_back(training::view_of(kept.back()));
    views.back().name = name;
  };
  for (const auto& view : merged.base()->tensors()) {
    if (merged.keeps(view)) {
      places[&view] = views.size();
      add(view.name, merged.tensor(view));
    }
  }
  for (const auto& [name, view] : merged.added()) {
    add(name, merged.added_tensor(*view));
  }
  // Python's state dict of a model with a tied head has it under both names, over the same storage.
  if (const auto* view = merged.base()->find(merged.table());
      view != nullptr && merged.tied() && merged.base()->find(merged.head()) == nullptr) {
    auto head = views[places.at(view)];
    head.name = merged.head();
    views.push_back(head);
  }
  save_pytorch(options.output, views);
}

void check(const MergeOptions& options) {
  require(!options.output.empty(), ErrorKind::invalid_argument, "output must name a directory or a .pt file");
  require(fs::exists(options.model / "config.json"), ErrorKind::not_found,
          "{} must be a model directory with a config.json", options.model.string());
  require(!options.dtype || options.dtype == DType::float32 || options.dtype == DType::bfloat16 ||
              options.dtype == DType::float16,
          ErrorKind::invalid_argument, "dtype must be float32, bfloat16 or float16, got {}",
          options.dtype ? to_string(*options.dtype) : "");
  std::error_code ignored;
  require(!fs::equivalent(options.model, options.output, ignored) &&
              !fs::equivalent(options.adapter, options.output, ignored),
          ErrorKind::invalid_argument, "{} is what is merged: write to another directory", options.output.string());
  const bool taken =
      fs::exists(options.output) && (!fs::is_directory(options.output) || !fs::is_empty(options.output, ignored));
  require(!taken || options.overwrite, ErrorKind::invalid_argument,
          "there is something at {} already: choose another name, or let it be replaced (overwrite, --overwrite)",
          options.output.string());
}

}  // namespace
}  // namespace driver

void merge_adapter(const MergeOptions& options) {
  driver::check(options);
  const at::NoGradGuard no_grad;
  try {
    const driver::MergedWeights merged(options);
    if (options.output.extension() == ".pt" || options.output.extension() == ".pth") {
      driver::write_state_dict(options, merged);
    } else {
      driver::write_directory(options, merged);
    }
  } catch (const c10::Error& e) {
    throw LMError(ErrorKind::internal, fmt::format("merging failed: {}", e.what_without_backtrace()));
  }
}

}  // namespace dstorch

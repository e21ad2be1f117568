#include "engine/adapter_file.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include "core/atomic_file.h"
#include "core/throw.h"
#include "device/memory_account.h"
#include "models/checkpoint_weights.h"
#include "models/classes.h"

namespace dstorch::engine {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "base_model.model.";

/// `text` without `end`, if it ends with that.
std::optional<std::string> without(std::string_view text, std::string_view end) {
  if (!text.ends_with(end)) {
    return std::nullopt;
  }
  return std::string(text.substr(0, text.size() - end.size()));
}

void sort_in(AdapterFile& file, const TensorView& view) {
  require(view.name.starts_with(kPrefix), ErrorKind::format, "{}: names of tensors must begin with \"{}\", one is {}",
          file.directory.string(), kPrefix, view.name);
  const auto name = std::string_view(view.name).substr(kPrefix.size());
  if (const auto module = without(name, ".lora_A.weight")) {
    file.linear[*module].a = &view;
  } else if (const auto with_b = without(name, ".lora_B.weight")) {
    file.linear[*with_b].b = &view;
  } else if (const auto table = without(name, ".lora_embedding_A")) {
    file.embedding[*table].a = &view;
  } else if (const auto table_b = without(name, ".lora_embedding_B")) {
    file.embedding[*table_b].b = &view;
  } else if (const auto frozen = without(name, ".base_layer.weight")) {
    file.base[*frozen] = &view;
  } else {
    const auto whole = std::string(name.substr(0, name.rfind('.')));
    require(name.find(".lora_") == std::string_view::npos && file.config.replaces(whole), ErrorKind::unsupported,
            "{}: {} is neither a matrix of LoRA nor of a module in modules_to_save", file.directory.string(),
            view.name);
    file.replaced[std::string(name)] = &view;
  }
}

void require_pair(const AdapterFile& file, const std::string& module, const AdapterFile::Pair& pair, int64_t in,
                  int64_t out) {
  const auto where = file.directory.string();
  require(pair.a != nullptr && pair.b != nullptr, ErrorKind::format, "{}: {} must have both of its matrices", where,
          module);
  const auto rank = file.config.rank_of(module);
  const auto a = std::vector<int64_t>{rank, in};
  const auto b = std::vector<int64_t>{out, rank};
  require(pair.a->shape == a && pair.b->shape == b, ErrorKind::format,
          "{}: the matrices of {} must be [{}] and [{}], they are [{}] and [{}]", where, module, fmt::join(a, ", "),
          fmt::join(b, ", "), fmt::join(pair.a->shape, ", "), fmt::join(pair.b->shape, ", "));
}

template <typename Module>
std::map<std::string, const Module*> modules_of(const torch::nn::Module& model) {
  std::map<std::string, const Module*> found;
  for (const auto& entry : model.named_modules({}, /*include_self=*/false)) {
    if (const auto* module = dynamic_cast<const Module*>(entry.value().get())) {
      found[entry.key()] = module;
    }
  }
  return found;
}

at::Tensor numbers(const AdapterFile& file, const TensorView& view, const at::Device& device) {
  const auto tensor = models::tensor_over(file.weights, view);
  require(tensor.is_floating_point(), ErrorKind::format, "{}: {} must be floating point, is {}",
          file.directory.string(), view.name, to_string(view.dtype));
  return tensor.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true).contiguous().to(device);
}

}  // namespace

AdapterFile AdapterFile::open(const fs::path& directory) {
  AdapterFile file;
  file.directory = directory;
  const auto config = directory / "adapter_config.json";
  require(fs::exists(config), ErrorKind::not_found,
          "{} must be a directory with an adapter: there is no adapter_config.json", directory.string());
  file.config = LoraConfig::from_json(read_file(config), config.string());
  auto weights = directory / "adapter_model.safetensors";
  if (!fs::exists(weights)) {
    weights = directory / "adapter_model.bin";
  }
  require(fs::exists(weights), ErrorKind::not_found, "there is no adapter_model.safetensors in {}", directory.string());
  file.weights = Checkpoint::open(weights);
  for (const auto& view : file.weights->tensors()) {
    sort_in(file, view);
  }
  return file;
}

std::map<std::string, at::Tensor> AdapterFile::replacements(const at::Device& device,
                                                            std::optional<at::ScalarType> dtype) const {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [parameter, view] : replaced) {
    const auto tensor = models::tensor_over(weights, *view);
    tensors[parameter] =
        tensor.to(device, dtype.value_or(tensor.scalar_type()), /*non_blocking=*/false, /*copy=*/true).contiguous();
  }
  return tensors;
}

OrderedJson AdapterFile::config_on(OrderedJson of_base) const {
  if (!config.classifies) {
    return of_base;
  }
  const auto head = replaced.find(models::kClassWeight);
  require(head != replaced.end() && head->second->shape.size() == 2, ErrorKind::format,
          "{}: its task_type is SEQ_CLS, and its weights have no matrix base_model.model.{}", directory.string(),
          models::kClassWeight);
  const auto count = head->second->shape[0];
  auto names = models::numbered_classes(count);
  if (const auto beside = directory / "config.json"; fs::exists(beside)) {
    if (auto named = models::class_names(read_json(beside)); !named.empty()) {
      names = std::move(named);
    }
    require(std::ssize(names) == count, ErrorKind::format, "{} must name the {} classes of the adapter, it names {}",
            beside.string(), count, names.size());
  }
  return models::with_classes(std::move(of_base), names);
}

std::map<std::string, const nn::Linear*> linear_layers(const torch::nn::Module& model) {
  return modules_of<nn::Linear>(model);
}

std::map<std::string, const nn::Embedding*> embedding_tables(const torch::nn::Module& model) {
  return modules_of<nn::Embedding>(model);
}

void require_fits(const AdapterFile& file, const models::LanguageModel& model) {
  const auto where = file.directory.string();
  const auto parts = model.parts();
  const auto layers = linear_layers(model);
  for (const auto& [module, pair] : file.linear) {
    const auto it = layers.find(module);
    require(it != layers.end(), ErrorKind::format,
            "{}: the model has no linear layer {}: the adapter is of another one", where, module);
    require_pair(file, module, pair, it->second->in_features(), it->second->out_features());
  }
  const auto tables = embedding_tables(model);
  for (const auto& [module, pair] : file.embedding) {
    const auto it = tables.find(module);
    require(it != tables.end(), ErrorKind::format, "{}: the model has no embedding {}: the adapter is of another one",
            where, module);
    require_pair(file, module, pair, it->second->count(), it->second->features());
  }
  for (const auto& [module, view] : file.base) {
    // A different number of rows means that the vocabulary was extended; the base model would have to be extended too.
    const auto linear = layers.find(module);
    const auto table = tables.find(module);
    const auto rows = linear != layers.end()  ? linear->second->out_features()
                      : table != tables.end() ? table->second->count()
                                              : 0;
    require(!view->shape.empty() && view->shape[0] == rows, ErrorKind::unsupported,
            "{}: {} must have the model's {} rows, it has {}: adapters with tokens of their own are not supported",
            where, view->name, rows, view->shape.empty() ? 0 : view->shape[0]);
  }
  const auto parameters = model.named_parameters();
  for (const auto& [parameter, view] : file.replaced) {
    const auto module = parameter.substr(0, parameter.rfind('.'));
    require(parameters.contains(parameter), ErrorKind::format,
            "{}: the model has no weight {}: the adapter is of another one", where, parameter);
    require(!model.sizes().tied || !(parts.is_head(module) || tables.contains(module)), ErrorKind::unsupported,
            "{}: modules_to_save has {}, and in this model the head and the table of tokens are one", where, module);
  }
  for (const auto& [module, layer] : layers) {
    const bool wanted = file.config.changes(module, parts);
    require(wanted == file.linear.contains(module), ErrorKind::format,
            "{}: adapter_config.json {} {}, and the weights {} matrices for it", where,
            wanted ? "targets" : "leaves out", module, wanted ? "have no" : "have");
  }
}

std::shared_ptr<const nn::Adapter> load_adapter(const AdapterFile& file, const models::LanguageModel& model) {
  require_fits(file, model);
  const auto device = model.parameters().front().device();
  const auto layers = linear_layers(model);
  const auto tables = embedding_tables(model);
  auto adapter = std::make_shared<nn::Adapter>();
  const auto add = [&](const torch::nn::Module& layer, const std::string& module, const AdapterFile::Pair& pair) {
    adapter->add(layer, {.a = numbers(file, *pair.a, device),
                         .b = numbers(file, *pair.b, device),
                         .scale = file.config.scale_of(module)});
  };
  for (const auto& [module, pair] : file.linear) {
    add(*layers.at(module), module, pair);
  }
  for (const auto& [module, pair] : file.embedding) {
    add(*tables.at(module), module, pair);
  }
  return adapter;
}

}  // namespace dstorch::engine

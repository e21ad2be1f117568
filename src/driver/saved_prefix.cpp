#include "driver/saved_prefix.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <cstring>

#include "core/throw.h"
#include "device/torch_types.h"
#include "driver/fingerprint.h"
#include "driver/loaded_parts.h"
#include "engine/evaluate_tokens.h"
#include "train/tensor_views.h"

namespace dstorch::driver {
namespace {

constexpr const char* kFormat = "dstorch prefix 1";

std::string name_of_group(std::size_t group) { return fmt::format("pages.{}", group); }

/// A file that is no prefix of this model.
class PrefixFile {
 public:
  explicit PrefixFile(const std::filesystem::path& path)
      : name_(path.string()), checkpoint_(Checkpoint::open(path, CheckpointAccess::copy)) {
    require(entry("format") == kFormat, ErrorKind::format,
            "{} must be a file that save_prefix wrote (its format \"{}\"); its format is \"{}\"", name_, kFormat,
            entry("format"));
  }

  /// What its metadata say; empty where they say nothing.
  [[nodiscard]] std::string entry(const std::string& key) const {
    const auto& metadata = checkpoint_->metadata();
    const auto it = metadata.find(key);
    return it == metadata.end() ? "" : it->second;
  }

  void check_fingerprint(const std::string& expected) const {
    require(entry("fingerprint") == expected, ErrorKind::format,
            "{} holds keys and values of another model, adapter, device or format (fingerprint {}, this model has {}); "
            "make the file anew",
            name_, entry("fingerprint"), expected);
  }

  [[nodiscard]] std::vector<int64_t> tokens(int64_t most) const {
    const auto& view = tensor("tokens", DType::int64);
    require(view.shape.size() == 1 && view.shape[0] >= 1 && view.shape[0] <= most, ErrorKind::format,
            "{}: tokens must be between 1 and {} numbers, its shape is [{}]", name_, most, fmt::join(view.shape, ", "));
    std::vector<int64_t> tokens(static_cast<std::size_t>(view.shape[0]));
    std::memcpy(tokens.data(), view.data(), tokens.size() * sizeof(int64_t));
    return tokens;
  }

  /// A copy, on the CPU.
  [[nodiscard]] at::Tensor pages(std::size_t group, at::ScalarType type, at::IntArrayRef shape) const {
    const auto& view = tensor(name_of_group(group), from_torch(type));
    require(at::IntArrayRef(view.shape) == shape, ErrorKind::format, "{}: {} must be of shape [{}], it is [{}]", name_,
            view.name, fmt::join(shape, ", "), fmt::join(view.shape, ", "));
    auto result = at::empty(shape, type);
    std::memcpy(result.data_ptr(), view.data(), result.nbytes());
    return result;
  }

 private:
  [[nodiscard]] const TensorView& tensor(const std::string& name, DType dtype) const {
    const auto* view = checkpoint_->find(name);
    require(view != nullptr && view->dtype == dtype && view->is_contiguous() && view->blocks == nullptr,
            ErrorKind::format, "{} must have a tensor {} of {}", name_, name, to_string(dtype));
    return *view;
  }

  std::string name_;
  std::shared_ptr<const Checkpoint> checkpoint_;
};

/// A model that keeps something, whose engine finds it again.
engine::Engine& caching_engine_of(const LoadedModel& loaded) {
  auto& engine = engine_of(loaded);
  require(engine.prefix_counts() != nullptr, ErrorKind::unsupported,
          "prefixes are kept by a language model with keys and values, and with prefix_cache on; set it");
  return engine;
}

}  // namespace

void save_prefix(const LoadedModel& loaded, const std::filesystem::path& path, std::span<const int64_t> tokens,
                 const std::string& adapter) {
  auto& engine = caching_engine_of(loaded);
  const auto through = adapter_of(loaded, adapter);
  const auto pages = engine::keys_and_values(engine, tokens, through);
  std::vector<TensorView> views{{.name = "tokens",
                                 .dtype = DType::int64,
                                 .shape = {static_cast<int64_t>(tokens.size())},
                                 .strides = {1},
                                 .storage = std::as_bytes(tokens)}};
  for (std::size_t group = 0; group < pages.size(); ++group) {
    views.push_back(training::view_of(pages[group]));
    views.back().name = name_of_group(group);
  }
  save_safetensors(path, views,
                   {{"format", kFormat}, {"fingerprint", fingerprint(loaded, through.get())}, {"adapter", adapter}});
}

int64_t load_prefix(const LoadedModel& loaded, const std::filesystem::path& path) {
  auto& engine = caching_engine_of(loaded);
  const PrefixFile file(path);
  const auto adapter = adapter_of(loaded, file.entry("adapter"));
  file.check_fingerprint(fingerprint(loaded, adapter.get()));
  auto tokens = file.tokens(engine.max_context());
  engine.check_tokens(tokens);
  const auto count = static_cast<int64_t>(tokens.size());
  const auto& layout = engine.model().kv_layout();
  std::vector<at::Tensor> pages;
  for (std::size_t group = 0; group < layout.groups.size(); ++group) {
    pages.push_back(file.pages(group, engine.kv_dtype(), layout.pages_shape(group, count, engine.kv_dtype())));
  }
  engine.put_prefix(tokens, adapter, pages);
  return count;
}

}  // namespace dstorch::driver

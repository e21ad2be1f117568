#include "models/checkpoint_weights.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/mapped_file.h"
#include "core/throw.h"
#include "device/memory_account.h"
#include "device/torch_types.h"

namespace dstorch::models {
namespace {

constexpr std::size_t kListed = 20;
/// How many names a line of the log lists.
constexpr std::size_t kNamed = 5;

/// Whether any of `endings` is what `name` ends with.
template <typename Endings>
bool ends_with_any(std::string_view name, const Endings& endings) {
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return name.ends_with(ending); });
}

/// Tensors that checkpoints of any family may contain and no model uses: rotation tables, masks and position ids that
/// older versions saved, scales of a quantized cache, layers that predict further tokens. Those of one family are in
/// its DecoderConfig::unused.
bool is_left_out(std::string_view name) {
  constexpr std::array<std::string_view, 8> endings{"rotary_emb.inv_freq",
                                                    "rotary_emb.original_inv_freq",
                                                    "rotary_emb.cos_cached",
                                                    "rotary_emb.sin_cached",
                                                    ".k_scale",
                                                    ".v_scale",
                                                    "causal_mask",
                                                    "position_ids"};
  return ends_with_any(name, endings) || name.starts_with("mtp.") || name.find(".mtp.") != std::string_view::npos;
}

/// How the ops read the blocks of `view`. Throws LMError{unsupported} for a format they do not know.
const ops::WeightFormat& block_format(const TensorView& view) {
  const auto* format = ops::find_weight_format(view.blocks->name);
  require(format != nullptr, ErrorKind::unsupported, "{}: dstorch cannot compute with weights of the format {}",
          view.name, view.blocks->name);
  return *format;
}

/// The blocks of `view` [rows, columns] as bytes: uint8 [rows, bytes of a row].
at::Tensor block_tensor(const std::shared_ptr<const Checkpoint>& checkpoint, const TensorView& view) {
  const auto columns = view.shape.empty() ? 1 : view.shape.back();
  require(columns > 0 && columns % view.blocks->elements == 0, ErrorKind::format,
          "{}: rows of {} must be whole blocks of {}, they have {} numbers", view.name, view.blocks->name,
          view.blocks->elements, columns);
  const auto rows = view.numel() / columns;
  const auto row_bytes = columns / view.blocks->elements * view.blocks->bytes;
  auto* data = const_cast<std::byte*>(view.data());
  return at::from_blob(
      data, {rows, row_bytes}, [checkpoint](void*) {}, at::kByte);
}

/// Whether two tensors hold the same numbers.
bool equal(const std::shared_ptr<const Checkpoint>& checkpoint, const TensorView& a, const TensorView& b) {
  if (a.shape != b.shape || a.blocks != b.blocks) {
    return false;
  }
  if (a.data() == b.data() && a.strides == b.strides && a.dtype == b.dtype) {
    return true;
  }
  if (a.blocks != nullptr) {
    return at::equal(block_tensor(checkpoint, a), block_tensor(checkpoint, b));
  }
  const auto first = tensor_over(checkpoint, a);
  return at::equal(first, tensor_over(checkpoint, b).to(first.scalar_type()));
}

}  // namespace

at::Tensor tensor_over(const std::shared_ptr<const Checkpoint>& checkpoint, const TensorView& view) {
  require(view.blocks == nullptr, ErrorKind::unsupported,
          "{}: its numbers lie in blocks of {}, which can be listed only", view.name,
          view.blocks == nullptr ? "" : view.blocks->name);
  const auto options = at::TensorOptions().dtype(to_torch(view.dtype));
  if (view.numel() == 0) {
    return at::empty(view.shape, options);
  }
  auto* data = const_cast<std::byte*>(view.data());  // the mapping is private: writes never reach the file
  if (reinterpret_cast<std::uintptr_t>(data) % size_of(view.dtype) != 0) {
    // A file that packs tensors without padding: element access would be misaligned, so this one is copied.
    const auto whole = static_cast<int64_t>(view.storage.size() - view.storage_offset * size_of(view.dtype));
    auto bytes = at::empty({whole / static_cast<int64_t>(size_of(view.dtype))}, options);
    std::copy_n(data, bytes.nbytes(), static_cast<std::byte*>(bytes.data_ptr()));
    return bytes.as_strided(view.shape, view.strides);
  }
  return at::from_blob(
      data, view.shape, view.strides, [checkpoint](void*) {}, options);
}

at::Tensor count_in_place(at::Tensor tensor, const TensorView& view, const Checkpoint& checkpoint) {
  if (tensor.data_ptr() != view.data() || tensor.numel() == 0) {
    return tensor;
  }
  // The new tensor keeps the old one, and with it the file.
  const auto record = std::make_shared<MemoryRecord>(Device{}, static_cast<int64_t>(tensor.nbytes()),
                                                     checkpoint.access() == CheckpointAccess::map);
  return at::from_blob(
      tensor.data_ptr(), tensor.sizes(), tensor.strides(), [record, tensor](void*) {}, tensor.options());
}

nn::TiedPair tied_pair(const std::shared_ptr<const Checkpoint>& checkpoint, const WeightNames& names,
                       const std::string& first, const std::string& second) {
  const auto* one = names.find(first);
  const auto* other = names.find(second);
  if (other == nullptr || one == other) {
    return nn::TiedPair::same;
  }
  if (one == nullptr) {
    return nn::TiedPair::second;
  }
  return equal(checkpoint, *one, *other) ? nn::TiedPair::same : nn::TiedPair::different;
}

CheckpointWeights::CheckpointWeights(std::shared_ptr<const Checkpoint> checkpoint, Options options)
    : checkpoint_(std::move(checkpoint)), names_(*checkpoint_), options_(std::move(options)) {}

bool CheckpointWeights::has(const std::string& name) const {
  return options_.given.contains(name) || names_.find(name) != nullptr;
}

nn::TiedPair CheckpointWeights::tied_pair(const std::string& first, const std::string& second) {
  const auto pair = models::tied_pair(checkpoint_, names_, first, second);
  if (pair == nn::TiedPair::different) {
    log(LogLevel::warning,
        fmt::format("config.json says that {} and {} are one, and the weights hold two that differ: both are used. "
                    "\"tie_word_embeddings\": false says so",
                    first, second));
  } else if (const auto* other = names_.find(second); other != nullptr) {
    used_.insert(other->name);
  }
  return pair;
}

void CheckpointWeights::leave_out(const std::string& name) {
  if (const auto* view = names_.find(name)) {
    unneeded_.insert(view->name);
  }
}

const TensorView* CheckpointWeights::use(const std::string& name, at::IntArrayRef shape) {
  const auto* view = names_.find(name);
  if (view == nullptr) {
    problems_.push_back(fmt::format("missing: {} [{}]", name, fmt::join(shape, ", ")));
    return nullptr;
  }
  used_.insert(view->name);
  if (!std::equal(shape.begin(), shape.end(), view->shape.begin(), view->shape.end())) {
    problems_.push_back(
        fmt::format("misshapen: {} must be [{}], is [{}]", name, fmt::join(shape, ", "), fmt::join(view->shape, ", ")));
    return nullptr;
  }
  return view;
}

void CheckpointWeights::count(const at::Tensor& tensor, int64_t numel) {
  bytes_ += static_cast<int64_t>(tensor.nbytes());
  numel_ += numel;
  if (options_.on_progress) {
    const auto total = static_cast<int64_t>(checkpoint_->tensors().size());
    const bool go_on = options_.on_progress({"weights", static_cast<int64_t>(used_.size()), total});
    require(go_on, ErrorKind::cancelled, "loading was cancelled");
  }
}

at::Tensor CheckpointWeights::get_given(const std::string& name, at::IntArrayRef shape, bool transposed) {
  const auto& tensor = options_.given.at(name);
  if (const auto* view = names_.find(name)) {
    used_.insert(view->name);
  }
  if (tensor.sizes() != shape) {
    problems_.push_back(fmt::format("misshapen: {} must be [{}], is [{}]", name, fmt::join(shape, ", "),
                                    fmt::join(tensor.sizes(), ", ")));
    return at::empty({0});
  }
  count(tensor, tensor.numel());
  return transposed ? tensor.t().contiguous().t() : tensor;
}

at::Tensor CheckpointWeights::get(const std::string& name, at::IntArrayRef shape, bool transposed) {
  if (options_.given.contains(name)) {
    return get_given(name, shape, transposed);
  }
  const auto* view = use(name, shape);
  if (view == nullptr) {
    return at::empty({0});
  }
  if (view->blocks != nullptr) {
    const auto& format = block_format(*view);
    const auto whole = ops::Weight(format, block_tensor(checkpoint_, *view), view->shape.back());
    const auto dense = whole.dense(options_.dtype.value_or(at::kFloat)).view(view->shape);
    auto tensor = transposed ? dense.t().contiguous().t().to(options_.device) : dense.to(options_.device);
    count(tensor, view->numel());
    return tensor;
  }
  auto tensor = tensor_over(checkpoint_, *view);
  if (!tensor.is_floating_point()) {
    problems_.push_back(fmt::format("mistyped: {} must be floating point, is {}", name, to_string(view->dtype)));
    return at::empty({0});
  }
  const auto dtype = options_.dtype.value_or(tensor.scalar_type());
  if (transposed) {
    tensor = tensor.t().to(options_.device, dtype).contiguous().t();
  } else {
    tensor = tensor.to(options_.device, dtype).contiguous();
  }
  if (tensor.data_ptr() != view->data()) {
    // It was copied: the file's pages need not stay in memory beside the copy.
    MappedFile::dont_need({view->data(), view->bytes()});
  } else {
    tensor = count_in_place(std::move(tensor), *view, *checkpoint_);
  }
  count(tensor, view->numel());
  return tensor;
}

ops::Weight CheckpointWeights::get_weight(const std::string& name, int64_t rows, int64_t columns) {
  const auto* view = names_.find(name);
  if (view == nullptr || view->blocks == nullptr || options_.dtype || options_.given.contains(name)) {
    const auto dense = get(name, {rows, columns}, false);
    return dense.dim() == 2 ? ops::Weight(dense) : ops::Weight(at::empty({0, columns}));
  }
  if (use(name, {rows, columns}) == nullptr) {
    return at::empty({0, columns});
  }
  auto data = count_in_place(block_tensor(checkpoint_, *view), *view, *checkpoint_).to(options_.device);
  count(data, view->numel());
  return {block_format(*view), std::move(data), columns};
}

void CheckpointWeights::finish() const {
  auto problems = problems_;
  std::vector<std::string_view> left_out;
  for (const auto& view : checkpoint_->tensors()) {
    if (used_.contains(view.name)) {
      continue;
    }
    if (is_left_out(view.name) || unneeded_.contains(view.name) || ends_with_any(view.name, unneeded_endings_)) {
      left_out.push_back(view.name);
    } else {
      problems.push_back(fmt::format("unexpected: {} [{}]", view.name, fmt::join(view.shape, ", ")));
    }
  }
  if (!left_out.empty()) {
    const auto shown = std::min<std::size_t>(left_out.size(), kNamed);
    log(LogLevel::info,
        fmt::format("{} tensors were left out, since the model has no use for them: {}{}", left_out.size(),
                    fmt::join(left_out.begin(), left_out.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                    shown < left_out.size() ? ", ..." : ""));
  }
  if (problems.empty()) {
    return;
  }
  const auto listed = std::min(problems.size(), kListed);
  const auto more = problems.size() > listed ? fmt::format("; and {} more", problems.size() - listed) : std::string();
  fail(ErrorKind::format, "the weights do not fit config.json: {}{}",
       fmt::join(problems.begin(), problems.begin() + static_cast<std::ptrdiff_t>(listed), "; "), more);
}

}  // namespace dstorch::models

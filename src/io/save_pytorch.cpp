#include "io/save_pytorch.h"

#include <map>

#include "core/json.h"
#include "io/pickle_writer.h"
#include "io/tensor_table.h"
#include "io/torch_globals.h"
#include "io/zip_writer.h"

namespace dstorch {
namespace {

constexpr std::string_view kFolder = "archive/";
/// Of the zip's content, as PyTorch has written it since 1.6.
constexpr std::string_view kFormatVersion = "3\n";

/// A storage as it will be in the file.
struct SavedStorage {
  std::span<const std::byte> bytes;
  DType dtype;
  /// PyTorch has no typed storage for it, or tensors of several types share it.
  bool untyped;
};

/// Storages in the order of first use, and which one each tensor uses.
struct StoragePlan {
  std::vector<SavedStorage> storages;
  std::vector<std::size_t> of_tensor;
};

StoragePlan plan_storages(std::span<const TensorView> tensors) {
  StoragePlan plan;
  std::map<std::pair<const std::byte*, std::size_t>, std::size_t> known;
  for (const auto& tensor : tensors) {
    auto number = plan.storages.size();
    if (!tensor.storage.empty()) {  // Nothing can be shared through an empty one.
      number = known.try_emplace({tensor.storage.data(), tensor.storage.size()}, number).first->second;
    }
    if (number == plan.storages.size()) {
      plan.storages.push_back({tensor.storage, tensor.dtype, torch_storage_name(tensor.dtype).empty()});
    } else if (plan.storages[number].dtype != tensor.dtype) {
      plan.storages[number].untyped = true;
    }
    plan.of_tensor.push_back(number);
  }
  for (auto& storage : plan.storages) {
    // PyTorch wants a typed storage to end with an element.
    const auto rest = storage.untyped ? 0 : storage.bytes.size() % size_of(storage.dtype);
    storage.bytes = storage.bytes.first(storage.bytes.size() - rest);
  }
  return plan;
}

void check_tensors(std::span<const TensorView> tensors, std::string_view where) {
  check_unique_names(tensors, ErrorKind::invalid_argument, where);
  for (const auto& tensor : tensors) {
    check_view(tensor, ErrorKind::invalid_argument, where);
    try {
      static_cast<void>(Json(tensor.name).dump());
    } catch (const Json::exception& error) {
      fail(ErrorKind::invalid_argument, "{}: names must be UTF-8: {}", where, error.what());
    }
  }
}

/// The tuple that a storage is called by in the pickle: ('storage', type, key, 'cpu', elements).
void write_storage(PickleWriter& pickle, const SavedStorage& storage, std::size_t number) {
  pickle.op(PickleOp::mark).text("storage");
  if (storage.untyped) {
    pickle.global("torch.storage", "UntypedStorage");
  } else {
    pickle.global("torch", torch_storage_name(storage.dtype));
  }
  const auto element_size = storage.untyped ? 1 : size_of(storage.dtype);
  pickle.text(std::to_string(number)).text("cpu");
  pickle.integer(static_cast<int64_t>(storage.bytes.size() / element_size));
  pickle.op(PickleOp::tuple).op(PickleOp::binpersid);
}

void write_tensor(PickleWriter& pickle, const TensorView& tensor, const SavedStorage& storage, std::size_t number) {
  pickle.text(tensor.name);
  pickle.global("torch._utils", storage.untyped ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2");
  pickle.op(PickleOp::mark);
  write_storage(pickle, storage, number);
  pickle.integer(tensor.storage_offset).tuple(tensor.shape).tuple(tensor.strides);
  pickle.op(PickleOp::new_false);
  pickle.global("collections", "OrderedDict").op(PickleOp::empty_tuple).op(PickleOp::reduce);
  if (storage.untyped) {
    pickle.global("torch", to_string(tensor.dtype));
  }
  pickle.op(PickleOp::tuple).op(PickleOp::reduce);
}

std::string make_pickle(std::span<const TensorView> tensors, const StoragePlan& plan) {
  PickleWriter pickle;
  pickle.global("collections", "OrderedDict").op(PickleOp::empty_tuple).op(PickleOp::reduce).op(PickleOp::mark);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    write_tensor(pickle, tensors[i], plan.storages[plan.of_tensor[i]], plan.of_tensor[i]);
  }
  pickle.op(PickleOp::setitems);
  return pickle.finish();
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string entry_name(std::string_view name) { return std::string(kFolder).append(name); }

}  // namespace

void save_pytorch(const std::filesystem::path& path, std::span<const TensorView> tensors,
                  const SavePyTorchOptions& options) {
  check_tensors(tensors, path.string());
  const auto plan = plan_storages(tensors);
  AtomicFile file(path);
  ZipWriter zip(file, options.always_zip64);
  zip.add(entry_name("data.pkl"), bytes_of(make_pickle(tensors, plan)));
  zip.add(entry_name("byteorder"), bytes_of("little"));
  for (std::size_t i = 0; i < plan.storages.size(); ++i) {
    zip.add(entry_name("data/") + std::to_string(i), plan.storages[i].bytes);
  }
  zip.add(entry_name("version"), bytes_of(kFormatVersion));
  zip.finish();
  file.commit();
}

void save_pytorch(const std::filesystem::path& path, std::span<const TensorView> tensors) {
  save_pytorch(path, tensors, SavePyTorchOptions{});
}

}  // namespace dstorch

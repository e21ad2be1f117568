#include "io/torch_host.h"

#include "io/tensor_table.h"

namespace dstorch {
namespace {

constexpr std::size_t kMaxKeyBytes = 256;

[[noreturn]] void wrong(const PickleArena& arena, std::string_view what) {
  fail(ErrorKind::format, "{}: damaged pickle: {}", arena.where(), what);
}

const PickleNode& item(const PickleArena& arena, const PickleNode& tuple, std::size_t i, PickleType type,
                       std::string_view what) {
  if (i >= tuple.items.size() || tuple.items[i]->type != type) {
    wrong(arena, fmt::format("{} must be {}, it is {}", what, describe(type),
                             i < tuple.items.size() ? describe(tuple.items[i]->type) : "missing"));
  }
  return *tuple.items[i];
}

int64_t integer_item(const PickleArena& arena, const PickleNode& tuple, std::size_t i, std::string_view what) {
  return item(arena, tuple, i, PickleType::integer, what).integer;
}

std::vector<int64_t> integers(PickleArena& arena, const PickleNode& tuple, std::string_view what) {
  if (tuple.items.size() > kMaxDimensions) {
    wrong(arena, fmt::format("{} has {} dimensions, {} are the most", what, tuple.items.size(), kMaxDimensions));
  }
  std::vector<int64_t> values;
  values.reserve(tuple.items.size());
  for (std::size_t i = 0; i < tuple.items.size(); ++i) {
    values.push_back(integer_item(arena, tuple, i, what));
  }
  arena.charge(values.size());
  return values;
}

/// Conjugated and negated views have other values than their bytes say.
void check_metadata(const PickleArena& arena, const PickleNode& args, std::size_t i) {
  if (i >= args.items.size() || args.items[i]->type != PickleType::dict) {
    return;
  }
  const auto& pairs = args.items[i]->items;
  for (std::size_t k = 0; k + 1 < pairs.size(); k += 2) {
    const auto& flag = *pairs[k + 1];
    const bool set = flag.type == PickleType::boolean && flag.integer != 0;
    require(!set, ErrorKind::unsupported,
            "{}: a tensor has its {} bit set; save it after resolve_conj() and "
            "resolve_neg()",
            arena.where(), Quoted(pairs[k]->text));
  }
}

}  // namespace

PickleNode* TorchHost::global(PickleArena& arena, std::string_view module, std::string_view name) {
  const auto row = find_torch_global(module, name);
  require(row.has_value(), ErrorKind::format,
          "{}: the pickle asks for {}.{}, which a state dict does not need; it was not executed. Save the model's "
          "state_dict() instead",
          arena.where(), Quoted(module), Quoted(name));
  auto* node = arena.make(PickleType::global);
  node->index = globals_.size();
  globals_.push_back(*row);
  return node;
}

PickleNode* TorchHost::reduce(PickleArena& arena, const PickleNode& callable, const PickleNode& args) {
  const auto& global = globals_[callable.index];
  const auto meaning = global.meaning;
  switch (meaning) {
    case TorchGlobal::dict:
      return make_dict(arena, args);
    case TorchGlobal::size:
      item(arena, args, 0, PickleType::tuple, "torch.Size");
      return args.items[0];
    case TorchGlobal::rebuild_tensor:
    case TorchGlobal::rebuild_tensor_v2:
    case TorchGlobal::rebuild_tensor_v3:
      return rebuild_tensor(arena, meaning, args);
    case TorchGlobal::rebuild_parameter:
      item(arena, args, 0, PickleType::tensor, "a parameter's data");
      return args.items[0];
    case TorchGlobal::rebuild_from_type: {
      const auto& function = item(arena, args, 0, PickleType::global, "a tensor's function");
      const auto how = globals_[function.index].meaning;
      if (how == TorchGlobal::rebuild_from_type) {
        wrong(arena, "a tensor is rebuilt without end");
      }
      return reduce(arena, function, item(arena, args, 2, PickleType::tuple, "a tensor's arguments"));
    }
    case TorchGlobal::inert:
      return arena.make(PickleType::opaque);
    case TorchGlobal::storage_type:
    case TorchGlobal::untyped_storage:
    case TorchGlobal::dtype:
      break;
  }
  wrong(arena, fmt::format("{}.{} is called, it was not executed", global.module, global.name));
}

PickleNode* TorchHost::make_dict(PickleArena& arena, const PickleNode& args) const {
  auto* dict = arena.make(PickleType::dict);
  if (args.items.empty() || args.items[0]->type == PickleType::none) {
    return dict;
  }
  // Python 2 gives an OrderedDict its items as a list of pairs.
  const auto& pairs = item(arena, args, 0, PickleType::list, "an OrderedDict's items");
  arena.charge(2 * pairs.items.size());
  for (const auto* pair : pairs.items) {
    if ((pair->type != PickleType::list && pair->type != PickleType::tuple) || pair->items.size() != 2) {
      wrong(arena, "an OrderedDict's item must be a pair");
    }
    dict->items.insert(dict->items.end(), pair->items.begin(), pair->items.end());
  }
  return dict;
}

PickleNode* TorchHost::rebuild_tensor(PickleArena& arena, TorchGlobal how, const PickleNode& args) {
  PickledTensor tensor;
  tensor.storage = item(arena, args, 0, PickleType::storage, "a tensor's storage").index;
  tensor.offset = integer_item(arena, args, 1, "a tensor's offset");
  tensor.shape = integers(arena, item(arena, args, 2, PickleType::tuple, "a tensor's size"), "a tensor's size");
  tensor.strides = integers(arena, item(arena, args, 3, PickleType::tuple, "a tensor's stride"), "a tensor's stride");
  const auto& storage = storages_[tensor.storage];
  tensor.dtype = storage.dtype;
  if (how == TorchGlobal::rebuild_tensor_v3) {
    const auto& dtype = item(arena, args, 6, PickleType::global, "a tensor's dtype");
    if (globals_[dtype.index].meaning != TorchGlobal::dtype) {
      wrong(arena, "a tensor's dtype must be a torch.dtype");
    }
    tensor.dtype = globals_[dtype.index].dtype;
    check_metadata(arena, args, 7);
  } else {
    check_metadata(arena, args, 6);
  }
  auto* node = arena.make(PickleType::tensor);
  node->index = tensors_.size();
  tensors_.push_back(std::move(tensor));
  return node;
}

PickleNode* TorchHost::persistent(PickleArena& arena, const PickleNode& id) {
  if (id.type != PickleType::tuple) {
    wrong(arena, "a persistent id must be a tuple");
  }
  const auto& kind = item(arena, id, 0, PickleType::string, "a persistent id's kind");
  require(kind.text == "storage", ErrorKind::format,
          "{}: the pickle holds a {}, not only tensors; save the model's state_dict() instead", arena.where(),
          Quoted(kind.text));
  const auto& type = globals_[item(arena, id, 1, PickleType::global, "a storage's type").index];
  if (type.meaning != TorchGlobal::storage_type && type.meaning != TorchGlobal::untyped_storage) {
    wrong(arena, "a storage's type must be a torch storage");
  }
  PickledStorage storage;
  storage.key = item(arena, id, 2, PickleType::string, "a storage's key").text;
  storage.dtype = type.dtype;
  storage.is_untyped = type.meaning == TorchGlobal::untyped_storage;
  storage.numel = integer_item(arena, id, 4, "a storage's size");
  storage.view_numel = storage.numel;
  if (id.items.size() > 5 && id.items[5]->type != PickleType::none) {
    const auto& view = item(arena, id, 5, PickleType::tuple, "a storage's view");
    storage.view_offset = integer_item(arena, view, 1, "a storage view's offset");
    storage.view_numel = integer_item(arena, view, 2, "a storage view's size");
  }
  int64_t bytes = 0;
  const bool sane = storage.numel >= 0 && storage.view_offset >= 0 && storage.view_numel >= 0 &&
                    storage.view_offset <= storage.numel && storage.view_numel <= storage.numel - storage.view_offset &&
                    !__builtin_mul_overflow(storage.numel, static_cast<int64_t>(size_of(storage.dtype)), &bytes);
  if (!sane || storage.key.size() > kMaxKeyBytes) {
    wrong(arena, fmt::format("storage {} has an impossible size or name", Quoted(storage.key)));
  }
  auto* node = arena.make(PickleType::storage);
  node->index = storages_.size();
  storages_.push_back(storage);
  return node;
}

TensorView resolve_tensor(const PickledTensor& tensor, const TorchHost& host, const StorageBytes& bytes,
                          std::string name, std::string_view where) {
  const auto& storage = host.storages()[tensor.storage];
  const auto storage_bytes = bytes(storage).first(static_cast<std::size_t>(storage.numel) * size_of(storage.dtype));
  const auto view_offset = static_cast<std::size_t>(storage.view_offset) * size_of(storage.dtype);
  TensorView view;
  view.name = std::move(name);
  view.dtype = tensor.dtype;
  view.shape = tensor.shape;
  view.strides = tensor.strides;
  view.storage_offset = tensor.offset;
  view.storage =
      storage_bytes.subspan(view_offset, static_cast<std::size_t>(storage.view_numel) * size_of(storage.dtype));
  if (check_shape(view.shape, view.dtype, ErrorKind::format, where, view.name) == 0) {
    view.storage_offset = 0;  // Of a tensor without elements PyTorch does not check it.
  }
  check_view(view, ErrorKind::format, where);
  return view;
}

}  // namespace dstorch

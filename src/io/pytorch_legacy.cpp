#include "io/pytorch_legacy.h"

#include <unordered_map>

#include "io/state_dict.h"

namespace dstorch {
namespace {

/// 0x1950a86a20f9469cfc6c, little-endian.
constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr int64_t kVersion = 1001;

void check_magic(ByteCursor& cursor, std::string_view where) {
  PickleArena arena(where);
  TorchHost host;
  const auto* magic = read_pickle(cursor, arena, host);
  require(
      magic->type == PickleType::big_integer && magic->text == kMagic, ErrorKind::format,
      "{} is a pickle but not one that torch.save wrote: it must begin with torch's magic number, it begins with {}",
      where, describe(magic->type));
}

void check_version(ByteCursor& cursor, std::string_view where) {
  PickleArena arena(where);
  TorchHost host;
  const auto* version = read_pickle(cursor, arena, host);
  require(version->type == PickleType::integer && version->integer == kVersion, ErrorKind::format,
          "{}: the version of the PyTorch file must be {}", where, kVersion);
}

void check_system(ByteCursor& cursor, std::string_view where) {
  PickleArena arena(where);
  TorchHost host;
  const auto* system = read_pickle(cursor, arena, host);
  require(system->type == PickleType::dict, ErrorKind::format, "{}: the writer's system must be a dict, it is {}",
          where, describe(system->type));
  for (std::size_t i = 0; i + 1 < system->items.size(); i += 2) {
    const auto& value = *system->items[i + 1];
    const bool big =
        system->items[i]->text == "little_endian" && value.type == PickleType::boolean && value.integer == 0;
    require(!big, ErrorKind::unsupported, "{} was written on a big-endian machine, only little-endian can be mapped",
            where);
  }
}

/// Key of each storage, and its bytes; they follow the pickles.
using Storages = std::unordered_map<std::string_view, std::span<const std::byte>>;

Storages read_storages(ByteCursor& cursor, const TorchHost& host, std::string_view where, PageRelease release) {
  PickleArena arena(where);
  TorchHost none;
  const auto* keys = read_pickle(cursor, arena, none);
  require(keys->type == PickleType::list, ErrorKind::format, "{}: the storages' keys must be a list, they are {}",
          where, describe(keys->type));
  std::unordered_map<std::string_view, std::size_t> element_sizes;
  for (const auto& storage : host.storages()) {
    element_sizes.emplace(storage.key, size_of(storage.dtype));
  }
  Storages storages;
  for (const auto* key : keys->items) {
    const auto size = element_sizes.find(key->text);
    require(key->type == PickleType::string && size != element_sizes.end(), ErrorKind::format,
            "{}: storage {} is in the file but nothing in it says its type", where, Quoted(key->text));
    const auto numel = cursor.read<int64_t>();
    int64_t bytes = 0;
    const bool sane = numel >= 0 && !__builtin_mul_overflow(numel, static_cast<int64_t>(size->second), &bytes);
    require(sane, ErrorKind::format, "{}: storage {} claims {} elements", where, Quoted(key->text), numel);
    require(storages.emplace(size->first, cursor.take(static_cast<uint64_t>(bytes))).second, ErrorKind::format,
            "{}: storage {} occurs twice", where, Quoted(key->text));
    release.after_page();
  }
  return storages;
}

}  // namespace

TensorTable read_pytorch_legacy(std::span<const std::byte> file, std::string_view where, const PageRelease& release) {
  ByteCursor cursor(file, where);
  check_magic(cursor, where);
  check_version(cursor, where);
  check_system(cursor, where);
  PickleArena arena(where);
  TorchHost host;
  const auto* root = read_pickle(cursor, arena, host);
  const auto storages = read_storages(cursor, host, where, release);

  const StorageBytes lookup = [&](const PickledStorage& storage) {
    const auto it = storages.find(storage.key);
    require(it != storages.end(), ErrorKind::format, "{}: storage {} is missing", where, Quoted(storage.key));
    const auto needed = static_cast<std::size_t>(storage.numel) * size_of(storage.dtype);
    require(needed <= it->second.size(), ErrorKind::format, "{}: storage {} must have {} bytes, it has {}", where,
            Quoted(storage.key), needed, it->second.size());
    return it->second;
  };
  TensorTable table;
  table.kind = CheckpointKind::pytorch_legacy;
  table.tensors = collect_state_dict(*root, host, lookup, where);
  return table;
}

}  // namespace dstorch

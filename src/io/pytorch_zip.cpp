#include "io/pytorch_zip.h"

#include <algorithm>

#include "io/state_dict.h"
#include "io/zip_reader.h"

namespace dstorch {
namespace {

/// The folder that everything in the archive is in: "archive/", say.
std::string folder_of(const ZipReader& zip, std::string_view where) {
  require(!zip.entries().empty(), ErrorKind::format, "{}: the zip archive is empty", where);
  const auto first = zip.entries().front().name;
  const auto slash = first.find('/');
  require(slash != std::string_view::npos, ErrorKind::format,
          "{} must be a zip that torch.save wrote, with everything in one folder; its first entry is {}", where,
          Quoted(first));
  return std::string(first.substr(0, slash + 1));
}

bool is_torchscript(const ZipReader& zip, const std::string& folder) {
  const bool has_code = std::any_of(zip.entries().begin(), zip.entries().end(),
                                    [&](const ZipEntry& entry) { return entry.name.starts_with(folder + "code/"); });
  return has_code && (zip.find(folder + "constants.pkl") != nullptr || zip.find(folder + "model.json") != nullptr);
}

void check_byte_order(const ZipReader& zip, const std::string& folder, std::string_view where) {
  const auto* entry = zip.find(folder + "byteorder");
  if (entry == nullptr) {
    return;  // Before PyTorch 2.1 there was none.
  }
  const auto bytes = zip.stored_bytes(*entry);
  const std::string_view order(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  require(order == "little", ErrorKind::unsupported, "{}: the byte order must be \"little\", it is {}", where,
          Quoted(order));
}

class ZipStorages {
 public:
  ZipStorages(const ZipReader& zip, const std::string& folder, std::string_view where, const PageRelease& release)
      : zip_(zip), prefix_(folder + "data/"), where_(where), release_(release) {}

  std::span<const std::byte> find(const PickledStorage& storage) {
    const auto* entry = zip_.find(prefix_ + std::string(storage.key));
    require(entry != nullptr, ErrorKind::format, "{}: storage {} is missing", where_, Quoted(storage.key));
    release_.after_page();
    const auto bytes = zip_.stored_bytes(*entry);
    const auto needed = static_cast<std::size_t>(storage.numel) * size_of(storage.dtype);
    require(needed <= bytes.size(), ErrorKind::format, "{}: storage {} must have {} bytes, it has {}", where_,
            Quoted(storage.key), needed, bytes.size());
    return bytes;
  }

 private:
  const ZipReader& zip_;
  std::string prefix_;
  std::string_view where_;
  PageRelease release_;
};

}  // namespace

TensorTable read_pytorch_zip(std::span<const std::byte> file, std::string_view where, const PageRelease& release) {
  const ZipReader zip(file, where);
  const auto folder = folder_of(zip, where);
  TensorTable table;
  table.kind = CheckpointKind::pytorch_zip;
  if (is_torchscript(zip, folder)) {
    table.kind = CheckpointKind::torchscript;
    return table;
  }
  const auto* pickle = zip.find(folder + "data.pkl");
  require(pickle != nullptr, ErrorKind::format, "{} must be a zip that torch.save wrote, it has no {}data.pkl", where,
          folder);
  check_byte_order(zip, folder, where);

  ByteCursor cursor(zip.stored_bytes(*pickle), where);
  PickleArena arena(where);
  TorchHost host;
  const auto* root = read_pickle(cursor, arena, host);
  ZipStorages storages(zip, folder, where, release);
  const StorageBytes lookup = [&](const PickledStorage& storage) { return storages.find(storage); };
  table.tensors = collect_state_dict(*root, host, lookup, where);
  return table;
}

}  // namespace dstorch

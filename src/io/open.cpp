#include <algorithm>
#include <array>
#include <unordered_map>

#include "core/mapped_file.h"
#include "io/byte_cursor.h"
#include "io/pytorch_legacy.h"
#include "io/pytorch_zip.h"
#include "io/safetensors.h"
#include "io/shards.h"

namespace dstorch {
namespace {

enum class FileFormat { safetensors, zip, legacy, shard_index };

class FileCheckpoint final : public Checkpoint {
 public:
  FileCheckpoint(TensorTable table, std::vector<std::shared_ptr<const MappedFile>> mappings, CheckpointAccess access)
      : table_(std::move(table)), mappings_(std::move(mappings)), access_(access) {
    for (const auto& mapping : mappings_) {
      files_.push_back(mapping->path());
    }
    for (const auto& tensor : table_.tensors) {
      by_name_.emplace(tensor.name, &tensor);
    }
  }

  [[nodiscard]] CheckpointKind kind() const override { return table_.kind; }
  [[nodiscard]] CheckpointAccess access() const override { return access_; }
  [[nodiscard]] const std::vector<TensorView>& tensors() const override { return table_.tensors; }
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const override { return table_.metadata; }
  [[nodiscard]] const std::vector<std::filesystem::path>& files() const override { return files_; }

  void require_unchanged() const override {
    for (const auto& mapping : mappings_) {
      require(!mapping->changed(), ErrorKind::io,
              "{} was written to or cut after it was opened. Open it again; to be safe from changes, replace files "
              "instead of writing into them, or open them with a copy (copy_weights, --copy-weights)",
              mapping->path().string());
    }
  }

  [[nodiscard]] const TensorView* find(std::string_view name) const override {
    const auto it = by_name_.find(name);
    return it == by_name_.end() ? nullptr : it->second;
  }

 private:
  const TensorTable table_;
  std::vector<std::shared_ptr<const MappedFile>> mappings_;
  CheckpointAccess access_;
  std::vector<std::filesystem::path> files_;
  std::unordered_map<std::string_view, const TensorView*> by_name_;
};

std::string_view head_of(std::span<const std::byte> bytes, std::size_t count) {
  return {reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), count)};
}

FileFormat detect(std::span<const std::byte> bytes, std::string_view where) {
  constexpr std::size_t kLengthBytes = 8;  // Of a safetensors header.
  const auto head = head_of(bytes, 512);
  require(!head.empty(), ErrorKind::format, "{} must be a checkpoint, it is empty", where);
  if (head.starts_with("PK\x03\x04") || head.starts_with("PK\x05\x06")) {
    return FileFormat::zip;
  }
  // A length in text is over 10^18, so that the first bytes of JSON cannot be one.
  const auto begin = head.find_first_not_of(" \t\r\n");
  const auto length = head.substr(0, kLengthBytes);
  const bool is_text =
      std::all_of(length.begin(), length.end(), [](char c) { return c >= ' ' || (c >= '\t' && c <= '\r'); });
  if (is_text && begin != std::string_view::npos && head[begin] == '{') {
    return FileFormat::shard_index;
  }
  // Before the pickles: the lowest byte of a header's length may be the opcode that a pickle begins with.
  if (head.size() > kLengthBytes && head[kLengthBytes] == '{') {
    return FileFormat::safetensors;
  }
  if (head.front() == '\x80') {
    return FileFormat::legacy;
  }
  require(!head.starts_with("GGUF"), ErrorKind::unsupported,
          "{} is a GGUF file, which dstorch cannot open as a checkpoint", where);
  require(!head.starts_with("version https://git-lfs"), ErrorKind::format,
          "{} is a Git LFS pointer and not the file itself; fetch it with `git lfs pull`", where);
  fail(ErrorKind::format,
       "{} must be safetensors, a PyTorch file or a *.index.json; its first bytes are those of none of them", where);
}

TensorTable read_table(const MappedFile& file) {
  const auto bytes = file.bytes();
  const auto where = file.path().string();
  const PageRelease release([bytes] { MappedFile::dont_need(bytes); });
  switch (detect(bytes, where)) {
    case FileFormat::safetensors:
      return read_safetensors(bytes, where);
    case FileFormat::zip:
      return read_pytorch_zip(bytes, where, release);
    case FileFormat::legacy:
      return read_pytorch_legacy(bytes, where, release);
    case FileFormat::shard_index:
      break;
  }
  fail(ErrorKind::format, "{}: a shard must not be an index itself", where);
}

MappedFile::Hold hold_for(CheckpointAccess access) {
  return access == CheckpointAccess::copy ? MappedFile::Hold::copy : MappedFile::Hold::watch;
}

std::shared_ptr<const Checkpoint> open_shards(const MappedFile& index_file, CheckpointAccess access) {
  const auto where = index_file.path().string();
  const auto index = parse_shard_index(head_of(index_file.bytes(), index_file.bytes().size()), where);
  std::vector<std::shared_ptr<const MappedFile>> mappings;
  std::vector<TensorTable> tables;
  for (const auto& name : index.files) {
    mappings.push_back(MappedFile::open(index_file.path().parent_path() / name, hold_for(access)));
    tables.push_back(read_table(*mappings.back()));
    MappedFile::dont_need(mappings.back()->bytes());
  }
  return std::make_shared<FileCheckpoint>(join_shards(index, std::move(tables), where), std::move(mappings), access);
}

std::filesystem::path find_in_folder(const std::filesystem::path& folder) {
  constexpr std::array<std::string_view, 4> kNames{"model.safetensors", "model.safetensors.index.json",
                                                   "pytorch_model.bin", "pytorch_model.bin.index.json"};
  for (const auto name : kNames) {
    auto path = folder / name;
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) {
      return path;
    }
  }
  std::error_code ignored;
  require(!std::filesystem::exists(folder / "adapter_config.json", ignored), ErrorKind::not_found,
          "{} is an adapter, and no model: open the model that it is of, and it beside (--adapter, "
          "TorchModelConfig::adapter), or merge the two (dstorch merge)",
          folder.string());
  fail(ErrorKind::not_found,
       "{} must hold model.safetensors, pytorch_model.bin, or one of them with .index.json and its shards",
       folder.string());
}

}  // namespace

std::string_view to_string(CheckpointKind kind) noexcept {
  switch (kind) {
    case CheckpointKind::safetensors:
      return "safetensors";
    case CheckpointKind::pytorch_zip:
      return "pytorch zip";
    case CheckpointKind::pytorch_legacy:
      return "pytorch legacy";
    case CheckpointKind::torchscript:
      return "torchscript";
  }
  return "unknown";
}

std::shared_ptr<const Checkpoint> Checkpoint::open(const std::filesystem::path& path, CheckpointAccess access) {
  std::error_code ignored;
  const auto file =
      MappedFile::open(std::filesystem::is_directory(path, ignored) ? find_in_folder(path) : path, hold_for(access));
  if (!file->bytes().empty() && detect(file->bytes(), file->path().string()) == FileFormat::shard_index) {
    return open_shards(*file, access);
  }
  auto table = read_table(*file);
  // What was read to open it is not needed any more; it comes back from the file when it is.
  MappedFile::dont_need(file->bytes());
  return std::make_shared<FileCheckpoint>(std::move(table), std::vector{file}, access);
}

}  // namespace dstorch

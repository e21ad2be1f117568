#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dstorch/dtype.h"

namespace dstorch {

/// A tensor inside a checkpoint: nothing is copied, and nothing but the header was read to make it.
/// The bytes live as long as the Checkpoint that handed them out.
struct TensorView {
  std::string name;
  DType dtype = DType::float32;
  std::vector<int64_t> shape;
  /// In elements, as PyTorch's; checked to stay inside `storage`.
  std::vector<int64_t> strides;
  /// In elements, into `storage`.
  int64_t storage_offset = 0;
  /// The whole storage; tensors that share one have the same pointer here. Little-endian.
  std::span<const std::byte> storage;
  /// Null: `storage` is one element of `dtype` after the other. Otherwise rows (of the last dimension) are whole blocks
  /// of it, contiguous from its beginning on, and `dtype` says nothing.
  const BlockFormat* blocks = nullptr;

  [[nodiscard]] int64_t numel() const noexcept;
  /// numel() times the size of one element, or the bytes of its blocks.
  [[nodiscard]] std::size_t bytes() const noexcept;
  [[nodiscard]] bool is_contiguous() const noexcept;
  /// First element. Aligned only as the file aligned it.
  [[nodiscard]] const std::byte* data() const noexcept;
};

enum class CheckpointKind { safetensors, pytorch_zip, pytorch_legacy, torchscript };

/// "safetensors", "pytorch zip", "pytorch legacy", "torchscript".
std::string_view to_string(CheckpointKind kind) noexcept;

/// How the bytes of a checkpoint come into memory.
enum class CheckpointAccess {
  /// The files are mapped: nothing is read before it is needed, and the system can take the pages back. Replace such a
  /// file (write another, rename it over) and never write to it or cut it while it is open: what is written in place
  /// changes the tensors, and touching what was cut off ends the process with SIGBUS.
  map,
  /// The files are read at once into memory of this process, and no longer matter: a file that changes while it is read
  /// is an error, and what happens to it later is not seen.
  copy,
};

/// The named tensors of a file, or of all the shards of an index. Immutable, hence thread-safe.
class Checkpoint {
 public:
  /// `path`: a `.safetensors`; a `*.index.json` (of safetensors or `.bin` shards, all of whose tensors are listed); a
  /// `.pt`, `.pth` or `.bin` as `torch.save` writes it, today's zip or the format from before 1.6; a TorchScript
  /// archive (recognised, its tensors not listed); or a directory that holds `model.safetensors[.index.json]` or
  /// `pytorch_model.bin[.index.json]`. The content decides, not the extension. Pickles are read by an allow-list and
  /// execute nothing. A state dict nested under `state_dict`, `model_state_dict` or `model` is found; names are joined
  /// by dots. Throws LMError: not_found, io, format, unsupported.
  static std::shared_ptr<const Checkpoint> open(const std::filesystem::path& path,
                                                CheckpointAccess access = CheckpointAccess::map);

  virtual ~Checkpoint() = default;

  [[nodiscard]] virtual CheckpointKind kind() const = 0;
  /// How it was opened.
  [[nodiscard]] virtual CheckpointAccess access() const = 0;
  /// In the order of the file.
  [[nodiscard]] virtual const std::vector<TensorView>& tensors() const = 0;
  /// Null when there is none of that name.
  [[nodiscard]] virtual const TensorView* find(std::string_view name) const = 0;
  /// safetensors' `__metadata__`; empty for other kinds.
  [[nodiscard]] virtual const std::map<std::string, std::string>& metadata() const = 0;
  /// The files it was opened from.
  [[nodiscard]] virtual const std::vector<std::filesystem::path>& files() const = 0;
  /// Throws LMError{io} that names a mapped file which was written to or cut since it was opened, as far as its size
  /// and the time of its last write tell. A system call for each file; to be called before the tensors are used again.
  virtual void require_unchanged() const = 0;
};

/// A linear layer among the tensors of a checkpoint.
struct LinearLayer {
  const TensorView* weight = nullptr;  ///< [out, in]
  const TensorView* bias = nullptr;    ///< [out], or null
};

/// The layers of a checkpoint that is a stack of linear layers and nothing else: floating-point matrices, two or more,
/// each as wide as the one before it has rows, and with it at most one vector of that many numbers. The names decide
/// only which vector belongs to which matrix. Empty for every other checkpoint. The order is the file's; that of a
/// safetensors file, whose writers sort by name, is that of the names, numbers in them by their value.
std::vector<LinearLayer> linear_stack(const Checkpoint& checkpoint);

/// Writes `tensors` (any strides) as one safetensors file, in the given order, metadata included. The file appears
/// under its name only when it is whole. Throws LMError: io, invalid_argument (duplicate names).
void save_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                      const std::map<std::string, std::string>& metadata = {});

/// Writes `tensors` as a zip that Python's `torch.load(path, weights_only=True)` reads back as an OrderedDict of equal
/// tensors; those that share a storage still do. Same errors as `save_safetensors`.
void save_pytorch(const std::filesystem::path& path, std::span<const TensorView> tensors);

/// The model that comes with dstorch: `$DSTORCH_MODELS`/default, the installed one, or the source tree's.
/// Throws LMError{not_found}.
std::filesystem::path bundled_model_path();

}  // namespace dstorch

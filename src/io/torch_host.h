#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "dstorch/checkpoint.h"
#include "io/pickle.h"
#include "io/torch_globals.h"

namespace dstorch {

/// A storage as a pickle names it; its bytes are elsewhere in the file.
struct PickledStorage {
  std::string_view key;
  DType dtype = DType::uint8;
  bool is_untyped = false;
  int64_t numel = 0;        ///< Of the whole storage named by `key`.
  int64_t view_offset = 0;  ///< In elements; not 0 only for storage views of very old files.
  int64_t view_numel = 0;
};

/// A tensor as a pickle describes it, unchecked against its storage.
struct PickledTensor {
  std::size_t storage = 0;  ///< Into `TorchHost::storages`.
  DType dtype = DType::float32;
  int64_t offset = 0;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

/// The meaning of PyTorch's globals (see torch_globals.h): tensors and storages are described, nothing is executed.
class TorchHost final : public PickleHost {
 public:
  PickleNode* global(PickleArena& arena, std::string_view module, std::string_view name) override;
  PickleNode* reduce(PickleArena& arena, const PickleNode& callable, const PickleNode& args) override;
  PickleNode* persistent(PickleArena& arena, const PickleNode& id) override;

  [[nodiscard]] const std::deque<PickledStorage>& storages() const noexcept { return storages_; }
  [[nodiscard]] const std::deque<PickledTensor>& tensors() const noexcept { return tensors_; }

 private:
  PickleNode* rebuild_tensor(PickleArena& arena, TorchGlobal how, const PickleNode& args);
  PickleNode* make_dict(PickleArena& arena, const PickleNode& args) const;

  std::vector<TorchGlobalRow> globals_;
  std::deque<PickledStorage> storages_;
  std::deque<PickledTensor> tensors_;
};

/// Gives the bytes of the whole storage, at least `numel` elements. Throws LMError{format} when the file has none.
using StorageBytes = std::function<std::span<const std::byte>(const PickledStorage&)>;

/// The checked view that `tensor` describes.
TensorView resolve_tensor(const PickledTensor& tensor, const TorchHost& host, const StorageBytes& bytes,
                          std::string name, std::string_view where);

}  // namespace dstorch

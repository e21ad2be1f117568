#include "io/state_dict.h"

#include <array>

#include "io/tensor_table.h"

namespace dstorch {
namespace {

constexpr std::array<std::string_view, 3> kWrappers{"state_dict", "model_state_dict", "model"};
constexpr int kMaxDepth = 32;
constexpr std::size_t kMaxNameBytes = 4096;
/// Dicts may share parts, so that a small pickle can unfold into very many names.
constexpr std::size_t kMaxVisits = std::size_t{1} << 20U;

bool is_text(const PickleNode& node) { return node.type == PickleType::string || node.type == PickleType::bytes; }

const PickleNode* dict_under(const PickleNode& dict, std::string_view key) {
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    if (is_text(*dict.items[i]) && dict.items[i]->text == key && dict.items[i + 1]->type == PickleType::dict) {
      return dict.items[i + 1];
    }
  }
  return nullptr;
}

const PickleNode& unwrap(const PickleNode& root) {
  const auto* current = &root;
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    const PickleNode* inner = nullptr;
    for (const auto wrapper : kWrappers) {
      inner = inner == nullptr ? dict_under(*current, wrapper) : inner;
    }
    if (inner == nullptr) {
      break;
    }
    current = inner;
  }
  return *current;
}

class Collector {
 public:
  Collector(const TorchHost& host, const StorageBytes& bytes, std::string_view where)
      : host_(host), bytes_(bytes), where_(where) {}

  void visit(const PickleNode& dict, const std::string& prefix, int depth) {
    require(depth < kMaxDepth, ErrorKind::format, "{}: the state dict is cyclic or nests over {} levels deep", where_,
            kMaxDepth);
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      require(++visits_ <= kMaxVisits, ErrorKind::format, "{}: the state dict unfolds into over {} entries", where_,
              kMaxVisits);
      const auto& key = *dict.items[i];
      const auto& value = *dict.items[i + 1];
      if (!is_text(key) || (value.type != PickleType::tensor && value.type != PickleType::dict)) {
        continue;
      }
      require(prefix.size() + key.text.size() <= kMaxNameBytes, ErrorKind::format,
              "{}: the name {} is longer than {} bytes", where_, Quoted(key.text), kMaxNameBytes);
      auto name = prefix + std::string(key.text);
      if (value.type == PickleType::tensor) {
        tensors.push_back(resolve_tensor(host_.tensors()[value.index], host_, bytes_, std::move(name), where_));
      } else {
        visit(value, name + ".", depth + 1);
      }
    }
  }

  std::vector<TensorView> tensors;

 private:
  const TorchHost& host_;
  const StorageBytes& bytes_;
  std::string_view where_;
  std::size_t visits_ = 0;
};

}  // namespace

std::vector<TensorView> collect_state_dict(const PickleNode& root, const TorchHost& host, const StorageBytes& bytes,
                                           std::string_view where) {
  require(root.type == PickleType::dict, ErrorKind::format,
          "{} must hold a state dict (names to tensors), it holds {}; save the model's state_dict()", where,
          describe(root.type));
  Collector collector(host, bytes, where);
  collector.visit(unwrap(root), "", 0);
  check_unique_names(collector.tensors, ErrorKind::format, where);
  return std::move(collector.tensors);
}

}  // namespace dstorch

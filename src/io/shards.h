#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/tensor_table.h"

namespace dstorch {

/// What a `*.index.json` says: which file holds which tensor.
struct ShardIndex {
  std::vector<std::string> files;  ///< In the order of their first use; plain names, no folders.
  /// Name and index into `files`, in the order of the index.
  std::vector<std::pair<std::string, std::size_t>> tensors;
};

/// Throws LMError{format}: no weight_map, a name that occurs twice, a file name that leaves the folder.
ShardIndex parse_shard_index(std::string_view json, std::string_view where);

/// Puts the shards' tables (in the order of `index.files`) together, in the order of the index. Throws LMError{format}:
/// shards of different kinds, a tensor that its shard does not hold or that another one holds too.
TensorTable join_shards(const ShardIndex& index, std::vector<TensorTable> shards, std::string_view where);

}  // namespace dstorch

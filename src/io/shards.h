#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/tensor_table.h"

namespace dstorch {

/// What a `*.index.json` says: which files there are, and in which order their tensors are to be listed.
struct ShardIndex {
  std::vector<std::string>
      files;  ///< In the order of their first use; relative to the index, never leading out of its folder.
  std::vector<std::string> tensors;  ///< Names, in the order of the index.
};

/// Throws LMError{format}: no weight_map, a name that occurs twice, a file name that leaves the folder.
ShardIndex parse_shard_index(std::string_view json, std::string_view where);

/// Puts the shards' tables (in the order of `index.files`) together: all their tensors, those that the index names
/// first, in its order, then the others. Which shard the index says a tensor is in does not matter, nor does a name
/// that no shard holds. Throws LMError{format}: shards of different kinds, a tensor that is in two of them.
TensorTable join_shards(const ShardIndex& index, std::vector<TensorTable> shards, std::string_view where);

}  // namespace dstorch

#pragma once

#include "io/torch_host.h"

namespace dstorch {

/// The tensors of a state dict, in its order. `root` must be a dict: of names to tensors, or with such a dict under
/// "state_dict", "model_state_dict" or "model" (then only that one counts). Dicts inside are joined to names by dots;
/// what is neither a tensor nor a dict with string keys (a step count, an optimizer's lists) is skipped.
/// Throws LMError{format}: another root, cyclic or too deep dicts, the same name twice, a tensor outside its storage.
std::vector<TensorView> collect_state_dict(const PickleNode& root, const TorchHost& host, const StorageBytes& bytes,
                                           std::string_view where);

}  // namespace dstorch

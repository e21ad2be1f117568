#pragma once

#include <cstdint>

#include "core/json.h"
#include "models/language_model.h"
#include "nn/rope.h"

namespace dstorch::models {

/// A rotation of the first numbers of each head alone.
struct PartialRope {
  nn::RopeConfig config;
  int64_t rotary_dim = 0;  // even
};

/// What config.json calls the parts of such a rotation, outside of `rope_parameters`, and what it means without them.
struct PartialRopeKeys {
  const char* share_key = "partial_rotary_factor";
  double share = 1;
  const char* theta_key = "rope_theta";
  double theta = 10000;
};

/// What config.json says of the rotation, in one object: `rope_scaling`, else `rope_parameters`, else {}.
Json rope_parameters(const Json& json);

/// The rotation of heads of `sizes.head_dim`, from `parameters` (see above) and, for what they leave out, from `json`.
/// Lowers `sizes.max_positions` to those that it can rotate. Throws LMError: format, unsupported.
PartialRope partial_rope(const Json& json, Json parameters, const PartialRopeKeys& keys, ModelSizes& sizes);

}  // namespace dstorch::models

#pragma once

#include <cstdint>

#include "core/json.h"
#include "models/language_model.h"
#include "nn/rope.h"

namespace dstorch::models {

/// A rotation of only the first numbers of each head.
struct PartialRope {
  nn::RopeConfig config;
  int64_t rotary_dim = 0;  // even
};

/// The keys that config.json has for such a rotation outside of `rope_parameters`, and the values that a missing key
/// means.
struct PartialRopeKeys {
  const char* share_key = "partial_rotary_factor";
  double share = 1;
  const char* theta_key = "rope_theta";
  double theta = 10000;
};

/// What config.json says of the rotation, in one object: `rope_scaling`, else `rope_parameters`, else {}.
Json rope_parameters(const Json& json);

/// The rotation of heads of `sizes.head_dim`, from `parameters` (see above) and, for what they leave out, from `json`.
/// Lowers `sizes.max_positions` to how many positions the rotation can serve. Throws LMError: format, unsupported.
PartialRope partial_rope(const Json& json, Json parameters, const PartialRopeKeys& keys, ModelSizes& sizes);

}  // namespace dstorch::models

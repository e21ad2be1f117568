#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "ops/types.h"

namespace dstorch::nn {

/// How the rotation frequencies are made; the names are those of Hugging Face's `rope_scaling`/`rope_parameters`.
struct RopeConfig {
  /// "default", "linear", "llama3", "yarn", "longrope", "proportional"; "dynamic" equals "default" within the model's
  /// own context.
  std::string type = "default";
  double theta = 10000.0;
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  double original_max_positions = 0;
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  std::optional<double> attention_factor;  ///< yarn, longrope; unset derives it from `factor`.
  double mscale = 0;
  double mscale_all_dim = 0;
  bool truncate = true;
  /// longrope: what each frequency is divided by, in sequences of up to `original_max_positions`.
  std::vector<double> short_factor;
  /// proportional: the share of the frequencies that rotate at all.
  double rotated_share = 1.0;

  /// From a model's config.json, old spelling (`rope_theta`, `rope_scaling`) or new (`rope_parameters`).
  /// Keys that a type needs must be there. Throws LMError: format, unsupported for a type that is not listed above, for
  /// rotations that differ by layer, and for a partial one where Hugging Face's classes have none.
  static RopeConfig from_json(const Json& config, double default_theta, int64_t max_positions);

  /// How many of a model's `positions` can be used. LongRoPE is limited to its original length: beyond it all
  /// frequencies change, also for tokens that were read already.
  [[nodiscard]] int64_t most_positions(int64_t positions) const;
};

/// Bytes of tables that grow with a model's longest sequence: `kept` is what stays, `peak` the most there is while they
/// grow.
struct TableMemory {
  int64_t kept = 0;
  int64_t peak = 0;
};

/// Rotation angles by position, grown as longer sequences come. Thread-safe.
class Rope {
 public:
  /// `rotary_dim`: how many of a head's numbers are turned, from the first on; even.
  Rope(const RopeConfig& config, int64_t rotary_dim, at::Device device);
  /// The angles of at least the first `positions` positions. A row's values do not depend on how many rows there are.
  ops::RopeTable table(int64_t positions);
  /// Bytes of its table once a sequence has grown to `positions` positions.
  [[nodiscard]] TableMemory memory(int64_t positions) const;

 private:
  std::vector<double> frequencies_;  // radians per position, rotary_dim / 2 of them
  double amplitude_ = 1.0;
  at::Device device_;
  std::mutex mutex_;
  ops::RopeTable table_;
};

}  // namespace dstorch::nn

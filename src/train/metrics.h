#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "dstorch/train.h"

namespace dstorch::training {

/// What a run has been through: metrics.jsonl, a line a step, and loss.svg, its picture, in the run's directory. Not
/// thread-safe.
class Metrics {
 public:
  /// Of one step; step 0 has only held-out scores, from before the first.
  struct Entry {
    int64_t step = 0;
    std::optional<double> loss;
    std::optional<double> held_out_loss;
    std::optional<double> held_out_right;
  };

  explicit Metrics(std::filesystem::path directory) : directory_(std::move(directory)) {}

  /// Reads what there is of the steps up to `step`, and forgets what came after: a run that was killed is gone on with
  /// from its last state. Lines that are none are left out. Throws LMError{io}.
  void resume(int64_t step);
  /// Adds a line. The picture is drawn anew when some seconds have passed. Throws LMError{io}.
  void add(const TrainingStep& step);
  /// Draws the picture. Throws LMError{io}.
  void draw();

  [[nodiscard]] const std::vector<Entry>& entries() const noexcept { return entries_; }

 private:
  std::filesystem::path directory_;
  std::vector<Entry> entries_;
  std::chrono::steady_clock::time_point drawn_{};
};

/// The losses by step as an SVG image: those of the steps, their mean over neighbours, and the held-out ones.
std::string draw_losses(const std::vector<Metrics::Entry>& entries);

}  // namespace dstorch::training

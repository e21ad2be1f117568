#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "dstorch/train.h"
#include "train/metrics.h"
#include "train/run_lock.h"
#include "train/schedule.h"
#include "train/step.h"
#include "train/training_state.h"

namespace dstorch::training {

/// What a loop trains, and on what.
class Trainee {
 public:
  virtual ~Trainee() = default;
  [[nodiscard]] virtual const Parameters& parameters() const = 0;
  /// Leaves the gradients of a step, counted from 0, in the parameters, and returns its mean loss. The same step always
  /// does the same. Throws LMError{inference} when the loss is not finite.
  virtual double learn(int64_t step) = 0;
  /// Tokens, or whatever speed is told in, that the step last learned had.
  [[nodiscard]] virtual int64_t tokens() const = 0;
  /// Scores of what is held out; none where nothing is.
  struct Scores {
    double loss = 0;
    std::optional<double> bits_per_byte;
    /// Share of held-out examples that are answered right to the end.
    std::optional<double> right;
  };
  virtual std::optional<Scores> evaluate() = 0;
};

struct LoopOptions {
  std::filesystem::path directory;
  int64_t steps = 0;
  AdamWSettings optimizer;
  Schedule schedule;
  double clip_norm = 1;
  int64_t eval_every = 0;
  int64_t save_every = 0;
  /// Evaluations without a lower held-out loss after which it ends, with the weights of the lowest; 0 is never.
  int64_t patience = 0;
  bool resume = true;
  bool overwrite = false;
  /// Keep the state before the last beside it, and go on from that where the last is damaged.
  bool keep_previous = false;
  /// Evaluate before the first step too.
  bool evaluate_first = false;
  std::optional<CancelToken> cancel;
  std::function<void(const TrainingStep&)> on_step;
};

/// Steps, one after the other, with all that is around them: the schedule, the optimizer, clipping, states that a run
/// goes on from, scores, metrics.jsonl and loss.svg. `train` and `finetune` both are this.
class Loop {
 public:
  /// Keeps references.
  Loop(Trainee& trainee, const LoopOptions& options, const RunIdentity& identity);

  /// Reads the state there is in the directory. Throws LMError: invalid_argument for one of another run, or that must
  /// not be gone on from; format for a damaged one.
  void resume();
  /// Takes steps until the end, or until it is cancelled. Makes the directory, which nobody else may train into
  /// meanwhile: LMError{invalid_argument}.
  void run();

  [[nodiscard]] const RunProgress& progress() const noexcept { return progress_; }
  [[nodiscard]] bool finished() const noexcept { return progress_.step >= options_.steps || progress_.stopped; }
  /// Of the weights as they are; evaluates them unless that is done.
  std::optional<Trainee::Scores> scores();
  [[nodiscard]] const Metrics& metrics() const noexcept { return metrics_; }

 private:
  [[nodiscard]] bool cancelled() const { return options_.cancel && options_.cancel->cancelled(); }
  bool load(const std::filesystem::path& path);
  void save();
  void one_step();
  void look_for_best(double held_out_loss);
  void take_best();

  Trainee& trainee_;
  const LoopOptions& options_;
  const RunIdentity& identity_;
  std::optional<RunLock> lock_;
  Optimizer optimizer_;
  Metrics metrics_;
  RunProgress progress_;
  bool resumed_ = false;
  std::vector<at::Tensor> best_;  // weights, where the run may stop early
  double mean_seconds_ = 0;       // of about the last twenty steps
  int64_t timed_ = 0;
  std::optional<Trainee::Scores> scores_;
  int64_t scored_ = -1;
  int64_t saved_ = -1;
};

/// Makes a directory. Throws LMError{io}.
void make_directory(const std::filesystem::path& directory);

}  // namespace dstorch::training

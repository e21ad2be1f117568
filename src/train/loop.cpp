#include "train/loop.h"

#include <algorithm>

#include "core/throw.h"
#include "device/memory_account.h"
#include "dstorch/log.h"
#include "train/output_directory.h"

namespace dstorch::training {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// Steps over which the time of one is smoothed.
constexpr int64_t kTimedSteps = 20;

}  // namespace

void make_directory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  require(fs::is_directory(directory), ErrorKind::io, "cannot make the directory {}: {}", directory.string(),
          error ? error.message() : "a file of that name exists");
}

Loop::Loop(Trainee& trainee, const LoopOptions& options, const RunIdentity& identity)
    : trainee_(trainee),
      options_(options),
      identity_(identity),
      optimizer_(trainee.parameters(), options.optimizer),
      metrics_(options.directory) {
  count_gradients(trainee.parameters());
}

bool Loop::load(const fs::path& path) {
  if (!fs::exists(path)) {
    return false;
  }
  if (options_.overwrite && (!options_.resume || !is_training_state_of(path, identity_))) {
    return false;
  }
  require(options_.resume, ErrorKind::invalid_argument,
          "{} holds the state of an earlier run: resume it, delete it, overwrite it (--overwrite), or choose another "
          "directory",
          path.string());
  best_.clear();
  progress_ = load_training_state(path, trainee_.parameters(), optimizer_, identity_, &best_);
  resumed_ = true;
  log(LogLevel::info, fmt::format("going on after step {}", progress_.step));
  return true;
}

void Loop::resume() {
  const auto state = options_.directory / kStateFile;
  const auto previous = options_.directory / kPreviousStateFile;
  if (!options_.keep_previous) {
    load(state);
    return;
  }
  try {
    if (!load(state)) {
      load(previous);
    }
  } catch (const LMError& e) {
    if (e.kind() != ErrorKind::format || !fs::exists(previous)) {
      throw;
    }
    log(LogLevel::warning, fmt::format("warning: {}; going on from the one before it", e.what()));
    load(previous);
  }
}

void Loop::save() {
  const auto state = options_.directory / kStateFile;
  if (options_.keep_previous && saved_ >= 0) {  // what this run saved, or went on from, is whole
    std::error_code ignored;
    fs::rename(state, options_.directory / kPreviousStateFile, ignored);
  }
  save_training_state(state, trainee_.parameters(), optimizer_, progress_, identity_, best_);
  saved_ = progress_.step;
}

void Loop::run() {
  make_directory(options_.directory);
  lock_.emplace(options_.directory);
  metrics_.resume(resumed_ ? progress_.step : -1);
  if (!resumed_) {
    std::error_code ignored;  // of a run that is overwritten, if there is one
    fs::remove(options_.directory / kPreviousStateFile, ignored);
  }
  save();  // A directory that cannot be written is better known before the work than after.
  if (options_.evaluate_first && progress_.step == 0 && metrics_.entries().empty()) {
    TrainingStep report;
    report.total_steps = options_.steps;
    if (const auto scores = this->scores()) {
      report.held_out_loss = scores->loss;
      report.held_out_bits_per_byte = scores->bits_per_byte;
      report.held_out_right = scores->right;
      metrics_.add(report);
    }
  }
  while (!finished() && !cancelled()) {
    one_step();
  }
  if (saved_ != progress_.step) {
    save();
  }
  if (finished()) {
    take_best();
  }
  metrics_.draw();
}

void Loop::one_step() {
  const auto start = Clock::now();
  const auto step = progress_.step;
  TrainingStep report;
  report.learning_rate = options_.schedule.at(step);
  report.loss = trainee_.learn(step);
  report.grad_norm =
      update(trainee_.parameters(), optimizer_, report.learning_rate, options_.clip_norm, report.loss, step + 1);
  progress_.step = step + 1;
  progress_.loss = report.loss;
  const auto seconds = std::chrono::duration<double>(Clock::now() - start).count();
  timed_ = std::min(timed_ + 1, kTimedSteps);
  mean_seconds_ += (seconds - mean_seconds_) / static_cast<double>(timed_);
  report.step = progress_.step;
  report.total_steps = options_.steps;
  report.tokens_per_second = static_cast<double>(trainee_.tokens()) / mean_seconds_;
  report.seconds_left = static_cast<double>(options_.steps - progress_.step) * mean_seconds_;
  const bool last = progress_.step == options_.steps;
  if (last || (options_.eval_every > 0 && progress_.step % options_.eval_every == 0)) {
    if (const auto scores = this->scores()) {
      report.held_out_loss = scores->loss;
      report.held_out_bits_per_byte = scores->bits_per_byte;
      report.held_out_right = scores->right;
      look_for_best(scores->loss);
    }
  }
  metrics_.add(report);
  if (options_.save_every > 0 && progress_.step % options_.save_every == 0) {
    save();
  }
  if (options_.on_step) {
    options_.on_step(report);
  }
}

std::optional<Trainee::Scores> Loop::scores() {
  if (scored_ != progress_.step) {
    scores_ = trainee_.evaluate();
    scored_ = progress_.step;
  }
  return scores_;
}

void Loop::look_for_best(double held_out_loss) {
  if (options_.patience == 0) {
    return;
  }
  if (progress_.best_loss && held_out_loss >= *progress_.best_loss) {
    ++progress_.worse;
    progress_.stopped = progress_.worse >= options_.patience;
    return;
  }
  progress_.best_loss = held_out_loss;
  progress_.worse = 0;
  best_.clear();
  const MemoryScope scope(MemoryKind::other);
  for (const auto& [name, parameter] : trainee_.parameters()) {
    best_.push_back(parameter.detach().clone());
  }
}

void Loop::take_best() {
  const at::NoGradGuard no_grad;
  const auto& parameters = trainee_.parameters();
  for (std::size_t i = 0; i < best_.size(); ++i) {
    parameters[i].second.copy_(best_[i]);
  }
  if (!best_.empty()) {
    scored_ = -1;
  }
}

}  // namespace dstorch::training

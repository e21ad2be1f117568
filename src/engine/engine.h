#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "engine/admission.h"
#include "engine/answer_constraint.h"
#include "engine/companion.h"
#include "engine/engine_config.h"
#include "engine/model_draft.h"
#include "engine/prefix_cache.h"
#include "engine/sequence.h"
#include "engine/step_cost.h"
#include "nn/kv_pool.h"

namespace dstorch::engine {

/// Runs any number of sequences through one model. One thread of its own, the worker, owns the model, the pages of keys
/// and values and the threads of the kernels; it takes steps, in each of which every running sequence has its part. All
/// public functions may be called from any thread but the worker's.
class Engine {
 public:
  explicit Engine(EngineConfig config);
  ~Engine() { close(); }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Puts a sequence behind those that wait. Throws LMError: out_of_memory, with the plan, for one that could never run
  /// within the memory bounds or when too many wait; not_initialized once it drains.
  void submit(std::shared_ptr<Sequence> sequence);
  /// Takes no more, and waits until all it has are done.
  void drain();
  /// Takes no more, and ends what runs and waits as cancelled. The worker is gone afterwards.
  void close();

  /// Throws LMError{invalid_argument} naming the first id that is not in the vocabulary, or that there is none at all.
  void check_tokens(std::span<const int64_t> tokens) const;

  /// Pages of keys and values that sequences and the cache of prefixes hold. While nothing runs.
  [[nodiscard]] int64_t pages_in_use() const noexcept { return pool_ ? pool_->pages_in_use() : 0; }
  /// The same of the model that guesses, null where there is none. While nothing runs.
  [[nodiscard]] const ModelDraft* model_draft() const noexcept { return model_draft_.get(); }
  /// Puts keys and values, as `keys_and_values` gives them, into the cache of prefixes, which there must be. Throws
  /// LMError: out_of_memory where it has no room for them, not_initialized once it drains.
  void put_prefix(std::span<const int64_t> tokens, const std::shared_ptr<const nn::Adapter>& adapter,
                  std::span<const at::Tensor> pages);
  /// Of the cache of prefixes; null where there is none.
  [[nodiscard]] const PrefixCache::Counts* prefix_counts() const noexcept {
    return prefixes_ ? &prefixes_->counts() : nullptr;
  }

  /// A constraint of an answer of at most `budget` tokens, for this model's vocabulary; `end_tokens`: those that may
  /// end it. Throws LMError: unsupported without a tokenizer; as Matcher does. Any thread.
  std::shared_ptr<AnswerConstraint> constrain(const Constraint& constraint, int64_t budget,
                                              std::set<int64_t> end_tokens) {
    return constraints_.make(constraint, budget, std::move(end_tokens));
  }
  /// Tokens that the shortest answer needs.
  int64_t tokens_needed(const Constraint& constraint) { return constraints_.tokens_needed(constraint); }

  // What does not change, for any thread.
  [[nodiscard]] const models::LanguageModel& model() const noexcept { return *config_.model; }
  [[nodiscard]] const std::shared_ptr<const Tokenizer>& tokenizer() const noexcept { return config_.tokenizer; }
  [[nodiscard]] const std::set<int64_t>& end_tokens() const noexcept { return config_.end_tokens; }
  [[nodiscard]] int64_t max_context() const noexcept { return config_.max_context; }
  [[nodiscard]] at::Device device() const noexcept { return config_.device; }
  [[nodiscard]] at::ScalarType kv_dtype() const noexcept { return config_.kv_dtype; }
  /// Whether answers can be guessed ahead without a bit of them changing.
  [[nodiscard]] bool speculates() const noexcept { return pool_ && config_.exact_rows; }
  /// Whether there is a model that guesses.
  [[nodiscard]] bool has_draft_model() const noexcept { return config_.draft.model != nullptr; }

 private:
  void work();
  /// Waits until the worker has done `job` between two steps; throws what it throws.
  void between_steps(std::function<void()> job);
  void do_jobs();
  [[nodiscard]] bool wait_for_work();
  void end_all();
  void end_as_cancelled(Sequence& sequence);
  void drop_cancelled();
  void admit();
  void step();
  /// Sees to what sequences guess ahead (speculation.cpp). All rows of a step that reads no prompt; 0 for others.
  int64_t add_drafts(std::span<StepShare> shares);
  void ask_draft_model(std::span<const StepShare> shares, std::span<Draft> drafts, int64_t rows, int64_t most);
  void end_finished(std::span<const StepShare> shares);

  // What is found again: prefixes.cpp.
  [[nodiscard]] bool finds_prefix(const Sequence& sequence) const;
  /// Of the sequence at `place` of those that run: finds what is there, or who makes it now.
  void begin(std::size_t place);
  void find_prefix(Sequence& sequence);
  /// Whether it waits for what another one makes; once it does not any more, it has found that.
  [[nodiscard]] bool waits(Sequence& sequence);
  void remember(const Sequence& sequence);
  void remember_after_step(const StepShare& share);
  void let_go_of_pages(Sequence& sequence);
  void put_pages(std::span<const int64_t> tokens, const std::shared_ptr<const nn::Adapter>& adapter,
                 std::span<const at::Tensor> pages);
  /// Forgets prefixes until there is room for so many bytes of pages.
  void make_room(int64_t bytes);
  [[nodiscard]] int64_t page_bytes_in_use() const;
  at::Tensor forward(std::span<const StepShare> shares);
  Companion::Job prepare_beside(std::span<const StepShare> shares);
  void hand_out(std::span<const StepShare> shares, const at::Tensor& hidden);

  EngineConfig config_;
  Admission admission_;
  ConstraintStore constraints_;

  // Between threads.
  std::mutex mutex_;
  std::condition_variable news_;  // for the worker
  std::condition_variable idle_;  // for who drains
  std::deque<std::shared_ptr<Sequence>> waiting_;
  std::deque<std::packaged_task<void()>> jobs_;
  bool draining_ = false;
  bool closing_ = false;
  bool busy_ = false;  // something runs

  // The worker's alone.
  std::unique_ptr<nn::KvPool> pool_;
  std::unique_ptr<PrefixCache> prefixes_;           // may be null
  std::unique_ptr<ModelDraft> model_draft_;         // may be null
  std::vector<std::shared_ptr<Sequence>> running_;  // in the order in which they came
  StepCost step_cost_;
  Companion companion_;

  std::mutex close_mutex_;
  std::thread worker_;
};

}  // namespace dstorch::engine

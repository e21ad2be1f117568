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

/// Runs any number of sequences through one model. It has one thread, the worker, which owns the model, the pages of
/// keys and values and the threads of the kernels. The worker takes one step after another; in each step every running
/// sequence sends some of its rows through the model. All public functions may be called from any thread but the
/// worker's.
class Engine {
 public:
  explicit Engine(EngineConfig config);
  ~Engine() { close(); }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Queues a sequence. Throws LMError: out_of_memory, with the plan, when the sequence could never run within the
  /// memory bounds or when too many are queued already; not_initialized after `drain` or `close` was called.
  void submit(std::shared_ptr<Sequence> sequence);
  /// Refuses new sequences and waits until all queued and running ones are done.
  void drain();
  /// Refuses new sequences, ends the queued and running ones as cancelled, and joins the worker.
  void close();

  /// Throws LMError{invalid_argument} when `tokens` is empty, and naming the first id that is outside the vocabulary.
  void check_tokens(std::span<const int64_t> tokens) const;

  /// How many pages of keys and values the sequences and the prefix cache hold. Call it only while nothing runs.
  [[nodiscard]] int64_t pages_in_use() const noexcept { return pool_ ? pool_->pages_in_use() : 0; }
  /// The draft model and its pages; null without one. Use it only while nothing runs.
  [[nodiscard]] const ModelDraft* model_draft() const noexcept { return model_draft_.get(); }
  /// Puts keys and values, in the form that `keys_and_values` returns, into the prefix cache; the engine must have one.
  /// Throws LMError: out_of_memory when they do not fit into the cache, not_initialized after `drain` or `close` was
  /// called.
  void put_prefix(std::span<const int64_t> tokens, const std::shared_ptr<const nn::Adapter>& adapter,
                  std::span<const at::Tensor> pages);
  /// The prefix cache's counters; null without a cache.
  [[nodiscard]] const PrefixCache::Counts* prefix_counts() const noexcept {
    return prefixes_ ? &prefixes_->counts() : nullptr;
  }

  /// Makes the constraint of one answer of at most `budget` tokens; `end_tokens` are the ids that may end it. Throws
  /// LMError: unsupported without a tokenizer; as Matcher does. Any thread.
  std::shared_ptr<AnswerConstraint> constrain(const Constraint& constraint, int64_t budget,
                                              std::set<int64_t> end_tokens) {
    return constraints_.make(constraint, budget, std::move(end_tokens));
  }
  /// How many tokens the shortest answer has that satisfies the constraint.
  int64_t tokens_needed(const Constraint& constraint) { return constraints_.tokens_needed(constraint); }

  // These never change, and any thread may read them.
  [[nodiscard]] const models::LanguageModel& model() const noexcept { return *config_.model; }
  [[nodiscard]] const std::shared_ptr<const Tokenizer>& tokenizer() const noexcept { return config_.tokenizer; }
  [[nodiscard]] const std::set<int64_t>& end_tokens() const noexcept { return config_.end_tokens; }
  [[nodiscard]] int64_t max_context() const noexcept { return config_.max_context; }
  [[nodiscard]] at::Device device() const noexcept { return config_.device; }
  [[nodiscard]] at::ScalarType kv_dtype() const noexcept { return config_.kv_dtype; }
  /// Whether answers may be guessed ahead: guessing must not change a single bit of them.
  [[nodiscard]] bool speculates() const noexcept { return pool_ && config_.exact_rows; }
  /// Whether there is a draft model.
  [[nodiscard]] bool has_draft_model() const noexcept { return config_.draft.model != nullptr; }

 private:
  void work();
  /// Lets the worker run `job` between two steps and waits for it; throws what `job` throws.
  void between_steps(std::function<void()> job);
  void do_jobs();
  [[nodiscard]] bool wait_for_work();
  void end_all();
  void end_as_cancelled(Sequence& sequence);
  void drop_cancelled();
  void admit();
  void step();
  /// Lets the sequences guess their next tokens and adds the guesses to their shares (speculation.cpp). Returns the
  /// rows of the step without guesses, or 0 for a step that reads prompts, which gets none.
  int64_t add_drafts(std::span<StepShare> shares);
  void ask_draft_model(std::span<const StepShare> shares, std::span<Draft> drafts, int64_t rows, int64_t most);
  void end_finished(std::span<const StepShare> shares);

  // The prefix cache's part of a step (prefixes.cpp).
  [[nodiscard]] bool finds_prefix(const Sequence& sequence) const;
  /// Looks for the beginning of running_[place] in the prefix cache, or for a running sequence that computes it now.
  void begin(std::size_t place);
  void find_prefix(Sequence& sequence);
  /// Whether the sequence waits for another one that computes the same beginning. When the wait ends, the sequence
  /// takes over the pages that the other one made.
  [[nodiscard]] bool waits(Sequence& sequence);
  void remember(const Sequence& sequence);
  void remember_after_step(const StepShare& share);
  void let_go_of_pages(Sequence& sequence);
  void put_pages(std::span<const int64_t> tokens, const std::shared_ptr<const nn::Adapter>& adapter,
                 std::span<const at::Tensor> pages);
  /// Drops the oldest prefixes until `bytes` more bytes of pages fit.
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
  std::condition_variable news_;  // wakes the worker
  std::condition_variable idle_;  // wakes callers of `drain`
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

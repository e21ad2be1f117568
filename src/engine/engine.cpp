#include "engine/engine.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/throw.h"
#include "ops/pass_threads.h"

namespace dstorch::engine {
namespace {

/// The index of `adapter` in `adapters`, where it is added if need be; -1 for none.
int32_t place_of(std::vector<const nn::Adapter*>& adapters, const nn::Adapter* adapter) {
  if (adapter == nullptr) {
    return -1;
  }
  const auto it = std::find(adapters.begin(), adapters.end(), adapter);
  const auto place = it - adapters.begin();
  if (it == adapters.end()) {
    adapters.push_back(adapter);
  }
  return static_cast<int32_t>(place);
}

/// Removes from `all` the sequences for which `which` is true, and returns them.
template <typename Sequences, typename Which>
std::vector<std::shared_ptr<Sequence>> take_out(Sequences& all, Which which) {
  const auto taken =
      std::stable_partition(all.begin(), all.end(), [&](const auto& sequence) { return !which(*sequence); });
  std::vector<std::shared_ptr<Sequence>> result(taken, all.end());
  all.erase(taken, all.end());
  return result;
}

}  // namespace

Engine::Engine(EngineConfig config)
    : config_(std::move(config)),
      admission_(config_),
      constraints_(config_.tokenizer, config_.end_tokens, config_.model->sizes().vocab_size) {
  const auto& layout = config_.model->kv_layout();
  if (!layout.groups.empty()) {
    pool_ = std::make_unique<nn::KvPool>(layout, at::TensorOptions().dtype(config_.kv_dtype).device(config_.device),
                                         config_.memory.kept);
    if (config_.memory.prefixes > 0) {
      prefixes_ = std::make_unique<PrefixCache>(*pool_);
    }
    if (config_.draft.model) {
      model_draft_ = std::make_unique<ModelDraft>(
          config_.draft.model, at::TensorOptions().dtype(config_.draft.kv_dtype).device(config_.device),
          config_.memory.kept, prefixes_ != nullptr, [this](int64_t bytes) { make_room(bytes); });
    }
  }
  worker_ = std::thread([this] { work(); });
}

void Engine::close() {
  const std::lock_guard one_at_a_time(close_mutex_);
  {
    const std::lock_guard lock(mutex_);
    draining_ = true;
    closing_ = true;
  }
  news_.notify_one();
  if (worker_.joinable()) {
    worker_.join();
  }
}

void Engine::check_tokens(std::span<const int64_t> tokens) const {
  require(!tokens.empty(), ErrorKind::invalid_argument,
          "the prompt must hold at least one token; this one is empty and the tokenizer adds none");
  const auto vocab = config_.model->sizes().vocab_size;
  for (const auto token : tokens) {
    require(token >= 0 && (vocab == 0 || token < vocab), ErrorKind::invalid_argument,
            "token ids must be between 0 and {}, got {}", vocab - 1, token);
  }
}

void Engine::submit(std::shared_ptr<Sequence> sequence) {
  admission_.check(*sequence);
  {
    const std::lock_guard lock(mutex_);
    require(!draining_, ErrorKind::not_initialized, "Torch model not initialized. Call init() first.");
    require(static_cast<int64_t>(waiting_.size()) < config_.max_waiting, ErrorKind::out_of_memory,
            "at most {} calls may wait for the model, and as many do; ask again later", config_.max_waiting);
    waiting_.push_back(std::move(sequence));
  }
  news_.notify_one();
}

void Engine::drain() {
  std::unique_lock lock(mutex_);
  draining_ = true;
  idle_.wait(lock, [this] { return waiting_.empty() && jobs_.empty() && !busy_; });
}

void Engine::between_steps(std::function<void()> job) {
  std::packaged_task<void()> task(std::move(job));
  auto done = task.get_future();
  {
    const std::lock_guard lock(mutex_);
    require(!draining_, ErrorKind::not_initialized, "Torch model not initialized. Call init() first.");
    jobs_.push_back(std::move(task));
  }
  news_.notify_one();
  done.get();
}

void Engine::do_jobs() {
  std::deque<std::packaged_task<void()>> jobs;
  {
    const std::lock_guard lock(mutex_);
    jobs.swap(jobs_);
  }
  for (auto& job : jobs) {
    job();
  }
}

void Engine::work() {
  const ops::PassThreads threads(config_.threads);
  const MemoryScope memory(config_.account, MemoryKind::activations);
  const at::NoGradGuard no_grad;
  while (wait_for_work()) {
    do_jobs();
    drop_cancelled();
    admit();
    step();
  }
  end_all();
}

bool Engine::wait_for_work() {
  std::unique_lock lock(mutex_);
  busy_ = !running_.empty();
  if (!busy_ && waiting_.empty() && jobs_.empty()) {
    idle_.notify_all();
    news_.wait(lock, [this] { return closing_ || !waiting_.empty() || !jobs_.empty(); });
  }
  busy_ = true;
  return !closing_;
}

void Engine::end_all() {
  do_jobs();  // after closing no more can be added
  std::deque<std::shared_ptr<Sequence>> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting.swap(waiting_);
  }
  for (const auto& sequence : running_) {
    end_as_cancelled(*sequence);
  }
  for (const auto& sequence : waiting) {
    end_as_cancelled(*sequence);
  }
  running_.clear();
  if (prefixes_) {
    prefixes_->clear();
  }
  if (model_draft_) {
    model_draft_->clear();
  }
  const std::lock_guard lock(mutex_);
  busy_ = false;
  idle_.notify_all();
}

void Engine::end_as_cancelled(Sequence& sequence) {
  let_go_of_pages(sequence);
  if (!sequence.finished()) {
    try {
      sequence.on_cancelled();
    } catch (...) {
      sequence.on_error(std::current_exception());
    }
  }
  sequence.deliver();
}

void Engine::drop_cancelled() {
  auto cancelled = take_out(running_, [](const Sequence& sequence) { return sequence.cancelled(); });
  {
    const std::lock_guard lock(mutex_);
    const auto waiting = take_out(waiting_, [](const Sequence& sequence) { return sequence.cancelled(); });
    cancelled.insert(cancelled.end(), waiting.begin(), waiting.end());
  }
  for (const auto& sequence : cancelled) {
    end_as_cancelled(*sequence);
  }
  make_room(0);
}

void Engine::admit() {
  const auto before = running_.size();
  {
    const std::lock_guard lock(mutex_);
    while (!waiting_.empty() && admission_.admits(running_, *waiting_.front())) {
      running_.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
  }
  for (auto place = before; pool_ && place < running_.size(); ++place) {
    begin(place);
  }
}

void Engine::step() {
  std::vector<Sequence*> running;
  running.reserve(running_.size());
  for (const auto& sequence : running_) {
    if (!waits(*sequence)) {
      running.push_back(sequence.get());
    }
  }
  auto shares = pool_ ? plan_step(running, config_.step) : plan_whole(running);
  if (shares.empty()) {
    return;
  }
  try {
    const auto rows = add_drafts(shares);
    const auto begin = std::chrono::steady_clock::now();
    const auto hidden = forward(shares);
    if (hidden.defined()) {
      hand_out(shares, hidden);
      step_cost_.learn(rows, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
  } catch (...) {
    for (const auto& share : shares) {
      share.sequence->on_error(std::current_exception());
    }
  }
  end_finished(shares);
}

void Engine::end_finished(std::span<const StepShare> shares) {
  for (const auto& share : shares) {
    remember_after_step(share);
  }
  const auto finished = take_out(running_, [](const Sequence& sequence) { return sequence.finished(); });
  for (const auto& sequence : finished) {
    let_go_of_pages(*sequence);
  }
  make_room(0);
  for (const auto& share : shares) {
    share.sequence->deliver();
  }
}

at::Tensor Engine::forward(std::span<const StepShare> shares) {
  int64_t rows = 0;
  int64_t bytes = 0;  // of pages that are not there yet
  for (const auto& share : shares) {
    rows += share.rows();
    if (pool_) {
      // Pages that the first row does not see are seen by no later row either: wrong drafts do not advance `done`.
      share.sequence->pages->leave(share.first);
      bytes += share.sequence->pages->bytes_to_take(share.first + share.rows());
    }
  }
  make_room(bytes);
  const auto tokens = at::empty({rows}, at::kLong);
  ops::Batch batch;
  int64_t row = 0;
  for (const auto& share : shares) {
    const auto& sequence = *share.sequence;
    ops::Span span{.first = row, .count = share.rows(), .position = share.first};
    if (pool_) {
      share.sequence->pages->prepare(share.first, share.first + share.rows());
      span.pages = share.sequence->pages->ids();
    }
    span.adapter = place_of(batch.adapters, sequence.adapter.get());
    batch.spans.push_back(std::move(span));
    const auto known =
        sequence.tokens().subspan(static_cast<std::size_t>(share.first)).first(static_cast<std::size_t>(share.count));
    auto* place = std::copy(known.begin(), known.end(), tokens.data_ptr<int64_t>() + row);
    std::copy_n(sequence.drafts().begin(), share.drafts, place);
    row += share.rows();
  }
  batch.tokens = tokens.to(config_.device);
  batch.groups = pool_ ? &pool_->groups() : nullptr;
  const auto preparation = prepare_beside(shares);
  batch.abandoned = [shares] {
    return std::all_of(shares.begin(), shares.end(), [](const auto& share) { return share.sequence->cancelled(); });
  };
  return config_.model->hidden(batch);
}

Companion::Job Engine::prepare_beside(std::span<const StepShare> shares) {
  std::vector<Sequence*> preparing;
  for (const auto& share : shares) {
    // A sequence that has more of its prompt to read after this step draws no token in it.
    if (share.sequence->pending() == share.count && share.sequence->wants_preparation()) {
      preparing.push_back(share.sequence);
    }
  }
  if (preparing.empty()) {
    return {};
  }
  return companion_.start([preparing = std::move(preparing)] {
    for (auto* sequence : preparing) {
      try {
        sequence->prepare();
      } catch (...) {
        // `on_logits` tries again and reports the error.
      }
    }
  });
}

void Engine::hand_out(std::span<const StepShare> shares, const at::Tensor& hidden) {
  std::vector<const StepShare*> askers;  // of logits
  std::vector<int64_t> asked;            // rows of the batch, the askers' one after the other
  int64_t row = 0;
  for (const auto& share : shares) {
    auto& sequence = *share.sequence;
    sequence.advance(share.first + share.count - sequence.done());
    if (sequence.wants() == Sequence::Wants::hidden) {
      try {
        sequence.on_hidden(*config_.model, hidden.narrow(0, row, share.count), share.first);
      } catch (...) {
        sequence.on_error(std::current_exception());
      }
    } else if (sequence.pending() == 0) {
      askers.push_back(&share);
      for (auto last = row + share.count - 1; last < row + share.rows(); ++last) {
        asked.push_back(last);
      }
    }
    row += share.rows();
  }
  if (askers.empty()) {
    return;
  }
  const auto count = static_cast<int64_t>(asked.size());
  const auto rows = askers.size() == 1 ? hidden.narrow(0, asked.front(), count)
                                       : hidden.index_select(0, at::tensor(asked, at::kLong).to(config_.device));
  ops::Batch batch;  // of the rows that logits are made from
  int64_t place = 0;
  for (const auto* asker : askers) {
    const auto adapter = place_of(batch.adapters, asker->sequence->adapter.get());
    batch.spans.push_back({.first = place, .count = 1 + asker->drafts, .adapter = adapter});
    place += 1 + asker->drafts;
  }
  const auto logits = config_.model->logits_of(rows, batch).to(at::kCPU, at::kFloat).contiguous();  // [asked, vocab]
  const auto vocab = logits.size(1);
  ops::for_each_in_parallel(static_cast<int64_t>(askers.size()), [&](int64_t i) {
    const auto& span = batch.spans[static_cast<std::size_t>(i)];
    auto& sequence = *askers[static_cast<std::size_t>(i)]->sequence;
    try {
      sequence.on_logits({logits.data_ptr<float>() + span.first * vocab, static_cast<std::size_t>(span.count * vocab)},
                         span.count);
    } catch (...) {
      sequence.on_error(std::current_exception());
    }
    sequence.advance(sequence.true_drafts());
  });
}

}  // namespace dstorch::engine

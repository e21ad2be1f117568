#include "engine/evaluate_tokens.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <future>

#include "core/throw.h"

namespace dstorch::engine {
namespace {

/// Rows of logits made at a time: few, as the vocabulary is large; more than one, as each call reads the head's
/// weights.
constexpr int64_t kHeadRows = 64;

constexpr std::chrono::milliseconds kProgressInterval{50};

/// Damaged weights show as NaN in everything the model makes.
template <typename Numbers>
void check_numbers(const Numbers& numbers) {
  const bool valid = std::none_of(numbers.begin(), numbers.end(), [](auto number) { return std::isnan(number); });
  require(
      valid, ErrorKind::inference,
      "what the model made are not finite numbers (NaN): its weights are damaged, or its dtype overflows; try --dtype "
      "float32");
}

/// A request whose result is a value that a caller waits for.
template <typename Value>
class EvaluatedSequence : public Sequence {
 public:
  explicit EvaluatedSequence(std::span<const int64_t> tokens)
      : Sequence({tokens.begin(), tokens.end()}, static_cast<int64_t>(tokens.size())) {}

  [[nodiscard]] Wants wants() const override { return Wants::hidden; }
  void on_cancelled() override {
    on_error(std::make_exception_ptr(LMError(ErrorKind::cancelled, "the model was closed while it worked on this")));
  }
  void on_error(std::exception_ptr error) noexcept override { error_ = std::move(error); }
  [[nodiscard]] bool finished() const override { return value_ || error_; }
  void deliver() override {
    if (!finished() || std::exchange(delivered_, true)) {
      return;
    }
    if (error_) {
      result_.set_exception(error_);
    } else {
      result_.set_value(std::move(*value_));
    }
  }
  [[nodiscard]] bool cancelled() const noexcept override { return cancelled_.load(std::memory_order_relaxed); }

  std::future<Value> result() { return result_.get_future(); }
  void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }

 protected:
  void set(Value value) { value_ = std::move(value); }

 private:
  std::promise<Value> result_;
  std::optional<Value> value_;
  std::exception_ptr error_;
  bool delivered_ = false;
  std::atomic<bool> cancelled_{false};
};

class LogitsSequence : public EvaluatedSequence<std::vector<float>> {
 public:
  using EvaluatedSequence::EvaluatedSequence;
  [[nodiscard]] Wants wants() const override { return Wants::last_logits; }
  void on_logits(std::span<float> logits, int64_t /*rows*/) override {
    check_numbers(logits);
    set(std::vector<float>(logits.begin(), logits.end()));
  }
};

class PagesSequence : public EvaluatedSequence<std::vector<at::Tensor>> {
 public:
  using EvaluatedSequence::EvaluatedSequence;
  [[nodiscard]] Wants wants() const override { return Wants::last_logits; }
  void on_logits(std::span<float> /*logits*/, int64_t /*rows*/) override { set(pages->contents(length())); }
};

class MeanSequence : public EvaluatedSequence<std::vector<float>> {
 public:
  using EvaluatedSequence::EvaluatedSequence;
  void on_hidden(models::LanguageModel& model, const at::Tensor& hidden, int64_t first) override {
    const auto part = model.final_norm(hidden).to(at::kDouble).sum(0);  // [hidden]
    sum_ = sum_.defined() ? sum_ + part : part;
    if (first + hidden.size(0) == length()) {
      const auto mean = (sum_ / static_cast<double>(length())).to(at::kCPU, at::kFloat).contiguous();
      sum_ = at::Tensor();
      std::vector<float> numbers(mean.data_ptr<float>(), mean.data_ptr<float>() + mean.numel());
      check_numbers(numbers);
      set(std::move(numbers));
    }
  }

 private:
  at::Tensor sum_;
};

/// Sums the loss over a window: row i predicts token i + 1. Rows before `skip` are not counted.
class LossSequence : public EvaluatedSequence<double> {
 public:
  /// The last token of `window` is only predicted and does not go through the model.
  LossSequence(std::span<const int64_t> window, int64_t skip)
      : EvaluatedSequence(window.first(window.size() - 1)), window_(window.begin(), window.end()), skip_(skip) {}

  void on_hidden(models::LanguageModel& model, const at::Tensor& hidden, int64_t first) override {
    const auto begin = std::max<int64_t>(skip_ - first, 0);
    for (int64_t at = begin; at < hidden.size(0); at += kHeadRows) {
      const auto rows = std::min(kHeadRows, hidden.size(0) - at);
      loss_ += loss_of(model, hidden.narrow(0, at, rows), adapter.get(), window_.data() + first + at + 1);
    }
    rows_done_.store(first + hidden.size(0), std::memory_order_relaxed);
    if (first + hidden.size(0) == length()) {
      check_numbers(std::array{loss_});
      set(loss_);
    }
  }

  [[nodiscard]] int64_t rows_done() const noexcept { return rows_done_.load(std::memory_order_relaxed); }

 private:
  /// -sum log p(targets[i] | hidden[i]): hidden [rows, hidden], targets [rows].
  static double loss_of(models::LanguageModel& model, const at::Tensor& hidden, const nn::Adapter* adapter,
                        const int64_t* targets) {
    const auto logits = model.logits_of(hidden, ops::Batch::of_rows(hidden.size(0), adapter));  // [rows, vocab]
    const auto target = at::tensor(at::ArrayRef<int64_t>(targets, static_cast<std::size_t>(hidden.size(0))), at::kLong)
                            .to(logits.device());
    const auto chosen = logits.gather(1, target.unsqueeze(1)).squeeze(1).to(at::kDouble);
    return (at::logsumexp(logits, 1).to(at::kDouble) - chosen).sum().item<double>();
  }

  std::vector<int64_t> window_;
  int64_t skip_;
  double loss_ = 0;
  std::atomic<int64_t> rows_done_{0};
};

void check_fits(const Engine& engine, std::span<const int64_t> tokens) {
  const auto count = static_cast<int64_t>(tokens.size());
  require(count <= engine.max_context(), ErrorKind::context_overflow,
          "the text has {} tokens, {} more than the context of {}; shorten it", count, count - engine.max_context(),
          engine.max_context());
}

template <typename AnySequence>
auto ask(Engine& engine, std::span<const int64_t> tokens, std::shared_ptr<const nn::Adapter> adapter) {
  engine.check_tokens(tokens);
  check_fits(engine, tokens);
  auto sequence = std::make_shared<AnySequence>(tokens);
  sequence->adapter = std::move(adapter);
  auto result = sequence->result();
  engine.submit(std::move(sequence));
  return result.get();
}

/// The loss of one window of a long text. Reports progress while it waits.
double loss_of_window(Engine& engine, std::span<const int64_t> window, int64_t skip,
                      const std::shared_ptr<const nn::Adapter>& adapter,
                      const std::function<bool(int64_t rows)>& on_rows) {
  auto sequence = std::make_shared<LossSequence>(window, skip);
  sequence->adapter = adapter;
  auto result = sequence->result();
  engine.submit(sequence);
  int64_t told = 0;
  while (result.wait_for(kProgressInterval) != std::future_status::ready) {
    const auto rows = sequence->rows_done();
    if (rows > told && !on_rows(rows)) {
      sequence->cancel();
      fail(ErrorKind::cancelled, "scoring was cancelled");
    }
    told = rows;
  }
  return result.get();
}

}  // namespace

std::vector<float> next_logits(Engine& engine, std::span<const int64_t> prompt,
                               std::shared_ptr<const nn::Adapter> adapter) {
  return ask<LogitsSequence>(engine, prompt, std::move(adapter));
}

std::vector<at::Tensor> keys_and_values(Engine& engine, std::span<const int64_t> tokens,
                                        std::shared_ptr<const nn::Adapter> adapter) {
  require(!engine.model().kv_layout().groups.empty(), ErrorKind::unsupported,
          "the model loaded keeps no keys and values; it is {}", engine.model().sizes().model_type);
  return ask<PagesSequence>(engine, tokens, std::move(adapter));
}

std::vector<float> mean_hidden(Engine& engine, std::span<const int64_t> tokens,
                               std::shared_ptr<const nn::Adapter> adapter) {
  require(engine.model().sizes().hidden_size > 0, ErrorKind::unsupported,
          "embed needs a model that shows its hidden states; a {} archive gives logits alone",
          engine.model().sizes().model_type);
  return ask<MeanSequence>(engine, tokens, std::move(adapter));
}

double negative_log_likelihood(Engine& engine, std::span<const int64_t> tokens, const ProgressCallback& on_progress,
                               const std::shared_ptr<const nn::Adapter>& adapter) {
  engine.check_tokens(tokens);
  const auto total = static_cast<int64_t>(tokens.size());
  const auto window = std::min(engine.max_context(), total);
  const auto stride = std::max<int64_t>(window / 2, 1);
  double loss = 0;
  int64_t scored = 1;  // tokens before this one are done; the first has nothing to be predicted from
  for (int64_t begin = 0; scored < total; begin += stride) {
    // The last window is moved back so that it is full too.
    const auto first = std::max<int64_t>(std::min(begin, total - window), 0);
    const auto part = tokens.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(window));
    // Row r predicts token first + r + 1.
    const auto skip = std::max<int64_t>(scored - (first + 1), 0);
    const auto tell = [&](int64_t rows) {
      return !on_progress || on_progress({"tokens", std::max(scored, first + 1 + rows), total});
    };
    loss += loss_of_window(engine, part, skip, adapter, tell);
    scored = first + window;
    require(tell(window - 1), ErrorKind::cancelled, "scoring was cancelled");
  }
  return loss;
}

}  // namespace dstorch::engine

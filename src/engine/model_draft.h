#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "engine/prefix_cache.h"
#include "engine/sequence.h"
#include "models/language_model.h"
#include "nn/kv_pool.h"

namespace dstorch::engine {

/// A small model that guesses how the answers of a larger one go on, the most likely token each time (Leviathan et al.
/// 2023, "Fast Inference from Transformers via Speculative Decoding"). It has read the sequences itself and keeps keys
/// and values of its own, which later sequences find. The worker's thread alone.
class ModelDraft {
 public:
  /// It has the vocabulary of the sequences. `pages`: the type and device of its keys and values; `kept_bytes`: of free
  /// pages. `make_room` is told how many bytes of pages will be taken next.
  ModelDraft(std::shared_ptr<models::LanguageModel> model, const at::TensorOptions& pages, int64_t kept_bytes,
             bool finds_prefixes, std::function<void(int64_t)> make_room);

  /// What it guesses of a sequence.
  struct Guess {
    Sequence* sequence = nullptr;
    std::vector<int64_t> tokens{};
    /// The probability that it gives each of them.
    std::vector<double> confidences{};
  };

  /// Begins anew: reads what it has not read of these, at most `rows` tokens in all, and guesses one token of each that
  /// it has read to its end. Those have a guess each, in the same order.
  void begin(std::span<Sequence* const> sequences, int64_t rows);
  /// One token more for each of the guesses that `may` is true of, where the model has a position for it.
  void go_on(const std::function<bool(const Guess&)>& may);
  [[nodiscard]] std::span<const Guess> guesses() const noexcept { return guesses_; }

  /// The sequence goes through no more. What was read of it may be found by others.
  void forget(const Sequence& sequence);
  /// Forgets the oldest of what nothing but later sequences needs; false when there is none.
  bool drop_oldest() { return prefixes_ && prefixes_->drop_oldest(); }
  void clear();

  [[nodiscard]] int64_t bytes_in_use() const noexcept { return pool_.bytes_in_use(); }
  [[nodiscard]] int64_t pages_in_use() const noexcept { return pool_.pages_in_use(); }
  /// Of these nothing but later sequences needs so many.
  [[nodiscard]] int64_t pages_remembered() const noexcept { return prefixes_ ? prefixes_->counts().pages.load() : 0; }
  /// Seconds that one more token takes; 0 until it is known.
  [[nodiscard]] double seconds_of_pass() const noexcept { return seconds_of_pass_; }

 private:
  struct Read {
    explicit Read(nn::KvPool& pool) : pages(pool) {}
    nn::SequencePages pages;
    std::vector<int64_t> tokens{};  // whose keys and values are there, guesses that did not come included
  };
  /// Rows of a sequence in a pass.
  struct Part {
    Read* read;
    std::span<const int64_t> tokens;
    int64_t known;  // positions that no later pass goes back behind
  };

  void find(const Sequence& sequence, Read& read);
  at::Tensor forward(std::span<const Part> parts);
  void add_most_likely(const at::Tensor& hidden, std::span<Guess* const> guesses);
  [[nodiscard]] int64_t max_positions() const { return model_->sizes().max_positions; }

  std::shared_ptr<models::LanguageModel> model_;
  at::Device device_;
  nn::KvPool pool_;
  std::unique_ptr<PrefixCache> prefixes_;  // may be null
  std::function<void(int64_t)> make_room_;
  std::map<const Sequence*, Read> reads_;
  std::vector<Guess> guesses_;
  double seconds_of_pass_ = 0;
};

}  // namespace dstorch::engine

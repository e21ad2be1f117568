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

/// The draft model: a small model that guesses how the answers of a larger one go on, its most likely token each time
/// (Leviathan et al. 2023, "Fast Inference from Transformers via Speculative Decoding"). It reads the sequences itself
/// and keeps its own keys and values, which later sequences with the same beginning find again. The worker's thread
/// alone.
class ModelDraft {
 public:
  /// `model` must have the vocabulary of the sequences. `pages`: type and device of its keys and values. `kept_bytes`:
  /// how much of free pages is kept. `finds_prefixes`: whether it has a prefix cache. `make_room(bytes)` is called
  /// before that many bytes of pages are taken.
  ModelDraft(std::shared_ptr<models::LanguageModel> model, const at::TensorOptions& pages, int64_t kept_bytes,
             bool finds_prefixes, std::function<void(int64_t)> make_room);

  /// A guess for one sequence.
  struct Guess {
    Sequence* sequence = nullptr;
    std::vector<int64_t> tokens{};
    /// The probability that it gives each of them.
    std::vector<double> confidences{};
  };

  /// Starts new guesses. Reads what it has not yet read of `sequences`, at most `rows` tokens in all, and guesses one
  /// token for each sequence that it has then read to the end; `guesses` holds one entry for each of these, in order.
  void begin(std::span<Sequence* const> sequences, int64_t rows);
  /// Adds one token to each guess for which `may` returns true, as long as the model has a position for it.
  void go_on(const std::function<bool(const Guess&)>& may);
  [[nodiscard]] std::span<const Guess> guesses() const noexcept { return guesses_; }

  /// The sequence has ended. Later sequences may find what was read of it.
  void forget(const Sequence& sequence);
  /// Drops the oldest pages that only later sequences could need; false when there are none.
  bool drop_oldest() { return prefixes_ && prefixes_->drop_oldest(); }
  void clear();

  [[nodiscard]] int64_t bytes_in_use() const noexcept { return pool_.bytes_in_use(); }
  [[nodiscard]] int64_t pages_in_use() const noexcept { return pool_.pages_in_use(); }
  /// How many pages are held only for later sequences.
  [[nodiscard]] int64_t pages_remembered() const noexcept { return prefixes_ ? prefixes_->counts().pages.load() : 0; }
  /// Seconds that one pass, which guesses one more token, takes; 0 until that is known.
  [[nodiscard]] double seconds_of_pass() const noexcept { return seconds_of_pass_; }

 private:
  struct Read {
    explicit Read(nn::KvPool& pool) : pages(pool) {}
    nn::SequencePages pages;
    std::vector<int64_t> tokens{};  // those whose keys and values are in `pages`, wrong guesses included
  };
  /// A sequence's rows in one pass.
  struct Part {
    Read* read;
    std::span<const int64_t> tokens;
    int64_t known;  // positions that no later pass will compute again
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

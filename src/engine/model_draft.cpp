#include "engine/model_draft.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace dstorch::engine {
namespace {

/// Learning rate of the measured seconds of a pass.
constexpr double kTrust = 0.2;

std::size_t in_common(std::span<const int64_t> a, std::span<const int64_t> b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

}  // namespace

ModelDraft::ModelDraft(std::shared_ptr<models::LanguageModel> model, const at::TensorOptions& pages, int64_t kept_bytes,
                       bool finds_prefixes, std::function<void(int64_t)> make_room)
    : model_(std::move(model)),
      device_(pages.device()),
      pool_(model_->kv_layout(), pages, kept_bytes),
      prefixes_(finds_prefixes ? std::make_unique<PrefixCache>(pool_) : nullptr),
      make_room_(std::move(make_room)) {}

void ModelDraft::begin(std::span<Sequence* const> sequences, int64_t rows) {
  guesses_.clear();
  std::vector<Part> parts;
  std::vector<int64_t> last_rows;  // last rows of the sequences that are read to the end
  int64_t row = 0;
  for (auto* sequence : sequences) {
    if (sequence->length() > max_positions()) {
      continue;
    }
    const auto [it, is_new] = reads_.try_emplace(sequence, pool_);
    auto& read = it->second;
    if (is_new) {
      find(*sequence, read);
    }
    // The pages of wrong guesses are overwritten. The last token goes through the model in any case, since its logits
    // are wanted.
    const auto tokens = sequence->tokens();
    read.tokens.resize(std::min(in_common(read.tokens, tokens), tokens.size() - 1));
    const auto rest = tokens.subspan(read.tokens.size());
    const auto count = std::min(std::ssize(rest), rows - row);
    if (count == 0) {
      continue;
    }
    row += count;
    parts.push_back({&read, rest.first(static_cast<std::size_t>(count)), std::ssize(tokens) - 1});
    if (count == std::ssize(rest)) {
      guesses_.push_back({sequence});
      last_rows.push_back(row - 1);
    }
  }
  if (parts.empty()) {
    return;
  }
  const auto hidden = forward(parts);
  std::vector<Guess*> asking;
  for (auto& guess : guesses_) {
    asking.push_back(&guess);
  }
  if (!asking.empty()) {
    add_most_likely(hidden.index_select(0, at::tensor(last_rows, at::kLong).to(device_)), asking);
  }
}

void ModelDraft::go_on(const std::function<bool(const Guess&)>& may) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<Part> parts;
  std::vector<Guess*> asking;
  for (auto& guess : guesses_) {
    auto& read = reads_.at(guess.sequence);
    if (std::ssize(read.tokens) < max_positions() && may(guess)) {
      parts.push_back({&read, std::span(guess.tokens).last(1), guess.sequence->length() - 1});
      asking.push_back(&guess);
    }
  }
  if (parts.empty()) {
    return;
  }
  add_most_likely(forward(parts), asking);
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  seconds_of_pass_ += (seconds_of_pass_ > 0 ? kTrust : 1) * (seconds - seconds_of_pass_);
}

at::Tensor ModelDraft::forward(std::span<const Part> parts) {
  int64_t rows = 0;
  int64_t bytes = 0;
  for (const auto& part : parts) {
    rows += std::ssize(part.tokens);
    bytes += part.read->pages.bytes_to_take(std::ssize(part.read->tokens) + std::ssize(part.tokens));
  }
  make_room_(bytes);
  const auto tokens = at::empty({rows}, at::kLong);
  ops::Batch batch;
  int64_t row = 0;
  for (const auto& part : parts) {
    const auto position = std::ssize(part.read->tokens);
    const auto count = std::ssize(part.tokens);
    part.read->pages.prepare(std::min(position, part.known), position + count);
    batch.spans.push_back({.first = row, .count = count, .position = position, .pages = part.read->pages.ids()});
    std::copy(part.tokens.begin(), part.tokens.end(), tokens.data_ptr<int64_t>() + row);
    row += count;
  }
  batch.tokens = tokens.to(device_);
  batch.groups = &pool_.groups();
  auto hidden = model_->hidden(batch);
  for (const auto& part : parts) {
    part.read->tokens.insert(part.read->tokens.end(), part.tokens.begin(), part.tokens.end());
  }
  return hidden;
}

void ModelDraft::add_most_likely(const at::Tensor& hidden, std::span<Guess* const> guesses) {
  const auto logits = model_->logits(hidden);  // [guesses, vocab]
  const auto [most, tokens] = logits.max(-1);
  const auto shares = (most - logits.logsumexp(-1)).exp().to(at::kCPU, at::kDouble);
  const auto ids = tokens.to(at::kCPU);
  for (std::size_t i = 0; i < guesses.size(); ++i) {
    guesses[i]->tokens.push_back(ids.data_ptr<int64_t>()[i]);
    guesses[i]->confidences.push_back(shares.data_ptr<double>()[i]);
  }
}

void ModelDraft::find(const Sequence& sequence, Read& read) {
  if (!prefixes_) {
    return;
  }
  const auto tokens = sequence.tokens();
  auto found = prefixes_->find(tokens.first(tokens.size() - 1), {});
  if (found.positions > 0) {
    prefixes_->make_own(found, make_room_);
    read.pages.adopt(std::move(found.pages));
    read.tokens.assign(tokens.begin(), tokens.begin() + found.positions);
  }
}

void ModelDraft::forget(const Sequence& sequence) {
  const auto it = reads_.find(&sequence);
  if (it == reads_.end()) {
    return;
  }
  std::erase_if(guesses_, [&](const Guess& guess) { return guess.sequence == &sequence; });
  const auto& read = it->second;
  if (const auto known = in_common(read.tokens, sequence.tokens()); prefixes_ && known > 0) {
    prefixes_->put(sequence.tokens().first(known), {}, read.pages);
  }
  reads_.erase(it);
}

void ModelDraft::clear() {
  guesses_.clear();
  reads_.clear();
  if (prefixes_) {
    prefixes_->clear();
  }
}

}  // namespace dstorch::engine

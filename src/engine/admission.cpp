#include "engine/admission.h"

#include <algorithm>

#include "core/throw.h"
#include "dstorch/memory.h"

namespace dstorch::engine {

Admission::Admission(const EngineConfig& config)
    : layout_(config.model->kv_layout()),
      bounds_(config.memory),
      kv_dtype_(config.kv_dtype),
      draft_layout_(config.draft.model ? config.draft.model->kv_layout() : nn::KvLayout{}),
      draft_kv_dtype_(config.draft.kv_dtype),
      piece_(std::max(config.step.prompt_rows, 1 + config.step.draft_rows)),
      prompt_rows_(config.step.prompt_rows),
      all_draft_rows_(config.exact_rows ? config.step.all_draft_rows : 0),
      max_running_(config.max_running) {}

int64_t Admission::kv_bytes(const Sequence& sequence) const {
  return layout_.sequence_bytes(sequence.capacity(), piece_, kv_dtype_) +
         draft_layout_.sequence_bytes(sequence.capacity(), piece_, draft_kv_dtype_);
}

int64_t Admission::pass_bytes(std::span<const std::shared_ptr<Sequence>> running, const Sequence* next,
                              int64_t drafts) const {
  if (!bounds_.pass) {
    return 0;
  }
  int64_t rows = 0;
  int64_t positions = 0;
  int64_t sequences = 0;
  int64_t rank = 0;
  const auto add = [&](const Sequence& sequence) {
    rows += std::min(sequence.prompt_length(), prompt_rows_);
    positions = std::max(positions, sequence.capacity());
    ++sequences;
    rank = std::max(rank, sequence.adapter ? sequence.adapter->largest_rank() : 0);
  };
  for (const auto& sequence : running) {
    add(*sequence);
  }
  if (next != nullptr) {
    add(*next);
  }
  if (sequences == 0) {
    return 0;
  }
  return bounds_.pass(std::min(rows, prompt_rows_ + sequences - 1) + drafts, positions, sequences + drafts, rank);
}

bool Admission::admits(std::span<const std::shared_ptr<Sequence>> running, const Sequence& next) const {
  if (static_cast<int64_t>(running.size()) >= max_running_) {
    return false;
  }
  auto kv = kv_bytes(next);
  for (const auto& sequence : running) {
    kv += kv_bytes(*sequence);
  }
  const bool kv_fits = bounds_.kv == 0 || kv <= bounds_.kv;
  return kv_fits && (bounds_.together == 0 || kv + pass_bytes(running, &next, 0) <= bounds_.together);
}

int64_t Admission::draft_rows(std::span<const std::shared_ptr<Sequence>> running) const {
  if (bounds_.together == 0) {
    return all_draft_rows_;
  }
  int64_t kv = 0;
  for (const auto& sequence : running) {
    kv += kv_bytes(*sequence);
  }
  auto rows = all_draft_rows_;
  while (rows > 0 && kv + pass_bytes(running, nullptr, rows) > bounds_.together) {
    rows /= 2;
  }
  return rows;
}

int64_t Admission::page_limit(std::span<const std::shared_ptr<Sequence>> running) const {
  auto limit = bounds_.prefixes;
  for (const auto& sequence : running) {
    limit += kv_bytes(*sequence);
  }
  if (bounds_.kv > 0) {
    limit = std::min(limit, bounds_.kv);
  }
  return bounds_.together > 0 ? std::min(limit, bounds_.together - pass_bytes(running, nullptr, draft_rows(running)))
                              : limit;
}

void Admission::check(const Sequence& sequence) const {
  if (admits({}, sequence)) {
    return;
  }
  const auto kv = kv_bytes(sequence);
  const auto plan = bounds_.plan ? bounds_.plan(sequence.capacity()) : std::string("no plan");
  require(
      bounds_.kv == 0 || kv <= bounds_.kv, ErrorKind::out_of_memory,
      "keys and values of this call of {} positions need {}, kv_memory allows {}. It needs: {}. Ask for fewer tokens, "
      "or raise kv_memory",
      sequence.capacity(), format_bytes(kv), format_bytes(bounds_.kv), plan);
  fail(ErrorKind::out_of_memory,
       "this call of {} positions would pass the memory limit: beside the weights {} are left. It needs: {}. Ask for "
       "fewer tokens, or raise the limit",
       sequence.capacity(), format_bytes(bounds_.together), plan);
}

}  // namespace dstorch::engine

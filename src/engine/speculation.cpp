// The engine's part in guessing answers ahead: who guesses, which drafts go through in a step, and what wider steps
// cost.

#include <algorithm>
#include <exception>
#include <string>

#include "dstorch/log.h"
#include "engine/draft_rows.h"
#include "engine/engine.h"
#include "engine/guesses.h"
#include "engine/pace.h"

namespace dstorch::engine {
namespace {

/// A guess that is tried whatever it costs is continued as long as it is more likely right than wrong as a whole.
constexpr double kLikely = 0.5;
/// A sequence for which the draft model may guess.
struct Asking {
  std::size_t place = 0;  // index among the step's shares
  Guesses* guesses = nullptr;
  double chance = 1;  // probability that everything guessed so far comes true
};

}  // namespace

int64_t Engine::add_drafts(std::span<StepShare> shares) {
  std::vector<Draft> drafts(shares.size());
  const auto most = speculates() ? admission_.draft_rows(running_) : 0;
  int64_t rows = 0;
  bool all_generate = true;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    rows += shares[i].count;
    all_generate = all_generate && shares[i].generates();
    if (most > 0 && shares[i].generates()) {
      drafts[i] = shares[i].sequence->draft(std::min(most, config_.step.draft_rows));
    }
  }
  if (model_draft_ && most > 0) {
    ask_draft_model(shares, drafts, rows, std::min(most, config_.step.draft_rows));
  }
  const auto counts = share_draft_rows(drafts, rows, most, step_cost_);
  for (std::size_t i = 0; i < shares.size(); ++i) {
    rows += shares[i].drafts = counts[i];
    shares[i].sequence->try_drafts(std::span(drafts[i].tokens).first(static_cast<std::size_t>(counts[i])));
  }
  return all_generate ? rows : 0;
}

// For sequences without a looked-up guess the draft model guesses, one token at a time as long as each makes the step
// faster.
void Engine::ask_draft_model(std::span<const StepShare> shares, std::span<Draft> drafts, int64_t rows, int64_t most) {
  std::vector<Sequence*> sequences;
  std::map<const Sequence*, Asking> asking;
  double tokens = 0;
  bool always = false;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    auto* sequence = shares[i].sequence;
    auto* guesses = shares[i].generates() && drafts[i].tokens.empty() ? sequence->asks_model(1) : nullptr;
    if (guesses != nullptr) {
      sequences.push_back(sequence);
      asking[sequence] = {i, guesses};
      tokens += guesses->chance_of_model();
      always = always || guesses->asks_model_always();
    }
  }
  Pace pace(rows, step_cost_, model_draft_->seconds_of_pass());
  if (sequences.empty() || (!pace.gains(tokens, std::ssize(sequences), kWorthOfGuesses) && !always)) {
    return;
  }
  try {
    model_draft_->begin(sequences, config_.step.shared_prompt_rows);
    for (int64_t depth = 1; depth < most; ++depth) {
      tokens = 0;
      std::set<const Sequence*> likely;
      std::set<const Sequence*> open;
      for (const auto& guess : model_draft_->guesses()) {
        auto& one = asking.at(guess.sequence);
        if (std::ssize(guess.tokens) == depth && guess.sequence->asks_model(depth + 1) != nullptr) {
          one.chance *= one.guesses->chance_of_model(guess.confidences.back());
          tokens += one.chance * one.guesses->chance_of_model();
          open.insert(guess.sequence);
          if (one.guesses->asks_model_always() && one.chance >= kLikely) {
            likely.insert(guess.sequence);
          }
        }
      }
      const auto& going = !open.empty() && pace.gains(tokens, std::ssize(open), 1) ? open : likely;
      if (going.empty()) {
        break;
      }
      model_draft_->go_on([&](const ModelDraft::Guess& guess) { return going.contains(guess.sequence); });
    }
    for (const auto& guess : model_draft_->guesses()) {
      drafts[asking.at(guess.sequence).place] = guess.sequence->model_draft(guess.tokens, guess.confidences);
    }
  } catch (const std::exception& error) {
    model_draft_.reset();  // answers are made without it from now on
    log(LogLevel::warning, std::string("the draft model guesses no more: ") + error.what());
  }
}

}  // namespace dstorch::engine

#include "text/json_tokenizer.h"

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>

#include "core/throw.h"
#include "text/match_budget.h"
#include "text/utf8.h"

namespace dstorch::text {

// A Scratch that goes back to the tokenizer. As many are made as threads encode at once.
class JsonTokenizer::Loan {
 public:
  explicit Loan(const JsonTokenizer& owner) : owner_(owner) {
    const std::lock_guard lock(owner_.mutex_);
    if (!owner_.idle_.empty()) {
      scratch_ = std::move(owner_.idle_.back());
      owner_.idle_.pop_back();
    }
  }
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;
  ~Loan() {
    if (!scratch_) {
      return;
    }
    scratch_->arena.clear();
    scratch_->parts.clear();
    const std::lock_guard lock(owner_.mutex_);
    owner_.idle_.push_back(std::move(scratch_));
  }

  Scratch& operator*() {
    if (!scratch_) {
      scratch_ = std::make_unique<Scratch>();
    }
    return *scratch_;
  }

 private:
  const JsonTokenizer& owner_;
  std::unique_ptr<Scratch> scratch_;
};

JsonTokenizer::JsonTokenizer(TokenizerParts parts) : parts_(std::move(parts)) {
  const MatchBudget budget(0);  // for all added tokens together
  for (const AddedToken& token : parts_.added_tokens) {
    if (token.content.empty()) {
      continue;
    }
    added_.add(token.content, token.id);
    if (!token.normalized) {
      raw_tokens_.add(token.content, token);
    } else if (parts_.normalizer) {
      NormalizedText content{token.content, 0};
      parts_.normalizer->apply(content);
      normalized_tokens_.add(content.text, token);
      if (content.text != token.content) {
        spellings_[token.id] = content.text;
      }
    } else {
      normalized_tokens_.add(token.content, token);
    }
  }
  // A token is left out of decoded text if what it is spelled there is the content of a special one.
  std::unordered_set<std::string> special;
  for (const AddedToken& token : parts_.added_tokens) {
    if (token.special) {
      special.insert(token.content);
    }
  }
  for (const AddedToken& token : parts_.added_tokens) {
    if (special.contains(id_to_token(token.id))) {
      special_ids_.insert(token.id);
    }
  }
  parts_.post_processor.require_ids_below(vocab_size());
}

std::vector<int64_t> JsonTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  std::string repaired;
  if (!is_valid_utf8(text)) {
    repaired = replace_invalid_utf8(text);
    text = repaired;
  }
  const MatchBudget budget(text.size());
  std::vector<int64_t> ids;
  ids.reserve(text.size() / 3 + 8);
  Loan loan(*this);
  Scratch& scratch = *loan;
  raw_tokens_.find(text, options.parse_special_tokens, options.plain_at, scratch.parts);
  for (const auto& part : scratch.parts) {
    if (part.token != nullptr) {
      ids.push_back(part.token->id);
      continue;
    }
    const std::size_t origin = part.span.begin == 0 ? utf8_length(text[0]) : 0;
    const Piece section{text.substr(part.span.begin, part.span.end - part.span.begin), origin, false};
    // Normalizing moves what comes after: a section with a plain one in it has no special tokens at all.
    const auto plain = std::lower_bound(options.plain_at.begin(), options.plain_at.end(), part.span.begin);
    const bool parse_special =
        options.parse_special_tokens && (plain == options.plain_at.end() || *plain >= part.span.end);
    encode_section(section, parse_special, scratch, ids);
    scratch.arena.clear();
  }
  parts_.post_processor.apply(ids, options.add_special_tokens);
  return ids;
}

// Text without added tokens that are to be found before normalization.
void JsonTokenizer::encode_section(const Piece& section, bool parse_special, Scratch& scratch,
                                   std::vector<int64_t>& ids) const {
  Piece piece = section;
  std::optional<NormalizedText> normalized;
  if (parts_.normalizer) {
    normalized.emplace(std::string(section.text), section.origin);
    parts_.normalizer->apply(*normalized);
    piece = {normalized->text, normalized->origin, false};
  }
  const auto to_model = [&](const Piece& word) { parts_.model->encode(word, scratch.model, ids); };
  scratch.normalized_parts.clear();
  normalized_tokens_.find(piece.text, parse_special, {}, scratch.normalized_parts);
  for (const auto& part : scratch.normalized_parts) {
    if (part.token != nullptr) {
      ids.push_back(part.token->id);
    } else {
      parts_.pre_tokenizer->split(piece.part(part.span.begin, part.span.end), scratch.arena, to_model);
    }
  }
}

int64_t JsonTokenizer::vocab_size() const {
  return static_cast<int64_t>(std::max(parts_.model->vocab().id_limit(), added_.id_limit()));
}

std::optional<int64_t> JsonTokenizer::token_to_id(std::string_view token) const {
  uint32_t id = added_.find(token);
  if (id == Vocab::kNone) {
    id = parts_.model->vocab().find(token);
  }
  return id == Vocab::kNone ? std::nullopt : std::optional<int64_t>(id);
}

std::string JsonTokenizer::id_to_token(int64_t id) const {
  if (id < 0 || id >= Vocab::kMaxId) {
    return {};
  }
  if (const auto spelling = spellings_.find(id); spelling != spellings_.end()) {
    return spelling->second;
  }
  const auto index = static_cast<uint32_t>(id);
  return std::string(added_.has(index) ? added_.token(index) : parts_.model->vocab().token(index));
}

bool JsonTokenizer::is_special(int64_t id) const { return special_ids_.contains(id); }

}  // namespace dstorch::text

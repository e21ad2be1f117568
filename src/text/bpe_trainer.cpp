#include <algorithm>
#include <array>
#include <deque>
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/atomic_file.h"
#include "core/json.h"
#include "core/mapped_file.h"
#include "core/throw.h"
#include "dstorch/tokenizer.h"
#include "text/byte_level.h"
#include "text/pre_tokenizers.h"
#include "text/utf8.h"

namespace dstorch {
namespace {

using Id = int32_t;
using Pair = std::pair<Id, Id>;

uint64_t key_of(Pair pair) noexcept {
  return (static_cast<uint64_t>(static_cast<uint32_t>(pair.first)) << 32U) | static_cast<uint32_t>(pair.second);
}

/// A distinct piece of the text and how often it occurs.
struct Word {
  std::vector<Id> symbols;
  int64_t count = 0;
};

struct Candidate {
  int64_t count = 0;
  Pair pair;
  /// The most frequent first; of equals the one with the smallest ids, so that the result is the same everywhere.
  friend bool operator<(const Candidate& a, const Candidate& b) {
    return a.count != b.count ? a.count < b.count : a.pair > b.pair;
  }
};

class Trainer {
 public:
  explicit Trainer(const BpeTrainerOptions& options) : options_(options) {
    for (const auto& token : options_.special_tokens) {
      require(!token.empty(), ErrorKind::invalid_argument, "a special token must not be empty");
      require(add_token(token).second, ErrorKind::invalid_argument, "the special token \"{}\" is given twice", token);
    }
    // In the order of the characters that stand for the bytes, as Hugging Face's trainer has them.
    std::vector<std::pair<char32_t, uint8_t>> alphabet;
    alphabet.reserve(256);
    for (int byte = 0; byte < 256; ++byte) {
      alphabet.emplace_back(text::byte_to_char(static_cast<uint8_t>(byte)), static_cast<uint8_t>(byte));
    }
    std::sort(alphabet.begin(), alphabet.end());
    for (const auto& [character, byte] : alphabet) {
      byte_ids_[byte] = add_token(text::to_utf8(character)).first;
    }
    require(options_.vocab_size >= static_cast<int64_t>(tokens_.size()), ErrorKind::invalid_argument,
            "vocab_size must be at least {} (256 bytes and the special tokens), got {}", tokens_.size(),
            options_.vocab_size);
    require(options_.vocab_size <= (int64_t{1} << 30), ErrorKind::invalid_argument,
            "vocab_size must be at most 2^30, got {}", options_.vocab_size);
  }

  void count_words(std::span<const std::string_view> texts) {
    // The very pre-tokenizer that will encode, so that merges are learned where they will be applied.
    const auto splitter = text::make_pre_tokenizer(Json::parse(pre_tokenizer_json().dump()));
    std::unordered_map<std::string_view, std::size_t> index;
    std::deque<std::string> keys;  // What the index points into: pieces may live in the arena.
    text::Arena arena;
    const auto count = [&](const text::Piece& piece) {
      auto found = index.find(piece.text);
      if (found == index.end()) {
        found = index.emplace(keys.emplace_back(piece.text), words_.size()).first;
        words_.push_back(make_word(piece.text));
      }
      ++words_[found->second].count;
    };
    for (const auto text : texts) {
      each_between_specials(text, [&](std::string_view part) {
        std::string repaired;
        if (!text::is_valid_utf8(part)) {
          repaired = text::replace_invalid_utf8(part);
          part = repaired;
        }
        splitter->split({part}, arena, count);
        arena.clear();
      });
    }
  }

  void merge_all() {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      const auto& symbols = words_[w].symbols;
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
        note({symbols[i], symbols[i + 1]}, words_[w].count, w);
      }
    }
    enqueue_touched();
    while (static_cast<int64_t>(tokens_.size()) < options_.vocab_size && !queue_.empty()) {
      auto best = queue_.top();
      queue_.pop();
      const auto found = pairs_.find(key_of(best.pair));
      if (found->second.count != best.count) {  // Its count fell since it was queued.
        best.count = found->second.count;
        queue_.push(best);
        continue;
      }
      if (best.count < std::max<int64_t>(1, options_.min_frequency)) {
        break;
      }
      const auto words = std::move(found->second.words);
      found->second.words.clear();
      merge(best.pair, words);
    }
  }

  [[nodiscard]] std::string to_json() const {
    OrderedJson added = OrderedJson::array();
    for (std::size_t id = 0; id < options_.special_tokens.size(); ++id) {
      added.push_back({{"id", id},
                       {"content", tokens_[id]},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", true}});
    }
    const bool gpt2 = options_.pattern.empty();
    const OrderedJson byte_level = {
        {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", gpt2}};
    OrderedJson pre_tokenizer = byte_level;
    if (!gpt2) {
      const OrderedJson split = {
          {"type", "Split"}, {"pattern", {{"Regex", options_.pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
      pre_tokenizer = {{"type", "Sequence"}, {"pretokenizers", OrderedJson::array({split, byte_level})}};
    }
    OrderedJson vocab = OrderedJson::object();
    auto& entries = vocab.get_ref<OrderedJson::object_t&>();
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      entries.push_back({tokens_[id], id});  // The names differ; looking each up would be quadratic.
    }
    OrderedJson merges = OrderedJson::array();
    for (const auto& [left, right] : merges_) {
      merges.push_back(tokens_[static_cast<std::size_t>(left)] + " " + tokens_[static_cast<std::size_t>(right)]);
    }
    const OrderedJson file = {{"version", "1.0"},
                              {"truncation", nullptr},
                              {"padding", nullptr},
                              {"added_tokens", added},
                              {"normalizer", nullptr},
                              {"pre_tokenizer", pre_tokenizer_json()},
                              {"post_processor", nullptr},
                              {"decoder", byte_level_json(true)},
                              {"model",
                               {{"type", "BPE"},
                                {"dropout", nullptr},
                                {"unk_token", nullptr},
                                {"continuing_subword_prefix", nullptr},
                                {"end_of_word_suffix", nullptr},
                                {"fuse_unk", false},
                                {"byte_fallback", false},
                                {"ignore_merges", false},
                                {"vocab", vocab},
                                {"merges", merges}}}};
    return file.dump(1, ' ') + "\n";
  }

 private:
  struct PairInfo {
    int64_t count = 0;
    /// Indices into words_ where it may occur; ascending, without neighbours that are equal.
    std::vector<std::size_t> words;
    bool touched = false;
  };

  static OrderedJson byte_level_json(bool use_regex) {
    return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
  }

  [[nodiscard]] OrderedJson pre_tokenizer_json() const {
    if (options_.pattern.empty()) {
      return byte_level_json(true);
    }
    const OrderedJson split = {
        {"type", "Split"}, {"pattern", {{"Regex", options_.pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
    return {{"type", "Sequence"}, {"pretokenizers", OrderedJson::array({split, byte_level_json(false)})}};
  }

  [[nodiscard]] Word make_word(std::string_view piece) const {
    Word word;
    word.symbols.reserve(piece.size());
    for (const char c : piece) {
      word.symbols.push_back(byte_ids_[static_cast<unsigned char>(c)]);
    }
    return word;
  }

  std::pair<Id, bool> add_token(const std::string& token) {
    const auto [it, added] = ids_.try_emplace(token, static_cast<Id>(tokens_.size()));
    if (added) {
      tokens_.push_back(token);
    }
    return {it->second, added};
  }

  /// The text without special tokens, which are never merged.
  template <typename Visit>
  void each_between_specials(std::string_view text, const Visit& visit) const {
    std::vector<std::size_t> next(options_.special_tokens.size(), 0);  // Where each occurs next, or npos.
    for (std::size_t i = 0; i < next.size(); ++i) {
      next[i] = text.find(options_.special_tokens[i]);
    }
    std::size_t done = 0;
    while (done < text.size()) {
      auto first = std::string_view::npos;
      std::size_t length = 0;
      for (std::size_t i = 0; i < next.size(); ++i) {
        const auto& token = options_.special_tokens[i];
        if (next[i] != std::string_view::npos && next[i] < done) {
          next[i] = text.find(token, done);
        }
        if (next[i] < first || (next[i] == first && first != std::string_view::npos && token.size() > length)) {
          first = next[i];
          length = token.size();
        }
      }
      visit(text.substr(done, first == std::string_view::npos ? first : first - done));
      done = first == std::string_view::npos ? text.size() : first + length;
    }
  }

  void note(Pair pair, int64_t change, std::size_t word) {
    auto& info = pairs_[key_of(pair)];
    info.count += change;
    if (change > 0) {
      if (info.words.empty() || info.words.back() != word) {
        info.words.push_back(word);
      }
      if (!info.touched) {
        info.touched = true;
        touched_.push_back(pair);
      }
    }
  }

  void enqueue_touched() {
    for (const auto& pair : touched_) {
      auto& info = pairs_[key_of(pair)];
      info.touched = false;
      if (info.count > 0) {
        queue_.push({info.count, pair});
      }
    }
    touched_.clear();
  }

  void merge(Pair pair, const std::vector<std::size_t>& words) {
    const auto joined = tokens_[static_cast<std::size_t>(pair.first)] + tokens_[static_cast<std::size_t>(pair.second)];
    const Id merged = add_token(joined).first;
    merges_.push_back(pair);
    for (const auto w : words) {
      merge_word(w, pair, merged);
    }
    enqueue_touched();
  }

  void merge_word(std::size_t w, Pair pair, Id merged) {
    auto& symbols = words_[w].symbols;
    const auto count = words_[w].count;
    std::size_t out = 0;
    for (std::size_t i = 0; i < symbols.size(); ++i) {
      if (i + 1 == symbols.size() || symbols[i] != pair.first || symbols[i + 1] != pair.second) {
        symbols[out++] = symbols[i];
        continue;
      }
      if (out > 0) {
        note({symbols[out - 1], pair.first}, -count, w);
        note({symbols[out - 1], merged}, count, w);
      }
      if (i + 2 < symbols.size()) {
        note({pair.second, symbols[i + 2]}, -count, w);
        note({merged, symbols[i + 2]}, count, w);
      }
      symbols[out++] = merged;
      ++i;
    }
    symbols.resize(out);
  }

  const BpeTrainerOptions& options_;
  std::array<Id, 256> byte_ids_{};
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, Id> ids_;
  std::vector<Word> words_;
  std::unordered_map<uint64_t, PairInfo> pairs_;
  std::vector<Pair> touched_;
  std::priority_queue<Candidate> queue_;
  std::vector<Pair> merges_;
};

}  // namespace

std::string train_bpe_tokenizer(std::span<const std::string_view> texts, const BpeTrainerOptions& options) {
  Trainer trainer(options);
  trainer.count_words(texts);
  trainer.merge_all();
  return trainer.to_json();
}

void train_bpe_tokenizer(std::span<const std::filesystem::path> files, const std::filesystem::path& output,
                         const BpeTrainerOptions& options) {
  require(!files.empty(), ErrorKind::invalid_argument, "at least one text file is needed to train a tokenizer");
  // A name that cannot be written is better known before the work than after; nothing stays if the work is interrupted.
  { const AtomicFile attempt(output); }
  std::vector<std::shared_ptr<const MappedFile>> mapped;
  std::vector<std::string_view> texts;
  for (const auto& path : files) {
    mapped.push_back(MappedFile::open(path));
    const auto bytes = mapped.back()->bytes();
    texts.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  write_file(output, train_bpe_tokenizer(texts, options));
}

}  // namespace dstorch

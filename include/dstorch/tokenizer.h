#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dstorch {

struct EncodeOptions {
  /// Let the post-processor add what the model expects around a text (e.g. a beginning-of-sequence token).
  bool add_special_tokens = true;
  /// Turn special tokens written in the text, e.g. "<|endoftext|>", into their ids. Off: they are plain text.
  bool parse_special_tokens = true;
  /// Bytes of the text, in order, at which a special token begins that is plain text all the same: somebody wrote it
  /// into what a program put around it.
  std::span<const std::size_t> plain_at{};
};

/// Text to token ids and back, the same as Hugging Face `tokenizers` does for the same files.
/// Immutable after loading, hence usable from any number of threads at once.
class Tokenizer {
 public:
  /// `path`: a `tokenizer.json`, a SentencePiece `tokenizer.model`, a `vocab.json` beside its `merges.txt`, or a
  /// directory that holds one of these (looked for in this order).
  /// Throws LMError: not_found when there is none (the message says what was looked for), format, unsupported.
  static std::shared_ptr<const Tokenizer> load(const std::filesystem::path& path);
  /// From the text of a `tokenizer.json`.
  static std::shared_ptr<const Tokenizer> from_json(std::string_view json);

  virtual ~Tokenizer() = default;

  /// Invalid UTF-8 is replaced by U+FFFD, one per maximal ill-formed part, as Python's errors="replace" does.
  /// Throws LMError{unsupported} when the tokenizer's rules make the text many times longer, or a pattern of it takes
  /// longer than a second and two microseconds a byte.
  [[nodiscard]] virtual std::vector<int64_t> encode(std::string_view text, const EncodeOptions& options = {}) const = 0;
  /// Ids outside the vocabulary throw LMError{invalid_argument}. Bytes that are no UTF-8 become U+FFFD.
  [[nodiscard]] virtual std::string decode(std::span<const int64_t> ids, bool skip_special_tokens = true) const = 0;

  /// One more than the largest id, added tokens included.
  [[nodiscard]] virtual int64_t vocab_size() const = 0;
  [[nodiscard]] virtual std::optional<int64_t> token_to_id(std::string_view token) const = 0;
  /// The token as the vocabulary spells it; empty for an id without a token.
  [[nodiscard]] virtual std::string id_to_token(int64_t id) const = 0;
  [[nodiscard]] virtual bool is_special(int64_t id) const = 0;
  /// The bytes that the token is in the middle of a text: part of a character, or a space before a word, too. Empty for
  /// special tokens, the unknown one and ids without a token. A tokenizer from elsewhere that does not say it has those
  /// of `decode`, and none for parts of characters.
  [[nodiscard]] virtual std::string token_bytes(int64_t id) const;
};

/// Decodes ids one by one into text that is always whole characters: a character spread over several tokens comes out
/// with its last token. The pieces, joined, equal `tokenizer.decode` of all the ids. One thread at a time.
class StreamDecoder {
 public:
  explicit StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special_tokens = true);
  ~StreamDecoder();
  StreamDecoder(StreamDecoder&&) noexcept;
  StreamDecoder& operator=(StreamDecoder&&) noexcept;

  /// The text that `id` completes; often empty.
  std::string push(int64_t id);
  /// What is still held back, e.g. an unfinished character as U+FFFD. The decoder starts anew after it.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct BpeTrainerOptions {
  int64_t vocab_size = 4096;
  /// A pair must occur this often to be merged.
  int64_t min_frequency = 2;
  /// Added first, so that they have the ids 0, 1, ...
  std::vector<std::string> special_tokens = {"<|endoftext|>"};
  /// A regular expression whose matches, and what lies between them, are the pieces that merges stay inside. Empty is
  /// GPT-2's.
  std::string pattern;
};

/// Learns a byte-level BPE (Sennrich et al. 2016; bytes as in GPT-2) from `texts` and returns the `tokenizer.json` that
/// `Tokenizer::from_json` and Hugging Face `tokenizers` read. Deterministic. Throws LMError: invalid_argument;
/// format or unsupported for a pattern that is no regular expression.
std::string train_bpe_tokenizer(std::span<const std::string_view> texts, const BpeTrainerOptions& options);

/// The same from text files into the file `output`, which appears only when it is whole. Throws LMError.
void train_bpe_tokenizer(std::span<const std::filesystem::path> files, const std::filesystem::path& output,
                         const BpeTrainerOptions& options);

}  // namespace dstorch

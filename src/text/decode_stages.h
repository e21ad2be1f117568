#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "text/decoders.h"
#include "text/regex.h"
#include "text/utf8.h"

namespace dstorch::text {

/// Collects the fragments of a token and hands it over whole.
class WholeTokenStage : public DecodeStage {
 public:
  using DecodeStage::DecodeStage;
  void push(std::string_view fragment) final { token_ += fragment; }
  void end_token() final {
    take(token_);
    token_.clear();
  }
  void finish() override { next().finish(); }

 protected:
  virtual void take(std::string& token) = 0;
  void emit(std::string_view token) {
    next().push(token);
    next().end_token();
  }

 private:
  std::string token_;
};

/// Tokens in the byte-level alphabet to text: one long token.
class ByteLevelStage final : public WholeTokenStage {
 public:
  using WholeTokenStage::WholeTokenStage;
  void finish() override;
  void keep_bytes() override { keeps_bytes_ = true; }

 protected:
  void take(std::string& token) override;

 private:
  Utf8Assembler assembler_;
  std::string bytes_;
  std::string text_;
  bool keeps_bytes_ = false;
};

/// Runs of "<0x00>" ... "<0xFF>" to text; a run that is no UTF-8 to one U+FFFD for each of its bytes. Whether a run is
/// UTF-8 shows at its end only, so it is held until then.
class ByteFallbackStage final : public WholeTokenStage {
 public:
  using WholeTokenStage::WholeTokenStage;
  void finish() override;
  void keep_bytes() override { keeps_bytes_ = true; }

 protected:
  void take(std::string& token) override;

 private:
  void flush();
  std::string bytes_;
  bool keeps_bytes_ = false;
};

/// All tokens to one.
class FuseStage final : public DecodeStage {
 public:
  using DecodeStage::DecodeStage;
  void push(std::string_view fragment) override { next().push(fragment); }
  void end_token() override {}
  void finish() override {
    next().end_token();
    next().finish();
  }
};

/// Takes up to `start` times `content` from the beginning of each token, and up to `stop` times from its end.
class StripStage final : public DecodeStage {
 public:
  StripStage(DecodeStage* next, std::string content, std::size_t start, std::size_t stop)
      : DecodeStage(next), content_(std::move(content)), start_(start), stop_(stop) {}
  void push(std::string_view fragment) override;
  void end_token() override;
  void finish() override { next().finish(); }

 private:
  std::string content_;
  std::size_t start_;
  std::size_t stop_;
  std::size_t stripped_ = 0;
  bool inside_ = false;   // past what is taken from the beginning
  std::size_t held_ = 0;  // how many `content` at the end so far wait for the end of the token, at most `stop_`
};

/// Replaces one character, hence works on fragments.
class ReplaceCharacterStage final : public DecodeStage {
 public:
  ReplaceCharacterStage(DecodeStage* next, std::string character, std::string content)
      : DecodeStage(next), character_(std::move(character)), content_(std::move(content)) {}
  void push(std::string_view fragment) override;
  void end_token() override { next().end_token(); }
  void finish() override { next().finish(); }

 private:
  std::string character_;
  std::string content_;
};

/// Replaces the matches of a pattern within each token.
class ReplaceStage final : public WholeTokenStage {
 public:
  ReplaceStage(DecodeStage* next, std::shared_ptr<const Regex> regex, std::string content)
      : WholeTokenStage(next), regex_(std::move(regex)), content_(std::move(content)) {}

 protected:
  void take(std::string& token) override;

 private:
  std::shared_ptr<const Regex> regex_;
  std::string content_;
};

/// SentencePiece's mark to a space; those of the first token to nothing if `drop_first`.
class MetaspaceStage final : public DecodeStage {
 public:
  MetaspaceStage(DecodeStage* next, std::string mark, bool drop_first)
      : DecodeStage(next), mark_(std::move(mark)), drop_(drop_first) {}
  void push(std::string_view fragment) override;
  void end_token() override {
    drop_ = false;
    next().end_token();
  }
  void finish() override { next().finish(); }

 private:
  std::string mark_;
  bool drop_;
};

/// The suffix of words to a space, and to nothing in the last token.
class SuffixStage final : public WholeTokenStage {
 public:
  SuffixStage(DecodeStage* next, std::string suffix) : WholeTokenStage(next), suffix_(std::move(suffix)) {}
  void finish() override;

 protected:
  void take(std::string& token) override;

 private:
  void flush(std::string_view replacement);
  std::string suffix_;
  std::string last_;
  bool has_last_ = false;
};

/// Words begin with a space unless they carry the prefix; `cleanup` joins punctuation to what is before it.
class WordPieceStage final : public WholeTokenStage {
 public:
  WordPieceStage(DecodeStage* next, std::string prefix, bool cleanup)
      : WholeTokenStage(next), prefix_(std::move(prefix)), cleanup_(cleanup) {}

 protected:
  void take(std::string& token) override;

 private:
  std::string prefix_;
  bool cleanup_;
  bool first_ = true;
};

/// Without a decoder: a space between tokens.
class JoinWithSpacesStage final : public WholeTokenStage {
 public:
  using WholeTokenStage::WholeTokenStage;

 protected:
  void take(std::string& token) override;

 private:
  bool first_ = true;
};

}  // namespace dstorch::text

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace dstorch::text {

/// One step from tokens to text, while one text is decoded. Tokens come as fragments: push(), push(), ..., end_token();
/// most have one fragment. What a stage makes of them it hands on as soon as nothing that follows can change it.
class DecodeStage {
 public:
  explicit DecodeStage(DecodeStage* next) : next_(next) {}
  DecodeStage(const DecodeStage&) = delete;
  DecodeStage& operator=(const DecodeStage&) = delete;
  virtual ~DecodeStage() = default;

  virtual void push(std::string_view fragment) = 0;
  virtual void end_token() = 0;
  /// There are no more tokens.
  virtual void finish() = 0;
  /// A stage says here what it puts in for what was there, before it does. Throws LMError{unsupported} when all stages
  /// together make the text many times longer than its tokens.
  virtual void grow(std::size_t bytes) { next_->grow(bytes); }
  /// Hand on bytes that are no whole characters as they are.
  virtual void keep_bytes() {}

 protected:
  [[nodiscard]] DecodeStage& next() const noexcept { return *next_; }

 private:
  DecodeStage* next_;
};

/// How tokens become text: the "decoder" of a tokenizer.json. Immutable, hence thread-safe.
class Decoder {
 public:
  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  virtual ~Decoder() = default;

  /// Puts its stages in front of `next`, into `stages`, and returns the first of them.
  virtual DecodeStage* start(DecodeStage* next, std::vector<std::unique_ptr<DecodeStage>>& stages) const = 0;
};

/// From the "decoder" of a tokenizer.json; null joins tokens with spaces.
/// Throws LMError: format, unsupported (the message lists the known types).
std::unique_ptr<const Decoder> make_decoder(const Json& json);

std::unique_ptr<const Decoder> make_byte_level_decoder();

/// Tokens of one text on their way through a decoder. One thread at a time.
class DecodeRun {
 public:
  explicit DecodeRun(const Decoder& decoder);
  ~DecodeRun();
  DecodeRun(DecodeRun&&) noexcept;
  DecodeRun& operator=(DecodeRun&&) noexcept;

  /// Bytes that are no whole characters stay what they are, instead of U+FFFD.
  void keep_bytes();
  void push(std::string_view token);
  void finish();
  /// The text made since the last call.
  std::string take();

 private:
  class Output;
  std::unique_ptr<Output> output_;
  std::vector<std::unique_ptr<DecodeStage>> stages_;
  DecodeStage* first_;
};

}  // namespace dstorch::text

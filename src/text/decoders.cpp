#include "text/decoders.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "text/decode_stages.h"
#include "text/metaspace.h"
#include "text/regex.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

constexpr std::string_view kDecoder = "decoder";

// A decoder of one stage, which `make(DecodeStage* next)` makes.
template <typename F>
class SimpleDecoder final : public Decoder {
 public:
  explicit SimpleDecoder(F make) : make_(std::move(make)) {}

  DecodeStage* start(DecodeStage* next, std::vector<std::unique_ptr<DecodeStage>>& stages) const override {
    stages.push_back(make_(next));
    return stages.back().get();
  }

 private:
  F make_;
};

template <typename F>
std::unique_ptr<const Decoder> decoder_of(F make) {
  return std::make_unique<SimpleDecoder<F>>(std::move(make));
}

template <typename Stage>
std::unique_ptr<const Decoder> plain_decoder() {
  return decoder_of([](DecodeStage* next) { return std::make_unique<Stage>(next); });
}

class SequenceDecoder final : public Decoder {
 public:
  explicit SequenceDecoder(std::vector<std::unique_ptr<const Decoder>> decoders) : decoders_(std::move(decoders)) {}

  DecodeStage* start(DecodeStage* next, std::vector<std::unique_ptr<DecodeStage>>& stages) const override {
    std::for_each(decoders_.rbegin(), decoders_.rend(),
                  [&](const auto& decoder) { next = decoder->start(next, stages); });
    return next;
  }

 private:
  std::vector<std::unique_ptr<const Decoder>> decoders_;
};

std::unique_ptr<const Decoder> make_decoder_sequence(const Json& json) {
  std::vector<std::unique_ptr<const Decoder>> decoders;
  for (const Json& decoder : json_get<Json>(json, "decoders", kDecoder)) {
    require(!decoder.is_null(), ErrorKind::format, "{}: a Sequence must not hold null", kDecoder);
    decoders.push_back(make_decoder(decoder));
  }
  return std::make_unique<SequenceDecoder>(std::move(decoders));
}

std::unique_ptr<const Decoder> make_strip(const Json& json) {
  const auto content = json_get_or<std::string>(json, "content", " ", kDecoder);
  require(!content.empty() && utf8_length(content[0]) == content.size(), ErrorKind::format,
          "{}: Strip's \"content\" must be one character, got \"{}\"", kDecoder, content);
  const auto start = json_get_or<int64_t>(json, "start", 0, kDecoder);
  const auto stop = json_get_or<int64_t>(json, "stop", 0, kDecoder);
  require(start >= 0 && stop >= 0, ErrorKind::format, "{}: Strip's \"start\" and \"stop\" must not be negative",
          kDecoder);
  return decoder_of([=](DecodeStage* next) {
    return std::make_unique<StripStage>(next, content, static_cast<std::size_t>(start), static_cast<std::size_t>(stop));
  });
}

std::unique_ptr<const Decoder> make_replace(const Json& json) {
  const auto content = json_get<std::string>(json, "content", kDecoder);
  const auto pattern = parse_pattern(json, kDecoder);
  if (json["pattern"].contains("String")) {
    const auto text = json_get<std::string>(json["pattern"], "String", kDecoder);
    if (!text.empty() && utf8_length(text[0]) == text.size()) {
      return decoder_of(
          [=](DecodeStage* next) { return std::make_unique<ReplaceCharacterStage>(next, text, content); });
    }
  }
  const auto regex = std::make_shared<const Regex>(pattern);
  return decoder_of([=](DecodeStage* next) { return std::make_unique<ReplaceStage>(next, regex, content); });
}

}  // namespace

std::unique_ptr<const Decoder> make_byte_level_decoder() { return plain_decoder<ByteLevelStage>(); }

std::unique_ptr<const Decoder> make_decoder(const Json& json) {
  if (json.is_null()) {
    return plain_decoder<JoinWithSpacesStage>();
  }
  const auto type = json_get<std::string>(json, "type", kDecoder);
  if (type == "Sequence") {
    return make_decoder_sequence(json);
  }
  if (type == "ByteLevel") {
    return make_byte_level_decoder();
  }
  if (type == "ByteFallback") {
    return plain_decoder<ByteFallbackStage>();
  }
  if (type == "Fuse") {
    return plain_decoder<FuseStage>();
  }
  if (type == "Strip") {
    return make_strip(json);
  }
  if (type == "Replace") {
    return make_replace(json);
  }
  if (type == "Metaspace") {
    const MetaspaceOptions options = parse_metaspace(json, kDecoder);
    const bool drop_first = options.prepend != MetaspaceOptions::Prepend::never;
    return decoder_of(
        [=](DecodeStage* next) { return std::make_unique<MetaspaceStage>(next, options.replacement, drop_first); });
  }
  if (type == "BPEDecoder") {
    const auto suffix = json_get_or<std::string>(json, "suffix", "</w>", kDecoder);
    return decoder_of([=](DecodeStage* next) { return std::make_unique<SuffixStage>(next, suffix); });
  }
  if (type == "WordPiece") {
    const auto prefix = json_get_or<std::string>(json, "prefix", "##", kDecoder);
    const bool cleanup = json_get_or<bool>(json, "cleanup", true, kDecoder);
    return decoder_of([=](DecodeStage* next) { return std::make_unique<WordPieceStage>(next, prefix, cleanup); });
  }
  fail(ErrorKind::unsupported,
       "decoder \"{}\" is not supported; known are ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace, "
       "BPEDecoder, "
       "WordPiece and Sequence",
       type);
}

// The end of the chain.
class DecodeRun::Output final : public DecodeStage {
 public:
  Output() : DecodeStage(nullptr) {}
  void push(std::string_view fragment) override { text += fragment; }
  void end_token() override {}
  void finish() override {}
  void grow(std::size_t bytes) override {
    constexpr std::size_t kMostGrowth = 64;
    constexpr std::size_t kMostAdded = 1024;
    grown_ += bytes;
    require(grown_ <= given * kMostGrowth + kMostAdded, ErrorKind::unsupported,
            "{}: the text of tokens must not become more than {} times longer, and {} bytes", kDecoder, kMostGrowth,
            kMostAdded);
  }

  std::string text;
  /// Bytes of all tokens so far.
  std::size_t given = 0;

 private:
  std::size_t grown_ = 0;
};

DecodeRun::DecodeRun(const Decoder& decoder)
    : output_(std::make_unique<Output>()), first_(decoder.start(output_.get(), stages_)) {}
DecodeRun::~DecodeRun() = default;
DecodeRun::DecodeRun(DecodeRun&&) noexcept = default;
DecodeRun& DecodeRun::operator=(DecodeRun&&) noexcept = default;

void DecodeRun::keep_bytes() {
  for (const auto& stage : stages_) {
    stage->keep_bytes();
  }
}

void DecodeRun::push(std::string_view token) {
  output_->given += token.size();
  first_->push(token);
  first_->end_token();
}

void DecodeRun::finish() { first_->finish(); }

std::string DecodeRun::take() { return std::exchange(output_->text, {}); }

}  // namespace dstorch::text

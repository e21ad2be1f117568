// Any bytes as text, through tokenizers of three kinds: decoding gives valid text, the same at once and one by one, and
// the text itself where the tokenizer loses nothing.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "dstorch/tokenizer.h"
#include "text/byte_level.h"
#include "text/utf8.h"

namespace {

using dstorch::Json;

Json byte_level() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    std::string token;
    dstorch::text::append_byte_level(std::string(1, static_cast<char>(byte)), token);
    vocab[token] = byte;
  }
  int id = 256;
  Json merges = Json::array();
  for (const auto& [left, right] : std::vector<std::pair<std::string, std::string>>{{"a", "a"},
                                                                                    {"aa", "aa"},
                                                                                    {"a", "b"},
                                                                                    {"\u0120", "a"},
                                                                                    {"\u00C3", "\u00A9"},
                                                                                    {"ab", "ab"},
                                                                                    {"\u0120", "\u0120"}}) {
    vocab[left + right] = id++;
    merges.push_back({left, right});
  }
  return {{"added_tokens", {{{"id", id}, {"content", "<s>"}, {"special", true}, {"lstrip", false}}}},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}}};
}

Json metaspace() {
  Json vocab = {{"<unk>", 0}, {"\u2581", 1}, {"a", 2}, {"b", 3}, {"ab", 4}, {"\u2581a", 5}};
  for (int byte = 0; byte < 256; ++byte) {
    vocab[fmt::format("<0x{:02X}>", byte)] = 6 + byte;
  }
  return {{"normalizer",
           {{"type", "Sequence"},
            {"normalizers",
             {{{"type", "NFKC"}},
              {{"type", "Prepend"}, {"prepend", "\u2581"}},
              {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}}}}},
          {"decoder",
           {{"type", "Sequence"},
            {"decoders",
             {{{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}},
              {{"type", "ByteFallback"}},
              {{"type", "Fuse"}},
              {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 1}}}}}},
          {"model",
           {{"type", "BPE"},
            {"vocab", vocab},
            {"merges", {"a b", "\u2581 a"}},
            {"byte_fallback", true},
            {"fuse_unk", true},
            {"unk_token", "<unk>"}}}};
}

Json words() {
  return {{"normalizer",
           {{"type", "Sequence"},
            {"normalizers", {{{"type", "NFD"}}, {{"type", "StripAccents"}}, {{"type", "Lowercase"}}}}}},
          {"pre_tokenizer",
           {{"type", "Sequence"},
            {"pretokenizers",
             {{{"type", "Split"}, {"pattern", {{"Regex", "\\p{N}{2}|(?<=a)b"}}}, {"behavior", "MergedWithPrevious"}},
              {{"type", "Whitespace"}},
              {{"type", "Punctuation"}}}}}},
          {"decoder", {{"type", "BPEDecoder"}, {"suffix", "</w>"}}},
          {"model",
           {{"type", "BPE"},
            {"vocab", {{"[UNK]", 0}, {"a", 1}, {"b", 2}, {"a</w>", 3}, {"b</w>", 4}, {"ab</w>", 5}}},
            {"merges", {"a b</w>"}},
            {"end_of_word_suffix", "</w>"},
            {"unk_token", "[UNK]"}}}};
}

void check(bool condition) {
  if (!condition) {
    __builtin_trap();
  }
}

void round_trip(const std::shared_ptr<const dstorch::Tokenizer>& tokenizer, std::string_view text, bool lossless) {
  const auto ids = tokenizer->encode(text);
  const std::string decoded = tokenizer->decode(ids, false);
  check(dstorch::text::is_valid_utf8(decoded));
  check(!lossless || decoded == dstorch::text::replace_invalid_utf8(text));
  dstorch::StreamDecoder stream(tokenizer, false);
  std::string streamed;
  for (const int64_t id : ids) {
    const std::string piece = stream.push(id);
    check(dstorch::text::is_valid_utf8(piece));
    streamed += piece;
  }
  check(streamed + stream.finish() == decoded);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static const auto kByteLevel = dstorch::Tokenizer::from_json(byte_level().dump());
  static const auto kMetaspace = dstorch::Tokenizer::from_json(metaspace().dump());
  static const auto kWords = dstorch::Tokenizer::from_json(words().dump());
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  round_trip(kByteLevel, text, true);
  round_trip(kMetaspace, text, false);
  round_trip(kWords, text, false);
  return 0;
}

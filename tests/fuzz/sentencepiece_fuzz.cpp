// Any bytes as a tokenizer.model: an LMError, or a tokenizer that encodes and decodes.
#include <cstdint>
#include <string_view>

#include "dstorch/error.h"
#include "text/sentencepiece_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  try {
    const dstorch::text::SentencePieceTokenizer tokenizer({reinterpret_cast<const char*>(data), size},
                                                          dstorch::text::TokenizerConfig{}, "fuzz");
    for (const std::string_view text : {"Hello w\u00F6rld 123 <s>\n", "", "\xFF\xE2\x82", "\u2460\uFF21\u00C4"}) {
      const auto ids = tokenizer.encode(text, dstorch::EncodeOptions{});
      (void)tokenizer.decode(ids, false);
    }
  } catch (const dstorch::LMError&) {
  }
  return 0;
}

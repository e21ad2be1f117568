// Any bytes as a tokenizer.json: an LMError, or a tokenizer that encodes and decodes.
#include <cstdint>
#include <string_view>

#include "dstorch/error.h"
#include "dstorch/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  try {
    const auto tokenizer = dstorch::Tokenizer::from_json({reinterpret_cast<const char*>(data), size});
    for (const std::string_view text : {"Hello w\u00F6rld 123 <s>\n", "", "\xFF\xE2\x82"}) {
      const auto ids = tokenizer->encode(text);
      dstorch::StreamDecoder stream(tokenizer);
      std::string streamed;
      bool in_range = true;
      for (const int64_t id : ids) {
        // A post-processor may name ids that the vocabulary does not have.
        in_range = in_range && id >= 0 && id < tokenizer->vocab_size();
        streamed += in_range ? stream.push(id) : "";
      }
      if (in_range && streamed + stream.finish() != tokenizer->decode(ids)) {
        __builtin_trap();
      }
    }
  } catch (const dstorch::LMError&) {
  }
  return 0;
}

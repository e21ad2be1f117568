// Any bytes as a chat template, over a conversation with everything in it: an LMError, or valid text, within the
// limits.
#include <cstdint>
#include <string_view>

#include "core/json.h"
#include "dstorch/error.h"
#include "text/jinja/template.h"
#include "text/utf8.h"

namespace {

const dstorch::OrderedJson& variables() {
  static const dstorch::OrderedJson json = dstorch::OrderedJson::parse(R"({
    "bos_token": "<s>", "add_generation_prompt": true, "documents": null, "n": -7, "f": 2.5, "text": "Grüße, 世界 ",
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}}}}}],
    "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": [{"type": "text", "text": " a "}]},
      {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": {"a": [1, 1e7]}}}]},
      {"role": "tool", "content": "<b>"}, {"role": "user", "content": "</think>x"}]})");
  return json;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  dstorch::text::jinja::RenderOptions options;
  options.limits.steps = 200'000;
  options.limits.text = 1U << 18U;
  options.limits.depth = 200;
  try {
    const dstorch::text::jinja::Template compiled({reinterpret_cast<const char*>(data), size}, "template");
    const auto rendering = compiled.render(variables(), options);
    if (!dstorch::text::is_valid_utf8(rendering.text) || rendering.text.size() > options.limits.text) {
      __builtin_trap();
    }
    for (const auto& [begin, end] : rendering.generated) {
      if (begin > end || end > rendering.text.size()) {
        __builtin_trap();
      }
    }
  } catch (const dstorch::LMError&) {
  }
  return 0;
}

// Any bytes as a schema, a regular expression and a grammar: nothing but an LMError for what is none; else texts drawn
// from the language match, and JSON of a schema parses.
#include <cstdint>
#include <string_view>

#include "core/json.h"
#include "core/rng.h"
#include "dstorch/constraint.h"
#include "dstorch/error.h"
#include "text/constraint/sample.h"

namespace {

template <typename Make>
void draw(Make make, bool json) {
  try {
    const dstorch::Constraint constraint = make();
    dstorch::text::constraint::LanguageSampler sampler(constraint.network());
    dstorch::Rng rng(1);
    for (int i = 0; i < 3; ++i) {
      const auto text = sampler.draw(rng, 40);
      if (!constraint.matches(text) || (json && !dstorch::Json::accept(text))) {
        __builtin_trap();
      }
    }
  } catch (const dstorch::LMError& e) {
    if (e.kind() == dstorch::ErrorKind::internal) {
      __builtin_trap();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size > 4096) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  draw([&] { return dstorch::Constraint::json_schema(text); }, /*json=*/true);
  draw([&] { return dstorch::Constraint::regex(text); }, false);
  draw([&] { return dstorch::Constraint::grammar(text); }, false);
  return 0;
}

// Regular expressions against what Oniguruma, as Hugging Face's tokenizers have it, finds (tools/make_regex_values.py).
#include <gtest/gtest.h>

#include "core/json.h"
#include "support/paths.h"
#include "text/regex.h"

namespace dstorch::text {
namespace {

TEST(RegexValues, FindWhatOnigurumaFinds) {
  for (const auto& one : read_json(test::source_dir() / "tests/text/data/regex.json")) {
    const auto text = one[0].get<std::string>();
    for (const auto& row : one[1]) {
      const auto pattern = row[0].get<std::string>();
      std::vector<std::string> found;
      try {
        Regex(pattern).for_each(text, [&](const Span& match) {
          if (match.begin < match.end) {
            found.push_back(text.substr(match.begin, match.end - match.begin));
          }
        });
      } catch (const LMError& error) {
        ADD_FAILURE() << error.what();
        continue;
      }
      EXPECT_EQ(found, row[1].get<std::vector<std::string>>()) << pattern << " became " << translate_regex(pattern);
    }
  }
}

}  // namespace
}  // namespace dstorch::text

// The template engine against what transformers and Jinja2 make of the same templates (tools/make_chat_fixtures.py).
// DSTORCH_CHAT_CASES names another folder of such files, e.g. of real models' templates.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "support/paths.h"
#include "text/chat/message_json.h"
#include "text/jinja/template.h"

namespace dstorch::text::jinja {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

fs::path fixtures() {
  const char* other = std::getenv("DSTORCH_CHAT_CASES");
  return other != nullptr ? fs::path(other) : test::source_dir() / "tests/text/data/chat";
}

OrderedJson read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return parse_ordered_json(std::string(std::istreambuf_iterator<char>(file), {}), path.string());
}

// The moment that the fixtures were made at, wherever this runs.
RenderOptions at_the_moment() {
  std::tm local{};
  local.tm_year = 2025 - 1900;
  local.tm_mon = 2;
  local.tm_mday = 9;
  local.tm_hour = 14;
  local.tm_min = 5;
  local.tm_sec = 7;
  local.tm_isdst = -1;
  RenderOptions options;
  options.now = std::chrono::system_clock::from_time_t(std::mktime(&local)) + std::chrono::microseconds(123456);
  return options;
}

const std::string kRefused = "(refused)";

std::string render(const std::string& source, const OrderedJson& variables) {
  try {
    return Template(source, "template").render(variables, at_the_moment()).text;
  } catch (const LMError&) {
    return kRefused;
  }
}

// A fixture's text, or null where it is refused.
std::string expected(const OrderedJson& text) { return text.is_null() ? kRefused : text.get<std::string>(); }

std::string error_of(const std::string& source, const OrderedJson& variables = OrderedJson::object(),
                     const RenderOptions& options = {}) {
  try {
    const std::string text = Template(source, "the template").render(variables, options).text;
    return "rendered: " + text.substr(0, 200);
  } catch (const LMError& e) {
    return std::string(to_string(e.kind())) + ": " + e.what();
  }
}

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(fixtures())) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".cases.json")) {
      out.push_back(name.substr(0, name.size() - std::string_view(".cases.json").size()));
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

class Templates : public testing::TestWithParam<std::string> {};

TEST_P(Templates, RenderAsTransformersDoes) {
  const OrderedJson conversations = read(fixtures() / "conversations.json");
  const OrderedJson cases = read(fixtures() / (GetParam() + ".cases.json"));
  ASSERT_EQ(cases["texts"].size(), conversations.size());
  const auto source = cases["template"].get<std::string>();
  for (std::size_t i = 0; i < conversations.size(); ++i) {
    ASSERT_EQ(render(source, conversations[i]), expected(cases["texts"][i]))
        << "conversation " << i << ": " << conversations[i].dump();
  }
}

INSTANTIATE_TEST_SUITE_P(Chat, Templates, testing::ValuesIn(names()), [](const auto& tested) {
  std::string name = tested.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

TEST(Jinja, SnippetsRenderAsJinja2DoesOrAreRefused) {
  const OrderedJson file = read(test::source_dir() / "tests/text/data/chat/snippets.json");
  ASSERT_GT(file["snippets"].size(), 400U);
  for (const OrderedJson& snippet : file["snippets"]) {
    EXPECT_EQ(render(snippet[0].get<std::string>(), file["variables"]), expected(snippet[1])) << snippet[0].dump();
  }
}

TEST(Jinja, ErrorsNameTheTemplateAndTheLine) {
  EXPECT_EQ(error_of("a\n{% if x %}\n{{ y.z }}{% endif %}", {{"x", 1}}),
            "invalid_argument: the template, line 3: 'y' is undefined: the template needs what was not given");
  EXPECT_EQ(error_of("\n\n{{ raise_exception('no ' ~ 1) }}"),
            "invalid_argument: the template, line 3: the template refuses this conversation: no 1");
  EXPECT_EQ(error_of("{{ 1 }}\n{% if %}"), "format: the template, line 2: expected an expression, got '%}'");
  EXPECT_EQ(error_of("{% for x in y %}\n{{ x }"), "format: the template, line 2: unexpected '}'");
  EXPECT_EQ(error_of("\n{% for x in [1] %}"), "format: the template, line 2: 'for' from line 2 has no 'endfor'");
  EXPECT_EQ(error_of("{{ x|length }}", {{"x", 3}}), "invalid_argument: the template, line 1: 'int' has no length");
  EXPECT_EQ(error_of("{{ x.y.z }}", {{"x", OrderedJson::object()}}),
            "invalid_argument: the template, line 1: 'dict object' has no attribute 'y'");
  EXPECT_EQ(error_of("{% set x = {} %}{% set x.y = 1 %}"),
            "invalid_argument: the template, line 1: 'x.y' cannot be set: 'x' is no namespace");
}

TEST(Jinja, WholeNumbersHave64Bits) {
  const OrderedJson most = {{"x", INT64_MAX}};
  EXPECT_EQ(Template("{{ x }} {{ -x - 1 }}", "t").render(most).text, "9223372036854775807 -9223372036854775808");
  for (const char* source : {"{{ x + 1 }}", "{{ x * 2 }}", "{{ -x - 2 }}", "{{ 3 ** 64 }}", "{{ (-x - 1) // -1 }}",
                             "{{ -(-x - 1) }}", "{{ x|sum if no else [x, 1]|sum }}"}) {
    EXPECT_THAT(error_of(source, most), HasSubstr("must fit 64 bits")) << source;
  }
}

TEST(Jinja, WhatDoesNotEndIsStopped) {
  for (
      const char* source : {
          "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
          "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
          "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
          "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
          "{{ 'a' * 9999999999 }}",
          "{{ [1] * 9223372036854775807 }}",
          "{% for i in range(99999) %}{{ 'abcdefghijklmnopqrstuvwxyz' * 99999 }}{% endfor %}",
          "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
          "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x|tojson "
          "}}",
          "{% set ns = namespace(x=()) %}{% for i in range(9999) %}{% set ns.x = (ns.x,) %}{% endfor %}{{ {ns.x: 1} }}",
          "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}",
          "{% set ns = namespace() %}{% set ns.me = [ns] %}{{ ns.me }}",
          "{% set ns = namespace(x=[], y=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% set ns.y = [ns.y] %}"
          "{% endfor %}{{ ns.x == ns.y }}",
          "{{ 'x'|center(99999999999) }}",
          "{{ 'a'|indent(99999999999) }}",
          "{{ '%99999999999d' % 1 }}",
          "{{ '{:>99999999999}'.format(1) }}",
          "{{ 'a'.ljust(99999999999) }}",
          "{{ 'a'.zfill(99999999999) }}",
          "{{ '\\t'.expandtabs(99999999999) }}",
          "{{ [1]|batch(99999999999, 0)|list }}",
          "{{ [1]|slice(99999999999)|list }}",
          "{{ ('a' * 9999999).replace('a', 'b' * 99999) }}",
          "{{ ('b' * 99999).join(['a'] * 99999) }}",
          "{{ (['a'] * 99999)|join('b' * 99999) }}",
          "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
      }) {
    EXPECT_THAT(error_of(source), testing::StartsWith("format: ")) << source;
  }
}

TEST(Jinja, LimitsAreTheCallers) {
  const std::string source = "{% for i in range(100) %}{{ i }},{% endfor %}";
  RenderOptions options;
  EXPECT_THAT(error_of(source, {}, options), HasSubstr("rendered: 0,1,"));
  options.limits.steps = 100;
  EXPECT_THAT(error_of(source, {}, options),
              HasSubstr("format: the template, line 1: the template takes too many steps"));
  options = {};
  options.limits.text = 289;  // of 290
  EXPECT_THAT(error_of(source, {}, options),
              HasSubstr("format: the template, line 1: the template makes too much text"));
  options.limits.text = 290;
  EXPECT_THAT(error_of(source, {}, options), HasSubstr("rendered: "));
  options = {};
  options.limits.depth = 3;
  EXPECT_THAT(error_of("{{ [[[[1]]]] }}", {}, options), HasSubstr("nests too deep"));
}

TEST(Jinja, WhatIsWrittenTooDeepIsRefused) {
  const auto repeat = [](std::string_view text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) {
      all += text;
    }
    return all;
  };
  EXPECT_THAT(error_of("{{ " + repeat("(", 9999) + "1" + repeat(")", 9999) + " }}"), HasSubstr("format: "));
  EXPECT_THAT(error_of("{{ " + repeat("[", 9999) + repeat("]", 9999) + " }}"), HasSubstr("format: "));
  EXPECT_THAT(error_of("{{ " + repeat("not ", 9999) + "1 }}"), HasSubstr("format: "));
  EXPECT_THAT(error_of("{{ " + repeat("-", 9999) + "1 }}"), HasSubstr("format: "));
  EXPECT_THAT(error_of("{{ 1" + repeat(" + 1", 9999) + " }}"), HasSubstr("format: "));
  EXPECT_THAT(error_of("{{ x" + repeat(".x", 9999) + " }}"), HasSubstr("format: "));
  EXPECT_THAT(error_of("{{ x" + repeat("|e", 9999) + " }}"), HasSubstr("format: "));
  EXPECT_THAT(error_of("{{ 1" + repeat(" if 1 else 1", 9999) + " }}"), HasSubstr("format: "));
  EXPECT_THAT(error_of(repeat("{% if 1 %}", 9999) + repeat("{% endif %}", 9999)), HasSubstr("format: "));
  EXPECT_EQ(error_of("{{ 1" + repeat(" ~ 1", 999) + " }}"), "rendered: " + std::string(200, '1'));
  EXPECT_EQ(error_of("{% if 0 %}" + repeat("{% elif 0 %}", 999) + "{% else %}x{% endif %}"), "rendered: x");
}

TEST(Jinja, WhatIsNotSupportedSaysSo) {
  EXPECT_THAT(error_of("{{ 'a b'|wordwrap(1) }}"), HasSubstr("unsupported: the template, line 1"));
  EXPECT_THAT(error_of("{% autoescape true %}{% endautoescape %}"), HasSubstr("unsupported: "));
}

TEST(Jinja, GenerationSaysWhatTheAssistantWrote) {
  const auto rendering =
      Template("a{% for x in [1, 2] %}{% generation %}<{{ x }}>{% endgeneration %}-{% endfor %}", "t").render({});
  ASSERT_EQ(rendering.text, "a<1>-<2>-");
  const std::vector<std::pair<std::size_t, std::size_t>> expected = {{1, 4}, {5, 8}};
  EXPECT_EQ(rendering.generated, expected);
}

TEST(Jinja, TextThatIsNoUtf8IsRepaired) {
  EXPECT_EQ(Template("a\xFF{{ x }}", "t").render({{"x", "b\xC3"}}).text, "a\uFFFDb\uFFFD");
}

TEST(Jinja, ThreadsShareATemplate) {
  const Template shared("{% for m in messages %}{{ m.a|upper }}{{ loop.index }}{% endfor %}{{ 'é'|length }}", "t");
  std::vector<std::thread> threads;
  std::vector<std::string> texts(4);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 100; ++round) {
        texts[i] = shared.render({{"messages", {{{"a", std::to_string(i) + "x"}}}}}).text;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(texts[i], std::to_string(i) + "X11");
  }
}

}  // namespace
}  // namespace dstorch::text::jinja

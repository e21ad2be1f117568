// `dstorch template`: the rendering and nothing else, from tokenizer files alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cli/command.h"

namespace dstorch::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class TemplateCommand : public testing::Test {
 protected:
  TemplateCommand() : directory_(fs::temp_directory_path() / ("dstorch_template_" + std::to_string(getpid()))) {
    fs::create_directories(directory_);
    write(
        "tokenizer_config.json",
        R"({"bos_token": "<s>", "chat_template": "{{ bos_token }}{% for m in messages %}[{{ m.role }}: {{ m.content }}]{% else %}{% endfor %}{{ tools|length if tools else 'none' }}{% if add_generation_prompt %}>{% endif %}{% if x is defined %}{{ x }}{% endif %}{% if messages[0].role == 'tool' %}{{ raise_exception('a tool cannot begin') }}{% endif %}\n\n\n"})");
    write("messages.json", R"([{"role": "user", "content": "Grüße\n"}])");
    write("tools.json", R"([{"name": "f"}])");
  }
  ~TemplateCommand() override { fs::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) const { std::ofstream(directory_ / name) << text; }
  [[nodiscard]] std::string at(const std::string& name) const { return (directory_ / name).string(); }
  [[nodiscard]] ProcessResult render(std::vector<std::string> more = {},
                                     const std::string& messages = "messages.json") const {
    std::vector<std::string> words = {"template", "-m", directory_.string(), "--messages", at(messages)};
    words.insert(words.end(), more.begin(), more.end());
    return dstorch(words);
  }

  fs::path directory_;
};

TEST_F(TemplateCommand, PrintsTheRenderingAlone) {
  EXPECT_EQ(render().out, "<s>[user: Grüße\n]none>\n");
  EXPECT_EQ(render().exit_code, 0);
  EXPECT_EQ(render().err, "");
  EXPECT_EQ(render({"--no-generation-prompt"}).out, "<s>[user: Grüße\n]none\n");
  EXPECT_EQ(render({"--tools", at("tools.json"), "--variables", R"({"x": [1]})"}).out, "<s>[user: Grüße\n]1>[1]\n");
}

TEST_F(TemplateCommand, TheModelMayBeOneOfItsFiles) {
  const auto by_file = [&](const std::string& file) {
    return dstorch({"template", "-m", file, "--messages", at("messages.json")});
  };
  EXPECT_EQ(by_file(at("messages.json")).out, render().out);
  const auto nowhere = by_file(at("nowhere"));
  EXPECT_EQ(nowhere.exit_code, 1);
  EXPECT_EQ(nowhere.err, "error: there is no " + at("nowhere") + "\n");
}

TEST_F(TemplateCommand, ARefusalSaysWhyAndExitsWithOne) {
  write("refused.json", R"([{"role": "tool", "content": "x"}])");
  const auto refused = render({}, "refused.json");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(refused.out, "");
  EXPECT_THAT(refused.err,
              HasSubstr("error: message 0: chat template, line 1: the template refuses this conversation: a tool "
                        "cannot begin"));
  const auto missing = render({}, "nowhere.json");
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, HasSubstr("nowhere.json"));
  write("bad.json", R"([{"content": "x"}])");
  EXPECT_THAT(render({}, "bad.json").err, HasSubstr("message 0 must be an object with a \"role\""));
  EXPECT_THAT(render({"--tools", at("messages.json")}).err, HasSubstr("tool 0 must be"));
  write("no_schema.json", R"([{"name": "f", "parameters": {"properties": {"x": {"type": "strng"}}}}])");
  const auto no_schema = render({"--tools", at("no_schema.json")});
  EXPECT_EQ(no_schema.exit_code, 1);
  EXPECT_EQ(no_schema.out, "");
  EXPECT_THAT(no_schema.err, HasSubstr("error: tool 0 \"f\": parameters.properties.x: \"type\" must be string"));
  fs::remove(at("tokenizer_config.json"));
  EXPECT_THAT(render().err, HasSubstr("has no chat template"));
  EXPECT_EQ(dstorch({"template", "-m", directory_.string()}).exit_code, 2);
}

}  // namespace
}  // namespace dstorch::test

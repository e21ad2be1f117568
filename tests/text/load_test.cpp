// Files around a tokenizer: which one is taken, and errors that say what is wrong.
#include <gtest/gtest.h>

#include <fstream>

#include "core/json.h"
#include "dstorch/error.h"
#include "dstorch/tokenizer.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;

class TokenizerFiles : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::path(testing::TempDir()) /
                 (std::string("dstorch_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) const { std::ofstream(directory_ / name) << text; }

  fs::path directory_;
};

constexpr const char* kVocab =
    R"({"h":0,"e":1,"l":2,"o":3,"he":4,"ll":5,"hell":6,"hello":7,"\u0120":8,"\u0120hello":9,"<|endoftext|>":10})";
constexpr const char* kMerges = "#version: 0.2\nh e\nl l\nhe ll\nhell o\n\xC4\xA0 hello\n";

TEST_F(TokenizerFiles, ReadsVocabAndMerges) {
  write("vocab.json", kVocab);
  write("merges.txt", kMerges);
  const auto tokenizer = Tokenizer::load(directory_);
  EXPECT_EQ(tokenizer->encode("hello hello<|endoftext|>"), (std::vector<int64_t>{7, 9, 10}));
  EXPECT_TRUE(tokenizer->is_special(10));
  EXPECT_EQ(tokenizer->decode(std::vector<int64_t>{7, 9, 10}), "hello hello");
  EXPECT_EQ(Tokenizer::load(directory_ / "vocab.json")->encode("hell"), (std::vector<int64_t>{6}));
}

TEST_F(TokenizerFiles, ReadsTheConfigBesideVocabAndMerges) {
  write("vocab.json", kVocab);
  write("merges.txt", kMerges);
  write("tokenizer_config.json",
        R"({"bos_token":"<s>","eos_token":{"content":"<|endoftext|>"},"add_bos_token":true,"add_prefix_space":true,
            "added_tokens_decoder":{"20":{"content":"<s>","special":true}}})");
  const auto tokenizer = Tokenizer::load(directory_);
  EXPECT_EQ(tokenizer->encode("hello"), (std::vector<int64_t>{11, 9}))
      << "the next free id, as transformers numbers it";
  EXPECT_EQ(tokenizer->encode("hello", {.add_special_tokens = false}), (std::vector<int64_t>{9}));
  EXPECT_EQ(tokenizer->vocab_size(), 12);
  EXPECT_EQ(tokenizer->id_to_token(12), "");
}

/// What transformers 5.18 makes of the same files.
TEST_F(TokenizerFiles, TheFilesBesideATokenizerJsonAddTokensToIt) {
  const auto token = [](const char* content, bool special) {
    return Json{{"content", content}, {"special", special}, {"normalized", false},
                {"lstrip", false},    {"rstrip", false},    {"single_word", false}};
  };
  Json added = Json::array({token("<|a|>", true), token("<|b|>", false)});
  added[0]["id"] = 77;  // nobody keeps these
  added[1]["id"] = 5;
  Json vocab = Json::parse(kVocab);
  vocab.erase("<|endoftext|>");
  vocab["<|v|>"] = 10;
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  const Json merges = {"h e", "l l", "he ll", "hell o", "\xC4\xA0 hello"};
  write("tokenizer.json", Json{{"added_tokens", added},
                               {"pre_tokenizer", byte_level},
                               {"decoder", {{"type", "ByteLevel"}}},
                               {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}}}
                              .dump());
  struct Case {
    Json config, map, added;
    std::vector<int64_t> ids;
    const char* visible;
  };
  const Json none;
  const Json n = token("<|n|>", true), m = token("<|m|>", false), special_m = token("<|m|>", true);
  const Case cases[] = {
      {none, none, none, {7, 11, 12, 7}, "hello<|b|>hello"},
      {{{"added_tokens_decoder", {{"100", n}, {"9", m}}}}, none, none, {7, 11, 12, 14, 13, 7}, "hello<|b|><|m|>hello"},
      {{{"added_tokens_decoder", {{"12", token("<|b|>", true)}, {"10", token("<|v|>", true)}}}},
       none,
       none,
       {7, 11, 12, 10, 7},
       "hellohello"},
      {{{"eos_token", "<|m|>"}, {"additional_special_tokens", {"<|n|>", "<|v|>"}}},
       none,
       none,
       {7, 11, 12, 10, 14, 13, 7},
       "hello<|b|>hello"},
      {{{"extra_special_tokens", {{"image_token", "<|n|>"}}}}, none, none, {7, 11, 12, 13, 7}, "hello<|b|>hello"},
      {none, {{"eos_token", "<|n|>"}}, {{"<|n|>", 30}, {"<|m|>", 20}}, {7, 11, 12, 14, 13, 7}, "hello<|b|><|m|>hello"},
      {{{"added_tokens_decoder", {{"20", special_m}}}},
       {{"eos_token", "<|n|>"}},
       {{"<|n|>", 30}},
       {7, 11, 12, 13, 7},
       "hello<|b|>hello"},
      {{{"added_tokens_decoder", {{"13", m}}}, {"eos_token", "<|m|>"}},
       none,
       none,
       {7, 11, 12, 13, 7},
       "hello<|b|>hello"},
      {{{"eos_token", "<|m|>"}}, {{"eos_token", "<|n|>"}}, none, {7, 11, 12, 13, 7}, "hello<|b|>hello"},
      {{{"eos_token", "<|m|>"}}, {{"pad_token", "<|n|>"}}, none, {7, 11, 12, 14, 13, 7}, "hello<|b|>hello"},
      {{{"bos_token", "<|n|>"}}, none, none, {7, 11, 12, 13, 7}, "hello<|b|>hello"},
      {{{"unk_token", "<|n|>"}}, none, none, {7, 11, 12, 13, 7}, "hello<|b|>hello"},
      {{{"sep_token", "<|n|>"}}, none, none, {7, 11, 12, 13, 7}, "hello<|b|>hello"},
      {{{"pad_token", "<|n|>"}}, none, none, {7, 11, 12, 13, 7}, "hello<|b|>hello"},
      {{{"cls_token", "<|n|>"}}, none, none, {7, 11, 12, 13, 7}, "hello<|b|>hello"},
      {{{"mask_token", "<|n|>"}}, none, none, {7, 11, 12, 13, 7}, "hello<|b|>hello"},
  };
  for (const auto& [config, map, more, ids, visible] : cases) {
    SCOPED_TRACE(config.dump() + map.dump() + more.dump());
    const auto put = [&](const char* name, const Json& json) {
      fs::remove(directory_ / name);
      if (!json.is_null()) {
        write(name, json.dump());
      }
    };
    put("tokenizer_config.json", config);
    put("special_tokens_map.json", map);
    put("added_tokens.json", more);
    const auto tokenizer = Tokenizer::load(directory_);
    EXPECT_EQ(tokenizer->encode("hello<|a|><|b|><|v|><|n|><|m|>hello"), ids);
    EXPECT_EQ(tokenizer->decode(ids), visible);
  }
  write("tokenizer_config.json", Json{{"added_tokens_decoder", {{"20", special_m}}}}.dump());
  EXPECT_EQ(Tokenizer::load(directory_ / "tokenizer.json")->token_to_id("<|m|>"), 13);
  fs::rename(directory_ / "tokenizer.json", directory_ / "other.json");
  EXPECT_EQ(Tokenizer::load(directory_ / "other.json")->token_to_id("<|m|>"), std::nullopt) << "not its files";
}

/// What transformers 5.18 makes of the same files: added_tokens.json has tokens of the normalized text, but for those
/// that special_tokens_map.json names.
TEST_F(TokenizerFiles, OlderFilesSayWhichTokensAreNormalized) {
  write("tokenizer.json", Json{{"normalizer", {{"type", "Lowercase"}}},
                               {"decoder", {{"type", "ByteLevel"}}},
                               {"model", {{"type", "BPE"}, {"vocab", Json::parse(kVocab)}, {"merges", Json::array()}}}}
                              .dump());
  write("added_tokens.json", R"({"<|M|>": 20})");
  EXPECT_EQ(Tokenizer::load(directory_)->encode("h<|m|>h<|M|>"), (std::vector<int64_t>{0, 11, 0, 11}));
  write("special_tokens_map.json", R"({"eos_token": "<|M|>"})");
  EXPECT_EQ(Tokenizer::load(directory_)->encode("h<|m|>h<|M|>"), (std::vector<int64_t>{0, 0, 11}));
  EXPECT_EQ(Tokenizer::load(directory_)->decode(std::vector<int64_t>{0, 11}), "h");
  write("tokenizer_config.json", R"({"added_tokens_decoder": {"20": {"content": "<|M|>", "normalized": true}}})");
  EXPECT_EQ(Tokenizer::load(directory_)->encode("h<|m|>h"), (std::vector<int64_t>{0, 11, 0}));
}

/// The flags of an entry of "added_tokens_decoder", as transformers 5.18 follows them.
TEST_F(TokenizerFiles, AddedTokensTakeWhiteSpaceAsTheyAreToldTo) {
  write("tokenizer.json",
        Json{{"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}},
             {"decoder", {{"type", "ByteLevel"}}},
             {"model",
              {{"type", "BPE"},
               {"vocab", Json::parse(kVocab)},
               {"merges", {"h e", "l l", "he ll", "hell o", "\xC4\xA0 hello"}}}}}
            .dump());
  const auto ids_of = [&](const Json& token, const char* text) {
    write("tokenizer_config.json", Json{{"added_tokens_decoder", {{"13", token}}}}.dump());
    return Tokenizer::load(directory_)->encode(text);
  };
  EXPECT_EQ(ids_of({{"content", "<|n|>"}, {"lstrip", true}}, "hello  <|n|>  hello"),
            (std::vector<int64_t>{7, 11, 8, 9}));
  EXPECT_EQ(ids_of({{"content", "<|n|>"}, {"rstrip", true}}, "hello  <|n|>  hello"),
            (std::vector<int64_t>{7, 8, 8, 11, 7}));
  EXPECT_EQ(ids_of({{"content", "<|n|>"}}, "hello<|n|>hello"), (std::vector<int64_t>{7, 11, 7}));
  EXPECT_EQ(ids_of({{"content", "hell"}, {"single_word", true}}, "hello hell"), (std::vector<int64_t>{7, 8, 6}));
}

TEST_F(TokenizerFiles, SaysWhatIsMissing) {
  try {
    (void)Tokenizer::load(directory_);
    FAIL();
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), ErrorKind::not_found);
    EXPECT_NE(std::string(e.what()).find("tokenizer.model"), std::string::npos);
  }
  try {
    (void)Tokenizer::load(directory_ / "absent.json");
    FAIL();
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), ErrorKind::not_found);
  }
}

struct Broken {
  const char* json;
  ErrorKind kind;
  const char* says;
};

class BrokenTokenizerJson : public testing::TestWithParam<Broken> {};

TEST_P(BrokenTokenizerJson, IsRefusedWithAReason) {
  try {
    (void)Tokenizer::from_json(GetParam().json);
    FAIL() << GetParam().json;
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), GetParam().kind) << e.what();
    EXPECT_NE(std::string(e.what()).find(GetParam().says), std::string::npos) << e.what();
  }
}

constexpr auto kFormat = ErrorKind::format;
constexpr auto kUnsupported = ErrorKind::unsupported;

INSTANTIATE_TEST_SUITE_P(
    All, BrokenTokenizerJson,
    testing::Values(
        Broken{"", kFormat, "valid JSON"}, Broken{"[]", kFormat, "object"}, Broken{"{}", kFormat, "model"},
        Broken{R"({"model":{"type":"BPE")", kFormat, "valid JSON"}, Broken{R"({"model":3})", kFormat, "model"},
        Broken{R"({"model":{"type":"WordPiece","vocab":{"a":0}}})", kUnsupported, "known are: BPE"},
        Broken{R"({"model":{"type":"Unigram","vocab":[["a",0.5]]}})", kUnsupported, "Unigram"},
        Broken{R"({"model":{"type":"BPE","merges":[]}})", kFormat, "vocab"},
        Broken{R"({"model":{"type":"BPE","vocab":{"a":0}}})", kFormat, "merges"},
        Broken{R"({"model":{"type":"BPE","vocab":{"a":"0"},"merges":[]}})", kFormat, "integer"},
        Broken{R"({"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}})", kFormat, "ids must be"},
        Broken{R"({"model":{"type":"BPE","vocab":{"a":99999999999999999999},"merges":[]}})", kFormat, "integer"},
        Broken{R"({"model":{"type":"BPE","vocab":{"a":18446744073709551615},"merges":[]}})", kFormat, "ids must be"},
        Broken{R"({"model":{"type":"BPE","vocab":{"a":4000000000},"merges":[]}})", kFormat, "ids must be"},
        Broken{R"({"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}})", kFormat, "\"b\""},
        Broken{R"({"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]}})", kFormat, "\"ab\""},
        Broken{R"({"model":{"type":"BPE","vocab":{"a":0},"merges":["a"]}})", kFormat, "space between"},
        Broken{R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}})", kFormat, "two tokens"},
        Broken{R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[["a","b","c"]]}})", kFormat, "two tokens"},
        Broken{R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[3]}})", kFormat, "two tokens"},
        Broken{R"({"model":{"vocab":{"a":0},"merges":[]},"normalizer":{"type":"Precompiled"}})", kUnsupported, "NFKC"},
        Broken{R"({"model":{"vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"Other"}})", kUnsupported,
               "Metaspace"},
        Broken{R"({"model":{"vocab":{"a":0},"merges":[]},"decoder":{"type":"CTC"}})", kUnsupported, "ByteFallback"},
        Broken{R"({"model":{"vocab":{"a":0},"merges":[]},"post_processor":{"type":"New"}})", kUnsupported, "Template"},
        Broken{R"({"model":{"vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"("},
               "behavior":"Isolated"}})",
               kFormat, "regular expression"},
        Broken{R"({"model":{"vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"a"},
               "behavior":"Sideways"}})",
               kFormat, "MergedWithNext"},
        Broken{R"({"model":{"vocab":{"a":0},"merges":[]},"added_tokens":[{"content":"x"}]})", kFormat, "id"},
        Broken{R"({"model":{"vocab":{"a":0},"merges":[]},"post_processor":{"type":"TemplateProcessing",
               "single":[{"SpecialToken":{"id":"<s>"}}],"special_tokens":{}}})",
               kFormat, "<s>"},
        Broken{R"({"model":{"vocab":{"a":0},"merges":[]},"post_processor":{"type":"TemplateProcessing",
               "single":[{"SpecialToken":{"id":"s"}}],"special_tokens":{"s":{"ids":[-1]}}}})",
               kFormat, "must be in [0, 1), got -1"},
        Broken{R"({"model":{"vocab":{"a":0},"merges":[]},"post_processor":{"type":"TemplateProcessing",
               "single":[{"SpecialToken":{"id":"s"}}],"special_tokens":{"s":{"ids":[0, 1000000000000]}}}})",
               kFormat, "must be in [0, 1), got 1000000000000"},
        Broken{R"({"model":{"vocab":{"a":0},"merges":[]},"post_processor":{"type":"TemplateProcessing",
               "single":[{"SpecialToken":{"id":"s"}}],"special_tokens":{"s":{"ids":[1]}}}})",
               kFormat, "must be in [0, 1), got 1"},
        Broken{R"({"model":{"vocab":{"a":0},"merges":[]},"post_processor":{"type":"TemplateProcessing",
               "single":[{"SpecialToken":{"id":"s"}}],"special_tokens":{"s":{"ids":[1e300]}}}})",
               kFormat, "whole number"},
        Broken{R"({"model":{"vocab":{"a":0},"merges":[]},"post_processor":{"type":"BertProcessing",
               "cls":["a",0],"sep":["b",1000000000000]}})",
               kFormat, "must be in [0, 1), got 1000000000000"},
        Broken{R"({"model":{"vocab":{"a":0},"merges":[]},"post_processor":{"type":"BertProcessing",
               "cls":["a",0],"sep":["b",0.5]}})",
               kFormat, "whole number"},
        Broken{R"({"model":{"vocab":{"a":0},"merges":[]},"post_processor":{"type":"RobertaProcessing",
               "cls":["a"],"sep":["b",0]}})",
               kFormat, "a token and its id"},
        Broken{R"({"model":{"vocab":{"a":0},"merges":[]},"decoder":{"type":"Strip","content":"ab"}})", kFormat,
               "one character"}));

TEST(TokenizerJson, DeepNestingIsAnError) {
  EXPECT_THROW((void)Tokenizer::from_json(std::string(100000, '[')), LMError);
  std::string nested = R"({"model":{"vocab":{"a":0},"merges":[]},"normalizer":)";
  for (int i = 0; i < 1000; ++i) {
    nested += R"({"type":"Sequence","normalizers":[)";
  }
  EXPECT_THROW((void)Tokenizer::from_json(nested), LMError);
}

TEST(TokenizerJson, ATemplateMayNotMultiplyTheTextAtWill) {
  std::string processors;
  for (int i = 0; i < 60; ++i) {
    processors += R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}},{"Sequence":{"id":"A"}}]},)";
  }
  processors.pop_back();
  EXPECT_THROW((void)Tokenizer::from_json(R"({"model":{"vocab":{"a":0},"merges":[]},"post_processor":{"type":"Sequence",
               "processors":[)" + processors +
                                          "]}}"),
               LMError);
}

// Each step goes through the whole text: their number is the work.
TEST(TokenizerJson, HasFewSteps) {
  const auto load = [](const std::string& part, const std::string& list, const std::string& step, int count,
                       const std::string& more = "") {
    std::string steps;
    for (int i = 0; i < count; ++i) {
      // Within each other as well as beside each other.
      steps += (i > 0 ? "," : "") + (i % 2 == 0 ? step : R"({"type":"Sequence",")" + list + "\":[" + step + "]}");
    }
    return Tokenizer::from_json(R"({"model":{"vocab":{"a":0},"merges":[]},")" + part + R"(":{"type":"Sequence",")" +
                                list + "\":[" + steps + "]}" + more + "}");
  };
  EXPECT_NE(load("normalizer", "normalizers", R"({"type":"NFC"})", 64), nullptr);
  EXPECT_THROW(load("normalizer", "normalizers", R"({"type":"NFC"})", 65), LMError);
  EXPECT_NE(load("pre_tokenizer", "pretokenizers", R"({"type":"Whitespace"})", 64), nullptr);
  EXPECT_THROW(load("pre_tokenizer", "pretokenizers", R"({"type":"Whitespace"})", 65), LMError);
  EXPECT_NE(load("decoder", "decoders", R"({"type":"Fuse"})", 64), nullptr);
  EXPECT_THROW(load("decoder", "decoders", R"({"type":"Fuse"})", 65), LMError);
  // Those that make the text longer are fewer: each doubles what the last one made.
  for (const char* step : {R"({"type":"ByteLevel"})", R"({"type":"Metaspace"})"}) {
    EXPECT_NE(load("pre_tokenizer", "pretokenizers", step, 4), nullptr);
    try {
      load("pre_tokenizer", "pretokenizers", step, 5);
      FAIL() << step;
    } catch (const LMError& e) {
      EXPECT_EQ(e.kind(), ErrorKind::unsupported);
      EXPECT_NE(std::string(e.what()).find("at most 4 among the pretokenizers, got 5"), std::string::npos) << e.what();
    }
  }
}

// Each of the parts between added tokens would be matched in time.
TEST(TokenizerJson, ThePartsOfATextShareTheTimeForMatching) {
  const auto tokenizer = Tokenizer::from_json(R"({"model":{"vocab":{"a":0},"merges":[]},
      "added_tokens":[{"id":1,"content":"|"}],
      "pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?=[^\\n]*z)a|a"},"behavior":"Isolated","invert":false}})");
  std::string text;
  for (int part = 0; part < 10; ++part) {
    text += std::string(50'000, 'a') + '|';
  }
  try {
    tokenizer->encode(text);
    FAIL() << "all of it was matched";
  } catch (const LMError& e) {
    EXPECT_EQ(e.kind(), ErrorKind::unsupported) << e.what();
  }
  EXPECT_EQ(tokenizer->encode("aa|a"), (std::vector<int64_t>{0, 0, 1, 0}));
}

TEST(TokenizerJson, AddedTokensAreShort) {
  const auto load = [](std::size_t length) {
    return Tokenizer::from_json(R"({"model":{"vocab":{"a":0},"merges":[]},"added_tokens":[{"id":1,"content":")" +
                                std::string(length, 'a') + "\"}]}");
  };
  EXPECT_EQ(load(1024)->encode(std::string(1024, 'a')), (std::vector<int64_t>{1}));
  EXPECT_THROW(load(1025), LMError);
}

TEST_F(TokenizerFiles, ConfigsOfTheWrongKindAreErrors) {
  write("vocab.json", kVocab);
  write("merges.txt", kMerges);
  for (const char* config :
       {R"({"bos_token": 5})", R"({"eos_token": ["</s>"]})", R"({"additional_special_tokens": "x"})",
        R"({"add_bos_token": "yes"})", R"({"added_tokens_decoder": {"-1": "x"}})",
        R"({"added_tokens_decoder": {"9223372036854775807": "x"}})"}) {
    write("tokenizer_config.json", config);
    try {
      (void)Tokenizer::load(directory_);
      ADD_FAILURE() << config;
    } catch (const LMError& e) {
      EXPECT_EQ(e.kind(), ErrorKind::format) << e.what();
    }
  }
  write("tokenizer_config.json", R"({"bos_token": null, "additional_special_tokens": null, "add_bos_token": null})");
  EXPECT_NE(Tokenizer::load(directory_), nullptr);
  for (const char* added : {R"({"x": -1})", R"({"x": 1000000000000})", R"({"x": 0.5})", R"({"x": "1"})"}) {
    write("added_tokens.json", added);
    EXPECT_THROW((void)Tokenizer::load(directory_), LMError) << added;
  }
}

}  // namespace
}  // namespace dstorch

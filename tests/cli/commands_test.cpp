// The command as a person or a script meets it: help, exit codes, and what --json prints.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "cli/command.h"
#include "dstorch/checkpoint.h"

namespace dstorch::test {
namespace {

using nlohmann::json;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

const char* const kPrompt = "python3-yaml\t";

std::string model() { return (source_dir() / "models/default").string(); }

/// One JSON object and nothing else.
json json_of(const ProcessResult& result) {
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1) << result.out;
  return json::parse(result.out);
}

/// The commands `dstorch --help` lists.
std::vector<std::string> commands() {
  std::istringstream help(dstorch({"--help"}).out);
  std::vector<std::string> names;
  bool listing = false;
  for (std::string line; std::getline(help, line);) {
    if (listing && line.starts_with("  ") && line.size() > 2 && line[2] != ' ') {
      names.push_back(line.substr(2, line.find(' ', 2) - 2));
    }
    listing = listing || line.starts_with("Subcommands:");
  }
  return names;
}

TEST(Command, EveryHelpShowsAnExample) {
  const auto names = commands();
  EXPECT_THAT(names, testing::UnorderedElementsAre("generate", "chat", "classify", "embed", "logits", "tokenize",
                                                   "template", "inspect", "plan", "perplexity", "bench", "devices",
                                                   "finetune", "merge", "train", "train-tokenizer"));
  for (const auto& name : names) {
    const auto help = dstorch({name, "--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.out, HasSubstr(fmt::format("dstorch {} ", name))) << "no example";
  }
}

// From the root of the sources, with a text beside: all but `train`, which takes too long, and those that need a model
// that converses, examples or an adapter.
TEST(Command, TheExamplesOfTheHelpRun) {
  const std::set<std::string> others{"train", "template", "chat", "finetune", "merge"};
  const auto folder = std::filesystem::path(testing::TempDir()) / fmt::format("dstorch_examples_{}", ::getpid());
  std::filesystem::create_directories(folder);
  std::filesystem::create_symlink(source_dir() / "models", folder / "models");
  for (const char* name : {"README.md", "text.txt"}) {
    std::filesystem::copy_file(source_dir() / "README.md", folder / name);
  }
  std::size_t run = 0;
  for (const auto& name : commands()) {
    std::istringstream help(dstorch({name, "--help"}).out);
    for (std::string line; !others.contains(name) && std::getline(help, line);) {
      if (line.starts_with("  dstorch ") && !line.ends_with(" MODEL")) {  // which the reader fills in
        const auto result = run_process({"/bin/sh", "-c", R"(cd "$1" && PATH="$2:$PATH" && eval "$3")", "sh",
                                         folder.string(), build_dir().string(), line});
        EXPECT_EQ(result.exit_code, 0) << line << '\n' << result.err;
        EXPECT_NE(result.out + result.err, "") << line;
        ++run;
      }
    }
  }
  EXPECT_GE(run, commands().size() - others.size());
  std::filesystem::remove_all(folder);
}

TEST(Command, WrongUsageIsTwo) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{},
                                                                     {"no-such-command"},
                                                                     {"generate"},
                                                                     {"generate", "x", "--no-such-option"},
                                                                     {"generate", "x", "--top-k", "many"}}) {
    const auto result = dstorch(arguments);
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(arguments);
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err, "");
  }
}

TEST(Command, AFailureIsOneAndOneLine) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"generate", "x", "-m", "/no/such/model"},
                                                                     {"generate", "x", "--max-tokens", "100000"},
                                                                     {"generate", "x", "--memory-limit", "1M"},
                                                                     {"inspect", "/no/such/model"},
                                                                     {"plan", "/no/such/model"},
                                                                     {"perplexity", "/no/such/file"}}) {
    const auto result = dstorch(arguments);
    EXPECT_EQ(result.exit_code, 1) << testing::PrintToString(arguments);
    EXPECT_THAT(result.err, StartsWith("error: ")) << testing::PrintToString(arguments);
    const auto phrases = (result.err.find("Failed to initialize Torch model") != std::string::npos) +
                         (result.err.find("Failed to load model from path") != std::string::npos);
    EXPECT_LE(phrases, 1) << "it says it twice: " << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_EQ(result.out, "");
  }
}

TEST(Command, GenerateGoesOnFromAFile) {
  const auto file = (std::filesystem::temp_directory_path() / fmt::format("dstorch_prefix_{}", ::getpid())).string();
  const std::vector<std::string> greedy{"generate", "--temperature", "0", "--max-tokens", "8", "--json"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), greedy.begin(), greedy.end());
    return more;
  };
  const auto longer = std::string(kPrompt) + "libs";
  const auto plain = json_of(dstorch(with({longer})));
  EXPECT_EQ(dstorch(with({kPrompt, "--save-prefix", file})).exit_code, 0);
  const auto loaded = json_of(dstorch(with({longer, "--load-prefix", file})));
  EXPECT_EQ(loaded["tokens"], plain["tokens"]);
  EXPECT_GT(loaded["usage"]["cached_tokens"], 0);
  const auto refused = dstorch(with({longer, "--load-prefix", file, "--kv-dtype", "float32"}));
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, testing::HasSubstr("of another model"));
  EXPECT_EQ(dstorch(with({"--chat", kPrompt, "--save-prefix", file})).exit_code, 2);
  std::filesystem::remove(file);
}

TEST(Command, GenerateAsksADraftModel) {
  const auto answer = [](std::vector<std::string> more) {
    more.insert(more.begin(),
                {"generate", "vim-nox\teditors\tVi", "--max-tokens", "20", "--temperature", "0", "--json"});
    return json_of(dstorch(more));
  };
  const auto plain = answer({"--speculation", "off"});
  const auto guessed = answer({"--draft-model", model(), "--speculation", "draft_model"});
  EXPECT_EQ(guessed["tokens"], plain["tokens"]);
  EXPECT_GT(guessed["timings"]["accepted_tokens"], 0);
  const auto refused = dstorch({"generate", "a", "--speculation", "draft_model"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, testing::HasSubstr("--draft-model"));
}

TEST(Command, GenerateKeepsKeysAndValuesInEightBits) {
  EXPECT_EQ(dstorch({"generate", "vim", "--max-tokens", "3", "--kv-dtype", "q8", "--json"}).exit_code, 0);
  const auto refused = dstorch({"generate", "vim", "--kv-dtype", "q4"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, testing::HasSubstr("float32, bfloat16, float16 or q8"));
  const auto narrow = json_of(dstorch({"plan", "--kv-dtype", "q8", "--json"}));
  const auto wide = json_of(dstorch({"plan", "--json"}));
  EXPECT_LT(narrow["kv_cache"].get<double>(), 0.6 * wide["kv_cache"].get<double>());
}

TEST(Command, GenerateGuessesAheadAndSaysSo) {
  const std::string records = "vim\teditors\tVi IMproved\nvim-gtk3\teditors\tVi IMproved\nvim-nox\teditors\t";
  const auto answer = [&](std::vector<std::string> more) {
    more.insert(more.begin(),
                {"generate", records, "--temperature", "0", "--ignore-eos", "--max-tokens", "60", "--json"});
    return json_of(dstorch(more));
  };
  const auto off = answer({"--speculation", "off"});
  const auto lookup = answer({"--speculation", "lookup"});
  EXPECT_EQ(lookup["text"], off["text"]);
  EXPECT_EQ(lookup["tokens"], off["tokens"]);
  EXPECT_EQ(off["timings"]["drafted_tokens"], 0);
  EXPECT_GT(lookup["timings"]["accepted_tokens"], 0);
  EXPECT_GE(lookup["timings"]["drafted_tokens"], lookup["timings"]["accepted_tokens"]);
  EXPECT_EQ(answer({})["tokens"], off["tokens"]);
  const auto wrong = dstorch({"generate", "x", "--speculation", "lokup"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err,
              testing::HasSubstr("--speculation must be automatic or lookup or draft_model or off, got \"lokup\""));
}

TEST(Command, GenerateMakesSeveralAnswers) {
  const std::vector<std::string> sampled{"generate", kPrompt, "--max-tokens", "12"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), sampled.begin(), sampled.end());
    return more;
  };
  const auto list = json_of(dstorch(with({"--seed", "7", "-n", "3", "--json"})))["answers"];
  ASSERT_EQ(list.size(), 3U);
  std::string texts;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto single = json_of(dstorch(with({"--seed", std::to_string(7 + i), "--json"})));
    EXPECT_EQ(list[i]["tokens"], single["tokens"]);
    EXPECT_EQ(list[i]["seed"], single["seed"]);
    texts += (i > 0 ? "---\n" : "") + single["text"].get<std::string>() + "\n";
  }
  EXPECT_EQ(dstorch(with({"--seed", "7", "-n", "3"})).out, texts);
  EXPECT_EQ(dstorch(with({"-n", "0"})).exit_code, 2);
  const std::string trees = (test::source_dir() / "examples/trees").string();
  const auto chat =
      json_of(dstorch({"generate", "--chat", "What is a pine?", "-m", trees, "-n", "2", "--json"}))["answers"];
  ASSERT_EQ(chat.size(), 2U);
  EXPECT_EQ(chat[1]["content"], "A pine is a conifer with long needles.");
}

TEST(Command, GenerateStreamsTheTextThatJsonHas) {
  const std::vector<std::string> greedy{"generate", kPrompt, "--temperature", "0", "--max-tokens", "12"};
  auto with_json = greedy;
  with_json.emplace_back("--json");
  const auto object = json_of(dstorch(with_json));
  EXPECT_EQ(object["tokens"].size(), object["usage"]["completion_tokens"]);
  EXPECT_GT(object["usage"]["prompt_tokens"], 0);
  EXPECT_EQ(object["usage"]["cached_tokens"], 0);
  EXPECT_THAT((std::vector<std::string>{"stop", "length"}), testing::Contains(object["finish_reason"]));
  const auto text = object["text"].get<std::string>();
  EXPECT_NE(text, "");
  EXPECT_EQ(dstorch(greedy).out, text + "\n");

  auto from_input = greedy;
  from_input[1] = "-";
  EXPECT_EQ(dstorch(from_input, {.input = kPrompt}).out, text + "\n");
  from_input.erase(from_input.begin() + 1);
  EXPECT_EQ(dstorch(from_input, {.input = kPrompt}).out, text + "\n");
}

TEST(Command, GenerateHoldsTheAnswerToWhatIsAsked) {
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("dstorch-typed-{}", getpid());
  std::filesystem::create_directories(folder);
  const auto schema_file = folder / "schema.json";
  const auto grammar_file = folder / "numbers.gbnf";
  const std::string schema = R"({"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]})";
  std::ofstream(schema_file) << schema;
  std::ofstream(grammar_file) << "root ::= \"(\" root \")\" | [0-9]{2}\n";
  const auto answer = [](const std::string& option, const std::string& value) {
    const auto result = dstorch({"generate", kPrompt, "--temperature", "1.5", "--seed", "5", option, value});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  };
  const auto typed = answer("--json-schema", schema);
  EXPECT_TRUE(json::parse(typed)["size"].is_number_integer()) << typed;
  EXPECT_EQ(answer("--json-schema", schema_file.string()), typed);
  EXPECT_THAT(answer("--regex", "[a-f]{3}"), testing::MatchesRegex("[a-f][a-f][a-f]\n"));
  EXPECT_THAT(answer("--choice", "yes, it is"), "yes, it is\n");
  EXPECT_THAT(answer("--grammar", grammar_file.string()), testing::ContainsRegex("[0-9][0-9]"));

  const auto trees = (source_dir() / "examples/trees").string();
  EXPECT_EQ(dstorch({"generate", "--chat", "What is a pine?", "-m", trees, "--choice", "a tree"}).out, "a tree\n");
  EXPECT_EQ(dstorch({"generate", kPrompt, "--regex", "a", "--choice", "b"}).exit_code, 2);
  EXPECT_EQ(dstorch({"generate", kPrompt, "--regex", "a", "--stop", "b"}).exit_code, 2);
  EXPECT_EQ(dstorch({"generate", kPrompt, "--json-schema", R"({"if": {}})"}).exit_code, 1);
  EXPECT_EQ(dstorch({"generate", kPrompt, "--grammar", (folder / "none").string()}).exit_code, 1);
  EXPECT_THAT(dstorch({"generate", kPrompt, "--regex", "[a-f]{30}", "--max-tokens", "2"}).err, HasSubstr("needs "));
  std::filesystem::remove_all(folder);
}

TEST(Command, TokenizeGoesThereAndBack) {
  const auto ids = json_of(dstorch({"tokenize", "libfoo-dev", "-m", model(), "--json"}))["ids"];
  ASSERT_TRUE(ids.is_array());
  std::string list;
  for (const auto& id : ids) {
    list += fmt::format("{}{}", list.empty() ? "" : ",", id.get<int64_t>());
  }
  EXPECT_EQ(json_of(dstorch({"tokenize", "--decode", list, "-m", model(), "--json"}))["text"], "libfoo-dev");
}

TEST(Command, LogitsAreOnePerVocabularyEntryAndAgreeWithGreedy) {
  const auto logits = json_of(dstorch({"logits", "-m", model(), kPrompt, "--json"}));
  const auto values = logits["logits"].get<std::vector<double>>();
  const auto config = json::parse(std::ifstream(source_dir() / "models/default/config.json"));
  EXPECT_EQ(values.size(), config["vocab_size"]);
  EXPECT_EQ(logits["ids"], json_of(dstorch({"tokenize", kPrompt, "-m", model(), "--json"}))["ids"]);
  const auto next =
      json_of(dstorch({"generate", kPrompt, "--temperature", "0", "--max-tokens", "1", "--json"}))["tokens"][0];
  EXPECT_EQ(std::max_element(values.begin(), values.end()) - values.begin(), next);
}

TEST(Command, LogitsTakeWhatGenerateTakes) {
  EXPECT_EQ(dstorch({"logits", kPrompt, "--json"}).out, dstorch({"logits", "--json"}, {.input = kPrompt}).out);
  // A plain network has no tokens: the prompt goes in whole, and all that comes out is shown.
  const auto plain = (source_dir() / "tests/parity/fixtures/simple/three_layers.pth").string();
  const auto text = dstorch({"generate", "Hello", "-m", plain}).out;
  const auto result = json_of(dstorch({"logits", "Hello", "-m", plain, "--json"}));
  EXPECT_EQ(result["ids"], json::array());
  const auto values = result["logits"].get<std::vector<double>>();
  ASSERT_GT(values.size(), 1U);
  EXPECT_THAT(text, HasSubstr(fmt::format("(shape: 1x{}, values: ", values.size())));
  EXPECT_NEAR(std::stod(text.substr(text.find("values: ") + 8)), values[0], 1e-5);
}

TEST(Command, EmbedGivesOneVectorATextWhereverItComesFrom) {
  const auto config = json::parse(std::ifstream(source_dir() / "models/default/config.json"));
  const auto both = json_of(dstorch({"embed", "libfoo-dev", "python3-yaml", "--json"}))["embeddings"];
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0].size(), config["hidden_size"]);
  EXPECT_NE(both[0], both[1]);
  EXPECT_EQ(json_of(dstorch({"embed", "libfoo-dev", "--json"}))["embeddings"][0], both[0]);
  const auto file = std::filesystem::path(testing::TempDir()) / fmt::format("dstorch_embed_{}.txt", ::getpid());
  std::ofstream(file) << "libfoo-dev\r\npython3-yaml\n";
  EXPECT_EQ(json_of(dstorch({"embed", "--file", file.string(), "--json"}))["embeddings"], both);
  const std::string lines = "libfoo-dev\npython3-yaml";
  EXPECT_EQ(json_of(dstorch({"embed", "--file", "-", "--json"}, {.input = lines}))["embeddings"], both);
  EXPECT_EQ(json_of(dstorch({"embed", "--json"}, {.input = lines}))["embeddings"], both);
  // As text: a line a text, the numbers with spaces between.
  std::istringstream text(dstorch({"embed", "libfoo-dev", "python3-yaml"}).out);
  for (const auto& embedding : both) {
    std::string line;
    ASSERT_TRUE(std::getline(text, line));
    std::istringstream numbers(line);
    for (const auto& number : embedding) {
      double shown = 0;
      ASSERT_TRUE(numbers >> shown);
      EXPECT_NEAR(shown, number.get<double>(), 1e-5);
    }
  }
  const auto empty = dstorch({"embed"}, {.input = "one\n\nthree\n"});
  EXPECT_EQ(empty.exit_code, 2);
  EXPECT_THAT(empty.err, StartsWith("error: line 2 is empty"));
  std::filesystem::remove(file);
}

TEST(Command, ClassifyNamesTheLikeliestClassOfEachText) {
  const auto folder = std::filesystem::path(testing::TempDir()) / fmt::format("dstorch_classify_{}", ::getpid());
  std::filesystem::copy(source_dir() / "tests/parity/fixtures/text/model", folder);
  auto config = json::parse(std::ifstream(folder / "config.json"));
  config["architectures"] = {"LlamaForSequenceClassification"};
  config["id2label"] = {{"0", "libs"}, {"1", "python"}, {"2", "kernel"}};
  const auto weights = Checkpoint::open(folder, CheckpointAccess::copy);
  std::vector<TensorView> views(weights->tensors().begin(), weights->tensors().end());
  std::vector<float> head(3 * config["hidden_size"].get<std::size_t>());
  for (std::size_t i = 0; i < head.size(); ++i) {
    head[i] = 0.1F * static_cast<float>(i * 7919 % 41) - 2;
  }
  TensorView score;
  score.name = "score.weight";
  score.shape = {3, config["hidden_size"]};
  score.strides = {config["hidden_size"], 1};
  score.storage = std::as_bytes(std::span(head));
  views.push_back(score);
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") {
      std::filesystem::remove(entry.path());
    }
  }
  save_safetensors(folder / "model.safetensors", views);
  std::ofstream(folder / "config.json") << config;

  const auto model = folder.string();
  const auto all = json_of(dstorch({"classify", "A mapped file", "what", "-m", model, "--json"}))["classes"];
  ASSERT_EQ(all.size(), 2U);
  std::string expected;
  for (const auto& scores : all) {
    ASSERT_EQ(scores.size(), 3U);
    EXPECT_GE(scores[0]["probability"], scores[1]["probability"]);
    expected +=
        fmt::format("{:.4f}  {}\n", scores[0]["probability"].get<double>(), scores[0]["name"].get<std::string>());
  }
  EXPECT_EQ(dstorch({"classify", "-m", model}, {.input = "A mapped file\nwhat\n"}).out, expected);
  EXPECT_EQ(json_of(dstorch({"logits", "what", "-m", model, "--json"}))["logits"].size(), 3U);
  const auto generated = dstorch({"generate", "what", "-m", model});
  EXPECT_EQ(generated.exit_code, 1);
  EXPECT_THAT(generated.err, HasSubstr("dstorch classify"));
  EXPECT_THAT(dstorch({"classify", "what"}).err, HasSubstr("classify needs a model with classes"));
  std::filesystem::remove_all(folder);
}

TEST(Command, AModelForConversationsThatSaysNothingGetsAHint) {
  // The bundled model ends with a line; one for conversations has a template for them beside it.
  const auto folder = std::filesystem::path(testing::TempDir()) / fmt::format("dstorch_hint_{}", ::getpid());
  std::filesystem::copy(source_dir() / "models/default", folder, std::filesystem::copy_options::recursive);
  const auto end = json_of(dstorch({"tokenize", "\n", "--json"}))["ids"][0].get<int64_t>();
  const std::vector<std::string> silent{"generate",      "What is it?",  "-m",
                                        folder.string(), "--logit-bias", fmt::format("{}:1000", end)};
  const auto hint = dstorch(silent);
  EXPECT_EQ(hint.exit_code, 0);
  EXPECT_EQ(hint.out, "\n");
  EXPECT_THAT(hint.err, StartsWith("hint: the model ended its answer at once; --ignore-eos goes on"));
  std::ofstream(folder / "tokenizer_config.json") << R"({"chat_template": "{{ messages }}"})";
  EXPECT_THAT(dstorch(silent).err, HasSubstr("dstorch generate --chat -m " + folder.string() + " does that"));
  auto speaks = silent;
  speaks.resize(4);
  speaks.insert(speaks.end(), {"--temperature", "0", "--ignore-eos", "--max-tokens", "4"});
  EXPECT_EQ(dstorch(speaks).err, "");
  std::filesystem::remove_all(folder);
}

TEST(Command, PerplexityPutsItsNumbersInOneRelation) {
  const auto file = std::filesystem::path(testing::TempDir()) / "dstorch_command_text.txt";
  std::ofstream(file) << "libfoo-dev\tlibdevel\tfoo library, development files\n";
  const auto result = json_of(dstorch({"perplexity", "-m", model(), file.string(), "--json"}));
  const double nll = result["nll"];
  EXPECT_EQ(result["bytes"], std::filesystem::file_size(file));
  EXPECT_NEAR(result["perplexity"].get<double>(), std::exp(nll / result["tokens"].get<double>()), 1e-6);
  EXPECT_NEAR(result["bits_per_byte"].get<double>(), nll / std::log(2.0) / result["bytes"].get<double>(), 1e-9);
  std::filesystem::remove(file);
}

TEST(Command, PlanAddsUp) {
  const auto plan = json_of(dstorch({"plan", model(), "--context", "512", "--batch", "2", "--json"}));
  EXPECT_EQ(plan["weights"], 4722048);
  // Keys and values of 4 layers, 2 heads of 32: the cache is the config's arithmetic.
  const auto config = json::parse(std::ifstream(source_dir() / "models/default/config.json"));
  const int64_t heads = config["num_key_value_heads"];
  const int64_t head_dim = config["head_dim"].is_null()
                               ? config["hidden_size"].get<int64_t>() / config["num_attention_heads"].get<int64_t>()
                               : config["head_dim"].get<int64_t>();
  EXPECT_EQ(plan["kv_cache"], 2 * 512 * 2 * config["num_hidden_layers"].get<int64_t>() * heads * head_dim * 2);
  EXPECT_EQ(plan["fits"], plan["total"] <= plan["available"]);
  EXPECT_EQ(plan["model_context"], config["max_position_embeddings"]);
  const auto limited = json_of(dstorch({"plan", model(), "--memory-limit", "6M", "--json"}));
  EXPECT_EQ(limited["available"], 6 << 20);
  EXPECT_FALSE(limited["fits"]);
  EXPECT_LT(limited["largest_context"], limited["model_context"]);
  const auto training = json_of(dstorch({"plan", model(), "--train", "full", "--json"}));
  EXPECT_EQ(training["gradients"], training["weights"]);
  EXPECT_EQ(training["optimizer"], 2 * training["weights"].get<int64_t>());
  const auto tuning = json_of(dstorch({"plan", model(), "--train", "full-finetune", "--json"}));
  EXPECT_EQ(tuning["weights"], training["weights"]) << "in float32, though the model is bfloat16";
  EXPECT_EQ(tuning["optimizer"], 2 * tuning["weights"].get<int64_t>());
  const auto adapters = json_of(dstorch({"plan", model(), "--train", "lora", "--lora-rank", "4", "--json"}));
  const auto larger = json_of(dstorch({"plan", model(), "--train", "lora", "--lora-rank", "8", "--json"}));
  EXPECT_EQ(2 * adapters["gradients"].get<int64_t>(), larger["gradients"]);
}

TEST(Command, DevicesListsThemAll) {
  const auto devices = json_of(dstorch({"devices", "--json"}))["devices"];
  ASSERT_GE(devices.size(), 3U);
  EXPECT_EQ(devices[0]["device"], "cpu");
  EXPECT_EQ(devices[0]["usable"], true);
  EXPECT_GT(devices[0]["memory"], 1 << 20);
  EXPECT_EQ(devices[1]["device"], "cuda:0");
  int best = 0;
  for (const auto& device : devices) {
    best += device["best"].get<bool>() ? 1 : 0;
    EXPECT_NE(device["usable"].get<bool>(), device["name"] == "");
    EXPECT_EQ(device["usable"].get<bool>(), device["reason"] == "");
  }
  EXPECT_EQ(best, 1);
  EXPECT_THAT(dstorch({"devices"}).out, StartsWith("cpu "));
}

TEST(Command, InspectCountsWhatIsThere) {
  const auto result = json_of(dstorch({"inspect", model(), "--json"}));
  EXPECT_EQ(result["architecture"], "mistral");
  int64_t parameters = 0;
  for (const auto& tensor : result["tensors"]) {
    int64_t size = 1;
    for (const auto& extent : tensor["shape"]) {
      size *= extent.get<int64_t>();
    }
    parameters += size;
    EXPECT_EQ(tensor["dtype"], "bfloat16");
    EXPECT_FALSE(tensor["name"].get<std::string>().empty());
  }
  EXPECT_EQ(result["parameters"], parameters);
  EXPECT_EQ(result["bytes"], parameters * 2);
}

TEST(Command, InspectTakesAFileForWhatLoadingTakesItFor) {
  const auto architecture = [](const std::string& path) {
    return json_of(dstorch({"inspect", (source_dir() / path).string(), "--json"}))["architecture"];
  };
  EXPECT_EQ(architecture("tests/parity/fixtures/stacks/unequal.safetensors"), "simple_transformer");
  EXPECT_EQ(architecture("tests/parity/fixtures/stacks/no_biases.pt"), "simple_transformer");
  EXPECT_EQ(architecture("models/default/model.safetensors"), "mistral");
  EXPECT_EQ(architecture("tests/io/data/dtypes.safetensors"), nullptr);
}

TEST(Command, InspectListsTypesThatNothingComputesWith) {
  const auto path = (source_dir() / "tests/io/data/narrow_dtypes.safetensors").string();
  const auto result = json_of(dstorch({"inspect", path, "--json"}));
  std::map<std::string, json> types;
  for (const auto& tensor : result["tensors"]) {
    types[tensor["name"]] = tensor["dtype"];
  }
  EXPECT_EQ(types["F4"], "F4");
  EXPECT_EQ(types["F6_E2M3"], "F6_E2M3");
  EXPECT_EQ(types["F8_E8M0"], "float8_e8m0fnu");
  EXPECT_THAT(dstorch({"inspect", path}).out, HasSubstr("F6_E3M2"));
}

}  // namespace
}  // namespace dstorch::test

// Adapters that peft saved: running with them, many in one batch, merging. tools/make_finetune_fixtures.py made them.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "core/atomic_file.h"
#include "core/json.h"
#include "driver/test_models.h"
#include "dstorch/checkpoint.h"
#include "dstorch/finetune.h"
#include "dstorch/torch_model.h"
#include "support/paths.h"
#include "support/tolerances.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;
using test::Compared;
using test::error_of;
using test::greedy;
using test::load;
using testing::HasSubstr;

/// The model that a fixture is of; a classifier's is the model that writes.
fs::path model_of(const std::string& name) {
  return test::source_dir() / "tests/parity/fixtures" / name.substr(0, name.find("_classes")) / "model";
}

fs::path fixture(const std::string& name) { return test::source_dir() / "tests/data/finetune" / name; }

void expect_logits(const std::vector<float>& got, const Checkpoint& file, const std::string& name) {
  const auto* view = file.find(name);
  ASSERT_NE(view, nullptr);
  const auto* wanted = reinterpret_cast<const float*>(view->data());
  ASSERT_EQ(static_cast<int64_t>(got.size()), view->numel());
  float scale = 0;
  float difference = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    scale = std::max(scale, std::abs(wanted[i]));
    difference = std::max(difference, std::abs(wanted[i] - got[i]));
  }
  EXPECT_LE(difference, test::tolerance(Compared::logits_of_adapter) * scale) << name;
}

class Folder : public testing::Test {
 protected:
  Folder() : folder_(fs::temp_directory_path() / fmt::format("dstorch_adapter_test_{}", ::getpid())) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~Folder() override { fs::remove_all(folder_); }

  /// A copy of the adapter of "smollm2" whose config has `change` done to it.
  [[nodiscard]] fs::path changed(const std::string& name, const std::function<void(OrderedJson&)>& change) const {
    const auto copy = folder_ / name;
    fs::copy(fixture("smollm2") / "adapter", copy);
    auto json = OrderedJson::parse(read_file(copy / "adapter_config.json"));
    change(json);
    write_file(copy / "adapter_config.json", json.dump());
    return copy;
  }

  fs::path folder_;
};

class PeftAdapter : public Folder, public testing::WithParamInterface<const char*> {};

TEST_P(PeftAdapter, GivesPeftsLogits) {
  const auto file = Checkpoint::open(fixture(GetParam()) / "expected.safetensors");
  const auto prompt = read_json(fixture(GetParam()) / "expected.json")["prompt"].get<std::vector<int64_t>>();
  const auto with = load({.model_path = model_of(GetParam()), .adapter = fixture(GetParam()) / "adapter"});
  expect_logits(with->logits(prompt), *file, "prompt_logits");
  // Trained by peft, merged here, in both forms of file.
  MergeOptions merge{model_of(GetParam()), fixture(GetParam()) / "trained", folder_ / "merged"};
  merge_adapter(merge);
  expect_logits(load({.model_path = folder_ / "merged"})->logits(prompt), *file, "merged_logits");
  merge.output = folder_ / "merged.pt";
  merge_adapter(merge);
  const auto directory = Checkpoint::open(folder_ / "merged");
  const auto state_dict = Checkpoint::open(folder_ / "merged.pt");
  EXPECT_EQ(state_dict->kind(), CheckpointKind::pytorch_zip);
  for (const auto& view : directory->tensors()) {
    const auto* same = state_dict->find(view.name);
    ASSERT_NE(same, nullptr) << view.name;
    EXPECT_EQ(same->shape, view.shape) << view.name;
    EXPECT_TRUE(std::equal(view.data(), view.data() + view.bytes(), same->data())) << view.name;
  }
  const bool classifier = !with->info().classes.empty();
  const bool is_neox = std::string(GetParam()).starts_with("gpt_neox");
  EXPECT_EQ(state_dict->find(is_neox ? "embed_out.weight" : "lm_head.weight") == nullptr, classifier)
      << "Python's state dict has the head, tied or not";
  EXPECT_EQ(state_dict->find("score.weight") != nullptr, classifier);
}

INSTANTIATE_TEST_SUITE_P(All, PeftAdapter,
                         testing::Values("llama", "llama_biases", "llama_linear_rope", "mistral", "qwen2", "qwen3",
                                         "smollm2", "smollm3", "gpt2", "gpt2_variants", "gemma2", "gemma3",
                                         "gemma3_variants", "phi3", "phi3_longrope", "olmo2", "granite", "gpt_neox",
                                         "gpt_neox_one_by_one", "llama_classes", "gpt2_classes"),
                         [](const auto& which) { return which.param; });

class Adapters : public Folder {
 protected:
  static std::vector<int64_t> prompt(int64_t length, int64_t seed) {
    std::vector<int64_t> ids;
    for (int64_t i = 0; i < length; ++i) {
      ids.push_back(3 + (seed * 31 + i * i * 7 + i) % 100);
    }
    return ids;
  }

  static GenerationOptions through(const std::string& adapter) {
    auto options = greedy(12);
    options.adapter = adapter;
    options.logprobs = 3;
    return options;
  }

  /// All that a generation says of its logits.
  static void expect_same(const GenerationResult& a, const GenerationResult& b, const std::string& what) {
    EXPECT_EQ(a.tokens, b.tokens) << what;
    ASSERT_EQ(a.logprobs.size(), b.logprobs.size());
    for (std::size_t i = 0; i < a.logprobs.size(); ++i) {
      EXPECT_EQ(a.logprobs[i].logprob, b.logprobs[i].logprob) << what << ", token " << i;
      EXPECT_EQ(a.logprobs[i].top, b.logprobs[i].top) << what << ", token " << i;
    }
  }
};

/// Models of every kind of number and layer, and prompts longer than a step: each answer to the bit what it is alone.
TEST_F(Adapters, ManyInOneBatchAnswerAsAlone) {
  for (const char* name : {"smollm2", "gpt2", "llama_linear_rope", "gemma3", "phi3", "olmo2", "granite", "gpt_neox"}) {
    for (const auto dtype : {DType::float32, DType::bfloat16}) {
      for (const int threads : {1, 2}) {
        const auto model = load({.model_path = model_of(name), .dtype = dtype, .threads = threads});
        model->attach_adapter("first", fixture(name) / "adapter");
        model->attach_adapter("second", fixture(name) / "trained");
        EXPECT_EQ(model->adapters(), (std::vector<std::string>{"first", "second"}));
        const std::vector<std::string> adapters{"", "first", "second", "first", "", "second", "second"};
        std::vector<GenerationResult> alone;
        for (std::size_t i = 0; i < adapters.size(); ++i) {
          alone.push_back(
              model->complete(prompt(5 + 11 * static_cast<int64_t>(i), static_cast<int64_t>(i)), through(adapters[i])));
        }
        std::vector<PendingGeneration> pending;
        for (std::size_t i = 0; i < adapters.size(); ++i) {
          pending.push_back(
              model->submit(prompt(5 + 11 * static_cast<int64_t>(i), static_cast<int64_t>(i)), through(adapters[i])));
        }
        for (std::size_t i = 0; i < adapters.size(); ++i) {
          expect_same(pending[i].wait(), alone[i],
                      fmt::format("{} {} threads {}, request {}", name, to_string(dtype), threads, i));
        }
        const auto same = prompt(20, 1);
        EXPECT_NE(model->complete(same, through("first")).logprobs[0].logprob,
                  model->complete(same, through("")).logprobs[0].logprob);
      }
    }
  }
}

TEST_F(Adapters, AreAttachedNamedAndDetached) {
  const auto model = load({.model_path = model_of("smollm2")});
  EXPECT_EQ(error_of([&] { model->complete(prompt(4, 1), through("first")); }).kind(), ErrorKind::not_found);
  const auto plain = model->complete(prompt(4, 1), through(""));
  const auto weights = model->memory()[MemoryKind::weights].bytes;
  model->attach_adapter("first", fixture("smollm2") / "adapter");
  EXPECT_GT(model->memory()[MemoryKind::weights].bytes, weights);
  EXPECT_THAT(error_of([&] { model->attach_adapter("first", fixture("smollm2") / "trained"); }).what(),
              HasSubstr("there is an adapter \"first\" already"));
  auto running = model->submit(prompt(4, 1), through("first"));
  const auto with = model->complete(prompt(4, 1), through("first"));
  model->detach_adapter("first");
  expect_same(running.wait(), with, "what runs keeps its adapter");
  EXPECT_THAT(error_of([&] { model->complete(prompt(4, 1), through("first")); }).what(),
              HasSubstr("there is no adapter \"first\"; attached are: none"));
  EXPECT_EQ(error_of([&] { model->detach_adapter("first"); }).kind(), ErrorKind::not_found);
  expect_same(model->complete(prompt(4, 1), through("")), plain, "the base is as it was");
  // The model's own, for all calls.
  const auto fixed = load({.model_path = model_of("smollm2"), .adapter = fixture("smollm2") / "adapter"});
  expect_same(fixed->complete(prompt(4, 1), through("")), with, "the config's adapter");
  EXPECT_TRUE(fixed->adapters().empty());
}

TEST_F(Adapters, OfAnotherModelAreRefused) {
  const auto model = load({.model_path = model_of("smollm2")});
  const auto of_gpt2 = error_of([&] { model->attach_adapter("a", fixture("gpt2") / "adapter"); });
  EXPECT_EQ(of_gpt2.kind(), ErrorKind::format);
  EXPECT_THAT(of_gpt2.what(), HasSubstr("no linear layer transformer.h.0.attn.c_attn"));
  const auto of_llama = error_of([&] { model->attach_adapter("a", fixture("llama") / "adapter"); });
  EXPECT_THAT(of_llama.what(), HasSubstr("the matrices of model.layers.0.mlp.down_proj must be [4, 72] and [48, 4]"));
  EXPECT_THAT(error_of([&] { model->attach_adapter("a", folder_); }).what(), HasSubstr("no adapter_config.json"));
  EXPECT_TRUE(model->adapters().empty());
}

TEST_F(Adapters, WhatIsMoreThanLoraIsRefusedByName) {
  const auto model = load({.model_path = model_of("smollm2")});
  const auto refusal = [&](const std::string& name, const std::function<void(OrderedJson&)>& change) {
    const auto error = error_of([&] { model->attach_adapter(name, changed(name, change)); });
    EXPECT_EQ(error.kind(), ErrorKind::unsupported) << error.what();
    return std::string(error.what());
  };
  EXPECT_THAT(refusal("dora", [](auto& json) { json["use_dora"] = true; }), HasSubstr("\"use_dora\" is true"));
  EXPECT_THAT(refusal("bias", [](auto& json) { json["bias"] = "lora_only"; }), HasSubstr("bias is \"lora_only\""));
  EXPECT_THAT(refusal("ia3", [](auto& json) { json["peft_type"] = "IA3"; }), HasSubstr("peft_type must be LORA"));
  EXPECT_THAT(refusal("pissa", [](auto& json) { json["init_lora_weights"] = "pissa_niter_4"; }), HasSubstr("pissa"));
  EXPECT_THAT(refusal("new", [](auto& json) { json["use_tomorrows_trick"] = 3; }),
              HasSubstr("\"use_tomorrows_trick\" is 3"));
  // What the weights have and the config does not say, and the other way round.
  const auto fewer = changed("fewer", [](auto& json) { json["target_modules"] = "model.layers.0.*_proj"; });
  EXPECT_THAT(error_of([&] { model->attach_adapter("a", fewer); }).what(),
              HasSubstr("adapter_config.json leaves out model.layers.1."));
  const auto rank = changed("rank", [](auto& json) { json["rank_pattern"] = {{"q_proj", 3}}; });
  EXPECT_THAT(error_of([&] { model->attach_adapter("a", rank); }).what(), HasSubstr("q_proj must be [3, 48]"));
}

/// A module that is replaced whole goes into the model when it is opened, and leaves no room for other adapters.
TEST_F(Adapters, ThatReplaceAModuleWholeAreOpenedWithTheModel) {
  const auto copy = folder_ / "whole";
  fs::copy(fixture("llama") / "adapter", copy);
  auto json = OrderedJson::parse(read_file(copy / "adapter_config.json"));
  json["modules_to_save"] = {"lm_head"};
  write_file(copy / "adapter_config.json", json.dump());
  const auto file = Checkpoint::open(copy / "adapter_model.safetensors", CheckpointAccess::copy);
  std::vector<TensorView> views(file->tensors().begin(), file->tensors().end());
  const auto base = Checkpoint::open(model_of("llama"));
  views.push_back(*base->find("model.embed_tokens.weight"));  // of the head's shape
  views.back().name = "base_model.model.lm_head.weight";
  save_safetensors(copy / "adapter_model.safetensors", views);

  const auto model = load({.model_path = model_of("llama"), .adapter = copy});
  MergeOptions merge{model_of("llama"), copy, folder_ / "merged"};
  merge_adapter(merge);
  const std::vector<int64_t> ids = prompt(9, 1);
  const auto merged = load({.model_path = folder_ / "merged"})->logits(ids);
  const auto opened = model->logits(ids);
  ASSERT_EQ(opened.size(), merged.size());
  for (std::size_t i = 0; i < merged.size(); ++i) {
    EXPECT_NEAR(opened[i], merged[i], test::tolerance(Compared::logits_of_merged));
  }
  EXPECT_NE(opened, load({.model_path = model_of("llama"), .adapter = fixture("llama") / "adapter"})->logits(ids));
  const auto other = fixture("llama") / "adapter";
  EXPECT_THAT(error_of([&] { model->attach_adapter("a", other); }).what(), HasSubstr("has room for no other"));
  const auto plain = load({.model_path = model_of("llama")});
  const auto refused = error_of([&] { plain->attach_adapter("a", copy); });
  EXPECT_EQ(refused.kind(), ErrorKind::unsupported);
  EXPECT_THAT(refused.what(), HasSubstr("(lm_head.weight) cannot be chosen call by call; open the model with"));
}

TEST_F(Adapters, ThatMakeClassifiersNameTheirClasses) {
  const auto model = model_of("llama");
  const auto numbered = fixture("llama_classes") / "adapter";
  EXPECT_EQ(load({.model_path = model, .adapter = numbered})->info().classes,
            (std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2"}));
  const auto copy = folder_ / "named";
  fs::copy(numbered, copy);
  const auto with_config = [&](const Json& config) {
    write_file(copy / "config.json", config.dump());
    return TorchModelConfig{.model_path = model, .adapter = copy};
  };
  Json config{{"architectures", {"LlamaForSequenceClassification"}},
              {"id2label", {{"0", "a"}, {"1", "b"}, {"2", "c"}}}};
  EXPECT_EQ(load(with_config(config))->info().classes, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(load(with_config({{"model_type", "llama"}}))->info().classes.size(), 3U) << "a base's config.json";
  config["id2label"].erase("2");
  EXPECT_THAT(error_of([&] { load(with_config(config)); }).what(), HasSubstr("must name the 3 classes of the adapter"));
  config["id2label"] = {{"0", "a"}, {"2", "b"}, {"3", "c"}};
  EXPECT_THAT(error_of([&] { load(with_config(config)); }).what(), HasSubstr("must name the classes 0 to 2"));
  fs::remove(copy / "config.json");
  auto json = OrderedJson::parse(read_file(copy / "adapter_config.json"));
  json["task_type"] = "CAUSAL_LM";
  write_file(copy / "adapter_config.json", json.dump());
  EXPECT_THAT(error_of([&] { load({.model_path = model, .adapter = copy}); }).what(),
              HasSubstr("the model has no weight score.weight"));
}

TEST_F(Adapters, AreNoModels) {
  const auto error = error_of([&] { load({.model_path = fixture("llama_classes") / "adapter"}); });
  EXPECT_EQ(error.kind(), ErrorKind::not_found);
  EXPECT_THAT(error.what(), HasSubstr("adapter is an adapter, and no model: open the model that it is of"));
}

TEST_F(Adapters, MergingKeepsWhatIsThere) {
  write_file(folder_ / "there.pt", "mine");
  MergeOptions merge{model_of("smollm2"), fixture("smollm2") / "adapter", folder_ / "there.pt"};
  EXPECT_THAT(error_of([&] { merge_adapter(merge); }).what(), HasSubstr("there is something at"));
  EXPECT_EQ(read_file(folder_ / "there.pt"), "mine");
  merge.overwrite = true;
  merge_adapter(merge);
  EXPECT_NE(read_file(folder_ / "there.pt"), "mine");
  merge.output = merge.model;
  EXPECT_THAT(error_of([&] { merge_adapter(merge); }).what(), HasSubstr("is what is merged"));
  merge.output = folder_ / "narrow";
  merge.dtype = DType::bfloat16;
  merge_adapter(merge);
  EXPECT_EQ(read_json(folder_ / "narrow/config.json")["torch_dtype"], "bfloat16");
  EXPECT_EQ(Checkpoint::open(folder_ / "narrow")->tensors().front().dtype, DType::bfloat16);
}

}  // namespace
}  // namespace dstorch

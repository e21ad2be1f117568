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

namespace dstorch {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::greedy;
using test::load;
using testing::HasSubstr;

fs::path model_of(const std::string& name) { return test::source_dir() / "tests/parity/fixtures" / name / "model"; }

fs::path fixture(const std::string& name) { return test::source_dir() / "tests/data/finetune" / name; }

/// Within 1e-4 of the largest.
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
  EXPECT_LE(difference, 1e-4F * scale) << name;
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
  EXPECT_NE(state_dict->find("lm_head.weight"), nullptr) << "Python's state dict has the head, tied or not";
}

INSTANTIATE_TEST_SUITE_P(All, PeftAdapter,
                         testing::Values("llama", "llama_biases", "llama_linear_rope", "mistral", "qwen2", "qwen3",
                                         "smollm2", "smollm3", "gpt2", "gpt2_variants"),
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
  for (const char* name : {"smollm2", "gpt2", "llama_linear_rope"}) {
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

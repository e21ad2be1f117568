// Checkpoints that do not fit their config.json: every weight is named, with what was expected and what was found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dstorch/checkpoint.h"
#include "parity/fixture.h"

namespace dstorch::parity {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Weights : public ::testing::Test {
 protected:
  Weights() : source_(fixtures_path() / "llama/model"), checkpoint_(Checkpoint::open(source_)) {
    tensors_ = checkpoint_->tensors();
    fs::copy_file(source_ / "config.json", folder_.path() / "config.json");
  }

  TensorView& tensor(const std::string& name) {
    const auto it = std::find_if(tensors_.begin(), tensors_.end(), [&](const auto& t) { return t.name == name; });
    EXPECT_NE(it, tensors_.end()) << name;
    return *it;
  }
  void remove(const std::string& name) {
    std::erase_if(tensors_, [&](const auto& t) { return t.name == name; });
  }

  // Saves `tensors_` as the model's weights.
  void save() { save_safetensors(folder_.path() / "model.safetensors", tensors_); }

  void set_config(const std::string& key, const Json& value) {
    Json config = read_json(folder_.path() / "config.json");
    config[key] = value;
    write_text(folder_.path() / "config.json", config.dump());
  }

  // The error that loading gives.
  [[nodiscard]] LMError load_error() const {
    try {
      (void)open_model(folder_.path());
    } catch (const LMError& error) {
      return error;
    }
    ADD_FAILURE() << "it loaded";
    return {ErrorKind::internal, ""};
  }

  fs::path source_;
  std::shared_ptr<const Checkpoint> checkpoint_;
  std::vector<TensorView> tensors_;
  TemporaryFolder folder_;
};

TEST_F(Weights, UnchangedCopyLoads) {
  save();
  const Fixture fixture = load_fixture("llama");
  EXPECT_EQ(open_model(folder_.path())->logits(fixture.prompt), open_model(fixture.model)->logits(fixture.prompt));
}

TEST_F(Weights, EveryMissingUnexpectedAndMisshapenOneIsListed) {
  remove("model.layers.1.mlp.up_proj.weight");
  remove("model.norm.weight");
  tensor("model.layers.0.input_layernorm.weight").name = "model.layers.0.surprise.weight";
  TensorView& q = tensor("model.layers.0.self_attn.q_proj.weight");
  q.shape = {16, 64};
  q.strides = {64, 1};
  save();
  const LMError error = load_error();
  EXPECT_EQ(error.kind(), ErrorKind::format);
  EXPECT_THAT(error.what(), HasSubstr("missing: model.layers.1.mlp.up_proj.weight [72, 32]"));
  EXPECT_THAT(error.what(), HasSubstr("missing: model.norm.weight [32]"));
  EXPECT_THAT(error.what(), HasSubstr("missing: model.layers.0.input_layernorm.weight [32]"));
  EXPECT_THAT(error.what(), HasSubstr("unexpected: model.layers.0.surprise.weight [32]"));
  EXPECT_THAT(error.what(),
              HasSubstr("misshapen: model.layers.0.self_attn.q_proj.weight must be [32, 32], is [16, 64]"));
  EXPECT_THAT(error.what(), Not(HasSubstr("k_proj")));
}

TEST_F(Weights, MissingHeadIsAnErrorUnlessItIsTied) {
  remove("lm_head.weight");
  save();
  EXPECT_THAT(load_error().what(), HasSubstr("missing: lm_head.weight [112, 32]"));
  set_config("tie_word_embeddings", true);
  EXPECT_EQ(open_model(folder_.path())->info().vocab_size, 112);
}

// Old checkpoints hold the rotary frequencies of each layer.
TEST_F(Weights, OldBuffersAreNoSurprise) {
  TensorView frequencies = tensor("model.norm.weight");
  frequencies.shape = {4};
  frequencies.strides = {1};
  frequencies.name = "model.layers.0.self_attn.rotary_emb.inv_freq";
  tensors_.push_back(frequencies);
  save();
  EXPECT_EQ(open_model(folder_.path())->info().parameters, load_fixture("llama").parameters);
}

// A checkpoint of the model without its head has names without "model.".
TEST_F(Weights, NamesWithoutModelInFrontAreFound) {
  for (TensorView& view : tensors_) {
    if (view.name.starts_with("model.")) {
      view.name = view.name.substr(6);
    }
  }
  save();
  const Fixture fixture = load_fixture("llama");
  EXPECT_EQ(open_model(folder_.path())->logits(fixture.prompt), open_model(fixture.model)->logits(fixture.prompt));
}

TEST_F(Weights, SoAreThoseOfOtherFamilies) {
  for (const auto& [family, front] : {std::pair("gpt2", "transformer."), std::pair("gpt_neox", "gpt_neox.")}) {
    const Fixture fixture = load_fixture(family);
    const auto stored = Checkpoint::open(fixture.model);
    tensors_ = stored->tensors();
    for (TensorView& view : tensors_) {
      if (view.name.starts_with(front)) {
        view.name.erase(0, std::string_view(front).size());
      }
    }
    fs::copy_file(fixture.model / "config.json", folder_.path() / "config.json", fs::copy_options::overwrite_existing);
    save();
    EXPECT_EQ(open_model(folder_.path())->logits(fixture.prompt), open_model(fixture.model)->logits(fixture.prompt));
  }
}

// What programs put before and between a model's names: torch.compile, DistributedDataParallel, wrappers, peft.
TEST_F(Weights, NamesAreFoundBehindWhatAllBeginWith) {
  const Fixture fixture = load_fixture("llama");
  const auto expected = open_model(fixture.model)->logits(fixture.prompt);
  const auto original = tensors_;
  for (const std::string front : {"_orig_mod.", "module.", "model.", "base_model.", "base_model.model.",
                                  "module._orig_mod.", "student.", "_forward_module.net."}) {
    tensors_ = original;
    for (TensorView& view : tensors_) {
      view.name.insert(0, front);
    }
    save();
    EXPECT_EQ(open_model(folder_.path())->logits(fixture.prompt), expected) << front;
    EXPECT_GT(plan_memory({.model_path = folder_.path()})[MemoryKind::weights], 0) << front;
  }
  // Some are known where not all names begin with them.
  for (const std::string front : {"module.", "base_model.", "_forward_module."}) {
    tensors_ = original;
    for (TensorView& view : tensors_) {
      view.name.insert(0, front);
    }
    tensors_.push_back(original.front());
    tensors_.back().name = "mtp.norm.weight";
    save();
    EXPECT_EQ(open_model(folder_.path())->logits(fixture.prompt), expected) << front;
  }
  // The inner model alone was compiled, its layers alone were wrapped.
  for (const std::string wrapper :
       {"_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "_forward_module."}) {
    for (const std::string before : {"model.", "model.layers.1."}) {
      tensors_ = original;
      for (TensorView& view : tensors_) {
        if (view.name.starts_with(before)) {
          view.name.insert(before.size(), wrapper);
        }
      }
      save();
      EXPECT_EQ(open_model(folder_.path())->logits(fixture.prompt), expected) << before << wrapper;
    }
  }
}

// A state dict may hold a view, such as the transpose of what lies in the file.
TEST_F(Weights, MayLieInAnyOrder) {
  std::vector<std::vector<float>> turned;
  for (TensorView& view : tensors_) {
    if (view.shape.size() == 2) {
      const auto rows = view.shape[0];
      const auto columns = view.shape[1];
      const auto* data = reinterpret_cast<const float*>(view.data());
      auto& values = turned.emplace_back(rows * columns);
      for (int64_t i = 0; i < rows * columns; ++i) {
        values[(i % columns) * rows + i / columns] = data[i];
      }
      view.storage = std::as_bytes(std::span(values));
      view.storage_offset = 0;
      view.strides = {1, rows};
    }
  }
  save_pytorch(folder_.path() / "pytorch_model.bin", tensors_);
  const Fixture fixture = load_fixture("llama");
  EXPECT_EQ(open_model(folder_.path())->logits(fixture.prompt), open_model(fixture.model)->logits(fixture.prompt));
}

// The name that is the model's own comes first.
TEST_F(Weights, AWeightUnderItsOwnNameIsNotTakenFromAnother) {
  TensorView other = tensor("model.norm.weight");
  const std::vector<float> zeros(32, 0.0F);
  other.storage = std::as_bytes(std::span(zeros));
  other.storage_offset = 0;
  other.name = "module.model.norm.weight";
  tensors_.insert(tensors_.begin(), other);
  save();
  EXPECT_THAT(load_error().what(), HasSubstr("unexpected: module.model.norm.weight [32]"));
}

// `safetensors.torch.save_model` keeps one name of a tied pair, the first in the alphabet: the head's.
TEST_F(Weights, ATiedPairMayBeStoredAsTheHead) {
  const Fixture fixture = load_fixture("smollm2");
  const auto stored = Checkpoint::open(fixture.model);
  tensors_ = stored->tensors();
  ASSERT_EQ(stored->find("lm_head.weight"), nullptr);
  tensor("model.embed_tokens.weight").name = "lm_head.weight";
  fs::copy_file(fixture.model / "config.json", folder_.path() / "config.json", fs::copy_options::overwrite_existing);
  save();
  const auto model = open_model(folder_.path());
  EXPECT_EQ(model->logits(fixture.prompt), open_model(fixture.model)->logits(fixture.prompt));
  EXPECT_EQ(model->info().parameters, fixture.parameters);
}

// transformers 5: what is stored counts, whatever the config says of it.
TEST_F(Weights, ATiedPairThatDiffersIsTwo) {
  save();
  set_config("tie_word_embeddings", true);
  std::vector<std::string> warnings;
  set_log_callback([&](LogLevel level, std::string_view text) {
    if (level == LogLevel::warning) {
      warnings.emplace_back(text);
    }
  });
  const Fixture fixture = load_fixture("llama");
  const auto model = open_model(folder_.path());
  set_log_callback({});
  EXPECT_EQ(model->logits(fixture.prompt), open_model(fixture.model)->logits(fixture.prompt));
  EXPECT_EQ(model->info().parameters, fixture.parameters);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings[0], AllOf(HasSubstr("lm_head.weight"), HasSubstr("model.embed_tokens.weight"),
                                 HasSubstr("tie_word_embeddings")));
}

TEST_F(Weights, ATiedPairThatIsEqualIsOne) {
  TensorView head = tensor("model.embed_tokens.weight");
  head.name = "lm_head.weight";
  tensor("lm_head.weight") = head;
  save();
  const auto apart = open_model(folder_.path());
  set_config("tie_word_embeddings", true);
  const auto tied = open_model(folder_.path());
  const Fixture fixture = load_fixture("llama");
  EXPECT_EQ(tied->logits(fixture.prompt), apart->logits(fixture.prompt));
  EXPECT_EQ(apart->info().parameters - tied->info().parameters, 112 * 32);
}

// transformers loads past these; what a model does need is never among them.
TEST_F(Weights, WhatNoModelNeedsIsLeftOutAndTold) {
  TensorView extra = tensor("model.norm.weight");
  const std::vector<std::string> names{"model.layers.0.self_attn.rotary_emb.inv_freq",
                                       "model.layers.0.self_attn.rotary_emb.original_inv_freq",
                                       "model.layers.0.self_attn.rotary_emb.cos_cached",
                                       "model.layers.0.self_attn.rotary_emb.sin_cached",
                                       "mtp.layers.0.mlp.up_proj.weight",
                                       "model.mtp.norm.weight",
                                       "model.layers.0.self_attn.k_scale",
                                       "model.layers.0.self_attn.attn.v_scale",
                                       "model.causal_mask",
                                       "model.position_ids"};
  for (const auto& name : names) {
    extra.name = name;
    tensors_.push_back(extra);
  }
  save();
  std::vector<std::string> lines;
  set_log_callback([&](LogLevel, std::string_view text) { lines.emplace_back(text); });
  const Fixture fixture = load_fixture("llama");
  const auto model = open_model(folder_.path());
  set_log_callback({});
  EXPECT_EQ(model->logits(fixture.prompt), open_model(fixture.model)->logits(fixture.prompt));
  ASSERT_EQ(lines.size(), 1U) << testing::PrintToString(lines);
  EXPECT_THAT(lines[0], AllOf(HasSubstr("10 tensors"), HasSubstr("rotary_emb.inv_freq"), HasSubstr(", ..."),
                              Not(HasSubstr("k_scale"))));
}

// The masks that older versions saved are known to the families that had them, and to no other.
TEST_F(Weights, MasksAreLeftOutInTheFamiliesThatHadThem) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> masks{
      {"gpt2", {"transformer.h.0.attn.bias", "transformer.h.1.attn.masked_bias"}},
      {"gpt_neox", {"gpt_neox.layers.0.attention.bias", "gpt_neox.layers.1.attention.masked_bias"}}};
  for (const auto& [family, names] : masks) {
    for (const auto& [other, its_names] : masks) {
      const Fixture fixture = load_fixture(family);
      const auto stored = Checkpoint::open(fixture.model);
      tensors_ = stored->tensors();
      for (const auto& name : its_names) {
        tensors_.push_back(stored->tensors().front());
        tensors_.back().name = name;
      }
      fs::copy_file(fixture.model / "config.json", folder_.path() / "config.json",
                    fs::copy_options::overwrite_existing);
      save();
      if (family == other) {
        EXPECT_EQ(open_model(folder_.path())->logits(fixture.prompt),
                  open_model(fixture.model)->logits(fixture.prompt));
      } else {
        EXPECT_THAT(load_error().what(), HasSubstr("unexpected: " + its_names.front())) << family;
      }
    }
  }
}

TEST_F(Weights, IntegersAreNoWeights) {
  tensor("model.norm.weight").dtype = DType::int32;
  save();
  EXPECT_THAT(load_error().what(), HasSubstr("mistyped: model.norm.weight"));
}

TEST_F(Weights, NotANumberIsRefused) {
  std::vector<float> values(32, 1.0F);
  values[5] = std::numeric_limits<float>::quiet_NaN();
  TensorView& norm = tensor("model.norm.weight");
  norm.storage = std::as_bytes(std::span(values));
  norm.storage_offset = 0;
  save();
  // Weights are mapped, not read, while loading: it may show only when the model runs.
  try {
    const auto model = open_model(folder_.path());
    const Fixture fixture = load_fixture("llama");
    (void)model->complete(fixture.prompt, greedy_options(4));
    FAIL() << "it answered";
  } catch (const LMError& error) {
    EXPECT_TRUE(error.kind() == ErrorKind::inference || error.kind() == ErrorKind::format) << error.what();
    EXPECT_THAT(error.what(), HasSubstr("finite"));
  }
}

TEST_F(Weights, UnknownModelTypeListsTheKnownOnes) {
  save();
  set_config("model_type", "mamba9");
  const LMError error = load_error();
  EXPECT_EQ(error.kind(), ErrorKind::unsupported);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("mamba9"), HasSubstr("gpt2"), HasSubstr("llama"), HasSubstr("mistral"),
                                  HasSubstr("qwen2"), HasSubstr("qwen3"), HasSubstr("smollm3")));
}

TEST_F(Weights, UnknownRopeTypeListsTheKnownOnes) {
  save();
  set_config("rope_parameters", {{"rope_type", "other"}, {"rope_theta", 10000.0}});
  const LMError error = load_error();
  EXPECT_EQ(error.kind(), ErrorKind::unsupported);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("other"), HasSubstr("longrope"), HasSubstr("llama3"), HasSubstr("yarn"),
                                  HasSubstr("linear")));
}

TEST_F(Weights, ConfigsThatMakeNoSenseAreRefused) {
  save();
  const auto original = read_json(folder_.path() / "config.json");
  const std::vector<std::pair<std::string, Json>> wrong = {
      {"hidden_size", 0},
      {"hidden_size", -32},
      {"hidden_size", "32"},
      {"num_hidden_layers", 1e18},
      {"num_attention_heads", 0},
      {"num_key_value_heads", 3},
      {"vocab_size", nullptr},
      {"intermediate_size", 1LL << 62},
      {"hidden_act", "mish9"},
      {"head_dim", 7},
      {"rms_norm_eps", "tiny"},
      {"max_position_embeddings", -1},
      {"rope_parameters", {{"rope_type", "linear"}, {"factor", 0.0}}},
  };
  for (const auto& [key, value] : wrong) {
    write_text(folder_.path() / "config.json", original.dump());
    set_config(key, value);
    const LMError error = load_error();
    EXPECT_TRUE(error.kind() == ErrorKind::format || error.kind() == ErrorKind::unsupported)
        << key << ": " << error.what();
    EXPECT_THAT(error.what(), HasSubstr(key == "rope_parameters" ? "factor" : key == "hidden_act" ? "mish9" : key));
  }
}

}  // namespace
}  // namespace dstorch::parity

// Prefixes that are written to a file and read again.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/atomic_file.h"
#include "core/json.h"
#include "dstorch/checkpoint.h"
#include "support/paths.h"
#include "test_models.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::greedy;
using test::load;
using testing::HasSubstr;

fs::path model_of(const std::string& fixture) {
  return test::source_dir() / "tests/parity/fixtures" / fixture / "model";
}

std::vector<int64_t> prompt_of(int64_t count) {
  std::vector<int64_t> prompt(static_cast<std::size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    prompt[static_cast<std::size_t>(i)] = (5 + 11 * i) % 60;
  }
  return prompt;
}

class SavedPrefix : public testing::Test {
 protected:
  SavedPrefix() { fs::create_directories(folder_); }
  ~SavedPrefix() override { fs::remove_all(folder_); }

  /// A copy of a model's directory whose config has `changes`.
  fs::path changed_copy(const std::string& fixture, const Json& changes) const {
    fs::copy(model_of(fixture), folder_ / "copy", fs::copy_options::recursive);
    auto json = read_json(folder_ / "copy/config.json");
    json.update(changes);
    write_file(folder_ / "copy/config.json", json.dump());
    return folder_ / "copy";
  }

  fs::path folder_ = fs::temp_directory_path() / ("dstorch_saved_prefix_" + std::to_string(::getpid()));
  fs::path file_ = folder_ / "prefix.safetensors";
};

// Windows, formats, a prefix that ends within a page, at its end, in the first one.
TEST_F(SavedPrefix, AnotherProcessGoesOnFromIt) {
  const std::vector<std::pair<const char*, std::optional<KvDType>>> kinds = {
      {"llama", {}}, {"qwen2_sliding", {}}, {"mistral", {}}, {"smollm2_bf16", {}}, {"qwen2_sliding", KvDType::q8}};
  for (const auto& [fixture, kv_dtype] : kinds) {
    const auto plain = load({.model_path = model_of(fixture), .kv_dtype = kv_dtype, .prefix_cache = false});
    for (const int64_t length : {10, 64, 100}) {
      const auto prompt = prompt_of(length + 6);
      const auto prefix = std::span(prompt).first(static_cast<std::size_t>(length));
      load({.model_path = model_of(fixture), .kv_dtype = kv_dtype})->save_prefix(file_, prefix);
      const auto model = load({.model_path = model_of(fixture), .kv_dtype = kv_dtype});
      EXPECT_EQ(model->load_prefix(file_), length);
      EXPECT_GT(model->memory().prefixes.pages, 0);
      const auto again = model->complete(prefix, greedy(12));
      EXPECT_EQ(again.usage.cached_tokens, length - 1) << fixture;
      EXPECT_EQ(again.tokens, plain->complete(prefix, greedy(12)).tokens) << fixture;
      const auto longer = load({.model_path = model_of(fixture), .kv_dtype = kv_dtype});
      longer->load_prefix(file_);
      const auto result = longer->complete(prompt, greedy(12));
      EXPECT_EQ(result.usage.cached_tokens, length) << fixture;
      EXPECT_EQ(result.tokens, plain->complete(prompt, greedy(12)).tokens) << fixture;
    }
  }
}

TEST_F(SavedPrefix, WhatIsThereIsNotComputedAndTheFileIsTheSame) {
  const auto model = load({.model_path = model_of("llama")});
  const auto prompt = prompt_of(90);
  model->complete(prompt, greedy(20));
  model->save_prefix(file_, prompt);
  EXPECT_EQ(model->memory().prefixes.tokens_found, 89);
  load({.model_path = model_of("llama")})->save_prefix(folder_ / "second.safetensors", prompt);
  EXPECT_EQ(read_file(file_), read_file(folder_ / "second.safetensors"));
}

TEST_F(SavedPrefix, OfAnotherModelIsRefused) {
  const auto prompt = prompt_of(70);
  load({.model_path = model_of("llama")})->save_prefix(file_, prompt);
  const auto refuses = [&](const TorchModelConfig& config) {
    const auto model = load(config);
    const auto error = error_of([&] { model->load_prefix(file_); });
    EXPECT_EQ(error.kind(), ErrorKind::format);
    EXPECT_THAT(error.what(), HasSubstr("of another model, adapter, device or format"));
    EXPECT_EQ(model->memory()[MemoryKind::kv_cache].bytes, 0);
  };
  refuses({.model_path = model_of("qwen2")});
  refuses({.model_path = model_of("llama"), .kv_dtype = KvDType::bfloat16});
  refuses({.model_path = model_of("llama"), .kv_dtype = KvDType::q8});
  refuses({.model_path = model_of("llama"), .dtype = DType::float64});
  refuses({.model_path = changed_copy("llama", {{"rope_theta", 10001.0}})});
  fs::remove_all(folder_ / "copy");
  // One bit of one weight, the last.
  const auto copy = changed_copy("llama", Json::object());
  auto weights = read_file(copy / "model.safetensors");
  weights.back() = static_cast<char>(weights.back() ^ 1);
  write_file(copy / "model.safetensors", weights);
  refuses({.model_path = copy});
  EXPECT_EQ(load({.model_path = model_of("llama")})->load_prefix(file_), 70);
}

TEST_F(SavedPrefix, AnAdapterIsAPartOfIt) {
  const auto adapters = test::source_dir() / "tests/data/finetune/smollm2";
  const auto prompt = prompt_of(70);
  const auto model = load({.model_path = model_of("smollm2")});
  model->attach_adapter("first", adapters / "adapter");
  model->save_prefix(file_, prompt, "first");
  const auto other = load({.model_path = model_of("smollm2")});
  EXPECT_EQ(error_of([&] { other->load_prefix(file_); }).kind(), ErrorKind::not_found);
  other->attach_adapter("first", adapters / "trained");
  EXPECT_EQ(error_of([&] { other->load_prefix(file_); }).kind(), ErrorKind::format) << "the name alone is not enough";
  other->detach_adapter("first");
  other->attach_adapter("first", adapters / "adapter");
  EXPECT_EQ(other->load_prefix(file_), 70);
  EXPECT_EQ(other->complete(prompt, greedy(4)).usage.cached_tokens, 0) << "without the adapter";
  auto options = greedy(4);
  options.adapter = "first";
  EXPECT_EQ(other->complete(prompt, options).usage.cached_tokens, 69);
}

TEST_F(SavedPrefix, TornFilesAreRefused) {
  const auto model = load({.model_path = model_of("llama")});
  model->save_prefix(file_, prompt_of(70));
  const auto whole = read_file(file_);
  const auto other = load({.model_path = model_of("llama")});
  for (std::size_t i = 0; i < 40; ++i) {
    write_file(file_, whole.substr(0, whole.size() * i / 40));
    const auto kind = error_of([&] { other->load_prefix(file_); }).kind();
    EXPECT_TRUE(kind == ErrorKind::format || kind == ErrorKind::unsupported) << i << ": " << to_string(kind);
  }
  EXPECT_EQ(error_of([&] { other->load_prefix(folder_ / "nothing"); }).kind(), ErrorKind::not_found);
  EXPECT_EQ(error_of([&] { other->load_prefix(model_of("llama") / "model.safetensors"); }).kind(), ErrorKind::format);
  EXPECT_EQ(other->memory()[MemoryKind::kv_cache].bytes, 0);
}

// The right fingerprint before contents that cannot be.
TEST_F(SavedPrefix, HostileFilesAreRefused) {
  const auto model = load({.model_path = model_of("llama")});
  model->save_prefix(file_, prompt_of(70));
  const auto whole = Checkpoint::open(file_, CheckpointAccess::copy);
  const auto refused = [&](auto&& change) {
    auto tensors = whole->tensors();
    change(tensors);
    save_safetensors(folder_ / "hostile", tensors, whole->metadata());
    return error_of([&] { model->load_prefix(folder_ / "hostile"); }).kind();
  };
  const auto find = [](std::vector<TensorView>& tensors, const std::string& name) -> TensorView& {
    return *std::find_if(tensors.begin(), tensors.end(), [&](const auto& view) { return view.name == name; });
  };
  const std::vector<int64_t> many(1000, 5);
  const std::vector<int64_t> wrong(70, -7);
  const auto with_tokens = [&](const std::vector<int64_t>& tokens, int64_t count) {
    return refused([&](auto& tensors) {
      find(tensors, "tokens").storage = std::as_bytes(std::span(tokens));
      find(tensors, "tokens").shape = {count};
    });
  };
  EXPECT_EQ(with_tokens(many, 1000), ErrorKind::format) << "more than the context";
  EXPECT_EQ(with_tokens(many, 0), ErrorKind::format);
  EXPECT_EQ(with_tokens(many, 64), ErrorKind::format) << "another number of pages";
  EXPECT_EQ(with_tokens(wrong, 70), ErrorKind::invalid_argument);
  const auto with_shape = [&](std::vector<int64_t> shape) {
    return refused([&](auto& tensors) {
      auto& pages = find(tensors, "pages.0");
      pages.strides.assign(shape.size(), 1);
      for (auto i = shape.size() - 1; i > 0; --i) {
        pages.strides[i - 1] = pages.strides[i] * shape[i];
      }
      pages.shape = std::move(shape);
    });
  };
  auto shape = whole->find("pages.0")->shape;
  ASSERT_EQ(shape.size(), 6U);
  shape[2] = 1;
  EXPECT_EQ(with_shape(shape), ErrorKind::format);
  shape[2] = 2;
  std::swap(shape[4], shape[5]);
  EXPECT_EQ(with_shape(shape), ErrorKind::format);
  shape.pop_back();
  EXPECT_EQ(with_shape(shape), ErrorKind::format);
  EXPECT_EQ(refused([&](auto& tensors) { find(tensors, "pages.0").dtype = DType::int32; }), ErrorKind::format);
  EXPECT_EQ(refused([&](auto& tensors) { find(tensors, "pages.0").name = "pages.1"; }), ErrorKind::format);
}

TEST_F(SavedPrefix, NeedsACacheAndRoom) {
  const auto prompt = prompt_of(100);
  load({.model_path = model_of("llama")})->save_prefix(file_, prompt);
  const auto off = load({.model_path = model_of("llama"), .prefix_cache = false});
  EXPECT_EQ(error_of([&] { off->load_prefix(file_); }).kind(), ErrorKind::unsupported);
  EXPECT_EQ(error_of([&] { off->save_prefix(file_, prompt); }).kind(), ErrorKind::unsupported);
  const auto page = plan_memory({.model_path = model_of("llama")}, {.context = 64})[MemoryKind::kv_cache];
  const auto small = load({.model_path = model_of("llama"), .kv_memory = page});
  EXPECT_EQ(error_of([&] { small->load_prefix(file_); }).kind(), ErrorKind::out_of_memory);
  EXPECT_EQ(small->memory()[MemoryKind::kv_cache].bytes, 0);
  auto closed = load({.model_path = model_of("llama")});
  closed->cleanup();
  EXPECT_EQ(error_of([&] { closed->load_prefix(file_); }).kind(), ErrorKind::not_initialized);
}

}  // namespace
}  // namespace dstorch

#include "dstorch/memory.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include "core/json.h"
#include "driver/test_models.h"
#include "dstorch/error.h"
#include "dstorch/torch_model.h"
#include "support/paths.h"
#include "support/resident.h"

namespace dstorch {
namespace {

using test::greedy;
using test::load;

const std::filesystem::path kFixtures = test::source_dir() / "tests/parity/fixtures";
const std::filesystem::path kLlama = kFixtures / "llama/model";
const std::vector<int64_t> kPrompt{3, 1, 4, 1, 5, 9, 2, 6};

TEST(ModelMemory, WeightsInTheFileAndWeightsThatWereCopied) {
  const auto mapped = load({.model_path = kLlama});
  const auto weights = mapped->info().weight_bytes;
  EXPECT_EQ(mapped->memory()[MemoryKind::weights].bytes, weights);
  EXPECT_EQ(mapped->memory().mapped.bytes, weights) << "the fixture's tensors are aligned: none is copied";
  EXPECT_EQ(mapped->memory().total.bytes, weights);

  const auto copied = load({.model_path = kLlama, .dtype = DType::bfloat16});
  EXPECT_EQ(copied->info().weight_bytes, weights / 2);
  EXPECT_EQ(copied->memory()[MemoryKind::weights].bytes, weights / 2);
  EXPECT_EQ(copied->memory().mapped.bytes, 0);
}

TEST(ModelMemory, Gpt2CopiesWhatItTransposes) {
  const auto model = load({.model_path = kFixtures / "gpt2/model"});
  const auto memory = model->memory();
  EXPECT_EQ(memory[MemoryKind::weights].bytes, model->info().weight_bytes);
  EXPECT_GT(memory.mapped.bytes, 0);
  EXPECT_LT(memory.mapped.bytes, model->info().weight_bytes);
}

TEST(ModelMemory, EveryModelCountsItsWeights) {
  const auto plain = load({.architecture = Architecture{4, 8, 3, 2}});
  EXPECT_EQ(plain->memory()[MemoryKind::weights].bytes, 4 * (4 * 8 + 8 + 8 * 8 + 8 + 8 * 3 + 3));
  plain->generate("abcd");
  EXPECT_GT(plain->memory()[MemoryKind::activations].peak, 0);
  EXPECT_EQ(plain->memory()[MemoryKind::activations].bytes, 0);
  const auto state_dict = load({.model_path = kFixtures / "simple/three_layers.pth"});
  EXPECT_EQ(state_dict->memory()[MemoryKind::weights].bytes, state_dict->info().weight_bytes);
  const auto scripted = load({.model_path = kFixtures / "torchscript/network.pt", .allow_scripts = true});
  EXPECT_GE(scripted->memory()[MemoryKind::weights].bytes, scripted->info().weight_bytes);
}

TEST(ModelMemory, PagesAreThereAsLongAsTheCall) {
  const auto model = load({.model_path = kLlama, .prefix_cache = false});
  model->complete(kPrompt, greedy(8));
  const auto config = model->info();
  const auto memory = model->memory();
  EXPECT_EQ(memory[MemoryKind::kv_cache].bytes, 0);
  // Keys and values, float32, of every layer: 8 + 8 positions are one page of 64.
  const auto heads = read_json(kLlama / "config.json");
  const auto head_dim = config.hidden_size / heads["num_attention_heads"].get<int64_t>();
  const auto page = 2 * config.num_layers * heads["num_key_value_heads"].get<int64_t>() * 64 * head_dim * 4;
  EXPECT_EQ(memory[MemoryKind::kv_cache].peak, page);
  EXPECT_EQ(memory[MemoryKind::activations].bytes, 0);
  EXPECT_GT(memory[MemoryKind::activations].peak, 0);
  EXPECT_LE(memory.total.peak, memory[MemoryKind::weights].peak + memory[MemoryKind::kv_cache].peak +
                                   memory[MemoryKind::activations].peak + memory[MemoryKind::other].peak);
  const auto twice = load({.model_path = kLlama});
  twice->complete(kPrompt, greedy(58));  // the last token made goes through no more
  EXPECT_EQ(twice->memory()[MemoryKind::kv_cache].peak, 2 * page);
  const auto narrow = load({.model_path = kLlama, .kv_dtype = KvDType::bfloat16});
  narrow->complete(kPrompt, greedy(8));
  EXPECT_EQ(narrow->memory()[MemoryKind::kv_cache].peak, page / 2);
}

TEST(ModelMemory, TwoModelsCountApart) {
  const auto first = load({.model_path = kLlama});
  const auto before = memory_use();
  const auto second = load({.model_path = kLlama, .dtype = DType::float64});
  second->complete(kPrompt, greedy(4));
  EXPECT_EQ(first->memory().total.bytes, first->info().weight_bytes);
  EXPECT_EQ(memory_use()[MemoryKind::weights].bytes - before[MemoryKind::weights].bytes, second->info().weight_bytes);
}

TEST(ModelMemory, CleanupReturnsItAll) {
  const auto process_before = memory_use();
  const auto model = load({.model_path = kLlama, .dtype = DType::bfloat16});
  model->complete(kPrompt, greedy(8));
  model->logits(kPrompt);
  EXPECT_GT(model->memory().total.bytes, 0);
  model->cleanup();
  const auto memory = model->memory();
  EXPECT_EQ(memory.total.bytes, 0);
  EXPECT_GT(memory.total.peak, 0);
  for (std::size_t kind = 0; kind < kMemoryKinds; ++kind) {
    EXPECT_EQ(memory.kinds[kind].bytes, 0) << to_string(static_cast<MemoryKind>(kind));
    EXPECT_EQ(memory_use().kinds[kind].bytes, process_before.kinds[kind].bytes);
  }
  model->init();
  EXPECT_EQ(model->memory()[MemoryKind::weights].bytes, model->info().weight_bytes);
}

TEST(ModelMemory, TenThousandGenerationsGrowNothing) {
  const auto model = load({.model_path = kLlama, .threads = 1});
  const std::vector<int64_t> prompt{1, 2, 3};
  const auto options = greedy(2);
  const auto generate = [&](int times) {
    for (int i = 0; i < times; ++i) {
      model->complete(prompt, options);
    }
  };
  generate(500);
  const auto before = model->memory();
  const auto process_before = memory_use();
  ::malloc_trim(0);
  const auto resident_before = test::resident_bytes();
  generate(10'000);
  const auto after = model->memory();
  for (std::size_t kind = 0; kind < kMemoryKinds; ++kind) {
    EXPECT_EQ(after.kinds[kind].bytes, before.kinds[kind].bytes);
    EXPECT_EQ(after.kinds[kind].peak, before.kinds[kind].peak);
    EXPECT_EQ(memory_use().kinds[kind].bytes, process_before.kinds[kind].bytes);
  }
  // A block of 100 bytes lost in each would be a megabyte.
  if (!test::kFreedMemoryIsKept) {
    ::malloc_trim(0);
    EXPECT_LT(test::resident_bytes() - resident_before, 1'000'000);
  }
}

}  // namespace
}  // namespace dstorch

// Answers that another model guesses ahead.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/atomic_file.h"
#include "core/json.h"
#include "driver/test_models.h"
#include "support/paths.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::load;
using testing::AllOf;
using testing::HasSubstr;

fs::path model_of(const std::string& fixture) {
  return test::source_dir() / "tests/parity/fixtures" / fixture / "model";
}

GenerationOptions asked(Speculation speculation) {
  GenerationOptions options;
  options.max_tokens = 24;
  options.temperature = 0.3;
  options.seed = 4;
  options.ignore_eos = true;
  options.speculation = speculation;
  return options;
}

TEST(DraftModel, ChangesWhenAnAnswerComesAndNothingOfIt) {
  const auto plain = load({.model_path = model_of("text")});
  const auto guessed = load({.model_path = model_of("text"), .draft_model_path = model_of("text")});
  const auto want = plain->complete("The quick brown fox", asked(Speculation::off));
  const auto got = guessed->complete("The quick brown fox", asked(Speculation::draft_model));
  EXPECT_EQ(got.text, want.text);
  EXPECT_EQ(got.tokens, want.tokens);
  EXPECT_GT(got.timings.accepted_tokens, 0);
  // Its weights and its pages are counted.
  EXPECT_EQ(guessed->memory()[MemoryKind::weights].bytes, 2 * plain->memory()[MemoryKind::weights].bytes);
  EXPECT_GT(guessed->memory()[MemoryKind::kv_cache].peak, plain->memory()[MemoryKind::kv_cache].peak);
  guessed->cleanup();
  EXPECT_EQ(guessed->memory().total.bytes, 0);
}

TEST(DraftModel, OneOfAnotherVocabularyIsRefused) {
  const auto error = error_of([] { load({.model_path = model_of("text"), .draft_model_path = model_of("llama")}); });
  EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
  EXPECT_THAT(error.what(), HasSubstr("must have the model's vocabulary of"));
}

/// As many tokens, two of which are exchanged.
TEST(DraftModel, OneOfOtherTokensIsRefused) {
  const auto folder = fs::temp_directory_path() / ("dstorch_draft_model_" + std::to_string(::getpid()));
  fs::copy(model_of("text"), folder, fs::copy_options::recursive);
  auto json = read_json(folder / "tokenizer.json");
  auto& vocab = json["model"]["vocab"];
  std::vector<std::string> names;
  for (const auto& [name, id] : vocab.items()) {
    names.push_back(name);
  }
  std::swap(vocab[names[20]], vocab[names[21]]);
  write_file(folder / "tokenizer.json", json.dump());
  const auto error = error_of([&] { load({.model_path = model_of("text"), .draft_model_path = folder}); });
  fs::remove_all(folder);
  EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("its token"), HasSubstr("instead of")));
}

TEST(DraftModel, IsForWhatSpeculationIsFor) {
  const auto kind_of = [](const TorchModelConfig& config) { return error_of([&] { load(config); }).kind(); };
  EXPECT_EQ(kind_of({.model_path = model_of("text"), .dtype = DType::float64, .draft_model_path = model_of("text")}),
            ErrorKind::unsupported);
  EXPECT_EQ(kind_of({.architecture = Architecture{1, 2, 3}, .draft_model_path = model_of("text")}),
            ErrorKind::unsupported);
  EXPECT_EQ(kind_of({.model_path = model_of("text"), .draft_model_path = "/nowhere"}), ErrorKind::not_found);
  const auto archive = test::source_dir() / "tests/parity/fixtures/torchscript/lm.pt";
  EXPECT_EQ(kind_of({.model_path = model_of("text"), .draft_model_path = archive}), ErrorKind::invalid_argument);
  const auto model = load({.model_path = model_of("text")});
  const auto error = error_of([&] { model->complete("a", asked(Speculation::draft_model)); });
  EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
  EXPECT_THAT(error.what(), HasSubstr("draft_model_path"));
}

}  // namespace
}  // namespace dstorch

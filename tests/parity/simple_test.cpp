// torch.nn.Sequential state dicts and TorchScript archives against PyTorch.
#include <gtest/gtest.h>

#include <sstream>

#include "parity/fixture.h"
#include "support/tolerances.h"

namespace dstorch::parity {
namespace {

using test::Compared;

struct SimpleCase {
  std::string file;
  Architecture architecture;
  Json cases;
};

std::vector<SimpleCase> simple_cases() {
  std::vector<SimpleCase> all;
  for (const Json& json : read_json(fixtures_path() / "simple/simple.json")) {
    const auto sizes = json["architecture"].get<std::vector<int64_t>>();
    all.push_back({json["file"].get<std::string>(), {sizes[0], sizes[1], sizes[2], sizes[3]}, json["cases"]});
  }
  return all;
}

struct Output {
  std::string shape;
  std::vector<float> values;
};

// "Torch model output (shape: 1x10, values: v0, v1, ...)"
Output parse_output(const std::string& text) {
  const std::string head = "Torch model output (shape: ";
  const std::string middle = ", values: ";
  const auto split = text.find(middle);
  Output output;
  if (!text.starts_with(head) || split == std::string::npos || !text.ends_with(")")) {
    ADD_FAILURE() << "not the words of a plain model: " << text;
    return output;
  }
  output.shape = text.substr(head.size(), split - head.size());
  std::istringstream values(text.substr(split + middle.size(), text.size() - split - middle.size() - 1));
  for (std::string value; std::getline(values, value, ',');) {
    output.values.push_back(std::stof(value));
  }
  return output;
}

// `digits`: the text shows each value rounded.
void expect_outputs(TorchModel& model, const Json& cases, int64_t output_size) {
  for (const Json& one : cases) {
    const auto prompt = one["prompt"].get<std::string>();
    const Output output = parse_output(model.generate(prompt));
    EXPECT_EQ(output.shape, "1x" + std::to_string(output_size));
    const auto expected = one["output"].get<std::vector<float>>();
    EXPECT_LE(largest_difference(output.values, expected), test::tolerance(Compared::logits_of_plain)) << prompt;
    EXPECT_LE(largest_difference(model.logits(prompt), expected), test::tolerance(Compared::logits_of_plain)) << prompt;
  }
}

class Simple : public ::testing::TestWithParam<SimpleCase> {};

TEST_P(Simple, ComputesWhatPyTorchComputes) {
  const auto model = open_model(fixtures_path() / "simple" / GetParam().file);
  const ModelInfo info = model->info();
  EXPECT_EQ(info.model_type, "simple_transformer");
  const auto [input, hidden, output, layers] = GetParam().architecture;
  EXPECT_EQ(info.parameters, (input + 1) * hidden + (layers - 1) * (hidden + 1) * hidden + (hidden + 1) * output);
  EXPECT_EQ(info.vocab_size, 0);
  EXPECT_EQ(info.hidden_size, hidden);
  EXPECT_EQ(info.num_layers, layers);
  expect_outputs(*model, GetParam().cases, output);
}

// The sizes may be said as well; they must then be the file's.
TEST_P(Simple, TakesTheArchitectureThatIsInTheFile) {
  TorchModelConfig config;
  config.model_path = fixtures_path() / "simple" / GetParam().file;
  config.architecture = GetParam().architecture;
  TorchModel model(config);
  model.init();
  expect_outputs(model, GetParam().cases, GetParam().architecture.output_size);

  config.architecture->hidden_size += 1;
  TorchModel other(config);
  EXPECT_THROW(other.init(), LMError);
}

INSTANTIATE_TEST_SUITE_P(Files, Simple, ::testing::ValuesIn(simple_cases()),
                         [](const auto& one) { return one.param.file.substr(0, one.param.file.find('.')); });

// Linear layers under any names, of any widths, with or without biases, in the order of the file.
TEST(Stacks, ComputeWhatPyTorchComputes) {
  for (const Json& json : read_json(fixtures_path() / "stacks/stacks.json")) {
    const auto file = json["file"].get<std::string>();
    SCOPED_TRACE(file);
    const auto model = open_model(fixtures_path() / "stacks" / file);
    EXPECT_EQ(model->info().model_type, "simple_transformer");
    EXPECT_EQ(model->info().parameters, json["parameters"].get<int64_t>());
    expect_outputs(*model, json["cases"], json["outputs"].get<int64_t>());
    TorchModelConfig config;
    config.model_path = fixtures_path() / "stacks" / file;
    EXPECT_EQ(plan_memory(config)[MemoryKind::weights], 4 * json["parameters"].get<int64_t>());
  }
}

TEST(TorchScript, NetworkComputesWhatPyTorchComputes) {
  const Json json = read_json(fixtures_path() / "torchscript/torchscript.json")["network"];
  const auto model = open_model(fixtures_path() / "torchscript/network.pt");
  EXPECT_EQ(model->info().model_type, "torchscript");
  EXPECT_EQ(model->info().parameters, 6 * 10 + 10 + 10 * 10 + 10 + 10 * 4 + 4);
  expect_outputs(*model, json["cases"], json["output_size"].get<int64_t>());
}

TEST(TorchScript, LanguageModelSaysWhatPyTorchSays) {
  const Json json = read_json(fixtures_path() / "torchscript/torchscript.json")["lm"];
  const auto model = open_model(fixtures_path() / "torchscript/lm.pt");
  const auto prompt = json["prompt"].get<std::vector<int64_t>>();
  const auto lengths = json["lengths"].get<std::vector<std::size_t>>();
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const auto logits = model->logits(std::span(prompt).first(lengths[i]));
    EXPECT_LE(largest_difference(logits, json["logits"][i].get<std::vector<float>>()),
              test::tolerance(Compared::logits_of_plain))
        << lengths[i];
  }
  const auto greedy = json["greedy"].get<std::vector<int64_t>>();
  EXPECT_EQ(model->complete(prompt, greedy_options(static_cast<int64_t>(greedy.size()))).tokens, greedy);
}

}  // namespace
}  // namespace dstorch::parity

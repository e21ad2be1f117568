// What keys and values of 8 bits cost and bring, beside those of the model's own format: how far the model's
// predictions change late in a long text, the bytes, and the speed of generation behind it. Runs of the two formats
// alternate.
//   bench_kv_dtype MODEL TEXT_FILE [TOKENS]
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/mapped_file.h"
#include "dstorch/dstorch.h"
#include "median.h"

namespace {

using namespace dstorch;

constexpr int64_t kMade = 64;  // tokens, in a measurement of speed
constexpr int kRounds = 5;

std::vector<double> log_softmax(const std::vector<float>& logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const double logit : logits) {
    sum += std::exp(logit - most);
  }
  std::vector<double> result;
  for (const double logit : logits) {
    result.push_back(logit - most - std::log(sum));
  }
  return result;
}

std::unique_ptr<TorchModel> open(const char* path, std::optional<KvDType> kv_dtype) {
  auto model = std::make_unique<TorchModel>(TorchModelConfig{.model_path = path, .kv_dtype = kv_dtype});
  model->init();
  return model;
}

/// Each prediction of the last quarter of the text, of which all but a token is found from the one before.
void compare_predictions(TorchModel& plain, TorchModel& narrow, std::span<const int64_t> tokens) {
  double divergence = 0, nll = 0, narrow_nll = 0, worst = 0;
  int64_t same = 0, count = 0;
  for (auto length = tokens.size() * 3 / 4; length < tokens.size(); ++length, ++count) {
    const auto p = log_softmax(plain.logits(tokens.first(length)));
    const auto q = log_softmax(narrow.logits(tokens.first(length)));
    double here = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      here += std::exp(p[i]) * (p[i] - q[i]);
    }
    divergence += here;
    worst = std::max(worst, here);
    const auto next = static_cast<std::size_t>(tokens[length]);
    nll -= p[next];
    narrow_nll -= q[next];
    same += std::max_element(p.begin(), p.end()) - p.begin() == std::max_element(q.begin(), q.end()) - q.begin();
  }
  const auto all = static_cast<double>(count);
  fmt::print(
      "{} predictions: perplexity {:.4f}, with q8 {:.4f}; divergence {:.2e} nats in the mean, {:.2e} at most; the "
      "likeliest token is the same in {:.2f} %\n",
      count, std::exp(nll / all), std::exp(narrow_nll / all), divergence / all, worst,
      100 * static_cast<double>(same) / all);
}

double generated_per_second(TorchModel& model, std::span<const int64_t> tokens) {
  GenerationOptions options;
  options.temperature = 0;
  options.max_tokens = kMade;
  options.ignore_eos = true;
  options.speculation = Speculation::off;
  const auto result = model.complete(tokens, options);
  return static_cast<double>(result.tokens.size() - 1) / result.timings.generation_seconds;
}

void run(const char* path, const char* text, int64_t count) {
  const auto plain = open(path, {});
  const auto narrow = open(path, KvDType::q8);
  const auto file = MappedFile::open(text);
  auto tokens = plain->tokenizer()->encode({reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()});
  tokens.resize(std::min(tokens.size(), static_cast<std::size_t>(count)));
  compare_predictions(*plain, *narrow, tokens);
  const auto bytes = [](const TorchModel& model) { return model.memory()[MemoryKind::kv_cache].bytes; };
  fmt::print("keys and values: {} bytes, with q8 {}\n", bytes(*plain), bytes(*narrow));
  std::vector<double> ratios, speeds;
  for (int round = 0; round < kRounds; ++round) {
    speeds.push_back(generated_per_second(*plain, tokens));
    ratios.push_back(generated_per_second(*narrow, tokens) / speeds.back());
  }
  fmt::print("behind {} tokens: {:.0f} tokens/s, with q8 {:.3f} times that\n", tokens.size(), median(speeds),
             median(ratios));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: bench_kv_dtype MODEL TEXT_FILE [TOKENS]\n");
    return 2;
  }
  try {
    run(argv[1], argv[2], argc > 3 ? std::stoll(argv[3]) : 4000);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
  return 0;
}

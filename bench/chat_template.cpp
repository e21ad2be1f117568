// A conversation of 20 turns with tools through a chat template: DSTORCH_BENCH_TEMPLATE names one, else each of the
// tests' is taken. The time is that of the call as programs make it, from messages to the prompt.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "dstorch/chat.h"
#include "dstorch/error.h"

namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<dstorch::Message> conversation(int turns) {
  std::vector<dstorch::Message> messages = {{.role = "system", .content = "You answer in few words."}};
  for (int i = 0; i < turns; i += 2) {
    messages.push_back({.role = "user",
                        .content = "Question " + std::to_string(i) + ": how does one thing lead to another, and why?"});
    if (i + 1 < turns) {
      messages.push_back({.role = "assistant",
                          .content = "Answer " + std::to_string(i) + ". It does, because of what lies between the two.",
                          .reasoning = "Something must be said about both."});
    }
  }
  messages.push_back({.role = "user", .content = "Go on."});
  return messages;
}

void render(benchmark::State& state, const fs::path& path) {
  const auto chat_template =
      dstorch::ChatTemplate::from_source(read(path), R"({"bos_token": "<s>", "eos_token": "</s>"})");
  const auto messages = conversation(static_cast<int>(state.range(0)));
  dstorch::ChatTemplateOptions options;
  options.tools = dstorch::parse_tools(R"([{"type": "function", "function": {"name": "get_weather",
      "description": "The weather of a place.", "parameters": {"type": "object", "properties": {"city": {"type": "string"},
      "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}}, "required": ["city"]}}}])");
  try {
    std::size_t bytes = 0;
    for (auto _ : state) {
      bytes = chat_template->render(messages, options).size();
      benchmark::DoNotOptimize(bytes);
    }
    state.counters["bytes"] = static_cast<double>(bytes);
  } catch (const dstorch::LMError& e) {
    state.SkipWithError(e.what());
  }
}

void compile(benchmark::State& state, const fs::path& path) {
  const std::string source = read(path);
  for (auto _ : state) {
    benchmark::DoNotOptimize(dstorch::ChatTemplate::from_source(source));
  }
}

const int kRegistered = [] {
  std::vector<fs::path> paths;
  if (const char* path = std::getenv("DSTORCH_BENCH_TEMPLATE")) {
    paths.emplace_back(path);
  } else {
    for (const auto& entry : fs::directory_iterator(fs::path(DSTORCH_SOURCE_DIR) / "tests/text/data/chat")) {
      if (entry.path().extension() == ".jinja") {
        paths.push_back(entry.path());
      }
    }
  }
  for (const fs::path& path : paths) {
    const std::string name = path.stem().string();
    benchmark::RegisterBenchmark(("render/" + name).c_str(), render, path)
        ->Arg(20)
        ->Arg(1000)
        ->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark(("compile/" + name).c_str(), compile, path)->Unit(benchmark::kMicrosecond);
  }
  return 0;
}();

}  // namespace

#include "report.h"

#include <fmt/core.h>

#include <string>

#include "dstorch/chat.h"

namespace dstorch::cli {

nlohmann::ordered_json to_json(const GenerationResult& result) {
  nlohmann::ordered_json json;
  json["text"] = result.text;
  json["tokens"] = result.tokens;
  json["finish_reason"] = to_string(result.finish_reason);
  if (result.stop_sequence) {
    json["stop_sequence"] = *result.stop_sequence;
  }
  json["usage"] = {{"prompt_tokens", result.usage.prompt_tokens},
                   {"cached_tokens", result.usage.cached_tokens},
                   {"completion_tokens", result.usage.completion_tokens}};
  json["seed"] = result.seed;
  for (const auto& record : result.logprobs) {
    nlohmann::ordered_json top = nlohmann::ordered_json::array();
    for (const auto& [token, logprob] : record.top) {
      top.push_back({{"token", token}, {"logprob", logprob}});
    }
    json["logprobs"].push_back({{"token", record.token}, {"logprob", record.logprob}, {"top", top}});
  }
  json["timings"] = {{"prompt_seconds", result.timings.prompt_seconds},
                     {"generation_seconds", result.timings.generation_seconds},
                     {"drafted_tokens", result.timings.drafted_tokens},
                     {"accepted_tokens", result.timings.accepted_tokens}};
  return json;
}

nlohmann::ordered_json to_json(const ChatResult& result) {
  const auto message = nlohmann::ordered_json::parse(to_json(std::span(&result.message, 1)))[0];
  nlohmann::ordered_json json;
  json["content"] = message["content"];
  json["reasoning"] = result.message.reasoning;
  json["tool_calls"] = message.value("tool_calls", nlohmann::ordered_json::array());
  json.update(to_json(result.generation));
  return json;
}

std::string speed_of(const GenerationResult& result) {
  if (result.usage.completion_tokens < 2) {
    return {};
  }
  // The first token belongs to the prompt.
  const auto speed = static_cast<double>(result.usage.completion_tokens - 1) / result.timings.generation_seconds;
  return fmt::format("{} tokens, {:.1f} tokens/s; prompt of {} read in {:.2f} s", result.usage.completion_tokens, speed,
                     result.usage.prompt_tokens, result.timings.prompt_seconds);
}

}  // namespace dstorch::cli

#include "train/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "core/atomic_file.h"
#include "core/json.h"
#include "core/system_message.h"
#include "core/throw.h"

namespace dstorch::training {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLines = "metrics.jsonl";
constexpr std::chrono::seconds kBetweenPictures{5};

std::optional<double> number(const Json& line, const char* key) {
  const auto it = line.find(key);
  return it != line.end() && it->is_number() ? std::optional(it->get<double>()) : std::nullopt;
}

std::string line_of(const TrainingStep& step) {
  OrderedJson json;
  json["step"] = step.step;
  if (step.step > 0) {
    json["loss"] = step.loss;
    json["learning_rate"] = step.learning_rate;
    json["grad_norm"] = step.grad_norm;
    json["tokens_per_second"] = step.tokens_per_second;
  }
  if (step.held_out_loss) {
    json["held_out_loss"] = *step.held_out_loss;
  }
  if (step.held_out_bits_per_byte) {
    json["held_out_bits_per_byte"] = *step.held_out_bits_per_byte;
  }
  if (step.held_out_right) {
    json["held_out_right"] = *step.held_out_right;
  }
  return json.dump() + "\n";
}

/// One write of the whole line, so that a process that is killed leaves it out or in.
void append(const fs::path& path, const std::string& line) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  require(fd >= 0, ErrorKind::io, "cannot write {}: {}", path.string(), system_message(errno));
  const auto written = ::write(fd, line.data(), line.size());
  const int error = errno;
  ::close(fd);
  require(written == static_cast<ssize_t>(line.size()), ErrorKind::io, "cannot write {}: {}", path.string(),
          written < 0 ? system_message(error) : "the disk is full");
}

}  // namespace

void Metrics::resume(int64_t step) {
  entries_.clear();
  const auto path = directory_ / kLines;
  if (!fs::exists(path)) {
    return;
  }
  const auto text = read_file(path);
  std::string kept;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = text.find('\n', begin);
    const auto line = text.substr(begin, end - begin);
    begin = end == std::string::npos ? text.size() : end + 1;
    const auto json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    const bool whole =
        json.is_object() && json.contains("step") && json["step"].is_number_integer() && end != std::string::npos;
    if (!whole || json["step"].get<int64_t>() > step) {
      continue;
    }
    entries_.push_back({json["step"].get<int64_t>(), number(json, "loss"), number(json, "held_out_loss"),
                        number(json, "held_out_right")});
    kept += line + "\n";
  }
  if (kept != text) {
    write_file(path, kept);
  }
}

void Metrics::add(const TrainingStep& step) {
  append(directory_ / kLines, line_of(step));
  entries_.push_back(
      {step.step, step.step > 0 ? std::optional(step.loss) : std::nullopt, step.held_out_loss, step.held_out_right});
  if (std::chrono::steady_clock::now() - drawn_ >= kBetweenPictures) {
    draw();
  }
}

void Metrics::draw() {
  write_file(directory_ / "loss.svg", draw_losses(entries_));
  drawn_ = std::chrono::steady_clock::now();
}

}  // namespace dstorch::training

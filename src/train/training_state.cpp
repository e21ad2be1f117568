#include "train/training_state.h"

#include <charconv>
#include <cstring>

#include "core/throw.h"
#include "device/memory_account.h"
#include "dstorch/checkpoint.h"
#include "io/crc32.h"
#include "train/tensor_views.h"

namespace dstorch::training {
namespace {

constexpr const char* kFormat = "dstorch training state 2";
constexpr const char* kWeight = "weight:";
constexpr const char* kFirstMoment = "exp_avg:";
constexpr const char* kBest = "best:";
constexpr const char* kSecondMoment = "exp_avg_sq:";
/// A tensor, because only what comes last can tell of all that comes before it.
constexpr const char* kChecksum = "checksum";

const std::string& value_of(const std::map<std::string, std::string>& metadata, const std::string& key,
                            const std::filesystem::path& path) {
  const auto it = metadata.find(key);
  require(it != metadata.end(), ErrorKind::format, "{} must have \"{}\" in its metadata", path.string(), key);
  return it->second;
}

template <typename T>
T number_of(const std::map<std::string, std::string>& metadata, const std::string& key,
            const std::filesystem::path& path) {
  const auto& text = value_of(metadata, key, path);
  T value{};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  require(result.ec == std::errc() && result.ptr == text.data() + text.size(), ErrorKind::format,
          "{}: \"{}\" must be a number, it is \"{}\"", path.string(), key, text.substr(0, 40));
  return value;
}

void require_same_run(const std::map<std::string, std::string>& metadata, const RunIdentity& identity,
                      const std::filesystem::path& path) {
  std::string differences;
  for (const auto& [key, wanted] : identity) {
    const auto it = metadata.find(key);
    const auto saved = it == metadata.end() ? std::string("none") : it->second;
    if (saved != wanted) {
      differences += fmt::format("{}{} was {} and is {}", differences.empty() ? "" : "; ", key, saved, wanted);
    }
  }
  require(differences.empty(), ErrorKind::invalid_argument,
          "{} is the state of another run: {}. Train into another directory, or start anew over it (overwrite, "
          "--overwrite)",
          path.string(), differences);
}

const TensorView& find_view(const Checkpoint& file, const std::string& name, const std::filesystem::path& path) {
  const auto* view = file.find(name);
  require(view != nullptr, ErrorKind::format, "{} must have the tensor {}", path.string(), name);
  return *view;
}

uint32_t checksum_of(const std::map<std::string, std::string>& metadata) {
  std::string text;
  for (const auto& [key, value] : metadata) {
    text += fmt::format("{}={}\n", key, value);
  }
  return crc32(std::as_bytes(std::span(text)));
}

/// Lets each of `tensors` go through a checksum as it is written, and adds that at the end.
void add_checksum(std::vector<DeferredTensor>& tensors, const std::map<std::string, std::string>& metadata) {
  const auto sum = std::make_shared<uint32_t>(checksum_of(metadata));
  for (auto& tensor : tensors) {
    tensor.read = [sum, read = std::move(tensor.read)](const auto& write) {
      read([&](const TensorView& view) {
        *sum = crc32({view.data(), view.bytes()}, *sum);
        write(view);
      });
    };
  }
  const auto size = static_cast<int64_t>(sizeof(uint32_t));
  tensors.push_back({kChecksum, DType::uint8, {size}, [sum, size](const auto& write) {
                       TensorView view;
                       view.dtype = DType::uint8;
                       view.shape = {size};
                       view.strides = {1};
                       view.storage = std::as_bytes(std::span(sum.get(), 1));
                       write(view);
                     }});
}

/// A whole safetensors file need not be a whole state: after a crash of the machine, say, blocks may be missing inside.
void require_whole(const Checkpoint& file, const std::filesystem::path& path) {
  const auto& saved = find_view(file, kChecksum, path);
  auto sum = checksum_of(file.metadata());
  for (const auto& view : file.tensors()) {  // in the order they were written
    if (view.name != kChecksum) {
      sum = crc32({view.data(), view.bytes()}, sum);
    }
  }
  require(saved.bytes() == sizeof(sum) && std::memcmp(saved.data(), &sum, sizeof(sum)) == 0, ErrorKind::format,
          "{} is damaged: its checksum is not that of its content. Put a good copy in its place, or start anew over "
          "it (overwrite, --overwrite)",
          path.string());
}

std::shared_ptr<const Checkpoint> open_state(const std::filesystem::path& path, const RunIdentity& identity) {
  auto file = Checkpoint::open(path);
  const auto& metadata = file->metadata();
  const auto format = metadata.find("format");
  require(format != metadata.end() && format->second == kFormat, ErrorKind::format, "{} must be a {}", path.string(),
          kFormat);
  require_same_run(metadata, identity, path);
  require_whole(*file, path);
  return file;
}

}  // namespace

bool is_training_state_of(const std::filesystem::path& path, const RunIdentity& identity) {
  try {
    open_state(path, identity);
    return true;
  } catch (const LMError&) {
    return false;
  }
}

void save_training_state(const std::filesystem::path& path, const Parameters& parameters, const Optimizer& optimizer,
                         const RunProgress& progress, const RunIdentity& identity,
                         const std::vector<at::Tensor>& best) {
  std::vector<DeferredTensor> tensors;
  const auto add = [&](std::string name, const at::Tensor& tensor) {
    tensors.push_back(to_be_saved(std::move(name), tensor, tensor.scalar_type()));
  };
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& [name, parameter] = parameters[i];
    add(kWeight + name, parameter);
    if (const auto* moments = optimizer.moments(i)) {
      add(kFirstMoment + name, moments->exp_avg());
      add(kSecondMoment + name, moments->exp_avg_sq());
    }
    if (!best.empty()) {
      add(kBest + name, best[i]);
    }
  }
  std::map<std::string, std::string> metadata(identity.begin(), identity.end());
  metadata["format"] = kFormat;
  metadata["step"] = std::to_string(progress.step);
  metadata["loss"] = fmt::format("{}", progress.loss);
  if (progress.best_loss) {
    metadata["best_loss"] = fmt::format("{}", *progress.best_loss);
    metadata["worse"] = std::to_string(progress.worse);
    metadata["stopped"] = progress.stopped ? "1" : "0";
  }
  add_checksum(tensors, metadata);
  save_deferred_safetensors(path, tensors, metadata);
}

RunProgress load_training_state(const std::filesystem::path& path, const Parameters& parameters, Optimizer& optimizer,
                                const RunIdentity& identity, std::vector<at::Tensor>* best) {
  const auto file = open_state(path, identity);
  const auto& metadata = file->metadata();
  RunProgress progress;
  progress.step = number_of<int64_t>(metadata, "step", path);
  progress.loss = number_of<double>(metadata, "loss", path);
  require(progress.step >= 0, ErrorKind::format, "{}: \"step\" must be at least 0, it is {}", path.string(),
          progress.step);
  if (metadata.contains("best_loss")) {
    progress.best_loss = number_of<double>(metadata, "best_loss", path);
    progress.worse = number_of<int64_t>(metadata, "worse", path);
    progress.stopped = number_of<int>(metadata, "stopped", path) != 0;
  }
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& [name, parameter] = parameters[i];
    const auto read = [&, &name = name, &parameter = parameter](const char* prefix) {
      return tensor_of(find_view(*file, prefix + name, path), parameter.sizes());
    };
    parameter.copy_(read(kWeight));
    if (best != nullptr && progress.best_loss) {
      best->push_back(read(kBest));
    }
    if (progress.step == 0) {
      continue;
    }
    auto moments = std::make_unique<torch::optim::AdamWParamState>();
    moments->step(progress.step);
    // As the parameter lies in memory, so that updates run over both in one order.
    const auto read_moment = [&, &parameter = parameter](const char* prefix) {
      const auto values = read(prefix);
      const MemoryScope scope(MemoryKind::optimizer);
      return at::empty_like(parameter).copy_(values);
    };
    moments->exp_avg(read_moment(kFirstMoment));
    moments->exp_avg_sq(read_moment(kSecondMoment));
    optimizer.set_moments(i, std::move(moments));
  }
  return progress;
}

}  // namespace dstorch::training

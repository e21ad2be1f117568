#include "train/finetune_network.h"

#include <ATen/ATen.h>
#include <torch/autograd.h>

#include <algorithm>
#include <cmath>

#include "core/json.h"
#include "core/mapped_file.h"
#include "core/throw.h"
#include "device/memory_account.h"
#include "io/crc32.h"
#include "io/deferred_tensor.h"
#include "models/plain_input.h"
#include "models/training_parts.h"
#include "ops/cpu/thread_pool.h"
#include "train/data_lines.h"
#include "train/finetune_model.h"
#include "train/gradient_sum.h"
#include "train/tensor_views.h"

namespace dstorch::training {
namespace {

namespace fs = std::filesystem;

at::Tensor numbers(const Json& line, const char* key, int64_t count) {
  const auto& list = line.at(key);
  require(list.is_array() && static_cast<int64_t>(list.size()) == count, ErrorKind::format,
          "\"{}\" must be a list of {} numbers", key, count);
  auto row = at::empty({1, count}, at::kFloat);
  for (int64_t i = 0; i < count; ++i) {
    const auto& number = list[static_cast<std::size_t>(i)];
    require(number.is_number() && std::isfinite(number.get<float>()), ErrorKind::format,
            "\"{}\" must be a list of {} numbers, and holds {}", key, count, number.dump().substr(0, 40));
    row.data_ptr<float>()[i] = number.get<float>();
  }
  return row;
}

struct Pair {
  at::Tensor input;   // [1, input]
  at::Tensor target;  // [1, output] or [1]
};

Pair read_pair(std::string_view text, const Architecture& architecture) {
  const auto line = parse_json(text, "the line");
  require(line.is_object() && line.contains("input") && line.contains("target") != line.contains("label") &&
              line.size() == 2,
          ErrorKind::format, "must be an object of \"input\" and either \"target\" or \"label\"");
  Pair pair;
  pair.input = line["input"].is_string()
                   ? models::plain_input(line["input"].get<std::string>(), architecture.input_size)
                   : numbers(line, "input", architecture.input_size);
  if (line.contains("target")) {
    pair.target = numbers(line, "target", architecture.output_size);
    return pair;
  }
  const auto& label = line["label"];
  const auto number = label.is_number_integer() ? label.get<int64_t>() : -1;
  require(number >= 0 && number < architecture.output_size, ErrorKind::format,
          "\"label\" must be a whole number from 0 to {}, it is {}", architecture.output_size - 1,
          label.dump().substr(0, 40));
  pair.target = at::tensor({number}, at::kLong);
  return pair;
}

uint32_t fingerprint(const at::Tensor& tensor, uint32_t before) {
  const auto whole = tensor.contiguous();
  return crc32({static_cast<const std::byte*>(whole.data_ptr()), whole.nbytes()}, before);
}

at::Tensor loss_of(const at::Tensor& outputs, const NetworkData& data, const at::Tensor& targets) {
  return data.labels() ? at::cross_entropy_loss(outputs, targets, {}, at::Reduction::Sum)
                       : (outputs - targets).square().mean(1).sum();
}

std::shared_ptr<SimpleTransformer> load(const FinetuneOptions& options) {
  auto network = std::make_shared<SimpleTransformer>(Checkpoint::open(options.model));
  for (auto& entry : network->named_parameters()) {
    // The file is mapped: what learns needs memory of its own.
    entry.value().set_data(entry.value().detach().to(at::kFloat, /*non_blocking=*/false, /*copy=*/true));
  }
  return network;
}

NetworkData rows_of(const NetworkData& data, const std::vector<int64_t>& rows) {
  const auto places = at::tensor(rows, at::kLong);
  return {data.inputs.index_select(0, places), data.targets.index_select(0, places)};
}

}  // namespace

NetworkData read_network_data(const fs::path& path, const Architecture& architecture) {
  const auto file = MappedFile::open(path);
  const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  std::vector<at::Tensor> inputs;
  std::vector<at::Tensor> targets;
  read_data_lines(text, path, [&](std::string_view line) {
    auto pair = read_pair(line, architecture);
    const bool labels = (targets.empty() ? pair.target : targets.front()).dim() == 1;
    require((pair.target.dim() == 1) == labels, ErrorKind::format, "must have a {} as the lines before it",
            labels ? "label" : "target");
    inputs.push_back(std::move(pair.input));
    targets.push_back(std::move(pair.target));
  });
  require(!inputs.empty(), ErrorKind::invalid_argument, "{} is empty: there is nothing to learn", path.string());
  return {at::cat(inputs), at::cat(targets)};
}

FinetuneNetwork::FinetuneNetwork(const FinetuneOptions& options)
    : options_(options), network_(load(options)), parameters_(parameters_of(*network_)) {
  for (const auto& [name, parameter] : parameters_) {
    fingerprint_ = fingerprint(parameter.detach(), fingerprint_);
  }
  const auto all = read_network_data(options.data, network_->architecture());
  const auto count = all.inputs.size(0);
  std::vector<Example> places(static_cast<std::size_t>(count));  // the same draw as for a language model
  for (int64_t i = 0; i < count; ++i) {
    places[static_cast<std::size_t>(i)].ids = {static_cast<int32_t>(i)};
  }
  const auto split = split_examples(std::move(places), options.held_out ? 0 : options.held_out_fraction, options.seed);
  const auto rows = [](const std::vector<Example>& part) {
    std::vector<int64_t> result;
    for (const auto& example : part) {
      result.push_back(example.ids.front());
    }
    return result;
  };
  train_ = rows_of(all, rows(split.train));
  if (options.held_out) {
    held_out_ = read_network_data(*options.held_out, network_->architecture());
    require(held_out_.labels() == train_.labels(), ErrorKind::invalid_argument,
            "{} must have a {} in each line, as the data", options.held_out->string(),
            train_.labels() ? "label" : "target");
  } else if (!split.held_out.empty()) {
    held_out_ = rows_of(all, rows(split.held_out));
  }
  order_.emplace(std::vector<int64_t>(split.train.size(), 1),
                 ExampleOrder::Options{options.batch_size, 0, options.accumulate, options.seed});
}

double FinetuneNetwork::learn(int64_t step) {
  const MemoryScope scope(MemoryKind::activations);
  const auto batches = order_->step(step);
  examples_ = 0;
  for (const auto& batch : batches) {
    examples_ += static_cast<int64_t>(batch.size());
  }
  double total = 0;
  for (const auto& batch : batches) {
    const auto rows = std::ssize(batch);
    const auto count = models::part_count(rows, rows);
    total += learn_parts(parameters_, count, [&](int64_t part, GradientSum& sum) {
      const auto share = ops::cpu::share(rows, 1, part, count);
      const auto data = rows_of(train_, {batch.begin() + share.begin, batch.begin() + share.end});
      const auto loss = loss_of(network_->forward(data.inputs), data, data.targets) / static_cast<double>(examples_);
      sum.add(part, 0, torch::autograd::grad({loss}, sum.parameters()));
      return loss.item<double>();
    });
  }
  if (!std::isfinite(total)) {
    drop_gradients(parameters_);
  }
  require_finite_loss(total, step + 1);
  return total;
}

std::optional<Trainee::Scores> FinetuneNetwork::evaluate() {
  if (!held_out_.inputs.defined()) {
    return std::nullopt;
  }
  const at::NoGradGuard no_grad;
  const MemoryScope scope(MemoryKind::activations);
  const auto outputs = network_->forward(held_out_.inputs);
  const auto count = static_cast<double>(held_out_.inputs.size(0));
  Scores scores;
  scores.loss = loss_of(outputs, held_out_, held_out_.targets).item<double>() / count;
  if (held_out_.labels()) {
    scores.right = at::eq(outputs.argmax(1), held_out_.targets).sum().item<double>() / count;
  }
  return scores;
}

void FinetuneNetwork::write(const fs::path& directory) const {
  std::vector<DeferredTensor> tensors;
  std::vector<TensorView> views;
  for (const auto& [name, parameter] : parameters_) {
    tensors.push_back(to_be_saved(name, parameter, at::kFloat));
    views.push_back(view_of(parameter.detach()));
    views.back().name = name;
  }
  save_deferred_safetensors(directory / "model.safetensors", tensors, {{"format", "pt"}});
  save_pytorch(directory / "model.pt", views);
}

RunIdentity FinetuneNetwork::identity() const {
  const auto of = [](const NetworkData& data) {
    return data.inputs.defined() ? fmt::format("{} examples {:08x}", data.inputs.size(0),
                                               fingerprint(data.targets, fingerprint(data.inputs, 0)))
                                 : std::string("none");
  };
  return {{"model", fmt::format("{:08x}", fingerprint_)}, {"data", of(train_)}, {"held_out", of(held_out_)}};
}

}  // namespace dstorch::training

#include "train/finetune_model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/atomic_file.h"
#include "core/rng.h"
#include "core/throw.h"
#include "device/memory_account.h"
#include "device/torch_types.h"
#include "engine/adapter_file.h"
#include "io/crc32.h"
#include "io/deferred_tensor.h"
#include "models/checkpoint_weights.h"
#include "models/classes.h"
#include "models/outline.h"
#include "models/registry.h"
#include "train/bfloat16.h"
#include "train/initialize.h"
#include "train/tensor_views.h"

namespace dstorch::training {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kDefaultLength = 512;
/// Tokens that are scored together.
constexpr int64_t kScoredTogether = 2048;
/// Bytes of each tensor that tell a model from another.
constexpr std::size_t kBytesLookedAt = 4096;

/// A checkpoint's weights as copies that may be written to.
class TrainableWeights : public models::CheckpointWeights {
 public:
  using CheckpointWeights::CheckpointWeights;
  at::Tensor get(const std::string& name, at::IntArrayRef shape, bool transposed) override {
    return CheckpointWeights::get(name, shape, transposed).clone();  // as it lies in memory
  }
  [[nodiscard]] bool trainable() const override { return true; }
};

/// config.json of what a run makes: the model's own, with the classes of the data where that has labels.
OrderedJson config_of(const FinetuneOptions& options) {
  auto config = read_ordered_json(options.model / "config.json");
  const auto labels = read_labels(options.data);
  const bool classifier = !models::class_names(Json::parse(config.dump())).empty();
  if (labels.empty() || classifier) {
    require(!classifier || !labels.empty(), ErrorKind::invalid_argument,
            "{} tells classes apart, and {} has no labels: give lines of {{\"text\": text, \"label\": class}}",
            options.model.string(), options.data.string());
    return config;
  }
  require(labels.size() > 1, ErrorKind::invalid_argument, "{} must have at least two different labels, all are \"{}\"",
          options.data.string(), labels.front());
  return models::with_classes(std::move(config), labels);
}

/// The head of the classes [classes, hidden]: the checkpoint's, or one drawn as `initializer_range` says.
at::Tensor class_head(const Json& config, const std::shared_ptr<const Checkpoint>& checkpoint, int64_t classes,
                      uint64_t seed) {
  const models::WeightNames names(*checkpoint);
  if (const auto* view = names.find(models::kClassWeight)) {
    return models::tensor_over(checkpoint, *view).to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  }
  const auto hidden = models::outline(config, checkpoint, DType::float32, /*convert=*/false).sizes.hidden_size;
  return draw_normal({classes, hidden}, json_get_or(config, "initializer_range", 0.02, "config.json"), Rng(~seed));
}

std::shared_ptr<models::LanguageModel> load(const Json& config, const std::shared_ptr<const Checkpoint>& checkpoint,
                                            int64_t classes, const FinetuneOptions& how, bool bfloat16) {
  const bool full = how.full;
  models::CheckpointWeights::Options options;
  if (classes > 0) {
    options.given[models::kClassWeight] = class_head(config, checkpoint, classes, how.seed);
  }
  options.dtype = !full && bfloat16 ? at::kBFloat16 : at::kFloat;
  std::unique_ptr<models::CheckpointWeights> weights;
  if (full) {
    weights = std::make_unique<TrainableWeights>(checkpoint, options);
  } else {
    weights = std::make_unique<models::CheckpointWeights>(checkpoint, options);
  }
  auto model = models::create_model(config, *weights);
  weights->finish();
  model->train();
  return model;
}

int64_t length_of(const FinetuneOptions& options, int64_t limit) {
  require(options.sequence_length <= limit, ErrorKind::invalid_argument,
          "sequence_length must be at most the model's max_position_embeddings {}, got {}", limit,
          options.sequence_length);
  return options.sequence_length > 0 ? options.sequence_length : std::min(limit, kDefaultLength);
}

engine::LoraConfig lora_config(const FinetuneOptions& options, bool classifies) {
  engine::LoraConfig config;
  config.rank = options.lora_rank;
  config.alpha = options.lora_alpha;
  config.dropout = options.lora_dropout;
  config.rslora = options.rslora;
  config.base_model = options.model.string();
  config.classifies = classifies;
  return config;
}

std::vector<int64_t> lengths_of(const std::vector<Example>& examples) {
  std::vector<int64_t> lengths;
  for (const auto& example : examples) {
    lengths.push_back(example.length());
  }
  return lengths;
}

std::shared_ptr<const ChatTemplate> load_chat(const fs::path& directory) {
  try {
    return ChatTemplate::load(directory);
  } catch (const LMError& e) {
    if (e.kind() == ErrorKind::not_found) {
      return nullptr;
    }
    throw;
  }
}

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

uint32_t fingerprint(const std::vector<Example>& examples) {
  uint32_t sum = 0;
  for (const auto& example : examples) {
    const std::vector<uint8_t> learned(example.learned.begin(), example.learned.end());
    sum = crc32(bytes_of(learned), crc32(bytes_of(example.ids), sum));
    if (example.label) {
      sum = crc32(std::as_bytes(std::span(&*example.label, 1)), sum);
    }
  }
  return sum;
}

uint32_t fingerprint(const Checkpoint& checkpoint) {
  uint32_t sum = 0;
  for (const auto& view : checkpoint.tensors()) {
    sum = crc32(std::as_bytes(std::span(view.name)), sum);
    sum = crc32(bytes_of(view.shape), sum);
    sum = crc32(view.storage.first(std::min(view.storage.size(), kBytesLookedAt)), sum);
  }
  return sum;
}

}  // namespace

std::optional<int64_t> end_token(const fs::path& directory, const Json& config) {
  const auto first = [](const Json& json) -> std::optional<int64_t> {
    const auto it = json.find("eos_token_id");
    if (it == json.end()) {
      return std::nullopt;
    }
    const auto& id = it->is_array() && !it->empty() ? it->front() : *it;
    return id.is_number_integer() ? std::optional(id.get<int64_t>()) : std::nullopt;
  };
  if (fs::exists(directory / "generation_config.json")) {
    if (const auto id = first(read_json(directory / "generation_config.json"))) {
      return id;
    }
  }
  return first(config);
}

Split split_examples(std::vector<Example> examples, double share, uint64_t seed) {
  const auto count = static_cast<double>(examples.size());
  auto held_out = static_cast<std::size_t>(std::llround(count * share));
  if (share > 0 && examples.size() > 1) {
    held_out = std::clamp<std::size_t>(held_out, 1, examples.size() - 1);
  } else {
    held_out = 0;
  }
  std::vector<std::size_t> order(examples.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  Rng rng(Rng(~seed).next());
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[rng.below(i)]);
  }
  std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(held_out));
  std::sort(order.begin() + static_cast<std::ptrdiff_t>(held_out), order.end());
  Split split;
  for (std::size_t i = 0; i < order.size(); ++i) {
    (i < held_out ? split.held_out : split.train).push_back(std::move(examples[order[i]]));
  }
  return split;
}

FinetuneModel::FinetuneModel(const FinetuneOptions& options)
    : options_(options),
      config_json_(config_of(options)),
      config_(Json::parse(config_json_.dump())),
      classes_(models::class_names(config_)),
      bfloat16_(trains_in_bfloat16(options.bfloat16, Device{})),
      checkpoint_(Checkpoint::open(options.model)),
      model_(load(config_, checkpoint_, std::ssize(classes_), options, bfloat16_)),
      tokenizer_(Tokenizer::load(options.model)),
      sequence_length_(length_of(options, model_->sizes().max_positions)) {
  if (options.full) {
    parameters_ = parameters_of(*model_);
  } else {
    adapter_.emplace(*model_, lora_config(options, !classes_.empty()), target_layers(*model_, options.lora_targets),
                     options.seed);
    if (!classes_.empty()) {
      adapter_->keep_whole(models::kClassHead, *model_->named_parameters().find(models::kClassWeight));
    }
    parameters_ = adapter_->parameters();
  }
  const auto how = rules();
  data_ =
      split_examples(read_examples(options.data, how), options.held_out ? 0 : options.held_out_fraction, options.seed);
  if (options.held_out) {
    data_.held_out = read_examples(*options.held_out, how);
  }
  order_.emplace(lengths_of(data_.train),
                 ExampleOrder::Options{options.batch_size, options.packing ? options.batch_size * sequence_length_ : 0,
                                       options.accumulate, options.seed});
}

ExampleRules FinetuneModel::rules() const {
  ExampleRules rules;
  rules.tokenizer = tokenizer_;
  rules.chat = load_chat(options_.model);
  rules.end_token = end_token(options_.model, config_);
  rules.sequence_length = sequence_length_;
  rules.classes = classes_;
  const auto vocabulary = model_->sizes().vocab_size;
  require(tokenizer_->vocab_size() <= vocabulary && (!rules.end_token || *rules.end_token < vocabulary),
          ErrorKind::format, "{}: the tokenizer has {} tokens and the model {}", options_.model.string(),
          tokenizer_->vocab_size(), vocabulary);
  return rules;
}

double FinetuneModel::learn(int64_t step) {
  const auto batches = order_->step(step);
  int64_t learned = 0;
  tokens_ = 0;
  for (const auto& batch : batches) {
    for (const auto place : batch) {
      learned += data_.train[place].learned_count();
      tokens_ += data_.train[place].read_count();
    }
  }
  const PassSettings settings{adapter_ ? &adapter_->adapter() : nullptr, bfloat16_, options_.checkpointing};
  double loss = 0;
  Rng seeds(Rng(options_.seed).next() ^ static_cast<uint64_t>(step));
  for (const auto& batch : batches) {
    loss +=
        learn_examples(*model_, parameters_, data_.train, batch, static_cast<double>(learned), seeds.next(), settings);
  }
  loss /= static_cast<double>(learned);
  if (!std::isfinite(loss)) {
    drop_gradients(parameters_);
  }
  require_finite_loss(loss, step + 1);
  return loss;
}

std::optional<Trainee::Scores> FinetuneModel::evaluate() {
  if (data_.held_out.empty()) {
    return std::nullopt;
  }
  ExampleScores all;
  MicroBatch batch;
  int64_t tokens = 0;
  const auto score = [&] {
    const auto scores = score_examples(*model_, data_.held_out, batch, adapter_ ? &adapter_->adapter() : nullptr);
    all.loss += scores.loss;
    all.tokens += scores.tokens;
    all.examples += scores.examples;
    all.right += scores.right;
    batch.clear();
    tokens = 0;
  };
  for (std::size_t i = 0; i < data_.held_out.size(); ++i) {
    if (!batch.empty() && tokens + data_.held_out[i].length() > kScoredTogether) {
      score();
    }
    batch.push_back(i);
    tokens += data_.held_out[i].length();
  }
  score();
  const auto loss = all.loss / static_cast<double>(all.tokens);
  require(std::isfinite(loss), ErrorKind::inference, "the loss on the held-out examples is not finite");
  return Scores{loss, std::nullopt, static_cast<double>(all.right) / static_cast<double>(all.examples)};
}

void FinetuneModel::write(const fs::path& directory) const {
  if (adapter_) {
    adapter_->save(directory);
    if (!classes_.empty()) {
      write_file(directory / "config.json", config_json_.dump(2) + "\n");
    }
    return;
  }
  std::vector<DeferredTensor> tensors;
  const models::WeightNames names(*checkpoint_, model_->parts().body);
  for (const auto& [name, parameter] : parameters_) {
    const auto* view = names.find(name);
    const auto dtype =
        options_.save_dtype.value_or(view != nullptr && view->blocks == nullptr ? view->dtype : DType::float32);
    tensors.push_back(to_be_saved(name, parameter, to_torch(dtype)));
  }
  save_deferred_safetensors(directory / "model.safetensors", tensors, {{"format", "pt"}});
}

RunIdentity FinetuneModel::identity() const {
  RunIdentity identity{
      {"model", fmt::format("{:08x}", fingerprint(*checkpoint_))},
      {"data", fmt::format("{} examples {:08x}", data_.train.size(), fingerprint(data_.train))},
      {"held_out", fmt::format("{} examples {:08x}", data_.held_out.size(), fingerprint(data_.held_out))},
      {"bfloat16", bfloat16_ ? "on" : "off"},
      {"sequence_length", std::to_string(sequence_length_)}};
  if (!classes_.empty()) {
    identity["classes"] = fmt::format("{}", fmt::join(classes_, ", "));
  }
  return identity;
}

}  // namespace dstorch::training

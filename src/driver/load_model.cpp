#include <fmt/ranges.h>

#include <set>

#include "core/json.h"
#include "device/torch_types.h"
#include "driver/loaded_model.h"
#include "models/checkpoint_weights.h"
#include "models/registry.h"

namespace dstorch::driver {
namespace {

namespace fs = std::filesystem;

/// The file with the names "tokenizer.json" and so on, as Tokenizer::load looks for them.
bool has_tokenizer(const fs::path& directory) {
  return fs::exists(directory / "tokenizer.json") || fs::exists(directory / "tokenizer.model") ||
         (fs::exists(directory / "vocab.json") && fs::exists(directory / "merges.txt"));
}

std::shared_ptr<const Tokenizer> load_tokenizer(const TorchModelConfig& config, const fs::path& directory) {
  if (config.tokenizer_path) {
    return Tokenizer::load(*config.tokenizer_path);
  }
  return has_tokenizer(directory) ? Tokenizer::load(directory) : nullptr;
}

void add_end_tokens(const Json& json, std::set<int64_t>& tokens) {
  const auto it = json.find("eos_token_id");
  if (it == json.end() || it->is_null()) {
    return;
  }
  for (const auto& id : it->is_array() ? *it : Json::array({*it})) {
    require(id.is_number_integer(), ErrorKind::format, "eos_token_id must be a token id or a list of them, got {}",
            it->dump().substr(0, 80));
    tokens.insert(id.get<int64_t>());
  }
}

/// generation_config.json decides; config.json where it says nothing.
std::set<int64_t> read_end_tokens(const fs::path& directory, const Json& config) {
  std::set<int64_t> tokens;
  if (fs::exists(directory / "generation_config.json")) {
    add_end_tokens(read_json(directory / "generation_config.json"), tokens);
  }
  if (tokens.empty()) {
    add_end_tokens(config, tokens);
  }
  return tokens;
}

/// The floating-point dtype most of the checkpoint's bytes have.
DType main_dtype(const Checkpoint& checkpoint) {
  std::map<DType, std::size_t> bytes;
  for (const auto& view : checkpoint.tensors()) {
    bytes[view.dtype] += view.bytes();
  }
  DType best = DType::float32;
  std::size_t most = 0;
  for (const auto& [dtype, count] : bytes) {
    if (count > most) {
      best = dtype;
      most = count;
    }
  }
  return best;
}

/// Keys and values are kept as wide as the weights; float32 for anything unusual.
at::ScalarType cache_dtype(DType weights) {
  switch (weights) {
    case DType::bfloat16:
      return at::kBFloat16;
    case DType::float16:
      return at::kHalf;
    case DType::float64:
      return at::kDouble;
    default:
      return at::kFloat;
  }
}

/// Of the input table a token reads one row, unless the table is the head as well.
int64_t bytes_per_token(const models::CausalLM& model, int64_t weight_bytes) {
  const auto parameters = model.named_parameters();
  if (parameters.find("lm_head.weight") == nullptr) {
    return weight_bytes;
  }
  for (const char* table : {"model.embed_tokens.weight", "transformer.wte.weight"}) {
    if (const auto* weight = parameters.find(table)) {
      return weight_bytes - static_cast<int64_t>(weight->nbytes());
    }
  }
  return weight_bytes;
}

CheckpointAccess access(const TorchModelConfig& config) {
  return config.copy_weights ? CheckpointAccess::copy : CheckpointAccess::map;
}

int64_t context_limit(int64_t asked, int64_t model_limit) {
  require(asked >= 0 && asked <= model_limit, ErrorKind::invalid_argument,
          "max_context must be between 1 and the model's {} (0 takes it), got {}", model_limit, asked);
  return asked == 0 ? model_limit : asked;
}

void load_language_model(const TorchModelConfig& config, const fs::path& directory, LoadedModel& loaded) {
  const auto json = read_json(directory / "config.json");
  const auto checkpoint = Checkpoint::open(directory, access(config));
  models::CheckpointWeights::Options options;
  options.device = to_torch(config.device);
  const auto dtype = weights_dtype(config, json, checkpoint.get());
  if (converts_weights(config)) {
    options.dtype = to_torch(dtype);
  }
  options.on_progress = config.on_progress;
  models::CheckpointWeights weights(checkpoint, options);
  auto engine = std::make_unique<generate::Engine>();
  engine->device = options.device;
  engine->model = models::create_model(json, weights, {options.device, cache_dtype(dtype)});
  weights.finish();
  engine->model->eval();
  engine->tokenizer = load_tokenizer(config, directory);
  engine->end_tokens = read_end_tokens(directory, json);
  const auto& sizes = engine->model->sizes();
  engine->max_context = context_limit(config.max_context, sizes.max_positions);
  loaded.info = {sizes.model_type,
                 weights.count(),
                 weights.bytes(),
                 dtype,
                 sizes.vocab_size,
                 engine->max_context,
                 sizes.hidden_size,
                 sizes.num_layers,
                 bytes_per_token(*engine->model, weights.bytes())};
  loaded.engine = std::move(engine);
}

void set_plain_info(const Architecture& architecture, SimpleTransformer& plain, LoadedModel& loaded) {
  loaded.info.model_type = "simple_transformer";
  for (const auto& parameter : plain.parameters()) {
    loaded.info.parameters += parameter.numel();
    loaded.info.weight_bytes += static_cast<int64_t>(parameter.nbytes());
    loaded.info.dtype = from_torch(parameter.scalar_type());
  }
  loaded.info.hidden_size = architecture.hidden_size;
  loaded.info.num_layers = architecture.num_layers;
  loaded.plain_input_size = architecture.input_size;
}

void load_scripted(const TorchModelConfig& config, const fs::path& path, LoadedModel& loaded) {
  auto model = std::make_shared<models::ScriptedLM>(path, to_torch(config.device));
  const auto [count, bytes] = model->parameter_count_and_bytes();
  loaded.info.model_type = "torchscript";
  loaded.info.parameters = count;
  loaded.info.weight_bytes = bytes;
  auto tokenizer = load_tokenizer(config, path.parent_path());
  loaded.plain_input_size = model->input_size();
  loaded.plain_scripted = model;
  if (tokenizer) {
    loaded.info.vocab_size = tokenizer->vocab_size();
  }
  auto engine = std::make_unique<generate::Engine>();
  engine->device = to_torch(config.device);
  engine->max_context = context_limit(config.max_context, model->sizes().max_positions);
  loaded.info.max_context = engine->max_context;
  engine->tokenizer = std::move(tokenizer);
  engine->model = std::move(model);
  loaded.engine = std::move(engine);
}

void load_state_dict(const TorchModelConfig& config, const std::shared_ptr<const Checkpoint>& checkpoint,
                     LoadedModel& loaded) {
  const auto architecture = simple_transformer_architecture(*checkpoint);
  require(architecture.has_value(), ErrorKind::format,
          "a file of weights alone must be the plain architecture's state dict (0.weight, 0.bias, 2.weight, ...); for "
          "another "
          "model give the directory that holds its config.json");
  if (config.architecture) {
    const auto& want = *config.architecture;
    const auto& have = *architecture;
    const bool same = want.input_size == have.input_size && want.hidden_size == have.hidden_size &&
                      want.output_size == have.output_size && want.num_layers == have.num_layers;
    require(
        same, ErrorKind::invalid_argument,
        "the weights' architecture (input, hidden, output, layers) must be {}, {}, {}, {}; they have {}, {}, {}, {}",
        want.input_size, want.hidden_size, want.output_size, want.num_layers, have.input_size, have.hidden_size,
        have.output_size, have.num_layers);
  }
  loaded.plain = std::make_shared<SimpleTransformer>(checkpoint, config.device);
  set_plain_info(*architecture, *loaded.plain, loaded);
}

void load_path(const TorchModelConfig& config, const fs::path& path, LoadedModel& loaded) {
  require(fs::exists(path), ErrorKind::not_found, "there is nothing at {}", path.string());
  if (fs::is_directory(path) && fs::exists(path / "config.json")) {
    load_language_model(config, path, loaded);
    return;
  }
  const auto checkpoint = Checkpoint::open(path, access(config));
  if (checkpoint->kind() == CheckpointKind::torchscript) {
    require(config.allow_scripts, ErrorKind::invalid_argument,
            "{} is a TorchScript archive: a program, which can read and write your files. It runs only with "
            "TorchModelConfig::allow_scripts (--allow-scripts on the command line); say so if you trust who made it",
            checkpoint->files().front().string());
    load_scripted(config, checkpoint->files().front(), loaded);
    return;
  }
  // A weights file inside a model directory means that model.
  const auto directory = fs::absolute(path).parent_path();
  const bool plain = simple_transformer_architecture(*checkpoint).has_value();
  if (!plain && !fs::is_directory(path) && fs::exists(directory / "config.json")) {
    load_language_model(config, directory, loaded);
    return;
  }
  load_state_dict(config, checkpoint, loaded);
}

}  // namespace

bool converts_weights(const TorchModelConfig& config) {
  // Shaders compute in float32; narrower weights would be widened at every use.
  return config.dtype.has_value() || config.device.type == DeviceType::webgl;
}

DType weights_dtype(const TorchModelConfig& config, const Json& json, const Checkpoint* checkpoint) {
  if (config.device.type == DeviceType::webgl) {
    require(config.dtype != DType::float64, ErrorKind::unsupported,
            "device webgl has no float64; use --dtype float32 or --device cpu");
  }
  if (config.dtype) {
    require(at::isFloatingType(to_torch(*config.dtype)), ErrorKind::invalid_argument,
            "dtype must be float32, bfloat16, float16 or float64, got {}", to_string(*config.dtype));
    return *config.dtype;
  }
  if (converts_weights(config)) {
    return DType::float32;
  }
  if (checkpoint != nullptr) {
    return main_dtype(*checkpoint);
  }
  const auto name = json_get_or<std::string>(
      json, "torch_dtype", json_get_or<std::string>(json, "dtype", "float32", "config.json"), "config.json");
  const auto dtype = parse_dtype(name);
  require(dtype && at::isFloatingType(to_torch(*dtype)), ErrorKind::format,
          "config.json: torch_dtype must be float32, bfloat16, float16 or float64, got \"{}\"", name);
  return *dtype;
}

std::unique_ptr<LoadedModel> load_model(const TorchModelConfig& config) {
  auto loaded = std::make_unique<LoadedModel>();
  if (config.model_path) {
    try {
      load_path(config, *config.model_path, *loaded);
    } catch (const LMError& e) {
      throw LMError(e.kind(), fmt::format("Failed to load model from path: {}", config.model_path->string()),
                    std::current_exception());
    }
    return loaded;
  }
  require(config.architecture.has_value(), ErrorKind::invalid_argument,
          "Either modelPath or architecture must be specified");
  loaded->plain = std::make_shared<SimpleTransformer>(*config.architecture, config.seed, config.device);
  set_plain_info(*config.architecture, *loaded->plain, *loaded);
  return loaded;
}

}  // namespace dstorch::driver

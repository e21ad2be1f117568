#include <fmt/ranges.h>

#include <set>

#include "core/json.h"
#include "device/torch_types.h"
#include "driver/draft_model.h"
#include "driver/framework_words.h"
#include "driver/generation_memory.h"
#include "driver/loaded_model.h"
#include "driver/plan_memory.h"
#include "dstorch/model_source.h"
#include "models/checkpoint_weights.h"
#include "models/classes.h"
#include "models/registry.h"
#include "ops/backend.h"

namespace dstorch::driver {
namespace {

namespace fs = std::filesystem;

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
    if (view.dtype == DType::float16 || view.dtype == DType::bfloat16 || view.dtype == DType::float32 ||
        view.dtype == DType::float64) {
      bytes[view.dtype] += view.bytes();
    }
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

/// Of the input table a token reads one row, unless the table is the head as well.
int64_t bytes_per_token(const models::LanguageModel& model, int64_t weight_bytes) {
  const auto parameters = model.named_parameters();
  if (model.sizes().tied) {
    return weight_bytes;
  }
  const auto* table = parameters.find(model.parts().token_table + ".weight");
  return table == nullptr ? weight_bytes : weight_bytes - static_cast<int64_t>(table->nbytes());
}

int64_t context_limit(int64_t asked, int64_t model_limit) {
  require(asked >= 0 && asked <= model_limit, ErrorKind::invalid_argument,
          "max_context must be between 1 and the model's {} (0 takes it), got {}", model_limit, asked);
  return asked == 0 ? model_limit : asked;
}

/// What an engine of this model needs, its bounds but for `memory`.
engine::EngineConfig engine_config(const TorchModelConfig& config, std::shared_ptr<models::LanguageModel> model,
                                   std::shared_ptr<const Tokenizer> tokenizer, std::set<int64_t> end_tokens,
                                   const std::shared_ptr<MemoryAccount>& account) {
  engine::EngineConfig result;
  result.max_context = context_limit(config.max_context, model->sizes().max_positions);
  result.model = std::move(model);
  result.tokenizer = std::move(tokenizer);
  result.end_tokens = std::move(end_tokens);
  result.device = to_torch(config.device);
  result.threads = config.threads;
  result.account = account;
  return result;
}

void load_language_model(const TorchModelConfig& config, const ModelSource& source,
                         const std::shared_ptr<MemoryAccount>& account, LoadedModel& loaded) {
  const auto& directory = source.directory;
  auto json = read_json(*source.config);
  const auto checkpoint =
      source.checkpoint ? source.checkpoint : Checkpoint::open(directory, checkpoint_access(config));
  models::CheckpointWeights::Options options;
  options.device = to_torch(config.device);
  const auto dtype = weights_dtype(config, json, checkpoint.get());
  if (converts_weights(config)) {
    options.dtype = to_torch(dtype);
  }
  options.on_progress = config.on_progress;
  std::optional<engine::AdapterFile> adapter;
  if (config.adapter) {
    adapter = engine::AdapterFile::open(*config.adapter);
    const MemoryScope scope(account, MemoryKind::weights);
    options.given = adapter->replacements(options.device, options.dtype);
    if (adapter->config.classifies) {
      json = Json::parse(adapter->config_on(OrderedJson::parse(json.dump())).dump());
    }
  }
  models::CheckpointWeights weights(checkpoint, options);
  const auto model = models::create_model(json, weights, {options.device});
  weights.finish();
  model->eval();
  auto parts =
      engine_config(config, model, load_tokenizer(config, directory), read_end_tokens(directory, json), account);
  parts.kv_dtype = kv_dtype(config, dtype);
  // float64 models use LibTorch's products, which round differently for different numbers of rows.
  parts.exact_rows = ops::backend_of(options.device).exact_rows && dtype != DType::float64;
  std::optional<DraftModel> draft;
  if (config.draft_model_path) {
    draft = load_draft_model(config, parts);
    parts.draft = draft->engine;
  }
  parts.memory = memory_bounds(outline(config, json, checkpoint), config, account);
  if (draft) {
    parts.memory.pass = [model = parts.memory.pass, guesses = draft->pass](int64_t rows, int64_t positions,
                                                                           int64_t sequences, int64_t rank) {
      return std::max(model(rows, positions, sequences, rank), guesses(rows, positions, sequences));
    };
  }
  const auto& sizes = model->sizes();
  loaded.info = {sizes.model_type,
                 weights.count(),
                 weights.bytes(),
                 dtype,
                 sizes.vocab_size,
                 parts.max_context,
                 sizes.hidden_size,
                 sizes.num_layers,
                 bytes_per_token(*model, weights.bytes()),
                 models::class_names(json)};
  if (account->use(Device{}).mapped.bytes > 0) {
    loaded.mapped.push_back(checkpoint);
    if (draft) {
      loaded.mapped.push_back(draft->checkpoint);
    }
  }
  loaded.config_text = json.dump();
  loaded.model = DecoderModel{std::make_unique<engine::Engine>(std::move(parts))};
  loaded.adapters = std::make_shared<AdapterShelf>(*loaded.engine(), account);
  if (adapter) {
    loaded.adapters->attach_default(*adapter);
  }
}

void set_plain(const Architecture& architecture, std::shared_ptr<SimpleTransformer> network, LoadedModel& loaded) {
  loaded.info.model_type = "simple_transformer";
  for (const auto& parameter : network->parameters()) {
    loaded.info.parameters += parameter.numel();
    loaded.info.weight_bytes += static_cast<int64_t>(parameter.nbytes());
    loaded.info.dtype = from_torch(parameter.scalar_type());
  }
  loaded.info.hidden_size = architecture.hidden_size;
  loaded.info.num_layers = architecture.num_layers;
  loaded.model = PlainModel{std::move(network), architecture.input_size};
}

/// As for a model directory, where the files lie beside the archive; else the tokenizer's usual end tokens.
std::set<int64_t> scripted_end_tokens(const fs::path& directory, const Tokenizer* tokenizer) {
  const auto config = directory / "config.json";
  auto tokens = read_end_tokens(directory, fs::exists(config) ? read_json(config) : Json::object());
  if (tokens.empty() && tokenizer != nullptr) {
    for (const char* name : {"</s>", "<|endoftext|>", "<|end_of_text|>", "<|im_end|>", "<|eot_id|>"}) {
      if (const auto id = tokenizer->token_to_id(name); id && tokenizer->is_special(*id)) {
        tokens.insert(*id);
      }
    }
  }
  return tokens;
}

void load_scripted(const TorchModelConfig& config, const fs::path& path, const std::shared_ptr<MemoryAccount>& account,
                   LoadedModel& loaded) {
  ScriptedModel scripted;
  scripted.device = to_torch(config.device);
  scripted.network = std::make_shared<models::ScriptedLM>(path, scripted.device);
  scripted.input_size = scripted.network->input_size();
  const auto [count, bytes] = scripted.network->parameter_count_and_bytes();
  const auto tokenizer = load_tokenizer(config, path.parent_path());
  auto parts = engine_config(config, scripted.network, tokenizer,
                             scripted_end_tokens(path.parent_path(), tokenizer.get()), account);
  loaded.info.model_type = "torchscript";
  loaded.info.parameters = count;
  loaded.info.weight_bytes = bytes;
  loaded.info.vocab_size = tokenizer ? tokenizer->vocab_size() : 0;
  loaded.info.max_context = parts.max_context;
  scripted.engine = std::make_unique<engine::Engine>(std::move(parts));
  loaded.model = std::move(scripted);
}

void load_state_dict(const TorchModelConfig& config, const std::shared_ptr<const Checkpoint>& checkpoint,
                     LoadedModel& loaded) {
  const auto architecture = simple_transformer_architecture(*checkpoint);
  require(
      architecture.has_value(), ErrorKind::format,
      "{} must be the state dict of the plain architecture (a stack of linear layers and nothing else), since a file "
      "of weights says no more; for another model give the directory that holds its config.json",
      checkpoint->files().front().string());
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
  set_plain(*architecture, std::make_shared<SimpleTransformer>(checkpoint, config.device), loaded);
}

void load_path(const TorchModelConfig& config, const fs::path& path, const std::shared_ptr<MemoryAccount>& account,
               LoadedModel& loaded) {
  const auto source = resolve(path, checkpoint_access(config));
  switch (source.kind) {
    case ModelSource::Kind::language_model:
      load_language_model(config, source, account, loaded);
      return;
    case ModelSource::Kind::torchscript:
      require(config.allow_scripts, ErrorKind::invalid_argument,
              "{} is a TorchScript archive: a program, which can read and write your files. It runs only with "
              "TorchModelConfig::allow_scripts (--allow-scripts on the command line); say so if you trust who made it",
              source.checkpoint->files().front().string());
      load_scripted(config, source.checkpoint->files().front(), account, loaded);
      return;
    case ModelSource::Kind::plain_network:
    case ModelSource::Kind::tensors:
      load_state_dict(config, source.checkpoint, loaded);
  }
}

/// A file means the directory that it lies in.
fs::path directory_of(const fs::path& path) { return fs::is_directory(path) ? path : fs::absolute(path).parent_path(); }

/// A template comes with the tokenizer's files; a tokenizer of another place may be one file alone.
std::vector<fs::path> chat_directories(const TorchModelConfig& config) {
  std::vector<fs::path> directories;
  for (const auto& path : {config.tokenizer_path, config.model_path}) {
    if (path) {
      directories.push_back(directory_of(*path));
    }
  }
  return directories;
}

}  // namespace

CheckpointAccess checkpoint_access(const TorchModelConfig& config) {
  return config.copy_weights ? CheckpointAccess::copy : CheckpointAccess::map;
}

bool has_tokenizer(const fs::path& directory) {
  return fs::exists(directory / "tokenizer.json") || fs::exists(directory / "tokenizer.model") ||
         (fs::exists(directory / "vocab.json") && fs::exists(directory / "merges.txt"));
}

bool converts_weights(const TorchModelConfig& config) {
  // Narrower weights would be widened at every use there.
  return config.dtype.has_value() || ops::backend_of(to_torch(config.device)).float32_only;
}

DType weights_dtype(const TorchModelConfig& config, const Json& json, const Checkpoint* checkpoint) {
  if (ops::backend_of(to_torch(config.device)).float32_only) {
    require(config.dtype != DType::float64, ErrorKind::unsupported,
            "device {} has no float64; use --dtype float32 or --device cpu", config.device.to_string());
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

LoadedModel::~LoadedModel() {
  const MemoryScope scope(account, MemoryKind::other);
  adapters.reset();
  model = PlainModel{};
}

void LoadedModel::check_files() const {
  for (const auto& checkpoint : mapped) {
    checkpoint->require_unchanged();
  }
}

std::string LoadedModel::once_of_weights(const std::function<std::string()>& read) const {
  std::call_once(weights_read_, [&] { of_weights_ = read(); });
  return of_weights_;
}

engine::Engine* LoadedModel::engine() const {
  if (const auto* decoder = std::get_if<DecoderModel>(&model)) {
    return decoder->engine.get();
  }
  const auto* scripted = std::get_if<ScriptedModel>(&model);
  return scripted != nullptr ? scripted->engine.get() : nullptr;
}

std::shared_ptr<LoadedModel> load_model(const TorchModelConfig& config, const std::shared_ptr<MemoryAccount>& account) {
  auto loaded = std::make_shared<LoadedModel>(account);
  loaded->chat_directories = chat_directories(config);
  if (config.model_path) {
    try {
      load_path(config, *config.model_path, account, *loaded);
    } catch (...) {
      rethrow_as("Failed to load model from path: " + config.model_path->string(), ErrorKind::internal);
    }
    require(!config.draft_model_path || loaded->adapters, ErrorKind::unsupported,
            "a draft model guesses for a language model from a directory with config.json; the model loaded is {}",
            loaded->info.model_type);
    require(!config.adapter || loaded->adapters, ErrorKind::unsupported,
            "an adapter needs a language model from a directory with config.json; the model loaded is {}",
            loaded->info.model_type);
    return loaded;
  }
  require(!config.draft_model_path, ErrorKind::unsupported,
          "a draft model guesses for a language model, not for the plain architecture");
  require(!config.adapter, ErrorKind::unsupported, "an adapter needs a language model, not the plain architecture");
  if (!config.architecture) {
    // The one wrong option that has the framework's phrase before it, as it has there.
    throw LMError(ErrorKind::invalid_argument, "Failed to initialize Torch model",
                  std::make_exception_ptr(
                      LMError(ErrorKind::invalid_argument, "Either modelPath or architecture must be specified")));
  }
  set_plain(*config.architecture, std::make_shared<SimpleTransformer>(*config.architecture, config.seed, config.device),
            *loaded);
  return loaded;
}

}  // namespace dstorch::driver

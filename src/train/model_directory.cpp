#include "train/model_directory.h"

#include "core/atomic_file.h"
#include "core/throw.h"
#include "io/deferred_tensor.h"
#include "train/output_directory.h"
#include "train/tensor_views.h"
#include "train/text_data.h"

namespace dstorch::training {
namespace {

namespace fs = std::filesystem;

at::ScalarType scalar_type_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return at::kFloat;
    case DType::bfloat16:
      return at::kBFloat16;
    case DType::float16:
      return at::kHalf;
    default:
      fail(ErrorKind::invalid_argument, "weights can be saved as float32, bfloat16 or float16, not {}",
           to_string(dtype));
  }
}

}  // namespace

ModelFiles read_model_files(const fs::path& config, const fs::path& tokenizer_path, const Tokenizer& tokenizer) {
  ModelFiles files;
  files.config = read_ordered_json(config);
  require(files.config.is_object(), ErrorKind::format, "{} must be a JSON object", config.string());
  const auto json = fs::is_directory(tokenizer_path) ? tokenizer_path / "tokenizer.json" : tokenizer_path;
  require(fs::is_regular_file(json), ErrorKind::not_found,
          "training needs a tokenizer.json, which goes beside the model: there is none at {}", json.string());
  files.tokenizer_json = read_file(json);
  files.sources = {config, json};
  const auto end = tokenizer.token_to_id(kEndOfText);
  if (!files.config.contains("vocab_size")) {
    files.config["vocab_size"] = tokenizer.vocab_size();
  }
  if (end && (!files.config.contains("eos_token_id") || files.config["eos_token_id"].is_null())) {
    files.config["eos_token_id"] = *end;
  }
  files.generation_config = OrderedJson::object();
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
    if (files.config.contains(key) && !files.config[key].is_null()) {
      files.generation_config[key] = files.config[key];
    }
  }
  const auto tokenizer_config = json.parent_path() / "tokenizer_config.json";
  if (fs::is_regular_file(tokenizer_config)) {
    files.tokenizer_config = read_ordered_json(tokenizer_config);
    files.sources.push_back(tokenizer_config);
  } else {
    files.tokenizer_config = {{"tokenizer_class", "PreTrainedTokenizerFast"}};
    if (end) {
      files.tokenizer_config["eos_token"] = kEndOfText;
    }
  }
  return files;
}

void write_model_directory(const fs::path& directory, const torch::nn::Module& model, const ModelFiles& files,
                           DType dtype) {
  const auto type = scalar_type_of(dtype);
  std::vector<DeferredTensor> tensors;
  for (const auto& entry : model.named_parameters()) {
    tensors.push_back(to_be_saved(entry.key(), entry.value(), type));
  }
  auto config = files.config;
  config.erase("dtype");
  config["torch_dtype"] = std::string(to_string(dtype));
  save_deferred_safetensors(directory / "model.safetensors", tensors,
                            {{"format", "pt"}, {kRunMarkKey, files.run_mark}});
  write_file(directory / "config.json", config.dump(2) + "\n");
  write_file(directory / "tokenizer.json", files.tokenizer_json);
  write_file(directory / "tokenizer_config.json", files.tokenizer_config.dump(2) + "\n");
  write_file(directory / "generation_config.json", files.generation_config.dump(2) + "\n");
}

}  // namespace dstorch::training

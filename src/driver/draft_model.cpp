#include "driver/draft_model.h"

#include <algorithm>

#include "core/json.h"
#include "core/throw.h"
#include "device/torch_types.h"
#include "driver/generation_memory.h"
#include "driver/loaded_model.h"
#include "driver/plan_memory.h"
#include "dstorch/model_source.h"
#include "models/checkpoint_weights.h"
#include "models/registry.h"

namespace dstorch::driver {
namespace {

namespace fs = std::filesystem;

/// Throws where a token of one may be another of the other.
void require_same_vocabulary(const fs::path& directory, const models::ModelSizes& draft,
                             const engine::EngineConfig& target) {
  const auto& sizes = target.model->sizes();
  require(draft.vocab_size == sizes.vocab_size, ErrorKind::invalid_argument,
          "the draft model {} must have the model's vocabulary of {} tokens, it has one of {}; take a smaller model of "
          "the same family",
          directory.string(), sizes.vocab_size, draft.vocab_size);
  if (!target.tokenizer || !has_tokenizer(directory)) {
    return;  // nobody says what their tokens are
  }
  const auto tokenizer = Tokenizer::load(directory);
  for (int64_t id = 0; id < sizes.vocab_size; ++id) {
    const auto ours = target.tokenizer->id_to_token(id);
    const auto theirs = tokenizer->id_to_token(id);
    require(ours == theirs, ErrorKind::invalid_argument,
            "the draft model {} must have the model's vocabulary, its token {} is \"{}\" instead of \"{}\"; take a "
            "smaller model of the same family",
            directory.string(), id, theirs, ours);
  }
}

}  // namespace

DraftModel load_draft_model(const TorchModelConfig& config, const engine::EngineConfig& target) {
  require(target.exact_rows, ErrorKind::unsupported,
          "a draft model needs a model on the cpu, in float32, bfloat16 or float16: elsewhere guesses could change an "
          "answer");
  const auto source = resolve(*config.draft_model_path, checkpoint_access(config));
  const auto& directory = source.directory;
  require(source.kind == ModelSource::Kind::language_model, ErrorKind::invalid_argument,
          "a draft model must be a language model, a directory with config.json; {} is none",
          config.draft_model_path->string());
  auto own = config;
  own.dtype.reset();
  const auto json = read_json(*source.config);
  DraftModel draft;
  draft.checkpoint = source.checkpoint ? source.checkpoint : Checkpoint::open(directory, checkpoint_access(config));
  const auto dtype = weights_dtype(own, json, draft.checkpoint.get());
  models::CheckpointWeights::Options options;
  options.device = target.device;
  options.on_progress = config.on_progress;
  models::CheckpointWeights weights(draft.checkpoint, options);
  draft.engine.model = models::create_model(json, weights, {options.device});
  weights.finish();
  draft.engine.model->eval();
  draft.engine.kv_dtype = kv_dtype(own, dtype);
  const auto& sizes = draft.engine.model->sizes();
  require(sizes.num_classes == 0, ErrorKind::invalid_argument,
          "a draft model must predict tokens; {} tells classes apart", directory.string());
  require_same_vocabulary(directory, sizes, target);
  draft.pass = [pass = memory_bounds(outline(own, json, draft.checkpoint), own, nullptr).pass,
                most = sizes.max_positions](int64_t rows, int64_t positions, int64_t sequences) {
    return pass(rows, std::min(positions, most), sequences, /*rank=*/0);
  };
  return draft;
}

}  // namespace dstorch::driver

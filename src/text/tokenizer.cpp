#include "dstorch/tokenizer.h"

#include "core/atomic_file.h"
#include "core/throw.h"
#include "text/load.h"
#include "text/utf8.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;

/// A file of another name is taken by itself: what lies beside it may belong to another.
std::shared_ptr<const Tokenizer> load_json(const fs::path& path) {
  return path.filename() == "tokenizer.json" ? text::load_tokenizer_json(path)
                                             : text::tokenizer_from_json(read_file(path), path.string());
}

}  // namespace

std::string Tokenizer::token_bytes(int64_t id) const {
  if (is_special(id)) {
    return {};
  }
  auto text = decode(std::span(&id, 1));
  return text.find(text::kReplacement) == std::string::npos ? text : std::string();
}

std::shared_ptr<const Tokenizer> Tokenizer::from_json(std::string_view json) {
  return text::tokenizer_from_json(json, "tokenizer.json");
}

std::shared_ptr<const Tokenizer> Tokenizer::load(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    if (fs::exists(path / "tokenizer.json", ignored)) {
      return load_json(path / "tokenizer.json");
    }
    if (fs::exists(path / "tokenizer.model", ignored)) {
      return text::load_sentencepiece(path / "tokenizer.model");
    }
    if (fs::exists(path / "vocab.json", ignored) && fs::exists(path / "merges.txt", ignored)) {
      return text::load_vocab_merges(path / "vocab.json", path / "merges.txt");
    }
    fail(ErrorKind::not_found,
         "no tokenizer in {}: looked for tokenizer.json, tokenizer.model, and vocab.json with merges.txt",
         path.string());
  }
  if (path.extension() == ".model") {
    return text::load_sentencepiece(path);
  }
  const std::string name = path.filename().string();
  if (name.ends_with("vocab.json")) {
    // "prefix-vocab.json" goes with "prefix-merges.txt".
    const std::string stem = name.substr(0, name.size() - std::string_view("vocab.json").size());
    return text::load_vocab_merges(path, path.parent_path() / (stem + "merges.txt"));
  }
  return load_json(path);
}

}  // namespace dstorch

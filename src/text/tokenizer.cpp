#include "dstorch/tokenizer.h"

#include "core/mapped_file.h"
#include "core/throw.h"
#include "text/json_tokenizer.h"

namespace dstorch {
namespace {

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::from_json(std::string_view json) {
  return text::tokenizer_from_json(json, "tokenizer.json");
}

std::shared_ptr<const Tokenizer> Tokenizer::load(const std::filesystem::path& path) {
  std::filesystem::path file = path;
  if (std::filesystem::is_directory(path)) {
    file = path / "tokenizer.json";
    require(std::filesystem::exists(file), ErrorKind::not_found, "no tokenizer in {}: looked for tokenizer.json",
            path.string());
  }
  const auto mapped = MappedFile::open(file);
  return text::tokenizer_from_json(text_of(*mapped), file.string());
}

}  // namespace dstorch

#include "train/text_data.h"

#include <limits>
#include <memory>

#include "core/mapped_file.h"
#include "core/throw.h"

namespace dstorch::training {
namespace {

struct MarkerLine {
  std::size_t begin = std::string_view::npos;
  std::size_t end = std::string_view::npos;
};

/// The next line at or after `from` that is nothing but the marker; `end` is past its line break.
MarkerLine find_marker_line(std::string_view text, std::size_t from) {
  for (auto at = text.find(kEndOfText, from); at != std::string_view::npos; at = text.find(kEndOfText, at + 1)) {
    auto end = at + kEndOfText.size();
    if (text.substr(end, 2) == "\r\n") {
      end += 2;
    } else if (text.substr(end, 1) == "\n") {
      end += 1;
    } else if (end != text.size()) {
      continue;
    }
    if (at == 0 || text[at - 1] == '\n') {
      return {at, end};
    }
  }
  return {};
}

void append_document(const Tokenizer& tokenizer, std::string_view text, TokenStream& out) {
  if (text.empty()) {
    return;
  }
  EncodeOptions options;
  options.add_special_tokens = false;
  options.parse_special_tokens = false;
  const auto ids = tokenizer.encode(text, options);
  out.ids.insert(out.ids.end(), ids.begin(), ids.end());
  out.bytes += static_cast<int64_t>(text.size());
}

/// The start of the first line at or after `at`.
std::size_t next_line(std::string_view text, std::size_t at) {
  if (at == 0 || at >= text.size()) {
    return std::min(at, text.size());
  }
  const auto newline = text.find('\n', at - 1);
  return newline == std::string_view::npos ? text.size() : newline + 1;
}

void end_document(const Tokenizer& tokenizer, TokenStream& out) {
  const auto id = tokenizer.token_to_id(kEndOfText);
  if (id && !out.ids.empty() && out.ids.back() != *id) {
    out.ids.push_back(static_cast<int32_t>(*id));
  }
}

std::string_view view_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

}  // namespace

void append_tokens(const Tokenizer& tokenizer, std::string_view text, TokenStream& out) {
  const auto id = tokenizer.token_to_id(kEndOfText);
  std::size_t done = 0;
  while (id && done < text.size()) {
    const auto line = find_marker_line(text, done);
    if (line.begin == std::string_view::npos) {
      break;
    }
    append_document(tokenizer, text.substr(done, line.begin - done), out);
    out.ids.push_back(static_cast<int32_t>(*id));
    done = line.end;
  }
  append_document(tokenizer, text.substr(done), out);
}

TextData load_text_data(const std::vector<std::filesystem::path>& files,
                        const std::optional<std::filesystem::path>& held_out, double held_out_fraction,
                        const Tokenizer& tokenizer) {
  require(!files.empty(), ErrorKind::invalid_argument, "training needs at least one text file");
  require(tokenizer.vocab_size() <= std::numeric_limits<int32_t>::max(), ErrorKind::unsupported,
          "the tokenizer's vocabulary must be below 2^31, got {}", tokenizer.vocab_size());
  std::vector<std::shared_ptr<const MappedFile>> mapped;
  std::size_t total = 0;
  for (const auto& path : files) {
    mapped.push_back(MappedFile::open(path));
    total += mapped.back()->bytes().size();
  }
  const double kept = held_out ? static_cast<double>(total) : static_cast<double>(total) * (1 - held_out_fraction);
  auto left = static_cast<std::size_t>(kept);  // Bytes that are still to be learned from.
  TextData data;
  for (const auto& file : mapped) {
    const auto text = view_of(*file);
    const auto cut = left >= text.size() ? text.size() : next_line(text, left);
    left -= std::min(left, text.size());
    append_tokens(tokenizer, text.substr(0, cut), data.train);
    append_tokens(tokenizer, text.substr(cut), data.held_out);
    end_document(tokenizer, cut == text.size() ? data.train : data.held_out);
  }
  if (held_out) {
    append_tokens(tokenizer, view_of(*MappedFile::open(*held_out)), data.held_out);
    end_document(tokenizer, data.held_out);
  }
  return data;
}

}  // namespace dstorch::training

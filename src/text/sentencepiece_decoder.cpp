#include "text/sentencepiece_decoder.h"

#include <charconv>
#include <string>
#include <unordered_map>
#include <utility>

#include "text/decode_stages.h"
#include "text/utf8.h"

namespace dstorch::text {
namespace {

constexpr std::string_view kSpaceMark = "\u2581";

using Type = SentencePieceModel::Type;

struct PieceTable {
  // Only pieces that are not normal ones.
  std::unordered_map<std::string, Type> types;
  std::string unk_surface;
  bool strips_first = false;
  bool strips_all = false;

  [[nodiscard]] Type type_of(const std::string& piece) const {
    const auto found = types.find(piece);
    return found == types.end() ? Type::normal : found->second;
  }
};

class SentencePieceStage final : public WholeTokenStage {
 public:
  SentencePieceStage(DecodeStage* next, std::shared_ptr<const PieceTable> table)
      : WholeTokenStage(next), table_(std::move(table)) {}

  void finish() override {
    end_bytes();
    next().finish();
  }
  void keep_bytes() override { keeps_bytes_ = true; }

 protected:
  void take(std::string& token) override {
    const Type type = table_->type_of(token);
    if (type == Type::byte) {
      take_byte(token);
      return;
    }
    end_bytes();
    if (type == Type::control) {
      emit(token);
      return;
    }
    if (type == Type::unknown) {
      at_start_ = false;
      emit(keeps_bytes_ ? std::string_view() : std::string_view(table_->unk_surface));
      return;
    }
    std::string_view piece = token;
    bool stripped = false;
    if (at_start_ && table_->strips_first && piece.starts_with(kSpaceMark)) {
      piece.remove_prefix(kSpaceMark.size());
      stripped = true;
    }
    std::string text;
    std::size_t begin = 0;
    for (std::size_t at = piece.find(kSpaceMark); at != std::string_view::npos; at = piece.find(kSpaceMark, begin)) {
      text += piece.substr(begin, at - begin);
      text += ' ';
      begin = at + kSpaceMark.size();
    }
    text += piece.substr(begin);
    // With extra white space removed, all marks before the first text go; else only one does.
    if (!text.empty() || (stripped && !table_->strips_all)) {
      at_start_ = false;
    }
    emit(text);
  }

 private:
  void take_byte(std::string_view token) {
    unsigned byte = 0;
    if (token.size() == 6) {
      std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
    }
    bytes_.push_back(static_cast<char>(static_cast<unsigned char>(byte)));
    at_start_ = false;
    drain(false);
  }

  // Unlike elsewhere, every byte that is part of no character is a U+FFFD of its own.
  void drain(bool ended) {
    while (!bytes_.empty()) {
      const Utf8Step step = next_utf8(bytes_);
      if (step.kind == Utf8Step::Kind::incomplete && !ended && !keeps_bytes_) {
        return;
      }
      const bool valid = keeps_bytes_ || step.kind == Utf8Step::Kind::valid;
      emit(valid ? std::string_view(bytes_).substr(0, step.length) : kReplacement);
      bytes_.erase(0, valid ? step.length : 1);
    }
  }

  void end_bytes() { drain(true); }

  std::shared_ptr<const PieceTable> table_;
  bool at_start_ = true;
  bool keeps_bytes_ = false;
  std::string bytes_;
};

class SentencePieceDecoder final : public Decoder {
 public:
  explicit SentencePieceDecoder(std::shared_ptr<const PieceTable> table) : table_(std::move(table)) {}

  DecodeStage* start(DecodeStage* next, std::vector<std::unique_ptr<DecodeStage>>& stages) const override {
    stages.push_back(std::make_unique<SentencePieceStage>(next, table_));
    return stages.back().get();
  }

 private:
  std::shared_ptr<const PieceTable> table_;
};

}  // namespace

std::unique_ptr<const Decoder> make_sentencepiece_decoder(SentencePieceModel model) {
  auto table = std::make_shared<PieceTable>();
  for (auto& entry : model.pieces) {
    if (entry.type != Type::normal) {
      table->types.emplace(std::move(entry.piece), entry.type);
    }
  }
  table->unk_surface = std::move(model.unk_surface);
  table->strips_first = model.add_dummy_prefix || model.remove_extra_whitespaces;
  table->strips_all = model.remove_extra_whitespaces;
  return std::make_unique<SentencePieceDecoder>(std::move(table));
}

}  // namespace dstorch::text

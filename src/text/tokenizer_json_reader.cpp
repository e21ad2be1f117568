#include "text/tokenizer_json_reader.h"

#include <string>
#include <utility>
#include <vector>

namespace dstorch::text {
namespace {

class Reader final : public nlohmann::json_sax<Json> {
 public:
  Reader(TokenizerJson& out, std::string_view where) : out_(out), where_(where) {}

  bool null() override { return value(nullptr); }
  bool boolean(bool flag) override { return value(flag); }
  bool number_float(number_float_t number, const string_t&) override { return value(number); }
  bool binary(binary_t&) override { return false; }
  bool number_integer(number_integer_t number) override { return integer(number); }
  bool number_unsigned(number_unsigned_t number) override {
    if (mode_ == Mode::vocab) {
      return integer(number < static_cast<uint64_t>(INT64_MAX) ? static_cast<int64_t>(number) : INT64_MAX);
    }
    return value(number);
  }

  bool string(string_t& text) override {
    if (mode_ != Mode::merges) {
      return value(std::move(text));
    }
    if (in_pair_) {
      require(parts_ < 2, ErrorKind::format, "{}: merge {} must be two tokens", where_, out_.merges.size());
      pair_[parts_++] = std::move(text);
    } else if (!text.starts_with("#version")) {
      out_.merges.add(text);
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (mode_ == Mode::tree && in_model() && key_ == "vocab") {
      mode_ = Mode::vocab;
      out_.vocab = Vocab();
      out_.has_vocab = true;
      return true;
    }
    return open(Json::object());
  }
  bool key(string_t& name) override {
    key_ = std::move(name);
    return true;
  }
  bool end_object() override {
    if (mode_ == Mode::vocab) {
      mode_ = Mode::tree;
      return true;
    }
    return close();
  }

  bool start_array(std::size_t) override {
    if (mode_ == Mode::tree && in_model() && key_ == "merges") {
      mode_ = Mode::merges;
      out_.merges = MergeList();
      out_.has_merges = true;
      return true;
    }
    if (mode_ == Mode::merges && !in_pair_) {
      in_pair_ = true;
      parts_ = 0;
      return true;
    }
    return open(Json::array());
  }
  bool end_array() override {
    if (mode_ != Mode::merges) {
      return close();
    }
    if (in_pair_) {
      require(parts_ == 2, ErrorKind::format, "{}: merge {} must be two tokens", where_, out_.merges.size());
      out_.merges.add(pair_[0], pair_[1]);
      in_pair_ = false;
    } else {
      mode_ = Mode::tree;
    }
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const Json::exception& e) override {
    fail(ErrorKind::format, "{} must be valid JSON: {}", where_, e.what());
  }

 private:
  enum class Mode { tree, vocab, merges };

  // The object open now is the value of "model" at the top.
  [[nodiscard]] bool in_model() const { return open_.size() == 2 && model_open_ && open_.back()->is_object(); }

  bool integer(int64_t number) {
    if (mode_ == Mode::vocab) {
      out_.vocab.add(key_, number);
      return true;
    }
    return value(number);
  }

  bool value(Json&& json) {
    put(std::move(json));
    return true;
  }

  Json* put(Json&& json) {
    require(mode_ != Mode::vocab, ErrorKind::format, "{}: the id of token \"{}\" must be an integer", where_, key_);
    require(mode_ != Mode::merges, ErrorKind::format, "{}: merge {} must be two tokens", where_, out_.merges.size());
    if (open_.empty()) {
      out_.rest = std::move(json);
      return &out_.rest;
    }
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(json));
      return &open_.back()->back();
    }
    Json& slot = (*open_.back())[key_];
    slot = std::move(json);
    return &slot;
  }

  bool open(Json&& json) {
    require(open_.size() < kMaxJsonDepth, ErrorKind::format, "{} must nest at most {} levels deep", where_,
            kMaxJsonDepth);
    if (open_.size() == 1) {
      model_open_ = key_ == "model";
    }
    open_.push_back(put(std::move(json)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  TokenizerJson& out_;
  std::string_view where_;
  std::vector<Json*> open_;
  std::string key_;
  Mode mode_ = Mode::tree;
  bool model_open_ = false;
  bool in_pair_ = false;
  std::size_t parts_ = 0;
  std::string pair_[2];
};

}  // namespace

TokenizerJson read_tokenizer_json(std::string_view text, std::string_view where) {
  TokenizerJson out;
  Reader reader(out, where);
  Json::sax_parse(text, &reader);
  return out;
}

}  // namespace dstorch::text

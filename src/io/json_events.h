#pragma once

#include <string>
#include <string_view>

#include "core/json.h"

namespace dstorch {

/// Reads JSON event by event: the order of keys is kept, keys that occur twice are seen, and nothing is built but what
/// the derived class keeps. A value that the derived class does not want is an error unless it ignores it.
/// `depth()` is 1 inside the outermost object.
class JsonEvents : public nlohmann::json_sax<Json> {
 public:
  /// `where` names the source in errors. Throws LMError{format}.
  void read(std::string_view text, std::string_view where);

 protected:
  [[nodiscard]] int depth() const noexcept { return depth_; }
  [[nodiscard]] std::string_view where() const noexcept { return where_; }

  virtual void on_key(std::string& key) = 0;
  virtual void on_string(std::string& text) = 0;
  virtual void on_unsigned(uint64_t value) = 0;
  virtual void on_null() { on_other(); }
  /// true, false, a negative or broken number.
  virtual void on_other() = 0;
  /// Called with the depth of what encloses it.
  virtual void on_open(bool is_array) = 0;
  /// As `on_open`.
  virtual void on_close() = 0;

 private:
  bool null() final;
  bool boolean(bool) final { return other(); }
  bool number_integer(number_integer_t) final { return other(); }
  bool number_float(number_float_t, const string_t&) final { return other(); }
  bool binary(binary_t&) final { return other(); }
  bool number_unsigned(number_unsigned_t value) final;
  bool string(string_t& text) final;
  bool key(string_t& text) final;
  bool start_object(std::size_t) final { return open(false); }
  bool start_array(std::size_t) final { return open(true); }
  bool end_object() final { return close(); }
  bool end_array() final { return close(); }
  bool parse_error(std::size_t, const std::string&, const Json::exception& error) final;
  bool other();
  bool open(bool is_array);
  bool close();

  std::string_view where_;
  int depth_ = 0;
};

}  // namespace dstorch

// json.dumps, which is what `tojson` is in a chat template: nothing is escaped for HTML, keys stay in their order.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/jinja/filters.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/runtime.h"
#include "text/utf8.h"

namespace dstorch::text::jinja {
namespace {

using Type = Value::Type;

class JsonWriter {
 public:
  JsonWriter(Runtime& runtime, const Bound& bound) : runtime_(runtime) {
    ascii_ = bound.flag(0);
    sort_keys_ = bound.flag(3);
    pretty_ = bound.has_some(1);
    if (pretty_) {
      indent_ = bound[1].is_string()
                    ? std::string(bound[1].text())
                    : std::string(static_cast<std::size_t>(std::clamp<int64_t>(bound.index(1, 0), 0, 1000)), ' ');
    }
    item_separator_ = pretty_ ? "," : ", ";
    key_separator_ = ": ";
    if (bound.has_some(2)) {
      const Value& pair = bound[2];
      if (!pair.is_sequence() || pair.list->items.size() != 2 || !pair.list->items[0].is_string() ||
          !pair.list->items[1].is_string()) {
        runtime.fail("tojson's separators must be two texts");
      }
      item_separator_ = pair.list->items[0].text();
      key_separator_ = pair.list->items[1].text();
    }
  }

  std::string take() { return std::move(out_); }

  void write(const Value& value) {
    const Runtime::Level level(runtime_);
    const std::size_t before = out_.size();
    switch (value.type) {
      case Type::string:
        quote(value.text());
        break;
      case Type::list:
      case Type::tuple:
        write_list(*value.list);
        return;
      case Type::dict:
        write_dict(*value.dict);
        return;
      case Type::none:
      case Type::boolean:
      case Type::integer:
      case Type::real:
        out_ += scalar(value);
        break;
      default:
        runtime_.fail("tojson cannot write {}", type_name(value));
    }
    runtime_.charge(1 + (out_.size() - before) / 8);
    runtime_.check_text(out_.size());
  }

 private:
  static std::string scalar(const Value& value) {
    switch (value.type) {
      case Type::none:
        return "null";
      case Type::boolean:
        return value.boolean ? "true" : "false";
      case Type::integer:
        return std::to_string(value.integer);
      default:
        return std::isnan(value.real)   ? "NaN"
               : std::isinf(value.real) ? (value.real < 0 ? "-Infinity" : "Infinity")
                                        : real_text(value.real);
    }
  }

  void new_line(int change) {
    if (!pretty_) {
      return;
    }
    inside_ += change;
    out_ += '\n';
    for (int i = 0; i < inside_; ++i) {
      out_ += indent_;
    }
    runtime_.charge(1 + static_cast<std::size_t>(inside_) * (1 + indent_.size() / 8));
    runtime_.check_text(out_.size());
  }

  void write_list(const List& list) {
    if (list.items.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    bool first = true;
    for (const Value& item : list.items) {
      out_ += first ? std::string_view() : item_separator_;
      new_line(first ? 1 : 0);
      first = false;
      write(item);
    }
    new_line(-1);
    out_ += ']';
  }

  void write_dict(const Dict& dict) {
    if (dict.entries().empty()) {
      out_ += "{}";
      return;
    }
    std::pmr::vector<Dict::Entry> entries(dict.entries(), runtime_.arena.memory());
    if (sort_keys_) {
      std::stable_sort(entries.begin(), entries.end(), [&](const Dict::Entry& a, const Dict::Entry& b) {
        runtime_.charge(1);
        return less(runtime_, a.first, b.first);
      });
    }
    out_ += '{';
    bool first = true;
    for (const auto& [key, value] : entries) {
      out_ += first ? std::string_view() : item_separator_;
      new_line(first ? 1 : 0);
      first = false;
      write_key(key);
      out_ += key_separator_;
      write(value);
    }
    new_line(-1);
    out_ += '}';
  }

  void write_key(const Value& key) {
    if (key.is_string()) {
      quote(key.text());
    } else if (key.is_number() || key.is(Type::none)) {
      quote(scalar(key));
    } else {
      runtime_.fail("tojson cannot write {} as a key", type_name(key));
    }
    runtime_.charge(1);
  }

  void quote(std::string_view text) {
    out_ += '"';
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = at;
      const char32_t c = read_utf8(text, at);
      if (c == '"' || c == '\\') {
        out_ += '\\';
        out_ += static_cast<char>(c);
      } else if (c < 0x20) {
        quote_control(static_cast<char>(c));
      } else if (c >= 0x7F && ascii_) {
        quote_escaped(c);
      } else {
        out_.append(text.substr(begin, at - begin));
      }
    }
    out_ += '"';
  }

  void quote_control(char c) {
    constexpr std::string_view kShort = "\b\t\n\f\r";
    const std::size_t named = kShort.find(c);
    out_ += named == std::string_view::npos ? fmt::format("\\u{:04x}", static_cast<unsigned>(c))
                                            : std::string("\\") + "btnfr"[named];
  }

  void quote_escaped(char32_t c) {
    const auto code = static_cast<uint32_t>(c);
    if (code < 0x10000) {
      out_ += fmt::format("\\u{:04x}", code);
    } else {
      out_ += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10U), 0xDC00 + (code & 0x3FFU));
    }
  }

  Runtime& runtime_;
  bool ascii_ = false;
  bool sort_keys_ = false;
  bool pretty_ = false;
  std::string indent_;
  std::string_view item_separator_;
  std::string_view key_separator_;
  std::string out_;
  int inside_ = 0;
};

}  // namespace

Value to_json(Runtime& runtime, const Value& value, const Args& args) {
  const Bound bound(runtime, "tojson", args, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonWriter writer(runtime, bound);
  writer.write(value);
  return runtime.text(writer.take());
}

}  // namespace dstorch::text::jinja

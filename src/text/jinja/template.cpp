#include "text/jinja/template.h"

#include "text/jinja/evaluator.h"
#include "text/jinja/lexer.h"
#include "text/jinja/parser.h"
#include "text/jinja/scopes.h"
#include "text/utf8.h"

namespace dstorch::text::jinja {
namespace {

Value from_json(Runtime& runtime, const OrderedJson& json);

Value text_from_json(Runtime& runtime, const std::string& text) {
  return is_valid_utf8(text) ? runtime.view(text) : runtime.text(replace_invalid_utf8(text));
}

Dict* dict_from_json(Runtime& runtime, const OrderedJson& json) {
  Dict* dict = runtime.dict();
  for (const auto& [key, value] : json.items()) {
    dict->set(runtime, text_from_json(runtime, key), from_json(runtime, value));
  }
  return dict;
}

// The values share the text of `json`, which lives as long as the rendering.
Value from_json(Runtime& runtime, const OrderedJson& json) {
  const Runtime::Level level(runtime);
  runtime.charge(1);
  switch (json.type()) {
    case OrderedJson::value_t::string:
      return text_from_json(runtime, json.get_ref<const std::string&>());
    case OrderedJson::value_t::boolean:
      return Value::of(json.get<bool>());
    case OrderedJson::value_t::number_integer:
      return Value::of(json.get<int64_t>());
    case OrderedJson::value_t::number_unsigned:
      return std::in_range<int64_t>(json.get<uint64_t>()) ? Value::of(json.get<int64_t>())
                                                          : Value::of(json.get<double>());
    case OrderedJson::value_t::number_float:
      return Value::of(json.get<double>());
    case OrderedJson::value_t::array: {
      List* list = runtime.list();
      list->items.reserve(json.size());
      for (const OrderedJson& item : json) {
        list->items.push_back(from_json(runtime, item));
      }
      return Value::of(list);
    }
    case OrderedJson::value_t::object:
      return Value::of(dict_from_json(runtime, json));
    default:
      return Value::none();
  }
}

}  // namespace

struct Template::Compiled {
  std::string name;
  Arena arena;
  Program program;
};

Template::Template(std::string_view source, std::string name) {
  auto compiled = std::make_unique<Compiled>();
  compiled->name = std::move(name);
  const std::string normalized = normalize_source(source);
  compiled->program.body = Parser(normalized, compiled->name, compiled->arena).parse();
  resolve_scopes(compiled->program, compiled->name);
  compiled_ = std::move(compiled);
}

Template::~Template() = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;

Rendering Template::render(const OrderedJson& variables, const RenderOptions& options) const {
  Runtime runtime(compiled_->name, options.limits);
  runtime.now = options.now.value_or(std::chrono::system_clock::now());
  const Dict* given = dict_from_json(runtime, variables);
  Evaluator evaluator(runtime, compiled_->program, *given);
  Rendering rendering;
  rendering.text = evaluator.run();
  rendering.generated = std::move(evaluator.generated);
  return rendering;
}

}  // namespace dstorch::text::jinja

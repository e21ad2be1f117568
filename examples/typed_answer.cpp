// Asks a model for a struct: its schema is the constraint, and its answer always parses.

#include <dstorch/dstorch.h>

#include <iostream>

struct Package {
  std::string name;
  int size = 0;
  bool free = false;
};

constexpr const char* kSchema = R"({
  "type": "object",
  "properties": {
    "name": {"type": "string", "pattern": "^[a-z0-9+.-]{2,24}$"},
    "size": {"type": "integer", "minimum": 1, "maximum": 9999},
    "free": {"type": "boolean"}
  },
  "required": ["name", "size", "free"]
})";

// Any JSON library will do; for this schema without white space, this is enough.
Package parse(const std::string& json) {
  const auto after = [&](const std::string& key) {
    return json.substr(json.find("\"" + key + "\":") + key.size() + 3);
  };
  const auto name = after("name");
  return {name.substr(1, name.find('"', 1) - 1), std::stoi(after("size")), after("free").starts_with("true")};
}

int main(int argc, char** argv) {
  try {
    dstorch::TorchModelConfig config;
    config.model_path = argc > 1 ? std::filesystem::path(argv[1]) : dstorch::bundled_model_path();
    dstorch::TorchModel model(config);
    model.init();

    dstorch::GenerationOptions options{.max_tokens = 60, .temperature = 1.5, .seed = 7};
    options.constraint = dstorch::Constraint::json_schema(kSchema, dstorch::Constraint::WhiteSpace::none);
    const auto answer = model.generate("python3-yaml\t", options);
    const auto package = parse(answer);
    std::cout << answer << "\n" << package.name << ", " << package.size << "\n";
    return package.name.empty() ? 1 : 0;
  } catch (const dstorch::LMError& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>

#include "commands.h"
#include "dstorch/model_source.h"
#include "help.h"
#include "output.h"
#include "values.h"

namespace dstorch::cli {
namespace {

struct InspectArguments {
  std::string model;
  bool json = false;
};

/// What the tensors come to. Tied ones, the same bytes under two names, count once.
struct Totals {
  int64_t parameters = 0;
  std::size_t bytes = 0;
};

Totals totals_of(const Checkpoint& checkpoint) {
  Totals totals;
  std::set<std::tuple<const std::byte*, DType, std::vector<int64_t>, std::vector<int64_t>>> seen;
  for (const auto& tensor : checkpoint.tensors()) {
    if (tensor.numel() > 0 && seen.emplace(tensor.data(), tensor.dtype, tensor.shape, tensor.strides).second) {
      totals.parameters += tensor.numel();
      totals.bytes += tensor.bytes();
    }
  }
  return totals;
}

/// The type of a tensor's elements, or of its blocks.
std::string_view type_of(const TensorView& tensor) {
  return tensor.blocks != nullptr ? tensor.blocks->name : to_string(tensor.dtype);
}

/// "134.5M" for thousands, millions and so on.
std::string human(double value) {
  constexpr std::array<std::string_view, 5> kUnits{"", "k", "M", "G", "T"};
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f}", value) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

/// A terminal obeys control characters, and names come from a file.
std::string printable(std::string name) {
  std::replace_if(
      name.begin(), name.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7F; }, '?');
  return name;
}

void print_tensors(const Checkpoint& checkpoint, const std::optional<std::string>& architecture, const Totals& totals) {
  using OrderedJson = nlohmann::ordered_json;
  OrderedJson result;
  result["kind"] = to_string(checkpoint.kind());
  result["architecture"] = architecture ? OrderedJson(*architecture) : OrderedJson();
  result["parameters"] = totals.parameters;
  result["bytes"] = totals.bytes;
  result["tensors"] = OrderedJson::array();
  for (const auto& tensor : checkpoint.tensors()) {
    OrderedJson row;
    row["name"] = tensor.name;
    row["dtype"] = type_of(tensor);
    row["shape"] = tensor.shape;
    result["tensors"].push_back(std::move(row));
  }
  print_json(result);
}

void print_table(const Checkpoint& checkpoint, const std::optional<std::string>& architecture, const Totals& totals) {
  std::size_t name_width = 4;
  std::size_t dtype_width = 5;
  for (const auto& tensor : checkpoint.tensors()) {
    name_width = std::max(name_width, tensor.name.size());
    dtype_width = std::max(dtype_width, type_of(tensor).size());
  }
  constexpr std::size_t kWidest = 80;
  name_width = std::min(name_width, kWidest);
  print("{:<{}}  {:<{}}  {}\n", "name", name_width, "dtype", dtype_width, "shape");
  for (const auto& tensor : checkpoint.tensors()) {
    print("{:<{}}  {:<{}}  [{}]\n", printable(tensor.name), name_width, type_of(tensor), dtype_width,
          fmt::join(tensor.shape, ", "));
  }
  print("\n{}{}: {} tensors, {} parameters, {}B in {} file{}\n", to_string(checkpoint.kind()),
        architecture ? ", " + printable(*architecture) : "", checkpoint.tensors().size(),
        human(static_cast<double>(totals.parameters)), human(static_cast<double>(totals.bytes)),
        checkpoint.files().size(), checkpoint.files().size() == 1 ? "" : "s");
}

void run(const InspectArguments& arguments) {
  const auto source = resolve(arguments.model);
  const auto checkpoint = source.checkpoint ? source.checkpoint : Checkpoint::open(arguments.model);
  const auto architecture = source.architecture();
  const auto totals = totals_of(*checkpoint);
  if (arguments.json) {
    print_tensors(*checkpoint, architecture, totals);
  } else {
    print_table(*checkpoint, architecture, totals);
  }
}

}  // namespace

void add_inspect(CLI::App& app) {
  const auto arguments = std::make_shared<InspectArguments>();
  auto& command =
      *app.add_subcommand("inspect", "List the tensors of a checkpoint without reading them")->group(kLookGroup);
  add_text(command, "MODEL", arguments->model, "",
           "A .safetensors, .pt, .pth or .bin file, a *.index.json, or a folder that holds a model")
      ->required();
  command.add_flag("--json", arguments->json, "Print one JSON object");
  command.footer(example("dstorch inspect models/default"));
  command.callback([arguments] { run(*arguments); });
}

}  // namespace dstorch::cli

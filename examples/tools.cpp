// A conversation with a model that calls a function of the program: it asks for a height, is told it, and says it. With
// the toy in examples/trees, or the model directory named on the command line.

#include <dstorch/dstorch.h>

#include <iostream>
#include <string>
#include <vector>

namespace {

/// What the model may call, and what is done then. The arguments are a JSON object, as the schema says: {"tree":
/// "oak"}.
const dstorch::Tool kTreeHeight{
    .name = "tree_height",
    .description = "How tall a tree is, in metres",
    .parameters = R"({"type": "object", "properties": {"tree": {"type": "string"}}, "required": ["tree"]})"};

std::string tree_height(const std::string& arguments) {
  return arguments.find("oak") != std::string::npos ? "27" : "unknown";
}

}  // namespace

int main(int argc, char** argv) {
  try {
    dstorch::TorchModel model({.model_path = argc > 1 ? argv[1] : "examples/trees"});
    model.init();

    dstorch::ChatOptions options;
    options.prompt.tools = {kTreeHeight};
    options.on_piece = [](const dstorch::AnswerPiece& piece) {
      std::cout << piece.text << std::flush;
      return true;
    };
    std::vector<dstorch::Message> messages{{.role = "user", .content = "How tall is the oak?"}};
    auto answer = model.chat(messages, options).message;
    while (!answer.tool_calls.empty()) {
      messages.push_back(answer);
      for (const auto& call : answer.tool_calls) {
        messages.push_back({.role = "tool", .content = tree_height(call.arguments), .tool_call_id = call.id});
      }
      answer = model.chat(messages, options).message;
    }
    std::cout << "\n";
    return messages.size() == 3 && answer.content.find("27") != std::string::npos ? 0 : 1;
  } catch (const dstorch::LMError& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}

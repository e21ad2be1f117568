#pragma once

#include <dstorch/torch_model.h>
#include <napi.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "generation.h"
#include "host.h"

namespace dstorch::node {

/// What `dstorch::TorchModel` is to JavaScript's TorchModel. Calls that take time take a function `done(error, value)`,
/// which is called later; the others throw.
class Model : public Napi::ObjectWrap<Model> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit Model(const Napi::CallbackInfo& info);
  ~Model() override;

  /// Asks everything that runs to end.
  void stop();
  /// Destroys the model; on this thread.
  void let_go() { model_.reset(); }

 private:
  /// Stops a long call: it looks at this from its thread.
  using Flag = std::shared_ptr<std::atomic<bool>>;

  Napi::Value init(const Napi::CallbackInfo& info);
  Napi::Value submit(const Napi::CallbackInfo& info);
  Napi::Value submit_chat(const Napi::CallbackInfo& info);
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value classify(const Napi::CallbackInfo& info);
  Napi::Value embed(const Napi::CallbackInfo& info);
  Napi::Value logits(const Napi::CallbackInfo& info);
  Napi::Value perplexity(const Napi::CallbackInfo& info);
  Napi::Value tokenize(const Napi::CallbackInfo& info);
  Napi::Value detokenize(const Napi::CallbackInfo& info);
  Napi::Value attach_adapter(const Napi::CallbackInfo& info);
  Napi::Value detach_adapter(const Napi::CallbackInfo& info);
  Napi::Value adapters(const Napi::CallbackInfo& info);
  Napi::Value plan(const Napi::CallbackInfo& info);
  Napi::Value cleanup(const Napi::CallbackInfo& info);
  Napi::Value information(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);

  /// Begins an answer, whose number it returns: info[2] takes its pieces, if it is a function, info[3] the end.
  Napi::Value begin(const Napi::CallbackInfo& info, Submit submit);
  /// The model, for a call that begins.
  [[nodiscard]] const std::shared_ptr<TorchModel>& model() const;

  Host& host_;
  TorchModelConfig config_;
  Flag loading_ = std::make_shared<std::atomic<bool>>(false);
  Flag ending_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<std::atomic<uint64_t>> loading_listener_ = std::make_shared<std::atomic<uint64_t>>(0);
  std::shared_ptr<TorchModel> model_;
  std::shared_ptr<Generations> generations_;
};

}  // namespace dstorch::node

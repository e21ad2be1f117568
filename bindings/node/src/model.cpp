#include "model.h"

#include <dstorch/error.h>
#include <dstorch/memory.h>
#include <dstorch/tokenizer.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "options.h"
#include "thrown.h"
#include "values.h"

namespace dstorch::node {
namespace {

Napi::Function function_at(const Napi::CallbackInfo& info, std::size_t i) { return info[i].As<Napi::Function>(); }

Napi::Value progress_value(Napi::Env env, const std::string& what, int64_t done, int64_t total) {
  auto object = Napi::Object::New(env);
  object.Set("what", what);
  object.Set("done", static_cast<double>(done));
  object.Set("total", static_cast<double>(total));
  return object;
}

std::shared_ptr<const Tokenizer> tokenizer_of(const TorchModel& model) {
  auto tokenizer = model.tokenizer();
  if (tokenizer == nullptr) {
    throw LMError(ErrorKind::unsupported, "this model has no tokenizer; give one as tokenizerPath");
  }
  return tokenizer;
}

}  // namespace

Napi::Function Model::define(Napi::Env env) {
  return DefineClass(env, "Model",
                     {
                         InstanceMethod<&Model::init>("init"),
                         InstanceMethod<&Model::submit>("submit"),
                         InstanceMethod<&Model::submit_chat>("submitChat"),
                         InstanceMethod<&Model::cancel>("cancel"),
                         InstanceMethod<&Model::classify>("classify"),
                         InstanceMethod<&Model::embed>("embed"),
                         InstanceMethod<&Model::logits>("logits"),
                         InstanceMethod<&Model::perplexity>("perplexity"),
                         InstanceMethod<&Model::tokenize>("tokenize"),
                         InstanceMethod<&Model::detokenize>("detokenize"),
                         InstanceMethod<&Model::attach_adapter>("attachAdapter"),
                         InstanceMethod<&Model::detach_adapter>("detachAdapter"),
                         InstanceMethod<&Model::adapters>("adapters"),
                         InstanceMethod<&Model::plan>("plan"),
                         InstanceMethod<&Model::cleanup>("cleanup"),
                         InstanceMethod<&Model::information>("info"),
                         InstanceMethod<&Model::memory>("memory"),
                     });
}

Model::Model(const Napi::CallbackInfo& info) : ObjectWrap(info), host_(Host::of(info.Env())) {
  thrown(info.Env(), [&] {
    config_ = config_from(info[0].As<Napi::Object>());
    auto config = config_;
    config.on_progress = [listener = loading_listener_, loop = host_.shared_loop(), host = &host_, stop = loading_,
                          ending = ending_](const Progress& progress) {
      if (const auto number = listener->load(); number != 0) {
        loop->post([=, what = std::string(progress.what), done = progress.done, total = progress.total](Napi::Env) {
          host->tell(number, [&](Napi::Env env) { return progress_value(env, what, done, total); });
        });
      }
      return !stop->load() && !ending->load();
    };
    model_ = std::make_shared<TorchModel>(std::move(config));
    return info.Env().Undefined();
  });
  generations_ = std::make_shared<Generations>(host_);
  host_.enter(*this);
}

Model::~Model() {
  host_.leave(*this);
  if (model_ != nullptr && !host_.closed()) {
    // Takes the time of a layer, or of giving back memory.
    host_.slow().run([model = std::move(model_)]() mutable { model.reset(); });
  }
}

void Model::stop() {
  ending_->store(true);
  generations_->clear();
}

const std::shared_ptr<TorchModel>& Model::model() const {
  if (model_ == nullptr || host_.closed()) {
    throw LMError(ErrorKind::cancelled, "the process is ending: no more calls are taken");
  }
  return model_;
}

Napi::Value Model::init(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&]() -> Napi::Value {
    loading_->store(false);
    const auto listener = info[0].IsFunction() ? host_.keep(function_at(info, 0)) : 0;
    loading_listener_->store(listener);
    const auto load = [model = model()]() -> ToJs {
      model->init();
      return [](Napi::Env env) { return env.Undefined(); };
    };
    host_.call(host_.slow(), function_at(info, 1), load, listener);
    return info.Env().Undefined();
  });
}

Napi::Value Model::submit(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&] {
    std::function<PendingGeneration(GenerationOptions)> submit;
    if (info[0].IsString()) {
      submit = [model = model(), prompt = info[0].As<Napi::String>().Utf8Value()](GenerationOptions options) {
        return model->submit(prompt, std::move(options));
      };
    } else {
      submit = [model = model(), ids = ids_from(info[0])](GenerationOptions options) {
        return model->submit(ids, std::move(options));
      };
    }
    return begin(info, [submit = std::move(submit),
                        set = generation_options_from(info[1].As<Napi::Object>())](OnPiece on_piece) {
      GenerationOptions options;
      set(options);
      options.on_token = token_callback(std::move(on_piece));
      return pending(submit(std::move(options)));
    });
  });
}

Napi::Value Model::submit_chat(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&] {
    const auto given = info[1].As<Napi::Object>();
    return begin(
        info, [model = model(), messages = info[0].As<Napi::String>().Utf8Value(), set = generation_options_from(given),
               template_options = template_options_from(given)](OnPiece on_piece) {
          ChatOptions options;
          options.prompt = template_options();
          options.generation = model->chat_defaults();
          set(*options.generation);
          options.on_piece = answer_callback(std::move(on_piece));
          return pending(model->submit_chat(parse_messages(messages), std::move(options)));
        });
  });
}

Napi::Value Model::begin(const Napi::CallbackInfo& info, Submit submit) {
  const auto on_pieces = info[2].IsFunction() ? function_at(info, 2) : Napi::Function();
  const auto begun = generations_->begin(std::move(submit), on_pieces, function_at(info, 3));
  return number(info.Env(), static_cast<int64_t>(begun));
}

Napi::Value Model::cancel(const Napi::CallbackInfo& info) {
  if (info[0].IsUndefined()) {
    loading_->store(true);
  } else {
    generations_->cancel(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()));
  }
  return info.Env().Undefined();
}

Napi::Value Model::classify(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&]() -> Napi::Value {
    host_.call(host_.slow(), function_at(info, 1),
               [model = model(), text = info[0].As<Napi::String>().Utf8Value()]() -> ToJs {
                 return [scores = model->classify(text)](Napi::Env env) {
                   auto list = Napi::Array::New(env, scores.size());
                   for (std::size_t i = 0; i < scores.size(); ++i) {
                     auto score = Napi::Object::New(env);
                     score.Set("name", scores[i].name);
                     score.Set("probability", scores[i].probability);
                     list.Set(static_cast<uint32_t>(i), score);
                   }
                   return list;
                 };
               });
    return info.Env().Undefined();
  });
}

Napi::Value Model::embed(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&]() -> Napi::Value {
    host_.call(host_.slow(), function_at(info, 1),
               [model = model(), text = info[0].As<Napi::String>().Utf8Value()]() -> ToJs {
                 return [values = model->embed(text)](Napi::Env env) { return array(env, values); };
               });
    return info.Env().Undefined();
  });
}

Napi::Value Model::logits(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&]() -> Napi::Value {
    std::function<std::vector<float>()> compute;
    if (info[0].IsString()) {
      compute = [model = model(), prompt = info[0].As<Napi::String>().Utf8Value()] { return model->logits(prompt); };
    } else {
      compute = [model = model(), ids = ids_from(info[0])] { return model->logits(ids); };
    }
    host_.call(host_.slow(), function_at(info, 1), [compute = std::move(compute)]() -> ToJs {
      return [values = compute()](Napi::Env env) { return float_array(env, values); };
    });
    return info.Env().Undefined();
  });
}

Napi::Value Model::perplexity(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&]() -> Napi::Value {
    host_.call(host_.slow(), function_at(info, 1),
               [model = model(), ending = ending_, text = info[0].As<Napi::String>().Utf8Value()]() -> ToJs {
                 const auto result = model->perplexity(text, [&](const Progress&) { return !ending->load(); });
                 return [result](Napi::Env env) {
                   auto object = Napi::Object::New(env);
                   object.Set("nll", result.nll);
                   object.Set("perplexity", result.perplexity);
                   object.Set("bitsPerByte", result.bits_per_byte);
                   object.Set("tokens", static_cast<double>(result.tokens));
                   object.Set("bytes", static_cast<double>(result.bytes));
                   return object;
                 };
               });
    return info.Env().Undefined();
  });
}

Napi::Value Model::tokenize(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&]() -> Napi::Value {
    EncodeOptions options;
    options.add_special_tokens = info[1].ToBoolean();
    options.parse_special_tokens = info[2].ToBoolean();
    host_.call(host_.quick(), function_at(info, 3),
               [model = model(), text = info[0].As<Napi::String>().Utf8Value(), options]() -> ToJs {
                 return [ids = tokenizer_of(*model)->encode(text, options)](Napi::Env env) { return array(env, ids); };
               });
    return info.Env().Undefined();
  });
}

Napi::Value Model::detokenize(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&]() -> Napi::Value {
    host_.call(host_.quick(), function_at(info, 2),
               [model = model(), ids = ids_from(info[0]), skip = info[1].ToBoolean().Value()]() -> ToJs {
                 return [text = tokenizer_of(*model)->decode(ids, skip)](Napi::Env env) -> Napi::Value {
                   return Napi::String::New(env, text);
                 };
               });
    return info.Env().Undefined();
  });
}

Napi::Value Model::attach_adapter(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&] {
    host_.call(host_.slow(), function_at(info, 2),
               [model = model(), name = info[0].As<Napi::String>().Utf8Value(),
                directory = info[1].As<Napi::String>().Utf8Value()]() -> ToJs {
                 model->attach_adapter(name, directory);
                 return [](Napi::Env env) { return env.Undefined(); };
               });
    return info.Env().Undefined();
  });
}

Napi::Value Model::detach_adapter(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&] {
    model()->detach_adapter(info[0].As<Napi::String>().Utf8Value());
    return info.Env().Undefined();
  });
}

Napi::Value Model::adapters(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&] { return array(info.Env(), model()->adapters()); });
}

Napi::Value Model::plan(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&]() -> Napi::Value {
    const auto options = plan_options_from(info[0].As<Napi::Object>());
    host_.call(host_.slow(), function_at(info, 1), [config = config_, options]() -> ToJs {
      return [plan = plan_memory(config, options)](Napi::Env env) { return node::plan(env, plan); };
    });
    return info.Env().Undefined();
  });
}

Napi::Value Model::cleanup(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&]() -> Napi::Value {
    host_.call(host_.slow(), function_at(info, 0), [model = model()]() -> ToJs {
      model->cleanup();
      return [](Napi::Env env) { return env.Undefined(); };
    });
    return info.Env().Undefined();
  });
}

Napi::Value Model::information(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&] { return node::information(info.Env(), model()->info()); });
}

Napi::Value Model::memory(const Napi::CallbackInfo& info) {
  return thrown(info.Env(), [&] { return node::memory(info.Env(), model()->memory()); });
}

}  // namespace dstorch::node

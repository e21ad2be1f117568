// Fine-tuning as programs do it: what it writes, how it goes on, what it refuses.
#include "dstorch/finetune.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/atomic_file.h"
#include "core/json.h"
#include "driver/test_models.h"
#include "dstorch/checkpoint.h"
#include "dstorch/simple_transformer.h"
#include "dstorch/torch_model.h"
#include "support/paths.h"
#include "train/run_lock.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::load;
using testing::HasSubstr;

const auto kModel = test::source_dir() / "tests/parity/fixtures/text/model";

class Finetune : public testing::Test {
 protected:
  Finetune() : folder_(fs::temp_directory_path() / fmt::format("dstorch_finetune_test_{}", ::getpid())) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    const char* words[] = {"red", "blue", "green", "black"};
    std::ofstream data(folder_ / "data.jsonl");
    for (int i = 0; i < 24; ++i) {
      data << Json{{"prompt", fmt::format("thing {} is", i % 12)}, {"completion", fmt::format(" {}", words[i % 4])}}
           << "\n";
    }
  }
  ~Finetune() override { fs::remove_all(folder_); }

  [[nodiscard]] FinetuneOptions options(const std::string& output) const {
    FinetuneOptions result;
    result.model = kModel;
    result.data = folder_ / "data.jsonl";
    result.output = folder_ / output;
    result.lora_rank = 4;
    result.steps = 10;
    result.batch_size = 3;
    result.accumulate = 2;
    result.learning_rate = 1e-2;
    result.bfloat16 = false;
    result.threads = 1;
    result.save_every = 2;
    result.report_answers = 3;
    return result;
  }

  /// What a run comes to, whichever kind it is of.
  static std::string weights(const FinetuneOptions& options) {
    return read_file(options.output / (options.full ? "model.safetensors" : "adapter_model.safetensors"));
  }

  static std::string refusal(const FinetuneOptions& options) {
    const auto error = error_of([&] { finetune(options); });
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument) << error.what();
    return error.what();
  }

  fs::path folder_;
};

TEST_F(Finetune, WithAnAdapterLearnsTheAnswers) {
  auto how = options("adapter");
  how.steps = 240;
  how.batch_size = 6;
  how.accumulate = 1;
  how.lora_rank = 12;
  how.learning_rate = 2e-2;
  how.eval_every = 80;
  how.held_out = how.data;
  std::vector<TrainingStep> steps;
  how.on_step = [&](const TrainingStep& step) { steps.push_back(step); };
  const auto result = finetune(how);
  EXPECT_TRUE(result.finished && !result.was_finished);
  ASSERT_EQ(steps.size(), 240U);
  EXPECT_TRUE(steps[79].held_out_loss && !steps[80].held_out_loss);
  ASSERT_TRUE(result.before && result.after);
  EXPECT_LT(result.after->loss, 0.25 * result.before->loss) << "as sure as its small logits let it be";
  EXPECT_EQ(*result.before->right, 0);
  EXPECT_EQ(*result.after->right, 1);
  EXPECT_GT(result.memory[MemoryKind::optimizer].peak, 0);
  EXPECT_LT(result.trained, load({.model_path = kModel})->info().parameters);

  // A second later: the base is the same, and answers as before where no adapter is named.
  const auto model = load({.model_path = kModel});
  GenerationOptions greedy{.max_tokens = 8, .temperature = 0};
  const auto untaught = model->complete("thing 7 is", greedy).text;
  model->attach_adapter("colours", how.output);
  greedy.adapter = "colours";
  EXPECT_EQ(model->complete("thing 7 is", greedy).text, " black");
  EXPECT_EQ(model->complete("thing 4 is", greedy).text, " red");
  greedy.adapter.clear();
  EXPECT_EQ(model->complete("thing 7 is", greedy).text, untaught);

  const auto report = read_file(how.output / "report.md");
  EXPECT_THAT(report, HasSubstr("| answered right | 0 % | 100 % |"));
  EXPECT_THAT(report, HasSubstr("| thing 0 is |  red |"));
  EXPECT_THAT(read_file(how.output / "loss.svg"), HasSubstr("</svg>"));
  std::ifstream metrics(how.output / "metrics.jsonl");
  int lines = 0;
  for (std::string line; std::getline(metrics, line); ++lines) {
    EXPECT_EQ(Json::parse(line)["step"], lines) << "step 0 is before the first";
  }
  EXPECT_EQ(lines, 241);

  // Merged it answers by itself.
  merge_adapter({kModel, how.output, folder_ / "merged"});
  EXPECT_EQ(load({.model_path = folder_ / "merged"})->complete("thing 7 is", greedy).text, " black");
}

TEST_F(Finetune, InFullWritesAModel) {
  auto how = options("full");
  how.full = true;
  how.steps = 60;
  how.learning_rate = 2e-3;
  const auto result = finetune(how);
  ASSERT_TRUE(result.after);
  EXPECT_LT(result.after->loss, result.before->loss);
  const auto model = load({.model_path = how.output});
  EXPECT_EQ(model->complete("thing 7 is", {.max_tokens = 8, .temperature = 0}).text, " black");
  EXPECT_EQ(model->info().dtype, load({.model_path = kModel})->info().dtype);
  EXPECT_EQ(result.trained, model->info().parameters);
}

/// The kinds of runs that must go on to the bit.
struct Kind {
  const char* name;
  void (*change)(FinetuneOptions&);
};

class GoesOn : public Finetune, public testing::WithParamInterface<Kind> {
 protected:
  [[nodiscard]] FinetuneOptions run(const std::string& output) const {
    auto how = options(output);
    GetParam().change(how);
    return how;
  }
};

TEST_P(GoesOn, ToTheBit) {
  const auto whole = run("whole");
  finetune(whole);
  auto stopped = run("stopped");
  for (const int64_t at : {3, 7}) {
    stopped.cancel.emplace();
    stopped.on_step = [&](const TrainingStep& step) {
      if (step.step == at) {
        stopped.cancel->cancel();
      }
    };
    const auto result = finetune(stopped);
    EXPECT_FALSE(result.finished);
    EXPECT_EQ(result.steps, at);
  }
  // The last state is damaged inside: the one before it is gone on from.
  auto torn = read_file(stopped.output / "training_state.safetensors");
  torn[torn.size() / 2] = static_cast<char>(torn[torn.size() / 2] ^ 0x40);
  write_file(stopped.output / "training_state.safetensors", torn);
  stopped.cancel.reset();
  std::vector<int64_t> steps;
  stopped.on_step = [&](const TrainingStep& step) { steps.push_back(step.step); };
  EXPECT_TRUE(finetune(stopped).finished);
  EXPECT_EQ(steps.front(), 7) << "from the state of step 6";
  EXPECT_EQ(weights(stopped), weights(whole));
  EXPECT_EQ(read_file(stopped.output / "training_state.safetensors"),
            read_file(whole.output / "training_state.safetensors"));
  steps.clear();
  const auto again = finetune(stopped);
  EXPECT_TRUE(again.was_finished);
  EXPECT_TRUE(steps.empty());
  EXPECT_EQ(weights(stopped), weights(whole));
}

INSTANTIATE_TEST_SUITE_P(All, GoesOn,
                         testing::Values(Kind{"an_adapter_with_dropout",
                                              [](FinetuneOptions& how) { how.lora_dropout = 0.2; }},
                                         Kind{"packed_and_checkpointed",
                                              [](FinetuneOptions& how) {
                                                how.packing = true;
                                                how.sequence_length = 16;
                                                how.checkpointing = true;
                                                how.rslora = true;
                                              }},
                                         Kind{"in_full", [](FinetuneOptions& how) { how.full = true; }},
                                         Kind{"to_tell_classes",
                                              [](FinetuneOptions& how) {
                                                how.data = how.output.parent_path() / "classes.jsonl";
                                                write_file(how.data,
                                                           "{\"text\": \"a b\", \"label\": 0}\n"
                                                           "{\"text\": \"b\", \"label\": 1}\n"
                                                           "{\"text\": \"a\", \"label\": 0}\n"
                                                           "{\"text\": \"b c\", \"label\": 1}\n");
                                              }},
                                         Kind{"that_may_stop_early",
                                              [](FinetuneOptions& how) {
                                                how.patience = 5;
                                                how.eval_every = 1;
                                                how.learning_rate = 0.05;
                                              }},
                                         Kind{"in_bfloat16", [](FinetuneOptions& how) { how.bfloat16 = true; }}),
                         [](const auto& which) { return which.param.name; });

class FinetuneClasses : public Finetune {
 protected:
  [[nodiscard]] FinetuneOptions class_options(const std::string& output) const {
    const char* words[] = {"red", "blue", "green", "black"};
    std::string lines;
    for (int i = 0; i < 24; ++i) {
      lines += Json{{"text", fmt::format("thing {} is", i % 12)}, {"label", words[i % 4]}}.dump() + "\n";
    }
    write_file(folder_ / "classes.jsonl", lines);
    auto how = options(output);
    how.data = folder_ / "classes.jsonl";
    how.held_out = how.data;
    how.steps = 150;
    how.batch_size = 6;
    how.accumulate = 1;
    how.lora_rank = 12;
    how.learning_rate = 2e-2;
    return how;
  }

  static void expect_taught(TorchModel& model, const std::string& what) {
    EXPECT_EQ(model.info().classes, (std::vector<std::string>{"black", "blue", "green", "red"})) << what;
    const auto scores = model.classify("thing 7 is");
    ASSERT_EQ(scores.size(), 4U);
    EXPECT_EQ(scores.front().name, "black") << what;
    EXPECT_GT(scores.front().probability, 0.5) << what;
    double sum = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      sum += scores[i].probability;
      EXPECT_LE(scores[i].probability, scores[std::max<std::size_t>(i, 1) - 1].probability);
    }
    EXPECT_NEAR(sum, 1, 1e-12);
    EXPECT_EQ(model.classify("thing 4 is").front().name, "red") << what;
    EXPECT_EQ(model.logits("thing 4 is").size(), 4U);
  }
};

TEST_F(FinetuneClasses, WithAnAdapterAndMerged) {
  const auto how = class_options("adapter");
  const auto result = finetune(how);
  ASSERT_TRUE(result.after && result.before);
  EXPECT_EQ(*result.after->right, 1);
  EXPECT_LT(*result.before->right, 0.6) << "a head that was drawn";
  const auto config = read_json(how.output / "adapter_config.json");
  EXPECT_EQ(config["task_type"], "SEQ_CLS");
  EXPECT_EQ(config["modules_to_save"], Json({"score"}));
  const auto model = load({.model_path = kModel, .adapter = how.output});
  expect_taught(*model, "with the adapter");
  merge_adapter({kModel, how.output, folder_ / "merged"});
  const auto merged = load({.model_path = folder_ / "merged"});
  expect_taught(*merged, "merged");
  EXPECT_EQ(read_json(folder_ / "merged/config.json")["architectures"], Json({"LlamaForSequenceClassification"}));
  const auto report = read_file(how.output / "report.md");
  EXPECT_THAT(report, HasSubstr("| classes | 4: black, blue, green, red |"));
  EXPECT_THAT(report, HasSubstr("| thing 0 is | red | – | red ("));

  // It writes no more, and says so.
  for (const auto& refused :
       {error_of([&] { merged->generate("thing"); }), error_of([&] { merged->perplexity("thing 1"); })}) {
    EXPECT_EQ(refused.kind(), ErrorKind::unsupported);
    EXPECT_THAT(refused.what(), HasSubstr("tells 4 classes of texts apart and writes nothing"));
  }
  const auto writes = error_of([&] { load({.model_path = kModel})->classify("thing"); });
  EXPECT_EQ(writes.kind(), ErrorKind::unsupported);
  EXPECT_THAT(writes.what(), HasSubstr("classify needs a model with classes"));
}

TEST_F(FinetuneClasses, InFullAndOnFromThere) {
  auto how = class_options("full");
  how.full = true;
  how.learning_rate = 2e-3;
  EXPECT_EQ(*finetune(how).after->right, 1);
  expect_taught(*load({.model_path = how.output}), "in full");
  // What it learned is where the next run begins: the head is not drawn again, and the classes are the model's.
  auto again = class_options("again");
  again.model = how.output;
  again.seed = 5;  // would draw another
  again.steps = 1;
  again.learning_rate = 1e-6;
  EXPECT_EQ(*finetune(again).before->right, 1);
  write_file(again.data, "{\"text\": \"a\", \"label\": \"pink\"}");
  EXPECT_THAT(refusal(again), HasSubstr("\"label\" is \"pink\", and the classes are black, blue, green, red"));
  write_file(again.data, "{\"text\": \"a\"}");
  EXPECT_THAT(refusal(again), HasSubstr("has no labels"));
  again.model = kModel;
  write_file(again.data, "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\", \"label\": 1}");
  EXPECT_THAT(refusal(again), HasSubstr("must have at least two different labels"));
}

TEST_F(Finetune, AllWeightsThatCannotFitAreRefusedBeforeTheyAreLoaded) {
  auto how = options("limited");
  how.full = true;
  how.steps = 1;
  const auto plan = plan_memory({.model_path = kModel},
                                {.context = 1, .batch = 1, .training = Training::full_finetune, .bfloat16 = false});
  const auto least = plan[MemoryKind::weights] + plan[MemoryKind::gradients] + plan[MemoryKind::optimizer];
  EXPECT_EQ(least, 4 * plan[MemoryKind::weights]);
  how.memory_limit = least - 1;
  const auto error = error_of([&] { finetune(how); });
  EXPECT_EQ(error.kind(), ErrorKind::out_of_memory);
  EXPECT_THAT(error.what(), HasSubstr("fine-tuning all weights does not fit into the memory limit of"));
  EXPECT_THAT(error.what(), HasSubstr("optimizer"));
  EXPECT_FALSE(fs::exists(how.output)) << "nothing was begun";
  how.memory_limit = 3 * least;
  const auto result = finetune(how);
  EXPECT_TRUE(result.finished);
  EXPECT_GE(result.memory.total.peak, least);
}

TEST_F(Finetune, EndsEarlyWithTheBestWeights) {
  auto how = options("early");
  how.steps = 400;
  how.eval_every = 1;
  how.patience = 3;
  how.learning_rate = 0.3;  // far too large: it cannot but get worse
  how.warmup_steps = 0;
  std::vector<double> losses;
  how.on_step = [&](const TrainingStep& step) { losses.push_back(*step.held_out_loss); };
  const auto result = finetune(how);
  EXPECT_TRUE(result.finished);
  ASSERT_LT(result.steps, 400);
  const auto best = std::min_element(losses.begin(), losses.end());
  EXPECT_EQ(losses.end() - best, 4) << "three worse ones after the best";
  EXPECT_NEAR(result.after->loss, *best, 1e-6 * *best);
}

TEST_F(Finetune, OtherOptionsAreRefusedByName) {
  const auto how = options("run");
  finetune(how);
  auto other = how;
  other.lora_rank = 8;
  EXPECT_THAT(refusal(other), HasSubstr("lora_rank was 4 and is 8"));
  other = how;
  other.learning_rate = 2e-2;
  other.steps = 11;
  EXPECT_THAT(refusal(other),
              testing::AllOf(HasSubstr("learning_rate was 0.01 and is 0.02"), HasSubstr("steps was 10 and is 11")));
  other = how;
  other.full = true;
  EXPECT_THAT(refusal(other), HasSubstr("full was none and is on"));
  std::ofstream(how.data, std::ios::app) << R"({"prompt": "a", "completion": "b"})"
                                         << "\n";
  EXPECT_THAT(refusal(how), HasSubstr("data was "));
  other = how;
  other.resume = false;
  EXPECT_THAT(refusal(other), HasSubstr("holds the state of an earlier run"));
  other = how;
  other.overwrite = true;
  EXPECT_TRUE(finetune(other).finished);
}

TEST_F(Finetune, ADirectoryIsOneRunsAlone) {
  const auto how = options("run");
  fs::create_directories(how.output);
  {
    const training::RunLock lock(how.output);
    EXPECT_THAT(refusal(how), HasSubstr("another run is training into"));
  }
  write_file(how.output / "notes.txt", "mine");
  EXPECT_THAT(refusal(how), HasSubstr("holds files that this run did not write"));
  EXPECT_EQ(read_file(how.output / "notes.txt"), "mine");
  auto over_the_model = how;
  over_the_model.output = kModel;
  EXPECT_THAT(refusal(over_the_model), HasSubstr("is the model itself"));
}

TEST_F(Finetune, SaysWhatIsWrongBeforeItBegins) {
  auto how = options("run");
  how.data = folder_ / "bad.jsonl";
  write_file(how.data, read_file(folder_ / "data.jsonl") + "{\"prompt\": \"a\"}");
  EXPECT_THAT(refusal(how), HasSubstr("line 25: must have \"completion\""));
  EXPECT_FALSE(fs::exists(how.output));
  how = options("run");
  how.lora_targets = {"q_proj", "nose"};
  EXPECT_THAT(refusal(how), testing::AllOf(HasSubstr("\"nose\" names no layer of the model"), HasSubstr("down_proj")));
  how = options("run");
  how.patience = 1;
  EXPECT_THAT(refusal(how), HasSubstr("eval_every must be at least 1"));
  how = options("run");
  how.warmup_steps = 11;
  EXPECT_THAT(refusal(how), HasSubstr("warmup_steps must be at most the 10 steps"));
  how = options("run");
  how.sequence_length = 100000;
  EXPECT_THAT(refusal(how), HasSubstr("max_position_embeddings"));
}

TEST_F(Finetune, TargetsAreNamesOrPatterns) {
  auto how = options("run");
  how.steps = 1;
  how.lora_targets = {"q_proj", ".*layers\\.0\\.mlp\\.up_proj"};
  finetune(how);
  const auto targets = read_json(how.output / "adapter_config.json")["target_modules"].get<std::vector<std::string>>();
  for (const auto& target : targets) {
    EXPECT_TRUE(target.ends_with("q_proj") || target == "model.layers.0.mlp.up_proj") << target;
  }
  EXPECT_THAT(targets, testing::Contains("model.layers.0.mlp.up_proj"));
  EXPECT_THAT(targets, testing::Contains("model.layers.0.self_attn.q_proj"));
}

class FinetuneNetwork : public Finetune {
 protected:
  FinetuneNetwork() {
    SimpleTransformer network({.input_size = 2, .hidden_size = 16, .output_size = 3, .num_layers = 2}, 5);
    std::vector<TensorView> views;
    for (const auto& entry : network.named_parameters()) {
      TensorView view;
      view.name = entry.key();
      view.shape = entry.value().sizes().vec();
      view.strides = entry.value().strides().vec();
      view.storage = {static_cast<const std::byte*>(entry.value().data_ptr()), entry.value().nbytes()};
      views.push_back(view);
    }
    save_pytorch(folder_ / "network.pt", views);
  }

  [[nodiscard]] FinetuneOptions network_options(const std::string& output, const std::string& lines) const {
    write_file(folder_ / "network.jsonl", lines);
    auto how = options(output);
    how.model = folder_ / "network.pt";
    how.data = folder_ / "network.jsonl";
    how.steps = 300;
    how.batch_size = 16;
    return how;
  }
};

TEST_F(FinetuneNetwork, LearnsLabels) {
  std::string lines;
  for (int i = 0; i < 120; ++i) {
    const double x = (i * 37 % 101) / 50.0 - 1;
    const double y = (i * 53 % 97) / 48.0 - 1;
    lines += Json{{"input", {x, y}}, {"label", x + y > 0.2 ? 2 : x > y ? 1 : 0}}.dump() + "\n";
  }
  const auto result = finetune(network_options("labels", lines));
  ASSERT_TRUE(result.before && result.after);
  EXPECT_LT(*result.before->right, 0.7);
  EXPECT_GT(*result.after->right, 0.8);
  const auto model = load({.model_path = folder_ / "labels"});
  EXPECT_EQ(model->info().model_type, "simple_transformer");
  EXPECT_EQ(Checkpoint::open(folder_ / "labels/model.pt")->tensors().size(), 6U);
  EXPECT_THAT(read_file(folder_ / "labels/report.md"), HasSubstr("answered right"));
}

TEST_F(FinetuneNetwork, LearnsTargetsOfTexts) {
  std::string lines;
  for (const char* text : {"ab", "zz", "a", "qr", "Mx", "09"}) {
    for (int i = 0; i < 5; ++i) {
      lines += Json{{"input", text}, {"target", {text[0] / 255.0, 0.5, -1}}}.dump() + "\n";
    }
  }
  const auto result = finetune(network_options("targets", lines));
  EXPECT_LT(result.after->loss, 0.01);
  EXPECT_FALSE(result.after->right);
  const auto output = load({.model_path = folder_ / "targets"})->logits("zz");
  ASSERT_EQ(output.size(), 3U);
  EXPECT_NEAR(output[0], 'z' / 255.0, 0.15);
  EXPECT_NEAR(output[2], -1, 0.15);
}

TEST_F(FinetuneNetwork, BadLinesAreNamed) {
  const auto message = refusal(network_options("bad",
                                               "{\"input\": [1, 2], \"label\": 0}\n"
                                               "{\"input\": [1], \"label\": 0}\n"
                                               "{\"input\": [1, 2], \"label\": 3}\n"
                                               "{\"input\": [1, 2], \"target\": [1, 2, 3]}\n"
                                               "{\"input\": [1, \"a\"], \"label\": 1}\n"));
  EXPECT_THAT(message, HasSubstr("has 4 lines"));
  EXPECT_THAT(message, HasSubstr("line 2: \"input\" must be a list of 2 numbers"));
  EXPECT_THAT(message, HasSubstr("line 3: \"label\" must be a whole number from 0 to 2, it is 3"));
  EXPECT_THAT(message, HasSubstr("line 4: must have a label as the lines before it"));
  EXPECT_THAT(message, HasSubstr("line 5: \"input\" must be a list of 2 numbers, and holds \"a\""));
}

}  // namespace
}  // namespace dstorch

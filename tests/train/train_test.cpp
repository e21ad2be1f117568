#include "dstorch/train.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>

#include "core/atomic_file.h"
#include "core/json.h"
#include "device/webgl/webgl.h"
#include "dstorch/checkpoint.h"
#include "dstorch/error.h"
#include "dstorch/tokenizer.h"
#include "support/devices.h"
#include "support/tolerances.h"
#include "train/bfloat16.h"
#include "train/training_plan.h"

namespace dstorch {
namespace {

namespace fs = std::filesystem;
using test::Compared;

class Train : public testing::Test {
 protected:
  Train() {
    folder_ = fs::temp_directory_path() / ("dstorch_train_test_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::string text;
    for (int i = 0; i < 400; ++i) {
      text += "item " + std::to_string(i % 10) + " is " + (i % 10 % 2 == 0 ? "even" : "odd") + "\n";
    }
    std::ofstream(folder_ / "text.txt") << text;
    BpeTrainerOptions bpe;
    bpe.vocab_size = 280;
    train_bpe_tokenizer(std::vector<fs::path>{folder_ / "text.txt"}, folder_ / "tokenizer.json", bpe);
    write_config(280, 24);
  }
  ~Train() override { fs::remove_all(folder_); }

  void write_config(int64_t vocab_size, int64_t hidden_size, const std::string& type = "llama") {
    const Json config = {{"model_type", type},         {"vocab_size", vocab_size}, {"hidden_size", hidden_size},
                         {"intermediate_size", 48},    {"num_hidden_layers", 2},   {"num_attention_heads", 2},
                         {"num_key_value_heads", 1},   {"head_dim", 12},           {"max_position_embeddings", 64},
                         {"tie_word_embeddings", true}};
    std::ofstream(folder_ / "config.json") << config.dump();
  }

  [[nodiscard]] TrainOptions options(const std::string& output) const {
    TrainOptions result;
    result.data = {folder_ / "text.txt"};
    result.tokenizer = folder_ / "tokenizer.json";
    result.config = folder_ / "config.json";
    result.output = folder_ / output;
    result.steps = 12;
    result.batch_size = 4;
    result.sequence_length = 32;
    result.learning_rate = 1e-2;
    result.min_learning_rate = 1e-3;
    result.warmup_steps = 2;
    result.eval_every = 0;
    result.save_every = 0;
    result.bfloat16 = false;
    result.threads = 1;
    return result;
  }

  static ErrorKind kind_of(const TrainOptions& options, const std::string& word) {
    try {
      train(options);
    } catch (const LMError& e) {
      EXPECT_NE(std::string(e.what()).find(word), std::string::npos) << e.what();
      return e.kind();
    }
    ADD_FAILURE() << "no error about " << word;
    return ErrorKind::internal;
  }

  fs::path folder_;
};

TEST_F(Train, LearnsAndWritesAHuggingFaceDirectory) {
  auto how = options("model");
  how.steps = 60;
  how.eval_every = 30;
  how.save_dtype = DType::bfloat16;
  std::vector<TrainOptions::Step> steps;
  how.on_step = [&](const TrainOptions::Step& step) { steps.push_back(step); };
  const auto result = train(how);
  EXPECT_TRUE(result.finished);
  ASSERT_EQ(steps.size(), 60U);
  EXPECT_NEAR(steps.front().loss, std::log(280.0), 0.3);
  EXPECT_LT(result.loss, 1.0);
  EXPECT_LT(*result.held_out_loss, 1.5);  // Each held-out sequence starts without context; untrained it is 5.6.
  EXPECT_TRUE(steps[29].held_out_loss && steps[59].held_out_loss && !steps[30].held_out_loss);
  EXPECT_GT(*steps[29].held_out_loss, *steps[59].held_out_loss);
  EXPECT_DOUBLE_EQ(*steps[59].held_out_bits_per_byte, *result.held_out_bits_per_byte);
  EXPECT_GT(steps[10].tokens_per_second, 0);
  EXPECT_DOUBLE_EQ(steps[1].learning_rate, 1e-2);

  const auto model = Checkpoint::open(how.output / "model.safetensors");
  EXPECT_EQ(model->tensors().size(), 20U);
  for (const auto& tensor : model->tensors()) {
    EXPECT_EQ(tensor.dtype, DType::bfloat16) << tensor.name;
  }
  ASSERT_NE(model->find("model.layers.1.mlp.down_proj.weight"), nullptr);
  EXPECT_EQ(model->find("model.layers.1.mlp.down_proj.weight")->shape, (std::vector<int64_t>{24, 48}));
  const auto config = read_json(how.output / "config.json");
  EXPECT_EQ(config["torch_dtype"], "bfloat16");
  EXPECT_EQ(config["eos_token_id"], 0);
  EXPECT_EQ(read_json(how.output / "generation_config.json")["eos_token_id"], 0);
  EXPECT_EQ(read_file(how.output / "tokenizer.json"), read_file(folder_ / "tokenizer.json"));
}

TEST_F(Train, ThreadsChangeNoBit) {
  auto how = options("one");
  how.steps = 3;
  how.batch_size = 16;  // in four parts
  how.eval_every = 3;
  const auto one = train(how);
  const auto model = read_file(how.output / "model.safetensors");
  how.output = folder_ / "three";
  how.threads = 3;
  const auto three = train(how);
  EXPECT_EQ(three.loss, one.loss);
  EXPECT_EQ(three.held_out_loss, one.held_out_loss);
  EXPECT_EQ(read_file(how.output / "model.safetensors"), model);
}

TEST_F(Train, PassesInBfloat16RoundAsThatDoes) {
  auto how = options("float32");
  how.steps = 3;
  const auto wide = train(how);
  how.output = folder_ / "bfloat16";
  how.bfloat16 = true;
  const auto narrow = train(how);
  EXPECT_NE(narrow.loss, wide.loss);
  EXPECT_NEAR(narrow.loss, wide.loss, 0.02 * wide.loss);
}

TEST_F(Train, AStoppedRunGoesOnAsIfNeverStopped) {
  const auto whole = options("whole");
  const auto expected = train(whole);

  auto stopped = options("stopped");
  stopped.save_every = 2;
  stopped.cancel.emplace();
  std::vector<double> losses;
  stopped.on_step = [&](const TrainOptions::Step& step) {
    losses.push_back(step.loss);
    if (step.step == 5) {
      stopped.cancel->cancel();
    }
  };
  const auto first = train(stopped);
  EXPECT_FALSE(first.finished);
  EXPECT_EQ(first.steps, 5);
  EXPECT_TRUE(fs::exists(stopped.output / "model.safetensors"));
  stopped.cancel.reset();
  stopped.on_step = [&](const TrainOptions::Step& step) { losses.push_back(step.loss); };
  const auto second = train(stopped);
  EXPECT_TRUE(second.finished);
  EXPECT_EQ(losses.size(), 12U);
  EXPECT_EQ(second.loss, expected.loss);
  EXPECT_EQ(second.held_out_loss, expected.held_out_loss);
  EXPECT_EQ(read_file(stopped.output / "model.safetensors"), read_file(whole.output / "model.safetensors"));
  EXPECT_EQ(read_file(stopped.output / "training_state.safetensors"),
            read_file(whole.output / "training_state.safetensors"));
  // A finished run has nothing left to do.
  const auto third = train(stopped);
  EXPECT_TRUE(third.finished);
  EXPECT_EQ(losses.size(), 12U);
  EXPECT_EQ(third.loss, expected.loss);
  EXPECT_EQ(third.held_out_loss, expected.held_out_loss);
}

TEST_F(Train, SavesItsStateAsOftenAsAsked) {
  auto how = options("model");
  how.steps = 7;
  how.save_every = 3;
  std::vector<std::string> saved;
  how.on_step = [&](const TrainOptions::Step& /*step*/) {
    saved.push_back(Checkpoint::open(how.output / "training_state.safetensors")->metadata().at("step"));
  };
  train(how);
  EXPECT_EQ(saved, (std::vector<std::string>{"0", "0", "3", "3", "3", "6", "6"}));
  EXPECT_EQ(Checkpoint::open(how.output / "training_state.safetensors")->metadata().at("step"), "7");
}

TEST_F(Train, TheSeedDecidesTheFirstWeights) {
  std::vector<std::string> weights;
  for (const auto& [name, seed] : std::map<std::string, uint64_t>{{"a", 1}, {"b", 1}, {"c", 2}}) {
    auto how = options(name);
    how.seed = seed;
    how.cancel.emplace();
    how.cancel->cancel();  // before the first step
    train(how);
    weights.push_back(read_file(how.output / "model.safetensors"));
  }
  EXPECT_TRUE(weights[0] == weights[1]);
  EXPECT_FALSE(weights[0] == weights[2]);
}

TEST_F(Train, ClipsAndTakesAdamWsEpsilonAsAsked) {
  auto how = options("free");
  how.epsilon = 1e-3;
  how.clip_norm = 0;
  const auto free = train(how).loss;
  how.output = folder_ / "clipped";
  how.clip_norm = 1e-6;  // far below epsilon: next to nothing is learned
  const auto clipped = train(how).loss;
  how.output = folder_ / "damped";
  how.clip_norm = 0;
  how.epsilon = 1;
  const auto damped = train(how).loss;
  EXPECT_LT(free, 4.5);
  EXPECT_NEAR(clipped, std::log(280.0), 0.3);
  EXPECT_NEAR(damped, std::log(280.0), 0.3);
}

TEST_F(Train, AnotherRunsStateIsRefusedByName) {
  auto how = options("model");
  how.steps = 1;
  train(how);
  auto other = how;
  other.seed = 9;
  EXPECT_EQ(kind_of(other, "seed was 0 and is 9"), ErrorKind::invalid_argument);
  other = how;
  other.resume = false;
  EXPECT_EQ(kind_of(other, "resume it, delete it"), ErrorKind::invalid_argument);
  auto text = read_file(folder_ / "text.txt");
  text[text.find("item 1 ") + 5] = '7';  // another text of as many tokens
  std::ofstream(folder_ / "other.txt") << text;
  other = how;
  other.data = {folder_ / "other.txt"};
  EXPECT_EQ(kind_of(other, "data was "), ErrorKind::invalid_argument);
  write_config(280, 48);
  EXPECT_EQ(kind_of(how, "config was"), ErrorKind::invalid_argument);
}

TEST_F(Train, ADamagedStateIsAFormatError) {
  auto how = options("model");
  how.steps = 1;
  train(how);
  fs::copy_file(how.output / "training_state.safetensors", folder_ / "good");
  fs::resize_file(how.output / "training_state.safetensors", 5000);
  EXPECT_EQ(kind_of(how, "training_state"), ErrorKind::format);
  fs::copy_file(how.output / "model.safetensors", how.output / "training_state.safetensors",
                fs::copy_options::overwrite_existing);
  EXPECT_EQ(kind_of(how, "dstorch training state"), ErrorKind::format);
  // Whole by its size, but with a block of zeros inside, as a file system may leave it after a crash.
  const auto good = read_file(folder_ / "good");
  for (const std::size_t at : {good.size() / 2, good.size() - 5000, good.size() - 4}) {
    auto torn = good;
    std::fill_n(torn.begin() + static_cast<std::ptrdiff_t>(at), std::min<std::size_t>(4096, torn.size() - at), '\0');
    write_file(how.output / "training_state.safetensors", torn);
    EXPECT_EQ(kind_of(how, "is damaged: its checksum is not that of its content"), ErrorKind::format) << at;
  }
  write_file(how.output / "training_state.safetensors", good);
  EXPECT_TRUE(train(how).finished);
}

TEST_F(Train, OfADamagedStateEveryByteCounts) {
  auto how = options("model");
  how.steps = 2;
  train(how);
  const auto path = how.output / "training_state.safetensors";
  const auto good = read_file(path);
  for (std::size_t at = 0; at < good.size(); at += 1 + good.size() / 97) {
    auto torn = good;
    torn[at] = static_cast<char>(torn[at] ^ 0x10);
    write_file(path, torn);
    EXPECT_THROW(train(how), LMError) << "byte " << at << " of " << good.size();
  }
  // A step that was never reached, which nothing but the checksum knows.
  auto other = good;
  const auto step = other.find(R"("step":"2")");
  ASSERT_NE(step, std::string::npos);
  other[step + 8] = '9';
  write_file(path, other);
  EXPECT_EQ(kind_of(how, "is damaged"), ErrorKind::format);
}

/// Somebody else's model, to be left alone.
class ForeignModel : public Train {
 protected:
  ForeignModel() {
    how_.steps = 1;
    fs::create_directories(how_.output);
  }

  void put(const std::string& name, const std::string& content = "theirs") const {
    write_file(how_.output / name, content);
  }

  void expect_refused(const std::string& names) const {
    std::map<fs::path, std::string> before;
    for (const auto& entry : fs::directory_iterator(how_.output)) {
      before[entry.path()] = read_file(entry.path());
    }
    EXPECT_EQ(kind_of(how_, "holds " + names + ", which this run did not write"), ErrorKind::invalid_argument);
    std::map<fs::path, std::string> after;
    for (const auto& entry : fs::directory_iterator(how_.output)) {
      after[entry.path()] = read_file(entry.path());
    }
    EXPECT_EQ(after, before) << "something was touched";
  }

  TrainOptions how_ = options("theirs");
};

TEST_F(ForeignModel, IsNotReplaced) {
  for (const char* name :
       {"model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json",
        "config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"}) {
    put(name);
    expect_refused(name);
    fs::remove(how_.output / name);
  }
  put("notes.txt");
  EXPECT_TRUE(train(how_).finished) << "what is no model may stay";
  EXPECT_EQ(read_file(how_.output / "notes.txt"), "theirs");
}

// As it happened: config and tokenizer are the model's own, and its weights were lost.
TEST_F(ForeignModel, IsNotReplacedBecauseItsConfigIsUsed) {
  auto first = options("theirs");
  first.steps = 2;
  train(first);
  fs::remove(how_.output / "training_state.safetensors");
  how_.config = how_.output / "config.json";
  how_.tokenizer = how_.output;
  how_.batch_size = 2;  // another run
  expect_refused("model.safetensors, generation_config.json");
  how_.data = {folder_ / "missing.txt"};
  put("model.safetensors");
  EXPECT_EQ(kind_of(how_, "holds model.safetensors"), ErrorKind::invalid_argument) << "known before the text is read";
}

TEST_F(ForeignModel, IsReplacedWhenAskedTo) {
  put("model.safetensors");
  put("config.json");
  put("training_state.safetensors");
  EXPECT_EQ(kind_of(how_, "training_state"), ErrorKind::format);
  how_.overwrite = true;
  EXPECT_TRUE(train(how_).finished);
  EXPECT_NO_THROW(Checkpoint::open(how_.output / "model.safetensors"));
  EXPECT_EQ(read_json(how_.output / "config.json")["hidden_size"], 24);
  // It is this run's own now.
  how_.overwrite = false;
  how_.steps = 2;
  EXPECT_TRUE(train(how_).finished);
}

TEST_F(ForeignModel, OverwritingGoesOnFromAStateOfTheSameRun) {
  how_.overwrite = true;
  how_.steps = 3;
  train(how_);
  how_.steps = 5;
  std::vector<int64_t> steps;
  how_.on_step = [&](const TrainOptions::Step& step) { steps.push_back(step.step); };
  train(how_);
  EXPECT_EQ(steps, (std::vector<int64_t>{4, 5}));
  // Another run's is begun anew, and so is one that is not to be resumed.
  for (const bool other_run : {true, false}) {
    steps.clear();
    how_.seed += other_run ? 1 : 0;
    how_.resume = other_run;
    train(how_);
    EXPECT_EQ(steps.size(), 5U) << other_run;
  }
}

TEST_F(ForeignModel, TakesThePlaceOfAnotherOneOfOurs) {
  train(how_);
  put("model.safetensors", read_file(folder_ / "tokenizer.json"));  // whatever it is: no weights of this run
  expect_refused("model.safetensors");
  fs::remove(how_.output / "model.safetensors");
  EXPECT_TRUE(train(how_).finished) << "the state is enough to know the rest";
  // Without the state the weights are.
  fs::remove(how_.output / "training_state.safetensors");
  EXPECT_TRUE(train(how_).finished);
}

TEST_F(ForeignModel, WhatIsNoFileIsKept) {
  fs::create_directory(how_.output / "generation_config.json");
  how_.overwrite = true;
  EXPECT_EQ(kind_of(how_, "generation_config.json is a directory"), ErrorKind::invalid_argument);
  fs::remove(how_.output / "generation_config.json");
  ASSERT_EQ(::mkfifo((how_.output / "model.safetensors").c_str(), 0600), 0);
  EXPECT_EQ(kind_of(how_, "model.safetensors is a FIFO"), ErrorKind::invalid_argument);
  how_.overwrite = false;
  EXPECT_EQ(kind_of(how_, "holds model.safetensors"), ErrorKind::invalid_argument);
}

TEST_F(Train, TheConfigMayBeInTheOutputDirectory) {
  const auto everything_in = [&](const fs::path& directory) {
    auto how = options("x");
    how.output = directory;
    how.config = directory / "config.json";
    how.tokenizer = directory;
    return how;
  };
  fs::create_directories(folder_ / "here");
  fs::copy_file(folder_ / "tokenizer.json", folder_ / "here/tokenizer.json");
  // Without what writing the model adds, and with what it changes.
  auto config = read_json(folder_ / "config.json");
  config.erase("vocab_size");
  for (const Json& type : {Json(), Json("bfloat16")}) {
    for (const char* key : {"torch_dtype", "dtype"}) {
      fs::remove(folder_ / "here/model.safetensors");
      fs::remove(folder_ / "here/training_state.safetensors");
      fs::remove(folder_ / "here/tokenizer_config.json");
      fs::remove(folder_ / "here/generation_config.json");
      config[key] = type;
      write_file(folder_ / "here/config.json", config.dump());
      auto how = everything_in(folder_ / "here");
      how.steps = 2;
      EXPECT_TRUE(train(how).finished);
      EXPECT_EQ(read_json(how.config)["torch_dtype"], "float32");
      how.steps = 4;
      std::vector<int64_t> steps;
      how.on_step = [&](const TrainOptions::Step& step) { steps.push_back(step.step); };
      EXPECT_TRUE(train(how).finished);
      EXPECT_EQ(steps, (std::vector<int64_t>{3, 4})) << key;
      config.erase(key);
    }
  }
}

TEST_F(Train, WithoutTextToEvaluateOnThereIsNoLoss) {
  const auto words = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      text += "item " + std::to_string(i) + " ";
    }
    return text;
  };
  std::string ends;
  for (int i = 0; i < 10; ++i) {
    ends += "<|endoftext|>\n";
  }
  std::ofstream(folder_ / "one line.txt") << words(100);
  std::ofstream(folder_ / "empty.txt") << "";
  std::ofstream(folder_ / "ends.txt") << ends;
  std::ofstream(folder_ / "text and ends.txt") << words(8) << "\n" << ends << ends << ends;
  const auto none = [&](auto change) {
    auto how = options("model");
    how.steps = 2;
    how.eval_every = 1;
    how.overwrite = true;
    change(how);
    how.on_step = [](const TrainOptions::Step& step) {
      EXPECT_FALSE(step.held_out_loss);
      EXPECT_FALSE(step.held_out_bits_per_byte);
    };
    const auto result = train(how);
    EXPECT_TRUE(result.finished);
    EXPECT_FALSE(result.held_out_loss);
    EXPECT_FALSE(result.held_out_bits_per_byte);
  };
  none([&](TrainOptions& how) { how.data = {folder_ / "one line.txt"}; });
  none([&](TrainOptions& how) { how.held_out = folder_ / "empty.txt"; });
  none([&](TrainOptions& how) { how.held_out = folder_ / "ends.txt"; });
  none([&](TrainOptions& how) { how.held_out_fraction = 0; });
  none([&](TrainOptions& how) {
    how.data = {folder_ / "text and ends.txt"};
    how.held_out_fraction = 0.5;
    how.sequence_length = 8;
  });
  auto how = options("other");
  how.data = {folder_ / "ends.txt"};
  how.sequence_length = 4;
  EXPECT_EQ(kind_of(how, "it has 10 tokens and no text"), ErrorKind::invalid_argument);
}

TEST_F(Train, NothingOfAKilledRunStays) {
  auto how = options("model");
  how.steps = 1;
  train(how);
  for (const char* name : {"training_state.safetensors", "model.safetensors", "config.json", "tokenizer.json",
                           "tokenizer_config.json", "generation_config.json"}) {
    std::ofstream(how.output / (std::string(name) + ".tmp-0123456789abcdef")) << "half";
  }
  train(how);
  EXPECT_EQ(std::distance(fs::directory_iterator(how.output), {}), 8) << "the six, metrics.jsonl and loss.svg";
}

TEST_F(Train, AnExplodingLossStopsAndKeepsTheLastState) {
  auto how = options("model");
  how.learning_rate = 1e3;
  how.min_learning_rate = 1e3;
  how.warmup_steps = 0;
  how.clip_norm = 0;
  how.steps = 200;
  how.save_every = 1;
  how.epsilon = 0;
  auto config = read_json(folder_ / "config.json");  // Read whole before the file is opened for writing.
  config["initializer_range"] = 1e18;                // Products of three of these are infinite in float32.
  std::ofstream(folder_ / "config.json") << config.dump();
  EXPECT_EQ(kind_of(how, "of step 1 "), ErrorKind::inference);
  const auto state = Checkpoint::open(how.output / "training_state.safetensors");
  EXPECT_EQ(state->metadata().at("step"), "0");
  EXPECT_FALSE(fs::exists(how.output / "model.safetensors"));
}

TEST_F(Train, BadInput) {
  auto how = options("model");
  how.sequence_length = 65;
  EXPECT_EQ(kind_of(how, "max_position_embeddings 64"), ErrorKind::invalid_argument);
  how = options("model");
  std::ofstream(folder_ / "short.txt") << "item 1";
  how.data = {folder_ / "short.txt"};
  EXPECT_EQ(kind_of(how, "more tokens than one sequence"), ErrorKind::invalid_argument);
  how.data = {folder_ / "missing.txt"};
  EXPECT_EQ(kind_of(how, "missing.txt"), ErrorKind::not_found);
  how = options("model");
  how.tokenizer = folder_ / "nothing";
  EXPECT_EQ(kind_of(how, "nothing"), ErrorKind::not_found);
  how = options("model");
  write_config(100, 24);
  EXPECT_EQ(kind_of(how, "vocab_size must be at least the tokenizer's 279, it is 100"), ErrorKind::invalid_argument);
  write_config(280, 24, "no_such_model");
  EXPECT_EQ(kind_of(how, "no_such_model"), ErrorKind::unsupported);
  write_config(280, 24);
  std::ofstream(folder_ / "a_file") << "x";
  how.output = folder_ / "a_file";
  EXPECT_EQ(kind_of(how, "a_file"), ErrorKind::io);
  how.output = "/proc/no_such_place/model";
  EXPECT_EQ(kind_of(how, "/proc/no_such_place"), ErrorKind::io);
}

TEST_F(Train, OptionsOutsideTheirRange) {
  const auto refused = [&](auto change, const std::string& word) {
    auto how = options("model");
    change(how);
    EXPECT_EQ(kind_of(how, word), ErrorKind::invalid_argument) << word;
  };
  refused([](TrainOptions& o) { o.steps = 0; }, "steps");
  refused([](TrainOptions& o) { o.batch_size = -1; }, "batch_size");
  refused([](TrainOptions& o) { o.batch_size = int64_t{1} << 62; }, "2^31");
  refused([](TrainOptions& o) { o.sequence_length = 0; }, "sequence_length");
  refused([](TrainOptions& o) { o.learning_rate = std::nan(""); }, "learning_rate");
  refused([](TrainOptions& o) { o.min_learning_rate = 1; }, "min_learning_rate");
  refused([](TrainOptions& o) { o.beta1 = 1; }, "beta1");
  refused([](TrainOptions& o) { o.weight_decay = -1; }, "weight_decay");
  refused([](TrainOptions& o) { o.clip_norm = -1; }, "clip_norm");
  refused([](TrainOptions& o) { o.held_out_fraction = 1; }, "held_out_fraction");
  refused([](TrainOptions& o) { o.save_dtype = DType::int8; }, "save_dtype");
  refused([](TrainOptions& o) { o.threads = -1; }, "threads");
  refused([](TrainOptions& o) { o.memory_limit = -1; }, "memory_limit");
  refused([](TrainOptions& o) { o.data.clear(); }, "data");
}

TEST_F(Train, AllOfTheDataCanBeLearnedFrom) {
  auto how = options("model");
  how.steps = 1;
  how.held_out_fraction = 0;
  const auto result = train(how);
  EXPECT_TRUE(result.finished);
  EXPECT_FALSE(result.held_out_loss);
  how.output = folder_ / "other";
  how.held_out = folder_ / "text.txt";
  EXPECT_GT(*train(how).held_out_bits_per_byte, 1);
}

TEST_F(Train, CountsItsMemoryByKind) {
  auto how = options("model");
  const auto result = train(how);
  int64_t parameters = 0;
  const auto written = Checkpoint::open(how.output / "model.safetensors");
  for (const auto& tensor : written->tensors()) {
    parameters += tensor.numel();
  }
  const auto& memory = result.memory;
  EXPECT_EQ(memory[MemoryKind::weights].peak, 4 * parameters);
  EXPECT_EQ(memory[MemoryKind::gradients].peak, 4 * parameters);
  EXPECT_EQ(memory[MemoryKind::optimizer].peak, 8 * parameters);
  EXPECT_GT(memory[MemoryKind::activations].peak, 4 * how.batch_size * how.sequence_length * 280)
      << "at least the logits";
  EXPECT_GE(memory.total.peak, memory[MemoryKind::activations].peak + 12 * parameters);
  for (std::size_t kind = 0; kind < kMemoryKinds; ++kind) {
    EXPECT_EQ(memory.kinds[kind].bytes, 0) << to_string(static_cast<MemoryKind>(kind));
  }
  // A run that goes on makes its moments while it loads them.
  how.steps = 14;
  EXPECT_EQ(train(how).memory[MemoryKind::optimizer].peak, 8 * parameters);
}

/// What a run of `how` asks for, as a plan.
MemoryPlan planned(const TrainOptions& how) {
  training::PlannedRun run;
  run.device = how.device;
  run.memory_limit = how.memory_limit;
  run.batch = how.batch_size;
  run.sequence = how.sequence_length;
  return training::plan_training(read_json(how.config), nullptr, run);
}

TEST_F(Train, AMemoryLimitIsKeptOrRefusedBeforeAnythingIsAllocated) {
  for (const auto& device : all_devices()) {
    SCOPED_TRACE(device);
    auto how = options("model_" + device);
    how.steps = 2;
    how.device = Device::parse(device);
    const auto needed = planned(how).total;
    const auto free = memory_use(how.device).total;
    how.memory_limit = needed - 1;
    EXPECT_EQ(kind_of(how, "training does not fit into the memory limit of " + format_bytes(needed - 1)),
              ErrorKind::out_of_memory);
    const auto fits = planned(how).largest_context;
    EXPECT_TRUE(fits == 30 || fits == 31) << fits << " of 32";
    EXPECT_EQ(kind_of(how, fmt::format("the largest context that fits is {}", fits)), ErrorKind::out_of_memory);
    EXPECT_EQ(kind_of(how, "gradients "), ErrorKind::out_of_memory);
    EXPECT_EQ(memory_use(how.device).total.peak, free.peak) << "nothing was allocated";
    EXPECT_FALSE(fs::exists(how.output));
    how.memory_limit = needed + needed / 10;
    const auto result = train(how);
    EXPECT_TRUE(result.finished);
    EXPECT_GT(result.memory.total.peak, needed / 2);
    EXPECT_LE(result.memory.total.peak, how.memory_limit);
  }
}

TEST_F(Train, OnEveryDeviceAsOnTheCpu) {
  std::map<std::string, std::vector<double>> losses;
  std::map<std::string, TrainResult> results;
  for (const auto& device : all_devices()) {
    auto how = options(device);
    how.device = Device::parse(device);
    how.on_step = [&](const TrainOptions::Step& step) { losses[device].push_back(step.loss); };
    webgl::reset_fallbacks();
    results[device] = train(how);
    EXPECT_TRUE(webgl::fallbacks().empty());
  }
  for (const auto& device : accelerators()) {
    SCOPED_TRACE(device);
    const auto& loss = losses[device];
    ASSERT_EQ(loss.size(), 12U);
    for (std::size_t i = 0; i < 12; ++i) {
      EXPECT_NEAR(loss[i], losses["cpu"][i], test::tolerance(Compared::loss_of_cpu, DType::float32, device))
          << "step " << i + 1;
    }
    EXPECT_LT(loss.back(), loss.front() - 1);
    EXPECT_NEAR(*results[device].held_out_loss, *results["cpu"].held_out_loss,
                test::tolerance(Compared::loss_of_cpu, DType::float32, device));
    const auto& there = results[device].memory;
    EXPECT_EQ(there.device, Device::parse(device));
    for (const auto kind : {MemoryKind::weights, MemoryKind::gradients, MemoryKind::optimizer}) {
      EXPECT_EQ(there[kind].peak, results["cpu"].memory[kind].peak) << to_string(kind);
    }
    EXPECT_EQ(there.total.bytes, 0);
  }
}

TEST_F(Train, AStoppedRunGoesOnOnEveryDeviceAsIfNeverStopped) {
  for (const auto& device : accelerators()) {  // the CPU's has a test of its own
    SCOPED_TRACE(device);
    auto how = options("whole_" + device);
    how.device = Device::parse(device);
    how.steps = 4;
    train(how);
    const auto whole = how.output;
    how.output = folder_ / ("stopped_" + device);
    how.cancel.emplace();
    how.on_step = [&](const TrainOptions::Step& step) {
      if (step.step == 2) {
        how.cancel->cancel();
      }
    };
    EXPECT_FALSE(train(how).finished);
    how.cancel.reset();
    how.on_step = nullptr;
    EXPECT_TRUE(train(how).finished);
    for (const char* file : {"model.safetensors", "training_state.safetensors"}) {
      EXPECT_EQ(read_file(how.output / file), read_file(whole / file)) << file;
    }
  }
}

TEST_F(Train, BFloat16IsForTheCpu) {
  auto how = options("model");
  how.device = Device::parse("webgl");
  how.bfloat16 = true;
  EXPECT_EQ(kind_of(how, "training in bfloat16 is for the CPU; on webgl leave it off"), ErrorKind::unsupported);
  EXPECT_FALSE(training::trains_in_bfloat16({}, how.device));
  EXPECT_EQ(training::trains_in_bfloat16({}, {}), training::processor_has_bfloat16());
}

TEST_F(Train, BFloat16AutocastLearnsToo) {
  auto how = options("model");
  how.steps = 40;
  how.bfloat16 = true;
  EXPECT_LT(train(how).loss, 2.0);
}

}  // namespace
}  // namespace dstorch

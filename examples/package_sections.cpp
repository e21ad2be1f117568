// Teaches the bundled model to name a Debian package's section from what it is described as, with LoRA and in full, and
// to tell the sections apart as classes instead of writing their names; and sets what that comes to beside two simpler
// ways: always the most common section, and logistic regression on words.
//
//   example_package_sections [TRAIN.tsv HELD-OUT.tsv OUTPUT [EPOCHS]]
//
// The files have lines `name TAB section TAB description`; tools/package_list.sh makes them. Without arguments: a few
// steps on a part of the list, to see that it runs.

#include <dstorch/dstorch.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct Package {
  std::string section;
  std::string description;
};

std::vector<Package> read_packages(const fs::path& path) {
  std::ifstream file(path);
  std::vector<Package> packages;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    Package package;
    std::string name;
    if (std::getline(fields, name, '\t') && std::getline(fields, package.section, '\t') &&
        std::getline(fields, package.description, '\t')) {
      packages.push_back(package);
    }
  }
  return packages;
}

std::string prompt_of(const Package& package) { return package.description + "\t"; }

std::string quoted(const std::string& text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '\t') {
      json += "\\t";
      continue;
    }
    if (c == '"' || c == '\\') {
      json += '\\';
    }
    json += c;
  }
  return json + "\"";
}

void write_pairs(const fs::path& path, const std::vector<Package>& packages) {
  std::ofstream file(path);
  for (const auto& package : packages) {
    file << "{\"prompt\": " << quoted(prompt_of(package)) << ", \"completion\": " << quoted(package.section) << "}\n";
  }
}

void write_labels(const fs::path& path, const std::vector<Package>& packages) {
  std::ofstream file(path);
  for (const auto& package : packages) {
    file << "{\"text\": " << quoted(prompt_of(package)) << ", \"label\": " << quoted(package.section) << "}\n";
  }
}

std::string most_common_section(const std::vector<Package>& packages) {
  std::map<std::string, int> counts;
  for (const auto& package : packages) {
    ++counts[package.section];
  }
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

/// Multinomial logistic regression on which words a description has, learned by AdaGrad (Duchi et al. 2011).
class WordRegression {
 public:
  explicit WordRegression(const std::vector<Package>& packages) {
    std::map<std::string, int> counts;
    for (const auto& package : packages) {
      sections_.insert(package.section);
      for (const auto& word : words_of(package.description)) {
        ++counts[word];
      }
    }
    names_.assign(sections_.begin(), sections_.end());
    for (const auto& [word, count] : counts) {
      if (count >= 2) {
        places_.emplace(word, places_.size() + 1);  // 0 is the bias
      }
    }
    weights_.assign((places_.size() + 1) * names_.size(), 0);
    squares_.assign(weights_.size(), 1e-6);
    for (int epoch = 0; epoch < 8; ++epoch) {
      for (std::size_t i = 0; i < packages.size(); ++i) {
        learn(packages[(i * 7919 + static_cast<std::size_t>(epoch)) % packages.size()]);  // mixed, the same each time
      }
    }
  }

  [[nodiscard]] const std::string& section_of(const Package& package) const {
    const auto scores = scores_of(features_of(package));
    return names_[static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin())];
  }

 private:
  static std::set<std::string> words_of(const std::string& text) {
    std::set<std::string> words;
    std::string word;
    for (const char c : text + " ") {
      if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
        word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      } else if (!word.empty()) {
        words.insert(std::exchange(word, {}));
      }
    }
    return words;
  }

  [[nodiscard]] std::vector<std::size_t> features_of(const Package& package) const {
    std::vector<std::size_t> features{0};
    for (const auto& word : words_of(package.description)) {
      if (const auto it = places_.find(word); it != places_.end()) {
        features.push_back(it->second);
      }
    }
    return features;
  }

  [[nodiscard]] std::vector<double> scores_of(const std::vector<std::size_t>& features) const {
    std::vector<double> scores(names_.size(), 0);
    for (const auto feature : features) {
      for (std::size_t s = 0; s < names_.size(); ++s) {
        scores[s] += weights_[feature * names_.size() + s];
      }
    }
    return scores;
  }

  void learn(const Package& package) {
    constexpr double kRate = 0.3;
    constexpr double kDecay = 1e-5;
    const auto features = features_of(package);
    auto scores = scores_of(features);
    const double highest = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (auto& score : scores) {
      sum += score = std::exp(score - highest);
    }
    for (std::size_t s = 0; s < names_.size(); ++s) {
      const double error = scores[s] / sum - (names_[s] == package.section ? 1 : 0);
      for (const auto feature : features) {
        const auto place = feature * names_.size() + s;
        const double gradient = error + kDecay * weights_[place];
        squares_[place] += gradient * gradient;
        weights_[place] -= kRate * gradient / std::sqrt(squares_[place]);
      }
    }
  }

  std::set<std::string> sections_;
  std::vector<std::string> names_;
  std::map<std::string, std::size_t> places_;
  std::vector<double> weights_;  // [words, sections]
  std::vector<double> squares_;
};

/// Share of the packages whose section the model names, greedily.
double accuracy(dstorch::TorchModelConfig config, const std::vector<Package>& packages) {
  dstorch::TorchModel model(config);
  model.init();
  std::vector<std::string> prompts;
  for (const auto& package : packages) {
    prompts.push_back(prompt_of(package));
  }
  const auto answers = model.complete_all(prompts, {.max_tokens = 12, .temperature = 0});
  int right = 0;
  for (std::size_t i = 0; i < packages.size(); ++i) {
    // The model as it comes ends a section with a tab, as its list does.
    right += answers[i].text.substr(0, answers[i].text.find('\t')) == packages[i].section ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(packages.size());
}

/// Share of the packages of whose section the model is surest.
double class_accuracy(const dstorch::TorchModelConfig& config, const std::vector<Package>& packages) {
  dstorch::TorchModel model(config);
  model.init();
  const auto right = std::count_if(packages.begin(), packages.end(), [&](const Package& package) {
    return model.classify(prompt_of(package)).front().name == package.section;
  });
  return static_cast<double>(right) / static_cast<double>(packages.size());
}

void print(const char* way, double share) {
  std::cout << way << ": " << std::round(share * 1000) / 10 << " %\n" << std::flush;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const bool whole = argc > 3;
    auto train = read_packages(whole ? argv[1] : "tests/data/held-out-packages.tsv");
    auto held_out = whole ? read_packages(argv[2]) : std::vector<Package>(train.begin() + 250, train.end());
    if (!whole) {
      train.resize(250);
    }
    const fs::path output =
        whole ? fs::path(argv[3]) : fs::temp_directory_path() / ("dstorch_sections_" + std::to_string(std::rand()));
    fs::create_directories(output);
    write_pairs(output / "train.jsonl", train);
    write_pairs(output / "held-out.jsonl", held_out);
    std::cout << train.size() << " packages to learn from, " << held_out.size() << " held out\n";

    const auto common = most_common_section(train);
    const auto is_common = [&](const Package& package) { return package.section == common; };
    print(("always " + common).c_str(),
          static_cast<double>(std::count_if(held_out.begin(), held_out.end(), is_common)) /
              static_cast<double>(held_out.size()));
    const WordRegression regression(train);
    const auto regressed = [&](const Package& package) { return regression.section_of(package) == package.section; };
    print("logistic regression on words",
          static_cast<double>(std::count_if(held_out.begin(), held_out.end(), regressed)) /
              static_cast<double>(held_out.size()));

    const auto base = dstorch::bundled_model_path();
    print("the model as it comes", accuracy({.model_path = base}, held_out));

    dstorch::FinetuneOptions options;
    options.model = base;
    options.data = output / "train.jsonl";
    options.output = output / "adapter";
    options.held_out = output / "held-out.jsonl";
    options.lora_rank = 32;
    options.lora_alpha = 64;
    options.batch_size = 64;
    options.sequence_length = 256;
    options.learning_rate = 2e-3;
    options.epochs = argc > 4 ? std::atoi(argv[4]) : 3;
    if (!whole) {
      options.steps = 5;
    }
    options.on_step = [](const dstorch::TrainingStep& step) {
      if (step.step % 100 == 0) {
        std::cerr << "step " << step.step << " of " << step.total_steps << ", loss " << step.loss << ", "
                  << step.tokens_per_second << " tokens/s\n";
      }
    };
    dstorch::finetune(options);
    print("with an adapter (LoRA)", accuracy({.model_path = base, .adapter = options.output}, held_out));

    options.full = true;
    options.output = output / "full";
    options.learning_rate = 1e-3;
    dstorch::finetune(options);
    print("all weights trained", accuracy({.model_path = options.output}, held_out));

    // A section that no package to learn from has is no class: the run is scored without those that have one.
    std::set<std::string> known;
    for (const auto& package : train) {
      known.insert(package.section);
    }
    std::vector<Package> of_known;
    std::copy_if(held_out.begin(), held_out.end(), std::back_inserter(of_known),
                 [&](const Package& package) { return known.count(package.section) > 0; });
    write_labels(output / "train-labels.jsonl", train);
    write_labels(output / "held-out-labels.jsonl", of_known);
    options.data = output / "train-labels.jsonl";
    options.held_out = output / "held-out-labels.jsonl";
    options.output = output / "classes";
    dstorch::finetune(options);
    print("all weights trained to tell classes apart", class_accuracy({.model_path = options.output}, held_out));
    if (!whole) {
      fs::remove_all(output);
    }
    return 0;
  } catch (const dstorch::LMError& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}

#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace dstorch::cli {

/// Whether standard error is a terminal on which a line can be written over.
bool has_moving_lines();

/// `text` in the faint colour of a terminal; as it is with NO_COLOR, on a dumb terminal, or where there is none.
std::string dim(std::string_view text);

/// A line for people on standard error. What a StatusLine shows there makes room for it.
void say(std::string_view line);

/// A line on standard error that says what is being done and for how long, while this lives; gone afterwards. It shows
/// only on a terminal, and only once the reader has waited long enough to wonder. One at a time.
class StatusLine {
 public:
  explicit StatusLine(std::string text = {});
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;
  ~StatusLine();

  /// Something else is being done now; its time starts.
  void show(std::string text);
  /// The same thing, told anew: how far it has come.
  void update(std::string text);
  /// Takes the line away until the next call of `show`. Before anything is printed on standard output, which may be the
  /// same terminal.
  void clear();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dstorch::cli

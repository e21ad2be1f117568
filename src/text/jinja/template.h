#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"
#include "text/jinja/runtime.h"

namespace dstorch::text::jinja {

struct RenderOptions {
  /// The time that `strftime_now` tells; the clock's without one.
  std::optional<std::chrono::system_clock::time_point> now;
  Limits limits;
};

struct Rendering {
  std::string text;
  /// Bytes [first, second) of `text` that `{% generation %}` marks as the assistant's.
  std::vector<std::pair<std::size_t, std::size_t>> generated;
};

/// A Jinja template as chat templates are written: what Jinja2's ImmutableSandboxedEnvironment takes, with trim_blocks,
/// lstrip_blocks, loop controls and the functions that transformers adds. Rendered text is the same byte for byte; what
/// fails there, fails here. It reaches nothing but its variables and the clock. Immutable, so any number of threads may
/// render it at once.
class Template {
 public:
  /// `name` is what errors call it. Throws LMError{format}.
  Template(std::string_view source, std::string name);
  ~Template();
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;

  /// `variables`: an object. Throws LMError: invalid_argument when the template refuses them, or uses what they lack;
  /// format over a limit; unsupported.
  [[nodiscard]] Rendering render(const OrderedJson& variables, const RenderOptions& options = {}) const;

 private:
  struct Compiled;
  std::unique_ptr<const Compiled> compiled_;
};

}  // namespace dstorch::text::jinja

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "text/jinja/ast.h"

namespace dstorch::text::jinja {

/// A body that is called: the template itself, a macro, a recursive loop, a block. Its variables lie in one array.
struct FunctionScope {
  int depth = 0;
  int slots = 0;
};

/// What one scope knows about names while it is read from top to bottom.
class Symbols {
 public:
  Symbols(FunctionScope& function, const Symbols* parent)
      : function_(&function), parent_(parent), slots_(std::make_shared<std::map<std::string, int>>()) {}

  /// A name that is read.
  void load(const std::string& name);
  /// A name that is assigned to.
  void store(const std::string& name);
  /// A name that is assigned to before anything else happens: a parameter, a loop's variable.
  int declare_parameter(const std::string& name);
  /// What is known after an `if`, of whose branches one was taken, or none.
  void merge_branches(const std::vector<Symbols>& branches);

  /// Where a name that was loaded or stored lies, seen from this scope.
  [[nodiscard]] Variable find(const std::string& name) const;
  [[nodiscard]] Scope scope() const;
  [[nodiscard]] FunctionScope& function() const noexcept { return *function_; }

 private:
  struct Place {
    int depth = 0;
    int slot = -1;
  };
  enum class Begin { parameter, resolve, alias, undefined };
  struct Load {
    Begin begin = Begin::undefined;
    std::string name;
    Place source;
  };

  [[nodiscard]] std::optional<Place> find_place(const std::string& name) const;
  [[nodiscard]] std::optional<Place> find_outside(const std::string& name) const;
  int slot_of(const std::string& name);
  void define(const std::string& name, const Load& load);

  FunctionScope* function_;
  const Symbols* parent_;
  // Shared by the copies that an `if` makes: a name has one slot in a scope.
  std::shared_ptr<std::map<std::string, int>> slots_;
  std::map<std::string, Place> places_;
  std::map<int, Load> loads_;
  std::set<std::string> stores_;
};

}  // namespace dstorch::text::jinja

#pragma once

#include <napi.h>

#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <vector>

#include "host.h"
#include "pending.h"

namespace dstorch::node {

/// The answers of one model that have not ended. All of it belongs to the JavaScript thread: what the engine makes is
/// taken from there (`Pending::poll`) when it says that there is something.
class Generations : public std::enable_shared_from_this<Generations> {
 public:
  explicit Generations(Host& host) : host_(host) {}

  /// Submits on a thread of the host's, since a long prompt takes time to tokenize, and a constraint to compile.
  /// `on_pieces`, which may be empty, gets arrays of pieces; `done(error)` or `done(null, completion)` comes last.
  uint64_t begin(Submit submit, const Napi::Function& on_pieces, const Napi::Function& done);
  /// Ends one as cancelled; nothing when it has ended.
  void cancel(uint64_t number);
  /// Forgets all; they end as cancelled, and nobody hears of it.
  void clear();

 private:
  struct Running {
    Napi::FunctionReference on_pieces;
    Napi::FunctionReference done;
    std::unique_ptr<Pending> pending;  // null until it is submitted
    std::vector<ToJs> pieces;
    bool cancelled = false;
  };

  void submitted(uint64_t number, std::unique_ptr<Pending> pending);
  void look(uint64_t number);
  void hand_out_pieces(Running& running);
  void fail(uint64_t number, const std::exception_ptr& error);
  std::shared_ptr<Running> take(uint64_t number);

  Host& host_;
  std::map<uint64_t, std::shared_ptr<Running>> running_;
  uint64_t last_number_ = 0;
};

}  // namespace dstorch::node

#include "driver/answer_length.h"

#include <algorithm>

#include "core/throw.h"

namespace dstorch::driver {

int64_t tokens_to_make(const GenerationOptions& options, int64_t prompt, int64_t context, int64_t by_default,
                       int64_t needed) {
  const int64_t room = context - prompt;
  require(room >= 0, ErrorKind::context_overflow,
          "the prompt has {} tokens, {} more than the context of {}; shorten it", prompt, -room, context);
  require(
      needed <= room, ErrorKind::context_overflow,
      "the shortest answer that the constraint allows needs {} tokens, and after a prompt of {} the context of {} has "
      "room for {}; shorten the prompt",
      needed, prompt, context, room);
  const auto wanted = options.max_tokens.value_or(std::min(room, std::max(by_default, needed)));
  require(wanted <= room, ErrorKind::context_overflow,
          "a prompt of {} tokens and max_tokens {} need {} more positions than the context of {}; shorten the prompt "
          "or ask for at most {} tokens",
          prompt, wanted, wanted - room, context, room);
  return wanted;
}

}  // namespace dstorch::driver

#pragma once

#include <string>
#include <string_view>

namespace dstorch::text {

/// `text` as patterns see it: where the system's PCRE2 knows an older Unicode than tokenizers does, each character that
/// it does not know is replaced by an older one of its kind with as many bytes, so that a place in one is that place in
/// the other. A hundred whose scripts have no older character of their kind and length are not found by the script's
/// name. `storage` holds the result if it is not `text` itself. `text` must be valid UTF-8.
std::string_view in_known_characters(std::string_view text, std::string& storage);

}  // namespace dstorch::text

#pragma once

#include <string>

namespace dstorch::cli {

/// The text of a file; of standard input for "-". Throws LMError: not_found, io; invalid_argument for what is no
/// regular file, which could make the reader wait for ever.
std::string read_text(const std::string& file);

}  // namespace dstorch::cli

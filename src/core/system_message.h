#pragma once

#include <string>
#include <system_error>

namespace dstorch {

/// What the system says about an errno: "No space left on device".
inline std::string system_message(int error) { return std::error_code(error, std::generic_category()).message(); }

}  // namespace dstorch

#pragma once

#include <string>
#include <string_view>

namespace dstorch::text {

// Items of a PCRE2 set, in what follows too: White_Space, and what \w is within a set.
inline constexpr std::string_view kSpaceItems = "\\t-\\r\\x{85}\\p{Z}";
inline constexpr std::string_view kWordItems = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
/// What \w, \b and \p{Word} are outside of one: superscripts and fractions of Latin-1 too.
inline constexpr std::string_view kOuterWordItems =
    "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";

/// [:name:] of Oniguruma. Throws LMError{format} for a name there is none of.
std::string posix_items(std::string_view name);

/// \p{name} of Oniguruma; a name that is unknown stays, for PCRE2 to refuse.
std::string property_items(std::string_view name);

/// Whether `items` is one \p{...} or \P{...}, which needs no set around it.
bool is_one_property(std::string_view items);

/// Whether PCRE2 takes `pattern`; in regex.cpp.
bool compiles_in_pcre2(std::string_view pattern);

}  // namespace dstorch::text

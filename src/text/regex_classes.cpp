// What Oniguruma's named classes are: \p{...} and [:...:].
#include "text/regex_classes.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "core/throw.h"
#include "text/regex.h"

namespace dstorch::text {
namespace {

// Long names of properties, lower case without '_', '-' and blanks, that PCRE2 spells otherwise.
constexpr std::array<std::pair<std::string_view, std::string_view>, 38> kPropertyNames = {{
    {"letter", "L"},
    {"uppercaseletter", "Lu"},
    {"lowercaseletter", "Ll"},
    {"titlecaseletter", "Lt"},
    {"casedletter", "L&"},
    {"modifierletter", "Lm"},
    {"otherletter", "Lo"},
    {"mark", "M"},
    {"nonspacingmark", "Mn"},
    {"spacingmark", "Mc"},
    {"enclosingmark", "Me"},
    {"number", "N"},
    {"decimalnumber", "Nd"},
    {"letternumber", "Nl"},
    {"othernumber", "No"},
    {"punctuation", "P"},
    {"connectorpunctuation", "Pc"},
    {"dashpunctuation", "Pd"},
    {"openpunctuation", "Ps"},
    {"closepunctuation", "Pe"},
    {"initialpunctuation", "Pi"},
    {"finalpunctuation", "Pf"},
    {"otherpunctuation", "Po"},
    {"symbol", "S"},
    {"mathsymbol", "Sm"},
    {"currencysymbol", "Sc"},
    {"modifiersymbol", "Sk"},
    {"othersymbol", "So"},
    {"separator", "Z"},
    {"spaceseparator", "Zs"},
    {"lineseparator", "Zl"},
    {"paragraphseparator", "Zp"},
    {"other", "C"},
    {"control", "Cc"},
    {"format", "Cf"},
    {"surrogate", "Cs"},
    {"privateuse", "Co"},
    {"unassigned", "Cn"},
}};

// Properties with the characters that have them since Unicode 16, which tokenizers uses, and were there in Unicode 14,
// which Debian 12's PCRE2 knows.
constexpr std::string_view kAlphabetic =
    "\\p{Alphabetic}\\x{363}-\\x{36F}\\x{C04}\\x{F82}\\x{F83}\\x{1DD3}-\\x{1DE6}\\x{11080}\\x{11081}";
constexpr std::string_view kLowercase = "\\p{Lowercase}\\x{10FC}\\x{A7F2}-\\x{A7F4}\\x{AB69}";

struct NamedClass {
  std::string_view name;
  std::string_view items;
};

// Those that are no single property in PCRE2. The names stand for the same as POSIX brackets and as properties, but for
// "punct" and "word".
constexpr std::array<NamedClass, 16> kClasses = {{
    {"alnum", {}},  // letters and digits
    {"alpha", kAlphabetic},
    {"alphabetic", kAlphabetic},
    {"ascii", "\\x{0}-\\x{7F}"},
    {"blank", "\\t\\p{Zs}"},
    {"cntrl", "\\p{Cc}"},
    {"digit", "\\p{Nd}"},
    {"graph", "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}"},
    {"lower", kLowercase},
    {"lowercase", kLowercase},
    {"print", "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}\\p{Zs}"},
    {"punct", "\\p{P}"},
    {"space", kSpaceItems},
    {"upper", "\\p{Uppercase}"},
    {"word", kWordItems},
    {"xdigit", "0-9A-Fa-f"},
}};

const NamedClass* find_class(std::string_view name) {
  const auto* it = std::find_if(kClasses.begin(), kClasses.end(), [&](const auto& row) { return row.name == name; });
  return it == kClasses.end() ? nullptr : it;
}

// Lower case, without '_', '-' and blanks: names of properties are compared so.
std::string plain(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c != '_' && c != '-' && c != ' ') {
      out.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    }
  }
  return out;
}

}  // namespace

std::string posix_items(std::string_view name) {
  require(find_class(name) != nullptr, ErrorKind::format, "a pattern has the unknown POSIX bracket [:{}:]", name);
  return name == "punct" ? "\\p{P}\\p{S}" : property_items(name);
}

std::string property_items(std::string_view name) {
  const std::string simple = plain(name);
  if (simple == "alnum") {
    return std::string(kAlphabetic) + "\\p{Nd}";
  }
  if (const auto* known = find_class(simple)) {
    return std::string(known->items);
  }
  if (simple == "assigned") {
    return "\\P{Cn}";
  }
  for (const auto& [from, to] : kPropertyNames) {
    if (simple == from) {
      return "\\p{" + std::string(to) + "}";
    }
  }
  // Where a name is a script's, PCRE2 means all characters used with it by the name alone.
  const auto script = "\\p{sc:" + std::string(name) + "}";
  return compiles_in_pcre2(script) ? script : "\\p{" + std::string(name) + "}";
}

bool is_one_property(std::string_view items) {
  return (items.starts_with("\\p{") || items.starts_with("\\P{")) && items.find('}') == items.size() - 1;
}

}  // namespace dstorch::text

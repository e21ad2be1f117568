#include "text/constraint/formats.h"

#include <fmt/core.h>

#include <map>
#include <string>

#include "core/throw.h"
#include "text/constraint/regex_parser.h"

namespace dstorch::text::constraint {
namespace {

// RFC 3339, in the years 1000 to 9999 of the Gregorian calendar.
std::string date() {
  const std::string year = "[1-9][0-9]{3}";
  const std::string leap_year = "(?:[1-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)";
  return "(?:" + year +
         "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|"
         "02-(?:0[1-9]|1[0-9]|2[0-8]))|" +
         leap_year + "-02-29)";
}

std::string time() {
  const std::string hour_minute = "(?:[01][0-9]|2[0-3]):[0-5][0-9]";
  return hour_minute + ":[0-5][0-9](?:\\.[0-9]{1,6})?(?:Z|[+-]" + hour_minute + ")";
}

// RFC 3339, appendix A.
std::string duration() {
  const std::string number = "[0-9]{1,4}";
  const std::string time = fmt::format("T(?:{0}H(?:{0}M(?:{0}S)?)?|{0}M(?:{0}S)?|{0}S)", number);
  const std::string date = fmt::format("(?:{0}Y(?:{0}M(?:{0}D)?)?|{0}M(?:{0}D)?|{0}D)", number);
  return "P(?:" + date + "(?:" + time + ")?|" + time + "|" + number + "W)";
}

const std::string& host() {
  static const std::string name = [] {
    const std::string label = "[A-Za-z0-9]{1,15}(?:-[A-Za-z0-9]{1,15}){0,2}";
    return label + "(?:\\." + label + "){0,3}(?:\\.[A-Za-z]{2,12})";
  }();
  return name;
}

std::string ipv4() {
  const std::string byte = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
  return byte + "(?:\\." + byte + "){3}";
}

// RFC 4291: eight groups, or fewer around one "::".
std::string ipv6() {
  const std::string group = "[0-9A-Fa-f]{1,4}";
  std::string all = "(?:" + group + ":){7}" + group + "|(?:" + group + ":){1,7}:|::|:(?::" + group + "){1,7}";
  for (int before = 1; before <= 6; ++before) {
    all += fmt::format("|(?:{0}:){{1,{1}}}(?::{0}){{1,{2}}}", group, before, 7 - before);
  }
  return all;
}

// RFC 3986, of servers.
std::string uri() {
  const std::string character = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";
  const std::string more = "(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2}){0,64}";
  return "(?:https?|ftp|wss?)://" + host() + "(?::[1-9][0-9]{0,3})?(?:/" + character + "{0,32}){0,8}(?:\\?" + more +
         ")?(?:#" + more + ")?";
}

std::map<std::string, Expr, std::less<>> make_formats() {
  const std::map<std::string, std::string> patterns = {
      {"date", date()},
      {"time", time()},
      {"date-time", date() + "T" + time()},
      {"duration", duration()},
      {"email", "[A-Za-z0-9_+-]{1,32}(?:\\.[A-Za-z0-9_+-]{1,31})?@" + host()},
      {"hostname", host()},
      {"ipv4", ipv4()},
      {"ipv6", ipv6()},
      {"uri", uri()},
      {"uuid", "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"},
  };
  std::map<std::string, Expr, std::less<>> formats;
  for (const auto& [name, pattern] : patterns) {
    formats.emplace(name, parse_regex(pattern, name));
  }
  return formats;
}

}  // namespace

Expr format_language(std::string_view format) {
  static const auto formats = make_formats();
  const auto known = formats.find(format);
  require(
      known != formats.end(), ErrorKind::unsupported,
      "the JSON schema: format \"{}\" is not supported; known are date, time, date-time, duration, email, hostname, "
      "ipv4, ipv6, uri and uuid",
      format);
  return known->second;
}

}  // namespace dstorch::text::constraint

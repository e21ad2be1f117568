#include <fmt/core.h>

#include <string_view>

#include "completion.h"

namespace dstorch::cli {
namespace {

/// As roff shows it: signs of its own escaped, no line that begins like a request.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
      out += std::string("\\&") + c;
    } else {
      out += c;
    }
  }
  return out;
}

/// "\fB\-m\fR, \fB\-\-model\fR \fIMODEL\fR"
std::string option_heading(const CLI::Option& option) {
  std::string out;
  if (!option.nonpositional()) {
    return fmt::format("\\fI{}\\fR", roff(option.get_name(true, false)));
  }
  for (const auto& name : option_names(option)) {
    out += fmt::format("{}\\fB{}\\fR", out.empty() ? "" : ", ", roff(name));
  }
  const auto type = option.get_type_name();
  return takes_value(option) && !type.empty() ? out + fmt::format(" \\fI{}\\fR", roff(type)) : out;
}

std::string option_list(const CLI::App& command) {
  std::string out;
  for (const auto* option : command.get_options()) {
    const auto left_out = option->get_default_str();
    out += fmt::format(".TP\n{}\n{}{}\n", option_heading(*option), roff(option->get_description()),
                       left_out.empty() ? "" : fmt::format(" [{}]", roff(left_out)));
  }
  return out;
}

/// The footer's "Example:" and the lines after it.
std::string example_of(const CLI::App& command) {
  const auto footer = command.get_footer();
  const auto line = footer.find('\n');
  return line == std::string::npos ? ""
                                   : fmt::format(".PP\n{}\n.PP\n.nf\n.RS\n{}\n.RE\n.fi\n", roff(footer.substr(0, line)),
                                                 roff(footer.substr(footer.find_first_not_of(" \n", line))));
}

constexpr std::string_view kManRest = R"(.SH ENVIRONMENT
.TP
\fBDSTORCH_MODELS\fR
The folder that holds the bundled model, \fIdefault\fR.
.TP
\fBDSTORCH_EGL_LIBRARY\fR
The EGL library of device webgl, instead of \fIlibEGL.so.1\fR.
.TP
\fBDSTORCH_WEBGL_TRIAL\fR
The program that tries the driver of device webgl in a process of its own first; \fIoff\fR leaves that out.
.TP
\fBNO_COLOR\fR
No colour in a terminal.
.SH EXIT STATUS
.TP
\fB0\fR
Done.
.TP
\fB1\fR
It failed; a line on standard error says why and what to do.
.TP
\fB2\fR
Wrong usage.
.TP
\fB130\fR
Interrupted with Ctrl\-C.
)";

}  // namespace

std::string man_page(const CLI::App& app) {
  const auto name = app.get_name();
  auto page = fmt::format(
      ".TH {} 1 \"\" \"{} {}\" \"User Commands\"\n.SH NAME\n{} \\- local language models on LibTorch\n"
      ".SH SYNOPSIS\n\\fB{}\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n{}\nText goes to standard output, "
      "everything else to standard error.\n.SH COMMANDS\n",
      "DSTORCH", name, DSTORCH_VERSION, name, name, roff(app.get_description()));
  for (const auto* command : shown_commands(app)) {
    page += fmt::format(".SS {} {}\n{}.\n", name, roff(command->get_name()), roff(command->get_description()));
    page += option_list(*command) + example_of(*command);
  }
  return page + std::string(kManRest);
}

}  // namespace dstorch::cli

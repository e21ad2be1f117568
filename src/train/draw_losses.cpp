// The picture of a run: plain SVG, so that any browser shows it.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "train/metrics.h"

namespace dstorch::training {
namespace {

constexpr double kWidth = 800;
constexpr double kHeight = 420;
constexpr double kLeft = 64;
constexpr double kRight = 24;
constexpr double kTop = 40;
constexpr double kBottom = 48;
/// Points of a line at most: more than there are pixels show nothing.
constexpr std::size_t kMostPoints = 1500;

struct Point {
  double step;
  double loss;
};

/// What the picture shows of both axes.
struct Frame {
  double last = 1;
  double low = 0;
  double high = 1;

  [[nodiscard]] double x(double step) const { return kLeft + (kWidth - kLeft - kRight) * step / last; }
  [[nodiscard]] double y(double loss) const {
    const double share = std::clamp((loss - low) / (high - low), 0.0, 1.0);
    return kHeight - kBottom - (kHeight - kTop - kBottom) * share;
  }
};

/// The largest of 1, 2, 5 times a power of ten that gives at least four steps over `range`.
double tick(double range) {
  const double power = std::pow(10.0, std::floor(std::log10(range / 4)));
  const double units = range / 4 / power;
  return power * (units >= 5 ? 5 : units >= 2 ? 2 : 1);
}

std::vector<Point> thin(const std::vector<Point>& points) {
  if (points.size() <= kMostPoints) {
    return points;
  }
  std::vector<Point> few;
  for (std::size_t i = 0; i < kMostPoints; ++i) {
    few.push_back(points[i * (points.size() - 1) / (kMostPoints - 1)]);
  }
  return few;
}

/// The mean over a window that grows with the number of points.
std::vector<Point> smooth(const std::vector<Point>& points) {
  const auto reach = static_cast<std::ptrdiff_t>(points.size() / 40);
  const auto count = static_cast<std::ptrdiff_t>(points.size());
  std::vector<double> sums{0};
  for (const auto& point : points) {
    sums.push_back(sums.back() + point.loss);
  }
  std::vector<Point> result;
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const auto near = std::min({reach, i, count - 1 - i});
    const auto sum = sums[static_cast<std::size_t>(i + near + 1)] - sums[static_cast<std::size_t>(i - near)];
    result.push_back({points[static_cast<std::size_t>(i)].step, sum / static_cast<double>(2 * near + 1)});
  }
  return result;
}

std::string line(const std::vector<Point>& points, const Frame& frame, const char* style) {
  std::string text;
  for (const auto& point : thin(points)) {
    text += fmt::format("{:.1f},{:.1f} ", frame.x(point.step), frame.y(point.loss));
  }
  return text.empty() ? text : fmt::format("<polyline fill=\"none\" {} points=\"{}\"/>\n", style, text);
}

std::string text_at(double x, double y, const char* anchor, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, text);
}

std::string axes(const Frame& frame) {
  std::string svg;
  const double rise = tick(frame.high - frame.low);
  for (double loss = std::ceil(frame.low / rise) * rise; loss <= frame.high + rise * 1e-6; loss += rise) {
    svg += fmt::format("<line x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#ddd\"/>\n", kLeft,
                       kWidth - kRight, frame.y(loss), frame.y(loss));
    svg += text_at(kLeft - 8, frame.y(loss) + 4, "end", fmt::format("{:.4g}", std::abs(loss) < rise / 2 ? 0.0 : loss));
  }
  const double run = std::max(1.0, tick(frame.last));
  for (double step = 0; step <= frame.last; step += run) {
    svg += text_at(frame.x(step), kHeight - kBottom + 18, "middle", fmt::format("{:.0f}", step));
  }
  svg += text_at((kLeft + kWidth - kRight) / 2, kHeight - 10, "middle", "step");
  return svg + text_at(kLeft, 20, "start", "loss");
}

/// Names of the lines, from the right end of the top.
std::string legend(bool held_out) {
  const auto entry = [](double x, const char* color, const char* name) {
    return fmt::format("<line x1=\"{}\" x2=\"{}\" y1=\"16\" y2=\"16\" stroke=\"{}\" stroke-width=\"3\"/>\n", x, x + 24,
                       color) +
           text_at(x + 30, 20, "start", name);
  };
  return entry(kWidth - 300, "#1f77b4", "learned from") + (held_out ? entry(kWidth - 150, "#d62728", "held out") : "");
}

/// Without the highest of the first steps, which would leave no room for the others.
double highest(const std::vector<Point>& steps, const std::vector<Point>& held_out) {
  std::vector<double> losses;
  for (const auto& point : steps) {
    losses.push_back(point.loss);
  }
  double high = -std::numeric_limits<double>::infinity();
  if (!losses.empty()) {
    const auto place = static_cast<std::ptrdiff_t>((losses.size() - 1) * 99 / 100);
    std::nth_element(losses.begin(), losses.begin() + place, losses.end());
    high = losses[static_cast<std::size_t>(place)];
  }
  for (const auto& point : held_out) {
    high = std::max(high, point.loss);
  }
  return high;
}

}  // namespace

std::string draw_losses(const std::vector<Metrics::Entry>& entries) {
  std::vector<Point> steps;
  std::vector<Point> held_out;
  Frame frame;
  double low = std::numeric_limits<double>::infinity();
  for (const auto& entry : entries) {
    const auto step = static_cast<double>(entry.step);
    frame.last = std::max(frame.last, step);
    if (entry.loss) {
      steps.push_back({step, *entry.loss});
      low = std::min(low, *entry.loss);
    }
    if (entry.held_out_loss) {
      held_out.push_back({step, *entry.held_out_loss});
      low = std::min(low, *entry.held_out_loss);
    }
  }
  if (!steps.empty() || !held_out.empty()) {
    const double high = highest(steps, held_out);
    const double margin = std::max((high - low) * 0.05, std::max(std::abs(high), 1e-3) * 1e-3);
    frame.low = std::max(low >= 0 ? 0.0 : low - margin, low - margin);
    frame.high = high + margin;
  }
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"13\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      kWidth, kHeight);
  svg += axes(frame);
  svg += line(steps, frame, "stroke=\"#1f77b4\" stroke-opacity=\"0.3\"");
  svg += line(smooth(steps), frame, "stroke=\"#1f77b4\" stroke-width=\"2\"");
  svg += line(held_out, frame, "stroke=\"#d62728\" stroke-width=\"2\"");
  for (const auto& point : held_out) {
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"#d62728\"/>\n", frame.x(point.step),
                       frame.y(point.loss));
  }
  return svg + legend(!held_out.empty()) + "</svg>\n";
}

}  // namespace dstorch::training

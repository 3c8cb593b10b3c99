#include "ringfence/base/metrics_writer.h"

#include <charconv>
#include <cmath>

#include "ringfence/base/result.h"

namespace ringfence {

namespace {

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char out[64];
  auto end = std::to_chars(out, out + sizeof out, value).ptr;
  return std::string(out, end);
}

void append_escaped(std::string& out, std::string_view text, bool escape_quotes) {
  for (char c : text) {
    if (c == '\\') out += "\\\\";
    else if (c == '\n') out += "\\n";
    else if (c == '"' && escape_quotes) out += "\\\"";
    else out += c;
  }
}

void append_labels(std::string& out, Labels labels, std::string_view bound = {}) {
  if (labels.size() == 0 && bound.empty()) return;
  char before = '{';
  for (const auto& label : labels) {
    out += before;
    out.append(label.name).append("=\"");
    append_escaped(out, label.value, true);
    out += '"';
    before = ',';
  }
  if (!bound.empty()) {
    out += before;
    out.append("le=\"").append(bound).append("\"");
  }
  out += '}';
}

void append_sample(std::string& out, std::string_view name, std::string_view suffix, Labels labels,
                   std::string_view bound, std::string_view value) {
  out.append(name).append(suffix);
  append_labels(out, labels, bound);
  out.append(" ").append(value).append("\n");
}

}  // namespace

MetricsWriter::Family& MetricsWriter::family(std::string_view name, std::string_view help,
                                             std::string_view type) {
  auto at = by_name_.find(name);
  if (at != by_name_.end()) return families_[at->second];
  by_name_.emplace(name, families_.size());
  Family& added = families_.emplace_back();
  added.name = name;
  added.head.append("# HELP ").append(name).append(" ");
  append_escaped(added.head, help, false);
  added.head.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
  return added;
}

void MetricsWriter::counter(std::string_view name, std::string_view help, uint64_t value, Labels labels) {
  append_sample(family(name, help, "counter").samples, name, "", labels, "", std::to_string(value));
}

void MetricsWriter::gauge(std::string_view name, std::string_view help, double value, Labels labels) {
  append_sample(family(name, help, "gauge").samples, name, "", labels, "", number(value));
}

void MetricsWriter::histogram(std::string_view name, std::string_view help, std::span<const double> bounds,
                              std::span<const uint64_t> counts, double sum, Labels labels) {
  RINGFENCE_ASSERT(counts.size() == bounds.size() + 1);
  std::string& out = family(name, help, "histogram").samples;
  uint64_t total = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    std::string bound = i < bounds.size() ? number(bounds[i]) : "+Inf";
    append_sample(out, name, "_bucket", labels, bound, std::to_string(total));
  }
  append_sample(out, name, "_sum", labels, "", number(sum));
  append_sample(out, name, "_count", labels, "", std::to_string(total));
}

std::string MetricsWriter::take() {
  std::string out;
  for (const auto& family : families_) out.append(family.head).append(family.samples);
  families_.clear();
  by_name_.clear();
  return out;
}

}  // namespace ringfence

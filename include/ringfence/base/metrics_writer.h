// Metrics as text in Prometheus' exposition format 0.0.4.
//
// The samples of a family may be given at any time and in any order: they come out together, under one HELP
// and one TYPE line, families in the order of their first sample.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringfence {

struct Label {
  std::string_view name;
  std::string value;
};
using Labels = std::initializer_list<Label>;

class MetricsWriter {
 public:
  // `name` is a valid metric name; a counter's ends in _total.
  void counter(std::string_view name, std::string_view help, uint64_t value, Labels labels = {});
  void gauge(std::string_view name, std::string_view help, double value, Labels labels = {});
  // `bounds` ascend; `counts` has one more than `bounds`, each of its own bucket only (this adds them up).
  // `sum` is in the unit of the bounds.
  void histogram(std::string_view name, std::string_view help, std::span<const double> bounds,
                 std::span<const uint64_t> counts, double sum, Labels labels = {});
  std::string take();

 private:
  struct Family {
    std::string name;
    std::string head;
    std::string samples;
  };
  Family& family(std::string_view name, std::string_view help, std::string_view type);

  std::vector<Family> families_;
  std::map<std::string, size_t, std::less<>> by_name_;
};

}  // namespace ringfence

#include <doctest/doctest.h>

#include "ringfence/base/metrics_writer.h"

using namespace ringfence;

TEST_CASE("the samples of a family stand together under one head, labels escaped") {
  MetricsWriter out;
  out.counter("a_total", "Help with \\ and\nline.", 1, {{"x", "q\"b\\n\n"}});
  out.gauge("b", "B.", 0.5);
  out.counter("a_total", "ignored", 18'446'744'073'709'551'615u, {{"x", "2"}, {"y", "z"}});
  const double bounds[] = {0.001, 1};
  const uint64_t counts[] = {2, 0, 3};
  out.histogram("h_seconds", "H.", bounds, counts, 7.25, {{"s", "0"}});
  CHECK(out.take() ==
        "# HELP a_total Help with \\\\ and\\nline.\n# TYPE a_total counter\n"
        "a_total{x=\"q\\\"b\\\\n\\n\"} 1\na_total{x=\"2\",y=\"z\"} 18446744073709551615\n"
        "# HELP b B.\n# TYPE b gauge\nb 0.5\n"
        "# HELP h_seconds H.\n# TYPE h_seconds histogram\n"
        "h_seconds_bucket{s=\"0\",le=\"0.001\"} 2\nh_seconds_bucket{s=\"0\",le=\"1\"} 2\n"
        "h_seconds_bucket{s=\"0\",le=\"+Inf\"} 5\nh_seconds_sum{s=\"0\"} 7.25\nh_seconds_count{s=\"0\"} 5\n");
  CHECK(out.take().empty());
}

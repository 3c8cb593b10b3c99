// Everything that is counted, for Prometheus.
#include "resources.h"
#include "ringfence/base/metrics_writer.h"

namespace ringfence::admin {

using http::Response;
using ring::Task;

namespace {

Task<Response> metrics(const Resources& resources) {
  const AdminCounters& counters = resources.counters;
  MetricsWriter writer;
  writer.gauge("ringfence_build_info", "Always 1; the labels say what runs.", 1,
               {{"version", RINGFENCE_VERSION}, {"node", resources.options.node}});
  if (resources.sources.metrics) resources.sources.metrics(writer);
  writer.counter("ringfence_admin_requests_total", "Requests to the admin API.", counters.requests);
  for (int i = 2; i <= 5; ++i) {
    writer.counter("ringfence_admin_responses_total", "Responses of the admin API by class of status.",
                   counters.responses_by_class[i], {{"class", std::to_string(i) + "xx"}});
  }
  writer.counter("ringfence_admin_authentication_failures_total",
                 "Requests whose proof of who asks was missing or wrong.", counters.authentication_failures);
  writer.counter("ringfence_admin_connections_refused_total", "Connections beyond the bound.",
                 counters.connections_refused);
  writer.counter("ringfence_admin_answers_late_total", "Requests that other shards did not answer in time.",
                 counters.answers_late);
  writer.counter("ringfence_admin_streams_stalled_total", "Answers ended because their client took nothing.",
                 counters.streams_stalled);
  writer.gauge("ringfence_admin_connections", "Open connections of the admin API.",
               static_cast<double>(resources.server.connections()));
  Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = writer.take();
  co_return response;
}

}  // namespace

void add_metrics(Router& router, Resources& resources) {
  const char* scope = resources.options.metrics_public ? "" : "metrics:read";
  router.add({.method = "GET",
              .pattern = "/metrics",
              .scope = scope,
              .description = "Metrics in Prometheus' text format.",
              .exchange = {.media_type = "text/plain"}},
             WholeHandler([&resources](const Call&) { return metrics(resources); }));
}

}  // namespace ringfence::admin

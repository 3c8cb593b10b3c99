// What /metrics says of TLS.
#include "appliance.h"

namespace ringfence::app {

using proxy::ShardCounters;

namespace {

void write_handshakes(MetricsWriter& out, const std::string& leg, uint64_t done, uint64_t resumed,
                      const std::array<uint64_t, net::tls_failures>& failed) {
  out.counter("ringfence_tls_handshakes_total", "TLS handshakes that succeeded", done, {{"leg", leg}});
  out.counter("ringfence_tls_resumed_total", "Of those, resumed with a ticket", resumed, {{"leg", leg}});
  for (size_t i = 1; i < failed.size(); ++i) {
    std::string reason(net::name(static_cast<net::TlsFailure>(i)));
    out.counter("ringfence_tls_failures_total", "TLS handshakes that failed", failed[i],
                {{"leg", leg}, {"reason", reason}});
  }
}

void write_legs(MetricsWriter& out, const std::string& leg, const std::vector<const net::TlsLegs*>& parts) {
  uint64_t open = 0, by_kernel = 0, total = 0, refused = 0, key_updates = 0;
  for (const net::TlsLegs* part : parts) {
    open += part->open.load(std::memory_order_relaxed);
    by_kernel += part->kernel_sends.load(std::memory_order_relaxed);
    total += part->kernel_sends_total.load(std::memory_order_relaxed);
    refused += part->kernel_refused.load(std::memory_order_relaxed);
    key_updates += part->key_updates_refused.load(std::memory_order_relaxed);
  }
  // Read one after the other while they change.
  uint64_t by_process = open - std::min(open, by_kernel);
  const char* help = "Open connections with TLS by direction and by who encrypts or decrypts";
  auto gauge = [&](const char* direction, const char* by, uint64_t value) {
    out.gauge("ringfence_tls_connections", help, static_cast<double>(value),
              {{"leg", leg}, {"direction", direction}, {"by", by}});
  };
  gauge("sending", "kernel", by_kernel);
  gauge("sending", "process", by_process);
  gauge("receiving", "kernel", 0);
  gauge("receiving", "process", open);
  out.counter("ringfence_kernel_tls_connections_total", "Connections whose sending the kernel took over",
              total, {{"leg", leg}});
  out.counter("ringfence_kernel_tls_refused_total", "Times that it would not", refused, {{"leg", leg}});
  out.counter("ringfence_kernel_tls_key_updates_total",
              "Connections ended because the peer asked for new keys then", key_updates, {{"leg", leg}});
}

}  // namespace

void Appliance::write_tls_metrics(MetricsWriter& out) const {
  using Handshakes = ShardCounters::Handshakes;
  const std::pair<const char*, Handshakes ShardCounters::*> legs[] = {{"client", &ShardCounters::client_tls},
                                                                      {"server", &ShardCounters::server_tls}};
  uint64_t without = 0;
  for (const auto& [leg, member] : legs) {
    uint64_t done = 0, resumed = 0;
    std::array<uint64_t, net::tls_failures> failed{};
    std::vector<const net::TlsLegs*> open_legs;
    for (const DataShard& data : data_shards_) {
      if (!data.core) continue;
      open_legs.push_back(&(data.core->counters.*member).legs);
      const Handshakes& handshakes = data.core->counters.*member;
      done += handshakes.done.get();
      resumed += handshakes.resumed.get();
      for (size_t i = 0; i < failed.size(); ++i) failed[i] += handshakes.failed[i].get();
      if (member == &ShardCounters::client_tls) without += data.core->counters.clients_without_tls.get();
    }
    write_handshakes(out, leg, done, resumed, failed);
    write_legs(out, leg, open_legs);
  }
  out.counter("ringfence_tls_missing_total", "Clients refused because they came without TLS", without);
  if (admin_) {
    const admin::AdminCounters& counters = admin_->counters();
    write_handshakes(out, "admin", counters.tls_handshakes, counters.tls_resumed, counters.tls_failures);
  }
  if (admin_) write_legs(out, "admin", {&admin_->counters().tls_legs});
  const char* kernel_help = "1 where the kernel may encrypt or decrypt TLS records of this direction";
  out.gauge("ringfence_kernel_tls", kernel_help, kernel_tls_.use.suites != 0 ? 1 : 0,
            {{"direction", "sending"}});
  out.gauge("ringfence_kernel_tls", kernel_help, 0, {{"direction", "receiving"}});
  out.gauge(
      "ringfence_kernel_tls_cost",
      "CPU time that the kernel took for a stream at the start, in parts of this process's; 0: not tried",
      kernel_tls_.found.cost);
  TlsKeeper::Facts facts = tls_.facts();
  for (const TlsKeeper::CertificateFacts& one : facts.certificates) {
    out.gauge("ringfence_tls_certificate_expiry_seconds",
              "When a certificate in use ends to be valid, in Unix time",
              static_cast<double>(one.certificate.not_after_s),
              {{"use", one.use}, {"name", one.name}, {"development", one.is_development ? "true" : "false"}});
  }
  out.counter("ringfence_tls_reloads_total", "Times that certificates were loaded anew", facts.reloads);
  out.counter("ringfence_tls_reload_failures_total", "Times that this failed and the old ones stayed",
              facts.failures);
  out.gauge("ringfence_tls_stale", "1 while certificates on disk cannot be used and older ones are",
            facts.is_stale ? 1 : 0);
}

}  // namespace ringfence::app

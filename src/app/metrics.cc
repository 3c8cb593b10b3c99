// What /readyz, /metrics and /api/v1/stats say, gathered from the shards' counters and the trail's status.
#include "appliance.h"
#include "ringfence/base/clock.h"

namespace ringfence::app {

using proxy::ShardCounters;

namespace {

// Histogram bounds in seconds: 2^i µs.
std::vector<double> duration_bounds() {
  std::vector<double> out;
  for (size_t i = 0; i + 1 < proxy::DurationHistogram::buckets; ++i)
    out.push_back(1e-6 * static_cast<double>(1u << i));
  return out;
}

struct StatementCounter {
  const char* outcome;
  proxy::Counter ShardCounters::* counter;
};
constexpr StatementCounter statement_counters[] = {
    {"success", &ShardCounters::statements_succeeded},
    {"failure", &ShardCounters::statements_failed},
    {"cancelled", &ShardCounters::statements_cancelled},
    {"not_executed", &ShardCounters::statements_not_executed},
    {"unknown", &ShardCounters::statements_unknown},
    {"withheld", &ShardCounters::statements_withheld},
    {"denied", &ShardCounters::statements_refused},
};

struct NamedCounter {
  const char* name;
  const char* help;
  proxy::Counter ShardCounters::* counter;
};
constexpr NamedCounter shard_counters[] = {
    {"ringfence_connections_accepted_total", "Client connections accepted",
     &ShardCounters::connections_accepted},
    {"ringfence_connections_refused_total", "Clients refused at a bound on connections",
     &ShardCounters::connections_refused},
    {"ringfence_sessions_total", "Sessions that were logged in on both legs", &ShardCounters::sessions_total},
    {"ringfence_logins_failed_total", "Clients that failed to authenticate", &ShardCounters::logins_failed},
    {"ringfence_logins_failed_counted_total", "Of those, told in the trail by their number",
     &ShardCounters::failures_counted},
    {"ringfence_upstream_failures_total", "Failed connections or logins to a target's server",
     &ShardCounters::upstream_failures},
    {"ringfence_pool_hits_total", "Sessions that got a server connection that waited for them",
     &ShardCounters::pool_hits},
    {"ringfence_pool_misses_total", "Sessions of targets with a pool that had to have one made",
     &ShardCounters::pool_misses},
    {"ringfence_pool_returns_total", "Server connections given back clean at a session's end",
     &ShardCounters::pool_returns},
    {"ringfence_pool_discards_total", "Those closed with their session, or because they could not be kept",
     &ShardCounters::pool_discards},
    {"ringfence_pool_expired_total", "Those closed because nobody came for them in time",
     &ShardCounters::pool_expired},
    {"ringfence_pool_failures_total",
     "Those that were of no use when a session came, or could not be made ahead",
     &ShardCounters::pool_failures},
    {"ringfence_key_derivations_total",
     "Keys derived from targets' passwords, for salts that were not known yet",
     &ShardCounters::key_derivations},
    {"ringfence_cancels_forwarded_total", "Cancel requests passed to a server",
     &ShardCounters::cancels_forwarded},
    {"ringfence_cancels_unknown_total", "Cancel requests with a key of no session",
     &ShardCounters::cancels_unknown},
    {"ringfence_statements_analysed_aside_total", "Statements analysed on a thread of their own",
     &ShardCounters::statements_analysed_aside},
    {"ringfence_cancels_limited_total",
     "Cancel requests looked up a moment later: too many wrong ones of their address",
     &ShardCounters::cancels_limited},
    {"ringfence_statements_started_total", "Statements recorded and forwarded",
     &ShardCounters::statements_started},
    {"ringfence_client_bytes_sent_total", "Bytes passed to clients", &ShardCounters::bytes_to_client},
    {"ringfence_client_bytes_received_total", "Bytes passed to servers", &ShardCounters::bytes_to_server},
    {"ringfence_client_bytes_sent_spliced_total",
     "Bytes passed to clients through a pipe, not seen and not copied", &ShardCounters::spliced_to_client},
    {"ringfence_client_bytes_received_spliced_total",
     "Bytes passed to servers through a pipe, not seen and not copied", &ShardCounters::spliced_to_server},
    {"ringfence_splice_pipes_out_total", "Receives of long message bodies that found all pipes taken",
     &ShardCounters::splice_pipes_out},
    {"ringfence_rows_total", "Rows that statements returned or touched", &ShardCounters::rows},
    {"ringfence_limits_reached_total", "Sessions that met a limit or deadline",
     &ShardCounters::limits_reached},
    {"ringfence_trail_waits_total", "Times that a session waited for room in the trail",
     &ShardCounters::trail_waits},
    {"ringfence_trail_refusals_total", "Sessions refused or ended because the trail had no room",
     &ShardCounters::trail_refusals},
    {"ringfence_trail_syncs_total", "Group commits of start records to the disk (audit.durability: disk)",
     &ShardCounters::trail_syncs},
    {"ringfence_trail_volume_waits_total",
     "Times that a session waited at audit.volume_per_user or audit.volume_per_address",
     &ShardCounters::volume_waits},
    {"ringfence_trail_volume_refusals_total", "Sessions ended there, for they would have waited too long",
     &ShardCounters::volume_refusals},
    {"ringfence_answers_unmatched_total", "Server answers that fitted no statement",
     &ShardCounters::answers_unmatched},
    {"ringfence_attribution_mismatches_total", "Server answers that contradict what was recorded",
     &ShardCounters::attribution_mismatches},
    {"ringfence_attribution_watch_samples_total", "Times that a watch asked a server what its sessions run",
     &ShardCounters::watch_samples},
    {"ringfence_attribution_watch_compared_total", "Sessions that were seen to run what was sent",
     &ShardCounters::watch_compared},
    {"ringfence_attribution_watch_unknown_total", "Sessions of which a watch could not tell what they ran",
     &ShardCounters::watch_unknown},
    {"ringfence_attribution_watch_failures_total", "Times that a watch could not ask",
     &ShardCounters::watch_failures},
};

}  // namespace

audit::TrailStatus Appliance::trail_status() const {
  return trail_ ? trail_->status() : audit::TrailStatus{};
}

admin::Readiness Appliance::readiness() const {
  switch (phase_.load()) {
    case Phase::starting: return {false, "starting"};
    case Phase::draining: return {false, "draining: no new sessions are taken"};
    case Phase::running: break;
  }
  if (!trail_) return {true, ""};
  audit::TrailStatus trail = trail_->status();
  if (!trail.is_ready) return {false, "failing closed: " + trail.reason};
  const std::optional<control::ControlStatus> control = records_.status();
  if (control && !control->key_problem.empty()) return {false, "failing closed: " + control->key_problem};
  return {true, ""};
}

admin::StatsSnapshot Appliance::stats() const {
  admin::StatsSnapshot out;
  admin::Readiness ready = readiness();
  Phase phase = phase_.load();
  out.state = phase == Phase::starting   ? "starting"
              : phase == Phase::draining ? "draining"
              : ready.is_ready           ? "ready"
                                         : "failing_closed";
  out.started_at_us = started_us_;
  out.shards = phase == Phase::starting ? 0 : static_cast<unsigned>(data_shards_.size());
  for (const StatementCounter& entry : statement_counters) out.statements.emplace_back(entry.outcome, 0);
  // Until then the main thread is still putting things together.
  if (phase == Phase::starting) {
    out.trail.state = "starting";
    return out;
  }
  for (const DataShard& data : data_shards_) {
    if (!data.core) continue;
    const ShardCounters& counters = data.core->counters;
    out.sessions_open += counters.sessions_open.get();
    out.sessions_total += counters.sessions_total.get();
    out.sessions_refused += counters.connections_refused.get();
    out.bytes_to_client += counters.bytes_to_client.get();
    out.bytes_to_server += counters.bytes_to_server.get();
    out.logins_succeeded += counters.sessions_total.get();
    out.logins_failed += counters.logins_failed.get();
    for (size_t i = 0; i < std::size(statement_counters); ++i) {
      out.statements[i].second += (counters.*statement_counters[i].counter).get();
    }
  }
  if (!trail_) {
    out.trail.state = "off";
    return out;
  }
  audit::TrailStatus trail = trail_->status();
  out.trail.state = std::string(audit::name(trail.writer.state));
  for (const audit::JournalCounters& journal : trail.journals) {
    out.trail.journal_bytes += journal.depth_bytes;
    out.trail.journal_records += journal.depth_records;
    out.trail.dropped += journal.dropped;
  }
  out.trail.oldest_age_us = trail.writer.lag_ms * 1000;
  out.trail.committed_rows = trail.writer.rows;
  out.trail.batches = trail.writer.batches;
  return out;
}

namespace {

// One shard's.
void write_sessions(MetricsWriter& out, const std::string& shard, const ShardCounters& counters) {
  out.gauge("ringfence_connections_open", "Client connections in whatever phase",
            static_cast<double>(counters.connections_open.get()), {{"shard", shard}});
  out.gauge("ringfence_sessions_open", "Sessions logged in on both legs",
            static_cast<double>(counters.sessions_open.get()), {{"shard", shard}});
  out.gauge("ringfence_sessions_held", "Sessions whose statement waits to be released",
            static_cast<double>(counters.sessions_held.get()), {{"shard", shard}});
  const char* pool_help = "Server connections of targets with a pool";
  out.gauge("ringfence_attribution_watch_connections", "Connections of watches to servers",
            static_cast<double>(counters.watch_connections.get()), {{"shard", shard}});
  out.gauge("ringfence_pool_connections", pool_help, static_cast<double>(counters.pool_idle.get()),
            {{"shard", shard}, {"state", "idle"}});
  out.gauge("ringfence_pool_connections", pool_help, static_cast<double>(counters.pool_in_use.get()),
            {{"shard", shard}, {"state", "in_use"}});
  for (size_t end = 0; end < proxy::hold_ends; ++end) {
    out.counter("ringfence_holds_total", "Held statements by how their wait ended", counters.holds[end].get(),
                {{"shard", shard}, {"end", proxy::hold_end_name(static_cast<proxy::HoldEnd>(end))}});
  }
  for (const NamedCounter& entry : shard_counters) {
    out.counter(entry.name, entry.help, (counters.*entry.counter).get(), {{"shard", shard}});
  }
}

void write_statements(MetricsWriter& out, const std::string& shard, const ShardCounters& counters) {
  static const std::vector<double> bounds = duration_bounds();
  for (const StatementCounter& entry : statement_counters) {
    out.counter("ringfence_statements_total", "Statements by outcome", (counters.*entry.counter).get(),
                {{"shard", shard}, {"outcome", entry.outcome}});
  }
  std::vector<uint64_t> counts;
  for (size_t b = 0; b < proxy::DurationHistogram::buckets; ++b)
    counts.push_back(counters.statement_duration.count(b));
  out.histogram("ringfence_statement_duration_seconds", "From forwarding a statement to its completion",
                bounds, counts, static_cast<double>(counters.statement_duration.sum_ns()) / 1e9,
                {{"shard", shard}});
}

void write_runtime(MetricsWriter& out, const std::string& name, const ring::Shard& shard) {
  ring::RingCounters ring = shard.counters();
  out.counter("ringfence_ring_enters_total", "io_uring_enter calls", ring.enters, {{"shard", name}});
  out.counter("ringfence_ring_submissions_total", "Operations submitted", ring.submissions,
              {{"shard", name}});
  out.counter("ringfence_ring_completions_total", "Completions delivered", ring.completions,
              {{"shard", name}});
  out.counter("ringfence_ring_buffers_exhausted_total", "Receives that found no provided buffer",
              ring.buffers_exhausted, {{"shard", name}});
  out.counter("ringfence_ring_spins_total", "Times that a shard looked for work before it slept",
              ring.spins - ring.spins_hit, {{"shard", name}, {"found", "nothing"}});
  out.counter("ringfence_ring_spins_total", "Times that a shard looked for work before it slept",
              ring.spins_hit, {{"shard", name}, {"found", "work"}});
  out.counter("ringfence_ring_spin_microseconds_total", "Time for which it looked", ring.spun_ns / 1'000,
              {{"shard", name}});
  out.counter("ringfence_shard_wakes_total", "Wake-ups by other threads", shard.wakes(), {{"shard", name}});
  ThreadCounts work = shard.thread_counts();
  out.counter("ringfence_shard_system_calls_total",
              "System calls of the data path, io_uring_enter among them", ring.enters + work.system_calls,
              {{"shard", name}});
  out.counter("ringfence_shard_copied_bytes_total", "Bytes of messages copied in user space on their way",
              work.copied_bytes, {{"shard", name}});
  out.counter("ringfence_shard_allocations_total",
              "Blocks asked of the allocator; 0 where a sanitizer is that", work.allocations,
              {{"shard", name}});
}

void write_journals(MetricsWriter& out, const audit::TrailStatus& trail) {
  for (size_t i = 0; i < trail.journals.size(); ++i) {
    const audit::JournalCounters& journal = trail.journals[i];
    std::string producer = std::to_string(i);
    out.counter("ringfence_journal_records_total", "Records published", journal.records,
                {{"producer", producer}});
    out.counter("ringfence_journal_bytes_total", "Bytes of records published", journal.bytes,
                {{"producer", producer}});
    out.gauge("ringfence_journal_depth_bytes", "Published and not yet committed in the store",
              static_cast<double>(journal.depth_bytes), {{"producer", producer}});
    out.gauge("ringfence_journal_depth_records", "Published and not yet committed in the store",
              static_cast<double>(journal.depth_records), {{"producer", producer}});
    out.gauge("ringfence_journal_segments", "Segment files in use", static_cast<double>(journal.segments),
              {{"producer", producer}});
    out.gauge("ringfence_journal_full", "1 when the journal is at its bound", journal.is_full ? 1 : 0,
              {{"producer", producer}});
    out.counter("ringfence_journal_stalls_total", "Times that a record found no room", journal.stalls,
                {{"producer", producer}});
    out.counter("ringfence_journal_dropped_total", "Records dropped at the bound (audit.on_full: drop)",
                journal.dropped, {{"producer", producer}});
  }
}

void write_writer(MetricsWriter& out, const audit::WriterStatus& writer) {
  out.gauge("ringfence_trail_state", "1 for the state that the trail's writer is in", 1,
            {{"state", std::string(audit::name(writer.state))}});
  out.gauge("ringfence_journal_age_seconds", "Age of the oldest record that is not in the store",
            static_cast<double>(writer.lag_ms) / 1e3);
  out.counter("ringfence_writer_batches_total", "Batches committed", writer.batches);
  out.counter("ringfence_writer_rows_total", "Rows committed", writer.rows);
  out.counter("ringfence_writer_bytes_total", "Bytes sent to the store by COPY", writer.bytes);
  out.counter("ringfence_writer_failures_total", "Batches that did not commit at the first try",
              writer.failures);
  out.counter("ringfence_writer_poisoned_total",
              "Rows stored as bytes because the store refused their content", writer.poisoned);
  out.counter("ringfence_writer_isolation_tries_total", "COPYs that it took to find such rows",
              writer.isolation_tries);
  out.counter("ringfence_writer_orphans_total", "Outcomes without a start", writer.orphans);
  out.counter("ringfence_trail_gaps_total", "Gaps that were recorded as events", writer.gaps);
  out.gauge("ringfence_writer_open_statements", "Statements whose outcome is awaited",
            static_cast<double>(writer.open_starts));
  out.gauge("ringfence_writer_last_batch_seconds", "Duration of the last batch",
            static_cast<double>(writer.last_batch_us) / 1e6);
  out.gauge("ringfence_trail_chain_no", "Number of the last row in the chain",
            static_cast<double>(writer.chain_no));
  out.counter("ringfence_trail_anchors_total", "Signatures over the chain's head", writer.anchors);
  out.gauge("ringfence_trail_retention_refused",
            "Partitions that expired and are kept, for they are not as they were written",
            static_cast<double>(writer.retention_refused));
}

void write_trail(MetricsWriter& out, const audit::TrailStatus& trail) {
  write_journals(out, trail);
  write_writer(out, trail.writer);
}

}  // namespace

void Appliance::write_metrics(MetricsWriter& out) const {
  Phase phase = phase_.load();
  out.gauge("ringfence_start_time_seconds", "When the process started, in seconds since the Unix epoch",
            static_cast<double>(started_us_) / 1e6);
  out.gauge("ringfence_ready", "1 when /readyz answers 200", readiness().is_ready ? 1 : 0);
  out.counter("ringfence_configuration_reloads_total", "Configurations applied while running",
              reloads_.load());
  if (phase == Phase::starting) return;
  write_tls_metrics(out);
  write_control_metrics(out);
  for (size_t i = 0; i < data_shards_.size(); ++i) {
    const DataShard& data = data_shards_[i];
    if (!data.core) continue;
    const std::string name = std::to_string(i);
    write_sessions(out, name, data.core->counters);
    write_statements(out, name, data.core->counters);
    write_runtime(out, name, *data.shard);
  }
  if (trail_) write_trail(out, trail_->status());
}

}  // namespace ringfence::app

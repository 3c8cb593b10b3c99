#include "json.h"

#include <nlohmann/json.hpp>

#include "ringfence/base/clock.h"

namespace ringfence::admin {

namespace {

using OrderedJson = nlohmann::ordered_json;

// A peer's text may be no UTF-8; that must not make the answer fail.
std::string text_of(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

OrderedJson time_or_null(uint64_t unix_us) {
  return unix_us == 0 ? OrderedJson() : OrderedJson(rfc3339(unix_us));
}

OrderedJson object_of(const model::SessionInfo& session) {
  return OrderedJson{{"id", to_string(session.id)},
                     {"protocol", session.protocol},
                     {"user", session.user},
                     {"target", session.target},
                     {"database", session.database},
                     {"client_addr", session.client_addr},
                     {"application_name", session.application_name},
                     {"shard", session.shard},
                     {"state", session.state},
                     {"tls", session.tls},
                     {"connected_at", time_or_null(session.connected_at_us)},
                     {"last_activity_at", time_or_null(session.last_activity_us)},
                     {"running_since", time_or_null(session.running_since_us)},
                     {"statements", session.statements},
                     {"bytes_to_client", session.bytes_to_client},
                     {"bytes_to_server", session.bytes_to_server}};
}

}  // namespace

std::string to_json(const model::SessionInfo& session) { return text_of(object_of(session)); }

std::string to_json(const std::vector<model::SessionInfo>& page, const std::string& next_cursor) {
  OrderedJson sessions = OrderedJson::array();
  for (const auto& session : page) sessions.push_back(object_of(session));
  OrderedJson out;
  out["sessions"] = std::move(sessions);
  out["next_cursor"] = next_cursor.empty() ? OrderedJson() : OrderedJson(next_cursor);
  return text_of(out);
}

std::string to_json(const StatsSnapshot& stats, const std::string& node, uint64_t now_us) {
  OrderedJson statements = OrderedJson::object();
  uint64_t total = 0;
  for (const auto& [outcome, count] : stats.statements) {
    statements[outcome] = count;
    total += count;
  }
  uint64_t uptime_us =
      stats.started_at_us == 0 || now_us < stats.started_at_us ? 0 : now_us - stats.started_at_us;
  OrderedJson out;
  out["node"] = node;
  out["version"] = RINGFENCE_VERSION;
  out["state"] = stats.state;
  out["started_at"] = time_or_null(stats.started_at_us);
  out["uptime_seconds"] = uptime_us / 1'000'000;
  out["shards"] = stats.shards;
  out["sessions"] = {
      {"open", stats.sessions_open}, {"total", stats.sessions_total}, {"refused", stats.sessions_refused}};
  out["statements"] = {{"total", total}, {"by_outcome", std::move(statements)}};
  out["bytes"] = {{"to_client", stats.bytes_to_client}, {"to_server", stats.bytes_to_server}};
  out["logins"] = {{"succeeded", stats.logins_succeeded}, {"failed", stats.logins_failed}};
  out["trail"] = {{"state", stats.trail.state},
                  {"journal_bytes", stats.trail.journal_bytes},
                  {"journal_records", stats.trail.journal_records},
                  {"oldest_age_us", stats.trail.oldest_age_us},
                  {"committed_rows", stats.trail.committed_rows},
                  {"batches", stats.trail.batches},
                  {"dropped", stats.trail.dropped}};
  return text_of(out);
}

std::string version_json(const std::string& node) {
  OrderedJson out;
  out["name"] = "ringfence";
  out["version"] = RINGFENCE_VERSION;
  out["node"] = node;
  return text_of(out);
}

}  // namespace ringfence::admin

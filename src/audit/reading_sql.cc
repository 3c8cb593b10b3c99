#include "audit/reading_sql.h"

#include <span>

namespace ringfence::audit {

namespace {

struct Member {
  const char* name;
  const char* expression;  // Of the row r.
};

#define RINGFENCE_TIME(of) "to_char(" of " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

constexpr Member query_members[] = {
    {"id", "r.id"},
    {"session_id", "r.session_id"},
    {"user", "r.user_name"},
    {"target", "r.target"},
    {"database", "r.database"},
    {"client_addr", "r.client_addr"},
    {"application_name", "r.application_name"},
    {"statement", "%statement%"},
    {"statement_bytes", "r.statement_bytes"},
    {"statement_truncated", "%truncated%"},
    {"parameters", "%parameters%"},
    {"message_type", "r.message_type"},
    {"started_at", RINGFENCE_TIME("r.ts")},
    {"duration_us", "r.duration_us"},
    {"outcome", "r.outcome"},
    {"allowed", "r.allowed"},
    {"rule", "r.rule"},
    {"reason", "r.reason"},
    {"command_tag", "r.command_tag"},
    {"rows", "r.rows"},
    {"bytes_to_client", "r.bytes_to_client"},
    {"bytes_to_server", "r.bytes_to_server"},
    {"sqlstate", "r.sqlstate"},
    {"error_message", "r.error_message"},
    {"redacted", "r.redacted"},
    {"attribution", "r.attribution"},
    {"node", "r.node"},
};
constexpr Member event_members[] = {
    {"id", "r.id"},
    {"created_at", RINGFENCE_TIME("r.ts")},
    {"category", "r.category"},
    {"action", "r.action"},
    {"severity", "r.severity"},
    {"outcome", "r.outcome"},
    {"user", "r.user_name"},
    {"auth_method", "r.auth_method"},
    {"client_addr", "r.client_addr"},
    {"session_id", "r.session_id"},
    {"target", "r.target"},
    {"entity_type", "r.entity_type"},
    {"entity_id", "r.entity_id"},
    {"changes", "r.changes"},
    {"metadata", "r.metadata"},
    {"reason", "r.reason"},
    {"rule", "r.rule"},
    {"statement", "%statement%"},
    {"sqlstate", "r.sqlstate"},
    {"error_message", "r.error_message"},
    {"node", "r.node"},
};
constexpr Member connection_members[] = {
    {"id", "r.session_id"},
    {"protocol", "CASE r.action WHEN 'tcp_connect' THEN 'tcp' ELSE 'postgres' END"},
    {"user", "r.user_name"},
    {"target", "r.target"},
    {"database", "r.database"},
    {"client_addr", "r.client_addr"},
    {"application_name", "r.application_name"},
    {"auth_method", "r.auth_method"},
    {"connected_at", RINGFENCE_TIME("r.ts")},
    {"disconnected_at", "null::text"},
    {"duration_us", "null::bigint"},
    {"statements", "null::bigint"},
    {"bytes_to_client", "null::bigint"},
    {"bytes_to_server", "null::bigint"},
    {"reason", "null::text"},
    {"node", "r.node"},
};
constexpr Member end_members[] = {
    {"disconnected_at", RINGFENCE_TIME("r.ts")},
    {"duration_us", "r.duration_us"},
    {"statements", "(r.metadata->>'statements')::bigint"},
    {"bytes_to_client", "r.bytes_to_client"},
    {"bytes_to_server", "r.bytes_to_server"},
    {"reason", "r.reason"},
};
#undef RINGFENCE_TIME

// As audit_query has it: a link of a known node's chain has the row's number, leaf and hash.
constexpr const char* is_chained =
    " AND EXISTS (SELECT FROM ringfence.audit_checkpoint c, ringfence.audit_link_run l"
    " WHERE c.node = r.node AND c.shard = 65535 AND r.chain_no BETWEEN 1 AND c.position AND l.node = r.node"
    " AND l.first_chain_no BETWEEN greatest(r.chain_no, 24) - 23 AND r.chain_no"
    " AND substring(l.links FROM ((r.chain_no - l.first_chain_no) * 64 + 1)::int FOR 64) = r.leaf || r.hash"
    " OFFSET 0)";
constexpr const char* is_no_statement =
    " AND r.action NOT IN ('postgres_query', 'postgres_query_outcome', 'postgres_query_blocked', "
    "'postgres_bind',"
    " 'postgres_bind_outcome', 'postgres_message')";

std::span<const Member> members_of(TrailPart part) {
  switch (part) {
    case TrailPart::queries: return query_members;
    case TrailPart::events: return event_members;
    case TrailPart::connections: break;
  }
  return connection_members;
}

// In a list long texts are cut, and long parameters left out.
std::string expression_of(const Member& member, bool is_whole) {
  const std::string_view text = member.expression;
  if (text == "%statement%") return is_whole ? "r.statement" : "left(r.statement, 2000)";
  if (text == "%truncated%")
    return is_whole ? "coalesce(r.statement_truncated, false)"
                    : "coalesce(r.statement_truncated, false) OR coalesce(length(r.statement) > 2000, false)";
  if (text == "%parameters%")
    return is_whole ? "r.parameters"
                    : "CASE WHEN octet_length(r.parameters::text) <= 4096 THEN r.parameters END";
  return std::string(text);
}

std::string json_of(std::span<const Member> members, bool is_whole) {
  std::string out = "json_build_object(";
  for (const Member& member : members)
    out += (out.back() == '(' ? "'" : ", '") + std::string(member.name) + "', " +
           expression_of(member, is_whole);
  return out + ")::text";
}

std::string condition_of(const std::string& name, const std::string& value) {
  if (name == "user") return "r.user_name = " + value;
  if (name == "session_id") return "r.session_id = " + value + "::uuid";
  // A row is recorded after its time; an hour is for clocks that were set.
  if (name == "start_time")
    return "r.ts >= " + value + "::timestamptz AND r.recorded_at >= " + value +
           "::timestamptz - interval '1 hour'";
  if (name == "end_time") return "r.ts <= " + value + "::timestamptz";
  return "r." + name + " = " + value;
}

std::string select_of(const TrailRequest& request, const std::string& action, size_t limit) {
  const bool is_query = request.part == TrailPart::queries;
  std::string out = "(SELECT r.chain_no::text, (extract(epoch FROM r.ts) * 1000000)::bigint::text, " +
                    json_of(members_of(request.part), false) + " FROM ringfence." +
                    (is_query ? "audit_query" : "audit_event") +
                    " r WHERE r.node = $1 AND r.chain_no < $2::bigint";
  for (size_t i = 0; i < request.filters.size(); ++i)
    out += " AND " + condition_of(request.filters[i].first, "$" + std::to_string(i + 3));
  if (!action.empty()) out += " AND r.action = '" + action + "' AND r.outcome = 'success'";
  if (request.part == TrailPart::events) out += is_no_statement;
  if (!is_query) out += is_chained;
  return out + " ORDER BY r.chain_no DESC LIMIT " + std::to_string(limit) + ")";
}

}  // namespace

std::string page_sql(const TrailRequest& request, size_t limit) {
  if (request.part != TrailPart::connections) return select_of(request, "", limit);
  // Each of the two by the index of actions.
  return "SELECT * FROM (" + select_of(request, "postgres_connect", limit) + " UNION ALL " +
         select_of(request, "tcp_connect", limit) + ") both_kinds ORDER BY chain_no::bigint DESC LIMIT " +
         std::to_string(limit);
}

std::string one_sql(TrailPart part) {
  const bool is_query = part == TrailPart::queries;
  std::string out = "SELECT r.node, r.chain_no::text, " + json_of(members_of(part), true) +
                    " FROM ringfence." + (is_query ? "audit_query" : "audit_event") +
                    " r WHERE r.recorded_at >= $2::timestamptz AND ";
  if (part == TrailPart::connections)
    out +=
        "r.session_id = $1::uuid AND r.action IN ('postgres_connect', 'tcp_connect') AND r.outcome = "
        "'success'";
  else out += "r.id = $1::uuid";
  if (part == TrailPart::events) out += is_no_statement;
  if (!is_query) out += is_chained;
  return out + " LIMIT 1";
}

std::string ends_sql() {
  return "SELECT r.session_id::text, " + json_of(end_members, true) +
         " FROM ringfence.audit_event r WHERE r.node = $1 AND r.chain_no > $2::bigint"
         " AND r.action IN ('postgres_disconnect', 'tcp_disconnect') AND r.session_id = ANY($3::uuid[])" +
         is_chained;
}

}  // namespace ringfence::audit

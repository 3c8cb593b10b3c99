#include "audit/reading_sql.h"

#include <algorithm>
#include <span>

#include "audit/block_keys.h"
#include "audit/row_groups.h"

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

std::string is_no_statement() {
  std::string out = " AND r.action NOT IN (";
  for (std::string_view action : statement_actions)
    out.append(out.back() == '(' ? "'" : ", '").append(action).append("'");
  return out + ")";
}

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

// audit_query has its own look at the chain.
std::string view_of(bool is_query, RowPlace place) {
  const bool is_alone = place == RowPlace::alone;
  if (is_query) return is_alone ? " FROM ringfence.audit_query_row r" : " FROM ringfence.audit_query_block r";
  return is_alone ? " FROM ringfence.audit_row r" : " FROM ringfence.audit_block_row r";
}

std::string chained(bool is_query, RowPlace place) {
  if (is_query) return "";
  return place == RowPlace::alone ? is_chained : " AND r.is_chained";
}

std::string in_blocks(RowPlace place, size_t parameter) {
  return place == RowPlace::alone ? ""
                                  : " AND r.block_no = ANY($" + std::to_string(parameter) + "::bigint[])";
}

std::string select_of(const TrailRequest& request, RowPlace place, const std::string& action, size_t limit) {
  const bool is_query = request.part == TrailPart::queries;
  std::string out =
      "(SELECT r.chain_no::text, CASE WHEN isfinite(r.ts) THEN (extract(epoch FROM r.ts) * "
      "1000000)::bigint::text END, " +
      json_of(members_of(request.part), false) + view_of(is_query, place) +
      " WHERE r.node = $1 AND r.chain_no < $2::bigint";
  for (size_t i = 0; i < request.filters.size(); ++i)
    out += " AND " + condition_of(request.filters[i].first, "$" + std::to_string(i + 3));
  if (!action.empty()) out += " AND r.action = '" + action + "' AND r.outcome = 'success'";
  if (request.part == TrailPart::events) out += is_no_statement();
  out += chained(is_query, place) + in_blocks(place, request.filters.size() + 3);
  return out + " ORDER BY r.chain_no DESC LIMIT " + std::to_string(limit) + ")";
}

// The field of a row that a filter is about.
Tag tag_of(const std::string& filter) {
  if (filter == "user") return Tag::user_name;
  for (uint16_t tag = 1; tag < tag_end; ++tag) {
    if (field_info(tag)->column == filter) return static_cast<Tag>(tag);
  }
  return Tag::id;
}

class BlockWhere {
 public:
  explicit BlockWhere(BlockQuery& query) : query_(query) {}

  void add(const std::string& condition) { query_.sql += " AND " + condition; }
  std::string param(std::string value) {
    query_.params.push_back(std::move(value));
    return "$" + std::to_string(query_.params.size());
  }
  // One of the keys, of which none is empty.
  void keys(const std::vector<std::string>& any) {
    std::string list;
    for (const std::string& key : any) list += (list.empty() ? "" : ", ") + param(key) + "::text";
    add("b.keys && ARRAY[" + list + "]");
  }
  void actions(std::initializer_list<std::string_view> any) {
    std::vector<std::string> list = {block_key_of_all(Tag::action)};
    for (std::string_view action : any) list.push_back(block_key(Tag::action, action));
    keys(list);
  }
  void sessions(const std::string& array) {
    add("b.sessions && (" + param(array) + "::uuid[] || '00000000-0000-0000-0000-000000000000'::uuid)");
  }
  void filter(const std::string& name, const std::string& value) {
    if (name == "start_time") {
      const std::string time = param(value) + "::timestamptz";
      add("b.last_ts >= " + time + " AND b.recorded_at >= " + time + " - interval '1 hour'");
    } else if (name == "end_time") {
      add("b.first_ts <= " + param(value) + "::timestamptz");
    } else if (name == "session_id") {
      sessions("{" + value + "}");
    } else {
      key_of(tag_of(name), value);
    }
  }

 private:
  void key_of(Tag tag, const std::string& value) {
    const std::string key = block_key(tag, value);
    if (key.empty()) return;
    std::vector<std::string> any = {key, block_key_of_all(tag)};
    // An outcome that came later stands elsewhere.
    if (tag == Tag::outcome || tag == Tag::sqlstate) {
      for (const std::string& late : {block_key(Tag::outcome, "running"), block_key_of_all(Tag::outcome)}) {
        if (std::find(any.begin(), any.end(), late) == any.end()) any.push_back(late);
      }
    }
    keys(any);
  }

  BlockQuery& query_;
};

}  // namespace

std::string page_sql(const TrailRequest& request, RowPlace place, size_t limit) {
  if (request.part != TrailPart::connections) return select_of(request, place, "", limit);
  // Each of the two by the index of actions.
  return "SELECT * FROM (" + select_of(request, place, "postgres_connect", limit) + " UNION ALL " +
         select_of(request, place, "tcp_connect", limit) +
         ") both_kinds ORDER BY chain_no::bigint DESC LIMIT " + std::to_string(limit);
}

std::string one_sql(TrailPart part, RowPlace place) {
  const bool is_query = part == TrailPart::queries;
  std::string out = "SELECT r.node, r.chain_no::text, " + json_of(members_of(part), true) +
                    view_of(is_query, place) + " WHERE r.recorded_at >= $2::timestamptz AND ";
  if (part == TrailPart::connections)
    out +=
        "r.session_id = $1::uuid AND r.action IN ('postgres_connect', 'tcp_connect') AND r.outcome = "
        "'success'";
  else out += "r.id = $1::uuid";
  if (part == TrailPart::events) out += is_no_statement();
  return out + chained(is_query, place) + in_blocks(place, 3) + " LIMIT 1";
}

std::string ends_sql(RowPlace place) {
  return "SELECT r.session_id::text, " + json_of(end_members, true) + view_of(false, place) +
         " WHERE r.node = $1 AND r.chain_no > $2::bigint"
         " AND r.action IN ('postgres_disconnect', 'tcp_disconnect') AND r.session_id = ANY($3::uuid[])" +
         chained(false, place) + in_blocks(place, 4);
}

BlockQuery blocks_of_page(const TrailRequest& request, const std::string& node, int64_t below, size_t limit) {
  BlockQuery out{
      "SELECT b.first_chain_no::text FROM ringfence.audit_block b WHERE b.node = $1 AND "
      "b.first_chain_no < $2::bigint",
      {node, std::to_string(below)}};
  BlockWhere where(out);
  for (const auto& [name, value] : request.filters) where.filter(name, value);
  if (request.part == TrailPart::events) where.keys({std::string(block_key_of_events)});
  if (request.part == TrailPart::connections) {
    where.actions({"postgres_connect", "tcp_connect"});
  }
  out.sql += " ORDER BY b.first_chain_no DESC LIMIT " + std::to_string(limit);
  return out;
}

BlockQuery blocks_with(TrailPart part, const std::string& id, const std::string& since) {
  BlockQuery out{
      "SELECT b.first_chain_no::text FROM ringfence.audit_block b WHERE b.recorded_at >= "
      "$1::timestamptz",
      {since}};
  BlockWhere where(out);
  if (part == TrailPart::connections) {
    where.sessions("{" + id + "}");
    where.actions({"postgres_connect", "tcp_connect"});
  } else {
    const std::string value = where.param(id) + "::uuid";
    where.add("b.first_id <= " + value + " AND b.last_id >= " + value);
  }
  return out;
}

BlockQuery blocks_with_ends(const std::string& node, const std::string& behind, const std::string& sessions,
                            size_t limit) {
  BlockQuery out{
      "SELECT b.first_chain_no::text FROM ringfence.audit_block b WHERE b.node = $1 AND "
      "b.first_chain_no > $2::bigint - " +
          std::to_string(block_rows_max),
      {node, behind}};
  BlockWhere where(out);
  where.sessions(sessions);
  where.actions({"postgres_disconnect", "tcp_disconnect"});
  out.sql += " ORDER BY b.first_chain_no LIMIT " + std::to_string(limit);
  return out;
}

}  // namespace ringfence::audit

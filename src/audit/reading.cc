#include "ringfence/audit/reading.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "audit/reading_sql.h"
#include "audit/row_groups.h"
#include "ringfence/audit/event.h"
#include "ringfence/base/base64.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/utf8.h"
#include "ringfence/model/timestamp.h"

namespace ringfence::audit {

using nlohmann::json;

namespace {

constexpr int open_s = 5;
// A page has so much at most; one row more where a single one has more than that.
constexpr size_t page_bytes_max = 4 * 1024 * 1024;
constexpr size_t cursor_bytes_max = 16 * 1024;
constexpr size_t nodes_max = 64;
// Blocks that are looked into at first, and at once.
constexpr size_t blocks_first = 2;
constexpr size_t blocks_at_once = 64;
// As long as one statement may take (settings), all of a page's blocks together may.
constexpr uint64_t blocks_ns = 5'000 * ns_per_ms;
// Beyond each number of a chain.
constexpr int64_t number_end = INT64_MAX;
constexpr const char* settings =
    "SET default_transaction_read_only = on; SET statement_timeout = '5s'; SET lock_timeout = '2s'; "
    "SET search_path = pg_catalog, pg_temp; SET TimeZone = 'UTC'; SET jit = off";
constexpr uint64_t clock_slack_us = 3'600'000'000;

constexpr std::string_view query_filters[] = {"user",    "target",   "database",   "session_id",
                                              "outcome", "sqlstate", "start_time", "end_time"};
constexpr std::string_view event_filters[] = {"user",       "target",     "category",    "action",
                                              "severity",   "outcome",    "entity_type", "entity_id",
                                              "session_id", "start_time", "end_time"};
constexpr std::string_view connection_filters[] = {"user", "target", "start_time", "end_time"};

// Where the page begins, by node: below these numbers.
using Cursor = std::map<std::string, int64_t>;

tl::unexpected<Error> too_long() {
  return fail(Fault::limit, "it takes too long to find these rows; narrow them by start_time and end_time");
}

tl::unexpected<Error> no_cursor() {
  return fail(Fault::malformed, "cursor is none that this list gave; leave it out to begin anew");
}

std::string text_of(const Cursor& cursor) { return base64url_encode(json(cursor).dump()); }

Result<Cursor> cursor_of(const std::string& text) {
  if (text.size() > cursor_bytes_max) return no_cursor();
  auto decoded = base64url_decode(text);
  if (!decoded) return no_cursor();
  const json parsed = json::parse(*decoded, nullptr, false);
  if (!parsed.is_object() || parsed.empty() || parsed.size() > nodes_max) return no_cursor();
  Cursor out;
  for (const auto& [node, below] : parsed.items()) {
    if (!below.is_number_integer() || below.get<int64_t>() < 1 || !is_valid_text(node)) return no_cursor();
    out[node] = below.get<int64_t>();
  }
  return out;
}

Result<void> check(const TrailRequest& request) {
  const auto known = trail_filters(request.part);
  for (const auto& [name, value] : request.filters) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      return fail(Fault::malformed, "there is no filter " + name);
    if (!is_valid_text(value)) return fail(Fault::malformed, name + " is no text (UTF-8 without NUL)");
    if (name == "session_id" && !parse_uuid(value)) return fail(Fault::malformed, name + " is no UUID");
    const bool is_time = name == "start_time" || name == "end_time";
    if (is_time && !model::parse_rfc3339(value))
      return fail(Fault::malformed, name + " is no time; write it as 2026-01-02T03:04:05Z");
  }
  if (request.limit < 1 || request.limit > trail_limit_max)
    return fail(Fault::malformed,
                "limit must be a whole number from 1 to " + std::to_string(trail_limit_max));
  return {};
}

// Milliseconds of the time that the id was made at (RFC 9562); 0: it is of another version.
uint64_t time_in(const Uuid& id) {
  if ((id.bytes[6] >> 4) != 7) return 0;
  uint64_t out = 0;
  for (int i = 0; i < 6; ++i) out = out << 8 | id.bytes[static_cast<size_t>(i)];
  return out;
}

int64_t number_in(const store::Rows& row, int column) { return std::stoll(row.text(0, column)); }

// A number of the store's that no JSON reader takes makes a row unreadable: no appliance wrote it. It is told
// of.
json body_in(ByteView text) {
  json body = json::parse(text.begin(), text.end(), nullptr, false);
  if (body.is_object()) return body;
  return {{"id", nullptr},
          {"reason", "the row is not as an appliance wrote it; ringfence audit verify says more"}};
}

}  // namespace

struct TrailReader::Row {
  int64_t chain_no = 0;
  int64_t us = 0;
  json body;
  size_t bytes = 0;
};

struct TrailReader::NodeRows {
  std::string node;
  std::vector<Row> rows;
  bool has_more = false;
  size_t taken = 0;

  bool is_at_end() const { return taken == rows.size(); }
};

std::span<const std::string_view> trail_filters(TrailPart part) {
  switch (part) {
    case TrailPart::queries: return query_filters;
    case TrailPart::events: return event_filters;
    case TrailPart::connections: break;
  }
  return connection_filters;
}

Result<std::unique_ptr<TrailReader>> TrailReader::open(const std::string& dsn) {
  auto connection = store::Connection::open(dsn, "ringfence reader", open_s);
  if (!connection) return unexpected(std::move(connection.error()));
  if (auto set = (*connection)->exec(settings); !set) return unexpected(std::move(set.error()));
  return std::unique_ptr<TrailReader>(new TrailReader(std::move(*connection)));
}

TrailReader::~TrailReader() = default;

tl::unexpected<Error> TrailReader::failed(Error error) const {
  if (connection_->sqlstate() == "57014") return too_long();
  error.fault = Fault::unavailable;
  return unexpected(std::move(error).in("the store"));
}

Result<std::vector<std::string>> TrailReader::nodes() {
  auto rows = connection_->exec(
      "SELECT node FROM ringfence.audit_checkpoint WHERE shard = 65535 ORDER BY node LIMIT " +
      std::to_string(nodes_max));
  if (!rows) return failed(std::move(rows.error()));
  std::vector<std::string> out;
  for (int i = 0; i < rows->size(); ++i) out.push_back(rows->text(i, 0));
  return out;
}

Result<std::vector<int64_t>> TrailReader::blocks_in(const BlockQuery& query) {
  std::vector<store::Param> params(query.params.begin(), query.params.end());
  std::vector<int64_t> out;
  auto read = connection_->stream(query.sql, params, [&](const store::Rows& row) {
    out.push_back(number_in(row, 0));
    return true;
  });
  if (!read) return failed(std::move(read.error()));
  return out;
}

Result<void> TrailReader::read_part(const std::string& sql, const std::vector<store::Param>& params,
                                    size_t limit, NodeRows& out) {
  size_t bytes = 0;
  for (const Row& row : out.rows) bytes += row.bytes;
  auto read = connection_->stream(sql, params, [&](const store::Rows& row) {
    out.has_more = out.rows.size() == limit || bytes > page_bytes_max;
    // One more was asked for than the page has: it is the last one.
    if (out.has_more) return out.rows.size() == limit;
    Row one;
    one.chain_no = number_in(row, 0);
    one.us = row.is_null(0, 1) ? 0 : number_in(row, 1);
    const ByteView text = row.get(0, 2);
    one.bytes = text.size();
    bytes += text.size();
    one.body = body_in(text);
    out.rows.push_back(std::move(one));
    return true;
  });
  if (!read) return failed(std::move(read.error()));
  return {};
}

// The newest blocks that may have such rows, then older ones, until there are enough.
Result<void> TrailReader::read_blocks(const std::string& node, int64_t below, const TrailRequest& request,
                                      std::vector<store::Param> params, NodeRows& out) {
  const uint64_t until_ns = mono_ns() + blocks_ns;
  for (size_t count = blocks_first; !out.has_more; count = std::min(count * 4, blocks_at_once)) {
    if (mono_ns() > until_ns) {
      if (out.rows.empty()) return too_long();
      out.has_more = true;  // Behind those that were found.
      break;
    }
    auto blocks = blocks_in(blocks_of_page(request, node, below, count));
    if (!blocks) return unexpected(std::move(blocks.error()));
    if (blocks->empty()) break;
    below = blocks->back();
    const std::string numbers = store::array_literal(*blocks);
    params.emplace_back(numbers);
    // One more than is needed tells whether there are more.
    auto read = read_part(page_sql(request, RowPlace::in_blocks, request.limit + 1 - out.rows.size()), params,
                          request.limit, out);
    if (!read) return read;
    params.pop_back();
    if (blocks->size() < count) break;
  }
  return {};
}

Result<TrailReader::NodeRows> TrailReader::rows_of(const std::string& node, int64_t below,
                                                   const TrailRequest& request) {
  const std::string number = std::to_string(below);
  std::vector<store::Param> params = {node, number};
  for (const auto& filter : request.filters) params.emplace_back(filter.second);
  NodeRows alone;
  auto read = read_part(page_sql(request, RowPlace::alone, request.limit + 1), params, request.limit, alone);
  if (!read) return unexpected(std::move(read.error()));
  NodeRows in_blocks;
  if (auto done = read_blocks(node, below, request, params, in_blocks); !done)
    return unexpected(std::move(done.error()));
  NodeRows out = merged(std::move(alone), std::move(in_blocks), request.limit);
  out.node = node;
  if (request.part == TrailPart::connections && !out.rows.empty()) {
    if (auto ended = add_ends(node, out.rows); !ended) return unexpected(std::move(ended.error()));
  }
  return out;
}

// In the order of the chain, as far as both are known.
TrailReader::NodeRows TrailReader::merged(NodeRows a, NodeRows b, size_t limit) {
  NodeRows out;
  size_t bytes = 0;
  for (;;) {
    const bool is_over = a.is_at_end() && b.is_at_end();
    const bool is_unknown = (a.is_at_end() && a.has_more) || (b.is_at_end() && b.has_more);
    out.has_more = is_unknown || (!is_over && (out.rows.size() == limit || bytes > page_bytes_max));
    if (is_over || out.has_more) return out;
    const bool takes_a =
        b.is_at_end() || (!a.is_at_end() && a.rows[a.taken].chain_no > b.rows[b.taken].chain_no);
    NodeRows& from = takes_a ? a : b;
    bytes += from.rows[from.taken].bytes;
    out.rows.push_back(std::move(from.rows[from.taken++]));
  }
}

// A session without an end is open, or its appliance was killed.
Result<void> TrailReader::add_ends(const std::string& node, std::vector<Row>& rows) {
  std::map<std::string, Row*> by_session;
  std::string sessions = "{";
  for (Row& row : rows) {
    const json& id = row.body.at("id");
    if (!id.is_string()) continue;
    sessions += (sessions.size() > 1 ? "," : "") + id.get<std::string>();
    by_session[id.get<std::string>()] = &row;
  }
  sessions += "}";
  const std::string behind = std::to_string(rows.back().chain_no);
  auto take = [&](const store::Rows& row) {
    const auto found = by_session.find(row.text(0, 0));
    const ByteView text = row.get(0, 1);
    const json end = json::parse(text.begin(), text.end(), nullptr, false);
    if (found == by_session.end() || !end.is_object()) return true;
    found->second->body.update(end);
    by_session.erase(found);
    return true;
  };
  auto read = connection_->stream(ends_sql(RowPlace::alone), {node, behind, sessions}, take);
  if (!read) return failed(std::move(read.error()));
  const uint64_t until_ns = mono_ns() + blocks_ns;
  std::string begin = behind;  // Of the blocks that were not looked into yet.
  while (!by_session.empty()) {
    auto blocks = blocks_in(blocks_with_ends(node, begin, sessions, blocks_at_once));
    if (!blocks) return unexpected(std::move(blocks.error()));
    if (blocks->empty()) break;
    const std::string numbers = store::array_literal(*blocks);
    read = connection_->stream(ends_sql(RowPlace::in_blocks), {node, behind, sessions, numbers}, take);
    if (!read) return failed(std::move(read.error()));
    if (blocks->size() < blocks_at_once) break;
    if (mono_ns() > until_ns) return too_long();
    begin = std::to_string(blocks->back() + static_cast<int64_t>(block_rows_max));
  }
  return {};
}

Result<json> TrailReader::page(const TrailRequest& request) {
  if (auto checked = check(request); !checked) return unexpected(std::move(checked.error()));
  Cursor begin;
  if (!request.cursor.empty()) {
    auto given = cursor_of(request.cursor);
    if (!given) return unexpected(std::move(given.error()));
    begin = std::move(*given);
  } else {
    auto all = nodes();
    if (!all) return unexpected(std::move(all.error()));
    for (const std::string& node : *all) begin[node] = number_end;
  }
  std::vector<NodeRows> sources;
  for (const auto& [node, below] : begin) {
    auto rows = rows_of(node, below, request);
    if (!rows) return unexpected(std::move(rows.error()));
    sources.push_back(std::move(*rows));
  }
  json items = json::array();
  size_t bytes = 0;
  while (items.size() < request.limit && bytes <= page_bytes_max) {
    NodeRows* newest = nullptr;
    bool is_unknown = false;  // Whether a node has rows that were not read and may be the next ones.
    for (NodeRows& source : sources) {
      is_unknown = is_unknown || (source.is_at_end() && source.has_more);
      if (source.is_at_end()) continue;
      if (newest == nullptr || source.rows[source.taken].us > newest->rows[newest->taken].us)
        newest = &source;
    }
    if (newest == nullptr || is_unknown) break;
    Row& row = newest->rows[newest->taken++];
    bytes += row.bytes;
    items.push_back(std::move(row.body));
  }
  Cursor next;
  for (const NodeRows& source : sources) {
    if (source.is_at_end() && !source.has_more) continue;
    if (source.taken > 0) next[source.node] = source.rows[source.taken - 1].chain_no;
    else next[source.node] = source.rows.empty() ? begin[source.node] : source.rows[0].chain_no + 1;
  }
  return json{{"items", std::move(items)}, {"next_cursor", next.empty() ? json() : json(text_of(next))}};
}

Result<std::optional<json>> TrailReader::one(TrailPart part, const Uuid& id) {
  const uint64_t made_us = time_in(id) * 1'000;
  if (made_us < clock_slack_us) return std::optional<json>();
  const std::string since = rfc3339(made_us - clock_slack_us);
  std::optional<json> out;
  std::string node;
  int64_t chain_no = 0;
  const std::string key = to_string(id);
  auto take = [&](const store::Rows& row) {
    const ByteView text = row.get(0, 2);
    node = row.text(0, 0);
    chain_no = number_in(row, 1);
    out = body_in(text);
    return true;
  };
  auto read = connection_->stream(one_sql(part, RowPlace::alone), {key, since}, take);
  if (!read) return failed(std::move(read.error()));
  if (!out) {
    auto blocks = blocks_in(blocks_with(part, key, since));
    if (!blocks) return unexpected(std::move(blocks.error()));
    const std::string numbers = store::array_literal(*blocks);
    if (!blocks->empty())
      read = connection_->stream(one_sql(part, RowPlace::in_blocks), {key, since, numbers}, take);
    if (!read) return failed(std::move(read.error()));
  }
  if (!out || part != TrailPart::connections) return out;
  std::vector<Row> rows(1);
  rows[0].chain_no = chain_no;
  rows[0].body = std::move(*out);
  if (auto ended = add_ends(node, rows); !ended) return unexpected(std::move(ended.error()));
  return std::optional<json>(std::move(rows[0].body));
}

}  // namespace ringfence::audit

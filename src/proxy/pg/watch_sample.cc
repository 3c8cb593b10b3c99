#include "watch_sample.h"

#include <charconv>

#include "ringfence/base/bytes.h"
#include "ringfence/pg/build.h"
#include "shown_texts.h"

namespace ringfence::proxy {

// The server cuts at a character's edge, so a text that is up to five bytes short of the bound may have been
// cut.
std::string watch_question(std::span<const uint32_t> process_ids) {
  std::string ids;
  for (uint32_t id : process_ids) ids.append(ids.empty() ? "" : ",").append(std::to_string(id));
  const std::string length = std::to_string(shown_bytes_max);
  const std::string text =
      "SELECT a.pid, CASE WHEN a.state OPERATOR(pg_catalog.<>) 'disabled' THEN "
      "pg_catalog.\"left\"(a.query, " +
      length +
      ") END, pg_catalog.octet_length(a.query) OPERATOR(pg_catalog.>=) (pg_catalog.pg_size_bytes("
      "pg_catalog.current_setting('track_activity_query_size')) OPERATOR(pg_catalog.-) 5::pg_catalog.int8) "
      "OR pg_catalog.length(a.query) OPERATOR(pg_catalog.>) " +
      length + " FROM pg_catalog.pg_stat_activity a WHERE a.pid OPERATOR(pg_catalog.=) ANY ('{" + ids +
      "}'::pg_catalog.int4[])";
  std::string out;
  pg::append_query(out, text);
  return out;
}

std::optional<ShownActivity> parse_watch_row(std::string_view body) {
  Reader in(body);
  if (in.u16() != 3) return std::nullopt;
  std::optional<std::string_view> fields[3];
  for (auto& field : fields) {
    const uint32_t length = in.u32();
    if (length == ~uint32_t{0}) continue;
    field = in.bytes(length);
  }
  if (!in.ok() || in.remaining() != 0 || !fields[0]) return std::nullopt;
  ShownActivity out;
  const std::string_view id = *fields[0];
  const auto parsed = std::from_chars(id.data(), id.data() + id.size(), out.process_id);
  if (parsed.ec != std::errc{} || parsed.ptr != id.data() + id.size()) return std::nullopt;
  out.text = fields[1];
  out.is_cut = fields[2] == "t";
  return out;
}

}  // namespace ringfence::proxy

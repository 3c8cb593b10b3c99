// What the server is asked of its sessions by a watch (watch.h), and its answer. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ringfence::proxy {

// What pg_stat_activity shows of one session.
struct ShownActivity {
  uint32_t process_id = 0;
  std::optional<std::string_view>
      text;             // Nothing: the server does not tell it (track_activities, another role's).
  bool is_cut = false;  // It may be the beginning of a longer text.
};

// A Query that asks for these. Names no schema but pg_catalog, for the role's search_path is its own.
std::string watch_question(std::span<const uint32_t> process_ids);
// The body of a DataRow of the answer; nothing: it is none.
std::optional<ShownActivity> parse_watch_row(std::string_view body);

}  // namespace ringfence::proxy

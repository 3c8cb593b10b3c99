// What a block is found by: the values of those fields that people search for, of all its rows. A reader who
// looks for one looks into the blocks that have it and into those that have too many values of its kind.
#pragma once

#include <array>
#include <set>
#include <string>
#include <vector>

#include "ringfence/audit/event.h"

namespace ringfence::audit {

// Different values of one kind that stand in a block's keys; where there are more, "kind:*" stands for all.
inline constexpr size_t block_values_max = 64;
// The same of sessions, for which the nil identifier stands.
inline constexpr size_t block_sessions_max = 256;

// Of a block that has rows which are no statements.
inline constexpr std::string_view block_key_of_events = "event:*";
// Actions of rows that are a statement's, or a part of one.
inline constexpr std::string_view statement_actions[] = {"postgres_query",         "postgres_query_outcome",
                                                         "postgres_query_blocked", "postgres_bind",
                                                         "postgres_bind_outcome",  "postgres_message"};
bool is_statement_action(ByteView action);
// The key of a value ("user:ana"); empty: rows with it are not looked for by keys.
std::string block_key(Tag tag, ByteView value);
// What stands for all values of the kind ("user:*"); empty: the tag is none that blocks are found by.
std::string block_key_of_all(Tag tag);

class BlockKeys {
 public:
  void clear();
  // A field of a row; what nobody searches for is ignored.
  void add(Tag tag, ByteView value);
  // Sorted.
  std::vector<std::string> keys() const;
  std::vector<std::string> sessions() const;  // 16 bytes each.

 private:
  static constexpr size_t kinds = 12;
  std::array<std::set<std::string, std::less<>>, kinds> values_;
  std::set<std::string, std::less<>> sessions_;
  bool has_events_ = false;
};

}  // namespace ringfence::audit

// The queries that pages of the trail are read by. Rows stand in two places: by themselves, and in blocks, of
// which those are found first that may have what is wanted.
#pragma once

#include <string>
#include <vector>

#include "ringfence/audit/reading.h"

namespace ringfence::audit {

enum class RowPlace : uint8_t { alone, in_blocks };

// Rows of $1, a node, below $2, the newest first, `limit` at most: chain_no, ts in Unix µs, JSON. The filters
// are $3 and on; in blocks the last parameter is an array of the blocks' numbers.
std::string page_sql(const TrailRequest& request, RowPlace place, size_t limit);
// The row with the id $1, recorded at $2 or later: node, chain_no, JSON. In blocks $3 is an array of numbers.
std::string one_sql(TrailPart part, RowPlace place);
// Ends of sessions $3 of $1, a node, behind $2: session, JSON. In blocks $4 is an array of numbers.
std::string ends_sql(RowPlace place);

// A query with its parameters.
struct BlockQuery {
  std::string sql;
  std::vector<std::string> params;
};
// Numbers of the node's blocks below `below` that may have rows of the page, the newest first.
BlockQuery blocks_of_page(const TrailRequest& request, const std::string& node, int64_t below, size_t limit);
// Those that may have the row with this id, recorded at `since` or later.
BlockQuery blocks_with(TrailPart part, const std::string& id, const std::string& since);
// Those behind `behind`, the oldest first, that may have ends of these sessions, an array of identifiers.
BlockQuery blocks_with_ends(const std::string& node, const std::string& behind, const std::string& sessions,
                            size_t limit);

}  // namespace ringfence::audit

// Reading the trail: pages of statements, of other events and of connections, the newest first.
//
// What stands beside the chains is not read: each row has its link. Within a node rows come in the order of
// its chain, between nodes by time. A page is bounded in rows, bytes and time. Secrets stay as they are
// recorded: redacted. Values are JSON: times RFC 3339 in UTC, null where nothing is known.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringfence/base/result.h"
#include "ringfence/base/uuid.h"
#include "ringfence/store/connection.h"

namespace ringfence::audit {

enum class TrailPart : uint8_t {
  queries,      // One row for each statement, with its outcome.
  events,       // What is no statement: logins, changes, refusals, reads of the trail.
  connections,  // One row for each session, with its end.
};

// What a list of this part may be narrowed by: "user", "start_time" ….
std::span<const std::string_view> trail_filters(TrailPart part);

struct TrailRequest {
  TrailPart part = TrailPart::queries;
  std::vector<std::pair<std::string, std::string>> filters;
  size_t limit = 100;  // 1 to trail_limit_max.
  std::string cursor;  // The next_cursor of the page before; empty: the newest rows.
};
inline constexpr size_t trail_limit_max = 1'000;

struct BlockQuery;

// Of one thread. Errors: Fault::malformed, the request makes no sense; Fault::limit, the answer takes too
// long; Fault::unavailable, the store does not answer.
class TrailReader {
 public:
  // `dsn`: of a role that may read the trail.
  static Result<std::unique_ptr<TrailReader>> open(const std::string& dsn);
  ~TrailReader();
  TrailReader(const TrailReader&) = delete;
  TrailReader& operator=(const TrailReader&) = delete;

  bool is_open() const { return connection_->is_open(); }
  // {"items": […], "next_cursor": …}. The texts of statements are cut at 2,000 characters.
  Result<nlohmann::json> page(const TrailRequest& request);
  // With the whole text. Nothing: there is none.
  Result<std::optional<nlohmann::json>> one(TrailPart part, const Uuid& id);

 private:
  struct Row;
  struct NodeRows;
  explicit TrailReader(std::unique_ptr<store::Connection> connection) : connection_(std::move(connection)) {}
  Result<std::vector<std::string>> nodes();
  Result<NodeRows> rows_of(const std::string& node, int64_t below, const TrailRequest& request);
  Result<std::vector<int64_t>> blocks_in(const BlockQuery& query);
  Result<void> read_part(const std::string& sql, const std::vector<store::Param>& params, size_t limit,
                         NodeRows& out);
  Result<void> read_blocks(const std::string& node, int64_t below, const TrailRequest& request,
                           std::vector<store::Param> params, NodeRows& out);
  static NodeRows merged(NodeRows a, NodeRows b, size_t limit);
  Result<void> add_ends(const std::string& node, std::vector<Row>& rows);
  tl::unexpected<Error> failed(Error error) const;

  std::unique_ptr<store::Connection> connection_;
};

}  // namespace ringfence::audit

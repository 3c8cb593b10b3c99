// A login at a target's server as its sessions have it: by the same code, with the same limits and times. For
// `ringfence check`, which has no shards, and for what the API asks of a server.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ringfence/base/result.h"
#include "ringfence/proxy/core/opening_story.h"
#include "ringfence/proxy/core/snapshot.h"

namespace ringfence::proxy {

using TrialRow = std::vector<std::optional<std::string>>;  // NULL: nothing.

struct TrialReport {
  bool is_ok = false;
  OpeningStory story;  // Its stage is where it failed.
  std::string reason;  // Why, for staff.
  std::string server_version;
  std::string tls_version;  // Empty: no TLS.
  std::string auth_method;
  std::vector<std::vector<TrialRow>> answers;  // To each query.
};

struct TrialQuestion {
  static constexpr size_t rows_max = 10'000;
  static constexpr size_t bytes_max = 8 * 1024 * 1024;  // Of all rows.

  uint64_t connect_ms = 10'000;  // For all of it.
  bool is_read_only = false;     // default_transaction_read_only is on, as for sessions of level read.
  // Each is one statement, run one after the other in its own transaction. More rows than `rows_max`, or more
  // bytes, are an error.
  std::vector<std::string> queries;
};

// Logs in as `credential`, asks, and leaves again. Blocks for a little more than `connect_ms` at most.
TrialReport try_target(const Target& target, const Credential& credential, const TrialQuestion& question);

// The same without a query. The error is for staff: why no session would get in.
Result<void> try_login(const Target& target, const Credential& credential, bool is_read, uint64_t connect_ms);

}  // namespace ringfence::proxy

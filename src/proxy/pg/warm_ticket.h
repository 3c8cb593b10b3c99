// What a connection of a target with a pool takes along from one session to the next.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "own_answer.h"
#include "ringfence/net/tls.h"
#include "ringfence/pg/startup.h"
#include "ringfence/policy/policy_set.h"

namespace ringfence::proxy {

struct WarmTicket {
  std::string target;
  std::optional<policy::Level> level;  // Whose credential it was logged in with; nothing: the target's own.
  std::vector<pg::StartupParameter> parameters;
  std::string kind;  // Two connections of one kind are the same to a session; see kind_of().
  std::shared_ptr<const net::TlsContext>
      tls;  // Named by its address in `kind`, which therefore stays its own.
  ReportedSettings settings;
  uint64_t opened_ns = 0;
  mutable uint64_t fits_generation = ~uint64_t{0};  // Of the last snapshot that was found to want it so.
  bool is_warm = false;                             // The session that has it did not log it in.
  std::string_view auth_method;
  std::string tls_version;
};

}  // namespace ringfence::proxy

// Which functions are known to run nothing out of sight: those of the catalog that access levels read and
// write may call, see catalog.h.
#pragma once

#include <cstdint>
#include <string_view>

#include "ringfence/sql/facts.h"

namespace ringfence::policy {

// `server_version` is the major version, 15; of an unknown one the newest known before it counts.
bool is_harmless_function(std::string_view schema, std::string_view name, int server_version);
bool is_harmless_call(uint32_t function_oid, int server_version);
// Of all that the statement names: functions, operators, and what stands behind dots.
bool calls_only_harmless(const sql::Facts& facts, int server_version);

}  // namespace ringfence::policy

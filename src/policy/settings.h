// Which settings a restricted user may change, and to what.
#pragma once

#include <string>

#include "ringfence/sql/facts.h"

namespace ringfence::policy {

// Why a user of this level may not make the change; "" when they may.
std::string refuse_setting(const sql::Setting& setting, sql::Level level);

// Settings of a connection that no SET changes (guc_tables.c: PGC_BACKEND, PGC_SU_BACKEND): they load
// libraries, or say what is logged.
bool is_set_by_login_alone(std::string_view name);

}  // namespace ringfence::policy

// Which settings a restricted user may change, and to what.
#pragma once

#include <string>

#include "ringfence/sql/facts.h"

namespace ringfence::policy {

// Why a user of this level may not make the change; "" when they may.
std::string refuse_setting(const sql::Setting& setting, sql::Level level);

}  // namespace ringfence::policy

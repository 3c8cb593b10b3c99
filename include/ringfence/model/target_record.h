// A target as a record of the store has it, as the value that sessions use.
#pragma once

#include "ringfence/model/json.h"
#include "ringfence/model/pg_target.h"
#include "ringfence/model/tcp_target.h"

namespace ringfence::model {

// Of a record of type postgres; without the password, which is sealed there.
PgTarget pg_target_of(const Json& record);
// Of a record of type tcp.
TcpTarget tcp_target_of(const Json& record);

}  // namespace ringfence::model

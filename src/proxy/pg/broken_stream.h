// Why a session ends whose client or server breaks the protocol or a limit: what its client is told.
#pragma once

#include "conversation.h"
#include "pump.h"
#include "ringfence/proxy/pg/pg_shard.h"

namespace ringfence::proxy {

// `from`: whose bytes broke it. The conversation is broken.
EndReason broken_by(const Conversation& conversation, Side from);

}  // namespace ringfence::proxy

// How the trail is kept.
#pragma once

#include <cstdint>

namespace ringfence::model {

// What becomes of traffic while the trail has no room: it waits, or goes on without a record, which is
// counted.
enum class OnFull : uint8_t { fail_closed, drop };
// What a record has to survive before its statement goes on: the process's end, or the machine's.
enum class Durability : uint8_t { process, disk };

}  // namespace ringfence::model

// The end of a connection whose peer shall read our last word.
#pragma once

#include "ringfence/net/stream.h"

namespace ringfence::net {

// Ends our direction, then reads on and drops what comes, until the peer has ended its own, `bytes_max` bytes
// have come, or the stream is shut down: a socket that is closed with unread bytes resets the connection, and
// what was sent last would be lost on its way. The deadline is the caller's. `begun`: a receive on this
// stream that has begun and that nobody waits for; null: there is none.
ring::Task<void> linger(Stream& stream, size_t bytes_max, Receive* begun = nullptr);

}  // namespace ringfence::net

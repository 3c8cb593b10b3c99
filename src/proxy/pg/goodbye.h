// The last word to a server: Terminate.
#pragma once

#include <string_view>

#include "ringfence/net/stream.h"

namespace ringfence::proxy {

inline constexpr std::string_view goodbye("X\0\0\0\4", 5);

// Sends it and closes. The time is the caller's deadline.
ring::Task<void> say_goodbye(net::Stream& stream);
// The same, and waits until the server has closed too, which is when it has room for another connection.
// `receive`: the stream's, which may have begun.
ring::Task<void> say_goodbye_and_wait(net::Stream& stream, net::Receive& receive);

}  // namespace ringfence::proxy

// Whole messages in set-up phases, where they are small and few.
#pragma once

#include <string>

#include "ringfence/net/stream.h"

namespace ringfence::proxy {

struct Message {
  char type = 0;
  std::string body;
};

// Fault::limit when the message is longer than `body_bytes_max`, Fault::closed at the end of the stream.
ring::Task<Result<Message>> read_message(net::Gather& in, uint32_t body_bytes_max);
void append_message(std::string& out, const Message& message);

}  // namespace ringfence::proxy

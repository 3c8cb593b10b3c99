// A session's client: its connection, and how much of it is left.
#pragma once

#include <memory>

#include "ringfence/net/stream.h"
#include "ringfence/net/tls_stream.h"

namespace ringfence::proxy {

struct ClientEnd {
  enum class State : uint8_t {
    speaks,
    has_ended,  // It sent its end; it may still read.
    is_gone,    // Nothing reaches it any more.
  };

  bool is_gone() const { return state == State::is_gone; }
  void note_end() {
    if (state == State::speaks) state = State::has_ended;
  }
  void note_gone() { state = State::is_gone; }

  std::unique_ptr<net::Stream> stream;
  net::TlsStream* tls = nullptr;  // `stream`, where it is TLS.
  State state = State::speaks;
  bool is_at_boundary = true;  // What was passed to it ends with a whole message.
  bool has_no_answer = false;  // What it sent first gets none.
};

}  // namespace ringfence::proxy

// How a connection that was accepted comes to speak TLS: the server's side of the handshake, in one place.
#pragma once

#include <memory>
#include <string>

#include "ringfence/net/tls_stream.h"

namespace ringfence::net {

struct TlsAccepting {
  std::shared_ptr<const TlsContext> context;
  TlsBuffers& buffers;  // Outlives the stream and its chunks.
  TlsLegs* legs = nullptr;
  std::shared_ptr<const TlsTicketKeys> ticket_keys;  // Null: none of its own.
};

struct TlsAccepted {
  TlsStream* tls = nullptr;               // The stream, if the handshake has succeeded.
  TlsFailure failure = TlsFailure::none;  // Otherwise why not; `closed` where TLS itself names no reason.
  Result<void> result;                    // The same for people.
};

// Lays TLS over `stream`, in its place, and shakes hands; `first` was received from it already. Meanwhile
// `stream` may be shut down, by a deadline of the caller's. After a failure the stream beneath is in its
// place again: the peer was told by an alert, and what is left is to end it.
ring::Task<TlsAccepted> accept_tls(std::unique_ptr<Stream>& stream, TlsAccepting how, std::string first);

}  // namespace ringfence::net

// TLS by the kernel (Linux, Documentation/networking/tls.rst): a connected TCP socket is given the keys of
// one direction, and what is sent on it afterwards leaves as records.
//
// Sending only. For receiving there is nothing to win: OpenSSL 3.0 has no kernel TLS for TLS 1.3's receiving
// either, and a socket whose kernel decrypts fails a plain receive at every record that is not data (tickets,
// key updates, alerts), so that the ring's standing receive could not be used.
//
// A kernel is believed only what it has shown: try_kernel_tls() shakes hands over loopback and sends through
// it.
#pragma once

#include <string>

#include "ringfence/net/tls_engine.h"

namespace ringfence::net {

// From now on the kernel encrypts what is sent on this TCP socket. An errno value, or 0. After an error the
// socket is as it was, to who uses it.
int start_kernel_sending(int fd, const TlsSendingKeys& keys);
// An alert as a record of its own, if that goes without waiting. Only after start_kernel_sending().
bool send_kernel_alert(int fd, ByteView alert);

// What this machine's kernel has shown.
struct KernelTls {
  uint8_t suites = 0;  // As in KernelTlsUse: those that went well.
  std::string reason;  // Where there are none, or not all: why.
  double cost = 0;     // CPU time for a stream of full records, in parts of what this process takes for it.
};
// Blocks for some milliseconds, at most a few seconds.
KernelTls try_kernel_tls();

}  // namespace ringfence::net

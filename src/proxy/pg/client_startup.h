// How a client begins: TLS with its first byte or after SSLRequest, then the startup or cancel packet. All of
// it comes from somebody who is not known yet, so each length has a bound; the time is the caller's deadline.
#pragma once

#include "applicant.h"

namespace ringfence::proxy {

class ClientStartup {
 public:
  // Whether a client that sent no packet that is wanted is told so.
  enum class Answer : uint8_t {
    is_due,
    is_not_due,       // It sent what cannot be a startup packet.
    cannot_be_heard,  // Its TLS has failed, and an alert has said what there is to say.
  };

  ClientStartup(Applicant& applicant, net::Gather& in) : applicant_(applicant), in_(in) {}

  // GSSENCRequest is declined on the way, SSLRequest too where the listener has no TLS.
  ring::Task<Result<pg::FirstPacket>> read();
  // When that has failed.
  Answer answer() const { return answer_; }

 private:
  // How TLS begins (client_tls.cc).
  ring::Task<Result<void>> answer_ssl_request();
  ring::Task<Result<void>> start_direct_tls();
  ring::Task<Result<void>> start_tls(std::string first);
  void note_failed_tls(const Error& error);

  Applicant& applicant_;
  net::Gather& in_;
  Answer answer_ = Answer::is_due;
};

// Whether the client's transport is what its listener asks for.
bool has_enough_tls(const Applicant& applicant);

}  // namespace ringfence::proxy

// Who the client is: by certificate, where that is enough; else SCRAM-SHA-256, bound to the channel where the
// client can (PLUS). The password is the user's or, where nobody can listen, one of his API keys. A user who
// does not exist goes through all of it with a verifier that fits no password.
#pragma once

#include <optional>
#include <string>

#include "applicant.h"
#include "ringfence/pg/scram.h"

namespace ringfence::proxy {

class ClientProof {
 public:
  ClientProof(Applicant& applicant, net::Gather& in);

  // What goes to the client before AuthenticationOk. Nothing: it is over, and the client was told if it is
  // still there. The time is the caller's deadline.
  ring::Task<std::optional<std::string>> run();

 private:
  // Why the certificate does not name the user, for staff; empty: it does.
  std::string check_certificate() const;
  ring::Task<std::optional<std::string>> by_password();
  // Sends the client a step and reads its answer. Nothing: as above.
  ring::Task<std::optional<std::string>> ask(std::string message);
  // What follows from the client's first message, and from its last.
  Result<std::string> challenge(ByteView answer);
  Result<std::string> verify(ByteView answer);
  std::string why_wrong() const;
  std::string take_key(size_t secret);
  ring::Task<void> refuse(const Error& error);

  Applicant& applicant_;
  net::Gather& in_;
  const User* user_;  // Null: there is none of that name.
  std::string nonce_;
  pg::ScramServerBinding binding_;
  std::optional<pg::ScramServer> scram_;
};

}  // namespace ringfence::proxy

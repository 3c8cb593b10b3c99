// Where an appliance's API is, and how a request proves who asks.
#pragma once

#include <cstdint>
#include <string>

#include "outcome.h"
#include "ringfence/model/secret.h"

namespace ringfence::client {

struct Endpoint {
  std::string url;      // As checked_url gives it.
  std::string ca_file;  // PEM certificates to trust in place of the machine's; empty: the machine's.
  bool allows_plain_http = false;
  int64_t timeout_s = 30;  // Of one request; 0: none.
  // For messages: who is asked, and the option that names the certificates.
  const char* peer = "the appliance";
  const char* ca_option = "--cacert";
};

// A key, or a user with a password; or nothing.
struct Credential {
  model::Secret key;
  std::string user;
  model::Secret password;
};

// "https://ringfence.example:8432" without a "/" at its end. It has no user, password, query or fragment.
// Plain http goes to this machine alone, unless `allows_plain_http`: whoever is on the way reads the key.
Outcome<std::string> checked_url(const std::string& text, bool allows_plain_http);

}  // namespace ringfence::client

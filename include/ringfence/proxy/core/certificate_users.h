// What a client's certificate says about who the client is, by a listener's rules.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ringfence/model/listener.h"
#include "ringfence/net/tls_engine.h"

namespace ringfence::proxy {

// The certificate's names of the kind that the listener looks at.
std::vector<std::string> names_of(const net::TlsPeerNames& certificate, model::CertificateName kind);
// The users that the certificate names, each once. A name that is mapped to users is no longer a user's own.
std::vector<std::string> users_of(const net::TlsPeerNames& certificate, const model::Listener& listener);

}  // namespace ringfence::proxy

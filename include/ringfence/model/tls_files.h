// The files of one use of TLS, by their full paths.
#pragma once

#include <string>

namespace ringfence::model {

struct TlsFiles {
  std::string certificate;  // Empty: for a server the development certificate, for a client none.
  std::string key;
  std::string ca;  // Whom the other side's certificate is checked against; for a target also "system".
  std::string crl;
  bool operator==(const TlsFiles&) const = default;
};

}  // namespace ringfence::model

// The settings by which the server reads a session's texts, fixed for its whole life.
//
// A key of the startup packet is what RESET and DISCARD return to, and a reload of the server's
// configuration, ALTER SYSTEM, ALTER ROLE and ALTER DATABASE do not move it ("Setting Parameters", 20.1;
// guc.c: PGC_S_CLIENT ranks above them). Without it a reload changes how the server reads the next text, and
// the server tells it only behind that text.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ringfence/base/result.h"
#include "ringfence/pg/startup.h"

namespace ringfence::proxy {

// Adds standard_conforming_strings=on. Fault::denied where the client asks for something else.
Result<void> pin_strings(std::vector<pg::StartupParameter>& parameters);
// Whether the packet says which encoding the client has.
bool names_encoding(const std::vector<pg::StartupParameter>& parameters);

// Which client_encoding a server gives to a login that asks for none. Of a shard; what a reload of the
// appliance's configuration forgets.
class DefaultEncodings {
 public:
  static std::string login(std::string_view target, std::string_view database, std::string_view user);
  // Empty: no login has told it since then.
  std::string_view of(std::string_view login, uint64_t generation);
  void note(std::string_view login, uint64_t generation, std::string_view encoding);

 private:
  void forget_before(uint64_t generation);

  uint64_t generation_ = 0;
  std::unordered_map<std::string, std::string> encodings_;
};

}  // namespace ringfence::proxy

// The name that the connection of a session's server has for as long as the session has it.
#pragma once

#include <string_view>

#include "own_answer.h"

namespace ringfence::proxy {

class Relay;

class SessionName {
 public:
  explicit SessionName(Relay& relay) : relay_(relay) {}

  // A connection of a pool gets the name, before the session's first message. Once, at its beginning.
  void give(std::string_view name) { start(name, OwnAnswer::Kind::to_naming); }
  // RESET ALL and DISCARD ALL give such a connection the name that is nobody's; the session gets its own back
  // like the first time, and the client is shown its own all the time. Only when nothing is under way: in a
  // transaction that is rolled back the name would go again, and behind messages of the client's it would be
  // answered among theirs.
  void give_back();

 private:
  void start(std::string_view name, OwnAnswer::Kind kind);
  void fail(std::string_view reason);

  Relay& relay_;
};

}  // namespace ringfence::proxy

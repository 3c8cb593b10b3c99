// What a challenge shows of a user's verifier: how many iterations, and how long the salt is. Where the
// users' differ, one who does not exist has to look like one of them, or the number tells who exists.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>

#include "ringfence/pg/scram.h"

namespace ringfence::pg {

class ScramShapes {
 public:
  // So many are kept apart, for each costs an HMAC at every login; who comes with another one then is not
  // counted.
  static constexpr size_t shapes_max = 64;

  // One user more who has a verifier like this.
  void add(const ScramVerifier& verifier);
  // Of a user who does not exist: for one name always the same as long as the users' are, and among many
  // names in the proportion of the users'. With other users it changes for few names.
  ScramShape shape_of(ByteView server_secret, std::string_view user) const;

 private:
  std::map<ScramShape, uint32_t> users_;  // How many have it.
};

}  // namespace ringfence::pg

#include "ringfence/pg/scram_shapes.h"

#include <cmath>
#include <string>

namespace ringfence::pg {

void ScramShapes::add(const ScramVerifier& verifier) {
  const ScramShape shape{verifier.iterations, static_cast<uint32_t>(verifier.salt.size())};
  if (users_.size() < shapes_max || users_.contains(shape)) ++users_[shape];
}

// Each shape draws a number by the name, and the smallest for its weight wins (weighted rendezvous hashing):
// -ln(u) / w of equally distributed u is exponential with rate w, so shape i wins with probability w_i /
// sum(w).
ScramShape ScramShapes::shape_of(ByteView server_secret, std::string_view user) const {
  ScramShape chosen;
  double least = HUGE_VAL;
  for (const auto& [shape, count] : users_) {
    crypto::HmacSha256 hmac(server_secret);
    hmac.update("ringfence mock verifier shape ");
    hmac.update(std::to_string(shape.iterations) + ":" + std::to_string(shape.salt_size) + " ");
    hmac.update(user);
    const crypto::Digest digest = hmac.finish();
    const auto drawn = ringfence::detail::load_be<uint64_t>(crypto::view_of(digest).data());
    const double u = (static_cast<double>(drawn >> 11) + 0.5) / 9007199254740992.0;  // 2^53: within (0, 1).
    const double score = -std::log(u) / count;
    if (score < least) {
      least = score;
      chosen = shape;
    }
  }
  return chosen;
}

}  // namespace ringfence::pg

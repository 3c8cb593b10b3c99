#include "server_place.h"

namespace ringfence::proxy {

std::shared_ptr<const ServerPlace> ServerPlaces::shared(ServerPlace place) {
  std::erase_if(known_, [](const auto& one) { return one.expired(); });
  for (const auto& one : known_) {
    if (auto known = one.lock(); known && *known == place) return known;
  }
  auto made = std::make_shared<const ServerPlace>(std::move(place));
  known_.push_back(made);
  return made;
}

}  // namespace ringfence::proxy

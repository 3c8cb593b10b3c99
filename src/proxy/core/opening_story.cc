#include "ringfence/proxy/core/opening_story.h"

#include <algorithm>
#include <utility>

namespace ringfence::proxy {

std::string_view name_of(OpeningStage stage) {
  switch (stage) {
    case OpeningStage::resolve: return "resolve";
    case OpeningStage::connect: return "connect";
    case OpeningStage::tls: return "tls";
    case OpeningStage::authenticate: return "authenticate";
    case OpeningStage::startup: return "startup";
    case OpeningStage::query: break;
  }
  return "query";
}

// An address may be dialled twice, with TLS and without: what it did last counts.
void OpeningStory::note(Place place) {
  if (!place.address.empty()) stage = std::max(stage, OpeningStage::connect);
  const auto known = std::find_if(places.begin(), places.end(), [&](const Place& one) {
    return one.host == place.host && one.address == place.address;
  });
  if (known != places.end()) *known = std::move(place);
  else if (places.size() < places_max) places.push_back(std::move(place));
}

}  // namespace ringfence::proxy

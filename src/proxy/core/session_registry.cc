#include "ringfence/proxy/core/session_registry.h"

#include <utility>

namespace ringfence::proxy {

Session& SessionRegistry::add(std::unique_ptr<Session> session) {
  Session* at = session.get();
  sessions_.emplace(at, std::move(session));
  return *at;
}

std::vector<model::SessionInfo> SessionRegistry::list() const {
  std::vector<model::SessionInfo> out;
  for (const auto& [session, owned] : sessions_) {
    if (session->is_logged_in()) out.push_back(session->info());
  }
  return out;
}

Session* SessionRegistry::find(const Uuid& id) const {
  for (const auto& [session, owned] : sessions_) {
    if (session->is_logged_in() && session->id() == id) return session;
  }
  return nullptr;
}

}  // namespace ringfence::proxy

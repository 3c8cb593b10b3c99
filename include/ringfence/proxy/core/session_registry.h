// The connections of one shard, in whatever phase and of whatever protocol. Of the shard's thread.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "ringfence/proxy/core/session.h"

namespace ringfence::proxy {

class SessionRegistry {
 public:
  Session& add(std::unique_ptr<Session> session);
  // Destroys it.
  void remove(Session& session) { sessions_.erase(&session); }
  bool is_empty() const { return sessions_.empty(); }
  size_t size() const { return sessions_.size(); }

  // The sessions that are logged in.
  std::vector<model::SessionInfo> list() const;
  // Null: none that is logged in has this id.
  Session* find(const Uuid& id) const;

  // Calls `visit` with each session, in no order. `visit` may end sessions, which takes them out at once; who
  // is out is not visited.
  template <typename Visit>
  void for_each(Visit visit) {
    std::vector<Session*> all;
    all.reserve(sessions_.size());
    for (const auto& [session, owned] : sessions_) all.push_back(session);
    for (Session* session : all) {
      if (sessions_.contains(session)) visit(*session);
    }
  }

 private:
  std::unordered_map<Session*, std::unique_ptr<Session>> sessions_;
};

}  // namespace ringfence::proxy

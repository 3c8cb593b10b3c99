#include "watchdog.h"

namespace ringfence::app {

void Watchdog::add(std::string name, std::function<bool(ring::Job)> post) {
  Watched& watched = watched_.emplace_back();
  watched.name = std::move(name);
  watched.post = std::move(post);
  watched.has_answered = std::make_shared<std::atomic<bool>>(false);
}

void Watchdog::add_turning(std::string name, std::function<std::optional<uint64_t>()> turns) {
  Watched& watched = watched_.emplace_back();
  watched.name = std::move(name);
  watched.turns = std::move(turns);
}

bool Watchdog::answers(Watched& watched) {
  if (watched.turns) {
    auto turns = watched.turns();
    bool does = !turns || turns != watched.turns_seen;
    watched.turns_seen = turns;
    return does;
  }
  bool has_answered = watched.has_answered->exchange(false);
  if (has_answered) watched.is_asked = false;
  if (!watched.is_asked) {
    watched.is_asked = watched.post([answer = watched.has_answered] { answer->store(true); });
  }
  return has_answered;
}

std::vector<std::string> Watchdog::silent(uint64_t now_ns) {
  std::vector<std::string> out;
  for (Watched& watched : watched_) {
    if (answers(watched) || watched.since_ns == 0) watched.since_ns = now_ns;
    else if (now_ns - watched.since_ns > bound_ns_) out.push_back(watched.name);
  }
  return out;
}

}  // namespace ringfence::app

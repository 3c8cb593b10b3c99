// How many sessions of the console a shard has, and whose they are. Of the shard's thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "console_bounds.h"

namespace ringfence::proxy {

class ConsoleSeats {
 public:
  bool has_room() const { return taken_ < consoles_max; }
  bool has_room_for(const std::string& user) const {
    const auto found = by_user_.find(user);
    return found == by_user_.end() || found->second < consoles_per_user_max;
  }
  void take(const std::string& user) {
    ++taken_;
    ++by_user_[user];
  }
  void give_back(const std::string& user) {
    --taken_;
    const auto found = by_user_.find(user);
    if (--found->second == 0) by_user_.erase(found);
  }

 private:
  uint32_t taken_ = 0;
  std::map<std::string, uint32_t> by_user_;
};

// One of them, from the login to the end of the session.
class ConsoleSeat {
 public:
  // The seats outlive it.
  ConsoleSeat(ConsoleSeats& seats, std::string user) : seats_(seats), user_(std::move(user)) {
    seats_.take(user_);
  }
  ~ConsoleSeat() { seats_.give_back(user_); }
  ConsoleSeat(const ConsoleSeat&) = delete;
  ConsoleSeat& operator=(const ConsoleSeat&) = delete;

 private:
  ConsoleSeats& seats_;
  std::string user_;
};

}  // namespace ringfence::proxy

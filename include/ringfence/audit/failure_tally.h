// Failures that anybody can repeat as fast as he likes, as failed logins are: the first one is an event of
// its own at once; those like it are counted, and at the end of each window told as one event.
//
// Alike are failures of one action for one reason, by one user from one address. Who invents users or
// addresses is counted together with others: beyond users_max of one address by the address, beyond
// entries_max altogether by the action. So neither the memory nor the events of a window grow with what
// strangers send. What is counted and not told yet is in memory only: killing the process loses the count of
// at most one window, never the first event.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "ringfence/audit/event.h"

namespace ringfence::audit {

class FailureTally {
 public:
  // Of one action: addresses and users that are counted by themselves.
  static constexpr size_t entries_max = 1'024;
  // Of one address: somebody's own mistakes, and those of a few people behind one address.
  static constexpr size_t users_max = 16;

  struct Failure {
    Category category = Category::authentication;
    std::string_view action;
    std::string_view address;  // As a stream has it, with its port.
    std::string_view user;     // Empty: none was given.
    std::string_view reason;
    std::string_view sqlstate;
  };
  // What was counted in a window.
  struct Count {
    Category category = Category::authentication;
    std::string_view action;
    std::string_view address;  // Without a port. Empty: several.
    std::string_view user;     // Empty: none, or several.
    std::string_view reason;   // Empty: several.
    std::string_view sqlstate;
    uint64_t count = 0;
    uint64_t first_us = 0;
    uint64_t last_us = 0;
    std::string_view of;  // What the counted ones have in common: "user", "address" or "action".
  };

  explicit FailureTally(uint64_t window_us) : window_us_(window_us) {}

  // True: it is to be told as an event of its own. False: it is counted.
  bool is_first(const Failure& failure, uint64_t now_us);

  // Told of each count whose window has ended; false when it could not be published, and is kept.
  using Tell = std::function<bool(const Count&)>;
  // Windows that have ended by now; those in which nothing was counted are forgotten.
  void tell_due(uint64_t now_us, const Tell& tell);
  // All, whenever their windows end.
  void tell_all(const Tell& tell);

  bool is_empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  uint64_t window_us() const { return window_us_; }

 private:
  enum class Of : uint8_t { user, address, action };
  // By `of`: action, address, user, reason, sqlstate; what several have is empty.
  using Key = std::tuple<Of, std::string, std::string, std::string, std::string, std::string>;
  struct Entry {
    Category category = Category::authentication;
    uint64_t since_us = 0;  // When its window began.
    uint64_t count = 0;
    uint64_t first_us = 0;
    uint64_t last_us = 0;
  };
  void add(Key key, Category category, uint64_t now_us);
  bool count(const Key& key, uint64_t now_us);
  static Count describe(const Key& key, const Entry& entry);
  void forget(std::map<Key, Entry>::iterator at);

  uint64_t window_us_;
  std::map<Key, Entry> entries_;
  std::map<std::pair<std::string, std::string>, size_t>
      users_;  // Entries of an action and an address, of a user each.
};

// Without the port, which is another one with each connection.
std::string_view address_of_peer(std::string_view peer);

// The event of what was counted; `id` and the time are the caller's.
EventBuilder event_of(const FailureTally::Count& count);

}  // namespace ringfence::audit

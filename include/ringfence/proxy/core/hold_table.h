// The parked sessions of one shard, by number: where a word that comes by the mailbox finds its session, or
// that it is gone. Of the statements that wait to be analysed it gives one of each user at a time to the
// threads that do that, so that nobody's many stand in front of another's. Only its shard's thread touches
// it; other threads keep it alive, no more.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "ringfence/base/result.h"
#include "ringfence/proxy/core/hold.h"
#include "ringfence/ring/task.h"
#include "ringfence/ring/timers.h"
#include "ringfence/sql/facts.h"

namespace ringfence::proxy {

class HoldTable;

// One parked session, for as long as it is parked.
class Hold {
 public:
  // `due_ns`: when it expires. `is_for_analysis`: no person is asked, it waits for a thread of ours.
  Hold(HoldTable& table, ring::Timers& timers, uint64_t due_ns, bool is_for_analysis);
  ~Hold();
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  uint64_t number() const { return number_; }
  bool is_for_analysis() const { return is_for_analysis_; }
  // True: this was the first word. Its session goes on from here, before this returns; it may be gone
  // afterwards.
  bool end(HoldEnd how, std::string reason = {});
  // It expires then, if not before.
  void expire_by(uint64_t due_ns) {
    if (due_ns < due_ns_) deadline_.arm(due_ns_ = due_ns);
  }
  std::optional<HoldEnd> ended_by() const { return end_; }
  const std::string& reason() const { return reason_; }

  // `co_await` until the first word.
  ring::Event over;
  // Where the session waits for its statement's analysis: set before it is released.
  std::optional<Result<sql::Facts>> facts;
  HeldStatement statement;

 private:
  friend class HoldTable;
  HoldTable& table_;
  uint64_t number_;
  uint64_t due_ns_;
  bool is_for_analysis_;
  ring::CallbackTimer deadline_;
  std::optional<HoldEnd> end_;
  std::string reason_;
  // While it waits for its turn: whose it is, and what begins then.
  std::string turn_of_;
  std::function<bool()> begin_;
};

class HoldTable {
 public:
  // Null: it is over, or never was.
  Hold* find(uint64_t number) const {
    auto found = holds_.find(number);
    return found == holds_.end() ? nullptr : found->second;
  }
  const std::unordered_map<uint64_t, Hold*>& all() const { return holds_; }

  // Calls `begin` when it is this hold's turn among the user's, perhaps at once; not when it is over before.
  // True from `begin`: end_turn() will follow. False: it could not begin, and the next one has his turn.
  void take_turn(Hold& hold, std::string_view user, std::function<bool()> begin);
  void end_turn(const std::string& user);

 private:
  friend class Hold;
  // By user, while one of his has its turn: those that wait for theirs, a hold each.
  std::map<std::string, std::deque<uint64_t>, std::less<>> turns_;
  std::unordered_map<uint64_t, Hold*> holds_;
  uint64_t last_ = 0;
};

}  // namespace ringfence::proxy

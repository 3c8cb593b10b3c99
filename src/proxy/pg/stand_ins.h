// The messages that stand in for refused ones, and the server's answers to them.
//
// A refused message is replaced by one that the server is certain to reject before it runs anything, so that
// the state of the session and of its transaction stays the server's. What always holds: an answer is
// rewritten only when it names a marker of ours, which nobody else can know.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "refusal.h"
#include "ringfence/pg/build.h"

namespace ringfence::proxy {

class StandIns {
 public:
  static constexpr size_t nonce_bytes_max = 23;
  // `nonce`: printable, unguessable, at most `nonce_bytes_max` bytes.
  explicit StandIns(std::string_view nonce);

  // The message to send instead. `position` is where the message's text begins to be wrong, in characters
  // from 1; 0: none.
  enum class Instead : uint8_t { query, parse_unnamed, parse_named, function_call };
  std::string replace(Instead instead, const Refusal& refusal, uint32_t position);
  // How many there were; the number of the last one.
  uint64_t count() const { return count_; }

  // The refusals whose answers have not come.
  bool is_waiting() const { return answers_ && !answers_->pending.empty(); }
  // The refusal that an error of the server stands for, if it does. Until the next call. `number`: of the
  // refusal whose stand-in is being answered, 0 for none; what is answered is settled, whatever the error.
  const pg::ErrorFields* refusal_behind(const pg::ErrorFields& error, uint64_t number);
  // Who has nothing refused any more keeps nothing for it.
  void forget_answered() {
    if (answers_ && answers_->pending.empty()) answers_.reset();
  }

  // Of a statement and a portal of the appliance's own, at the server.
  std::string own_name() const { return std::string("rf_") + nonce_ + "_own"; }

 private:
  struct Pending {
    uint64_t number;
    bool is_call;
    uint32_t position;
    Refusal refusal;
  };
  struct Answers {
    std::deque<Pending> pending;
    Refusal answered;
    pg::ErrorFields fields;
  };
  std::string marker(uint64_t number) const;

  std::unique_ptr<Answers> answers_;
  uint64_t count_ = 0;
  char nonce_[nonce_bytes_max + 1] = {};
};

}  // namespace ringfence::proxy

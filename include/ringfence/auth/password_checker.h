// Checks passwords against stored Argon2id hashes, away from the shards.
//
// A check costs a worker's thread some 100 ms and its memory (crypto/argon2.h), so the number of the workers'
// threads bounds both: two with the default cost take 128 MiB. The workers' backlog bounds how many wait;
// more get `busy` at once, and no caller's thread ever waits. Who sets passwords does it on the same workers
// (stored_password.h), within the same bounds.
//
// What a client can measure does not tell whether a user exists: an unknown one costs a check against a hash
// that nobody knows the password of. Passwords that were right are remembered for a minute, so that a client
// that sends Basic with each request does not cost 64 MiB each time. That shows in the time of right answers
// only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "ringfence/base/result.h"
#include "ringfence/base/uuid.h"
#include "ringfence/crypto/argon2.h"
#include "ringfence/model/secret.h"
#include "ringfence/ring/shard.h"
#include "ringfence/ring/workers.h"

namespace ringfence::auth {

enum class PasswordVerdict : uint8_t {
  right,
  wrong,   // Also: there is no such user, or he has no password.
  busy,    // Too many wait, or the appliance stops. Nothing is known; to be tried again.
  failed,  // What is stored is no hash, or the machine has no memory. Nothing is known.
};

struct PasswordAnswer {
  PasswordVerdict verdict = PasswordVerdict::failed;
  // Right, and stored with another cost than new ones are: to be made anew, for the password is at hand.
  bool needs_rehash = false;
};

struct PasswordAttempt {
  Uuid user_id;          // Nil for a user who does not exist.
  model::Secret stored;  // $argon2id$…; empty: there is no such user, or he has no password.
  model::Secret password;
};

// Since the start, of a moment ago.
struct PasswordCounts {
  uint64_t hashed = 0;      // Full checks, those of unknown users among them.
  uint64_t remembered = 0;  // Right without one.
  uint64_t busy = 0;
};

struct PasswordCheckerOptions {
  crypto::Argon2Cost cost;         // What new hashes have; the one for unknown users has it too.
  uint64_t remember_ms = 60'000;   // From the full check on.
  size_t remembered_max = 10'000;  // About 1 MB. 0: nothing is remembered.
};

class PasswordChecker {
 public:
  // The workers outlive the checker. Fails where the machine has no randomness to give.
  static Result<std::unique_ptr<PasswordChecker>> make(ring::Workers& workers,
                                                       PasswordCheckerOptions options = {});
  // Checks that have not begun end as `busy`.
  ~PasswordChecker();
  PasswordChecker(const PasswordChecker&) = delete;
  PasswordChecker& operator=(const PasswordChecker&) = delete;

  // On the thread of `shard`, which outlives the workers. `done` is called once, on that thread: before this
  // returns, or later by the shard's mailbox. By then the user may have changed; whoever lets him in looks
  // him up again.
  void check(PasswordAttempt attempt, ring::Shard& shard, std::function<void(PasswordAnswer)> done);

  // From any thread.
  PasswordCounts counts() const;

 private:
  struct Shared;
  PasswordChecker(ring::Workers& workers, std::shared_ptr<Shared> shared);

  ring::Workers& workers_;
  std::shared_ptr<Shared> shared_;  // Checks that run keep it.
};

}  // namespace ringfence::auth

// Keys derived from backend passwords (SCRAM's PBKDF2, RFC 5802): some milliseconds of a worker that are
// spent once for each salt. Of the shard's thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ringfence/pg/scram.h"
#include "ringfence/proxy/core/counters.h"
#include "ringfence/proxy/core/opening.h"
#include "ringfence/proxy/core/snapshot.h"
#include "ringfence/ring/workers.h"

namespace ringfence::proxy {

class BackendKeys {
 public:
  BackendKeys(ring::Shard& shard, ring::Workers& workers, ShardCounters& counters)
      : shard_(shard), workers_(workers), counters_(counters) {}
  BackendKeys(const BackendKeys&) = delete;
  BackendKeys& operator=(const BackendKeys&) = delete;

  // Logins that want the same keys at the same time wait for one derivation.
  ring::Task<Result<pg::ScramKeys>> find(const Target& target, const Credential& credential,
                                         const pg::ScramClient::Challenge& challenge, Opening& opening);

  // By the digest of password, salt and count; never the password.
  const std::map<std::string, pg::ScramKeys>& known() const { return known_; }
  bool is_deriving() const { return !running_.empty(); }

 private:
  ring::Task<void> derive(std::string key, std::string password, pg::ScramClient::Challenge challenge);

  ring::Shard& shard_;
  ring::Workers& workers_;
  ShardCounters& counters_;
  std::map<std::string, pg::ScramKeys> known_;
  std::map<std::string, std::vector<std::shared_ptr<ring::Event>>> running_;  // Each with who waits for it.
};

}  // namespace ringfence::proxy

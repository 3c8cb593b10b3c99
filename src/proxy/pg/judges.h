// A shard's judges: one for all sessions of a user on a target, which goes with the last of them. Of the
// shard's thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "statement_judge.h"

namespace ringfence::proxy {

class Judges {
 public:
  explicit Judges(const HashKey& hash_key) : space_(hash_key) {}
  Judges(const Judges&) = delete;
  Judges& operator=(const Judges&) = delete;

  // One that decides by this access.
  std::shared_ptr<StatementJudge> find(std::string_view user, std::string_view target,
                                       const policy::Access& access, policy::SessionFacts session);

 private:
  JudgeSpace space_;
  std::unordered_map<std::string, std::weak_ptr<StatementJudge>> known_;
};

}  // namespace ringfence::proxy

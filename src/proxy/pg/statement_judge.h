// Decides the statements of one user on one target, and remembers: what was analysed once is not analysed
// again.
//
// Facts and the decision on them are kept by the statement's shape where the shape decides them, else by its
// exact bytes; the whitelist looks at each text anew, or at as much of its beginning as is known to be
// enough. Owned by one shard and shared by that user's sessions there, so that one user cannot evict what
// others need. What always holds: a hit takes no lock and allocates nothing.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ringfence/base/keyed_hash.h"
#include "ringfence/policy/decide.h"
#include "ringfence/sql/facts.h"

namespace ringfence::proxy {

// One thread's working memory, for all its judges.
struct JudgeSpace {
  explicit JudgeSpace(const HashKey& key_of_hashes) : hash_key(key_of_hashes) {}
  policy::Scratch scratch;
  std::vector<policy::Match> matches;
  std::string key;
  HashKey hash_key;  // So that nobody can choose texts that all meet in one place.
};

// What PREPARE or DECLARE defines, out of its own text.
std::string_view statement_inside(std::string_view statement, const sql::Facts& facts);

class StatementJudge {
 public:
  // Bounds of what is kept; the oldest goes first.
  static constexpr size_t entries_max = 2'048;
  static constexpr size_t kept_bytes_max = size_t{4} << 20;
  static constexpr size_t cached_text_bytes_max = 8'192;
  static constexpr size_t listed_prefix_bytes_max = 256;

  StatementJudge(policy::Access access, policy::SessionFacts session, JudgeSpace& space);

  // `statement` is the statement's own text: no blanks, comments or `;` around it. Null when its analysis is
  // too much for a shard: then another thread has to analyse it, and judge_analysed() decides. The decision
  // holds until the next call.
  const policy::Decision* judge(std::string_view statement) { return last_ = judge_anew(statement); }
  // What that said last, until the next.
  const policy::Decision* last() const { return last_; }
  // The facts behind the last judge(), until the next; null where there are none.
  const sql::Facts* facts() const { return facts_; }
  // What let it pass, when it did.
  std::string_view allowed_by() const { return allowed_by_; }
  // What analyze() said on that thread.
  const policy::Decision& judge_analysed(std::string_view statement, Result<sql::Facts> facts) {
    return *(last_ = &decide_analysed(statement, std::move(facts)));
  }

  policy::Decision judge_call(uint32_t function_oid) const {
    return policy::decide_function_call(access_, function_oid, session_);
  }

  const policy::Access& access() const { return access_; }
  // Whether it would decide each statement as the policies of this access say.
  bool decides_by(const policy::Access& access) const {
    return access.set == access_.set && access.policies == access_.policies &&
           access.grant == access_.grant && access.suspended_because == access_.suspended_because &&
           access.closed_because == access_.closed_because;
  }
  const policy::SessionFacts& session() const { return session_; }
  JudgeSpace& space() const { return space_; }
  uint64_t hits() const { return hits_; }
  uint64_t misses() const { return misses_; }
  size_t entries() const { return order_.size(); }
  size_t kept_bytes() const { return kept_bytes_; }

 private:
  struct Entry {
    std::string key;
    uint64_t hash = 0;
    size_t kept_bytes = 0;  // About what it takes.
    // The shape does not decide: look for the exact text.
    bool is_by_text = false;
    std::shared_ptr<const sql::Facts> facts;
    policy::Decision decision;
    // The whitelist has what begins so, by that pattern; empty: not known of any beginning.
    std::string listed_prefix;
    std::string_view listed_by;
  };
  using Order = std::list<Entry>;

  uint64_t hash_of(std::string_view key) const { return keyed_hash(space_.hash_key, key); }
  Entry* find(std::string_view key, uint64_t hash);
  Entry* remember(std::string_view key, uint64_t hash);
  void make_room(size_t entries, size_t bytes);
  Entry* lookup(std::string_view statement);
  const policy::Decision* judge_anew(std::string_view statement);
  const policy::Decision& decide_analysed(std::string_view statement, Result<sql::Facts> facts);
  const policy::Decision& decide(std::string_view statement, std::shared_ptr<const sql::Facts> facts);
  const policy::Decision& decide_once(policy::Decision decision, std::shared_ptr<const sql::Facts> facts,
                                      std::string_view statement);
  const policy::Decision& with_text(const policy::Decision& by_facts, Entry* entry,
                                    std::string_view statement);

  policy::Access access_;
  policy::SessionFacts session_;
  JudgeSpace& space_;
  Order order_;  // Most recently used first.
  std::unordered_multimap<uint64_t, Order::iterator> index_;
  size_t kept_bytes_ = 0;
  policy::Decision decision_;  // Of the last judge(), where it is not an entry's.
  const policy::Decision* last_ = nullptr;
  const sql::Facts* facts_ = nullptr;
  std::string_view allowed_by_;
  std::shared_ptr<const sql::Facts> uncached_facts_;  // Keeps facts_ where no entry does.
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
};

}  // namespace ringfence::proxy

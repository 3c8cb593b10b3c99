#include "statement_judge.h"

#include "ringfence/base/utf8.h"
#include "ringfence/proxy/core/bounds.h"
#include "ringfence/sql/analyze.h"
#include "ringfence/sql/lex.h"
#include "ringfence/sql/shape.h"

namespace ringfence::proxy {

using policy::Decision;

namespace {

constexpr char shape_key = 'S', text_key = 'T';

// About what they take.
size_t bytes_of(const sql::Facts& facts) {
  size_t bytes = sizeof facts;
  bytes += facts.effects.size() * sizeof(sql::Effect) +
           (facts.relations.size() + facts.reached.size()) * sizeof(sql::RelationUse);
  bytes += facts.columns.size() * sizeof(sql::ColumnUse) + facts.attributes.size() * sizeof(sql::Attribute);
  bytes += (facts.functions.size() + facts.operators.size()) * sizeof(sql::Name);
  for (const sql::Setting& setting : facts.settings)
    bytes += sizeof setting + setting.values.size() * sizeof(std::string);
  return bytes;
}

}  // namespace

std::string_view statement_inside(std::string_view statement, const sql::Facts& facts) {
  return statement.substr(std::min(sql::token_begin(statement, facts.inner), statement.size()));
}

StatementJudge::StatementJudge(policy::Access access, policy::SessionFacts session, JudgeSpace& space)
    : access_(std::move(access)), session_(session), space_(space) {}

StatementJudge::Entry* StatementJudge::find(std::string_view key, uint64_t hash) {
  auto [at, end] = index_.equal_range(hash);
  for (; at != end; ++at) {
    if (at->second->key != key) continue;
    if (at->second != order_.begin()) order_.splice(order_.begin(), order_, at->second);
    return &*at->second;
  }
  return nullptr;
}

// For so many more; the oldest go.
void StatementJudge::make_room(size_t entries, size_t bytes) {
  while (!order_.empty() && (order_.size() + entries > entries_max || kept_bytes_ + bytes > kept_bytes_max)) {
    auto [at, end] = index_.equal_range(order_.back().hash);
    while (at != end && &*at->second != &order_.back()) ++at;
    index_.erase(at);
    kept_bytes_ -= order_.back().kept_bytes;
    order_.pop_back();
  }
}

StatementJudge::Entry* StatementJudge::remember(std::string_view key, uint64_t hash) {
  make_room(1, key.size());
  order_.emplace_front();
  order_.front().key = key;
  order_.front().hash = hash;
  order_.front().kept_bytes = key.size();
  kept_bytes_ += key.size();
  index_.emplace(hash, order_.begin());
  return &order_.front();
}

// The entry that decides the statement, or nullptr; then space_.key is what it is to be remembered by first.
StatementJudge::Entry* StatementJudge::lookup(std::string_view statement) {
  if (!sql::make_shape(statement, space_.key)) {
    space_.key.clear();
    return nullptr;
  }
  space_.key.push_back(shape_key);
  Entry* entry = find(space_.key, hash_of(space_.key));
  if (entry == nullptr || !entry->is_by_text) return entry;
  space_.key.assign(statement);
  space_.key.push_back(text_key);
  return find(space_.key, hash_of(space_.key));
}

const Decision* StatementJudge::judge_anew(std::string_view statement) {
  facts_ = nullptr;
  allowed_by_ = {};
  if (access_.admits_all()) {
    decision_ = Decision();
    return &decision_;
  }
  if (!is_valid_text(statement)) {
    decision_ = policy::decide_unknown(access_, "it is not valid UTF-8");
    return &decision_;
  }
  if (Entry* entry = lookup(statement)) {
    ++hits_;
    facts_ = entry->facts.get();
    return &with_text(entry->decision, entry, statement);
  }
  ++misses_;
  if (sql::effort(statement) == sql::Effort::large) return nullptr;
  return &decide_analysed(statement, sql::analyze(statement));
}

const Decision& StatementJudge::decide_analysed(std::string_view statement, Result<sql::Facts> facts) {
  facts_ = nullptr;
  if (!facts) {
    decision_ = facts.error().fault == Fault::malformed
                    ? policy::decide_unparsed(access_, facts.error().message, session_)
                    : policy::decide_unknown(access_, facts.error().message);
    return decision_;
  }
  return decide(statement, std::make_shared<const sql::Facts>(std::move(*facts)));
}

const Decision& StatementJudge::decide(std::string_view statement, std::shared_ptr<const sql::Facts> facts) {
  facts_ = facts.get();
  Decision decision = policy::decide_facts(access_, *facts, session_);
  const size_t facts_bytes = bytes_of(*facts);
  if (facts_bytes > remembered_facts_bytes_max)
    return decide_once(std::move(decision), std::move(facts), statement);
  make_room(0, facts_bytes);
  const bool is_by_shape = facts->is_shape_cacheable && sql::make_shape(statement, space_.key);
  Entry* entry = nullptr;
  if (is_by_shape) {
    space_.key.push_back(shape_key);
    entry = remember(space_.key, hash_of(space_.key));
  } else if (sql::make_shape(statement, space_.key)) {
    space_.key.push_back(shape_key);
    const uint64_t hash = hash_of(space_.key);
    if (find(space_.key, hash) == nullptr) remember(space_.key, hash)->is_by_text = true;
    if (statement.size() <= cached_text_bytes_max) {
      space_.key.assign(statement);
      space_.key.push_back(text_key);
      entry = remember(space_.key, hash_of(space_.key));
    }
  }
  if (entry == nullptr) return decide_once(std::move(decision), std::move(facts), statement);
  entry->kept_bytes += facts_bytes;
  kept_bytes_ += facts_bytes;
  entry->facts = std::move(facts);
  entry->decision = std::move(decision);
  return with_text(entry->decision, entry, statement);
}

// Nothing is remembered.
const Decision& StatementJudge::decide_once(Decision decision, std::shared_ptr<const sql::Facts> facts,
                                            std::string_view statement) {
  decision_ = std::move(decision);
  uncached_facts_ = std::move(facts);
  return decision_.is_allowed ? with_text(decision_, nullptr, statement) : decision_;
}

// `entry`: where the decision by the facts is kept, if anywhere.
const Decision& StatementJudge::with_text(const Decision& by_facts, Entry* entry,
                                          std::string_view statement) {
  allowed_by_ = by_facts.allowed_by;
  if (!by_facts.is_allowed || !access_.has_whitelist) return by_facts;
  if (entry != nullptr && !entry->listed_prefix.empty() && statement.starts_with(entry->listed_prefix)) {
    allowed_by_ = entry->listed_by;
    return by_facts;
  }
  Decision by_text = policy::decide_text(access_, statement, space_.scratch, space_.matches);
  if (by_text.is_allowed && facts_ != nullptr && !facts_->defines.empty()) {
    // EXECUTE and FETCH run it later without showing it.
    by_text =
        policy::decide_text(access_, statement_inside(statement, *facts_), space_.scratch, space_.matches);
    by_text.at = facts_->inner;
  }
  if (by_text.is_allowed) {
    allowed_by_ = by_text.allowed_by;
    const bool defines = facts_ != nullptr && !facts_->defines.empty();
    if (entry != nullptr && !defines && by_text.allowed_within <= listed_prefix_bytes_max) {
      entry->listed_prefix.assign(statement.substr(0, by_text.allowed_within));
      entry->listed_by = by_text.allowed_by;
    }
    return by_facts;
  }
  decision_ = std::move(by_text);
  return decision_;
}

}  // namespace ringfence::proxy

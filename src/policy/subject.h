// What a decision is about: a statement's facts, the access of who sends it, and the session; and what
// follows from the three together.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "fold.h"
#include "names.h"
#include "ringfence/policy/decide.h"

namespace ringfence::policy {

bool any_matches(const std::vector<Text>& patterns, std::string_view schema, std::string_view name,
                 Doubt doubt);
bool kind_matches(const std::vector<Text>& patterns, std::string_view kind);

// What admits a name has to admit what the server may make of it, too.
template <typename Matches>
bool admits_name(const sql::Name& name, const SessionFacts& session, Matches&& matches) {
  if (!matches(name.schema, name.name)) return false;
  return !session.folds_beyond_ascii || matches(fold_beyond_ascii(name.schema), fold_beyond_ascii(name.name));
}

struct Subject {
  const Access& access;
  const sql::Facts& facts;
  const SessionFacts& session;

  // Since PostgreSQL 14 the server says so when a function lifts the session's read-only mode, where there is
  // one.
  bool is_lifting_told() const;
  // Which policy admits the kind beyond the level; null: none.
  const Policy* admits_kind(std::string_view kind) const;
  const Policy* admits_function(const sql::Name& function) const;

  bool names_column(std::string_view name) const;
  // `at`: where it says so, if by a word of its own.
  bool names_every_column(sql::Place& at) const;
  // Without a name: true.
  bool names_column_or_all(std::string_view name) const;
  // `table.to_jsonb`: where there is no such column it is a call with the whole row, of PostgreSQL's function
  // or of one that a policy names.
  bool may_take_a_row(const sql::Attribute& attribute) const;
};

}  // namespace ringfence::policy

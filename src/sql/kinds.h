// The kinds of statement and the level that each needs: one row for every statement node of the grammar.
//
// A statement node without a row counts as "unknown" at level admin.
#pragma once

#include <string>
#include <vector>

#include "grammar.h"
#include "ringfence/sql/facts.h"

namespace ringfence::sql {

struct Kind {
  std::string name;  // As rules name it: "drop_table".
  Level level = Level::admin;
  std::string what;  // For people: "DROP TABLE".
};

// Whether the node is a statement of its own.
bool is_statement(MessageType type);
// Of a statement node.
Kind kind_of(const Message& statement);
// Of what else it is: ALTER … OWNER TO alters its object, DROP ROUTINE drops a function or a procedure.
std::vector<Kind> further_kinds_of(const Message& statement);
// The kind's name by its parts alone, nothing for nodes without a row. For the test that walks the grammar.
bool has_kind(MessageType type);

}  // namespace ringfence::sql

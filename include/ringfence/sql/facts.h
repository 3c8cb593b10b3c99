// What a statement is and what it touches, by PostgreSQL's own grammar: the input of every decision.
//
// What always holds: facts depend on the statement's text alone, and for a statement with
// `is_shape_cacheable` on nothing but its shape (shape.h). Positions are ordinals of tokens, so that they
// hold for every text of that shape. Where the grammar leaves a doubt, the facts say more than is there,
// never less.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringfence::sql {

// The ordinal of a token in the statement, from 0; `nowhere` where the grammar tells no place.
using Place = uint32_t;
inline constexpr Place nowhere = UINT32_MAX;

// The major version of PostgreSQL whose grammar reads statements.
inline constexpr int grammar_version = 15;

// What a statement's kind needs at least. Each level includes the ones before it.
enum class Level : uint8_t { read, write, ddl, admin };
const char* level_name(Level level);

// One kind of which a statement is besides its own, mostly why it needs more than `read`; a SELECT within
// PREPARE, DECLARE, COPY or EXPLAIN ANALYZE is one of level `read`. A MERGE has one for each of its actions
// besides its own, an INSERT … ON CONFLICT DO UPDATE is an update too, and COPY … FROM an insert.
struct Effect {
  Level level = Level::write;
  std::string kind;  // As rules name it: "delete"; "select_for_update" for row locks.
  std::string what;  // For people: "DELETE", "SELECT … FOR UPDATE", "COPY … FROM PROGRAM".
  Place at = nowhere;
};

// As written, folded to lower case by the grammar where it was not quoted. Empty where nothing was written.
struct Name {
  std::string schema;
  std::string name;
  Place at = nowhere;
};

struct RelationUse : Name {
  std::string catalog;
  bool is_written = false;  // Its rows or its definition; it may be read as well.
  bool is_every = false;    // All relations of the schema, or of the database; there is no name.
};

struct Attribute : Name {
  bool is_of_expression = false;  // (expression).name, where a column is the exception.
};

struct ColumnUse {
  std::string qualifier;  // Table or alias, as written; a schema before it is left out.
  std::string name;
  Place at = nowhere;
};

// A setting of the session or the transaction that a statement changes: SET, RESET, BEGIN's modes,
// set_config().
struct Setting {
  enum class Verb : uint8_t { set, reset, from_current };
  std::string name;  // Lower case; transaction modes by their settings' names; "" if not a constant.
  std::vector<std::string> values;  // As far as they are constants.
  Verb verb = Verb::set;
  bool is_constant = true;  // False: the value is computed.
  bool is_local = false;
  bool is_kept = false;  // It is made part of a function, a role or a database, and is not the session's.
  Place at = nowhere;
};

enum class Control : uint8_t {
  none,
  begin,
  commit,
  rollback,
  savepoint,
  release,
  rollback_to,
  prepare_transaction,
  commit_prepared,
  rollback_prepared,
};

struct Facts {
  std::string kind;  // "select", "insert", "drop_table", "explain_analyze": kinds.h has them all.
  std::vector<Effect> effects;
  std::vector<RelationUse> relations;
  // Touched without being named as relations are: all of a schema, and sequences that nextval() and its like
  // are told of.
  std::vector<RelationUse> reached;
  std::vector<ColumnUse> columns;
  std::vector<Name>
      functions;  // Called ones, with those of TABLESAMPLE; not those behind operators and casts.
  std::vector<Name> operators;
  // `expression.name` and `table.name`: a column, or a call of the function with that name.
  std::vector<Attribute> attributes;
  std::vector<Setting> settings;

  // `*`, a whole row, NATURAL or USING, an INSERT or COPY without a column list, columns renamed by an alias:
  // stands for every column that a rule is about.
  bool names_every_column = false;
  // An UPDATE or DELETE, here or in a WITH clause, whose WHERE is missing or does not depend on the row; a
  // MERGE that changes rows which neither its join nor the clause's own condition picks.
  bool misses_where = false;
  // DO, CALL: what it does cannot be seen.
  bool is_opaque = false;
  bool is_shape_cacheable = false;

  Control control = Control::none;
  // PREPARE, DECLARE: the name made; EXECUTE (also in EXPLAIN and CREATE TABLE AS), FETCH, MOVE: the name
  // used; DEALLOCATE, CLOSE: the name dropped. Empty for DEALLOCATE ALL and CLOSE ALL.
  std::string defines;
  std::string executes;
  std::string drops;
  bool drops_all = false;
  bool is_portal = false;  // The name is a cursor's, not a prepared statement's.
  Place inner = nowhere;   // Where the statement begins that PREPARE or DECLARE defines, or EXPLAIN explains.

  // The least level that admits the kind and every effect; functions and settings are judged beside it.
  Level level() const;
  bool writes() const { return level() != Level::read || is_opaque; }
};

}  // namespace ringfence::sql

// The list of kinds holds what statements are called, and nothing else.
#include "ringfence/sql/known_kinds.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "ringfence/sql/analyze.h"

using namespace ringfence;
using namespace ringfence::sql;

namespace {

// At least one statement of every kind.
constexpr std::string_view of_each_kind[] = {
    "alter aggregate a (int) rename to b",
    "alter collation c rename to d",
    "alter conversion c rename to d",
    "alter database d rename to e",
    "alter database d set a = 1",
    "alter default privileges grant select on tables to u",
    "alter domain d drop not null",
    "alter domain d rename constraint a to b",
    "alter event trigger e disable",
    "alter event trigger e rename to f",
    "alter extension e update",
    "alter extension e set schema s",
    "alter foreign data wrapper f no handler",
    "alter foreign data wrapper f rename to g",
    "alter foreign table t rename to u",
    "alter function f() stable",
    "alter function f() rename to g",
    "alter index i rename to j",
    "alter language l rename to m",
    "alter materialized view v rename to w",
    "alter operator class c using btree rename to d",
    "alter operator + (int, int) set schema s",
    "alter operator + (int, int) set (restrict = f)",
    "alter operator family f using btree add operator 1 < (int, int)",
    "alter operator family f using btree rename to g",
    "alter function f() owner to u",
    "alter type t owner to u",
    "alter policy p on t to u",
    "alter policy p on t rename to q",
    "alter procedure p() rename to q",
    "alter procedure p() security definer",
    "alter publication p rename to q",
    "alter publication p add table t",
    "alter role r rename to s",
    "alter role r login",
    "alter role r set a = 1",
    "alter routine r() rename to s",
    "alter routine r() cost 1",
    "alter rule r on t rename to s",
    "alter schema s rename to t",
    "alter sequence s restart",
    "alter sequence s rename to t",
    "alter server s rename to t",
    "alter server s options (set a 'b')",
    "alter statistics s rename to t",
    "alter statistics s set statistics 5",
    "alter subscription s rename to t",
    "alter subscription s disable",
    "alter system set a = 1",
    "alter table t rename constraint a to b",
    "alter table t add a int",
    "alter tablespace t rename to u",
    "alter tablespace t set (seq_page_cost = 1)",
    "alter text search configuration c rename to d",
    "alter text search configuration c add mapping for a with b",
    "alter text search dictionary d rename to e",
    "alter text search dictionary d (a = 1)",
    "alter text search parser p rename to q",
    "alter text search template t rename to u",
    "alter trigger g on t rename to h",
    "alter type t rename attribute a to b",
    "alter type t add value 'x'",
    "alter user mapping for u server s options (set a 'b')",
    "alter view v rename to w",
    "analyze t",
    "begin",
    "call p()",
    "checkpoint",
    "close c",
    "cluster t",
    "comment on table t is 'x'",
    "commit",
    "commit prepared 'x'",
    "copy t from stdin",
    "copy t from '/x'",
    "copy t from program 'x'",
    "copy t to stdout",
    "copy t to '/x'",
    "copy t to program 'x'",
    "create access method a type index handler h",
    "create aggregate a (int) (sfunc = f, stype = int)",
    "create cast (int as t) without function",
    "create collation c (locale = 'C')",
    "create conversion c for 'UTF8' to 'LATIN1' from f",
    "create database d",
    "create domain d as int",
    "create event trigger e on ddl_command_start execute function f()",
    "create extension e",
    "create foreign data wrapper f",
    "create foreign table t (a int) server s",
    "create function f() returns int language sql as 'select 1'",
    "create index on t (a)",
    "create language l handler h",
    "create materialized view v as select 1",
    "create operator + (function = f)",
    "create operator class c for type t using btree as storage int",
    "create operator family f using btree",
    "create policy p on t",
    "create publication p",
    "create role r",
    "create rule r as on insert to t do nothing",
    "create schema s",
    "create sequence s",
    "create server s foreign data wrapper f",
    "create statistics s on a, b from t",
    "create subscription s connection 'x' publication p",
    "create table t (a int)",
    "create table t as select 1",
    "create tablespace t location '/x'",
    "create transform for int language l (from sql with function f(internal))",
    "create trigger g after insert on t execute function f()",
    "create text search configuration c (parser = p)",
    "create text search dictionary d (template = t)",
    "create text search parser p (start = s)",
    "create text search template t (lexize = l)",
    "create type t as enum ('a')",
    "create type t (input = f, output = g)",
    "create user mapping for u server s",
    "create view v as select 1",
    "deallocate p",
    "declare c cursor for select 1",
    "delete from t",
    "discard all",
    "do 'begin end'",
    "drop access method a",
    "drop aggregate a (int)",
    "drop cast (int as t)",
    "drop collation c",
    "drop conversion c",
    "drop database d",
    "drop domain d",
    "drop event trigger e",
    "drop extension e",
    "drop foreign data wrapper f",
    "drop foreign table t",
    "drop function f()",
    "drop index i",
    "drop language l",
    "drop materialized view v",
    "drop operator class c using btree",
    "drop operator + (int, int)",
    "drop operator family f using btree",
    "drop owned by u",
    "drop policy p on t",
    "drop procedure p()",
    "drop publication p",
    "drop role r",
    "drop routine r()",
    "drop rule r on t",
    "drop schema s",
    "drop sequence s",
    "drop server s",
    "drop statistics s",
    "drop subscription s",
    "drop table t",
    "drop tablespace t",
    "drop transform for int language l",
    "drop trigger g on t",
    "drop text search configuration c",
    "drop text search dictionary d",
    "drop text search parser p",
    "drop text search template t",
    "drop type t",
    "drop user mapping for u server s",
    "drop view v",
    "execute p",
    "explain select 1",
    "explain analyze select 1",
    "fetch c",
    "grant select on t to u",
    "import foreign schema a from server s into b",
    "insert into t values (1)",
    "listen a",
    "load 'x'",
    "lock t",
    "merge into t using s on t.i = s.i when matched then delete",
    "move c",
    "notify a",
    "prepare p as select 1",
    "prepare transaction 'x'",
    "reassign owned by u to v",
    "refresh materialized view v",
    "reindex table t",
    "release a",
    "reset all",
    "revoke select on t from u",
    "rollback",
    "rollback prepared 'x'",
    "rollback to a",
    "savepoint a",
    "security label on table t is 'x'",
    "select 1",
    "select 1 from t for update",
    "select 1 into t",
    "set a = 1",
    "set constraints all deferred",
    "show all",
    "truncate t",
    "unlisten a",
    "update t set a = 1",
    "vacuum t",
    "values (1)"};

}  // namespace

TEST_CASE(
    "every kind that a statement is of is known, with its level, and every known one is some statement's") {
  std::map<std::string, Level, std::less<>> known;
  for (const KnownKind& kind : known_kinds()) known.emplace(kind.name, kind.level);
  std::set<std::string, std::less<>> met;
  for (std::string_view text : of_each_kind) {
    CAPTURE(text);
    auto facts = analyze(text);
    REQUIRE_MESSAGE(facts, (facts ? "" : facts.error().message));
    REQUIRE_MESSAGE(known.contains(facts->kind), facts->kind);
    met.insert(facts->kind);
    for (const Effect& effect : facts->effects) {
      REQUIRE_MESSAGE(known.contains(effect.kind), effect.kind);
      met.insert(effect.kind);
      if (effect.kind == facts->kind) CHECK_MESSAGE(known[effect.kind] == effect.level, effect.kind);
    }
    const bool has_own_effect = std::any_of(facts->effects.begin(), facts->effects.end(),
                                            [&](const Effect& one) { return one.kind == facts->kind; });
    if (!has_own_effect) CHECK_MESSAGE(known[facts->kind] == Level::read, facts->kind);
  }
  for (const auto& [name, level] : known) CHECK_MESSAGE(met.contains(name), name);
}

TEST_CASE("one object has one name and one level, whichever statement changes it") {
  const auto kinds_of = [](std::string_view text) {
    std::set<std::string> names;
    const auto facts = analyze(text);
    REQUIRE(facts);
    for (const Effect& effect : facts->effects) names.insert(effect.kind);
    return names;
  };
  CHECK(kinds_of("drop routine f()").contains("drop_function"));
  CHECK(kinds_of("drop routine f()").contains("drop_procedure"));
  CHECK(kinds_of("alter routine f() rename to g").contains("alter_function"));
  CHECK(kinds_of("alter procedure f() cost 1").contains("alter_procedure"));
  CHECK(kinds_of("alter function f() owner to u").contains("alter_function"));
  CHECK(kinds_of("alter statistics s rename to t") == kinds_of("alter statistics s set statistics 5"));
  CHECK(analyze("alter role a rename to b")->level() == Level::admin);
  CHECK(analyze("alter database a rename to b")->level() == Level::admin);
  CHECK(analyze("drop policy p on t")->level() == Level::admin);
  CHECK(analyze("drop extension e")->level() == Level::admin);
  CHECK(analyze("drop table t")->level() == Level::ddl);
}

TEST_CASE("of a kind that nobody knows the likest one is told") {
  CHECK(nearest_kind("updat") == "update");
  CHECK(nearest_kind("delte") == "delete");
  CHECK(nearest_kind("droptable") == "drop_table");
  CHECK(nearest_kind("drop_tables") == "drop_table");
  CHECK_FALSE(nearest_kind("quux_zork_and_more"));
  CHECK_FALSE(nearest_kind(""));
  CHECK_FALSE(nearest_kind(std::string(100'000, 'x')));
}

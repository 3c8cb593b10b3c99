// Facts of statements: what they are, what they touch, and what they need at least.
#include <doctest/doctest.h>
#include <pg_query/pg_query.pb-c.h>
#include <pthread.h>

#include <algorithm>
#include <set>
#include <string>

#include "on_stack.h"
#include "ringfence/sql/analyze.h"
#include "ringfence/sql/lex.h"
#include "sql/kinds.h"

using namespace ringfence;
using namespace ringfence::sql;

namespace {

Facts facts_of(std::string_view text) {
  INFO(text);
  auto facts = analyze(text);
  REQUIRE_MESSAGE(facts, (facts ? "" : facts.error().message));
  return *facts;
}

std::string joined(std::set<std::string> words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// Written ones with a `!`.
std::string relations(std::string_view text) {
  std::set<std::string> names;
  for (const auto& use : facts_of(text).relations) {
    names.insert((use.schema.empty() ? "" : use.schema + ".") + use.name + (use.is_written ? "!" : ""));
  }
  return joined(names);
}

std::string functions(std::string_view text) {
  std::set<std::string> names;
  for (const auto& use : facts_of(text).functions)
    names.insert((use.schema.empty() ? "" : use.schema + ".") + use.name);
  return joined(names);
}

std::string columns(std::string_view text) {
  const Facts facts = facts_of(text);
  std::set<std::string> names;
  for (const auto& use : facts.columns)
    names.insert((use.qualifier.empty() ? "" : use.qualifier + ".") + use.name);
  return joined(names) + (facts.names_every_column ? " *" : "");
}

// The kinds of its effects.
std::string kinds(std::string_view text) {
  std::set<std::string> names;
  for (const auto& effect : facts_of(text).effects) names.insert(effect.kind);
  return joined(names);
}

Level level(std::string_view text) { return facts_of(text).level(); }

std::string settings(std::string_view text) {
  std::string out;
  for (const auto& setting : facts_of(text).settings) {
    out += out.empty() ? "" : "; ";
    out += setting.verb == Setting::Verb::reset ? "reset " : setting.is_local ? "local " : "";
    out += setting.name.empty() ? "?" : setting.name;
    for (const auto& value : setting.values) out += "=" + value;
    if (!setting.is_constant) out += "=?";
  }
  return out;
}

// The token at a place.
std::string word_at(std::string_view text, Place place) {
  Lexer lexer(text);
  Token token = lexer.next();
  for (Place i = 0; i < place; ++i) token = lexer.next();
  return std::string(lexer.text_of(token));
}

}  // namespace

TEST_CASE("every statement of the grammar has a kind") {
  for (unsigned i = 0; i < pg_query__node__descriptor.n_fields; ++i) {
    const auto* type =
        static_cast<const ProtobufCMessageDescriptor*>(pg_query__node__descriptor.fields[i].descriptor);
    CAPTURE(type->short_name);
    if (is_statement(type)) CHECK(has_kind(type));
  }
}

TEST_CASE("kinds are named for what a statement does") {
  CHECK(facts_of("select 1").kind == "select");
  CHECK(facts_of("values (1)").kind == "values");
  CHECK(facts_of("table t").kind == "select");
  CHECK(facts_of("select 1 into t").kind == "select_into");
  CHECK(facts_of("copy t to stdout").kind == "copy_to");
  CHECK(facts_of("copy t from stdin").kind == "copy_from");
  CHECK(facts_of("COPY\tt TO PROGRAM 'cat'").kind == "copy_to_program");
  CHECK(facts_of("copy t from '/etc/passwd'").kind == "copy_from_file");
  CHECK(facts_of("explain delete from t").kind == "explain");
  CHECK(facts_of("explain (analyze) delete from t").kind == "explain_analyze");
  CHECK(facts_of("drop materialized view v").kind == "drop_materialized_view");
  CHECK(facts_of("alter table t add a int").kind == "alter_table");
  CHECK(facts_of("alter view v rename to w").kind == "alter_view");
  CHECK(facts_of("alter table t rename a to b").kind == "alter_table");
  CHECK(facts_of("create type x as enum ('a')").kind == "create_type");
  CHECK(facts_of("create aggregate a (int) (sfunc = f, stype = int)").kind == "create_aggregate");
  CHECK(facts_of("revoke all on t from u").kind == "revoke");
  CHECK(facts_of("analyze t").kind == "analyze");
  CHECK(facts_of("reset all").kind == "reset");
  CHECK(facts_of("commit prepared 'x'").kind == "commit_prepared");
}

TEST_CASE("a statement writes when any part of it does") {
  for (std::string_view text :
       {"insert into t values (1)", "with d as (delete from t returning a) select * from d",
        "select * from (with d as (update t set a = 1 returning a) select * from d) x",
        "select * from t for update", "select * from (select * from t for share) x",
        "explain analyze delete from t", "explain (analyze 1) insert into t values (1)",
        "explain (verbose, analyze) update t set a = 1", "copy (delete from t returning a) to stdout",
        "copy t from stdin", "prepare p as delete from t",
        "merge into t using s on t.a = s.a when matched then delete", "notify c, 'x'", "lock table t",
        "declare c cursor for select * from t for update", "refresh materialized view v"}) {
    CAPTURE(text);
    CHECK(level(text) == Level::write);
  }
  for (std::string_view text :
       {"select * into u from t", "create table u as select * from t", "create table t (a int)", "truncate t",
        "vacuum", "analyze", "reindex table t", "cluster", "explain analyze create table u as select 1",
        "prepare p as select 1 into u"}) {
    CAPTURE(text);
    if (text.find("prepare p as select 1 into") != text.npos && !analyze(text)) continue;
    CHECK(level(text) == Level::ddl);
  }
  for (std::string_view text :
       {"do $$ begin end $$", "call p()", "alter system set a = 1", "copy t to program 'cat'",
        "copy t to '/tmp/x'", "grant all on t to u", "create role r", "set role x", "load 'x'", "checkpoint",
        "prepare transaction 'x'", "commit prepared 'x'", "create extension x",
        "create subscription s connection 'x' publication p"}) {
    CAPTURE(text);
    if (text != "set role x") CHECK(level(text) == Level::admin);
  }
}

TEST_CASE("a statement is of every kind of which it changes rows") {
  CHECK(kinds("merge into t using s on t.i = s.i when matched then delete") == "delete merge");
  CHECK(kinds("merge into t using s on t.i = s.i when matched then update set a = 1") == "merge update");
  CHECK(kinds("merge into t using s on t.i = s.i when not matched then insert values (1)") == "insert merge");
  CHECK(kinds("merge into t using s on t.i = s.i when not matched then insert default values") ==
        "insert merge");
  CHECK(kinds("merge into t using s on t.i = s.i when matched and s.d then delete when matched then update "
              "set a = s.a "
              "when not matched then insert (a) values (s.a)") == "delete insert merge update");
  CHECK(kinds("merge into t using s on t.i = s.i when matched then do nothing when not matched then do "
              "nothing") == "merge");
  CHECK(kinds("insert into t values (1)") == "insert");
  CHECK(kinds("insert into t values (1) on conflict do nothing") == "insert");
  CHECK(kinds("insert into t values (1) on conflict (a) do update set a = 2") == "insert update");
  CHECK(kinds("insert into t values (1) on conflict on constraint c do update set a = 2 where t.a > 1") ==
        "insert update");
  CHECK(kinds("with x as (insert into t values (1) on conflict (a) do update set a = 2 returning a) delete "
              "from u using x") == "delete insert update");
  CHECK(kinds("copy t from stdin") == "copy_from insert");
  CHECK(kinds("copy (insert into t values (1) on conflict (a) do update set a = 2 returning a) to stdout") ==
        "insert update");
  CHECK(kinds("prepare p as merge into t using s on t.i = s.i when matched then delete") == "delete merge");
  CHECK(kinds("explain analyze merge into t using s on t.i = s.i when matched then delete") ==
        "delete merge");
  CHECK(kinds("prepare p as select 1") == "select");
  CHECK(kinds("prepare p as values (1)") == "values");
  CHECK(kinds("declare c cursor for select 1") == "select");
  CHECK(kinds("copy (select 1) to stdout") == "select");
  CHECK(kinds("explain analyze select 1") == "select");
  CHECK(kinds("explain analyze declare c cursor for select 1") == "declare select");
  CHECK(kinds("explain select 1") == "");
  CHECK(kinds("copy t to stdout") == "");
  CHECK(kinds("explain merge into t using s on t.i = s.i when matched then delete") == "");
  CHECK(kinds("explain insert into t values (1) on conflict (a) do update set a = 2") == "");
}

TEST_CASE("what only reads needs no more than read") {
  for (std::string_view text : {"select 1",
                                "values (1), (2)",
                                "table t",
                                "with a as (select 1) select * from a",
                                "show all",
                                "explain select 1",
                                "explain delete from t",
                                "explain (analyze 0) delete from t",
                                "explain (analyze off, verbose) delete from t",
                                "explain analyze select 1",
                                "copy t to stdout",
                                "copy (select * from t) to stdout with csv",
                                "declare c cursor for select 1",
                                "fetch all from c",
                                "move c",
                                "close c",
                                "close all",
                                "prepare p as select $1",
                                "execute p(1)",
                                "deallocate p",
                                "deallocate all",
                                "begin",
                                "start transaction",
                                "commit",
                                "end",
                                "rollback",
                                "abort",
                                "savepoint s",
                                "release s",
                                "rollback to s",
                                "reset work_mem",
                                "discard all",
                                "listen c",
                                "unlisten *",
                                "set application_name = 'x'"}) {
    CAPTURE(text);
    CHECK(level(text) == Level::read);
    CHECK_FALSE(facts_of(text).is_opaque);
  }
  CHECK(facts_of("do $$ $$").is_opaque);
  CHECK(facts_of("call p(1)").is_opaque);
}

TEST_CASE("relations are told with who reads and who writes them") {
  CHECK(relations("select * from a, b.c join d on true") == "a b.c d");
  CHECK(relations("insert into a select * from b") == "a! b");
  CHECK(relations("update a set x = (select y from b) from c where a.i = c.i") == "a! b c");
  CHECK(relations("delete from a using b where a.i = b.i") == "a! b");
  CHECK(relations("merge into a using b on a.i = b.i when matched then do nothing") == "a! b");
  CHECK(relations("drop table a, b.c") == "a! b.c!");
  CHECK(relations("drop trigger x on a.b") == "a.b!");
  CHECK(relations("truncate a, b") == "a! b!");
  CHECK(relations("create table a as select * from b") == "a! b");
  CHECK(relations("select * into a from b") == "a! b");
  CHECK(relations("create view a as select * from b") == "a! b");
  CHECK(relations("alter table a add b int references c") == "a! c!");
  CHECK(relations("comment on column a.b.c is 'x'") == "a.b!");
  CHECK(relations("grant select on a to u") == "a!");
  CHECK(relations("lock table a") == "a!");
  CHECK(relations("copy a to stdout") == "a");
  CHECK(relations("copy a from stdin") == "a!");
  CHECK(relations("select * from a for update of a") == "a");
  CHECK(relations("select 'a'::regclass") == "");
  CHECK(relations("explain insert into a values (1)") == "a!");
}

TEST_CASE("names of WITH clauses are not relations, but only where they are visible") {
  CHECK(relations("with a as (select * from b) select * from a") == "b");
  CHECK(relations("with a as (select * from a) select * from a") == "a");
  CHECK(relations("with recursive a as (select * from a) select * from a") == "");
  CHECK(relations("with a as (select 1), b as (select * from a) select * from b") == "");
  CHECK(relations("with b as (select * from a), a as (select 1) select * from b") == "a");
  CHECK(relations("with a as (select 1) select * from public.a") == "public.a");
  CHECK(relations("select * from (with a as (select 1) select * from a) x, a") == "a");
  CHECK(relations("with a as (select 1) insert into a select * from a") == "a!");
  CHECK(relations("with a as (select 1) select (select count(*) from a) from c") == "c");
}

TEST_CASE("functions are found wherever the grammar lets one stand") {
  for (std::string_view text : {"select marker()",
                                "select * from marker()",
                                "select * from rows from (marker(), f())",
                                "select 1 where marker() = 1",
                                "select 1 group by marker()",
                                "select 1 having marker() = 1",
                                "select 1 order by marker()",
                                "select 1 limit marker()",
                                "select 1 offset marker()",
                                "select sum(a) over (partition by marker()) from t",
                                "select sum(a) over w from t window w as (order by marker())",
                                "select sum(a) over (rows marker() preceding) from t",
                                "select sum(a) filter (where marker()) from t",
                                "select string_agg(a, b order by marker()) from t",
                                "select percentile_cont(marker()) within group (order by a) from t",
                                "select case marker() when 1 then 2 end",
                                "select case when marker() then 2 end",
                                "select case when true then marker() end",
                                "select case when true then 1 else marker() end",
                                "select coalesce(1, marker())",
                                "select greatest(1, marker())",
                                "select nullif(1, marker())",
                                "select array[1, marker()]",
                                "select (array[1])[marker()]",
                                "select row(1, marker())",
                                "select marker()::text",
                                "select cast(marker() as int)",
                                "select (marker()).x",
                                "select (select marker())",
                                "select exists (select marker())",
                                "select 1 in (marker())",
                                "select 1 = any (select marker())",
                                "select 1 = any (marker())",
                                "select 1 between 0 and marker()",
                                "select marker() is null",
                                "select marker() is true",
                                "select a collate \"C\" from (select marker() a) x",
                                "select xmlelement(name a, marker())",
                                "select xmlforest(marker() as a)",
                                "select xmlserialize(content marker() as text)",
                                "select * from xmltable('/a' passing marker() columns b int)",
                                "select * from xmltable('/a' passing 'x' columns b int default marker())",
                                "select * from t tablesample system (marker())",
                                "select * from t tablesample marker (1)",
                                "select * from t tablesample system (1) repeatable (marker())",
                                "select * from t join u on marker()",
                                "select * from t, lateral (select marker()) x",
                                "values (marker())",
                                "select 1 union select marker()",
                                "with a as (select marker()) select 1",
                                "select distinct on (marker()) 1",
                                "insert into t values (marker())",
                                "insert into t (a) select marker()",
                                "insert into t values (1) on conflict (a) do update set b = marker()",
                                "insert into t values (1) on conflict (a) where marker() do nothing",
                                "insert into t values (1) on conflict (marker()) do nothing",
                                "insert into t values (1) on conflict (a) do update set b = 1 where marker()",
                                "insert into t values (1) returning marker()",
                                "insert into t (a[marker()]) values (1)",
                                "update t set a = marker()",
                                "update t set (a, b) = (select marker(), 1)",
                                "update t set a[marker()] = 1",
                                "update t set a = 1 from marker()",
                                "update t set a = 1 where marker()",
                                "update t set a = 1 returning marker()",
                                "delete from t using marker()",
                                "delete from t where marker()",
                                "delete from t returning marker()",
                                "merge into t using (select marker()) s on true when matched then do nothing",
                                "merge into t using s on marker() when matched then do nothing",
                                "merge into t using s on true when matched and marker() then delete",
                                "merge into t using s on true when matched then update set a = marker()",
                                "merge into t using s on true when not matched then insert values (marker())",
                                "copy (select marker()) to stdout",
                                "copy t from stdin where marker()",
                                "explain select marker()",
                                "prepare p as select marker()",
                                "execute p(marker())",
                                "declare c cursor for select marker()",
                                "call marker()",
                                "create table t as select marker()",
                                "create table t (a int default marker())",
                                "create table t (a int check (marker()))",
                                "create table t (a int generated always as (marker()) stored)",
                                "create view v as select marker()",
                                "create index on t (marker())",
                                "create index on t (a) where marker()",
                                "create rule r as on insert to t do select marker()",
                                "create rule r as on insert to t where marker() do nothing",
                                "alter table t add check (marker())",
                                "alter table t alter a set default marker()",
                                "alter table t alter a type int using marker()",
                                "create policy p on t using (marker())",
                                "create trigger g after insert on t when (marker()) execute function f()",
                                "create function f() returns int return marker()",
                                "create function f() returns int begin atomic select marker(); end",
                                "create table t partition of u for values in (marker())",
                                "create domain d as int check (marker())",
                                "create statistics s on (marker()), a from t",
                                "create materialized view v as select marker()",
                                "create function f(a int default marker()) returns int language sql as 'x'",
                                "alter domain d set default marker()",
                                "create publication p for table t where (marker())"}) {
    CAPTURE(text);
    const Facts facts = facts_of(text);
    CHECK(std::any_of(facts.functions.begin(), facts.functions.end(),
                      [](const Name& use) { return use.name == "marker"; }));
  }
  CHECK(functions("select pg_catalog.lo_unlink(1), extract(year from now())") ==
        "now pg_catalog.extract pg_catalog.lo_unlink");
}

TEST_CASE("columns are told, and when every column is meant") {
  CHECK(columns("select a, t.b from t") == "a t.b");
  CHECK(columns("select * from t") == " *");
  CHECK(columns("select t.* from t") == " *");
  CHECK(columns("select t from t") == "t *");
  CHECK(columns("select row_to_json(x) from t x") == "x *");
  CHECK(columns("select count(*) from t") == "");
  CHECK(columns("select a from t join u using (a)") == "a *");
  CHECK(columns("select a from t natural join u") == "a *");
  CHECK(columns("select b from t as x (b)") == "b *");
  CHECK(columns("table t") == " *");
  CHECK(columns("insert into t (a, b) values (1, 2)") == "a b");
  CHECK(columns("insert into t values (1, 2)") == " *");
  CHECK(columns("insert into t (a) values (1) on conflict (b) do update set c = 1 returning d") == "a b c d");
  CHECK(columns("insert into t (a) values (1) on conflict (b) do update set (c, d) = (select e, f from u), g "
                "= excluded.h where t.i = 1") == "a b c d e excluded.h f g t.i");
  CHECK(columns("insert into t (a) values (1) on conflict (b) do update set c = row_to_json(excluded)") ==
        "a b c excluded *");
  CHECK(columns("merge into t using s on t.a = s.b when matched and t.c = 1 then update set d = s.e when not "
                "matched then "
                "insert (f) values (s.g)") == "d f s.b s.e s.g t.a t.c");
  CHECK(columns("merge into t using s on t.a = s.b when not matched then insert values (1)") == "s.b t.a *");
  CHECK(columns("update t set a = b where c = 1 returning *") == "a b c *");
  CHECK(columns("delete from t where a = 1 returning old") == "a old *");
  CHECK(columns("select old from t") == "old");
  CHECK(columns("copy t (a) to stdout") == "a");
  CHECK(columns("copy t to stdout") == " *");
  CHECK(columns("select (x).secret from t x") == "x *");
  CHECK(columns("select 1 from t where exists (select u.z from u order by y)") == "u.z y");
}

TEST_CASE("an UPDATE or DELETE whose WHERE decides nothing counts as one without") {
  for (std::string_view text : {"delete from t",
                                "update t set a = 1",
                                "delete from t where true",
                                "delete from t where 1 = 1",
                                "delete from t where 'a' = 'a'",
                                "delete from t where a = a",
                                "delete from t where id = 1 or true",
                                "delete from t where (id = 1 or (1 = 1))",
                                "delete from t where not false",
                                "delete from t where now() is not null",
                                "delete from t where true and 1 < 2",
                                "with d as (delete from t returning a) select * from d",
                                "explain analyze update t set a = 1",
                                "update t set a = 1 from u",
                                "delete from t using s where s.x = 1",
                                "delete from t where exists (select 1 from u where u.a = 1)",
                                "update t set a = 1 from u where u.a = u.b",
                                "delete from t as x using t where t.a = 1",
                                "delete from t x using t y where x.i = y.i",
                                "delete from t where t.a = a",
                                "delete from t using u join t y on true where t.i = y.i",
                                "merge into t using (select 1) s on true when matched then delete",
                                "merge into t using (select 1 as x) s on s.x = 1 when matched then delete",
                                "merge into t using s on 1 = 1 when matched and true then update set a = 1",
                                "merge into t using s on true when matched and s.x = 1 then delete",
                                "merge into t using t s on t.i = s.i when matched then delete",
                                "merge into t as x using s on t.i = s.i when matched then delete",
                                "merge into t using s on true when matched and t.a = 1 then update set a = 2 "
                                "when matched then delete",
                                "with x as (select 1) merge into t using x on true when not matched then do "
                                "nothing when matched then update set a = 1"}) {
    CAPTURE(text);
    CHECK(facts_of(text).misses_where);
  }
  for (std::string_view text :
       {"delete from t where id = 1", "delete from t where true and id = 1",
        "update t set a = 1 where id = $1", "delete from t where exists (select 1 from u where u.id = t.id)",
        "delete from t where current of c", "select 1", "insert into t values (1)",
        "update t set a = 1 from u where t.i = u.i", "delete from s.t using u where s.t.i = u.i",
        "delete from t as x using t where x.a = 1", "delete from t where (t).a = 1",
        "delete from t where t is not null", "merge into t using s on t.i = s.i when matched then delete",
        "merge into a.t as x using s on x.i = s.i when matched then delete",
        "merge into t using s on true when matched and t.a = 1 then delete",
        "merge into t using s on true when matched then do nothing",
        "merge into t using s on true when not matched then insert values (1)",
        "merge into t using (select i from t where d) s on t.i = s.i when matched then delete",
        "insert into t values (1) on conflict (a) do update set a = 2"}) {
    CAPTURE(text);
    CHECK_FALSE(facts_of(text).misses_where);
  }
}

TEST_CASE("settings are told by name, with their values where these are constants") {
  CHECK(settings("set work_mem = '1GB'") == "work_mem=1GB");
  CHECK(settings("set local Work_Mem to 5") == "local work_mem=5");
  CHECK(settings("set search_path = a, \"B\"") == "search_path=a=B");
  CHECK(settings("set x to default") == "reset x");
  CHECK(settings("reset x") == "reset x");
  CHECK(settings("reset all") == "reset all");
  CHECK(settings("set time zone 'UTC'") == "timezone=UTC");
  CHECK(settings("set names 'utf8'") == "client_encoding=utf8");
  CHECK(settings("set role x") == "role=x");
  CHECK(settings("set session authorization default") == "reset session_authorization");
  CHECK(settings("begin read write, isolation level serializable") ==
        "local transaction_read_only=0; local transaction_isolation=serializable");
  CHECK(settings("set transaction read only") == "local transaction_read_only=1");
  CHECK(settings("set session characteristics as transaction read write") ==
        "default_transaction_read_only=0");
  CHECK(settings("set transaction_read_only = off") == "transaction_read_only=off");
  CHECK(settings("select set_config('Work_mem', '1', false)") == "work_mem=1");
  CHECK(settings("select pg_catalog.set_config('a' || 'b', '1', false)") == "?=1=?");
  CHECK(settings("select set_config('x', $1, true)") == "x=?");
  CHECK(settings("with a as (select set_config('role', 'postgres', false)) select 1") == "role=postgres");
}

TEST_CASE(
    "an UPDATE of pg_settings is a SET of what its WHERE names, and of everything where that is no "
    "constant") {
  CHECK(settings("update pg_settings set setting = 'off' where name = 'standard_conforming_strings'") ==
        "standard_conforming_strings=off");
  CHECK(settings("update pg_catalog.pg_settings s set setting = 'x' where 'Work_Mem' = s.name") ==
        "work_mem=x");
  CHECK(
      settings("with a as (update pg_settings set setting = 'x' where name = 'role' returning 1) select 1") ==
      "role=x");
  CHECK(settings("with pg_settings as (select 1) update pg_settings set setting = 'x' where name = 'role'") ==
        "role=x");
  for (std::string_view text :
       {"update pg_settings set setting = 'off'",
        "update pg_settings set setting = 'off' where name = 'a' or name = 'role'",
        "update pg_settings set setting = 'off' where name like 'standard_conforming_strings'",
        "update pg_settings set setting = 'off' where name = 'a' || 'b'",
        "update pg_settings set setting = 'off' where name <> 'a'",
        "update pg_settings set setting = 'off' from (values ('jit')) o (name) where o.name = 'jit'",
        "update pg_settings set setting = 'off' where name = 2::bit(1)::text"}) {
    INFO(text);
    CHECK(settings(text).starts_with("?"));
    CHECK(!facts_of(text).is_shape_cacheable);
  }
  CHECK(settings("update pg_settings set setting = $1 where name = 'jit'") == "jit=?");
  CHECK(settings("update own.pg_settings set setting = 'off'").empty());
}

TEST_CASE("prepared statements and cursors are told with the statement inside") {
  std::string_view text = "prepare p (int) as delete from t where a = $1";
  CHECK(facts_of(text).defines == "p");
  CHECK(word_at(text, facts_of(text).inner) == "delete");
  text = "declare c scroll cursor with hold for select 1";
  CHECK(facts_of(text).defines == "c");
  CHECK(facts_of(text).is_portal);
  CHECK(word_at(text, facts_of(text).inner) == "select");
  for (std::string_view explain :
       {"explain select 1", "explain analyze verbose select 1", "explain (costs off) select 1"}) {
    CHECK(word_at(explain, facts_of(explain).inner) == "select");
  }
  CHECK(word_at("explain (select 1)", facts_of("explain (select 1)").inner) == "(");
  CHECK(facts_of("execute p(1)").executes == "p");
  CHECK(facts_of("explain analyze execute p").executes == "p");
  CHECK(facts_of("create table t as execute p").executes == "p");
  CHECK(facts_of("fetch 5 from c").executes == "c");
  CHECK(facts_of("move c").is_portal);
  CHECK(facts_of("deallocate p").drops == "p");
  CHECK(facts_of("deallocate all").drops_all);
  CHECK(facts_of("close all").drops_all);
}

TEST_CASE("places are the tokens that the user would look at") {
  std::string_view text = "select a, /* x */ lo_unlink(5) from s.t where b = pg_sleep(1)";
  const Facts facts = facts_of(text);
  REQUIRE(facts.functions.size() == 2);
  CHECK(word_at(text, facts.functions[0].at) == "lo_unlink");
  CHECK(word_at(text, facts.functions[1].at) == "pg_sleep");
  CHECK(word_at(text, facts.relations[0].at) == "s");
  CHECK(word_at(text, facts.columns[1].at) == "b");
  text = "with x as (select 1), y as (delete from t returning *) select 1";
  REQUIRE(facts_of(text).effects.size() == 1);
  CHECK(facts_of(text).effects[0].what == "DELETE");
  CHECK(word_at(text, facts_of(text).effects[0].at) == "y");
}

TEST_CASE("only what the shape decides is cached by shape") {
  for (std::string_view text :
       {"select 1", "insert into t values (1)", "update t set a = 1", "delete from t where a = 1"}) {
    CHECK(facts_of(text).is_shape_cacheable);
  }
  for (std::string_view text :
       {"explain (analyze 0) select 1", "set x = 0", "copy t to stdout", "select set_config('a', 'b', true)",
        "select query_to_xml('select 1', true, true, '')", "select U&'\\0061' uescape '!'",
        "prepare p as select 1", "select 1 into t"}) {
    CAPTURE(text);
    CHECK_FALSE(facts_of(text).is_shape_cacheable);
  }
}

TEST_CASE("what stands behind a dot may be a call") {
  const auto attributes = [](std::string_view text) {
    std::set<std::string> names;
    for (const auto& use : facts_of(text).attributes)
      names.insert((use.is_of_expression ? "()." : ".") + use.name);
    return joined(names);
  };
  CHECK(attributes("select (a).b, c.d, (f(1)).g.h, (e[1]).i, j from k") == "().b ().g ().h ().i .d");
  CHECK(attributes("select (a).* from (select 1) a order by (x).y") == "().y");
}

TEST_CASE("what is not exactly one statement has no facts") {
  for (std::string_view text :
       {"", "-- nothing", "select 1; drop table t", "selec 1", "select 'a", "select (", ";"}) {
    CAPTURE(text);
    CHECK_FALSE(analyze(text));
  }
  CHECK_FALSE(analyze(std::string_view("select 1\0; drop table t", 23)));
  CHECK(analyze("select 1;"));
}

TEST_CASE("long chains of every left-recursive rule are analysed or refused, never a crash") {
  const auto repeated = [](std::string_view head, std::string_view piece, size_t count,
                           std::string_view tail) {
    std::string text(head);
    for (size_t i = 0; i < count; ++i) text += piece;
    return text + std::string(tail);
  };
  struct Case {
    std::string_view head, piece, tail;
  };
  const Case cases[] = {{"select 1", "+1", ""},
                        {"select 1", "::int", ""},
                        {"select ", "not ", "true"},
                        {"select ", "- ", "1"},
                        {"select 1", " union select 1", ""},
                        {"select true", " and true", ""},
                        {"select a", ".b", " from t"},
                        {"select a", "[1]", " from t"},
                        {"select 'a'", "||'b'", ""},
                        {"select * from t", " join t on true", ""},
                        {"select 1", ",1", ""},
                        {"select ", "(", ""},
                        {"select 1", " is null", ""},
                        {"select 'a'", " collate \"C\"", ""},
                        {"select ", "case when true then ", "1"},
                        {"select ", "array[", ""},
                        {"select ", "f(", ""},
                        {"select * from ", "(select * from ", "t"}};
  const auto run = [&](Effort wanted) {
    for (const Case& c : cases) {
      // The longest of each that the effort admits.
      size_t low = 1, high = 400'000;
      while (low + 1 < high) {
        const size_t middle = (low + high) / 2;
        (effort(repeated(c.head, c.piece, middle, c.tail)) <= wanted ? low : high) = middle;
      }
      (void)analyze(repeated(c.head, c.piece, low, c.tail));
    }
  };
  on_stack(small_stack_bytes, [&] { run(Effort::small); });
  on_stack(large_stack_bytes, [&] { run(Effort::large); });
  CHECK_FALSE(analyze(repeated("select 1", "+1", 1'000'000, "")));
  // The grammar's own scanner would take the square of it.
  CHECK(analyze(repeated("select /*", "/*", 200'000, "") + repeated("", "*/", 200'001, " 1")));
  CHECK_FALSE(analyze("select 1 /* /* */"));
}

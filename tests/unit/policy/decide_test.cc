// Decisions, by what statements do.
#include "ringfence/policy/decide.h"

#include <doctest/doctest.h>

#include "ringfence/base/utf8.h"
#include "ringfence/sql/analyze.h"

using namespace ringfence;
using namespace ringfence::policy;

namespace {

struct World {
  Policy policy;
  World() {
    policy.name = "p";
    policy.roles = {{"dev"}};
  }
  Access access() const {
    std::vector<Problem> problems;
    auto set = PolicySet::compile({policy}, problems);
    for (const auto& problem : problems) MESSAGE(problem.message);
    REQUIRE(set);
    return set->access({"dev"}, {});
  }
  Decision decide(std::string_view text, std::vector<Finding>* findings = nullptr) const {
    const Access access = this->access();
    auto facts = sql::analyze(text);
    if (!facts) return decide_unknown(access, facts.error().message);
    Decision decision = decide_facts(access, *facts, {}, findings);
    if (!decision.is_allowed) return decision;
    Scratch scratch;
    std::vector<Match> matches;
    Decision by_text = decide_text(access, text, scratch, matches, findings);
    return by_text.is_allowed ? decision : by_text;
  }
  bool allows(std::string_view text) const { return decide(text).is_allowed; }
};

World at(Level level) {
  World world;
  world.policy.level = level;
  return world;
}

}  // namespace

TEST_CASE("a reader's statements pass") {
  for (std::string_view text :
       {"select * from t where a ~* 'x' and b between 1 and 2 order by c limit 5",
        "select count(*), sum(a) over () from t",
        "select pg_catalog.format_type(a, 1), pg_get_userbyid(2), obj_description(1, 'pg_class')",
        "select string_agg(a, ',' order by b) filter (where c) from t group by rollup (d)",
        "begin",
        "begin read only",
        "commit",
        "rollback",
        "savepoint a",
        "show all",
        "set application_name = 'x'",
        "set extra_float_digits = 3",
        "set datestyle = iso",
        "set client_encoding to 'UTF8'",
        "set time zone 'UTC'",
        "set search_path = a, b",
        "set statement_timeout = '5s'",
        "set transaction read only",
        "reset all",
        "discard all",
        "set session characteristics as transaction read only",
        "select set_config('search_path', '', false)",
        "explain (analyze, buffers) select 1",
        "explain update t set a = 1",
        "copy (select 1) to stdout",
        "listen x",
        "prepare p as select $1",
        "execute p(1)",
        "deallocate p",
        "declare c cursor for select 1",
        "fetch 5 from c",
        "with recursive r as (select 1 union all select * from r) select * from r",
        "select random(), now()",
        "select * from generate_series(1, 5)",
        "select pg_total_relation_size('t')",
        "select '{}'::jsonb -> 'a' ->> 'b'",
        "select * from t tablesample system (1)",
        "select t.a, s.t.b from s.t",
        "select (now()).date_part",
        "select (pg_identify_object(1, 2, 3)).identity",
        "reset default_transaction_read_only",
        "select (aclexplode(a)).grantee from t"}) {
    CAPTURE(text);
    const Decision decision = at(Level::read).decide(text);
    CHECK_MESSAGE(decision.is_allowed, decision.message);
  }
}

TEST_CASE("whatever writes, or cannot be seen into, is refused to a reader") {
  for (std::string_view text : {"insert into t values (1)",
                                "with d as (delete from t returning *) select * from d",
                                "select 1 into t",
                                "explain analyze delete from t",
                                "copy t from stdin",
                                "copy t to program 'x'",
                                "copy t to '/tmp/x'",
                                "copy (delete from t returning a) to stdout",
                                "begin read write",
                                "begin isolation level serializable, read write",
                                "set transaction read write",
                                "set transaction_read_only = off",
                                "set transaction_read_only to 'no'",
                                "set local transaction_read_only to 0",
                                "set default_transaction_read_only = false",
                                "set session characteristics as transaction read write",
                                "select set_config('transaction_read_only', 'off', false)",
                                "select set_config('transaction' || '_read_only', 'off', false)",
                                "select set_config($1, $2, false)",
                                "set role postgres",
                                "set session authorization x",
                                "select set_config('role', 'x', false)",
                                "do $$ begin end $$",
                                "call p()",
                                "select lo_create(0)",
                                "select lo_import('/etc/passwd')",
                                "select pg_catalog.lo_unlink(1)",
                                "select query_to_xml('delete from t', true, true, '')",
                                "select * from dblink('x', 'y') as t(a int)",
                                "select pg_notify('a', 'b')",
                                "notify a",
                                "select pg_terminate_backend(1)",
                                "select pg_advisory_lock(1)",
                                "lock table t",
                                "alter system set a = 1",
                                "checkpoint",
                                "vacuum",
                                "analyze",
                                "reindex table t",
                                "cluster",
                                "load 'x'",
                                "commit prepared 'x'",
                                "prepare transaction 'x'",
                                "select pg_read_file('x')",
                                "select pg_ls_dir('.')",
                                "select pg_stat_reset()",
                                "select pg_reload_conf()",
                                "select pg_switch_wal()",
                                "select table_to_xml('t', true, true, '')",
                                "select my_function()",
                                "select public.lower('x')",
                                "select 1 operator(public.+) 2",
                                "select 1 @@@@ 2",
                                "select * from t for update",
                                "select nextval('s')",
                                "select setval('s', 1)",
                                "grant all on t to x",
                                "refresh materialized view v",
                                "prepare p as delete from t",
                                "create temp table x (a int)",
                                "set search_path = pg_temp, public",
                                "set search_path = public, pg_catalog",
                                "set search_path = 'public,pg_catalog'",
                                "set client_encoding = 'SJIS'",
                                "set standard_conforming_strings = off",
                                "set statement_timeout = 0",
                                "set work_mem = '1TB'",
                                "set session_replication_role = replica",
                                "select ts_stat('select 1')",
                                "select ts_rewrite('a'::tsquery, 'select 1')",
                                "select pg_create_restore_point('x')",
                                "select * from crosstab('select 1')",
                                "select xpath_table('a', 'b', 'c', 'd', 'e')",
                                "select pg_logical_emit_message(true, 'a', 'b')",
                                "select (select lo_unlink(1))",
                                "select 1 where exists (select lo_unlink(1))",
                                "values (lo_unlink(1))",
                                "select ('/etc/hostname'::text).pg_read_file",
                                "select (pid).pg_terminate_backend from pg_stat_activity",
                                "select (0::oid).lo_create",
                                "select (99).my_function",
                                "select t.lo_import from t",
                                "select ('select 1'::text).ts_stat",
                                "select (row(1)).my_function",
                                "reset transaction_read_only",
                                "set transaction_read_only to default",
                                "set local transaction_read_only = default",
                                "select 1; drop table t",
                                "selec 1",
                                "select pg_current_xact_id()",
                                "explain execute_me()"}) {
    CAPTURE(text);
    const Decision decision = at(Level::read).decide(text);
    CHECK_FALSE(decision.is_allowed);
    CHECK_FALSE(decision.message.empty());
    CHECK_FALSE(decision.rule.empty());
  }
}

TEST_CASE("a key of the startup packet may be what SET may be, and none that only a login sets") {
  const auto allowed = [](Level level, std::string_view name, std::string_view value) {
    return refuse_startup_setting(at(level).access(), name, value).empty();
  };
  const std::pair<const char*, const char*> everybodys[] = {{"row_security", "off"},
                                                            {"enable_seqscan", "off"},
                                                            {"app.tenant", "7"},
                                                            {"standard_conforming_strings", "on"},
                                                            {"application_name", "x"},
                                                            {"transaction_timeout", "5s"},
                                                            {"default_transaction_read_only", "off"},
                                                            {"search_path", "a"}};
  for (const auto& [name, value] : everybodys) {
    CAPTURE(name);
    for (Level level : {Level::read, Level::write, Level::ddl, Level::admin})
      CHECK(allowed(level, name, value));
  }
  const std::pair<const char*, const char*> who[] = {{"role", "postgres"},
                                                     {"session_authorization", "postgres"},
                                                     {"session_replication_role", "replica"},
                                                     {"local_preload_libraries", "x"},
                                                     {"session_preload_libraries", "x"},
                                                     {"ignore_system_indexes", "on"}};
  for (const auto& [name, value] : who) {
    CAPTURE(name);
    for (Level level : {Level::read, Level::write, Level::ddl}) CHECK_FALSE(allowed(level, name, value));
  }
  CHECK(allowed(Level::write, "work_mem", "1GB"));
  CHECK_FALSE(allowed(Level::read, "work_mem", "1GB"));
  CHECK_FALSE(allowed(Level::read, "lc_messages", "C"));
  CHECK_FALSE(allowed(Level::read, "plv8.start_proc", "x"));
}

TEST_CASE("a reader's time limits may be changed, but not to what PostgreSQL takes for none") {
  const Access reader = at(Level::read).access();
  const char* const settings[] = {"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout",
                                  "idle_session_timeout", "transaction_timeout"};
  const auto is_allowed = [&](const std::string& name, const std::string& value) {
    const bool by_set = at(Level::read).allows("set " + name + " = '" + value + "'");
    CHECK(at(Level::read).allows("set local " + name + " to '" + value + "'") == by_set);
    CHECK(at(Level::read).allows("select set_config('" + name + "', '" + value + "', false)") == by_set);
    CHECK(at(Level::read)
              .allows("select pg_catalog.set_config('" + name + "'::text, '" + value +
                      "'::varchar::text, true)") == by_set);
    CHECK(refuse_startup_setting(reader, name, value).empty() == by_set);
    return by_set;
  };
  for (const std::string name : settings) {
    CAPTURE(name);
    for (const char* value : {"1", "5000", "1ms", "5s", "5 s", "30min", "2h", "24d", " 5s ", "2147483647",
                              "2147483647ms", "596h"}) {
      CAPTURE(value);
      CHECK(is_allowed(name, value));
    }
    for (const char* value : {"0",
                              "0s",
                              "0.4",
                              "1us",
                              "499us",
                              "1e-9",
                              "1e3",
                              "1e-9d",
                              "0.1ms",
                              ".1",
                              "-1",
                              "+5",
                              "05",
                              "0x5",
                              "0x0",
                              "5 us",
                              "5S",
                              "5MIN",
                              "5sec",
                              "5kB",
                              "s",
                              "",
                              " ",
                              "5s5",
                              "5 s s",
                              "5\t0",
                              "1,000",
                              "2147483648",
                              "2147484s",
                              "25d",
                              "18446744073709551617",
                              "99999999999999999999999999d",
                              "none",
                              "off",
                              "default",
                              "infinity"}) {
      CAPTURE(value);
      CHECK_FALSE(is_allowed(name, value));
    }
    CHECK(at(Level::read).allows("set " + name + " = 5000"));
    CHECK(at(Level::read).allows("set " + name + " to default"));
    for (const char* bare : {"0", "0.4", "1e-9", "-5", "99999999999", "5e3", "off"}) {
      CAPTURE(bare);
      CHECK_FALSE(at(Level::read).allows("set " + name + " = " + bare));
    }
  }
}

TEST_CASE("a writer sets by UPDATE pg_settings what he may set, and nothing without a constant name") {
  const World writer = at(Level::write);
  CHECK(writer.allows("update pg_settings set setting = '64MB' where name = 'work_mem'"));
  for (std::string_view text :
       {"update pg_catalog.pg_settings set setting = 'off' where name = 'standard_conforming_strings'",
        "update pg_settings set setting = 'SJIS' where name = 'client_encoding'",
        "update pg_settings set setting = 'x'", "update pg_settings set setting = 'x' where name = 'role'",
        "update pg_settings set setting = 'off' where name ~ 'conform'",
        "with a as (update pg_settings set setting = 'off' where name = $1 returning 1) select 1"}) {
    INFO(text);
    CHECK(!writer.allows(text));
    CHECK(at(Level::admin).allows(text));
  }
  CHECK(!at(Level::read).allows("update pg_settings set setting = '64MB' where name = 'work_mem'"));
}

TEST_CASE("what set_config sets is known only where no cast changes it") {
  for (std::string_view text :
       {"select set_config('statement_timeout', 2::bit(1)::text, false)",
        "select set_config('lock_timeout', '10'::bpchar(1), false)",
        "select set_config('client_encoding', 'SJISx'::char(4), false)",
        "select set_config('search_path', '11'::regnamespace::text, false)",
        "select set_config('statement_timeout', '5'::own.text, false)",
        "select set_config('jit'::varchar(2), 'x', false)",
        "select set_config('statement_timeout', array['5']::text[], false)",
        "select set_config('statement_timeout', null, false)", "select set_config('jit', 'on')"}) {
    CAPTURE(text);
    CHECK_FALSE(at(Level::read).allows(text));
  }
  CHECK(at(Level::read)
            .allows("select set_config('application_name'::character varying, 'x'::pg_catalog.text, false)"));
}

TEST_CASE("tools may look at keys and tablespaces as they do, and clean a connection up") {
  CHECK(at(Level::read).allows("select (information_schema._pg_expandarray(i.indkey)).n from pg_index i"));
  CHECK(at(Level::read)
            .allows("select r.a from (select information_schema._pg_expandarray(i.indkey) as keys, 1 as a "
                    "from pg_index i) r where (r.keys).x = 1"));
  CHECK(at(Level::read).allows("select pg_tablespace_location(oid) from pg_tablespace"));
  CHECK(at(Level::read).allows("select pg_advisory_unlock_all()"));
  CHECK_FALSE(at(Level::read).allows("select pg_advisory_unlock(1)"));
  CHECK_FALSE(at(Level::read).allows("select _pg_expandarray('1')"));
  CHECK_FALSE(at(Level::read).allows("select information_schema.own(1)"));
  CHECK_FALSE(at(Level::read).allows("select information_schema.lower('x')"));
}

TEST_CASE("each level admits its own kinds and those below") {
  CHECK(at(Level::write).allows("insert into t values (nextval('s'))"));
  CHECK(at(Level::write).allows("begin read write"));
  CHECK(at(Level::write).allows("set work_mem = '1GB'"));
  CHECK(at(Level::write).allows("select pg_notify('a', 'b')"));
  CHECK_FALSE(at(Level::write).allows("create table t (a int)"));
  CHECK_FALSE(at(Level::write).allows("do $$ $$"));
  CHECK_FALSE(at(Level::write).allows("call p()"));
  CHECK_FALSE(at(Level::write).allows("select my_function()"));
  CHECK_FALSE(at(Level::write).allows("prepare transaction 'x'"));
  CHECK_FALSE(at(Level::write).allows("set role x"));
  CHECK_FALSE(at(Level::write).allows("set standard_conforming_strings = off"));
  CHECK_FALSE(at(Level::write).allows("select ('select 1'::text).ts_stat"));
  CHECK_FALSE(at(Level::write).allows("select lo_export(1, '/tmp/x')"));
  CHECK(at(Level::ddl).allows("create table t (a int)"));
  CHECK(at(Level::ddl).allows("drop table t"));
  CHECK_FALSE(at(Level::ddl).allows("alter system set a = 1"));
  CHECK_FALSE(at(Level::ddl).allows("create extension x"));
  CHECK(at(Level::admin).allows("alter system set a = 1"));
  CHECK(at(Level::admin).allows("do $$ $$"));
  CHECK(at(Level::admin).allows("not even SQL"));
}

TEST_CASE("a policy admits kinds and functions by name beyond its level") {
  World world = at(Level::read);
  world.policy.kinds = {Text{"notify", ""}, Text{"call", ""}};
  world.policy.functions = {Text{"app.report", ""}, Text{"app.run_*", ""}};
  CHECK(world.allows("notify x"));
  CHECK_FALSE(world.allows("delete from t"));
  CHECK(world.allows("select app.report(1)"));
  CHECK(world.decide("select app.report(1)").calls_named_functions);
  CHECK_FALSE(world.decide("select lower('x')").calls_named_functions);
  CHECK_FALSE(world.allows("select report(1)"));
  CHECK(world.allows("call app.run_me()"));
  CHECK_FALSE(world.allows("call app.other()"));
}

TEST_CASE(
    "what cannot be seen into is known to the decision, and not admitted where the server is silent about "
    "it") {
  World world = at(Level::read);
  world.policy.kinds = {Text{"do", ""}};
  world.policy.functions = {Text{"report", ""}, Text{"<~>", ""}};
  for (std::string_view text : {"select report(1)", "select (t.x).report from t", "select 1 <~> 2",
                                "do $$ begin end $$", "call report()"}) {
    CAPTURE(text);
    const Decision decision = world.decide(text);
    CHECK(decision.is_allowed);
    CHECK(decision.calls_named_functions);
    // Before 14 the server does not report default_transaction_read_only.
    CHECK_FALSE(decide_facts(world.access(), *sql::analyze(text), {13}).is_allowed);
    CHECK(decide_facts(world.access(), *sql::analyze(text), {14}).is_allowed);
  }
  world.policy.level = Level::write;
  CHECK(decide_facts(world.access(), *sql::analyze("select report(1)"), {13}).is_allowed);
}

TEST_CASE("deny beats allow, and says where it stands") {
  World world = at(Level::ddl);
  Rule rule;
  rule.where = "file:31";
  rule.relations = {{"hr.*"}};
  world.policy.deny = {rule};
  CHECK_FALSE(world.allows("select * from hr.pay"));
  CHECK_FALSE(world.allows("drop table hr.pay"));
  CHECK_FALSE(world.allows("select * from pay"));  // Of hr, for all that is known.
  CHECK(world.allows("select * from public.pay"));
  CHECK(world.decide("select * from hr.pay").rule == "policy p: deny file:31");
  CHECK(world.decide("select 1, a from hr.pay").at == 5);
  rule.kinds = {Text{"drop_*", ""}, Text{"truncate", ""}};
  world.policy.deny = {rule};
  CHECK(world.allows("select * from hr.pay"));
  CHECK_FALSE(world.allows("truncate hr.pay"));
  Rule allow;
  allow.where = "file:40";
  allow.relations = {{"*"}};
  world.policy.allow = {allow};
  CHECK_FALSE(world.allows("drop table hr.pay"));
}

TEST_CASE("a missing WHERE is denied on its own") {
  World world = at(Level::write);
  Rule rule;
  rule.missing_where = true;
  rule.message = "give a WHERE";
  world.policy.deny = {rule};
  CHECK_FALSE(world.allows("delete from t"));
  CHECK_FALSE(world.allows("update t set a = 1 where 1 = 1"));
  CHECK_FALSE(world.allows("with d as (delete from t returning *) select * from d"));
  CHECK(world.allows("delete from t where id = 1"));
  CHECK(world.decide("delete from t").message == "give a WHERE");
}

TEST_CASE("a rule by kind sees what MERGE, ON CONFLICT and COPY do") {
  const std::string_view erasing = "merge into ledger using (select 1) s on true when matched then delete";
  const std::string_view changing = "insert into t (id) values (1) on conflict (id) do update set a = 1";
  World world = at(Level::write);
  Rule rule;
  rule.kinds = {{"delete"}};
  rule.relations = {{"ledger"}};
  world.policy.deny = {rule};
  CHECK_FALSE(world.allows(erasing));
  CHECK_FALSE(world.allows("explain analyze " + std::string(erasing)));
  CHECK_FALSE(world.allows("prepare p as " + std::string(erasing)));
  CHECK(world.allows("merge into ledger using s on ledger.i = s.i when matched then update set a = 1"));
  CHECK(world.allows("merge into other using s on other.i = s.i when matched then delete"));
  rule = {};
  rule.missing_where = true;
  world.policy.deny = {rule};
  CHECK_FALSE(world.allows(erasing));
  CHECK(world.allows("merge into ledger using s on ledger.i = s.i when matched then delete"));
  CHECK(world.allows(changing));
  rule = {};
  rule.kinds = {{"update"}};
  world.policy.deny = {rule};
  CHECK_FALSE(world.allows(changing));
  CHECK_FALSE(world.allows("with x as (" + std::string(changing) + " returning id) select * from x"));
  CHECK(world.allows("insert into t (id) values (1) on conflict do nothing"));
  rule.kinds = {{"insert"}};
  world.policy.deny = {rule};
  CHECK_FALSE(world.allows("copy t from stdin"));
  CHECK_FALSE(world.allows("merge into t using s on t.i = s.i when not matched then insert values (1)"));
  CHECK(world.allows("copy t to stdout"));

  rule.kinds = {{"select"}};
  rule.relations = {{"hr.*"}};
  world.policy.deny = {rule};
  for (std::string_view text :
       {"select a from hr.pay", "prepare p as select a from hr.pay",
        "declare c cursor for select a from hr.pay", "copy (select a from hr.pay) to stdout",
        "explain analyze select a from hr.pay"}) {
    CAPTURE(text);
    CHECK_FALSE(world.allows(text));
  }
  CHECK(world.allows("explain select a from hr.pay"));
  CHECK(world.allows("prepare p as insert into hr.pay (a) values (1)"));

  world.policy.deny.clear();
  HoldRule hold;
  hold.kinds = {{"delete"}};
  hold.timeout_ms = 1000;
  world.policy.hold = {hold};
  CHECK(world.decide(erasing).hold_ms == 1000);
  CHECK(world.decide(changing).hold_ms == 0);

  world.policy.hold.clear();
  Rule allow;
  allow.kinds = {{"insert"}};
  world.policy.allow = {allow};
  CHECK(world.allows("insert into t (id) values (1)"));
  CHECK_FALSE(world.allows(changing));
  CHECK_FALSE(world.allows("copy t from stdin"));
  world.policy.allow[0].kinds = {Text{"prepare", ""}, Text{"copy_to", ""}};
  CHECK(world.allows("prepare p as select 1"));
  CHECK(world.allows("copy (select 1) to stdout"));
  CHECK_FALSE(world.allows("prepare p as insert into t (id) values (1)"));
  world.policy.allow[0].kinds = {{"merge"}};
  CHECK_FALSE(world.allows(erasing));
  CHECK(world.allows("merge into t using s on t.i = s.i when matched then do nothing"));
  world.policy.allow[0].kinds = {Text{"merge", ""}, Text{"delete", ""}, Text{"copy_from", ""},
                                 Text{"insert", ""}};
  CHECK(world.allows(erasing));
  CHECK(world.allows("copy t from stdin"));

  World reader = at(Level::read);
  reader.policy.kinds = {Text{"insert", ""}, Text{"merge", ""}};
  CHECK(reader.allows("insert into t (id) values (1)"));
  CHECK_FALSE(reader.allows(changing));
  CHECK_FALSE(reader.allows(erasing));
}

TEST_CASE("a column rule counts every way in which a column can be meant") {
  World world = at(Level::write);
  Rule rule;
  rule.columns = {{"users.password"}};
  world.policy.deny = {rule};
  for (std::string_view text :
       {"select password from users", "select u.password from users u", "select * from users",
        "select u from users u", "select u.* from users u", "table users", "select x from users as u (i, x)",
        "select id from users natural join t", "select count(password) from users",
        "update users set password = 'x' where id = 1", "insert into users values (1)",
        "select 1 from users order by password", "copy users to stdout",
        "delete from users where id = 1 returning *", "with u as (select * from users) select 1",
        "select row_to_json(users) from users"}) {
    CAPTURE(text);
    CHECK_FALSE(world.allows(text));
  }
  CHECK(world.allows("select id from users"));
  CHECK(world.allows("select password from other"));
  CHECK(world.allows("select * from other"));
}

TEST_CASE("a column rule counts a call with the whole row that is written as a column") {
  World world = at(Level::write);
  Rule rule;
  rule.columns = {{"users.password"}};
  world.policy.deny = {rule};
  const auto check_refused = [&] {
    for (std::string_view text :
         {"select u.row_to_json from users u",
          "select u.to_jsonb from users u",
          "select users.to_json from users",
          "select u.json_agg from users u",
          "select u.jsonb_agg from users u",
          "select u.array_agg from users u",
          "select u.concat from users u",
          "select u.json_build_array from users u",
          "select u.jsonb_build_array from users u",
          "select u.quote_literal from users u",
          "select u.quote_nullable from users u",
          "select u.record_out from users u",
          "select u.record_send from users u",
          "select u.hash_record from users u",
          "select u.hstore from users u",
          "select public.users.to_jsonb from public.users",
          "select db.public.users.to_jsonb from public.users",
          "select u.\"row_to_json\" from users u",
          "select U.ROW_TO_JSON from users u",
          "select 1 from users u where u.to_jsonb ? 'x'",
          "select id from users u order by u.to_jsonb",
          "select count(*) from users u group by u.to_jsonb",
          "select id from users u join t on u.to_jsonb = t.a",
          "select (u.to_jsonb) -> 'password' from users u",
          "select lower(u.concat) from users u",
          "delete from users where id = 1 returning users.to_jsonb",
          "update users u set name = u.concat where id = 1",
          "update t set a = u.to_jsonb from users u where u.id = t.id",
          "insert into t (a) select u.to_jsonb from users u",
          "insert into t (a) values (1) on conflict (a) do update set b = (select u.to_jsonb from users u)",
          "merge into t using users u on u.id = t.id when matched then update set a = u.to_jsonb",
          "copy (select u.row_to_json from users u) to stdout",
          "select s.row_to_json from (select * from users) s",
          "select s.row_to_json from (select u.id, u.name from users u) s",
          "with s as (select id from users) select s.to_jsonb from s",
          "select j.row_to_json from users join t using (id) as j",
          "select j.to_jsonb from (users join t on true) as j",
          "select f.row_to_json from users u, f(u) f",
          "select f.row_to_json from users u, lateral lower(u.name) f",
          "select (c.addr).to_json, u.to_json from users u, c",
          "prepare p as select u.to_jsonb from users u",
          "declare c cursor for select u.to_jsonb from users u",
          "select x.to_jsonb from t, lateral (select u.to_jsonb from users u) x",
          "select u.report from users u",
          "select u.other from users u",
          "delete from users where id = 1 returning old",
          "insert into users (id) values (1) returning new"}) {
      CAPTURE(text);
      CHECK_FALSE(world.allows(text));
    }
  };
  world.policy.functions = {Text{"report", ""}, Text{"app.other", ""}, Text{"f", ""}};
  check_refused();
  world.policy.level = Level::admin;
  check_refused();
  world.policy.level = Level::write;
  CHECK(world.decide("select u.id, u.row_to_json from users u").at == 5);
  for (std::string_view text :
       {"select u.id, u.name, users.count, public.users.rank, u.format, u.mode, u.first_value from users u, "
        "users, public.users",
        "select u.lag, u.text, u.version, u.date_part, u.length, u.max, u.min from users u",
        "select u.row_to_json from other u", "select u.num_nulls, u.pg_typeof from users u",
        "update users u set name = u.id where u.id = 1 returning u.id",
        "select to_jsonb(u.id) from users u"}) {
    CAPTURE(text);
    CHECK(world.allows(text));
  }
  CHECK_FALSE(decide_facts(world.access(), *sql::analyze("select u.max from users u"), {18}).is_allowed);

  world.policy.deny.clear();
  rule.columns = {Text{"users.id", ""}, Text{"users.*_json*", ""}};
  world.policy.allow = {rule};
  CHECK(world.allows("select u.id from users u"));
  CHECK(world.allows("select u.some_json from users u"));
  CHECK_FALSE(world.allows("select u.row_to_json from users u"));
  CHECK_FALSE(world.allows("select u.id from users u where u.row_to_json is null"));
}

TEST_CASE("allow rules admit only what is wholly within one of them") {
  World world = at(Level::write);
  Rule reports;
  reports.kinds = {{"select"}};
  reports.relations = {{"reports.*"}};
  Rule nothing_named;
  nothing_named.kinds = {Text{"begin", ""}, Text{"commit", ""}};
  world.policy.allow = {reports, nothing_named};
  CHECK(world.allows("select * from reports.a join reports.b using (i)"));
  CHECK_FALSE(world.allows("select * from reports.a, hr.pay"));
  CHECK_FALSE(world.allows("select * from a"));
  CHECK_FALSE(world.allows("delete from reports.a where i = 1"));
  CHECK_FALSE(world.allows("with d as (delete from reports.a returning *) select * from d"));
  CHECK(world.allows("begin"));
  CHECK_FALSE(world.allows("rollback"));
}

TEST_CASE("with a whitelist only what a pattern matches passes, and the level still holds") {
  World world = at(Level::read);
  world.policy.whitelist = {Text{"^select .* from orders", "file:5"}, Text{"^delete", "file:6"}};
  CHECK(world.allows("SELECT id FROM orders"));
  CHECK_FALSE(world.allows("select id from users"));
  CHECK_FALSE(world.allows("delete from orders"));
  CHECK_FALSE(world.allows("begin"));
  CHECK(world.decide("select id from users").rule == "whitelist");
  world.policy.whitelist = std::vector<Text>{};
  CHECK_FALSE(world.allows("select 1"));
}

TEST_CASE("findings name every rule that bears on the statement") {
  World world = at(Level::read);
  Rule rule;
  rule.where = "file:9";
  rule.relations = {{"secrets"}};
  world.policy.deny = {rule};
  std::vector<Finding> findings;
  CHECK_FALSE(world.decide("delete from secrets where lo_unlink(a) = 1", &findings).is_allowed);
  CHECK(findings.size() == 3);
  for (const Finding& finding : findings) CHECK(finding.refuses);
}

TEST_CASE("a FunctionCall passes only by the list of functions") {
  CHECK(decide_function_call(at(Level::read).access(), 1397, {}).is_allowed);       // abs(int)
  CHECK_FALSE(decide_function_call(at(Level::read).access(), 964, {}).is_allowed);  // lo_unlink
  CHECK_FALSE(decide_function_call(at(Level::read).access(), 50'000, {}).is_allowed);
  CHECK(decide_function_call(at(Level::admin).access(), 50'000, {}).is_allowed);
}

TEST_CASE("the same inputs give the same decision, and no access decides everything") {
  const Access nobody;
  CHECK_FALSE(decide_facts(nobody, *sql::analyze("select 1"), {}).is_allowed);
  CHECK_FALSE(decide_unknown(nobody, "x").is_allowed);
  CHECK_FALSE(decide_function_call(nobody, 1397, {}).is_allowed);
}

TEST_CASE("a rule's name is what PostgreSQL makes of it") {
  World world = at(Level::write);
  world.policy.deny.push_back({});
  world.policy.deny[0].kinds = {{"DELETE"}};
  CHECK_FALSE(world.allows("delete from t"));
  CHECK(world.allows("update t set a = 1"));
  world.policy.deny[0].kinds.clear();
  world.policy.deny[0].relations = {{"HR.Orders"}};
  CHECK_FALSE(world.allows("select 1 from orders"));
  CHECK_FALSE(world.allows("select 1 from ORDERS"));
  CHECK_FALSE(world.allows("select 1 from \"Orders\""));
  CHECK_FALSE(world.allows("select 1 from hr.\"ORDERS\""));
  CHECK(world.allows("select 1 from public.orders"));
  world.policy.deny[0].relations.clear();
  world.policy.deny[0].columns = {{"Secret"}};
  CHECK_FALSE(world.allows("select secret from t"));
  world.policy.deny[0].columns = {{"geh\xc3\xa4lter"}};
  CHECK_FALSE(world.allows("select geh\xc3\x84lter from t"));
  world = at(Level::read);
  world.policy.functions = {{"Reports.Monthly"}};
  CHECK(world.allows("select reports.monthly()"));
  CHECK_FALSE(world.allows("select reports.\"Monthly\"()"));
}

TEST_CASE("what the server may fold beyond ASCII has to be allowed folded, too") {
  World world = at(Level::read);
  world.policy.allow.push_back({});
  world.policy.allow[0].relations = {{"\xc3\x84"}};
  const Access access = world.access();
  const auto facts = sql::analyze("select 1 from \xc3\x84");
  REQUIRE(facts);
  SessionFacts session;
  CHECK(decide_facts(access, *facts, session).is_allowed);
  session.folds_beyond_ascii = true;
  CHECK_FALSE(decide_facts(access, *facts, session).is_allowed);
  world.policy.allow[0].relations.push_back({"\xc3\xa4"});
  CHECK(decide_facts(world.access(), *facts, session).is_allowed);
}

TEST_CASE("rules about relations and columns close what shows their data elsewhere, at every level") {
  World world = at(Level::read);
  world.policy.deny.push_back({});
  world.policy.deny[0].columns = {{"customers.card_number"}};
  for (std::string_view text : {"select * from pg_stats",
                                "select most_common_vals from pg_catalog.pg_stats",
                                "table pg_statistic",
                                "select 1 from pg_stats_ext",
                                "select a from (select exprs::text a from pg_stats_ext_exprs) x",
                                "copy pg_stats to stdout",
                                "select stxdmcv from pg_statistic_ext_data",
                                "select query from pg_stat_activity",
                                "select * from pg_stat_activity",
                                "select a from pg_stat_activity a",
                                "select a.query from pg_catalog.pg_stat_activity a",
                                "table pg_stat_activity",
                                "select to_jsonb(a) from pg_stat_activity a",
                                "select pg_stat_get_backend_activity(1)",
                                "select * from pg_stat_get_activity(null)",
                                "select query from x.pg_stat_statements",
                                "select (pg_stat_get_activity(1)).query",
                                "select (1).pg_stat_get_backend_activity",
                                "select chunk_data from pg_toast.pg_toast_16384",
                                "select chunk_data from pg_toast_16384",
                                "select lo_import('base/5/16384')",
                                "select data from pg_largeobject",
                                "explain select * from pg_stats",
                                "prepare p as select * from pg_stats"}) {
    CAPTURE(text);
    for (Level level : {Level::read, Level::admin}) {
      world.policy.level = level;
      world.policy.opens_catalog = false;
      CHECK_FALSE(world.allows(text));
      world.policy.opens_catalog = true;
      if (level == Level::admin) CHECK(world.allows(text));
    }
  }
  world.policy.level = Level::admin;
  world.policy.opens_catalog = false;
  for (std::string_view text :
       {"select table_to_xml('hr.pay', true, true, '')",
        "select query_to_xml('table hr.pay', true, true, '')", "select * from dblink('x', 'y') as t(a int)",
        "select pg_read_file('x')", "select get_raw_page('t', 0)", "select * from heap_page_items(null)",
        "select ts_stat('x')", "select pg_get_wal_records_info('0/1', '0/2')"}) {
    CAPTURE(text);
    CHECK_FALSE(world.allows(text));
  }
  for (std::string_view text :
       {"select pid, state, wait_event from pg_stat_activity", "select calls from pg_stat_statements",
        "select stxname from pg_statistic_ext",
        "select pg_get_viewdef(1), pg_get_functiondef(2), pg_get_statisticsobjdef(3)",
        "select * from pg_class", "select * from pg_prepared_statements", "select 1 from public.pg_stats",
        "select reltuples from pg_class", "select * from pg_locks", "select name from customers"}) {
    CAPTURE(text);
    CHECK(world.allows(text));
  }
  // Without such rules nothing is closed; named in functions, a function is open.
  world.policy.functions = {{"dblink"}};
  CHECK(world.allows("select a from dblink('x', 'y') as t(a int)"));
  world.policy.deny[0].columns.clear();
  world.policy.deny[0].kinds = {{"truncate"}};
  CHECK(world.allows("select * from pg_stats"));
}

TEST_CASE("set_config may have a computed value where any is harmless") {
  for (std::string_view text :
       {"select set_config('TimeZone', $1, false)", "select set_config('app.user_id', $1, true)",
        "select set_config('request.jwt.claims', $1::text, $2)",
        "select pg_catalog.set_config('DateStyle', lower('ISO'), $1)",
        "select set_config('application_name', a, false) from t"}) {
    CAPTURE(text);
    CHECK(at(Level::read).allows(text));
    CHECK(at(Level::write).allows(text));
  }
  for (std::string_view text :
       {"select set_config('statement_timeout', $1, false)", "select set_config('work_mem', $1, false)",
        "select set_config('default_transaction_read_only', $1, false)",
        "select set_config('plv8.start_proc', $1, false)", "select set_config('.x', $1, false)"}) {
    CAPTURE(text);
    CHECK_FALSE(at(Level::read).allows(text));
    CHECK(at(Level::write).allows(text));
  }
  for (std::string_view text :
       {"select set_config('role', $1, false)", "select set_config($1, $2, false)",
        "select set_config('search_path', $1, false)", "select set_config('TimeZone', $1)",
        "select set_config('client_encoding', $1, false)",
        "select set_config('standard_conforming_strings', $1, false)",
        "select set_config('session_authorization', $1, false)",
        "select set_config(setting_name => 'TimeZone', new_value => $1, is_local => false)",
        "select set_config('Time' || 'Zone', $1, false)"}) {
    CAPTURE(text);
    CHECK_FALSE(at(Level::read).allows(text));
    CHECK_FALSE(at(Level::write).allows(text));
  }
}

TEST_CASE("a reader may set what costs a bounded amount") {
  for (std::string_view text :
       {"set work_mem = '64MB'", "set work_mem = '256MB'", "set work_mem to 65536", "set work_mem = '1024kB'",
        "set effective_cache_size = '64GB'", "set max_parallel_workers_per_gather = 4",
        "set default_statistics_target = 500", "set app.tenant = '7'", "set xmlbinary = hex",
        "set random_page_cost = 1.1", "set geqo = off", "set geqo_threshold = 20",
        "set join_collapse_limit = 1", "set jit_above_cost = -1", "set constraint_exclusion = partition",
        "set lc_monetary = 'C'", "set default_text_search_config = 'pg_catalog.english'"}) {
    CAPTURE(text);
    CHECK(at(Level::read).allows(text));
  }
  for (std::string_view text :
       {"set work_mem = '257MB'", "set work_mem = '1GB'", "set work_mem = -1", "set work_mem = '0'",
        "set work_mem = '1e9'", "set work_mem = '99999999999999999999'", "set work_mem = '1TB'",
        "set max_parallel_workers_per_gather = 9", "set max_parallel_workers_per_gather = '1e3'",
        "set plv8.start_proc = 'f'", "set jit_dump_bitcode = on", "set hash_mem_multiplier = 1000",
        "set temp_buffers = '9GB'"}) {
    CAPTURE(text);
    CHECK_FALSE(at(Level::read).allows(text));
  }
}

TEST_CASE("below admin nothing is searched before PostgreSQL's own functions") {
  for (Level level : {Level::write, Level::ddl}) {
    for (std::string_view text :
         {"set search_path = evil, pg_catalog", "set local search_path = evil, PG_CATALOG, public",
          "set search_path = 'evil,pg_catalog'",
          "select set_config('search_path', 'evil, \"pg_catalog\"', false)",
          "update pg_settings set setting = 'evil, pg_catalog' where name = 'search_path'",
          "select set_config('search_path', current_setting('app.path'), false)",
          "set schema 'evil,pg_catalog'",
          "select set_config('search_path', 'pg_catalogs, pg_catalog', false)",
          "select set_config('search_path', '\" pg_catalog\", evil, pg_catalog', false)"}) {
      CAPTURE(text);
      CHECK_FALSE(at(level).allows(text));
      CHECK(at(Level::admin).allows(text));
    }
    for (std::string_view text :
         {"set search_path = public, pg_temp", "set search_path = pg_catalog, public",
          "set search_path to default", "set schema 'public'", "select set_config('search_path', '', false)",
          "select set_config('search_path', 'pg_catalog, public', false)",
          "select set_config('search_path', '\"pg_catalog\",a', true)"}) {
      CAPTURE(text);
      CHECK(at(level).allows(text));
    }
    CHECK(refuse_startup_setting(at(level).access(), "search_path", "public, x") == "");
    CHECK(refuse_startup_setting(at(level).access(), "search_path", "evil,pg_catalog") != "");
  }
  // That is the function's, which is called by its name anyway.
  CHECK(at(Level::ddl)
            .allows("create function f() returns int language sql set search_path = public, pg_catalog as "
                    "'select 1'"));
  CHECK(at(Level::ddl).allows("alter function f() set search_path = a, pg_catalog"));
}

TEST_CASE("a view over functions that only an administrator may call is refused as they are") {
  for (std::string_view text :
       {"select * from pg_hba_file_rules", "table pg_catalog.pg_file_settings",
        "select rolpassword from pg_authid", "select passwd from pg_shadow", "select setting from pg_config",
        "select 1 from pg_ident_file_mappings", "select umoptions from pg_user_mapping",
        "select m.umoptions from pg_user_mappings m", "table pg_catalog.pg_user_mappings",
        "select m from pg_user_mappings m",
        "select option_value from information_schema.user_mapping_options",
        "select * from information_schema._pg_user_mappings", "select subconninfo from pg_subscription"}) {
    CAPTURE(text);
    for (Level level : {Level::read, Level::write, Level::ddl}) CHECK_FALSE(at(level).allows(text));
    CHECK(at(Level::admin).allows(text));
  }
  CHECK(at(Level::read).allows("select srvname, usename from pg_user_mappings"));
  CHECK(at(Level::read).allows("select subname, subenabled from pg_subscription"));
  for (std::string_view text :
       {"select * from pg_settings", "select * from pg_roles", "select * from pg_locks",
        "select * from pg_stat_activity", "select * from public.pg_config",
        "select * from pg_control_system()", "select * from pg_tables", "select * from pg_stat_user_tables",
        "select * from information_schema.columns",
        "select (pg_catalog.txid_current() % 4294967296)::varchar::bigint"}) {
    CAPTURE(text);
    CHECK(at(Level::read).allows(text));
  }
  World world = at(Level::read);
  world.policy.functions = {{"pg_catalog.pg_config"}};
  CHECK_FALSE(world.allows("select * from pg_config"));
  CHECK(world.allows("select * from pg_catalog.pg_config"));
}

TEST_CASE("rows of the catalog are an administrator's to change") {
  for (std::string_view text :
       {"update pg_authid set rolsuper = true",
        "insert into pg_catalog.pg_auth_members values (1, 2, 3, true)", "delete from pg_policy",
        "copy pg_proc from stdin", "update pg_catalog.anything set a = 1",
        "with d as (delete from pg_shdepend returning 1) select * from d",
        "explain analyze delete from pg_class", "prepare p as update pg_database set datacl = null",
        "update pg_stat_database_conflicts set datname = 'x'", "delete from information_schema.enabled_roles",
        "delete from enabled_roles", "update pg_group set groname = 'x'",
        "merge into pg_type t using x on true when matched then delete",
        "insert into pg_description values (1, 1, 1, 'x') on conflict do nothing"}) {
    CAPTURE(text);
    for (Level level : {Level::write, Level::ddl}) CHECK_FALSE(at(level).allows(text));
    CHECK(at(Level::admin).allows(text));
    World admitted = at(Level::read);
    admitted.policy.kinds = {Text{"*", ""}};
    CHECK_FALSE(admitted.allows(text));
  }
  for (std::string_view text :
       {"update pg_settings set setting = '64MB' where name = 'work_mem'", "update public.pg_class set a = 1",
        "insert into pg_jobs select relname from pg_class", "lock pg_class",
        "update t set a = (select count(*) from pg_type)"}) {
    CAPTURE(text);
    CHECK(at(Level::write).allows(text));
  }
  CHECK(at(Level::ddl).allows("vacuum pg_catalog.pg_class"));
  CHECK(at(Level::read).allows("explain update pg_class set relname = 'x'"));
}

TEST_CASE("rules about functions are about operators and calls behind a dot, too") {
  World world = at(Level::write);
  world.policy.deny.push_back({});
  world.policy.deny[0].functions = {{"<!!>"}, {"app.@@@"}};
  for (std::string_view text :
       {"select 1 <!!> 2", "select 1 operator(app.<!!>) 2", "select 1 operator(app.@@@) 2",
        "select a from t order by a using <!!>", "select 1 <!!> any (select 2)"}) {
    CAPTURE(text);
    CHECK_FALSE(world.allows(text));
  }
  CHECK(world.allows("select 1 <=> 2"));
  World within = at(Level::admin);
  within.policy.allow.push_back({});
  within.policy.allow[0].functions = {{"count"}, {"app.*"}, {"app.##"}};
  for (std::string_view text : {"select count(*), a + 1 from t where a = 2", "select app.f(1)",
                                "select t.name from t", "select 1 operator(app.##) 2", "call app.p()"}) {
    CAPTURE(text);
    CHECK(within.allows(text));
  }
  for (std::string_view text :
       {"select 1 <!!> 2", "select 1 operator(public.+) 2", "select t.to_jsonb from t",
        "select (t).leak from t", "do $$ $$", "call p()"}) {
    CAPTURE(text);
    CHECK_FALSE(within.allows(text));
  }
}

TEST_CASE("what is about all of a schema names each of its relations") {
  World relation = at(Level::admin), schema = at(Level::admin), column = at(Level::admin),
        other = at(Level::admin);
  relation.policy.deny.emplace_back().relations = {{"hr.salaries"}};
  schema.policy.deny.emplace_back().relations = {{"hr.*"}};
  column.policy.deny.emplace_back().columns = {{"hr.salaries.note"}};
  other.policy.deny.emplace_back().relations = {{"finance.*"}};
  World within = at(Level::admin), everything = at(Level::admin);
  within.policy.allow.emplace_back().relations = {{"public.*"}, {"hr.s*"}};
  everything.policy.allow.emplace_back().relations = {{"public.*"}, {"hr.*"}};
  for (std::string_view text :
       {"alter schema hr rename to free", "drop schema hr cascade", "drop schema if exists x, hr",
        "alter schema \"HR\" owner to x", "grant select on all tables in schema hr to public",
        "revoke all on all sequences in schema a, hr from x", "reindex schema hr",
        "create publication p for tables in schema hr", "alter publication p add tables in schema hr",
        "import foreign schema far from server s into hr"}) {
    CAPTURE(text);
    for (const World* world : {&relation, &schema, &column}) CHECK_FALSE(world->allows(text));
    CHECK(other.allows(text));
    CHECK_FALSE(within.allows(text));
  }
  CHECK(everything.allows("drop schema hr cascade"));
  everything.policy.allow[0].relations = {{"*"}};
  for (std::string_view text :
       {"vacuum", "analyze", "cluster", "reindex database shop", "drop owned by x",
        "reassign owned by x to y", "alter table all in tablespace a set tablespace b",
        "create publication p for all tables"}) {
    CAPTURE(text);
    for (const World* world : {&relation, &schema, &other, &within}) CHECK_FALSE(world->allows(text));
    CHECK(everything.allows(text));
  }
  for (std::string_view text :
       {"drop schema public", "alter schema free rename to x", "vacuum public.t", "create schema free",
        "grant usage on schema hr to x", "alter role x rename to y", "drop function hr.f"}) {
    CAPTURE(text);
    CHECK(relation.allows(text));
  }
}

TEST_CASE("a sequence in a string is a relation") {
  World denied = at(Level::write), within = at(Level::write);
  denied.policy.deny.emplace_back().relations = {{"hr.salaries*"}};
  within.policy.allow.emplace_back().relations = {{"public.*"}};
  for (std::string_view text :
       {"select setval('hr.salaries_id_seq', 1)", "select nextval('HR . \"salaries_id_seq\"'::regclass)",
        "select pg_catalog.currval('shop.hr.salaries_id_seq')", "select nextval($1)",
        "select setval(a::regclass, 1) from public.t",
        "insert into public.t values (nextval('salaries_id_seq'))",
        "select nextval('\"hr\".\"salaries_id_seq')",
        "select setval(pg_get_serial_sequence('hr.salaries', 'id'), 1)",
        "select ('hr.salaries_id_seq'::regclass).nextval"}) {
    CAPTURE(text);
    CHECK_FALSE(denied.allows(text));
    CHECK_FALSE(within.allows(text));
  }
  for (std::string_view text : {"select nextval('public.t_id_seq')",
                                "select setval(pg_get_serial_sequence('\"public\".\"t\"', 'id'), 1)",
                                "insert into public.t (a) values (nextval('public.\"T\"'::regclass))"}) {
    CAPTURE(text);
    CHECK(denied.allows(text));
    CHECK(within.allows(text));
  }
  CHECK(at(Level::write).allows("select nextval($1)"));
}

TEST_CASE("what cannot be seen into is within no rule about relations or columns") {
  for (const char* what : {"relations", "columns"}) {
    World world = at(Level::admin);
    world.policy.allow.push_back({});
    (what[0] == 'r' ? world.policy.allow[0].relations : world.policy.allow[0].columns) = {{"public.*"}};
    CHECK(world.allows("select 1"));
    CHECK_FALSE(world.allows("do $$ begin perform 1 from hr.salaries; end $$"));
    CHECK_FALSE(world.allows("call public.p()"));
  }
  World kinds = at(Level::admin);
  kinds.policy.allow.push_back({});
  kinds.policy.allow[0].kinds = {{"do"}};
  CHECK(kinds.allows("do $$ $$"));
}

TEST_CASE("what PostgreSQL 16 to 18 added is in the list") {
  const auto allows = [](std::string_view text, int version) {
    SessionFacts session;
    session.server_version = version;
    const auto facts = sql::analyze(text);
    REQUIRE(facts);
    return decide_facts(at(Level::read).access(), *facts, session).is_allowed;
  };
  for (const auto& [text, since] : {std::pair{"select array_shuffle(a), array_sample(a, 2) from t", 16},
                                    {"select random_normal()", 16},
                                    {"select any_value(a) from t", 16},
                                    {"select to_bin(1)", 17},
                                    {"select uuidv7()", 18},
                                    {"select array_sort(a) from t", 18},
                                    {"select casefold('x')", 18}}) {
    CAPTURE(text);
    CHECK(allows(text, since));
    CHECK_FALSE(allows(text, since - 1));
  }
}

TEST_CASE("FunctionCall of large objects passes at level write") {
  World world = at(Level::write);
  for (uint32_t oid : {952u, 953u, 954u, 955u, 956u, 957u, 715u, 964u, 3170u, 3171u, 3172u, 1004u}) {
    CHECK(decide_function_call(world.access(), oid, {}).is_allowed);
    CHECK_FALSE(decide_function_call(at(Level::read).access(), oid, {}).is_allowed);
  }
  CHECK_FALSE(
      decide_function_call(world.access(), 764, {}).is_allowed);  // lo_import reads a file of the server.
  CHECK_FALSE(decide_function_call(world.access(), 765, {}).is_allowed);
  world.policy.deny.push_back({});
  world.policy.deny[0].relations = {{"hr.*"}};
  CHECK(decide_function_call(world.access(), 952, {}).is_allowed);
  world.policy.deny[0].relations.clear();
  world.policy.deny[0].functions = {{"lo_open"}};
  CHECK_FALSE(decide_function_call(world.access(), 952, {}).is_allowed);
  CHECK(decide_function_call(world.access(), 953, {}).is_allowed);
  world.policy.deny.clear();
  world.policy.whitelist = std::vector<Text>{{"^select"}};
  CHECK_FALSE(decide_function_call(world.access(), 952, {}).is_allowed);
}

TEST_CASE("what the grammar does not take is told with its version, the server's, and the way out") {
  SessionFacts session;
  session.server_version = 17;
  const Access access = at(Level::read).access();
  const auto facts = sql::analyze("select * from (select 1)");
  REQUIRE_FALSE(facts);
  const Decision decision = decide_unparsed(access, facts.error().message, session);
  CHECK_FALSE(decision.is_allowed);
  CHECK(decision.message.find("the grammar of PostgreSQL 15; the server is version 17") != std::string::npos);
  CHECK(decision.hint.find("without an alias") != std::string::npos);
  CHECK(decision.hint.find("level admin") != std::string::npos);
  session.server_version = 15;
  CHECK(decide_unparsed(access, facts.error().message, session).hint.find("alias") == std::string::npos);
}

TEST_CASE("a message quotes whole characters") {
  for (std::string_view text : {"SELECT 1\xef\xbc\x9b"
                                "DELETE",
                                "select '\xc3\xa4', 12\xc3\xa9t\xc3\xa9", "select 0x\xe6\x97\xa5",
                                "select 1 \xef\xbc\x9b select 2", "select $1\xc3\xa4"}) {
    CAPTURE(text);
    const auto facts = sql::analyze(text);
    if (facts) continue;
    CHECK(is_valid_text(facts.error().message));
  }
  const auto facts = sql::analyze(
      "SELECT 1\xef\xbc\x9b"
      "DELETE FROM t");
  REQUIRE_FALSE(facts);
  CHECK(facts.error().message.find("\"1\xef\xbc\x9b"
                                   "DELETE\"") != std::string::npos);
}

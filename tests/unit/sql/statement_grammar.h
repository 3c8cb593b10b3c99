// Makes statements by a grammar, as told by a sequence of choices: random numbers in a test, the input in a
// fuzz target. Most of them are statements to PostgreSQL; names mean nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>

namespace ringfence::sql {

class StatementGrammar {
 public:
  // `choose(n)`: a number below n.
  explicit StatementGrammar(std::function<size_t(size_t)> choose) : choose_(std::move(choose)) {}

  std::string statement() {
    budget_ = 60;
    switch (choose_(22)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5: return select(3);
      case 6: return insert();
      case 7: return update();
      case 8: return erase();
      case 9: return merge();
      case 10:
        return pick({"explain ", "explain analyze ", "explain (analyze, buffers) ", "explain (analyze 0) ",
                     "explain (costs off, analyze true) "}) +
               data();
      case 11: return "prepare " + name() + pick({"", " (int)", " (text, int)"}) + " as " + data();
      case 12:
        return "declare " + name() + pick({"", " binary", " scroll"}) + " cursor" + pick({"", " with hold"}) +
               " for " + select(2);
      case 13:
        return "copy " + pick({"t", "s.t (a, b)", "(" + data() + ")"}) +
               pick({" to stdout", " from stdin", " to program 'x'", " from '/x'", " to '/x'",
                     " to stdout with (format csv)"});
      case 14: return "create " + pick({"", "temp ", "unlogged "}) + "table " + name() + " as " + data();
      case 15:
        return pick({"execute ", "deallocate ", "fetch next from ", "move 5 in ", "close ", "fetch all ",
                     "explain analyze execute ", "listen ", "unlisten ", "notify "}) +
               name();
      case 16:
        return pick({"begin", "commit", "rollback", "begin read write",
                     "start transaction isolation level serializable, read only", "savepoint a",
                     "rollback to a", "release a", "prepare transaction 'x'", "commit prepared 'x'",
                     "rollback prepared 'x'", "commit and chain", "abort", "end"});
      case 17:
        return pick({"set ", "set local ", "set session "}) +
               pick({"application_name", "search_path", "statement_timeout", "role", "transaction_read_only",
                     "work_mem", "default_transaction_read_only", "DateStyle", "client_encoding",
                     "session_authorization"}) +
               pick({" = ", " to "}) + pick({"'x'", "1", "off", "default", "on", "a, b", "0"});
      case 18:
        return pick({"set transaction read write", "set transaction read only",
                     "set session characteristics as transaction read write", "reset all", "discard all",
                     "show all", "set role r", "set session authorization r", "reset role",
                     "set time zone 'UTC'", "set names 'utf8'", "show x", "reset session authorization"});
      case 19:
        return pick({"truncate t",
                     "drop table t cascade",
                     "vacuum t",
                     "analyze t",
                     "reindex table t",
                     "cluster t",
                     "checkpoint",
                     "lock table t",
                     "alter system set x = 1",
                     "alter table t add a int",
                     "grant select on t to r",
                     "create role r",
                     "refresh materialized view v",
                     "load 'x'",
                     "call f(1)",
                     "do 'begin end'",
                     "comment on table t is 'x'",
                     "security label on table t is 'x'",
                     "create view v as select 1",
                     "create function f() returns int language sql as 'select 1'",
                     "import foreign schema s from server x into y",
                     "alter table t owner to r",
                     "drop owned by r",
                     "reassign owned by r to s",
                     "create extension x"});
      case 20: return "values (" + list(2) + ")" + pick({"", ", (1)", " order by 1", " limit 1"});
      default:
        return "table " + pick({"t", "s.t", "only t"}) + pick({"", " limit 1", " for update", " for share"});
    }
  }

 private:
  std::string pick(std::initializer_list<std::string> choices) {
    return *(choices.begin() + choose_(choices.size()));
  }
  bool once_in(size_t n) { return choose_(n) == 0; }
  std::string name() { return pick({"a", "b", "t", "u", "\"A b\"", "s.t", "x1"}); }
  std::string relation() {
    return pick({"t", "u", "s.t", "pg_class", "only t", "pg_catalog.pg_proc", "\"T\""});
  }
  std::string function() {
    return pick({"now",
                 "lower",
                 "count",
                 "coalesce",
                 "f",
                 "s.g",
                 "pg_catalog.abs",
                 "nextval",
                 "set_config",
                 "pg_sleep",
                 "lo_create",
                 "pg_advisory_lock",
                 "query_to_xml",
                 "dblink",
                 "pg_read_file",
                 "generate_series",
                 "greatest",
                 "pg_notify",
                 "pg_terminate_backend",
                 "pg_catalog.lo_unlink",
                 "sum",
                 "row_number",
                 "jsonb_build_object",
                 "setval"});
  }
  std::string constant() {
    return pick({"1",
                 "42",
                 "2.5",
                 "1e3",
                 "'x'",
                 "'it''s'",
                 "E'a\\n'",
                 "U&'d\\0061'",
                 "B'01'",
                 "X'1f'",
                 "$$d$$",
                 "$t$;$t$",
                 "N'n'",
                 "null",
                 "true",
                 "false",
                 "-7",
                 "$1",
                 "$2",
                 "interval '1 day'",
                 "date '2020-01-01'",
                 "'2'::int"});
  }
  std::string list(int depth) {
    std::string out = expression(depth);
    while (--budget_ > 0 && once_in(2)) out += ", " + expression(depth);
    return out;
  }
  std::string expression(int depth) {
    if (depth <= 0 || --budget_ < 0)
      return once_in(2) ? constant() : pick({"a", "t.b", "u.*", "x", "\"C\"", "s.t.c", "current_user"});
    switch (choose_(20)) {
      case 0:
      case 1: return constant();
      case 2:
        return expression(depth - 1) + " " +
               pick({"+",
                     "-",
                     "*",
                     "/",
                     "=",
                     "<>",
                     "<",
                     ">=",
                     "||",
                     "->",
                     "->>",
                     "@>",
                     "~",
                     "like",
                     "and",
                     "or",
                     "is distinct from",
                     "operator(pg_catalog.+)",
                     "<->",
                     "@@@"}) +
               " " + expression(depth - 1);
      case 3: return "(" + expression(depth - 1) + ")";
      case 4:
        return "case " + pick({"", "a "}) + "when " + expression(depth - 1) + " then " +
               expression(depth - 1) + pick({"", " else 1"}) + " end";
      case 5: return "(" + data_or_select(depth - 1) + ")";
      case 6:
      case 7:
        return function() + "(" + pick({"", "distinct ", "variadic "}) + list(depth - 1) + ")" +
               pick({"", " over ()", " over (partition by a order by b)", " filter (where a)"});
      case 8: return expression(depth - 1) + pick({" in (", " not in ("}) + list(depth - 1) + ")";
      case 9:
        return expression(depth - 1) + " between " + expression(depth - 1) + " and " + expression(depth - 1);
      case 10:
        return pick({"exists (", "not exists (", "array(", "1 = any (", "2 > all ("}) + select(depth - 1) +
               ")";
      case 11:
        return expression(depth - 1) +
               "::" + pick({"int", "text", "s.mytype", "numeric(10,2)", "int[]", "regclass", "timestamptz"});
      case 12:
        return "cast(" + expression(depth - 1) + " as " + pick({"int", "varchar(3)", "public.d"}) + ")";
      case 13: return "array[" + list(depth - 1) + "]";
      case 14: return "row(" + list(depth - 1) + ")";
      case 15: return "(" + expression(depth - 1) + ")" + pick({".a", "[1]", "[1:2]", ".*", ".f.g"});
      case 16:
        return expression(depth - 1) +
               pick({" is null", " is not true", " collate \"C\"", " at time zone 'UTC'", " isnull"});
      case 17: return pick({"not ", "- ", "+ ", "~ ", "@ "}) + expression(depth - 1);
      case 18:
        return pick({"extract(year from a)", "substring('x' from 1 for 2)", "trim(both 'x' from a)",
                     "position('a' in b)", "xmlelement(name a, 1)", "overlay('a' placing 'b' from 1)",
                     "nullif(1, 2)", "grouping(a)", "current_date"});
      default: return pick({"a", "t.b", "b", "u.c", "t", "*"});
    }
  }
  std::string data_or_select(int depth) { return once_in(8) ? data() : select(depth); }
  std::string data() {
    switch (choose_(6)) {
      case 0: return insert();
      case 1: return update();
      case 2: return erase();
      default: return select(2);
    }
  }
  std::string from(int depth) {
    std::string out = relation() + pick({"", " x", " as x (a, b)", " tablesample system (10)"});
    switch (choose_(6)) {
      case 0:
        return out + pick({" join ", " left join ", " natural join ", " cross join "}) + relation() +
               pick({"", " on true", " using (a)", " on a = b"});
      case 1: return "(" + select(depth - 1) + ") as y";
      case 2: return out + ", lateral (" + select(depth - 1) + ") z";
      case 3:
        return function() + "(" + expression(depth - 1) + ")" +
               pick({"", " with ordinality", " as g(a)", " as (a int)"});
      case 4: return "rows from (" + function() + "(1), " + function() + "(2))";
      default: return out;
    }
  }
  std::string with() {
    if (!once_in(5) || --budget_ < 0) return "";
    return "with " + pick({"", "recursive "}) + "w as " + pick({"", "materialized "}) + "(" + data() +
           pick({"", " returning *"}) + ") ";
  }
  std::string select(int depth) {
    if (depth <= 0 || --budget_ < 0) return "select " + expression(0);
    std::string out =
        with() + "select " + pick({"", "", "distinct ", "distinct on (a) ", "all "}) + list(depth - 1);
    if (once_in(12)) out += pick({" into t2", " into temp t3"});
    if (!once_in(3)) out += " from " + from(depth);
    if (once_in(2)) out += " where " + expression(depth - 1);
    if (once_in(5))
      out += " group by " + pick({"a", "1", "rollup (a, b)", "grouping sets ((a), ())"}) +
             pick({"", " having count(*) > 1"});
    if (once_in(6)) out += pick({" union ", " union all ", " except ", " intersect "}) + select(depth - 1);
    if (once_in(4)) out += " order by " + pick({"1", "a desc", "b using <", "f(a) nulls last"});
    if (once_in(5))
      out += pick({" limit 3", " limit all offset 2", " fetch first 2 rows only", " limit (select 1)"});
    if (once_in(9))
      out +=
          pick({" for update", " for share of t", " for no key update skip locked", " for key share nowait"});
    return out;
  }
  std::string insert() {
    return with() + "insert into " + pick({"t", "s.t", "t as x"}) + pick({"", " (a)", " (a, b)"}) + " " +
           pick({"values (" + expression(1) + ")", select(1), "default values"}) +
           pick({"", " on conflict do nothing", " on conflict (a) do update set a = 1 where true",
                 " returning " + expression(1)});
  }
  std::string update() {
    return with() + "update " + pick({"t", "only s.t x"}) + " set " +
           pick({"a = ", "(a, b) = row(1, 2), c = "}) + expression(1) + pick({"", " from u"}) +
           pick({"", " where " + expression(1), " where true", " where current of c"}) +
           pick({"", " returning *"});
  }
  std::string erase() {
    return with() + "delete from " + pick({"t", "s.t"}) + pick({"", " using u"}) +
           pick({"", " where " + expression(1), " where 1 = 1"}) + pick({"", " returning a"});
  }
  std::string merge() {
    return "merge into t using u on t.a = u.a when " + pick({"", "not "}) + "matched then " +
           pick({"delete", "do nothing", "update set a = 1", "insert values (" + expression(1) + ")"});
  }

  std::function<size_t(size_t)> choose_;
  int budget_ = 0;
};

}  // namespace ringfence::sql

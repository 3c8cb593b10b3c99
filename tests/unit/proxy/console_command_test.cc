// The console's commands, as people and drivers write them.
#include "proxy/pg/console_command.h"

#include <doctest/doctest.h>

#include "proxy/pg/console_answers.h"
#include "proxy/pg/console_settings.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

ConsoleCommand only_command(const std::string& text) {
  const auto all = parse_console(text);
  CHECK(all.size() == 1);
  return all.empty() ? ConsoleCommand() : all[0];
}

}  // namespace

TEST_CASE("the console's commands are read whatever their case, blanks and comments") {
  CHECK(only_command("SHOW SESSIONS").verb == ConsoleVerb::show_sessions);
  CHECK(only_command("  show\n\tTargets ;").verb == ConsoleVerb::show_targets);
  CHECK(only_command("show /* all */ grants -- now").verb == ConsoleVerb::show_grants);
  CHECK(only_command(";;show stats;;").verb == ConsoleVerb::show_stats);
  CHECK(only_command("Show Config").verb == ConsoleVerb::show_config);
  CHECK(only_command("SHOW VERSION").verb == ConsoleVerb::show_version);
  CHECK(only_command("SHOW HELP").text == "SHOW HELP");
  CHECK(only_command("begin read only").verb == ConsoleVerb::begin);
  CHECK(only_command("COMMIT").verb == ConsoleVerb::commit);
  CHECK(only_command("ROLLBACK TO x").verb == ConsoleVerb::rollback);
  CHECK(only_command("DISCARD ALL").verb == ConsoleVerb::reset);
  CHECK(only_command("SELECT 1").argument == "1");
  CHECK(only_command("select version()").verb == ConsoleVerb::select_version);
  CHECK(parse_console("").empty());
  CHECK(parse_console(" ; -- nothing\n ;").empty());
}

TEST_CASE("a session to kill is an id, with quotes or without, or the one parameter") {
  const std::string id = "0198d0f4-1e00-7000-8000-000000000001";
  CHECK(only_command("KILL " + id).argument == id);
  CHECK(only_command("kill '" + id + "';").argument == id);
  CHECK(only_command("KILL \"" + id + "\"").argument == id);
  CHECK(only_command("KILL $1").has_parameter());
  CHECK(only_command("KILL").verb == ConsoleVerb::unknown);
  CHECK(only_command("KILL $2").verb == ConsoleVerb::unknown);
  CHECK(only_command("KILL $1, $2").verb == ConsoleVerb::unknown);
  CHECK_FALSE(only_command("KILL ''").has_parameter());
}

TEST_CASE("settings are named in small letters") {
  CHECK(only_command("SHOW Server_Version").verb == ConsoleVerb::show_setting);
  CHECK(only_command("SHOW Server_Version").argument == "server_version");
  CHECK(only_command("SHOW TRANSACTION ISOLATION LEVEL").argument == "transaction_isolation");
  CHECK(only_command("SET extra_float_digits = 3").argument == "extra_float_digits");
  const ConsoleCommand set = only_command("SET SESSION client_encoding TO 'LATIN1'");
  CHECK(set.argument == "client_encoding");
  CHECK(set.value == "LATIN1");
  CHECK(only_command("DEALLOCATE ALL").argument.empty());
  CHECK(only_command("deallocate prepare \"_pg3_0\"").argument == "_pg3_0");
  CHECK(console_setting("server_version", "ana", "x").value().starts_with("15.0"));
  CHECK(console_setting("session_authorization", "ana", "x") == "ana");
  CHECK_FALSE(console_setting("work_mem", "ana", "x"));
  CHECK(is_console_encoding("UTF8"));
  CHECK_FALSE(is_console_encoding("LATIN1"));
}

TEST_CASE("what is no command is unknown, and says why") {
  for (const char* text :
       {"SHOW", "SHOW SESSIONS now", "SHOW 1", "SELECT 1 FROM t", "SELECT pg_sleep(1)", "\\d",
        "SELECT c.oid FROM pg_catalog.pg_class c", "DROP TABLE t", "'", "\"", "SET", "$$"}) {
    const ConsoleCommand command = only_command(text);
    CHECK_MESSAGE(command.verb == ConsoleVerb::unknown, text);
    CHECK_FALSE(command.argument.empty());
  }
}

TEST_CASE("a message has several commands, up to a bound") {
  const auto both = parse_console("SHOW STATS; KILL 'a;b'; SHOW HELP");
  REQUIRE(both.size() == 3);
  CHECK(both[0].verb == ConsoleVerb::show_stats);
  CHECK(both[1].argument == "a;b");
  CHECK(both[2].verb == ConsoleVerb::show_help);
  std::string many;
  for (size_t i = 0; i < 3 * console_commands_max; ++i) many += "SHOW HELP;";
  const auto some = parse_console(many);
  REQUIRE(some.size() == console_commands_max + 1);
  CHECK(some.back().verb == ConsoleVerb::unknown);
}

TEST_CASE("rows are written in the format that was asked for") {
  const ConsoleColumn columns[] = {
      {"a"}, {"n", ConsoleColumn::Type::integer}, {"b", ConsoleColumn::Type::boolean}};
  const ConsoleTable::Row row = {"x", "258", std::nullopt};
  std::string text, binary;
  append_data_row(text, columns, row, {});
  CHECK(text == std::string("D\0\0\0\x16\0\3\0\0\0\1x\0\0\0\3"
                            "258\xff\xff\xff\xff",
                            23));
  append_data_row(binary, columns, row, {1});
  CHECK(binary == std::string("D\0\0\0\x1b\0\3\0\0\0\1x\0\0\0\x08\0\0\0\0\0\0\1\2\xff\xff\xff\xff", 28));
  CHECK(fits({}, 3));
  CHECK(fits({1}, 3));
  CHECK(fits({0, 1, 0}, 3));
  CHECK_FALSE(fits({0, 1}, 3));
  CHECK_FALSE(fits({2}, 3));
}

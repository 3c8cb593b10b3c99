// A function that a policy names may lift read-only; nothing that could use it gets to the server before we
// know.
#include "session_fixture.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

// Ada reads, and may call what is named.
void make_reader(Snapshot& snapshot, std::vector<policy::Text> functions) {
  policy::Policy policy;
  policy.name = "readers";
  policy.roles = {{"*", ""}};
  policy.functions = std::move(functions);
  std::vector<policy::Problem> problems;
  snapshot.policies = policy::PolicySet::compile({policy}, problems);
  REQUIRE(snapshot.policies);
}
std::function<void(Snapshot&)> may_call(std::vector<policy::Text> functions) {
  return [functions](Snapshot& snapshot) { make_reader(snapshot, functions); };
}

struct Watched : World {
  explicit Watched(std::vector<policy::Text> functions = {{"f", ""}, {"g", ""}}, uint64_t seed = 1,
                   size_t piece_max = 0)
      : World(seed, piece_max, may_call(std::move(functions))) {
    connect();
    log_in();
  }
  // What has reached the server since the last call, by its messages' types.
  std::string reached() { return types(std::exchange(server.got, {})); }
  std::string sqlstate() const {
    auto fields = pg::parse_error_fields(last_error());
    return fields ? std::string(fields->sqlstate) : "none";
  }
  ByteView last_error() const {
    ByteView body, bytes = client.got;
    for (size_t at = 0; at + 5 <= bytes.size(); at += 1 + detail::load_be<uint32_t>(bytes.data() + at + 1)) {
      if (bytes[at] == 'E') body = bytes.substr(at + 5, detail::load_be<uint32_t>(bytes.data() + at + 1) - 4);
    }
    return body;
  }
};

// Of a group: "P name text", "B statement", "E", "S", "H", "Q text".
std::string group(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (std::string_view part : parts) {
    const std::string_view rest = part.size() > 2 ? part.substr(2) : "";
    switch (part[0]) {
      case 'P': pg::append_parse(out, rest.substr(0, rest.find(' ')), rest.substr(rest.find(' ') + 1)); break;
      case 'B': pg::append_bind(out, "", rest); break;
      case 'E': pg::append_execute(out, rest); break;
      case 'S': pg::append_sync(out); break;
      case 'H': pg::append_flush(out); break;
      default: pg::append_query(out, rest);
    }
  }
  return out;
}
std::string answers(std::string_view kinds, char transaction = 'I') {
  std::string out;
  for (char kind : kinds) {
    if (kind == 'C') pg::append_command_complete(out, "SELECT 1");
    else if (kind == 'Z') pg::append_ready_for_query(out, transaction);
    else out += std::string{kind, 0, 0, 0, 4};
  }
  return out;
}

}  // namespace

TEST_CASE("behind a call of a named function nothing is forwarded until ReadyForQuery, whatever the pieces") {
  for (uint64_t seed = 1; seed < 200; ++seed) {
    Watched world({{"f", ""}}, seed, seed % 7);
    world.send(world.client, query("select f()") + query("select 1") + query("select 2"));
    REQUIRE(world.reached() == "Q");
    world.send(world.server, answer());
    REQUIRE(world.reached() == "Q");
    world.send(world.server, answers("C"));
    REQUIRE(world.reached() == "");
    world.send(world.server, answers("Z"));
    REQUIRE(world.server.got == query("select 2"));
    world.send(world.server, answer());
    REQUIRE(world.types(world.client.got) == "CZCZCZ");
  }
}

TEST_CASE("a session that was made writable ends, and what waited never goes out") {
  Watched world;
  world.send(world.client, query("select f()") + query("select g()"));
  CHECK(world.reached() == "Q");
  std::string lifted;
  pg::append_command_complete(lifted, "SELECT 1");
  pg::append_parameter_status(lifted, "default_transaction_read_only", "off");
  pg::append_ready_for_query(lifted, 'I');
  world.send(world.server, lifted);
  CHECK(world.reached() == "");
  CHECK(world.error() == "42501 terminating connection: the session is no longer read-only");
}

TEST_CASE("a group goes out up to its Sync, and what is behind waits") {
  Watched world;
  world.send(world.client, group({"P s select f()", "B s", "E", "H", "P  select 1", "B", "E", "S",
                                  "P  select 2", "B", "E", "S"}));
  CHECK(world.reached() == "PBEHPBES");
  world.send(world.server, answers("12C12C"));
  CHECK(world.reached() == "");
  world.send(world.server, answers("Z"));
  CHECK(world.reached() == "PBES");
  world.send(world.server, answers("12CZ"));
  CHECK(world.types(world.client.got) == "12C12CZ12CZ");
}

TEST_CASE("a client that flushes and reads before it goes on is not left waiting") {
  Watched world;
  world.send(world.client, group({"P s select f()", "B s", "E", "H"}));
  CHECK(world.reached() == "PBEH");
  world.send(world.server, answers("12C"));
  world.send(world.client, group({"B s", "E", "H"}));
  // The call may have given the name to another statement: it is prepared again first.
  CHECK(world.reached() == "CPBEH");
  world.send(world.server, answers("312C"));
  world.send(world.client, group({"S"}));
  CHECK(world.reached() == "S");
  world.send(world.server, answers("Z"));
  world.send(world.client, group({"S", "S"}));
  world.send(world.client, group({"B s", "E", "S"}));
  CHECK(world.reached() == "SS");  // Behind a Sync everything waits.
  world.send(world.server, answers("ZZ"));
  CHECK(world.reached() == "CPBES");
}

TEST_CASE("one Query holds no call together with the end of a transaction, in whatever order") {
  for (const char* text :
       {"select f(); commit; select g()", "begin; select f(); rollback", "commit; select f()",
        "end; select f()", "declare c cursor with hold for select f(); commit",
        "prepare p as select f(); execute p; abort"}) {
    CAPTURE(text);
    Watched world;
    world.send(world.client, query(text));
    CHECK(world.types(world.server.got) == "Q");
    CHECK(world.server.got.find("select") == std::string::npos);
    CHECK(world.server.got.find("rf_") != std::string::npos);
  }
  for (const char* text : {"begin; select 1; commit", "begin; select f()", "select f(); select g()",
                           "savepoint a; select f(); rollback to a"}) {
    CAPTURE(text);
    Watched world;
    world.send(world.client, query(text));
    CHECK(world.server.got == query(text));
  }
}

TEST_CASE("a group holds no call together with the end of a transaction") {
  const std::vector<std::string> groups = {
      group({"P s select f()", "B s", "E", "P c commit", "B c", "E", "S"}),
      // Planned, not executed.
      group({"P s select f()", "B s", "P c commit", "B c", "E", "S"}),
      group({"P s select f()", "B s", "E", "Q commit; select 1"}),
      group({"P c commit", "B c", "E", "P s select f()", "B s", "E", "S"}),
      group({"P c rollback", "B c", "E", "Q select f()"}),
      // What a name stands for when it is executed is not known before.
      group({"P s execute p", "B s", "E", "P c commit", "B c", "E", "S"}),
      group({"P c commit", "B c", "E", "P s select g()", "B s", "S"}),
  };
  for (size_t i = 0; i < groups.size(); ++i) {
    CAPTURE(i);
    Watched world;
    world.send(world.client, query("prepare p as select 1"));
    world.send(world.server, answer());
    world.server.got.clear();
    world.send(world.client, groups[i]);
    CHECK(world.server.got.find("rf_") != std::string::npos);
  }
  for (auto harmless : {group({"P  begin", "B", "E", "P  select 1", "B", "E", "P  commit", "B", "E", "S"}),
                        group({"P  begin", "B", "E", "P  select f()", "B", "E", "S"}),
                        group({"P  commit", "B", "E", "P  select 1", "B", "E", "S"})}) {
    Watched world;
    world.send(world.client, harmless);
    CHECK(world.server.got == harmless);
  }
}

TEST_CASE("a Bind of any size behind the end of a transaction is decided whole, in pieces of any size") {
  for (size_t piece_max : {0, 1000, 70'000}) {
    Watched world({{"f", ""}}, 3, piece_max);
    world.send(world.client, group({"P s select f()", "S"}));
    world.send(world.server, answers("1Z"));
    world.server.got.clear();
    std::string bytes = group({"P c commit", "B c", "E"});
    const std::string value(2 << 20, 'v');
    const std::optional<std::string_view> values[] = {value};
    pg::append_bind(bytes, "", "s", values);
    pg::append_sync(bytes);
    world.send(world.client, bytes);
    CHECK(world.types(world.server.got) == "PBEPS");
    CHECK(world.server.got.size() < 500);
  }
}

TEST_CASE("the refusal of a call with COMMIT says what to do, and the session goes on") {
  Watched world;
  world.send(world.client, query("select f(); commit"));
  auto parsed = pg::parse_query(World::last_body(world.server.got));
  REQUIRE(parsed.has_value());
  std::string failed;
  pg::append_error_response(
      failed, {.sqlstate = "42601", .message = "syntax error at or near \"" + std::string(*parsed) + "\""});
  pg::append_ready_for_query(failed, 'I');
  world.send(world.server, failed);
  auto fields = pg::parse_error_fields(world.last_error());
  REQUIRE(fields.has_value());
  CHECK(fields->sqlstate == "42501");
  CHECK(fields->position == 13);
  CHECK(fields->hint.find("Send the call by itself") != std::string_view::npos);
  world.server.got.clear();
  world.send(world.client, query("select f()"));
  CHECK(world.server.got == query("select f()"));
}

TEST_CASE("where no function is named nothing waits") {
  Watched world(std::vector<policy::Text>{});
  const std::string bytes = query("select 1") + query("begin; select 2; commit") +
                            group({"P  select 3", "B", "E", "S"}) + query("select 4");
  world.send(world.client, bytes);
  CHECK(world.server.got == bytes);
}

TEST_CASE("what waits is decided by the policies in force when it goes on") {
  Watched world;
  world.send(world.client, query("select f()") + query("select g()") + query("select 5"));
  CHECK(world.reached() == "Q");
  auto snapshot = std::make_shared<Snapshot>(*world.core->snapshot);
  snapshot->generation++;
  make_reader(*snapshot, {{"f", ""}});
  world.core->use(snapshot);
  world.send(world.server, answer());
  CHECK(world.server.got.find("rf_") != std::string::npos);
  CHECK(world.server.got.find("g()") == std::string::npos);
}

TEST_CASE("access that is gone ends the session before what waits goes on") {
  Watched world;
  world.send(world.client, query("select f()") + query("select 2"));
  CHECK(world.reached() == "Q");
  auto snapshot = std::make_shared<Snapshot>(*world.core->snapshot);
  snapshot->generation++;
  snapshot->policies = policies_for("another", policy::Level::read);
  world.core->use(snapshot);
  world.turn_until([&] { return !world.client.got.empty(); });
  // The running statement ends with it.
  CHECK(world.reached() == "");
  CHECK(world.types(world.client.got) == "E");
  CHECK(world.sqlstate() == "57P01");
}

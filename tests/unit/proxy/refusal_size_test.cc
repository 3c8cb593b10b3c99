// What is refused is recorded in as many records as there are statements, each within a record's bound; and
// what runs beside it is recorded too.
#include <doctest/doctest.h>

#include "hold_fixture.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

std::function<void(Snapshot&)> reading(uint32_t statement_bytes_max) {
  return [=](Snapshot& snapshot) {
    snapshot.policies = policies_for("*", policy::Level::read);
    snapshot.limits.statement_bytes_max = statement_bytes_max;
  };
}

size_t not_run(const VectorSpace& space) {
  size_t found = 0;
  for (const VectorSpace::Record& record : space.records)
    found += record[audit::Tag::action].starts_with("postgres_query");
  return found;
}

}  // namespace

TEST_CASE("a refused Query of many statements is one refusal and a record for each") {
  for (size_t more : {size_t{0}, size_t{1}, size_t{214}, size_t{239}, size_t{255}}) {
    Holding world(reading(65'536));
    std::string text = "drop table x;";
    for (size_t i = 0; i < more; ++i) text += "select 1;";
    world.say(query(text));
    CHECK(world.errors().size() == 1);
    CHECK(not_run(world.space) == more + 1);
    CHECK(world.ran.empty());
  }
}

TEST_CASE("a refused Query of long statements takes no more than a record's room at once") {
  constexpr uint32_t most = Limits::statement_bytes_most;
  for (uint32_t bytes_max : {65'536u, most}) {
    Holding world(reading(bytes_max));
    std::string text;
    for (int i = 0; i < 4; ++i)
      text += (i == 1 ? "drop table x /* " : "select 1 /* ") + std::string(250'000, 'c') + " */;";
    world.say(query(text));
    CHECK(world.errors().size() == 1);
    // One whose bytes are no text is kept in two forms.
    world.say(query("drop table x /* " + std::string(most, '\xff') + " */"));
    CHECK(world.errors().size() == 2);
    CHECK(world.ran.empty());
    CHECK(not_run(world.space) == 5);
  }
}

TEST_CASE("what a refusal quotes of the statement is short, to the client and in the trail") {
  Holding world(reading(65'536));
  const std::string much(1'000'000, 'a');
  const std::string texts[] = {"'" + much + "'",
                               "select set_config('" + much.substr(0, 900'000) + "', 'x', false)",
                               much,
                               "select 1 from t where x = = " + much,
                               "\"" + much + "\" (",
                               "set password 'hunter2'"};
  for (const std::string& text : texts) {
    world.say(query(text));
    std::string bytes;
    pg::append_parse(bytes, "", text);
    pg::append_sync(bytes);
    world.say(bytes);
  }
  const std::vector<std::string> errors = world.errors();
  CHECK(errors.size() == 2 * std::size(texts));
  for (const std::string& error : errors) CHECK(error.size() < 1'200);
  for (const std::string& error : errors) CHECK(error.find("hunter2") == error.npos);
  CHECK(world.ran.empty());
  for (const VectorSpace::Record& record : world.space.records) {
    CHECK(record[audit::Tag::reason].size() < 1'200);
    CHECK(record[audit::Tag::reason].find("hunter2") == std::string::npos);
  }
}

TEST_CASE("a message of more statements than are decided at once is refused without deciding any") {
  Holding world(reading(65'536));
  std::string text;
  for (uint32_t i = 0; i < statements_per_query_max; ++i) text += "select 1;";
  world.say(query(text));
  CHECK(world.errors().empty());
  const size_t before = not_run(world.space);
  world.say(query(text + "select 1"));
  REQUIRE(world.errors().size() == 1);
  CHECK(world.errors()[0].starts_with("54000 "));
  CHECK(not_run(world.space) == before + 1);
  // No shorter text holds so many.
  std::string least;
  for (uint32_t i = 0; i < statements_per_query_max; ++i) least += "x;";
  world.say(query(least + "x"));
  REQUIRE(world.errors().size() == 2);
  CHECK(world.errors()[1].starts_with("54000 "));
}

TEST_CASE("what runs by a name whose new statement was refused is recorded") {
  Holding world(reading(65'536));
  std::string bytes;
  pg::append_parse(bytes, "keep", "select * from accounts");
  pg::append_sync(bytes);
  world.say(bytes);
  bytes.clear();
  pg::append_parse(bytes, "keep", "drop table accounts");
  pg::append_sync(bytes);
  pg::append_bind(bytes, "", "keep");
  pg::append_execute(bytes, "");
  pg::append_sync(bytes);
  world.say(bytes);
  CHECK(world.ran == std::vector<std::string>{"select * from accounts"});
  CHECK(world.errors().size() == 1);
  const auto recorded = statements_of(world.space);
  REQUIRE(recorded.size() == 1);
  CHECK(recorded.begin()->second.statement == "select * from accounts");
  CHECK(recorded.begin()->second.outcome == "success");
}

TEST_CASE("what passes has room for both forms of its text and its parameters at their bounds") {
  Holding world([](Snapshot& snapshot) {
    snapshot.limits.statement_bytes_max = Limits::statement_bytes_most;
    snapshot.limits.parameters_bytes_max = Limits::parameters_bytes_most;
  });
  std::string bytes;
  pg::append_parse(bytes, "", "select $1 /* " + std::string(600'000, '\xff') + " */");
  std::string bind("\0\0\0\0\0\1", 6);
  const std::string value(400'000, 'p');
  Writer(bind).u32(static_cast<uint32_t>(value.size())).bytes(value).u16(0);
  auto header = pg::frame_header('B', static_cast<uint32_t>(bind.size()));
  bytes.append(header.data(), header.size()).append(bind);
  pg::append_execute(bytes, "");
  pg::append_sync(bytes);
  world.say(bytes);
  CHECK(world.ran.size() == 1);
  CHECK(statements_of(world.space).size() == 1);
}

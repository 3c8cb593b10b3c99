// The name of a pooled connection, which goes to the server in front of the session's first message.
#include "messages.h"
#include "pool_fixture.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

std::string server_error(std::string_view sqlstate) {
  std::string out;
  pg::append_error_response(out,
                            {.severity = "ERROR", .sqlstate = sqlstate, .message = "the server's own words"});
  return out;
}
std::string reported(std::string_view name, std::string_view value) {
  std::string out;
  pg::append_parameter_status(out, name, value);
  return out;
}

// What a server says to the name and the first statement, with words of itself in between, and what the
// client gets of it.
struct Said {
  std::string by_server;
  std::string to_client;
};
Said said_around_name() {
  std::string set;
  pg::append_command_complete(set, "SET");
  return {set + notice() + reported("application_name", "ringfence/ada") + reported("DateStyle", "German") +
              ready() + notification() + notice() + answer(),
          reported("DateStyle", "German") + notification() + notice() + answer()};
}

}  // namespace

TEST_CASE(
    "a handover asks the server for nothing before its client is greeted, and for a name together with what "
    "it says first") {
  PoolWorld world;
  world.begin();
  world.run_first("select 1");
  for (int i = 0; i < 5; ++i) {
    // Three messages in two flights for each session beside its own, of which it waits for none.
    world.end_client();
    CHECK(world.servers.back().got.starts_with(query("DISCARD ALL")));
    CHECK(World::types(world.servers.back().got) == "QQ");
    world.send(world.servers.back(), reset_answer());
    world.forget();
    world.begin_again();
    CHECK(World::types(world.client.got) == "RRRRSSKZ");
    CHECK(world.servers.back().got.empty());
    world.run_first("select 1");
  }
  CHECK(world.servers.size() == 1);
  CHECK(world.counters().pool_hits.get() == 5);
}

TEST_CASE("a session that says nothing at all costs the server a reset and no name") {
  PoolWorld world;
  world.begin();
  world.give_back();
  world.begin_again();
  world.end_client();
  CHECK(World::types(world.servers.back().got) == "QQ");
  CHECK(world.servers.back().got.find("application_name") == std::string::npos);
  world.send(world.servers.back(), reset_answer());
  CHECK(world.counters().pool_idle.get() == 1);
}

TEST_CASE("a session that ends without a word, however long that takes, leaves no answer to the next one") {
  for (uint64_t after_ms : {pool_naming_after_ms - 1, pool_naming_after_ms + pool_naming_ms}) {
    PoolWorld world;
    world.begin();
    world.end_client();
    world.advance_to(after_ms);
    world.advance_to(after_ms + pool_naming_after_ms - 1);
    if (world.servers.back().has_ended) continue;  // The reset took too long.
    CHECK(World::types(world.servers.back().got) == "QQ");
    world.send(world.servers.back(), reset_answer());
    CHECK(world.counters().pool_idle.get() == 1);
    CHECK(world.counters().pool_failures.get() == 0);
    world.forget();
    world.begin_again();
    CHECK(world.counters().pool_hits.get() == 1);
    world.run_first("select 2");
  }
}

TEST_CASE("a goodbye that meets the name on its way waits for it") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    PoolWorld world(seed);
    world.begin();
    // Both in the same turn: the time to name the connection has come, and the client ends.
    world.shard.turn_at((pool_naming_after_ms + 1) * 1'000'000);
    world.send(world.client, terminate());
    world.advance_to(pool_naming_after_ms + 2);
    const std::string got = world.servers.back().got;
    const bool is_one_of_both = got == naming_message("ringfence/ada") + terminate() || got == terminate() ||
                                World::types(got) == "QQ";
    CHECK_MESSAGE(is_one_of_both, World::types(got));
  }
}

TEST_CASE("a session that says nothing for a while is named all the same") {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    PoolWorld world(seed);
    world.begin();
    world.advance_to(pool_naming_after_ms - 1);
    CHECK(world.servers.back().got.empty());
    world.advance_to(pool_naming_after_ms + 1);
    CHECK(world.servers.back().got == naming_message("ringfence/ada"));
    world.send(world.servers.back(), naming_answer("ringfence/ada"));
    CHECK(world.client.got.empty());
    world.forget();
    world.send(world.client, query("select 1"));
    CHECK(world.servers.back().got == query("select 1"));
    world.send(world.servers.back(), answer());
    CHECK(world.client.got == answer());
    world.advance_to(pool_naming_after_ms + pool_naming_ms + 1'000);
    CHECK_FALSE(world.client.has_ended);
    world.forget();
    world.give_back();
  }
}

TEST_CASE(
    "of the answer to the name nothing reaches the client, in whatever pieces it comes and whatever follows "
    "it") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    PoolWorld world(seed);
    world.pieces = 1 + seed % 7;
    world.begin();
    world.run_first("select 1");
  }
}

TEST_CASE(
    "a session whose connection cannot be named ends with an error, and hears nothing of what its server "
    "said") {
  const std::string wrong[] = {server_error("57014") + ready() + answer(),
                               server_error("57P01"),
                               answer(),
                               ready(),
                               ready('T'),
                               std::string("C\0\0\0\1", 5)};
  for (const std::string& said : wrong) {
    PoolWorld world;
    world.begin();
    world.send(world.client, query("select 1"));
    world.send(world.servers.back(), said);
    CHECK(World::types(world.client.got) == "E");
    CHECK(world.client.got.find("08006") != std::string::npos);
    CHECK(world.client.got.find("own words") == std::string::npos);
    CHECK(world.servers.back().has_ended);
    world.client.stream->shutdown();
    world.settle();
    CHECK(world.counters().pool_failures.get() == 1);
    CHECK(world.counters().pool_in_use.get() == 0);
    CHECK(world.counters().pool_idle.get() == 0);
    REQUIRE(world.space.events("postgres_disconnect").size() == 1);
    CHECK((*world.space.events("postgres_disconnect")[0])[audit::Tag::sqlstate] == "08006");
  }
}

TEST_CASE("a server that is silent when asked for a name has so long, and its session ends") {
  for (bool is_alone : {false, true}) {
    PoolWorld world;
    world.begin();
    if (is_alone) world.advance_to(pool_naming_after_ms + 1);
    else world.send(world.client, query("select 1"));
    CHECK(world.servers.back().got.starts_with(naming_message("ringfence/ada")));
    world.advance_to(pool_naming_ms - 1);
    CHECK(world.client.got.empty());
    world.advance_to(pool_naming_after_ms + pool_naming_ms + 2);
    CHECK(World::types(world.client.got) == "E");
    CHECK(world.servers.back().has_ended);
  }
}

TEST_CASE(
    "a server that dies before it has answered to the name: the client is told, and nothing is left behind") {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    for (int said : {0, 7, 18}) {
      PoolWorld world(seed);
      world.begin();
      world.send(world.client, query("select 1"));
      world.send(world.servers.back(), naming_answer("ringfence/ada").substr(0, static_cast<size_t>(said)));
      world.servers.back().stream->shutdown();
      world.settle();
      CHECK(World::types(world.client.got) == "E");
      CHECK(world.client.got.find("08006") != std::string::npos);
      world.client.stream->shutdown();
      world.settle();
      CHECK(world.counters().pool_in_use.get() == 0);
    }
  }
}

TEST_CASE(
    "a connection that ends between its handover and the session's first word is an end like any other") {
  PoolWorld world;
  world.begin();
  world.give_back();
  world.begin_again();
  world.servers.back().stream->shutdown();
  world.settle();
  CHECK(World::types(world.client.got) == "RRRRSSKZE");
  world.client.stream->shutdown();
  world.settle();
  CHECK(world.counters().pool_in_use.get() == 0);
}

TEST_CASE(
    "what the server says of itself before it is asked for a name goes to the client, and settings that it "
    "reports then too") {
  PoolWorld world;
  world.begin();
  world.send(world.servers.back(), reported("TimeZone", "Asia/Tokyo"));
  CHECK(world.client.got == reported("TimeZone", "Asia/Tokyo"));
  world.forget();
  world.send(world.client, query("select 1"));
  world.send(world.servers.back(), reported("TimeZone", "UTC") + naming_answer("ringfence/ada") + answer());
  CHECK(world.client.got == reported("TimeZone", "UTC") + answer());
}

TEST_CASE(
    "a message that the server began before it was asked for a name is the session's to its end, wherever it "
    "is cut") {
  const Said said = said_around_name();
  for (const std::string& begun : {reported("TimeZone", "Asia/Tokyo"), notice(), notification()}) {
    for (size_t cut = 0; cut <= begun.size(); ++cut) {
      CAPTURE(cut);
      for (bool is_in_bytes : {false, true}) {
        PoolWorld world;
        world.begin();
        world.send(world.servers.back(), begun.substr(0, cut));
        // What may tell of the name is kept back until it is whole.
        const bool is_kept = cut < pg::frame_header_size || (begun[0] == 'S' && cut < begun.size());
        CHECK(world.client.got == (is_kept ? std::string() : begun.substr(0, cut)));
        world.send(world.client, query("select 1"));
        CHECK(world.servers.back().got == naming_message("ringfence/ada") + query("select 1"));
        // A message that begins when the server was asked is not the session's, but for settings.
        const bool is_shown = cut > 0 || begun[0] == 'S';
        const std::string rest = begun.substr(cut) + said.by_server;
        if (!is_in_bytes) world.send(world.servers.back(), rest);
        for (size_t i = 0; is_in_bytes && i < rest.size(); ++i)
          world.send(world.servers.back(), rest.substr(i, 1));
        CHECK(world.client.got == (is_shown ? begun : std::string()) + said.to_client);
        world.send(world.client, query("select 2"));
        CHECK(world.servers.back().got.ends_with(query("select 2")));
      }
    }
  }
}

TEST_CASE("what the server says around the answer to the name comes through in any two pieces") {
  const Said said = said_around_name();
  const std::string begun = reported("TimeZone", "Asia/Tokyo");
  const std::string rest = begun.substr(9) + said.by_server;
  for (size_t cut = 0; cut <= rest.size(); ++cut) {
    CAPTURE(cut);
    PoolWorld world;
    world.begin();
    world.send(world.servers.back(), begun.substr(0, 9));
    world.send(world.client, query("select 1"));
    world.send(world.servers.back(), rest.substr(0, cut));
    world.send(world.servers.back(), rest.substr(cut));
    CHECK(world.client.got == begun + said.to_client);
  }
}

TEST_CASE(
    "a connection that cannot be named in the middle of a message ends without a word that would stand in "
    "it") {
  PoolWorld world;
  world.begin();
  const std::string begun = notice();
  world.send(world.servers.back(), begun.substr(0, 12));
  world.send(world.client, query("select 1"));
  world.send(world.servers.back(), begun.substr(12) + server_error("57014") + ready() + answer());
  CHECK(world.client.got == begun.substr(0, 12));
  CHECK(world.client.has_ended);
  CHECK(world.servers.back().has_ended);
}

TEST_CASE("a client that goes while its connection is being named leaves nothing to the next session") {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    for (bool says_goodbye : {false, true}) {
      for (bool is_alone : {false, true}) {
        PoolWorld world(seed);
        world.begin();
        if (is_alone) world.advance_to(pool_naming_after_ms + 1);
        else world.send(world.client, query("select 1"));
        if (says_goodbye) world.send(world.client, terminate());
        world.client.stream->shutdown();
        world.settle();
        world.send(world.servers.back(),
                   naming_answer("ringfence/ada") + (is_alone ? std::string() : answer()));
        world.servers.back().stream->shutdown();
        world.settle();
        CHECK(world.counters().pool_idle.get() == 0);
        CHECK(world.counters().pool_in_use.get() == 0);
        CHECK(world.counters().pool_discards.get() == 1);
      }
    }
  }
}

TEST_CASE("a first message that is too long to stand beside the name goes behind it") {
  for (size_t size : {pool_naming_bytes_max - 100, pool_naming_bytes_max + 100, size_t{200'000}}) {
    PoolWorld world(size);
    world.begin();
    const std::string text = "select '" + std::string(size, 'x') + "'";
    world.send(world.client, query(text));
    CHECK(world.servers.back().got == naming_message("ringfence/ada") + query(text));
    world.send(world.servers.back(), naming_answer("ringfence/ada") + answer());
    CHECK(world.client.got == answer());
    world.forget();
    world.give_back();
  }
}

TEST_CASE("a shard that ends its sessions ends those that are being named") {
  for (bool is_alone : {false, true}) {
    PoolWorld world;
    world.begin();
    if (is_alone) world.advance_to(pool_naming_after_ms + 1);
    else world.send(world.client, query("select 1"));
    world.core->end_all({EndCause::administrator, "ended by an administrator", ""});
    world.settle();
    CHECK(World::types(world.client.got) == "E");
    CHECK(world.client.got.find("57P01") != std::string::npos);
    world.advance_to(60'000);
    CHECK(world.counters().pool_failures.get() == 0);
  }
}

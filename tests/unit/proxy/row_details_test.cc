// Errors that would show the columns that a rule denies.
#include "proxy/pg/row_details.h"

#include "messages.h"
#include "session_fixture.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

enum class About { columns, relations, nothing };

std::shared_ptr<const policy::PolicySet> policies_about(About about, bool is_allow = false) {
  policy::Policy policy;
  policy.name = "test";
  policy.roles = {{"*", ""}};
  policy.level = policy::Level::write;
  policy::Rule rule;
  if (about == About::columns) rule.columns = {{is_allow ? "*" : "card", ""}};
  else rule.relations = {{is_allow ? "*" : "salaries", ""}};
  if (about != About::nothing) (is_allow ? policy.allow : policy.deny).push_back(rule);
  std::vector<policy::Problem> problems;
  auto set = policy::PolicySet::compile({policy}, problems);
  REQUIRE(set);
  return set;
}

std::string failing(std::string_view sqlstate, std::string_view detail, std::string_view where = "") {
  std::string out;
  pg::append_error_response(out, {.severity = "ERROR",
                                  .sqlstate = sqlstate,
                                  .message = "null value in column \"name\" violates not-null constraint",
                                  .detail = detail,
                                  .hint = "a hint",
                                  .where = where,
                                  .table = "cust",
                                  .constraint = "c"});
  return out;
}

// What the client gets of an error, however it is cut.
std::string shown(std::shared_ptr<const policy::PolicySet> policies, const std::string& error,
                  size_t piece_max = 0) {
  World world(1, piece_max, [&](Snapshot& snapshot) { snapshot.policies = policies; });
  world.connect();
  world.log_in();
  world.client.got.clear();
  world.send(world.client, query("update cust set name = null where id = 1"));
  world.send(world.server, error + ready());
  std::string got = world.client.got;
  world.client.got.clear();
  world.send(world.client, query("select 1"));
  world.send(world.server, answer());
  CHECK(world.client.got == answer());
  return got;
}

}  // namespace

TEST_CASE("an error about a row has no detail where a rule is about columns") {
  const std::string row = "Failing row contains (1, null, secret).";
  for (std::string_view sqlstate : {"23502", "23514", "23505", "23503", "23P01", "44000"}) {
    for (size_t piece_max : {0, 1, 3, 7}) {
      CAPTURE(sqlstate);
      CAPTURE(piece_max);
      CHECK(shown(policies_about(About::columns), failing(sqlstate, row), piece_max) ==
            failing(sqlstate, "") + ready());
    }
  }
  CHECK(shown(policies_about(About::columns, true), failing("23502", row)) == failing("23502", "") + ready());
}

TEST_CASE("every other error goes on as it is") {
  const std::string row = "Failing row contains (1, null, secret).";
  for (size_t piece_max : {0, 5}) {
    CHECK(shown(policies_about(About::columns), failing("42501", "a detail"), piece_max) ==
          failing("42501", "a detail") + ready());
    CHECK(shown(policies_about(About::columns), failing("23502", ""), piece_max) ==
          failing("23502", "") + ready());
    CHECK(shown(policies_about(About::relations), failing("23502", row), piece_max) ==
          failing("23502", row) + ready());
    CHECK(shown(policies_about(About::nothing), failing("23502", row), piece_max) ==
          failing("23502", row) + ready());
  }
}

TEST_CASE("of an error that is too long to be looked at only the beginning is shown, without the row") {
  const std::string much(100'000, 'x');
  for (const std::string& error : {failing("23502", "secret" + much), failing("23502", "secret", much)}) {
    // Whole in one piece it is looked at whatever its length.
    CHECK(shown(policies_about(About::columns), error).find("secret") == std::string::npos);
    const std::string got = shown(policies_about(About::columns), error, 4096);
    CHECK(got.size() < 17'000);
    CHECK(got.find("null value") != got.npos);
    CHECK(got.find("secret") == got.npos);
    CHECK(got.ends_with(ready()));
  }
  CHECK(shown(policies_about(About::relations), failing("23502", "secret" + much)) ==
        failing("23502", "secret" + much) + ready());
}

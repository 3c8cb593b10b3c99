#include <doctest/doctest.h>

#include "proxy/vector_space.h"
#include "ringfence/control/events.h"
#include "ringfence/control/login_event.h"

using namespace ringfence;
using namespace ringfence::control;
using audit::Tag;

TEST_CASE("an event of a login says who, how, from where and about which session") {
  proxy::VectorSpace trail;
  const Events events([&] { return &trail; });
  LoginEvent event;
  event.kind = LoginEvent::Kind::session_created;
  event.user = "ana";
  event.method = "password";
  event.client_addr = "127.0.0.1:5";
  event.browser_session = uuid_v7(1'000'000, 7);
  events.publish(event_of(event));
  REQUIRE(trail.records.size() == 1);
  const auto& record = trail.records[0];
  CHECK(record[Tag::action] == "session_created");
  CHECK(record[Tag::category] == "authentication");
  CHECK(record[Tag::outcome] == "success");
  CHECK(record[Tag::user_name] == "ana");
  CHECK(record[Tag::entity_type] == "browser_session");
  CHECK(record[Tag::entity_id] == to_string(event.browser_session));

  event = {.kind = LoginEvent::Kind::password_change,
           .is_denied = true,
           .user = "ana",
           .reason = "wrong password"};
  events.publish(event_of(event));
  CHECK(trail.records[1][Tag::action] == "password_change");
  CHECK(trail.records[1][Tag::outcome] == "denied");
  CHECK(trail.records[1][Tag::entity_type] == "user");
  CHECK(trail.records[1][Tag::reason] == "wrong password");
}

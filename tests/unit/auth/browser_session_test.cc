#include <doctest/doctest.h>

#include "ringfence/auth/browser_session.h"
#include "ringfence/auth/session_cookie.h"

using namespace ringfence;
using namespace ringfence::auth;

namespace {

using Why = EndedBrowserSession::Why;

constexpr Uuid alice{{1}};
constexpr Uuid bob{{2}};
constexpr uint64_t hour_ms = 3'600'000;

// So many milliseconds after the beginning.
Now at(uint64_t ms) { return {1'800'000'000'000'000 + ms * 1'000, 5'000'000'000 + ms * 1'000'000}; }

BrowserSessions table(BrowserSessionOptions options = {}) {
  auto made = BrowserSessions::make(options);
  REQUIRE(made.has_value());
  return std::move(*made);
}

BrowserSessions::Opened opened(BrowserSessions& sessions, Uuid user, Now now = at(0)) {
  auto made = sessions.open(user, "192.0.2.1:4711", now);
  REQUIRE(made.has_value());
  return std::move(*made);
}

}  // namespace

TEST_CASE("A session is found by its token alone") {
  BrowserSessions sessions = table();
  const auto one = opened(sessions, alice);
  const auto other = opened(sessions, bob);
  const BrowserSession* found = sessions.find(one.token.reveal(), at(10));
  REQUIRE(found != nullptr);
  CHECK(found->id == one.id);
  CHECK(found->user_id == alice);
  CHECK(found->client_addr == "192.0.2.1:4711");
  CHECK(found->created_us == at(0).wall_us);
  CHECK(found->last_seen_us == at(10).wall_us);
  CHECK(sessions.find(other.token.reveal(), at(10))->id == other.id);
  std::string wrong(one.token.reveal());
  wrong[20] = wrong[20] == 'a' ? 'b' : 'a';
  CHECK(sessions.find(wrong, at(10)) == nullptr);
  CHECK(sessions.find("", at(10)) == nullptr);
  CHECK(sessions.find(to_string(one.id), at(10)) == nullptr);
  CHECK(sessions.find(std::string(one.token.reveal()) + "A", at(10)) == nullptr);
}

TEST_CASE("The table holds no token, and its tokens go into cookies") {
  BrowserSessions sessions = table();
  const auto one = opened(sessions, alice);
  CHECK(sessions.list().front()->token_hash == crypto::sha256(one.token.reveal()));
  const std::string cookie = session_cookie(one.token.reveal(), 60, true);
  auto token = session_token_in(std::string_view(cookie).substr(0, cookie.find(';')), true);
  REQUIRE(token.has_value());
  CHECK(*token == one.token.reveal());
}

TEST_CASE("A session ends an hour after its last request") {
  BrowserSessions sessions = table();
  const auto one = opened(sessions, alice);
  CHECK(sessions.find(one.token.reveal(), at(hour_ms - 1)) != nullptr);
  CHECK(sessions.find(one.token.reveal(), at(2 * hour_ms - 2)) != nullptr);
  CHECK(sessions.find(one.token.reveal(), at(3 * hour_ms - 2)) == nullptr);
  // An expired one does not come back.
  CHECK(sessions.find(one.token.reveal(), at(3 * hour_ms - 1)) == nullptr);
}

TEST_CASE("A session ends twelve hours after its login whatever happens in it") {
  BrowserSessions sessions = table();
  const auto one = opened(sessions, alice);
  for (uint64_t ms = 0; ms < 12 * hour_ms; ms += hour_ms / 2)
    CHECK(sessions.find(one.token.reveal(), at(ms)) != nullptr);
  CHECK(sessions.find(one.token.reveal(), at(12 * hour_ms - 1)) != nullptr);
  CHECK(sessions.find(one.token.reveal(), at(12 * hour_ms)) == nullptr);
}

TEST_CASE("What has expired is taken away and told, once") {
  BrowserSessions sessions = table();
  const auto old = opened(sessions, alice, at(0));
  const auto young = opened(sessions, bob, at(hour_ms / 2));
  CHECK(sessions.expire(at(hour_ms - 1)).empty());
  const auto ended = sessions.expire(at(hour_ms));
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].id == old.id);
  CHECK(ended[0].user_id == alice);
  CHECK(ended[0].why == Why::expired);
  CHECK(sessions.expire(at(hour_ms)).empty());
  CHECK(sessions.size() == 1);
  CHECK(sessions.find(young.token.reveal(), at(hour_ms)) != nullptr);
}

TEST_CASE("The machine's time, set anew, neither ends nor prolongs a session") {
  BrowserSessions sessions = table();
  const auto one = opened(sessions, alice);
  Now now = at(hour_ms / 2);
  now.wall_us += uint64_t{10} * 365 * 86'400 * 1'000'000;
  CHECK(sessions.find(one.token.reveal(), now) != nullptr);
  now = at(3 * hour_ms);
  now.wall_us = at(0).wall_us;
  CHECK(sessions.find(one.token.reveal(), now) == nullptr);
}

TEST_CASE("A session ends by its id and with all of its user's") {
  BrowserSessions sessions = table();
  const auto one = opened(sessions, alice);
  const auto two = opened(sessions, alice);
  const auto three = opened(sessions, alice);
  const auto other = opened(sessions, bob);
  const auto ended = sessions.end(one.id);
  REQUIRE(ended.has_value());
  CHECK(ended->user_id == alice);
  CHECK(ended->why == Why::ended);
  CHECK_FALSE(sessions.end(one.id).has_value());
  CHECK(sessions.find(one.token.reveal(), at(1)) == nullptr);
  CHECK(sessions.find(two.token.reveal(), at(1)) != nullptr);
  const auto all_but_two = sessions.end_all_of(alice, two.id);
  REQUIRE(all_but_two.size() == 1);
  CHECK(all_but_two[0].id == three.id);
  CHECK(sessions.find(two.token.reveal(), at(1)) != nullptr);
  CHECK(sessions.end_all_of(alice).size() == 1);
  CHECK(sessions.find(two.token.reveal(), at(1)) == nullptr);
  CHECK(sessions.find(three.token.reveal(), at(1)) == nullptr);
  CHECK(sessions.find(other.token.reveal(), at(1)) != nullptr);
  CHECK(sessions.end_all_of(alice).empty());
}

TEST_CASE("A user's oldest session goes for his newest, and nobody else's") {
  BrowserSessions sessions = table({12 * hour_ms, hour_ms, 100, 3});
  const auto other = opened(sessions, bob);
  const auto first = opened(sessions, alice);
  for (int i = 0; i < 2; ++i) CHECK(opened(sessions, alice).displaced.empty());
  const auto newest = opened(sessions, alice);
  REQUIRE(newest.displaced.size() == 1);
  CHECK(newest.displaced[0].id == first.id);
  CHECK(newest.displaced[0].user_id == alice);
  CHECK(newest.displaced[0].why == Why::displaced);
  CHECK(sessions.find(first.token.reveal(), at(1)) == nullptr);
  CHECK(sessions.find(newest.token.reveal(), at(1)) != nullptr);
  CHECK(sessions.find(other.token.reveal(), at(1)) != nullptr);
  CHECK(sessions.list(alice).size() == 3);
}

TEST_CASE("The table's oldest session goes when it is full") {
  BrowserSessions sessions = table({12 * hour_ms, hour_ms, 3, 100});
  const auto first = opened(sessions, bob);
  opened(sessions, alice);
  opened(sessions, alice);
  const auto newest = opened(sessions, alice);
  REQUIRE(newest.displaced.size() == 1);
  CHECK(newest.displaced[0].id == first.id);
  CHECK(sessions.size() == 3);
  CHECK(sessions.find(newest.token.reveal(), at(1)) != nullptr);
}

TEST_CASE("A table with one place has the newest session") {
  BrowserSessions sessions = table({12 * hour_ms, hour_ms, 1, 1});
  const auto first = opened(sessions, alice);
  const auto second = opened(sessions, alice);
  CHECK(second.displaced.size() == 1);
  CHECK(sessions.size() == 1);
  CHECK(sessions.find(first.token.reveal(), at(1)) == nullptr);
  CHECK(sessions.find(second.token.reveal(), at(1)) != nullptr);
}

TEST_CASE("What a page sends back is bound to its session") {
  BrowserSessions sessions = table();
  const auto one = opened(sessions, alice);
  const auto other = opened(sessions, alice);
  CHECK(one.csrf != other.csrf);
  CHECK(one.csrf != one.token.reveal());
  const BrowserSession* found = sessions.find(one.token.reveal(), at(1));
  REQUIRE(found != nullptr);
  CHECK(sessions.csrf_of(*found) == one.csrf);
  CHECK(sessions.fits_csrf(*found, one.csrf));
  CHECK_FALSE(sessions.fits_csrf(*found, other.csrf));
  CHECK_FALSE(sessions.fits_csrf(*found, ""));
  CHECK_FALSE(sessions.fits_csrf(*found, one.csrf.substr(1)));
  CHECK_FALSE(sessions.fits_csrf(*found, one.token.reveal()));
  // Another process has another key.
  BrowserSessions elsewhere = table();
  CHECK(elsewhere.csrf_of(*found) != one.csrf);
}

TEST_CASE("A renewed session has another token and keeps its age") {
  BrowserSessions sessions = table();
  const auto old = opened(sessions, alice);
  CHECK(sessions.find(old.token.reveal(), at(hour_ms / 2)) != nullptr);
  auto renewed = sessions.renew(old.id, at(hour_ms / 2));
  REQUIRE(renewed.has_value());
  CHECK(renewed->id == old.id);
  CHECK(renewed->csrf != old.csrf);
  CHECK(sessions.find(old.token.reveal(), at(hour_ms / 2)) == nullptr);
  const BrowserSession* found = sessions.find(renewed->token.reveal(), at(hour_ms / 2));
  REQUIRE(found != nullptr);
  CHECK(found->created_us == at(0).wall_us);
  CHECK(sessions.fits_csrf(*found, renewed->csrf));
  CHECK_FALSE(sessions.fits_csrf(*found, old.csrf));
  CHECK(sessions.size() == 1);
  // A sanitizer sees when an old token still leads to a session that has gone.
  const auto gone = opened(sessions, bob);
  REQUIRE(sessions.renew(gone.id, at(1)).has_value());
  REQUIRE(sessions.end(gone.id).has_value());
  CHECK(sessions.find(gone.token.reveal(), at(1)) == nullptr);
  CHECK(sessions.renew(bob, at(1)).error().fault == Fault::not_found);
  CHECK(sessions.renew(old.id, at(5 * hour_ms)).error().fault == Fault::not_found);
}

TEST_CASE("Ten thousand sessions are found, and gone when their users' have ended") {
  BrowserSessions sessions = table();
  std::vector<std::string> tokens;
  for (size_t i = 0; i < 10'000; ++i) {
    Uuid user{{static_cast<uint8_t>(i % 200), 7}};
    const auto one = opened(sessions, user);
    REQUIRE(one.displaced.empty());
    tokens.emplace_back(one.token.reveal());
  }
  CHECK(sessions.size() == 10'000);
  size_t found = 0;
  for (const std::string& token : tokens) found += sessions.find(token, at(1)) != nullptr ? 1 : 0;
  CHECK(found == 10'000);
  CHECK(opened(sessions, alice).displaced.size() == 1);
  CHECK(sessions.size() == 10'000);
  for (size_t i = 0; i < 200; ++i) sessions.end_all_of(Uuid{{static_cast<uint8_t>(i), 7}});
  CHECK(sessions.size() == 1);
  found = 0;
  for (const std::string& token : tokens) found += sessions.find(token, at(1)) != nullptr ? 1 : 0;
  CHECK(found == 0);
}

TEST_CASE("A table that has moved finds its sessions") {
  BrowserSessions sessions = table();
  const auto one = opened(sessions, alice);
  BrowserSessions moved = std::move(sessions);
  const BrowserSession* found = moved.find(one.token.reveal(), at(1));
  REQUIRE(found != nullptr);
  CHECK(moved.fits_csrf(*found, one.csrf));
}

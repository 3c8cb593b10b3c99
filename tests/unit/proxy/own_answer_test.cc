// What the appliance asks of a server between two sessions: only the very answer that is wanted makes a
// connection fit for the next one.
#include <doctest/doctest.h>

#include "messages.h"
#include "proxy/pg/own_answer.h"
#include "proxy/pg/warm_pool.h"
#include "ringfence/pg/messages.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

std::string wanted() {
  return status("TimeZone", "UTC") + complete("DISCARD ALL") + ready() + complete("RESET") + complete("SET") +
         ready();
}
OwnAnswer::State state_of(std::string_view bytes, OwnAnswer::Kind kind = OwnAnswer::Kind::to_reset) {
  ReportedSettings settings(ReportedSettings::List{{"TimeZone", "UTC"}});
  return OwnAnswer(kind, settings).take(bytes);
}

}  // namespace

TEST_CASE("a reset is done when the server has said exactly what is wanted, in whatever pieces") {
  const std::string all = wanted();
  for (size_t cut = 0; cut <= all.size(); ++cut) {
    ReportedSettings settings(ReportedSettings::List{{"TimeZone", "UTC"}});
    OwnAnswer answer(OwnAnswer::Kind::to_reset, settings);
    const auto first = answer.take(all.substr(0, cut));
    CHECK(first == (cut == all.size() ? OwnAnswer::State::done : OwnAnswer::State::open));
    if (cut < all.size()) CHECK(answer.take(all.substr(cut)) == OwnAnswer::State::done);
    CHECK(settings.are_as_at_login());
  }
}

TEST_CASE("whatever else the server says to a reset is a failure") {
  std::string error;
  pg::append_error_response(error, {.severity = "ERROR", .sqlstate = "25001", .message = "no"});
  CHECK(state_of(error) == OwnAnswer::State::failed);
  CHECK(state_of(complete("DISCARD ALL") + ready('T')) == OwnAnswer::State::failed);
  CHECK(state_of(complete("DISCARD ALL") + ready('E')) == OwnAnswer::State::failed);
  CHECK(state_of(complete("DISCARD PLANS")) == OwnAnswer::State::failed);
  CHECK(state_of(ready()) == OwnAnswer::State::failed);
  CHECK(state_of(complete("DISCARD ALL") + complete("RESET")) == OwnAnswer::State::failed);
  CHECK(state_of(complete("DISCARD ALL") + ready() + error) == OwnAnswer::State::failed);
  CHECK(state_of(message('1', "")) == OwnAnswer::State::failed);
  CHECK(state_of(message('T', std::string("\0\0", 2))) == OwnAnswer::State::failed);
  CHECK(state_of(message('G', std::string("\0\0\0", 3))) == OwnAnswer::State::failed);
  CHECK(state_of(std::string("C\0\0\0\1", 5)) == OwnAnswer::State::failed);
}

TEST_CASE("nothing may stand behind the answer") {
  CHECK(state_of(wanted() + status("TimeZone", "UTC")) == OwnAnswer::State::failed);
  CHECK(state_of(wanted() + "N") == OwnAnswer::State::failed);
  ReportedSettings settings;
  OwnAnswer answer(OwnAnswer::Kind::to_naming, settings);
  CHECK(answer.take(complete("SET") + ready()) == OwnAnswer::State::done);
  CHECK(answer.take("") == OwnAnswer::State::done);
  CHECK(answer.take("x") == OwnAnswer::State::failed);
}

TEST_CASE("what the server says of itself meanwhile is taken, and has a bound") {
  std::string notice;
  pg::append_notice_response(notice,
                             {.severity = "NOTICE", .sqlstate = "00000", .message = "for the one before"});
  const std::string notification = message('A', std::string("\0\0\0\1c\0p\0", 8));
  CHECK(state_of(notice + notification + complete("SET") + ready(), OwnAnswer::Kind::to_naming) ==
        OwnAnswer::State::done);
  std::string many;
  for (int i = 0; i < 300; ++i) many += notice;
  CHECK(state_of(many) == OwnAnswer::State::failed);
  std::string long_notice;
  pg::append_notice_response(
      long_notice, {.severity = "NOTICE", .sqlstate = "00000", .message = std::string(70'000, 'x')});
  CHECK(state_of(long_notice) == OwnAnswer::State::failed);
}

TEST_CASE(
    "of an answer that stands before somebody else's, no byte behind it is taken, wherever the pieces end") {
  const std::string own =
      complete("SET") + status("application_name", "x") + status("TimeZone", "PST") + ready();
  const std::string all = own + complete("SELECT 1") + ready();
  for (size_t cut = 0; cut <= all.size(); ++cut) {
    ReportedSettings settings(ReportedSettings::List{{"TimeZone", "UTC"}, {"application_name", "x"}});
    OwnAnswer answer(OwnAnswer::Kind::to_naming, settings);
    CHECK(answer.take_own(all.substr(0, cut)) == std::min(cut, own.size()));
    CHECK(answer.state() == (cut < own.size() ? OwnAnswer::State::open : OwnAnswer::State::done));
    if (cut < own.size()) CHECK(answer.take_own(all.substr(cut)) == own.size() - cut);
    CHECK(answer.state() == OwnAnswer::State::done);
    CHECK(answer.take_own(complete("SELECT 1")) == 0);
    CHECK(answer.state() == OwnAnswer::State::done);
    // The name is what was asked for; of the others the client is to hear.
    CHECK(answer.for_the_session() == status("TimeZone", "PST"));
    CHECK(settings.first_differing() == "TimeZone");
  }
  std::string many;
  for (int i = 0; i < 100; ++i) many += status("setting", std::string(1'000, 'x'));
  CHECK(state_of(many, OwnAnswer::Kind::to_naming) == OwnAnswer::State::failed);
}

TEST_CASE("settings that differ from those at the login are known until they are as they were") {
  ReportedSettings settings(ReportedSettings::List{{"TimeZone", "UTC"}, {"DateStyle", "ISO"}});
  CHECK(settings.are_as_at_login());
  settings.note("TimeZone", "Asia/Tokyo");
  settings.note("is_superuser", "on");
  CHECK_FALSE(settings.are_as_at_login());
  CHECK(settings.now() ==
        ReportedSettings::List{{"TimeZone", "Asia/Tokyo"}, {"DateStyle", "ISO"}, {"is_superuser", "on"}});
  settings.note("TimeZone", "UTC");
  CHECK_FALSE(settings.are_as_at_login());  // A setting that was not reported then.
  ReportedSettings other(ReportedSettings::List{{"TimeZone", "UTC"}});
  other.note("TimeZone", "PST");
  other.note("TimeZone", "UTC");
  CHECK(other.are_as_at_login());
  for (int i = 0; i < 1'000; ++i) other.note("invented_" + std::to_string(i), "x");
  CHECK(other.now().size() < 100);
  CHECK_FALSE(other.are_as_at_login());
}

TEST_CASE("of a setting that the server reports twice at the login, the last value is the login's") {
  ReportedSettings settings(
      ReportedSettings::List{{"TimeZone", "UTC"}, {"DateStyle", "ISO"}, {"TimeZone", "Asia/Tokyo"}});
  CHECK(settings.now() == ReportedSettings::List{{"TimeZone", "Asia/Tokyo"}, {"DateStyle", "ISO"}});
  settings.note("TimeZone", "Asia/Tokyo");
  CHECK(settings.are_as_at_login());
  CHECK(settings.first_differing().empty());
  settings.note("TimeZone", "UTC");
  CHECK_FALSE(settings.are_as_at_login());
  CHECK(settings.first_differing() == "TimeZone");
}

TEST_CASE("why an answer is not the one that is wanted is said without the server's text") {
  std::string error;
  pg::append_error_response(
      error, {.severity = "ERROR", .sqlstate = "42501", .message = "permission denied for secret_thing"});
  ReportedSettings settings;
  OwnAnswer answer(OwnAnswer::Kind::to_reset, settings);
  CHECK(answer.take(error) == OwnAnswer::State::failed);
  CHECK(answer.reason().find("42501") != std::string::npos);
  CHECK(answer.reason().find("secret_thing") == std::string::npos);
}

TEST_CASE("a name is one constant whatever stands in it") {
  const std::string text = naming_message("it's \\ a\n\"name\"; DROP TABLE t --\xff");
  const std::string body = text.substr(5);
  CHECK(body.starts_with("SET application_name = E'"));
  CHECK(body.ends_with(std::string("'\0", 2)));
  const std::string inner = body.substr(25, body.size() - 27);
  CHECK(inner.find('\'') == std::string::npos);
  CHECK(inner == "it\\x27s \\x5c a\\x0a\\x22name\\x22\\x3b DROP TABLE t --\\xff");
}

TEST_CASE("the state of random() is another after each reset") {
  CHECK(reset_messages(1) != reset_messages(2));
  CHECK(reset_messages(~uint64_t{0}).find("SET seed = 0.") != std::string::npos);
}

TEST_CASE("connections are of one kind only when everything that a session notices is the same") {
  Target target;
  target.name = "shop";
  target.hosts = {"a", "b"};
  target.database = "shop_db";
  target.user = "app";
  const Credential credential{"app", "secret"};
  const std::vector<pg::StartupParameter> parameters = {{"application_name", "ringfence"},
                                                        {"timezone", "UTC"}};
  const std::string kind = kind_of(target, credential, parameters);
  CHECK(kind == kind_of(target, credential, parameters));
  CHECK(kind.find("secret") == std::string::npos);
  auto differs = [&](auto change) {
    Target other = target;
    change(other);
    return kind_of(other, credential, parameters) != kind;
  };
  CHECK(differs([](Target& t) { t.name = "shop2"; }));
  CHECK(differs([](Target& t) { t.hosts = {"b", "a"}; }));
  CHECK(differs([](Target& t) { t.hosts = {"ab"}; }));
  CHECK(differs([](Target& t) { t.port = 5433; }));
  CHECK(differs([](Target& t) { t.database = "other"; }));
  CHECK(differs([](Target& t) { t.sslmode = SslMode::require; }));
  CHECK(differs([](Target& t) { t.channel_binding = ChannelBinding::require; }));
  CHECK(kind_of(target, {"app", "secre"}, parameters) != kind);
  CHECK(kind_of(target, {"appsecret", ""}, parameters) != kind);
  CHECK(kind_of(target, credential, {{"application_name", "ringfence"}}) != kind);
  CHECK(kind_of(target, credential, {{"application_name", "ringfence"}, {"timezone", "PST"}}) != kind);
  auto read_only = parameters;
  read_only.push_back({"default_transaction_read_only", "on"});
  CHECK(kind_of(target, credential, read_only) != kind);
  // What a target is called or bears beside does not make another connection of it.
  CHECK_FALSE(differs([](Target& t) { t.tags = {"x"}; }));
  CHECK_FALSE(differs([](Target& t) { t.connections_max = 7; }));
}

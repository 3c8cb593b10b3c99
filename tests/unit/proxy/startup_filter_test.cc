// What of a startup packet the server is asked for, and in which order.
#include "proxy/pg/startup_filter.h"

#include <doctest/doctest.h>

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

std::string settings(std::vector<pg::StartupParameter> parameters) {
  pg::StartupMessage startup;
  startup.parameters = std::move(parameters);
  auto asked = requested_settings(startup);
  if (!asked) return std::string(asked.error().sqlstate) + " " + asked.error().message;
  std::string out;
  for (const auto& one : *asked) out += one.name + "=" + one.value + ";";
  return out;
}

}  // namespace

TEST_CASE(
    "a key of the packet wins over options, wherever it stands, and of one named twice the last counts") {
  CHECK(settings({{"search_path", "a"}, {"options", "-c search_path=b"}}) == "search_path=a;");
  CHECK(settings({{"options", "-c search_path=b"}, {"search_path", "a"}}) == "search_path=a;");
  CHECK(settings({{"options", "-c Search_Path=b -c geqo=on"}, {"SEARCH_PATH", "a"}}) ==
        "geqo=on;search_path=a;");
  CHECK(settings({{"options", "-c search_path=b --search-path=c"}}) == "search_path=c;");
  CHECK(settings({{"DateStyle", "ISO"}, {"TimeZone", "UTC"}, {"datestyle", "German"}}) ==
        "timezone=UTC;datestyle=German;");
  CHECK(settings({{"options", "-c application_name=inner"}}) == "application_name=inner;");
  CHECK(settings({{"options", "-c application_name=inner"}, {"application_name", "outer"}}) ==
        "application_name=outer;");
  CHECK(
      settings({{"user", "u"}, {"database", "d"}, {"options", R"(-c app.tenant=a\ b -crow_security=off)"}}) ==
      "app.tenant=a b;row_security=off;");
}

TEST_CASE("replication is read as a boolean, as PostgreSQL reads one") {
  for (const char* value : {"n", "f", "no", "NO", "false", "Fals", "0", "off", "of", "OFF"}) {
    CAPTURE(value);
    CHECK(settings({{"replication", value}}).empty());
  }
  for (const char* value : {"t", "true", "y", "yes", "1", "on", "ON", "database"}) {
    CAPTURE(value);
    CHECK(settings({{"replication", value}}).starts_with("42501 "));
  }
  for (const char* value : {"", "o", "2", " f", "offf", "falsey", "DATABASE", "nope"}) {
    CAPTURE(value);
    CHECK(settings({{"replication", value}}).starts_with("22023 "));
  }
}

#include <doctest/doctest.h>

#include "ringfence/store/connection.h"
#include "ringfence/store/migrate.h"

using namespace ringfence;
using namespace ringfence::store;

TEST_CASE("a connection string for the log holds no password") {
  CHECK(redact_dsn("postgres://u:secret@h:5433/d") == "user=u dbname=d host=h port=5433");
  CHECK(redact_dsn("host=/tmp user=x password='se cret'") == "user=x host=/tmp");
  CHECK(redact_dsn("://").find("cannot be parsed") != std::string::npos);
}

TEST_CASE("literals and names cannot be left by quotes or backslashes") {
  CHECK(quote_literal("a'b\\c") == "E'a''b\\\\c'");
  CHECK(quote_identifier("a\"b") == "\"a\"\"b\"");
  CHECK(array_literal({1, -2, 3}) == "{1,-2,3}");
  CHECK(array_literal({}) == "{}");
}

TEST_CASE("a store that does not answer is unavailable, and the error names no password") {
  auto connection = Connection::open("host=/nonexistent user=u password=hunter2 dbname=d", "test", 2);
  REQUIRE(!connection);
  CHECK(connection.error().fault == Fault::unavailable);
  CHECK(connection.error().message.find("hunter2") == std::string::npos);
}

TEST_CASE("the compiled-in migrations begin at one") { CHECK(schema_known() >= 1); }

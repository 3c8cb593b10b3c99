#include <doctest/doctest.h>

#include "ringfence/auth/stored_password.h"

using namespace ringfence;
using namespace ringfence::auth;

namespace {

constexpr PasswordCost small{{64, 1, 1}, 16};

bool fits_argon2(const StoredPassword& stored, ByteView password) {
  auto hash = crypto::parse_argon2_hash(stored.argon2.reveal());
  REQUIRE(hash.has_value());
  return crypto::verify_argon2_hash(password, *hash).value();
}

bool fits_scram(const StoredPassword& stored, ByteView password) {
  auto verifier = pg::parse_scram_verifier(stored.scram.reveal());
  REQUIRE(verifier.has_value());
  return pg::make_scram_verifier(password, verifier->salt, verifier->iterations).stored_key ==
         verifier->stored_key;
}

}  // namespace

TEST_CASE("Both stored forms fit the password and no other one") {
  auto stored = make_stored_password("secret123", small);
  REQUIRE(stored.has_value());
  CHECK(fits_argon2(*stored, "secret123"));
  CHECK(fits_scram(*stored, "secret123"));
  CHECK_FALSE(fits_argon2(*stored, "secret124"));
  CHECK_FALSE(fits_scram(*stored, "secret124"));
}

TEST_CASE("Both stored forms have the cost that was asked for") {
  auto stored = make_stored_password("secret123", small);
  REQUIRE(stored.has_value());
  CHECK(stored->argon2.reveal().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
  CHECK(stored->scram.reveal().starts_with("SCRAM-SHA-256$16:"));
}

TEST_CASE("The salts are random unless SCRAM's is given") {
  auto one = make_stored_password("secret123", small);
  auto other = make_stored_password("secret123", small);
  REQUIRE(one.has_value());
  REQUIRE(other.has_value());
  CHECK(one->argon2.reveal() != other->argon2.reveal());
  CHECK(one->scram.reveal() != other->scram.reveal());
  auto given = make_stored_password("secret123", small, "sixteen bytes :)");
  REQUIRE(given.has_value());
  CHECK(pg::parse_scram_verifier(given->scram.reveal())->salt == "sixteen bytes :)");
  CHECK(fits_scram(*given, "secret123"));
}

TEST_CASE("Both forms are of the password as SASLprep leaves it") {
  // A letter with an accent, in two characters and in one.
  auto stored = make_stored_password("cafe\xcc\x81-au-lait", small);
  REQUIRE(stored.has_value());
  CHECK(fits_scram(*stored, "caf\xc3\xa9-au-lait"));
  CHECK(fits_argon2(*stored, "caf\xc3\xa9-au-lait"));
  CHECK_FALSE(fits_argon2(*stored, "cafe\xcc\x81-au-lait"));
}

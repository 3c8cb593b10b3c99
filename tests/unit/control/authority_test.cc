// What a record's code is made over.
#include "ringfence/control/authority.h"

#include <doctest/doctest.h>

#include "ringfence/base/base64.h"

using namespace ringfence;
using namespace ringfence::control;
using model::Json;

namespace {

Authority authority_of_one_key() {
  auto ring = KeyRing::parse("one " + base64_encode(std::string(ring_key_bytes, 'k')), "ring");
  REQUIRE(ring);
  return Authority(std::move(*ring));
}

store::ControlRecord key_record() {
  store::ControlRecord out{
      model::find_noun("key"), model::complete(*model::find_noun("key"), {{"name", "ci"}}), {}, {}};
  out.body["id"] = "0198d0f4-0000-7000-8000-000000000001";
  out.body["version"] = 1;
  return out;
}

}  // namespace

TEST_CASE(
    "a record from before a field was added is authentic, and none is with a value that nobody sealed") {
  const Authority authority = authority_of_one_key();
  store::ControlRecord record = key_record();
  REQUIRE(record.body.at("verifier").is_null());
  store::ControlRecord before = record;
  before.body.erase("verifier");
  Authority::seal(before, *authority.ring(), authority.ring()->current_id());
  record.key_id = before.key_id;
  record.mac = before.mac;
  CHECK(authority.check(record) == Authority::Verdict::authentic);
  record.body["verifier"] = "SCRAM-SHA-256$…";
  CHECK(authority.check(record) == Authority::Verdict::forged);
  Authority::seal(record, *authority.ring(), authority.ring()->current_id());
  CHECK(authority.check(record) == Authority::Verdict::authentic);
  // Nor may somebody take it away.
  record.body["verifier"] = nullptr;
  CHECK(authority.check(record) == Authority::Verdict::forged);
}

TEST_CASE("when a key was used last is no part of its record") {
  CHECK_FALSE(key_record().body.contains("last_used_at"));
}

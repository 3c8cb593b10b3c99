// What a target's record says beside its place: logins of access levels, pools, certificates of a CA.
#include "control/plane_fixture.h"
#include "ringfence/net/tls.h"

using namespace ringfence;
using namespace ringfence::control;
using namespace ringfence::control::testing;
using Kind = Answer::Kind;

namespace {

const model::PgTarget& in_force(Node& node) {
  const TargetFacts* found = node.plane->in_force()->find_target("shop");
  REQUIRE(found != nullptr);
  return found->postgres;
}

std::string first_defect(const Answer& answer) {
  return answer.defects.empty() ? answer.message : answer.defects[0].path + " " + answer.defects[0].message;
}

Json shop(Json more) {
  Json out = {{"name", "shop"}, {"hosts", {"db"}}, {"user", "app"}, {"password", "of all"}};
  out.update(more);
  return out;
}

}  // namespace

TEST_CASE("a level has a login of its own, sealed, and given again for another server") {
  forget_all();
  Node node;
  const Answer made = node.create(
      "target", shop({{"read_user", "reader"}, {"read_password", "of readers"}, {"ddl_user", "maker"}}));
  REQUIRE_MESSAGE(made.kind == Kind::created, first_defect(made));
  CHECK(!made.body.contains("read_password"));
  CHECK(!made.body.contains("sealed_read_password"));
  CHECK(made.body.at("read_password_set_at").is_string());
  CHECK(made.body.at("ddl_password_set_at").is_null());
  CHECK(in_force(node).credential_for(policy::Level::read).user == "reader");
  CHECK(in_force(node).credential_for(policy::Level::read).password.reveal() == "of readers");
  CHECK(in_force(node).credential_for(policy::Level::ddl).user == "maker");
  CHECK(in_force(node).credential_for(policy::Level::ddl).password.empty());
  CHECK(in_force(node).credential_for(policy::Level::write).user == "app");
  for (const auto& record : node.trail.records)
    CHECK(record[audit::Tag::changes].find("of readers") == std::string::npos);
  const Answer elsewhere = node.change("target", "shop", {{"port", 6'543}, {"password", "of all"}});
  REQUIRE(elsewhere.kind == Kind::invalid);
  CHECK(elsewhere.defects[0].path == "read_password");
  CHECK(node.change("target", "shop",
                    {{"port", 6'543}, {"password", "of all"}, {"read_password", "of readers"}})
            .kind == Kind::ok);
  // One that stood in another level's place does not open.
  query("UPDATE ringfence_control.targets SET sealed_read_password = sealed_password");
  CHECK(eventually([&] { return node.plane->in_force()->find_target("shop") == nullptr; }));
}

TEST_CASE("what a level's login lacks is told by its field") {
  forget_all();
  Node node;
  CHECK(first_defect(node.create("target", shop({{"read_password", "x"}})))
            .starts_with("read_user is missing"));
  CHECK(first_defect(node.create(
            "target",
            {{"name", "raw"}, {"type", "tcp"}, {"hosts", {"db"}}, {"port", 1}, {"write_password", "x"}})) ==
        "write_password has no meaning for type tcp; remove it");
}

TEST_CASE("a pool is the configuration's, by its fields") {
  forget_all();
  Node node;
  REQUIRE(node.create("target", shop({{"pool_max", 20}, {"pool_min", 2}, {"pool_idle_ms", 5'000}})).kind ==
          Kind::created);
  CHECK(in_force(node).pool.max == 20);
  CHECK(in_force(node).pool.min == 2);
  CHECK(in_force(node).pool.idle_ms == 5'000);
  CHECK(first_defect(node.change("target", "shop", {{"pool_min", 30}}))
            .starts_with("pool_min is 30, more than max"));
  CHECK(first_defect(node.change("target", "shop", {{"pool_idle_ms", 1}})).starts_with("pool_idle_ms is 1"));
  REQUIRE(node.change("target", "shop", {{"pool_max", nullptr}, {"pool_min", nullptr}}).kind == Kind::ok);
  CHECK_FALSE(in_force(node).pool.is_on());
}

TEST_CASE("certificates of a CA are text, and looked at before they are kept") {
  forget_all();
  Node node;
  auto pair = net::make_development_certificate("db", 10);
  REQUIRE(pair);
  CHECK(first_defect(node.create("target", shop({{"ca_certificate", "no PEM"}})))
            .starts_with("ca_certificate has no certificate in PEM"));
  CHECK(first_defect(node.create("target", shop({{"ca_certificate",
                                                  "-----BEGIN CERTIFICATE-----\nAAAA\n-----END "
                                                  "CERTIFICATE-----\n"}})))
            .starts_with("ca_certificate cannot be used: "));
  const Json full = {{"sslmode", "verify-full"}, {"ca_certificate", pair->certificate_pem}};
  const Answer made = node.create("target", shop(full));
  REQUIRE_MESSAGE(made.kind == Kind::created, first_defect(made));
  CHECK(made.body.at("ca_certificate") == pair->certificate_pem);
  CHECK(in_force(node).tls_files.ca == pair->certificate_pem);
  // Whoever exchanges it could stand in the server's place.
  CHECK(first_defect(node.change("target", "shop", {{"ca_certificate", nullptr}, {"sslmode", "require"}}))
            .starts_with("password is missing"));
  CHECK(first_defect(node.change("target", "shop", {{"sslrootcert", "system"}, {"password", "x"}}))
            .starts_with("ca_certificate stands beside sslrootcert"));
  CHECK(first_defect(node.change("target", "shop", {{"ca_certificate", nullptr}, {"password", "x"}}))
            .starts_with("sslmode checks the server's certificate; add ca_certificate"));
}

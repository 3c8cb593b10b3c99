// Records of the configuration among those of the store.
#include "ringfence/model/declared.h"
#include "control/plane_fixture.h"
#include "ringfence/control/declared_records.h"

using namespace ringfence;
using namespace ringfence::control;
using namespace ringfence::control::testing;
using Kind = Answer::Kind;

namespace {

std::string declared_id_of(const std::string& name) { return to_string(model::declared_id("user", name)); }

struct Declaring : Node {
  Declaring() {
    auto made = std::make_shared<DeclaredRecords>();
    made->add(noun("user"), {{"name", "bob"}, {"roles", {"operator"}}}, "ringfence.yaml:7");
    made->add(noun("user"), {{"name", "zoe"}}, "ringfence.yaml:9");
    plane->declare(made);
    REQUIRE(create("role", {{"name", "operator"}}).kind == Kind::created);
    for (const char* name : {"ana", "carl", "yves"})
      REQUIRE(create("user", {{"name", name}, {"roles", {"operator"}}}).kind == Kind::created);
  }
  // Names of all pages, in their order.
  std::string names(const std::string& sort, size_t limit,
                    std::vector<std::pair<std::string, std::string>> filters = {}) {
    std::string out;
    ListRequest request{std::move(filters), sort, limit, ""};
    do {
      const Answer page = list("user", request);
      REQUIRE_MESSAGE(page.kind == Kind::ok, page.message);
      REQUIRE(page.body.at("items").size() <= limit);
      for (const Json& one : page.body.at("items")) out += one.at("name").get<std::string>() + " ";
      const Json& next = page.body.at("next_cursor");
      request.cursor = next.is_null() ? "" : next.get<std::string>();
    } while (!request.cursor.empty());
    return out;
  }
};

}  // namespace

TEST_CASE("lists have both in one order, whatever the page's size") {
  forget_all();
  Declaring node;
  for (const size_t limit : {1, 2, 3, 100}) {
    CAPTURE(limit);
    CHECK(node.names("name", limit) == "admin ana bob carl yves zoe ");
    CHECK(node.names("-name", limit) == "zoe yves carl bob ana admin ");
    CHECK(node.names("number", limit).starts_with("admin ana carl yves "));
    CHECK(node.names("-number", limit).ends_with("yves carl ana admin "));
    CHECK(node.names("created_at", limit).ends_with("admin ana carl yves "));
    CHECK(node.names("-created_at", limit).starts_with("yves carl ana admin "));
    CHECK(node.names("name", limit, {{"roles", "operator"}}) == "ana bob carl yves ");
    CHECK(node.names("name", limit, {{"name", "zoe"}}) == "zoe ");
    CHECK(node.names("name", limit, {{"enabled", "false"}}) == "");
  }
}

TEST_CASE("a declared record is shown, and nobody changes it here") {
  forget_all();
  Declaring node;
  for (const std::string& which : {std::string("bob"), declared_id_of("bob")}) {
    const Answer shown = node.read("user", which);
    REQUIRE(shown.kind == Kind::ok);
    CHECK(shown.body.at("source") == "configuration");
    CHECK(shown.body.at("declared_in") == "ringfence.yaml:7");
    CHECK(shown.body.at("roles") == Json{"operator"});
    CHECK(shown.body.at("id") == declared_id_of("bob"));
    for (const char* secret : {"password", "password_hash", "verifier"}) CHECK(!shown.body.contains(secret));
    for (const Answer& refused :
         {node.change("user", which, {{"enabled", false}}), node.remove("user", which)}) {
      CHECK(refused.kind == Kind::conflict);
      CHECK(refused.message == "the user is declared in ringfence.yaml:7; change it there and reload");
    }
  }
  CHECK(node.trail.records.back()[audit::Tag::outcome] == "denied");
  CHECK(node.trail.records.back()[audit::Tag::action] == "DELETE");
  const Answer taken = node.create("user", {{"name", "bob"}});
  CHECK(taken.kind == Kind::conflict);
  REQUIRE(taken.defects.size() == 1);
  CHECK(taken.defects[0].path == "name");
  // An id is one noun's.
  CHECK(node.read("target", declared_id_of("bob")).kind == Kind::not_found);
  CHECK(node.read("user", "ana").body.at("source") == "store");
}

TEST_CASE("a name that the file declares later leads to the file's record, an id to each") {
  forget_all();
  Declaring node;
  const std::string id = node.read("user", "ana").body.at("id").get<std::string>();
  auto more = std::make_shared<DeclaredRecords>();
  more->add(Node::noun("user"), {{"name", "ana"}}, "ringfence.yaml:3");
  node.plane->declare(more);
  CHECK(node.read("user", "ana").body.at("source") == "configuration");
  CHECK(node.read("user", id).body.at("source") == "store");
  CHECK(node.change("user", "ana", {{"enabled", false}}).kind == Kind::conflict);
  CHECK(node.change("user", id, {{"enabled", false}}).kind == Kind::ok);
  CHECK(node.names("name", 1) == "admin ana ana carl yves ");
  CHECK(node.remove("user", id).kind == Kind::deleted);
  CHECK(node.names("name", 1) == "admin ana carl yves ");
}

#include <doctest/doctest.h>

#include "ringfence/auth/scopes.h"

using namespace ringfence;
using namespace ringfence::auth;

namespace {

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("A scope is covered by itself, by its resource's star and by the star") {
  CHECK(Scopes({"audit:read"}).has("audit:read"));
  CHECK(Scopes({"audit:*"}).has("audit:read"));
  CHECK(Scopes({"*"}).has("audit:read"));
  CHECK(Scopes::all().has("audit:read"));
  CHECK_FALSE(Scopes().has("audit:read"));
  CHECK_FALSE(Scopes({"audit:write"}).has("audit:read"));
  CHECK_FALSE(Scopes({"audit:read"}).has("audit:reader"));
  CHECK_FALSE(Scopes({"audit:reader"}).has("audit:read"));
}

TEST_CASE("A resource's star ends at the colon") {
  CHECK_FALSE(Scopes({"audit:*"}).has("auditor:read"));
  CHECK_FALSE(Scopes({"audit:*"}).has("audit-log:read"));
  CHECK_FALSE(Scopes({"auditor:*"}).has("audit:read"));
}

TEST_CASE("A wildcard is covered by itself and by what is wider, never by what it covers") {
  CHECK(Scopes({"audit:*"}).has("audit:*"));
  CHECK(Scopes({"*"}).has("audit:*"));
  CHECK(Scopes({"*"}).has("*"));
  CHECK_FALSE(Scopes({"audit:read", "audit:write"}).has("audit:*"));
  CHECK_FALSE(Scopes({"audit:*"}).has("*"));
}

TEST_CASE("What is no scope is refused, and never covered") {
  for (const char* scope : {"", ":", "audit", "audit:", ":read", "Audit:read", "audit:Read", "audit:read:all",
                            "**", "*:*", "*:read", "au*:read", "audit:re*", "audit:**", "audit :read",
                            "audit:read ", "audit.log:read", "audit:r\xc3\xa9", "audit,users:read"}) {
    INFO(scope);
    CHECK_FALSE(check_scope(scope).empty());
    CHECK_FALSE(Scopes::all().has(scope));
    Scopes scopes;
    CHECK_FALSE(scopes.add(scope));
    CHECK(scopes.empty());
    CHECK(Scopes::parse(Names{"audit:read", scope}).error().fault == Fault::malformed);
  }
  for (const char* scope : {"*", "audit:*", "audit:read", "access-requests:write", "a_1:b-2"}) {
    CHECK(check_scope(scope).empty());
    CHECK(Scopes::all().has(scope));
  }
}

TEST_CASE("A scope has at most 64 bytes") {
  const std::string longest = "audit:" + std::string(58, 'r');
  CHECK(check_scope(longest).empty());
  CHECK_FALSE(check_scope(longest + "r").empty());
  // What is said of it has a bound, too.
  CHECK(check_scope(std::string(100'000, 'x')).size() < 300);
}

TEST_CASE("A set keeps nothing that another scope of it covers") {
  CHECK(Scopes({"users:read", "audit:read", "audit:*", "audit:write", "users:read"}).names() ==
        Names{"audit:*", "users:read"});
  CHECK(Scopes({"users:read", "*", "audit:*"}).names() == Names{"*"});
  CHECK(Scopes({"b:read", "a:read"}) == Scopes({"a:read", "b:read"}));
  CHECK(Scopes(std::set<std::string, std::less<>>{"a:read", "a:*"}).names() == Names{"a:*"});
}

TEST_CASE("A set has at most 64 scopes") {
  Names names;
  for (size_t i = 0; i < scopes_max; ++i) names.push_back("r" + std::to_string(i) + ":read");
  auto full = Scopes::parse(names);
  REQUIRE(full.has_value());
  CHECK(full->names().size() == scopes_max);
  CHECK_FALSE(full->add("more:read"));
  CHECK_FALSE(full->has("more:read"));
  // What is covered needs no room, and what covers others makes some.
  CHECK(full->add("r7:read"));
  CHECK(full->add("r7:*"));
  CHECK(full->add("*"));
  CHECK(full->names() == Names{"*"});
  names.push_back("more:read");
  CHECK(Scopes::parse(names).error().fault == Fault::limit);
}

TEST_CASE("Both of two sets allow what each of them covers") {
  CHECK(both(Scopes({"audit:*", "users:read"}), Scopes({"audit:read", "users:*", "keys:read"})) ==
        Scopes({"audit:read", "users:read"}));
  CHECK(both(Scopes::all(), Scopes({"audit:*"})) == Scopes({"audit:*"}));
  CHECK(both(Scopes({"audit:*"}), Scopes::all()) == Scopes({"audit:*"}));
  CHECK(both(Scopes::all(), Scopes::all()) == Scopes::all());
  CHECK(both(Scopes({"a:read"}), Scopes({"b:read"})).empty());
  CHECK(both(Scopes(), Scopes::all()).empty());
}

TEST_CASE("A set has all of another one when it covers each of its scopes") {
  CHECK(Scopes({"audit:*"}).has_all(Scopes({"audit:read", "audit:write"})));
  CHECK_FALSE(Scopes({"audit:*"}).has_all(Scopes({"audit:read", "users:read"})));
  CHECK_FALSE(Scopes({"audit:*"}).has_all(Scopes::all()));
  CHECK(Scopes().has_all(Scopes()));
}

TEST_CASE("The built-in roles give valid scopes") {
  REQUIRE(built_in_roles().size() == 4);
  for (const BuiltInRole& role : built_in_roles()) {
    CHECK_FALSE(role.description.empty());
    CHECK_FALSE(role.scopes.empty());
    for (std::string_view scope : role.scopes) CHECK_MESSAGE(check_scope(scope).empty(), scope);
  }
}

TEST_CASE("An administrator may do everything, an auditor changes nothing that is not his own") {
  CHECK(scopes_of_roles(Names{"admin"}) == Scopes::all());
  const Scopes auditor = scopes_of_roles(Names{"auditor"});
  CHECK(auditor.has("audit:read"));
  CHECK(auditor.has("users:read"));
  CHECK(auditor.has("self:write"));
  for (const std::string& name : auditor.names())
    CHECK_MESSAGE((name.ends_with(":read") || name == "self:*"), name);
}

TEST_CASE("An approver decides, a user has what is his own, and nobody else has anything") {
  CHECK(scopes_of_roles(Names{"approver"}).has("approvals:write"));
  CHECK_FALSE(scopes_of_roles(Names{"approver"}).has("users:read"));
  CHECK(scopes_of_roles(Names{"user"}) == Scopes({"self:*"}));
  CHECK(scopes_of_roles(Names{"root", "Admin", "", "*"}).empty());
  CHECK(scopes_of_roles(Names{"user", "approver"}) == scopes_of_roles(Names{"approver"}));
  CHECK(built_in_role("auditor") != nullptr);
  CHECK(built_in_role("root") == nullptr);
}

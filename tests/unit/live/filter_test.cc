#include <doctest/doctest.h>

#include "rows.h"

using namespace ringfence;
using namespace ringfence::live;
using audit::Severity;

TEST_CASE("a row's bytes say what filters ask about, and stay whole") {
  Uuid session = uuid_v7(1'700'000'000'000'000, 5);
  const std::string bytes =
      row(42, event("statement", "ana", Severity::error).uuid(audit::Tag::session_id, session), 99);
  Event kept(view_of(42, 99, bytes));
  const EventView& view = kept.view();
  CHECK(view.chain_no == 42);
  CHECK(view.recorded_at_us == 99);
  CHECK(view.fields == bytes);
  CHECK(view.fields.data() != bytes.data());
  CHECK(view.category == "authorization");
  CHECK(view.action == "statement");
  CHECK(view.outcome == "success");
  CHECK(view.user == "ana");
  CHECK(view.target == "shop");
  CHECK(view.severity == Severity::error);
  CHECK(view.session == session);
  CHECK(view.user.data() >= view.fields.data());
  CHECK(view.user.data() < view.fields.data() + view.fields.size());
}

TEST_CASE("bytes that are no fields match only who wants everything") {
  const EventView view = view_of(1, 1, "nonsense");
  CHECK(Filter{}.matches(view));
  Filter users;
  users.users = {"ana"};
  CHECK_FALSE(users.matches(view));
  Filter severe;
  severe.severity_min = Severity::info;
  CHECK_FALSE(severe.matches(view));
}

TEST_CASE("each part of a filter has to match, one of its list") {
  Uuid session = uuid_v7(1'700'000'000'000'000, 5);
  const std::string bytes =
      row(1, event("statement", "ana", Severity::warning).uuid(audit::Tag::session_id, session));
  const EventView view = view_of(1, 1, bytes);
  auto with = [&](auto set) {
    Filter filter;
    set(filter);
    return filter.matches(view);
  };
  CHECK(with([](Filter&) {}));
  CHECK(with([](Filter& f) { f.users = {"bob", "ana"}; }));
  CHECK_FALSE(with([](Filter& f) { f.users = {"bob", "an"}; }));
  CHECK(with([](Filter& f) { f.actions = {"statement"}; }));
  CHECK_FALSE(with([](Filter& f) { f.actions = {"login"}; }));
  CHECK(with([](Filter& f) { f.categories = {"authorization"}; }));
  CHECK_FALSE(with([](Filter& f) { f.categories = {"system"}; }));
  CHECK(with([](Filter& f) { f.targets = {"shop"}; }));
  CHECK_FALSE(with([](Filter& f) { f.targets = {"store"}; }));
  CHECK(with([](Filter& f) { f.outcomes = {"failure", "success"}; }));
  CHECK_FALSE(with([](Filter& f) { f.outcomes = {"failure"}; }));
  CHECK(with([](Filter& f) { f.severity_min = Severity::info; }));
  CHECK(with([](Filter& f) { f.severity_min = Severity::warning; }));
  CHECK_FALSE(with([](Filter& f) { f.severity_min = Severity::error; }));
  CHECK(with([&](Filter& f) { f.session = session; }));
  CHECK_FALSE(with([](Filter& f) { f.session = Uuid{}; }));
  CHECK_FALSE(with([](Filter& f) {
    f.users = {"ana"};
    f.targets = {"store"};
  }));
}

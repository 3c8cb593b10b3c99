#include "ringfence/control/registry.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include "break_glass.h"
#include "change.h"
#include "change_rules.h"
#include "cursor.h"
#include "request_change.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/utf8.h"
#include "ringfence/model/declared.h"
#include "target_facts.h"

namespace ringfence::control {

using model::Json;
using store::ControlRecord;

namespace {

constexpr size_t expired_at_once = 100;

}  // namespace

Result<std::optional<ControlRecord>> Registry::find(const model::Noun& noun, const std::string& which) {
  if (auto id = parse_uuid(which)) return records_.by_id(noun, *id);
  if (!is_valid_text(which)) return std::optional<ControlRecord>();
  if (noun.has_name()) return records_.by_name(noun, which);
  int64_t number = 0;
  const char* end = which.data() + which.size();
  const auto [read_to, error] = std::from_chars(which.data(), end, number);
  if (error != std::errc() || read_to != end) return std::optional<ControlRecord>();
  return records_.by_number(noun, number);
}

bool Registry::believes(const ControlRecord& record) const {
  if (believed_) return believed_(record);
  return authority_.check(record) == Authority::Verdict::authentic;
}

Result<std::optional<ControlRecord>> Registry::believed(ControlRecord record) {
  if (believes(record)) return std::optional<ControlRecord>(std::move(record));
  auto again = records_.by_id(*record.noun, *parse_uuid(record.id()));
  if (again && *again && !believes(**again)) again->reset();
  return again;
}

// They are no part of the records: whoever writes to the store may have written them.
Result<void> Registry::last_uses(const model::Noun& noun, const std::vector<Json>& bodies,
                                 std::map<std::string, std::string>& to) {
  if (noun.find("last_used_at") == nullptr || bodies.empty()) return {};
  std::vector<std::string> ids;
  for (const Json& body : bodies) ids.push_back(body.at("id").get<std::string>());
  auto known = records_.key_uses(ids);
  if (!known) return unexpected(std::move(known.error()));
  for (store::ControlRecords::KeyUse& use : *known) to.emplace(std::move(use.id), std::move(use.used_at));
  return {};
}

Answer Registry::note_key_uses(const std::vector<store::ControlRecords::KeyUse>& uses) {
  auto noted = records_.note_key_uses(uses);
  return noted ? Answer() : store_failed(noted.error(), {});
}

namespace {

// Visits each name of the configuration's that the record keeps: its field, and the name.
void each_declared_name(const model::Noun& noun, const Json& body, const auto& visit) {
  for (const model::Field& field : noun.fields) {
    if (field.declared_names.empty()) continue;
    const Json& kept = body.at(std::string(field.declared_names));
    if (kept.is_string()) visit(field, kept.get<std::string>());
    else if (kept.is_array())
      for (const Json& name : kept) visit(field, name.get<std::string>());
  }
}

// By the ids that stand in the references. They are told where the file has lost them, too.
void add_declared_names(const model::Noun& noun, const Json& body, std::map<std::string, std::string>& to) {
  each_declared_name(noun, body, [&](const model::Field& field, const std::string& name) {
    to.emplace(to_string(model::declared_id(field.of, name)), name);
  });
}

}  // namespace

Json Registry::not_declared(const model::Noun& noun, const Json& body) const {
  Json out = Json::array();
  each_declared_name(noun, body, [&](const model::Field& field, const std::string& name) {
    if (declared(*model::find_noun(field.of), to_string(model::declared_id(field.of, name))) == nullptr)
      out.push_back(model::declared_label(field.of, name));
  });
  return out;
}

Result<Json> Registry::present(const model::Noun& noun, std::vector<Json> bodies) {
  std::map<std::string_view, std::set<std::string>> wanted;  // Ids by noun.
  const auto each_reference = [&](Json& body, const auto& visit) {
    for (const model::Field& field : noun.fields) {
      Json& value = body[std::string(field.name)];
      if (field.kind == model::FieldKind::reference && value.is_string()) visit(field, value);
      if (field.kind != model::FieldKind::references) continue;
      for (Json& one : value) visit(field, one);
    }
  };
  for (Json& body : bodies) {
    each_reference(
        body, [&](const model::Field& field, Json& id) { wanted[field.of].insert(id.get<std::string>()); });
  }
  std::map<std::string, std::string> names;
  for (const Json& body : bodies) add_declared_names(noun, body, names);
  for (const auto& [of, ids] : wanted) {
    auto found = records_.by_ids(*model::find_noun(of), {ids.begin(), ids.end()});
    if (!found) return unexpected(std::move(found.error()));
    for (const ControlRecord& record : *found) {
      if (believes(record)) names.emplace(record.id(), record.body.at("name").get<std::string>());
    }
  }
  std::map<std::string, std::string> uses;
  if (auto known = last_uses(noun, bodies, uses); !known) return unexpected(std::move(known.error()));
  Json out = Json::array();
  for (Json& body : bodies) {
    if (noun.find("last_used_at") != nullptr) {
      const auto used = uses.find(body.at("id").get<std::string>());
      body["last_used_at"] = used == uses.end() ? Json() : Json(used->second);
    }
    each_reference(body, [&](const model::Field&, Json& id) {
      if (const auto name = names.find(id.get<std::string>()); name != names.end()) id = name->second;
    });
    if (noun.find("not_declared_here") != nullptr) body["not_declared_here"] = not_declared(noun, body);
    Json record = model::shown(noun, body);
    record.erase("revision");
    record["source"] = "store";
    record["declared_in"] = nullptr;
    out.push_back(std::move(record));
  }
  return out;
}

namespace {

// That a request has expired is not always written yet.
void show_state(const model::Noun& noun, Json& shown) {
  if (noun.is_request && is_over(shown, wall_us())) shown["state"] = "expired";
}

}  // namespace

Answer Registry::one(const ControlRecord& record, Answer::Kind kind) {
  auto made = present(*record.noun, {record.body});
  if (!made) return store_failed(made.error(), records_.refusal());
  Answer out;
  out.kind = kind;
  out.body = std::move(made->front());
  show_state(*record.noun, out.body);
  out.version = record.version();
  return out;
}

Answer Registry::refuse_declared(std::string_view action, const model::Noun& noun, const Json& declared,
                                 const Actor& actor) {
  const std::string why = DeclaredRecords::refusal_of(noun, declared);
  ChangeTrail(space_ ? space_() : nullptr)
      .refused(action, noun, declared.at("id").get<std::string>(), why, actor);
  return refusal(Answer::Kind::conflict, why);
}

Answer Registry::read(const model::Noun& noun, const std::string& which) {
  if (const Json* found = declared(noun, which)) {
    Answer out;
    out.body = *found;
    return out;
  }
  auto found = find(noun, which);
  if (!found) return store_failed(found.error(), {});
  if (!*found) return refusal(Answer::Kind::not_found, "there is no such " + std::string(noun.name));
  auto record = believed(std::move(**found));
  if (!record) return store_failed(record.error(), {});
  if (!*record) return not_believed();
  return one(**record, Answer::Kind::ok);
}

Answer Registry::find_target(const std::string& which, std::shared_ptr<const TargetFacts>& found) {
  const model::Noun& noun = *model::find_noun("target");
  auto record = find(noun, which);
  if (!record) return store_failed(record.error(), {});
  if (!*record) return refusal(Answer::Kind::not_found, "there is no such target");
  if (!believes(**record)) return not_believed();
  std::string wrong;
  auto facts = target_facts_of(
      (*record)->body, opener_by(authority_, [&wrong](const SealedField& field, const std::string& why) {
        wrong = "the target's " + field.name + " cannot be opened: " + why;
      }));
  if (!facts) return refusal(Answer::Kind::conflict, wrong);
  found = std::make_shared<const TargetFacts>(std::move(*facts));
  return {};
}

Answer Registry::list(const model::Noun& noun, const ListRequest& request) {
  auto query = query_of(noun, request);
  if (!query) {
    return invalid({{"", query.error().message}}, query.error().message);
  }
  query->limit = request.limit + 1;
  if (noun.is_request) (void)expire_requests();  // A list by state has each in its place.
  auto stored = records_.list(noun, *query);
  if (!stored) return store_failed(stored.error(), {});
  std::vector<Json> declared = declared_ ? declared_->list(noun, *query) : std::vector<Json>();
  std::vector<Json> bodies;
  for (const ControlRecord& record : *stored) bodies.push_back(record.body);
  std::vector<Json> page;
  std::merge(bodies.begin(), bodies.end(), declared.begin(), declared.end(), std::back_inserter(page),
             [&](const Json& a, const Json& b) { return stands_before(*query, a, b); });
  Answer out;
  const bool has_more = page.size() > request.limit;
  if (has_more) page.resize(request.limit);
  out.body["next_cursor"] = has_more ? Json(cursor_of(*query, page.back())) : Json();
  auto shown = show_page(noun, page, *stored);
  if (!shown) return store_failed(shown.error(), {});
  out.body["items"] = std::move(*shown);
  return out;
}

Result<Json> Registry::show_page(const model::Noun& noun, const std::vector<Json>& page,
                                 std::vector<ControlRecord>& stored) {
  std::vector<Json> bodies;
  for (size_t i = 0, k = 0; i < page.size(); ++i) {
    if (page[i].contains("declared_in")) continue;
    auto record = believed(std::move(stored[k++]));
    if (!record) return unexpected(std::move(record.error()));
    if (*record) bodies.push_back(std::move((*record)->body));
  }
  auto shown = present(noun, std::move(bodies));
  if (!shown) return shown;
  for (Json& item : *shown) show_state(noun, item);
  // Those that are not believed are gone: the others have their places by their ids.
  Json out = Json::array();
  auto next = shown->begin();
  for (const Json& one : page) {
    if (one.contains("declared_in")) out.push_back(one);
    else if (next != shown->end() && next->at("id") == one.at("id")) out.push_back(std::move(*next++));
  }
  return out;
}

namespace {

// Of a record that somebody gives; empty: it has none.
std::string name_in(const Json& given) {
  const bool has_name = given.is_object() && given.contains("name") && given["name"].is_string();
  return has_name ? given["name"].get<std::string>() : "";
}

}  // namespace

Answer Registry::create(const model::Noun& noun, const Json& given, const Actor& actor,
                        const std::string& idempotency_key) {
  const std::string name = name_in(given);
  if (const Json* found = name.empty() ? nullptr : declared(noun, name)) {
    Answer out = refuse_declared("CREATE", noun, *found, actor);
    out.defects = {{"name", "is taken by the configuration; choose another one"}};
    return out;
  }
  Answer answer = noun.is_request ? RequestChange(*this, actor).create(given, idempotency_key)
                                  : Change(*this, noun, actor).create(given, idempotency_key);
  return told("CREATE", noun, name, std::move(answer), actor);
}

Answer Registry::decide(const std::string& which, Decision decision, const Json& given,
                        std::optional<int64_t> if_version, const Actor& actor) {
  RequestChange change(*this, actor);
  Answer answer = change.decide(which, decision, given, if_version);
  // Of the appliance's own word nobody needs to know that another node was faster.
  if (decision == Decision::expire) return answer;
  return told(RequestChange::action_of(decision), *model::find_noun("access_request"), which,
              std::move(answer), actor);
}

Answer Registry::break_glass(const Json& given, const Actor& actor, const std::string& idempotency_key) {
  return told("break_glass", *model::find_noun("grant"), "",
              BreakGlass(*this, actor).make(given, idempotency_key), actor);
}

Result<void> Registry::expire_requests() {
  const model::Noun& noun = *model::find_noun("access_request");
  const Actor appliance{"ringfence", "expiry", "", {}, auth::Scopes::all()};
  store::ListQuery query;
  query.filters = {{"state", "pending"}};
  query.sort = "expires_at";
  query.limit = expired_at_once;
  auto found = records_.list(noun, query);
  if (!found) return unexpected(std::move(found.error()));
  for (const ControlRecord& record : *found) {
    if (!is_over(record.body, wall_us())) return {};
    if (!believes(record)) continue;
    // Another node may have been faster.
    (void)decide(record.id(), Decision::expire, Json::object(), record.version(), appliance);
  }
  return {};
}

Answer Registry::change(const model::Noun& noun, const std::string& which, const Json& given,
                        std::optional<int64_t> if_version, const Actor& actor) {
  if (const Json* found = declared(noun, which)) return refuse_declared("UPDATE", noun, *found, actor);
  return told("UPDATE", noun, which, Change(*this, noun, actor).change(which, given, if_version), actor);
}

Answer Registry::remove(const model::Noun& noun, const std::string& which, std::optional<int64_t> if_version,
                        const Actor& actor) {
  if (const Json* found = declared(noun, which)) return refuse_declared("DELETE", noun, *found, actor);
  return told("DELETE", noun, which, Change(*this, noun, actor).remove(which, if_version), actor);
}

Answer Registry::change_own_password(const Actor& user, const model::Secret& password, int64_t if_version) {
  RINGFENCE_ASSERT(!user.user_id.is_nil());
  const Json given = {{"password", std::string(password.reveal())}, {"must_change_password", false}};
  return Change(*this, *model::find_noun("user"), user).change(to_string(user.user_id), given, if_version);
}

}  // namespace ringfence::control

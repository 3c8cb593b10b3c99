#include "change.h"

#include <algorithm>

#include "change_rules.h"
#include "ringfence/auth/api_key.h"
#include "ringfence/base/clock.h"
#include "ringfence/control/credentials.h"
#include "ringfence/control/events.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::control {

using model::Json;
using store::ControlRecord;

Answer Change::failed(const Error& error) { return store_failed(error, records_.refusal()); }

std::optional<Answer> Change::begin(std::string_view action, const std::string& which) {
  auto begun = records_.begin();
  if (!begun) return failed(begun.error());
  revision_ = *begun;
  ring_ = registry_.authority_.ring();
  key_ = records_.current_key().empty() ? ring_->current_id() : records_.current_key();
  if (auto gone = ChangeRules(registry_, records_, actor_).check_actor())
    return give_up(action, which, std::move(*gone));
  if (ring_->find(key_) != nullptr) return std::nullopt;
  records_.roll_back();
  return refusal(Answer::Kind::conflict, "the store's records are by the key \"" + key_ +
                                             "\", which this node's key ring has not in use; bring the key "
                                             "ring of the other appliances");
}

Result<void> Change::seal(ControlRecord& record) const {
  if (auto moved = move_credentials(*ring_, key_, *record.noun, record.body); !moved) return moved;
  Authority::seal(record, *ring_, key_);
  return {};
}

Answer Change::give_up(std::string_view action, const std::string& which, Answer answer) {
  records_.roll_back();
  if (answer.kind == Answer::Kind::forbidden) trail_.refused(action, noun_, which, answer.message, actor_);
  return answer;
}

void Change::begin_record(ControlRecord& record) const {
  const std::string now = rfc3339(wall_us());
  record.body["revision"] = revision_;
  record.body["updated_at"] = now;
  record.body["updated_by"] = actor_.text();
  if (record.body.contains("created_at")) return;
  record.body["created_at"] = now;
  record.body["created_by"] = actor_.text();
}

Result<LoginSalt> Change::salt_for(const ControlRecord* record, const Json& given) {
  const model::Noun& users = *model::find_noun("user");
  if (noun_.name == "user" && record == nullptr)
    return new_login_salt(given.value("name", ""), registry_.scram_secret_);
  if (noun_.name == "user") return salt_of(*record);
  if (noun_.name != "key" || record != nullptr) return LoginSalt();
  const auto named = given.find("user");
  const std::string which =
      named != given.end() && named->is_string() ? named->get<std::string>() : to_string(actor_.user_id);
  auto user = registry_.find(users, which);
  if (!user) return unexpected(std::move(user.error()));
  if (!*user || !registry_.believes(**user)) return LoginSalt();  // The change will be refused.
  return salt_of(**user);
}

Result<LoginSalt> Change::salt_of(const ControlRecord& user) {
  store::ListQuery newest;
  newest.filters = {{"user", user.body.value("name", "")}};
  newest.sort = "created_at";
  newest.is_descending = true;
  newest.limit = auth::login_keys_max;
  auto keys = records_.list(*model::find_noun("key"), newest);
  if (!keys) return unexpected(std::move(keys.error()));
  const auto has_salt = [this](const ControlRecord& key) {
    return key.body.at("verifier").is_string() && registry_.believes(key);
  };
  const auto found = std::find_if(keys->begin(), keys->end(), has_salt);
  return login_salt(user.body, found == keys->end() ? nullptr : &found->body, registry_.scram_secret_);
}

// ---------------------------------------------------------------- create

Answer Change::create(const Json& given, const std::string& idempotency_key) {
  if (model::Defects wrong = model::check_new(noun_, given); !wrong.empty()) return invalid(std::move(wrong));
  const std::string name = given.value("name", "");
  // An id finds a record before a name does.
  if (parse_uuid(name)) return invalid({{"name", "has the form of an id; choose another one"}});
  const std::string id = to_string(new_event_id(wall_us()));
  auto salt = salt_for(nullptr, given);
  if (!salt) return failed(salt.error());
  Prepared prepared = prepare({noun_, id, name, true, *salt}, given, *registry_.authority_.ring());
  if (prepared.refusal) return *prepared.refusal;
  prepared.fields["id"] = id;
  return create_prepared(given, prepared, idempotency_key);
}

Answer Change::create_built_in(const Json& given) {
  Prepared prepared;
  prepared.fields["built_in"] = true;
  prepared.fields["id"] = to_string(new_event_id(wall_us()));
  return create_prepared(given, prepared, "");
}

Answer Change::renew_built_in(const std::string& id, const Json& fields) {
  if (auto refused = begin("UPDATE", id)) return *refused;
  Answer refused;
  auto record = current(id, std::nullopt, refused);
  if (!record) return give_up("UPDATE", id, std::move(refused));
  const Json before = record->body;
  record->body.update(fields);
  record->body["version"] = record->version() + 1;
  begin_record(*record);
  auto written = seal(*record);
  if (written) written = records_.update(*record);
  if (!written) return give_up("UPDATE", id, failed(written.error()));
  Answer answer = finish_update(*record, before);
  return answer.kind == Answer::Kind::ok ? answer : give_up("UPDATE", id, std::move(answer));
}

Answer Change::create_prepared(const Json& given, const Prepared& prepared,
                               const std::string& idempotency_key) {
  const std::string name = given.value("name", "");
  if (auto refused = begin("CREATE", name)) return *refused;
  Answer answer = create_within(given, prepared, idempotency_key);
  if (answer.kind != Answer::Kind::created) return give_up("CREATE", name, std::move(answer));
  if (answer.revision == 0) records_.roll_back();  // An earlier one.
  for (const auto& [key, value] : prepared.told.items()) {
    if (answer.revision != 0) answer.body[key] = value;
  }
  return answer;
}

Answer Change::replay(const store::ControlRecords::EarlierAnswer& earlier, const std::string& request) {
  // It may be by a key that was the current one then.
  const auto& keys = ring_->keys();
  std::string digest;
  const auto by = std::find_if(keys.begin(), keys.end(), [&](const RingKey& key) {
    if (!key.is_usable()) return false;
    digest = Authority::code(key.secret, "request", request);
    return earlier.request_digest.starts_with(digest);
  });
  if (by == keys.end())
    return refusal(Answer::Kind::conflict,
                   "this Idempotency-Key came with another request before, or before the keys were rotated; "
                   "use a new one");
  Answer out;
  out.kind = Answer::Kind::created;
  out.body = Json::parse(earlier.answer, nullptr, false);
  const std::string wanted =
      digest + Authority::code(by->secret, "answer", digest + model::canonical_json(out.body));
  if (!crypto::constant_time_equal(earlier.request_digest, wanted))
    return refusal(Answer::Kind::conflict,
                   "the answer to this Idempotency-Key is not as an appliance wrote it; use a new key");
  out.version = out.body.at("version").get<int64_t>();
  return out;
}

Answer Change::create_within(const Json& given, const Prepared& prepared,
                             const std::string& idempotency_key) {
  // By a key: the request may hold a password, which a digest alone would let the store's owner guess.
  const std::string request = std::string(noun_.name) + '\0' + actor_.text() + '\0' + idempotency_key + '\0' +
                              model::canonical_json(given);
  if (!idempotency_key.empty()) {
    auto earlier = records_.earlier_answer(actor_.text(), idempotency_key);
    if (!earlier) return failed(earlier.error());
    if (*earlier) return replay(**earlier, request);
  }
  Json wanted = without_secrets(noun_, given);
  if (noun_.name == "key" && !wanted.contains("user") && !actor_.user_id.is_nil())
    wanted["user"] = to_string(actor_.user_id);
  auto defects = resolve(wanted);
  if (!defects) return failed(defects.error());
  if (!defects->empty()) return invalid(std::move(*defects));
  ControlRecord record{&noun_, model::complete(noun_, wanted), {}, {}};
  record.body.update(prepared.fields);
  record.body["version"] = 1;
  begin_record(record);
  auto number = records_.next_number(noun_);
  if (!number) return failed(number.error());
  record.body["number"] = *number;
  if (auto refused = ChangeRules(registry_, records_, actor_).check(noun_, nullptr, &record.body))
    return *refused;
  if (auto refused = complete_new(record)) return *refused;
  if (auto sealed = seal(record); !sealed) return failed(sealed.error());
  if (auto written = records_.insert(record); !written) return failed(written.error());
  Answer answer = registry_.one(record, Answer::Kind::created);
  if (answer.kind != Answer::Kind::created) return answer;
  if (!idempotency_key.empty()) {
    const std::string text = model::canonical_json(answer.body);
    const std::string digest = Authority::code(*ring_->find(key_), "request", request);
    const std::string code = digest + Authority::code(*ring_->find(key_), "answer", digest + text);
    auto kept = records_.keep_answer(actor_.text(), idempotency_key, code, text);
    if (!kept) return failed(kept.error());
  }
  const Json after = answer.body;
  return finish("CREATE", record, nullptr, after, std::move(answer));
}

Answer Change::finish(std::string_view action, const ControlRecord& record, const Json& before,
                      const Json& after, Answer answer) {
  bool is_taken = trail_.begin({action, &noun_, record.id(), before, after}, actor_);
  for (Beside& one : beside_) is_taken = is_taken && one.trail.begin(one.event, actor_);
  if (!is_taken) {
    constexpr const char* why = "the trail takes no record of the change; it was not made";
    end_trail(audit::Outcome::failure, why);
    return unavailable(why);
  }
  auto committed = records_.commit();
  if (!committed) {
    // A connection that broke in COMMIT leaves open whether the store has made the change.
    const bool is_open = committed.error().fault == Fault::unavailable;
    end_trail(is_open ? audit::Outcome::unknown : audit::Outcome::failure, committed.error().message);
    return is_open ? unavailable(
                         "the store did not confirm the change; read the record to see whether it was made")
                   : failed(committed.error());
  }
  end_trail(audit::Outcome::success, "");
  trail_.links(noun_, record.id(), before, after, actor_);
  for (const auto& [event, trail] : beside_)
    trail_.links(*event.noun, event.id, event.before, event.after, actor_);
  answer.revision = revision_;
  answer.changed = model::record_key(noun_, record.id());
  answer.changed_version = record.version() + (answer.kind == Answer::Kind::deleted ? 1 : 0);
  if (awaited_.empty()) return answer;
  answer.changed = awaited_;
  answer.changed_version = 1;
  return answer;
}

void Change::add_beside(ChangeEvent event) {
  beside_.push_back({std::move(event), ChangeTrail(registry_.space_ ? registry_.space_() : nullptr)});
}

// What the trail has taken the beginning of.
void Change::end_trail(audit::Outcome outcome, const std::string& reason) {
  trail_.end(outcome, reason);
  for (Beside& one : beside_) one.trail.end(outcome, reason);
}

// ---------------------------------------------------------------- change and delete

Result<ControlRecord> Change::current(const std::string& which, std::optional<int64_t> if_version,
                                      Answer& refused) {
  auto found = registry_.find(noun_, which);
  if (!found) {
    refused = failed(found.error());
    return unexpected(std::move(found.error()));
  }
  const auto stop = [&](Answer::Kind kind, std::string message) -> Result<ControlRecord> {
    refused = refusal(kind, std::move(message));
    return fail(Fault::conflict, refused.message);
  };
  if (!*found) return stop(Answer::Kind::not_found, "there is no such " + std::string(noun_.name));
  ControlRecord& record = **found;
  if (ChangeRules::is_hidden(noun_, record.body, actor_))
    return stop(Answer::Kind::not_found, "there is no such " + std::string(noun_.name));
  if (!registry_.believes(record)) {
    refused = not_believed();
    return fail(Fault::conflict, refused.message);
  }
  if (if_version && *if_version != record.version())
    return stop(Answer::Kind::stale, "the record is version " + std::to_string(record.version()) +
                                         " by now; read it again and repeat the change");
  return std::move(record);
}

Answer Change::change(const std::string& which, const Json& given, std::optional<int64_t> if_version) {
  if (model::Defects wrong = model::check_change(noun_, given); !wrong.empty())
    return invalid(std::move(wrong));
  Prepared prepared;
  if (without_secrets(noun_, given) != given) {
    // What becomes of a secret hangs on the record's id and name, which do not change.
    auto found = registry_.find(noun_, which);
    if (!found) return failed(found.error());
    if (!*found) return refusal(Answer::Kind::not_found, "there is no such " + std::string(noun_.name));
    auto salt = salt_for(&**found, given);
    if (!salt) return failed(salt.error());
    prepared = prepare({noun_, (*found)->id(), (*found)->body.value("name", ""), false, *salt}, given,
                       *registry_.authority_.ring());
    if (prepared.refusal) return *prepared.refusal;
  }
  if (auto refused = begin("UPDATE", which)) return *refused;
  Answer answer = change_within(which, given, prepared, if_version);
  if (answer.kind != Answer::Kind::ok) return give_up("UPDATE", which, std::move(answer));
  if (answer.revision == 0) records_.roll_back();  // Nothing differs.
  return answer;
}

Answer Change::change_within(const std::string& which, const Json& given, const Prepared& prepared,
                             std::optional<int64_t> if_version) {
  Answer refused;
  auto record = current(which, if_version, refused);
  if (!record) return refused;
  const Json before = record->body;
  Json wanted = without_secrets(noun_, given);
  auto defects = resolve(wanted);
  if (!defects) return failed(defects.error());
  if (!defects->empty()) return invalid(std::move(*defects));
  Json fields = model::merged(noun_, record->body, wanted);
  fields.update(prepared.fields);
  if (fields == before) return registry_.one(*record, Answer::Kind::ok);
  record->body = std::move(fields);
  record->body["version"] = record->version() + 1;
  begin_record(*record);
  ChangeRules rules(registry_, records_, actor_);
  if (auto not_allowed = rules.check(noun_, &before, &record->body)) return *not_allowed;
  if (auto sealed = seal(*record); !sealed) return failed(sealed.error());
  if (auto written = records_.update(*record); !written) return failed(written.error());
  if (auto not_allowed = rules.check_after(noun_, &before)) return *not_allowed;
  return finish_update(*record, before);
}

Answer Change::finish_update(const ControlRecord& record, const Json& before) {
  auto both = registry_.present(noun_, {before, record.body});
  if (!both) return failed(both.error());
  Answer answer;
  answer.body = both->back();
  answer.version = record.version();
  return finish("UPDATE", record, both->front(), both->back(), std::move(answer));
}

Answer Change::remove(const std::string& which, std::optional<int64_t> if_version) {
  if (auto refused = begin("DELETE", which)) return *refused;
  Answer answer = remove_within(which, if_version);
  const bool is_doubtful =
      answer.kind == Answer::Kind::not_found ||
      (answer.kind == Answer::Kind::conflict && answer.message == not_believed().message);
  if (is_doubtful && actor_.scopes.has_all(auth::Scopes::all()) && parse_uuid(which)) {
    Answer buried = remove_doubtful(which);
    if (buried.kind != Answer::Kind::not_found) answer = std::move(buried);
  }
  return answer.kind == Answer::Kind::deleted ? answer : give_up("DELETE", which, std::move(answer));
}

store::Tombstone Change::stone_of(const std::string& id, int64_t version) const {
  store::Tombstone out{&noun_,
                       {{"id", id},
                        {"version", version},
                        {"revision", revision_},
                        {"deleted_at", rfc3339(wall_us())},
                        {"deleted_by", actor_.text()}},
                       {},
                       {}};
  Authority::seal(out, *ring_, key_);
  return out;
}

Answer Change::remove_doubtful(const std::string& which) {
  auto found = records_.by_id(noun_, *parse_uuid(which));
  if (!found) return failed(found.error());
  const std::string place = model::record_key(noun_, which);
  int64_t version = registry_.known_version_ ? registry_.known_version_(place) : 0;
  if (*found) version = std::max(version, (*found)->version());
  if (version == 0) return refusal(Answer::Kind::not_found, "there is no such " + std::string(noun_.name));
  if (auto gone = records_.bury(stone_of(which, version + 1)); !gone) return failed(gone.error());
  const ControlRecord record{&noun_, {{"id", which}, {"version", version}}, {}, {}};
  return finish("DELETE", record, {{"id", which}, {"in_doubt", true}}, nullptr,
                refusal(Answer::Kind::deleted, ""));
}

Answer Change::remove_within(const std::string& which, std::optional<int64_t> if_version) {
  Answer refused;
  auto record = current(which, if_version, refused);
  if (!record) return refused;
  ChangeRules rules(registry_, records_, actor_);
  if (auto not_allowed = rules.check(noun_, &record->body, nullptr)) return *not_allowed;
  const store::Tombstone stone = stone_of(record->id(), record->version() + 1);
  auto was = registry_.present(noun_, {record->body});
  if (!was) return failed(was.error());
  if (auto gone = records_.remove(stone); !gone) return failed(gone.error());
  if (auto not_allowed = rules.check_after(noun_, &record->body)) return *not_allowed;
  return finish("DELETE", *record, was->front(), nullptr, refusal(Answer::Kind::deleted, ""));
}

}  // namespace ringfence::control

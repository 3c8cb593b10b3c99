// Records of any noun: listed, read, made, changed and deleted, by those who may, with a record in the trail.
//
// One thread, which the store may keep waiting. Each change is one transaction: the record with its code, its
// links, and the change of the revision that other nodes follow. The trail has the change before it is
// committed, and its outcome after that; where the process ends between the two, the outcome is unknown.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ringfence/audit/event.h"
#include "ringfence/control/answer.h"
#include "ringfence/control/authority.h"
#include "ringfence/control/declared_records.h"
#include "ringfence/control/in_force.h"
#include "ringfence/control/record_directory.h"
#include "ringfence/store/control_records.h"

namespace ringfence::control {

class RefusalTally;

class Registry {
 public:
  // What is referred to outlives it. `space` gives where records of the trail are written; null: nowhere.
  // `scram_secret`: as control_plane.h has it.
  Registry(store::Connection& connection, const Authority& authority,
           std::function<audit::RecordSpace*()> space, std::string scram_secret = {})
      : records_(connection),
        authority_(authority),
        space_(std::move(space)),
        scram_secret_(std::move(scram_secret)) {}

  // Which records are those that an appliance has written last. Where nothing is said, each authentic one is.
  void believe(std::function<bool(const store::ControlRecord&)> which) { believed_ = std::move(which); }
  bool believes(const store::ControlRecord& record) const;
  // Which version of a record, "<noun> <id>", was there last, whatever the store has now; 0: none was, or it
  // was deleted.
  void know(std::function<int64_t(const std::string& record)> version) {
    known_version_ = std::move(version);
  }
  // What the configuration declares: it is shown, and a name that it has leads there. Null: nothing.
  void declare(std::shared_ptr<const DeclaredRecords> declared) { declared_ = std::move(declared); }

  // Refusals by validation are told to the trail within its bounds. Null: all of them. It outlives the
  // registry.
  void bound_refusals(RefusalTally* tally) { refusals_ = tally; }

  // `which`: a record's id, or its name; of nouns without names its number. Records that are not believed are
  // in no list, and reading one is a conflict.
  Answer list(const model::Noun& noun, const ListRequest& request);
  Answer read(const model::Noun& noun, const std::string& which);
  // {"id", "number", "name"} of each, in their order; null where there is none that is believed. The name is
  // null where the noun has none.
  Answer identify(const std::vector<Called>& called);
  // `idempotency_key`: the same key, from the same actor and with the same content, gives the first answer.
  // A target with its secrets, enabled or not. Null: the answer says why.
  Answer find_target(const std::string& which, std::shared_ptr<const TargetFacts>& found);
  Answer create(const model::Noun& noun, const model::Json& given, const Actor& actor,
                const std::string& idempotency_key);
  // `if_version`: only this version of the record is changed.
  Answer change(const model::Noun& noun, const std::string& which, const model::Json& given,
                std::optional<int64_t> if_version, const Actor& actor);
  Answer remove(const model::Noun& noun, const std::string& which, std::optional<int64_t> if_version,
                const Actor& actor);
  // An access request, once and never by the user who made it. An approval makes the grant in the same
  // transaction. `given`: {"reason": …}, which a denial needs.
  Answer decide(const std::string& which, Decision decision, const model::Json& given,
                std::optional<int64_t> if_version, const Actor& actor);
  // A grant for the actor himself, as model::break_glass_form() asks for it; the trail's event is CRITICAL.
  Answer break_glass(const model::Json& given, const Actor& actor, const std::string& idempotency_key);
  // Pending requests whose time is over expire. Without that they are shown as expired, and not decided.
  Result<void> expire_requests();
  // A user's own, by himself and whatever his scopes are; it need not be changed again. The caller has
  // checked the one that he had in this version of his record. Defects are of the field `password`.
  Answer change_own_password(const Actor& user, const model::Secret& password, int64_t if_version);
  // A change that was refused before anybody asked for it here: its request makes no sense.
  Answer note_refusal(std::string_view action, const model::Noun& noun, const std::string& which,
                      const std::string& why, const Actor& actor);
  // Beside the keys' records; nobody's change, and no event. See ControlRecords.
  Answer note_key_uses(const std::vector<store::ControlRecords::KeyUse>& uses);
  // Built-in roles, up to date in a store of an earlier appliance, too; and the first administrator, where
  // there are no users. `password` is asked for then.
  struct First {
    bool is_made = false;
    std::string user;
  };
  Result<First> make_first(const std::function<Result<model::Secret>()>& password);

 private:
  friend class Change;
  friend class RequestChange;
  friend class BreakGlass;
  Result<void> make_built_in_roles(const Actor& appliance);
  // Of an answer that refuses a change because of what it says; others are told where they are decided.
  Answer told(std::string_view action, const model::Noun& noun, const std::string& which, Answer answer,
              const Actor& actor);
  Result<std::optional<store::ControlRecord>> find(const model::Noun& noun, const std::string& which);
  // Null: the configuration declares no such record.
  const model::Json* declared(const model::Noun& noun, const std::string& which) const {
    return declared_ ? declared_->find(noun, which) : nullptr;
  }
  // What a reference leads to where it may be to a record of the configuration. Null: to none of it.
  const model::Json* declared_for(const model::Field& field, const std::string& which) const {
    return field.declared_names.empty() ? nullptr : declared(*model::find_noun(field.of), which);
  }
  // Those of the record that the configuration of this node does not have: "user ana".
  model::Json not_declared(const model::Noun& noun, const model::Json& body) const;
  // That nobody changes it here, which the trail is told.
  Answer refuse_declared(std::string_view action, const model::Noun& noun, const model::Json& declared,
                         const Actor& actor);
  // Records as they are shown: with the names of what they refer to.
  Result<model::Json> present(const model::Noun& noun, std::vector<model::Json> bodies);
  Result<void> last_uses(const model::Noun& noun, const std::vector<model::Json>& bodies,
                         std::map<std::string, std::string>& to);
  Answer one(const store::ControlRecord& record, Answer::Kind kind);
  // Of a merged page whose records of the store are the first ones of `stored`, in their order.
  Result<model::Json> show_page(const model::Noun& noun, const std::vector<model::Json>& page,
                                std::vector<store::ControlRecord>& stored);
  // The record as it is now, where another node has changed it since it was read; nothing: it is not
  // believed.
  Result<std::optional<store::ControlRecord>> believed(store::ControlRecord record);

  store::ControlRecords records_;
  const Authority& authority_;
  std::function<audit::RecordSpace*()> space_;
  std::string scram_secret_;
  std::function<bool(const store::ControlRecord&)> believed_;
  std::function<int64_t(const std::string&)> known_version_;
  std::shared_ptr<const DeclaredRecords> declared_;
  RefusalTally* refusals_ = nullptr;
};

}  // namespace ringfence::control

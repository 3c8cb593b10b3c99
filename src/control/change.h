// One change of one record, from its checks to its end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "change_trail.h"
#include "preparation.h"
#include "ringfence/control/registry.h"

namespace ringfence::control {

class Change {
 public:
  Change(Registry& registry, const model::Noun& noun, const Actor& actor)
      : registry_(registry),
        records_(registry.records_),
        noun_(noun),
        actor_(actor),
        trail_(registry.space_ ? registry.space_() : nullptr) {}
  virtual ~Change() = default;
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

  Answer create(const model::Json& given, const std::string& idempotency_key);
  // A record of the appliance's own, which nobody may change.
  Answer create_built_in(const model::Json& given);
  // Such a record gets what a newer appliance gives it.
  Answer renew_built_in(const std::string& id, const model::Json& fields);
  Answer change(const std::string& which, const model::Json& given, std::optional<int64_t> if_version);
  Answer remove(const std::string& which, std::optional<int64_t> if_version);

 protected:
  // A new record, before it is sealed. What depends on the store's other records is added here, and what
  // comes with the record is written. An answer refuses the record.
  virtual std::optional<Answer> complete_new(store::ControlRecord& record) {
    (void)record;
    return std::nullopt;
  }
  // What else the same transaction makes or means. It has a record of the trail of its own.
  void add_beside(ChangeEvent event);

  Answer create_prepared(const model::Json& given, const Prepared& prepared,
                         const std::string& idempotency_key);
  // The record that the change is about, in the version that was asked for; else what is answered.
  Result<store::ControlRecord> current(const std::string& which, std::optional<int64_t> if_version,
                                       Answer& refused);
  // Begins the transaction, takes the key that new rows are by, and asks again for the actor; else what is
  // answered. `action` and `which`: what a refusal is of.
  std::optional<Answer> begin(std::string_view action, const std::string& which);
  // With that key, the record's secrets too.
  Result<void> seal(store::ControlRecord& record) const;
  // The records of the trail, the commit.
  Answer finish(std::string_view action, const store::ControlRecord& record, const model::Json& before,
                const model::Json& after, Answer answer);
  // The same of a record that has been written in place of `before`.
  Answer finish_update(const store::ControlRecord& record, const model::Json& before);
  Answer failed(const Error& error);
  // Takes the change back, and tells of a refusal.
  Answer give_up(std::string_view action, const std::string& which, Answer answer);
  void begin_record(store::ControlRecord& record) const;
  // What the secrets of the record's user are made with. `record`: null, it is about to be made.
  Result<LoginSalt> salt_for(const store::ControlRecord* record, const model::Json& given);
  Result<LoginSalt> salt_of(const store::ControlRecord& user);

  Registry& registry_;
  store::ControlRecords& records_;
  const model::Noun& noun_;
  const Actor& actor_;
  ChangeTrail trail_;
  int64_t revision_ = 0;
  KeyRingPtr ring_;  // Of the change under way.
  std::string key_;  // In use in that ring.
  // "<noun> <id>" of a new record that must be in force when the answer comes. Empty: the one that changes.
  std::string awaited_;

 private:
  Answer create_within(const model::Json& given, const Prepared& prepared,
                       const std::string& idempotency_key);
  Answer change_within(const std::string& which, const model::Json& given, const Prepared& prepared,
                       std::optional<int64_t> if_version);
  Answer remove_within(const std::string& which, std::optional<int64_t> if_version);
  // Of one whose row is not believed, or was taken away without an appliance: so it is put right.
  Answer remove_doubtful(const std::string& which);
  store::Tombstone stone_of(const std::string& id, int64_t version) const;
  // Names become ids. What does not exist is a defect.
  Result<model::Defects> resolve(model::Json& given);
  Answer replay(const store::ControlRecords::EarlierAnswer& earlier, const std::string& request);
  void end_trail(audit::Outcome outcome, const std::string& reason);

  struct Beside {
    ChangeEvent event;
    ChangeTrail trail;
  };
  std::vector<Beside> beside_;
};

}  // namespace ringfence::control

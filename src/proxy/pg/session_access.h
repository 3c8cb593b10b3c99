// What a session's user may do on its target: found at login, looked up again when the policies change.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conversation.h"
#include "login_end.h"
#include "pg_shard_state.h"
#include "recorder.h"
#include "ringfence/pg/startup.h"

namespace ringfence::proxy {

struct ServerGreeting;

class SessionAccess {
 public:
  SessionAccess() = default;
  // By the snapshot of the login, which outlives it. `who` is one of its users.
  SessionAccess(PgShardState& shard, const SnapshotPtr& snapshot, const LoggedIn& who,
                std::string_view database);

  // While it logs in.
  bool is_granted() const { return access_->is_granted(); }
  // Says in the trail what was found; of a denial the client learns nothing that it could not guess.
  void record_found(Recorder& recorder, uint64_t now_us) const { record(recorder, *access_, now_us); }
  void record_permission(Recorder& recorder, bool is_granted, std::string_view permission,
                         std::string_view reason, uint64_t now_us) const;
  // The keys of the startup packet under the user's access: every one that changes what the session may do is
  // refused. `notices`: for the client, behind its login.
  Result<void> restrict_parameters(std::vector<pg::StartupParameter>& parameters, std::string& notices,
                                   Recorder& recorder, uint64_t now_us);
  // Applications that live with standard_conforming_strings = off keep it where nothing is decided by the
  // text.
  bool has_legacy_strings() const { return target_->legacy_strings && access_->is_unrestricted(); }
  // Once the server has said what it is: the gate, null where everything may pass, or why there can be no
  // session.
  Result<std::unique_ptr<Gate>> make_gate(PgShardState& shard, const ServerGreeting& greeting);

  // Whether it was found by the policies in force.
  bool is_current(const PgShardState& shard) const { return shard.core.look() == seen_; }
  // Whether the policies in force leave the session no way but to end.
  bool has_ended(PgShardState& shard) const;
  struct Ending {
    EndReason reason;
    bool is_at_once = false;  // Otherwise as soon as nothing runs.
  };
  // Where it is not current, before each chunk from the client. Nothing: the session goes on.
  // `is_ending`: it is to end already, and the trail has it.
  std::optional<Ending> renew(PgShardState& shard, Recorder& recorder, Conversation& conversation,
                              bool is_ending);

  // By the grant in force; null: it has no bounds.
  std::unique_ptr<Spending> spending() const;

  std::string_view user() const { return user_->name; }
  const Target* target() const { return target_; }  // Of that snapshot; null: there is none.
  std::string_view database() const { return target_->name; }
  policy::Level login_level() const { return login_level_; }  // Whose credential the server knows us by.
  policy::Level level() const { return access_->level; }

 private:
  void record(Recorder& recorder, const policy::Access& access, uint64_t now_us) const;
  std::optional<EndReason> end_of_user(const PgShardState& shard) const;
  std::optional<EndReason> end_of_target(const PgShardState& shard) const;
  bool needs_other_login(const PgShardState& shard, const policy::Access& renewed) const;
  bool has_unfit_superuser(const PgShardState& shard, const policy::Access& renewed) const;
  bool outgrew(const policy::Access& renewed) const;
  std::optional<EndReason> end_by(const PgShardState& shard, const policy::Access& renewed) const;
  std::optional<Ending> use(PgShardState& shard, std::shared_ptr<const policy::Access> renewed,
                            Recorder& recorder, Conversation& conversation);

  const User* user_ = nullptr;
  const LoginKey* key_ = nullptr;  // By which the user logged in; null: by none.
  const Target* target_ = nullptr;
  std::shared_ptr<const policy::Access> access_;
  SnapshotPtr seen_;  // By which access_ was found.
  policy::SessionFacts facts_;
  policy::Level login_level_ = policy::Level::read;
  bool is_superuser_ = false;  // On the server.
  bool is_late_ = false;       // Other policies wait for a message's end.
};

}  // namespace ringfence::proxy

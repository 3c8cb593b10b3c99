// What a session's user may do on its target: found at login, looked up again when the policies change.
#include "pg_session.h"
#include "pinned_settings.h"
#include "ringfence/base/utf8.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/pg/build.h"
#include "ringfence/pg/sqlstate.h"
#include "ringfence/policy/decide.h"
#include "ringfence/proxy/core/bounds.h"
#include "startup_filter.h"

namespace ringfence::proxy {

using audit::Category;
using audit::Outcome;
using audit::Severity;
using audit::Tag;

namespace {

constexpr std::string_view no_superuser = "access level read is not given through a superuser of the server";

int major_version(std::string_view text) {
  int version = 0;
  for (char c : text) {
    if (c < '0' || c > '9') break;
    if (version < 1000) version = version * 10 + (c - '0');
  }
  return version;
}

std::string names_of(const policy::Access& access) {
  std::string names;
  for (const policy::Policy* policy : access.policies) names += (names.empty() ? "" : ", ") + policy->name;
  return names;
}

// Of the encodings that a database may have. Unknown ones count as such.
bool has_one_byte_characters(std::string_view encoding) {
  return encoding != "UTF8" && encoding != "MULE_INTERNAL" && !encoding.starts_with("EUC_");
}

}  // namespace

// Says in the trail what was found; of a denial the client learns nothing that it could not guess.
void PgSession::record_access(const policy::Access& access) {
  const bool is_granted = access.is_granted();
  auto found = recorder_.authorization(is_granted ? "policy_evaluated" : "access_denied", access, is_granted,
                                       "connect", shard_.core.shard.now_us());
  if (is_granted) {
    const std::string names = names_of(access);
    found.text(Tag::rule, text_prefix(names, policy_names_bytes_max));
    found.text(Tag::reason, std::string("access level ") + sql::level_name(access.level));
  } else {
    found.text(Tag::reason, target_ == nullptr ? "no such target" : "no policy gives access");
  }
  recorder_.publish(std::move(found));
}

void PgSession::record_permission(bool is_granted, std::string_view permission, std::string_view reason) {
  auto found = recorder_.authorization(is_granted ? "permission_check" : "permission_denied", *access_,
                                       is_granted, permission, shard_.core.shard.now_us());
  found.text(Tag::reason, shown_name(reason));
  recorder_.publish(std::move(found));
}

// The keys of the startup packet under the user's access: every one that changes what the session may do is
// refused.
Result<void> PgSession::restrict_parameters(std::vector<pg::StartupParameter>& parameters) {
  server_facts_.is_server_read_only = access_->level == policy::Level::read;
  if (!has_legacy_strings()) {
    auto pinned = pin_strings(parameters);
    if (!pinned) return pinned;
  }
  if (access_->is_unrestricted()) return {};
  for (const pg::StartupParameter& parameter : parameters) {
    const std::string reason = policy::refuse_startup_setting(*access_, parameter.name, parameter.value);
    if (!reason.empty()) {
      record_permission(false, "set " + parameter.name, reason);
      return fail(Fault::denied, "startup parameter \"" + parameter.name +
                                     "\" is not allowed at access level " + sql::level_name(access_->level) +
                                     ": " + reason);
    }
  }
  if (access_->level == policy::Level::read) {
    for (const pg::StartupParameter& parameter : parameters)
      if (parameter.name == "default_transaction_read_only" && boolean_of(parameter.value) != true)
        warn_of_read_only();
    std::erase_if(parameters,
                  [](const auto& parameter) { return parameter.name == "default_transaction_read_only"; });
    // As a key of the startup packet it is what RESET ALL and DISCARD ALL return to.
    parameters.push_back({"default_transaction_read_only", "on"});
  }
  return {};
}

// Behind the login, where the client hears it.
void PgSession::warn_of_read_only() {
  pg::append_notice_response(
      login_->notices, {.severity = "WARNING",
                        .sqlstate = "01000",
                        .message = "default_transaction_read_only stays on",
                        .detail = "The startup packet asks for off, and your access level here is read.",
                        .hint = "Ask for a policy of level write on this target."});
}

// Once the server has said what it is: the gate, or why there can be no session.
Result<std::unique_ptr<Gate>> PgSession::make_gate() {
  std::string_view version = "15", is_superuser, encoding;
  for (const auto& [name, value] : server_->greeting->settings) {
    if (name == "server_version") version = value;
    if (name == "is_superuser") is_superuser = value;
    if (name == "server_encoding") encoding = value;
  }
  server_facts_.folds_beyond_ascii = has_one_byte_characters(encoding);
  server_facts_.server_version = major_version(version);
  is_superuser_ = is_superuser == "on";
  if (access_->is_unrestricted()) return nullptr;
  if (access_->level == policy::Level::read && is_superuser_ && !target_->allow_superuser_read) {
    return fail(Fault::denied, std::string(no_superuser));
  }
  auto nonce = crypto::random_bytes(18);
  if (!nonce) return unexpected(std::move(nonce).error());
  auto judge = shard_.judges.find(user_, database_, *access_, server_facts_, snapshot_seen_->generation);
  return std::make_unique<Gate>(std::move(judge), nonce_text(*nonce));
}

// Letters and digits only, lower case: an identifier without quotes.
std::string PgSession::nonce_text(ByteView bytes) {
  static constexpr std::string_view digits = "abcdefghijklmnopqrstuvwxyz234567";
  std::string text;
  for (unsigned char c : bytes) {
    text += digits[c & 31];
  }
  return text;
}

// The policies have changed. A session without access ends as soon as nothing runs; others look at their next
// statement.
void PgSession::reconsider() {
  if (reset_) return;          // It is over; whether its connection is kept is looked at then.
  if (!conversation_) return;  // It looks once more when it has logged in.
  const auto renewed = shard_.accesses.find(user_, database_, shard_.core.snapshot, shard_.core.snapshot);
  if (!renewed->is_granted() || needs_other_login(*renewed) || has_unfit_superuser(*renewed) ||
      outgrew(*renewed))
    renew_access();
}

// Whether the new level is another server user's than the one that the session is logged in as.
bool PgSession::needs_other_login(const policy::Access& renewed) const {
  if (renewed.level == login_level_) return false;
  const Target* target = shard_.core.snapshot->find_target(database_);
  return target != nullptr && target->user_for(renewed.level) != target_->user_for(login_level_);
}

// The superuser behind the session was for a level above `read`.
bool PgSession::has_unfit_superuser(const policy::Access& renewed) const {
  return renewed.level == policy::Level::read && is_superuser_ &&
         !shard_.core.snapshot->find_target(database_)->allow_superuser_read;
}

// What the session did to itself at the level that it had, nobody can tell: at `read` the server has to hold
// it read-only, which it does only for one that began so; and an administrator may have set its role and its
// search_path.
bool PgSession::outgrew(const policy::Access& renewed) const {
  if (renewed.level == policy::Level::read && access_->level != policy::Level::read) return true;
  return access_->level == policy::Level::admin && renewed.level != policy::Level::admin;
}

void PgSession::end_when_idle(const EndReason& reason) {
  if (!pending_end_) pending_end_ = std::make_unique<EndReason>(reason);
  if (conversation_->server_is_idle()) end(*pending_end_);
}

// Before each chunk from the client. False: the session has to end, and why is set.
bool PgSession::renew_access() {
  if (shard_.core.snapshot == snapshot_seen_) return true;
  std::shared_ptr<const policy::Access> renewed =
      shard_.accesses.find(user_, database_, shard_.core.snapshot, shard_.core.snapshot);
  if (!renewed->is_granted()) {
    if (!pending_end_) record_access(*renewed);
    end_when_idle(
        {"57P01",
         "terminating connection: your access to database \"" + std::string(database_) + "\" has ended",
         "Ask for a policy that gives it, then connect again."});
    return false;
  }
  if (needs_other_login(*renewed)) {
    if (!pending_end_) record_access(*renewed);
    end_when_idle({"57P01",
                   "terminating connection: your access level on database \"" + std::string(database_) +
                       "\" is " + sql::level_name(renewed->level) +
                       " now, for which the server has another user",
                   "Connect again."});
    return false;
  }
  if (has_unfit_superuser(*renewed)) {
    if (!pending_end_) record_access(*renewed);
    end_when_idle({"57P01", "terminating connection: " + std::string(no_superuser),
                   "The policies have changed; the target needs a credential that is no superuser's."});
    return false;
  }
  if (outgrew(*renewed)) {
    if (!pending_end_) record_access(*renewed);
    end_when_idle({"57P01",
                   "terminating connection: your access level on database \"" + std::string(database_) +
                       "\" is " + sql::level_name(renewed->level) + " now, and this session was at level " +
                       sql::level_name(access_->level),
                   "Connect again."});
    return false;
  }
  if (!conversation_->has_gate() && !renewed->is_unrestricted() && !conversation_->client_is_at_boundary()) {
    // The beginning of a message is with the server already. One more chunk may end it; then there is no more
    // waiting.
    if (!is_renewal_late_) {
      is_renewal_late_ = true;
      return true;
    }
    end({"57P01",
         "terminating connection: the policies for database \"" + std::string(database_) + "\" have changed",
         "Connect again."});
    return false;
  }
  is_renewal_late_ = false;
  snapshot_seen_ = shard_.core.snapshot;
  if (renewed->level != access_->level || names_of(*renewed) != names_of(*access_)) record_access(*renewed);
  access_ = std::move(renewed);
  auto nonce = crypto::random_bytes(18);
  if (!nonce) {
    end({std::string(pg::sqlstate::internal_error), "the machine has no randomness to give", ""});
    return false;
  }
  if (!access_->is_unrestricted() && !conversation_->can_cut()) {
    end({"57P01",
         "terminating connection: the policies have changed, and with the settings of this session its "
         "statements cannot be "
         "read safely",
         "Connect again."});
    return false;
  }
  conversation_->use_judge(
      shard_.judges.find(user_, database_, *access_, server_facts_, snapshot_seen_->generation),
      nonce_text(*nonce));
  return true;
}

}  // namespace ringfence::proxy

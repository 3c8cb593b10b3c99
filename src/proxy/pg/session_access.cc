#include "session_access.h"

#include "pinned_settings.h"
#include "ringfence/base/utf8.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/pg/build.h"
#include "ringfence/pg/sqlstate.h"
#include "ringfence/policy/decide.h"
#include "ringfence/proxy/core/bounds.h"
#include "startup_filter.h"
#include "upstream.h"

namespace ringfence::proxy {

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

// Letters and digits only, lower case: an identifier without quotes.
std::string nonce_text(ByteView bytes) {
  static constexpr std::string_view digits = "abcdefghijklmnopqrstuvwxyz234567";
  std::string text;
  for (unsigned char c : bytes) text += digits[c & 31];
  return text;
}

// Behind the login, where the client hears it.
void warn_of_read_only(std::string& notices) {
  pg::append_notice_response(
      notices, {.severity = "WARNING",
                .sqlstate = "01000",
                .message = "default_transaction_read_only stays on",
                .detail = "The startup packet asks for off, and your access level here is read.",
                .hint = "Ask for a policy of level write on this target."});
}

}  // namespace

SessionAccess::SessionAccess(PgShardState& shard, const SnapshotPtr& snapshot, const LoggedIn& who,
                             std::string_view database)
    : user_(snapshot->find_user(who.user)),
      key_(who.key),
      target_(snapshot->find_target(database)),
      access_(shard.accesses.find(who.user, database, snapshot, shard.core.snapshot)),
      seen_(snapshot),
      login_level_(access_->level) {}

// ---------------------------------------------------------------- what the trail says

void SessionAccess::record(Recorder& recorder, const policy::Access& access, uint64_t now_us) const {
  const bool is_granted = access.is_granted();
  auto found = recorder.authorization(is_granted ? "policy_evaluated" : "access_denied", access, is_granted,
                                      "connect", now_us);
  if (is_granted) {
    const std::string names = names_of(access);
    found.text(Tag::rule, text_prefix(names, policy_names_bytes_max));
    found.text(Tag::reason, std::string("access level ") + sql::level_name(access.level) +
                                (access.grant ? " by " + access.grant->label() : ""));
  } else {
    found.text(Tag::reason, target_ == nullptr              ? "no such target"
                            : access.closed_because.empty() ? "no policy or grant gives access"
                                                            : access.closed_because);
  }
  recorder.publish(std::move(found));
}

void SessionAccess::record_permission(Recorder& recorder, bool is_granted, std::string_view permission,
                                      std::string_view reason, uint64_t now_us) const {
  auto found = recorder.authorization(is_granted ? "permission_check" : "permission_denied", *access_,
                                      is_granted, permission, now_us);
  found.text(Tag::reason, shown_name(reason));
  recorder.publish(std::move(found));
}

// ---------------------------------------------------------------- at login

Result<void> SessionAccess::restrict_parameters(std::vector<pg::StartupParameter>& parameters,
                                                std::string& notices, Recorder& recorder, uint64_t now_us) {
  facts_.is_server_read_only = access_->level == policy::Level::read;
  if (!has_legacy_strings()) {
    auto pinned = pin_strings(parameters);
    if (!pinned) return pinned;
  }
  if (access_->is_unrestricted()) return {};
  for (const pg::StartupParameter& parameter : parameters) {
    const std::string reason = policy::refuse_startup_setting(*access_, parameter.name, parameter.value);
    if (!reason.empty()) {
      record_permission(recorder, false, "set " + parameter.name, reason, now_us);
      return fail(Fault::denied, "startup parameter \"" + parameter.name +
                                     "\" is not allowed at access level " + sql::level_name(access_->level) +
                                     ": " + reason);
    }
  }
  if (access_->level == policy::Level::read) {
    for (const pg::StartupParameter& parameter : parameters)
      if (parameter.name == "default_transaction_read_only" && boolean_of(parameter.value) != true)
        warn_of_read_only(notices);
    std::erase_if(parameters,
                  [](const auto& parameter) { return parameter.name == "default_transaction_read_only"; });
    // As a key of the startup packet it is what RESET ALL and DISCARD ALL return to.
    parameters.push_back({"default_transaction_read_only", "on"});
  }
  return {};
}

Result<std::unique_ptr<Gate>> SessionAccess::make_gate(PgShardState& shard, const ServerGreeting& greeting) {
  std::string_view version = "15", is_superuser, encoding;
  for (const auto& [name, value] : greeting.settings) {
    if (name == "server_version") version = value;
    if (name == "is_superuser") is_superuser = value;
    if (name == "server_encoding") encoding = value;
  }
  facts_.folds_beyond_ascii = has_one_byte_characters(encoding);
  facts_.server_version = major_version(version);
  is_superuser_ = is_superuser == "on";
  if (access_->is_unrestricted()) return nullptr;
  if (access_->level == policy::Level::read && is_superuser_ && !target_->allow_superuser_read) {
    return fail(Fault::denied, std::string(no_superuser));
  }
  auto nonce = crypto::random_bytes(18);
  if (!nonce) return unexpected(std::move(nonce).error());
  auto judge = shard.judges.find(user_->name, target_->name, *access_, facts_);
  return std::make_unique<Gate>(std::move(judge), nonce_text(*nonce));
}

std::unique_ptr<Spending> SessionAccess::spending() const {
  if (!access_->grant || !access_->grant->is_bounded()) return nullptr;
  const auto* account = seen_->budgets.find(access_->grant->id);
  return std::make_unique<Spending>(access_->grant,
                                    account != nullptr ? *account : std::shared_ptr<BudgetAccount>());
}

// ---------------------------------------------------------------- when the policies have changed

bool SessionAccess::has_ended(PgShardState& shard) const {
  if (end_of_user(shard) || end_of_target(shard)) return true;
  const auto renewed =
      shard.accesses.find(user_->name, target_->name, shard.core.snapshot, shard.core.snapshot);
  return end_by(shard, *renewed).has_value();
}

std::optional<EndReason> SessionAccess::end_of_user(const PgShardState& shard) const {
  return end_of_login(*shard.core.snapshot, *user_, key_);
}

// The target is another one, whatever its name is: disabled, deleted, or made anew.
std::optional<EndReason> SessionAccess::end_of_target(const PgShardState& shard) const {
  const Target* now = shard.core.snapshot->find_target(target_->name);
  if (now != nullptr && now->id == target_->id) return std::nullopt;
  return EndReason{"57P01",
                   "terminating connection: database \"" + target_->name + "\" is not available any more",
                   "Ask an administrator."};
}

// Whether the new level is another server user's than the one that the session is logged in as.
bool SessionAccess::needs_other_login(const PgShardState& shard, const policy::Access& renewed) const {
  if (renewed.level == login_level_) return false;
  const Target* target = shard.core.snapshot->find_target(target_->name);
  return target != nullptr && target->user_for(renewed.level) != target_->user_for(login_level_);
}

// The superuser behind the session was for a level above `read`.
bool SessionAccess::has_unfit_superuser(const PgShardState& shard, const policy::Access& renewed) const {
  return renewed.level == policy::Level::read && is_superuser_ &&
         !shard.core.snapshot->find_target(target_->name)->allow_superuser_read;
}

// What the session did to itself at the level that it had, nobody can tell: at `read` the server has to hold
// it read-only, which it does only for one that began so; and an administrator may have set its role and its
// search_path.
bool SessionAccess::outgrew(const policy::Access& renewed) const {
  if (renewed.level == policy::Level::read && access_->level != policy::Level::read) return true;
  return access_->level == policy::Level::admin && renewed.level != policy::Level::admin;
}

// Why the session cannot go on with `renewed`; nothing: it can.
std::optional<EndReason> SessionAccess::end_by(const PgShardState& shard,
                                               const policy::Access& renewed) const {
  const std::string database = "\"" + target_->name + "\"";
  if (!renewed.is_granted()) {
    return EndReason{"57P01", "terminating connection: your access to database " + database + " has ended",
                     "Ask for a policy that gives it, then connect again."};
  }
  const std::string level_now = "terminating connection: your access level on database " + database + " is " +
                                sql::level_name(renewed.level) + " now, ";
  if (needs_other_login(shard, renewed))
    return EndReason{"57P01", level_now + "for which the server has another user", "Connect again."};
  if (has_unfit_superuser(shard, renewed)) {
    return EndReason{"57P01", "terminating connection: " + std::string(no_superuser),
                     "The policies have changed; the target needs a credential that is no superuser's."};
  }
  if (outgrew(renewed)) {
    return EndReason{"57P01", level_now + "and this session was at level " + sql::level_name(access_->level),
                     "Connect again."};
  }
  return std::nullopt;
}

std::optional<SessionAccess::Ending> SessionAccess::renew(PgShardState& shard, Recorder& recorder,
                                                          Conversation& conversation, bool is_ending) {
  // What still runs was asked for by somebody who may ask for nothing.
  if (std::optional<EndReason> reason = end_of_user(shard)) return Ending{std::move(*reason), true};
  if (std::optional<EndReason> reason = end_of_target(shard)) return Ending{std::move(*reason), true};
  std::shared_ptr<const policy::Access> renewed =
      shard.accesses.find(user_->name, target_->name, shard.core.snapshot, shard.core.snapshot);
  if (std::optional<EndReason> reason = end_by(shard, *renewed)) {
    if (!is_ending) record(recorder, *renewed, shard.core.shard.now_us());
    return Ending{std::move(*reason), !renewed->is_granted()};
  }
  if (renewed == access_) {
    is_late_ = false;
    seen_ = shard.core.snapshot;
    return std::nullopt;
  }
  if (!conversation.has_gate() && !renewed->is_unrestricted() && !conversation.client().is_at_boundary()) {
    // The beginning of a message is with the server already. One more chunk may end it; then there is no more
    // waiting.
    if (!std::exchange(is_late_, true)) return std::nullopt;
    return Ending{
        {"57P01", "terminating connection: the policies for database \"" + target_->name + "\" have changed",
         "Connect again."},
        true};
  }
  return use(shard, std::move(renewed), recorder, conversation);
}

std::optional<SessionAccess::Ending> SessionAccess::use(PgShardState& shard,
                                                        std::shared_ptr<const policy::Access> renewed,
                                                        Recorder& recorder, Conversation& conversation) {
  is_late_ = false;
  seen_ = shard.core.snapshot;
  if (renewed->level != access_->level || renewed->grant != access_->grant ||
      names_of(*renewed) != names_of(*access_))
    record(recorder, *renewed, shard.core.shard.now_us());
  access_ = std::move(renewed);
  auto nonce = crypto::random_bytes(18);
  if (!nonce) {
    return Ending{{std::string(pg::sqlstate::internal_error), "the machine has no randomness to give", ""},
                  true};
  }
  if (!access_->is_unrestricted() && !conversation.can_cut()) {
    return Ending{{"57P01",
                   "terminating connection: the policies have changed, and with the settings of this session "
                   "its statements cannot be read safely",
                   "Connect again."},
                  true};
  }
  conversation.use_judge(shard.judges.find(user_->name, target_->name, *access_, facts_), nonce_text(*nonce));
  conversation.use_spending(spending());
  return std::nullopt;
}

}  // namespace ringfence::proxy

// The way to the server of a session that is let in: may it, by which credential, and is there one. While the
// server is being reached the client is watched: when it leaves, all of this ends, and its place is
// another's.
#include "pg_session.h"

#include "ringfence/base/log.h"
#include "ringfence/pg/sqlstate.h"
#include "ringfence/proxy/core/opening.h"

namespace ringfence::proxy {

using audit::Category;
using audit::Outcome;
using audit::Severity;
using audit::Tag;
using ring::Task;

// Begins to read when reaching the server takes a while: most are reached before, and then nothing is spent
// on this.
class PgSession::LoginWatch final : public net::Receive::Watcher {
 public:
  LoginWatch(PgSession& session, Opening& opening)
      : session_(session),
        opening_(opening),
        receive_(*session.client_),
        timer_(session.shard_.core.shard.timers(), [this] {
          if (receive_.watch(*this)) received();
        }) {
    timer_.arm(session_.shard_.core.shard.now_ns() + login_watch_after_ms * 1'000'000);
  }
  ~LoginWatch() { receive_.unwatch(); }
  LoginWatch(const LoginWatch&) = delete;
  LoginWatch& operator=(const LoginWatch&) = delete;

  // Afterwards nothing is pending on the client's stream.
  Task<void> stop() {
    timer_.cancel();
    receive_.unwatch();
    if (!receive_.is_started()) co_return;
    if (!receive_.await_ready()) session_.client_->cancel_receive();
    net::Receive& receive = receive_;
    Result<net::Chunk> last = co_await receive;
    if (last) session_.login_->client_leftover.append(last->bytes());
  }

  void received() override {
    std::string& sent = session_.login_->client_leftover;
    do {
      Result<net::Chunk> chunk = receive_.await_resume();
      if (!chunk || chunk->bytes().empty()) {
        // Who has asked for something and ends its own direction may wait for the answers.
        if (chunk && !sent.empty() && sent != goodbye) return;
        session_.client_is_gone_ = true;
        opening_.abandon();  // May destroy this.
        return;
      }
      sent.append(chunk->bytes());
    } while (sent.size() < held_bytes_max && receive_.watch(*this));
  }

 private:
  PgSession& session_;
  Opening& opening_;
  net::Receive receive_;
  ring::CallbackTimer timer_;
};

Task<bool> PgSession::open_server(std::vector<pg::StartupParameter> parameters) {
  target_ = snapshot_->find_target(database_);
  snapshot_seen_ = snapshot_;
  access_ = shard_.accesses.find(user_, database_, snapshot_, shard_.core.snapshot);
  login_level_ = access_->level;
  if (target_ != nullptr) identify();
  record_access(*access_);
  // One answer for both, which does not tell what exists.
  if (!access_->is_granted()) {
    auto refusing = refuse(
        pg::sqlstate::invalid_catalog_name,
        "database \"" + std::string(database_) + "\" is not available to user \"" + std::string(user_) + "\"",
        "The names of databases here are those of the appliance's targets.");
    co_return co_await refusing;
  }
  auto restricted = restrict_parameters(parameters);
  if (!restricted) {
    auto refusing = refuse(pg::sqlstate::insufficient_privilege, restricted.error().message,
                           "docs/policy.md lists the settings that each level may change.");
    co_return co_await refusing;
  }
  user_ = snapshot_->find_user(user_)->name;
  database_ = target_->name;
  name_for_server(parameters);
  target_sessions_ = target_->sessions;
  uint32_t others = target_sessions_->fetch_add(1);
  if (target_->connections_max > 0 && others >= target_->connections_max) {
    shard_.core.counters.connections_refused.add();
    UpstreamRefusal refusal = connections_max_reached();
    auto refusing = refuse(refusal.sqlstate, std::move(refusal.message), std::move(refusal.hint));
    co_return co_await refusing;
  }
  if (!target_->pool.is_on()) {
    auto sending = send_unsent();
    const bool is_sent = co_await sending;
    if (!is_sent) co_return false;
  }
  auto reaching = reach_server(std::move(parameters));
  auto upstream = co_await reaching;
  if (client_is_gone_) {
    if (upstream) {
      upstream->stream->shutdown();
      server_ = std::move(*upstream);
    }
    auto gone = event(Category::authentication, "postgres_disconnect", Severity::info, Outcome::success);
    gone.text(Tag::reason, "client closed the connection before the server had let it in");
    recorder_.publish(std::move(gone));
    co_return false;
  }
  if (!upstream) {
    shard_.core.counters.upstream_failures.add();
    log_warning(
        "server login failed",
        {{"target", target_->name}, {"user", std::string(user_)}, {"reason", upstream.error().reason}});
    auto failed = event(Category::authentication, "postgres_auth_failed", Severity::error, Outcome::failure);
    failed.text(Tag::sqlstate, upstream.error().sqlstate);
    failed.text(Tag::reason, "server: " + upstream.error().reason);
    recorder_.publish(std::move(failed));
    auto refusing = refuse(upstream.error().sqlstate, upstream.error().message, upstream.error().hint);
    co_return co_await refusing;
  }
  server_ = std::move(*upstream);
  identify();
  auto gate = make_gate();
  if (!gate) {
    record_permission(false, "connect", gate.error().message);
    server_->stream->shutdown();
    auto refusing = refuse(pg::sqlstate::insufficient_privilege, gate.error().message,
                           "Give the target's credentials.read a server user that may only read, or set its "
                           "allow_superuser_read.");
    co_return co_await refusing;
  }
  gate_ = std::move(*gate);
  record_permission(true, "connect", std::string("access level ") + sql::level_name(access_->level));
  auto done = event(Category::authentication, "postgres_auth", Severity::info, Outcome::success);
  const std::string& tls_version = server_->greeting->tls_version;
  done.text(Tag::metadata, "{\"server_auth_method\":\"" + std::string(server_->greeting->auth_method) +
                               "\",\"server_tls\":\"" + (tls_version.empty() ? "off" : tls_version) + "\"" +
                               (!server_->ticket           ? "}"
                                : server_->ticket->is_warm ? ",\"server_connection\":\"warm\"}"
                                                           : ",\"server_connection\":\"new\"}"));
  recorder_.publish(std::move(done));
  co_return true;
}

// The human behind the session, first of all.
void PgSession::name_for_server(std::vector<pg::StartupParameter>& parameters) {
  std::erase_if(parameters, [](const auto& each) { return each.name == "application_name"; });
  const std::string_view own = login_->startup.application_name();
  std::string name = target_->application_name.name(user_, target_->name, own);
  // In a pool it is set by a statement, whose text has to be valid in the client's encoding.
  if (target_->pool.is_on()) name = printable_ascii(name);
  recorder_.call(name, own);
  parameters.insert(parameters.begin(), {"application_name", std::move(name)});
}

// Of the target. Sessions count there, and in a pool its other connections too.
UpstreamRefusal PgSession::connections_max_reached() const {
  return {std::string(pg::sqlstate::too_many_connections),
          "too many connections to database \"" + target_->name + "\"",
          "The bound is connections_max of the target.", "connections_max is reached", false};
}

Task<tl::expected<Upstream, UpstreamRefusal>> PgSession::reach_server(
    std::vector<pg::StartupParameter> parameters) {
  const Credential credential = target_->credential_for(login_level_);
  Opening opening(shard_.core.shard, limits_.connect_ms);
  LoginWatch watch(*this, opening);
  auto reaching = open_pinned(credential, opening, std::move(parameters));
  auto upstream = co_await reaching;
  auto stopping = watch.stop();
  co_await stopping;
  co_return std::move(upstream);
}

}  // namespace ringfence::proxy

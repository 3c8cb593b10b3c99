#include "upstream.h"

#include "login_story.h"
#include "ringfence/pg/messages.h"
#include "server_login.h"
#include "server_tls.h"

namespace ringfence::proxy {

using ring::Task;
template <typename T>
using Attempt = tl::expected<T, UpstreamRefusal>;

namespace {

// A host that is a folder has the server's socket in it, named by its port.
Task<Result<Dialled>> dial_target(PgShardState& shard, const Target& target, Opening& opening,
                                  OpeningStory* story) {
  const std::string socket = "/.s.PGSQL." + std::to_string(target.port);
  auto dialling = dial_hosts_told(shard.core, target.hosts, target.port, socket, opening, story);
  co_return co_await dialling;
}

// `story`: null, nobody wants to know; likewise below.
void reach(OpeningStory* story, OpeningStage stage) {
  if (story != nullptr) story->stage = stage;
}

// One connection, with TLS or without.
Task<Attempt<Upstream>> attempt(PgShardState& shard, const Target& target, const Credential& credential,
                                Opening& opening, Dialled dialled, const std::string& startup, bool with_tls,
                                OpeningStory* story) {
  Opening::Break breaking(opening, *dialled.stream);
  Upstream upstream;
  ServerPlace place{.address = dialled.address, .host = dialled.host, .tls = nullptr};
  std::string endpoint_hash;
  if (with_tls) {
    reach(story, OpeningStage::tls);
    auto starting = start_server_tls(shard, target.tls, dialled);
    auto started = co_await starting;
    std::string wrong = !started ? started.error().message : "";
    if (started && !started->is_on && target.sslmode > SslMode::prefer)
      wrong = "the server has no TLS, and sslmode requires it";
    if (!wrong.empty()) {
      if (opening.has_passed()) wrong = "the TLS handshake took too long";
      auto refusal = unreachable(pg::sqlstate::connection_failure, target, std::move(wrong));
      refusal.value().may_try_otherwise = !started.has_value();
      co_return std::move(refusal);
    }
    if (started->is_on) {
      place.tls = target.tls;
      upstream.greeting->tls_version = std::move(started->version);
      endpoint_hash = std::move(started->endpoint_hash);
    }
  }
  upstream.stream = std::move(dialled.stream);
  upstream.place = shard.places.shared(std::move(place));
  ServerLogin login(shard, target, credential, opening, upstream, std::move(endpoint_hash));
  auto running = login.run(startup);
  auto done = co_await running;
  if (!done) {
    reach(story, login.stage());
    UpstreamRefusal refusal = std::move(done).error();
    if (opening.has_passed()) refusal.reason = "the server's login took too long";
    // A refusal on a plain connection is no reason for another plain one.
    if (with_tls && upstream.greeting->tls_version.empty()) refusal.may_try_otherwise = false;
    co_return tl::unexpected<UpstreamRefusal>(std::move(refusal));
  }
  co_return std::move(upstream);
}

}  // namespace

Task<Attempt<Upstream>> open_upstream(PgShardState& shard, const Target& target, const Credential& credential,
                                      Opening& opening, std::vector<pg::StartupParameter> parameters) {
  return open_upstream_told(shard, target, credential, opening, std::move(parameters), nullptr);
}

Task<Attempt<Upstream>> open_upstream_told(PgShardState& shard, const Target& target,
                                           const Credential& credential, Opening& opening,
                                           std::vector<pg::StartupParameter> parameters,
                                           OpeningStory* story) {
  pg::StartupMessage startup;
  startup.parameters.push_back({"user", credential.user});
  startup.parameters.push_back({"database", target.database});
  for (pg::StartupParameter& parameter : parameters) startup.parameters.push_back(std::move(parameter));
  std::string packet;
  pg::append_startup(packet, startup);
  std::vector<bool> plan = tls_attempts(target.tls ? target.sslmode : SslMode::disable);
  std::optional<Dialled> place;  // Where the first attempt went; the second goes there too.
  for (size_t i = 0;; ++i) {
    if (i > 0) reach(story, OpeningStage::connect);
    auto dialling = shard.dial ? shard.dial(target)
                    : place    ? dial_address(shard.core, place->address, place->host, opening)
                               : dial_target(shard, target, opening, story);
    auto dialled = co_await dialling;
    if (!dialled)
      co_return unreachable(pg::sqlstate::cannot_connect_to_server, target, dialled.error().message);
    place.emplace(Dialled{nullptr, dialled->address, dialled->host});
    bool is_local = dialled->address.is_unix();
    auto trying =
        attempt(shard, target, credential, opening, std::move(*dialled), packet, plan[i] && !is_local, story);
    auto upstream = co_await trying;
    bool is_last = is_local || i + 1 == plan.size();
    if (upstream || is_last || opening.is_over() || !upstream.error().may_try_otherwise)
      co_return std::move(upstream);
  }
}

Task<bool> cancel_upstream(PgShardState& shard, std::shared_ptr<const ServerPlace> place, uint32_t process_id,
                           std::string key) {
  Opening opening(shard.core.shard, cancel_connect_ms);
  auto dialling = shard.dial_place ? shard.dial_place(*place)
                                   : dial_address(shard.core, place->address, place->host, opening);
  auto dialled = co_await dialling;
  if (!dialled) co_return true;
  Opening::Break breaking(opening, *dialled->stream);
  if (place->tls) {
    // The key is as good as the connection that it came by; it is not sent in the clear where that one was
    // not.
    auto starting = start_server_tls(shard, place->tls, *dialled);
    auto started = co_await starting;
    if (!started || !started->is_on) co_return true;
  }
  std::string packet;
  pg::append_cancel_request(packet, process_id, key);
  net::Send sending(*dialled->stream, packet);
  auto sent = co_await sending;
  if (!sent) co_return false;
  net::Receive receive(*dialled->stream);
  auto end = co_await receive;
  shard.core.counters.cancels_forwarded.add();
  co_return end.has_value() && !opening.has_passed();
}

}  // namespace ringfence::proxy

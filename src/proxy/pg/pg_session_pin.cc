// Opens the server's connection with the settings pinned by which it reads texts (pinned_settings.h).
#include "opening.h"
#include "pg_session.h"
#include "pinned_settings.h"

namespace ringfence::proxy {

using ring::Task;

// Applications that live with standard_conforming_strings = off keep it where nothing is decided by the text.
bool PgSession::has_legacy_strings() const { return target_->legacy_strings && access_->is_unrestricted(); }

// It counts at the server until it has closed.
Task<void> PgSession::leave_server(Upstream upstream, Opening& opening) {
  if (upstream.ticket) shard_.counters.pool_in_use.subtract();
  Opening::Break breaking(opening, *upstream.stream);
  if (!upstream.receive) upstream.receive = std::make_unique<net::Receive>(*upstream.stream);
  auto parting = say_goodbye_and_wait(*upstream.stream, *upstream.receive);
  co_await parting;
}

// The first login that names no encoding learns which one the server gives; its connection is left again for
// one that has it pinned.
Task<tl::expected<Upstream, UpstreamRefusal>> PgSession::open_pinned(
    const Credential& credential, Opening& opening, std::vector<pg::StartupParameter> parameters) {
  const std::string login = DefaultEncodings::login(target_->name, target_->database, credential.user);
  for (;;) {
    const bool is_open = !has_legacy_strings() && !names_encoding(parameters);
    const std::string known(is_open ? shard_.default_encodings.of(login, snapshot_->generation)
                                    : std::string_view());
    if (!known.empty()) parameters.push_back({"client_encoding", known});
    std::vector<pg::StartupParameter> sent = parameters;
    auto reaching = target_->pool.is_on()
                        ? open_pooled(credential, opening, std::move(sent), is_open && known.empty())
                        : open_upstream(shard_, *target_, credential, opening, std::move(sent));
    auto upstream = co_await reaching;
    if (!upstream || !is_open || !known.empty()) co_return std::move(upstream);
    const std::string reported(upstream->greeting->encoding());
    if (reported.empty()) {
      // It stays, so it counts.
      if (upstream->ticket && !upstream->ticket->is_warm) shard_.counters.pool_misses.add();
      co_return std::move(upstream);
    }
    shard_.default_encodings.note(login, snapshot_->generation, reported);
    auto leaving = leave_server(std::move(*upstream), opening);
    co_await leaving;
  }
}

}  // namespace ringfence::proxy

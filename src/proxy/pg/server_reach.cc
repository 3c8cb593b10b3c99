#include "server_reach.h"

#include "goodbye.h"
#include "ringfence/pg/sqlstate.h"
#include "warm_pool.h"

namespace ringfence::proxy {

using ring::Task;

namespace {

// The client's name for itself is set once the connection is the session's; connections of all users are the
// same without it.
std::string take_application_name(std::vector<pg::StartupParameter>& parameters) {
  for (pg::StartupParameter& parameter : parameters) {
    if (parameter.name == "application_name")
      return std::exchange(parameter.value, std::string(warm_application_name));
  }
  return {};
}

}  // namespace

UpstreamRefusal too_many_connections(const Target& target) {
  return {std::string(pg::sqlstate::too_many_connections),
          "too many connections to database \"" + target.name + "\"",
          "The bound is connections_max of the target.", "connections_max is reached", false};
}

// Begins to read when reaching the server takes a while: most are reached before, and then nothing is spent
// on this.
class ServerReach::ClientWatch final : public net::Receive::Watcher {
 public:
  explicit ClientWatch(ServerReach& reach)
      : reach_(reach),
        receive_(*reach.applicant_.client.stream),
        timer_(reach.shard_.core.shard.timers(), [this] {
          if (receive_.watch(*this)) received();
        }) {
    timer_.arm(reach.shard_.core.shard.now_ns() + login_watch_after_ms * 1'000'000);
  }
  ~ClientWatch() { receive_.unwatch(); }
  ClientWatch(const ClientWatch&) = delete;
  ClientWatch& operator=(const ClientWatch&) = delete;

  // Afterwards nothing is pending on the client's stream.
  Task<void> stop() {
    timer_.cancel();
    receive_.unwatch();
    if (!receive_.is_started()) co_return;
    if (!receive_.await_ready()) reach_.applicant_.client.stream->cancel_receive();
    net::Receive& receive = receive_;
    Result<net::Chunk> last = co_await receive;
    if (last) reach_.leftover_.append(last->bytes());
  }

  void received() override {
    std::string& sent = reach_.leftover_;
    do {
      Result<net::Chunk> chunk = receive_.await_resume();
      if (!chunk || chunk->bytes().empty()) {
        // Who has asked for something and ends its own direction may wait for the answers.
        if (chunk && !sent.empty() && sent != goodbye) return;
        reach_.applicant_.client.note_gone();
        reach_.opening_.abandon();  // May destroy this.
        return;
      }
      sent.append(chunk->bytes());
    } while (sent.size() < held_bytes_max && receive_.watch(*this));
  }

 private:
  ServerReach& reach_;
  net::Receive receive_;
  ring::CallbackTimer timer_;
};

ServerReach::ServerReach(Applicant& applicant, const SessionAccess& access, std::string& leftover)
    : applicant_(applicant),
      shard_(applicant.shard),
      access_(access),
      target_(*access.target()),
      credential_(target_.credential_for(access.login_level())),
      leftover_(leftover),
      opening_(shard_.core.shard, applicant.limits().connect_ms) {}

ServerReach::Reaching ServerReach::run(std::vector<pg::StartupParameter> parameters) {
  ClientWatch watch(*this);
  auto reaching = open_pinned(std::move(parameters));
  auto upstream = co_await reaching;
  auto stopping = watch.stop();
  co_await stopping;
  co_return std::move(upstream);
}

Task<void> ServerReach::leave(Upstream upstream) {
  if (upstream.ticket) shard_.core.counters.pool_in_use.subtract();
  Opening::Break breaking(opening_, *upstream.stream);
  if (!upstream.receive) upstream.receive = std::make_unique<net::Receive>(*upstream.stream);
  auto parting = say_goodbye_and_wait(*upstream.stream, *upstream.receive);
  co_await parting;
}

// The first login that names no encoding learns which one the server gives; its connection is left again for
// one that has it pinned.
ServerReach::Reaching ServerReach::open_pinned(std::vector<pg::StartupParameter> parameters) {
  const uint64_t generation = applicant_.snapshot->generation;
  const std::string login = DefaultEncodings::login(target_.name, target_.database, credential_.user);
  for (;;) {
    const bool is_open = !access_.has_legacy_strings() && !names_encoding(parameters);
    const std::string known(is_open ? shard_.default_encodings.of(login, generation) : std::string_view());
    if (!known.empty()) parameters.push_back({"client_encoding", known});
    std::vector<pg::StartupParameter> sent = parameters;
    auto reaching = target_.pool.is_on()
                        ? open_pooled(std::move(sent), is_open && known.empty())
                        : open_upstream(shard_, target_, credential_, opening_, std::move(sent));
    auto upstream = co_await reaching;
    if (!upstream || !is_open || !known.empty()) co_return std::move(upstream);
    const std::string reported(upstream->greeting->encoding());
    if (reported.empty()) {
      // It stays, so it counts.
      if (upstream->ticket && !upstream->ticket->is_warm) shard_.core.counters.pool_misses.add();
      co_return std::move(upstream);
    }
    shard_.default_encodings.note(login, generation, reported);
    auto leaving = leave(std::move(*upstream));
    co_await leaving;
  }
}

ServerReach::Reaching ServerReach::open_pooled(std::vector<pg::StartupParameter> parameters,
                                               bool is_to_learn) {
  WarmPool& pool = *shard_.warm;
  const std::string application_name = take_application_name(parameters);
  std::string kind = kind_of(target_, credential_, parameters);
  std::optional<Upstream> warm = pool.take_fresh(target_, kind, application_name);
  if (!warm) {
    auto sending = applicant_.send_unsent();
    const bool is_sent = co_await sending;
    if (!is_sent) co_return tl::unexpected<UpstreamRefusal>(UpstreamRefusal());
    auto taking = pool.take(target_, kind, application_name, opening_);
    warm = co_await taking;
  }
  if (warm) {
    pool.note_wish(target_, access_.login_level(), parameters);
    shard_.core.counters.pool_hits.add();
    shard_.core.counters.pool_in_use.add();
    co_return std::move(*warm);
  }
  if (!is_to_learn) shard_.core.counters.pool_misses.add();
  auto opening = open_beside_pool(parameters);
  auto upstream = co_await opening;
  if (!upstream) co_return std::move(upstream);
  pool.note_wish(target_, access_.login_level(), parameters);
  std::unique_ptr<WarmTicket> ticket =
      make_ticket(target_, access_.login_level(), std::move(parameters), std::move(kind), *upstream->greeting,
                  shard_.core.shard.now_ns());
  auto greeting = greeting_of(*ticket, application_name);
  greeting->leftover = std::move(upstream->greeting->leftover);
  greeting->transaction_status = upstream->greeting->transaction_status;
  greeting->name_due = application_name;
  upstream->greeting = std::move(greeting);
  upstream->ticket = std::move(ticket);
  shard_.core.counters.pool_in_use.add();
  co_return std::move(upstream);
}

// A new one, for which those that wait make room.
ServerReach::Reaching ServerReach::open_beside_pool(const std::vector<pg::StartupParameter>& parameters) {
  WarmPool& pool = *shard_.warm;
  auto making_room = pool.room().make_room(target_, opening_);
  const bool has_room = co_await making_room;
  if (!has_room && !opening_.is_over())
    co_return tl::unexpected<UpstreamRefusal>(too_many_connections(target_));
  tl::expected<Upstream, UpstreamRefusal> upstream = tl::unexpected<UpstreamRefusal>(UpstreamRefusal());
  for (int i = 0; i < pool_tries_max; ++i) {
    std::vector<pg::StartupParameter> sent = parameters;
    auto making = open_upstream(shard_, target_, credential_, opening_, std::move(sent));
    upstream = co_await making;
    // The server has no room: one that waits there makes some.
    if (upstream || upstream.error().sqlstate != pg::sqlstate::too_many_connections) break;
    auto freeing = pool.room().free_one(target_, opening_);
    const bool is_free = co_await freeing;
    if (!is_free) break;
  }
  co_return std::move(upstream);
}

}  // namespace ringfence::proxy

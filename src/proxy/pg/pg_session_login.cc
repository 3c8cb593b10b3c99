// Login: the startup packet, the client's authentication, the server's. Everything here is reached before the
// client is known, so each phase has a deadline and each length a bound.
#include "pg_session.h"

#include <span>

#include "cancel_desk.h"
#include "ringfence/base/base64.h"
#include "ringfence/base/log.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/net/deadline.h"
#include "ringfence/pg/frame.h"
#include "ringfence/pg/messages.h"
#include "ringfence/pg/scram.h"
#include "startup_filter.h"
#include "warm_pool.h"

namespace ringfence::proxy {

using audit::Category;
using audit::Outcome;
using audit::Severity;
using audit::Tag;
using ring::Task;

namespace {

// Says which version is spoken, and what of the startup packet is not known; empty where nothing is to be
// said.
std::string negotiation_of(const pg::StartupMessage& startup) {
  std::string message;
  if (auto negotiated = pg::negotiate(startup)) pg::append_negotiate_protocol_version(message, *negotiated);
  return message;
}

}  // namespace

Task<bool> PgSession::log_in() {
  net::Gather in(*client_);
  {
    net::Deadline deadline(shard_.core.shard, *client_, limits_.startup_ms);
    auto reading = read_first_packet(in);
    Result<pg::FirstPacket> first = co_await reading;
    if (!first) {
      if (deadline.has_passed()) shard_.core.counters.limits_reached.add();
      if (deadline.has_passed() || first.error().fault == Fault::closed || client_is_mute_ || has_no_answer_)
        co_return false;
      auto refusing = refuse(pg::sqlstate::protocol_violation, first.error().message);
      co_return co_await refusing;
    }
    if (first->kind == pg::FirstPacket::Kind::cancel_request) {
      has_no_answer_ = true;
      auto serving = shard_.cancel_desk->serve(std::move(first->cancel), login_->client_addr);
      co_await serving;
      co_return false;
    }
    if (first->kind == pg::FirstPacket::Kind::unsupported_version) {
      auto refusing =
          refuse(pg::sqlstate::feature_not_supported,
                 "unsupported frontend protocol " + std::to_string(first->startup.version.major) + "." +
                     std::to_string(first->startup.version.minor) + ": the appliance speaks 3.0 to 3.2");
      co_return co_await refusing;
    }
    login_->startup = std::move(first->startup);
  }
  user_ = login_->startup.user();
  database_ = login_->startup.database();
  identify();
  if (!has_enough_tls()) {
    shard_.core.counters.clients_without_tls.add();
    auto refusing = refuse(pg::sqlstate::invalid_authorization,
                           "this listener takes connections with TLS only, and this one has none",
                           "Connect with sslmode=require or, better, verify-full.");
    co_return co_await refusing;
  }
  if (user_.empty()) {
    auto refusing =
        refuse(pg::sqlstate::invalid_authorization, "no user name is given in the startup packet");
    co_return co_await refusing;
  }
  if (shard_.core.is_draining) {
    auto refusing = refuse(pg::sqlstate::cannot_connect_now, "the appliance is shutting down");
    co_return co_await refusing;
  }
  bool is_over_listener = listener_->connections_max > 0 &&
                          listener_->connections.load(std::memory_order_relaxed) > listener_->connections_max;
  if (shard_.core.all_load() > limits_.connections_max || is_over_listener) {
    shard_.core.counters.connections_refused.add();
    auto refusing = refuse(pg::sqlstate::too_many_connections, "too many connections",
                           is_over_listener ? "The bound is connections_max of the listener."
                                            : "The bound is limits.connections_max.");
    co_return co_await refusing;
  }
  if (!recorder_.has_room(Recorder::outcome_bytes_max)) {
    auto waiting = shard_.core.room.wait();
    bool has_room = co_await waiting;
    if (!has_room) {
      shard_.core.counters.trail_refusals.add();
      auto refusing = refuse("58030", "the audit trail cannot be written, so no session is opened",
                             "The appliance's /readyz says why.");
      co_return co_await refusing;
    }
  }
  {
    net::Deadline deadline(shard_.core.shard, *client_, limits_.authentication_ms);
    auto authenticating = authenticate(in);
    bool is_authentic = co_await authenticating;
    if (deadline.has_passed()) shard_.core.counters.limits_reached.add();
    if (!is_authentic) co_return false;
  }
  login_->client_leftover = in.bytes();
  auto parameters = requested_settings(login_->startup);
  if (!parameters) {
    auto refusing = refuse(parameters.error().sqlstate, parameters.error().message, parameters.error().hint);
    co_return co_await refusing;
  }
  login_->startup.name_application(*parameters);
  auto opening = open_server(std::move(*parameters));
  bool is_open = co_await opening;
  if (!is_open) co_return false;
  auto greeting = greet();
  co_return co_await greeting;
}

// TLS begins with the first byte or after SSLRequest; GSSENCRequest is declined; until the startup or cancel
// packet.
Task<Result<pg::FirstPacket>> PgSession::read_first_packet(net::Gather& in) {
  for (int i = 0; i < negotiations_max; ++i) {
    if (i == 0) {
      auto any = in.at_least(1);
      Result<void> has_any = co_await any;
      if (!has_any) co_return unexpected(std::move(has_any).error());
      if (in.bytes()[0] == pg::tls_handshake_byte) {
        auto starting = start_direct_tls(in);
        Result<void> started = co_await starting;
        if (!started) co_return unexpected(std::move(started).error());
        continue;
      }
    }
    auto length = in.at_least(4);
    Result<void> has_length = co_await length;
    if (!has_length) co_return unexpected(std::move(has_length).error());
    auto size = pg::first_packet_size(in.bytes());
    // What cannot be a startup packet gets no answer, as from PostgreSQL: a Terminate, say, of a client that
    // has changed its mind.
    has_no_answer_ = !size.has_value();
    if (!size) co_return unexpected(std::move(size).error());
    auto rest = in.at_least(*size);
    Result<void> has_rest = co_await rest;
    if (!has_rest) co_return unexpected(std::move(has_rest).error());
    auto packet = pg::parse_first_packet(in.bytes().substr(0, *size));
    has_no_answer_ = !packet && pg::is_cancel_request(in.bytes());
    in.consume(*size);
    if (!packet) co_return unexpected(std::move(packet).error());
    bool asks_for_tls = packet->kind == pg::FirstPacket::Kind::ssl_request;
    if (!asks_for_tls && packet->kind != pg::FirstPacket::Kind::gssenc_request) co_return std::move(*packet);
    if (tls_ != nullptr) co_return fail(Fault::malformed, "a request for encryption inside of TLS");
    if (asks_for_tls && policy_ != nullptr && policy_->context) {
      auto starting = answer_ssl_request(in);
      Result<void> started = co_await starting;
      if (!started) co_return unexpected(std::move(started).error());
      continue;
    }
    auto answering = send("N");
    Result<void> answered = co_await answering;
    if (!answered) co_return unexpected(std::move(answered).error());
  }
  shard_.core.counters.limits_reached.add();
  co_return fail(Fault::limit, "too many negotiation requests before the startup packet");
}

// By certificate, where that is enough; else SCRAM-SHA-256, bound to the channel where the client can (PLUS).
// A user who does not exist goes through all of it with a verifier that fits no password.
Task<bool> PgSession::authenticate(net::Gather& in) {
  const User* user = snapshot_->find_user(user_);
  bool has_certificate = tls_ != nullptr && tls_->engine().has_peer_certificate();
  login_->auth_method = "scram-sha-256";
  if (has_certificate && policy_->certificate_login != CertificateLogin::password) {
    bool is_enough = policy_->certificate_login == CertificateLogin::certificate;
    login_->auth_method = is_enough ? "certificate" : "certificate+scram-sha-256";
    std::string wrong = check_certificate();
    if (wrong.empty() && is_enough && user == nullptr) wrong = "no such user";
    identify();
    if (!wrong.empty()) {
      auto refusing = refuse_authentication(std::move(wrong), true);
      co_return co_await refusing;
    }
    if (is_enough) {
      auto finishing = admit(negotiation_of(login_->startup));
      co_return co_await finishing;
    }
  }
  auto nonce = crypto::random_bytes(pg::scram_nonce_size);
  if (!nonce) {
    auto refusing = refuse(pg::sqlstate::internal_error, "the machine has no randomness to give");
    co_return co_await refusing;
  }
  std::optional<pg::ScramServer> scram;
  pg::ScramServerBinding binding;
  if (tls_ != nullptr) binding.data = tls_->engine().endpoint_hash();
  binding.plus_was_offered = !binding.data.empty();
  std::string message = negotiation_of(login_->startup);
  // The stronger first, as PostgreSQL has them.
  const std::string_view mechanisms[] = {pg::scram_plus_mechanism, pg::scram_mechanism};
  pg::append_authentication_sasl(message, std::span(mechanisms).subspan(binding.plus_was_offered ? 0 : 1));
  for (int step = 0; step < 2; ++step) {
    auto sending = send(std::move(message));
    Result<void> sent = co_await sending;
    if (!sent) co_return false;
    auto reading = read_message(in, client_login_message_bytes_max);
    Result<Message> answer = co_await reading;
    // psql hangs up here to ask for a password: not a failure.
    if (!answer && answer.error().fault == Fault::closed) co_return false;
    if (!answer && answer.error().fault == Fault::limit) shard_.core.counters.limits_reached.add();
    if (!answer || answer->type != pg::from_client::password) {
      auto refusing = refuse(pg::sqlstate::protocol_violation,
                             answer ? "expected a SASL response" : answer.error().message);
      co_return co_await refusing;
    }
    message.clear();
    Result<std::string> reply = std::string();
    if (step == 0) {
      auto initial = pg::parse_sasl_initial_response(answer->body);
      if (initial)
        binding.plus_was_chosen = binding.plus_was_offered && initial->mechanism == pg::scram_plus_mechanism;
      if (!initial) {
        reply = unexpected(std::move(initial).error());
      } else if ((initial->mechanism != pg::scram_mechanism && !binding.plus_was_chosen) || !initial->data) {
        reply = fail(Fault::malformed, "the client chose a SASL mechanism that was not offered");
      } else {
        if (binding.plus_was_chosen) {
          login_->auth_method = login_->auth_method == "scram-sha-256" ? "scram-sha-256-plus"
                                                                       : "certificate+scram-sha-256-plus";
        }
        identify();
        // Made for everybody, so that the time is the same.
        pg::ScramVerifier verifier = pg::mock_scram_verifier(
            snapshot_->mock_secret, user_, snapshot_->scram_shapes.shape_of(snapshot_->mock_secret, user_));
        if (user != nullptr) verifier = user->keys;
        scram.emplace(std::move(verifier), base64_encode(*nonce), std::move(binding));
        reply = scram->challenge(*initial->data);
      }
      if (reply) pg::append_authentication_sasl_continue(message, *reply);
    } else {
      reply = scram->verify(answer->body);
      if (reply) pg::append_authentication_sasl_final(message, *reply);
    }
    if (!reply && reply.error().fault == Fault::denied) {
      auto refusing = refuse_authentication(user == nullptr ? "no such user" : "wrong password");
      co_return co_await refusing;
    }
    if (!reply) {
      auto refusing = refuse(pg::sqlstate::protocol_violation, reply.error().message);
      co_return co_await refusing;
    }
  }
  auto finishing = admit(std::move(message));
  co_return co_await finishing;
}

// Records the login. AuthenticationOk, behind `message`, goes with what comes next, the greeting or a
// refusal, or before the first wait. A refusal must not show whether there is such a target, not even by how
// many pieces it comes in.
Task<bool> PgSession::admit(std::string message) {
  meter_volume(login_->client_addr);
  auto done = event(Category::authentication, "postgres_client_auth", Severity::info, Outcome::success);
  if (tls_ != nullptr) describe_tls(done);
  recorder_.publish(std::move(done));
  pg::append_authentication_ok(message);
  login_->unsent = std::move(message);
  co_return true;
}

// What the server said at its login goes on to the client, the secret of its cancel key replaced by one of
// ours. The process id is the server's: clients know their notifications, pg_stat_activity's rows and what
// they may terminate by it.
Task<bool> PgSession::greet() {
  std::string message = std::move(server_->greeting->parameter_statuses);
  // A server that gives no key, which PostgreSQL does not do, has nothing to cancel by.
  if (!server_->cancel_key.empty()) {
    bool has_long_keys = login_->startup.version >= pg::ProtocolVersion{3, 2};
    auto key = crypto::random_bytes(has_long_keys ? 32 : 4);
    if (!key) {
      auto refusing = refuse(pg::sqlstate::internal_error, "the machine has no randomness to give");
      co_return co_await refusing;
    }
    pg::append_backend_key_data(message, server_->process_id, *key);
    cancel_process_id_ = server_->process_id;
    shard_.cancel_keys.add(server_->process_id, std::move(*key), *this);
  }
  recorder_.publish(event(Category::authentication, "postgres_connect", Severity::info, Outcome::success));
  std::unique_ptr<ServerGreeting> greeting = std::move(server_->greeting);
  message.append(login_->notices);
  login_->server_leftover = std::move(greeting->leftover);
  pg::append_ready_for_query(message, greeting->transaction_status);
  auto sending = send_within(std::move(message), limits_.authentication_ms);
  Result<void> sent = co_await sending;
  if (!sent) {
    const bool is_late = sent.error().fault == Fault::timeout;
    auto gone = event(Category::authentication, "postgres_disconnect", Severity::info, Outcome::success);
    gone.text(Tag::reason,
              is_late ? "the client did not take the greeting in time" : "client closed the connection");
    recorder_.publish(std::move(gone));
    co_return false;
  }
  conversation_.emplace(recorder_, shard_.pools, shard_.core.counters, limits_, std::move(gate_));
  conversation_->use_witness(target_->attribution_witness);
  if (target_->attribution_watch) {
    watched_ = std::make_unique<WatchedSession>();
    shard_.watched.insert(this);
    conversation_->watch_by(*watched_);
  }
  for (const auto& [name, value] : greeting->settings) {
    // The name that we gave the connection; the client's own is recorded.
    if (name != "application_name") conversation_->note_parameter(name, value);
  }
  if (server_->ticket) {
    conversation_->report_to(server_->ticket->settings);
    conversation_->keep_name(warm_application_name, recorder_.name_at_server());
  }
  if (!greeting->name_due.empty()) naming_ = std::make_unique<Naming>(*this, std::move(greeting->name_due));
  co_return true;
}

Task<Result<void>> PgSession::send(std::string bytes) {
  if (login_ && !login_->unsent.empty()) bytes.insert(0, std::exchange(login_->unsent, {}));
  net::Send sending(*client_, bytes);
  Result<void> sent = co_await sending;
  co_return sent;
}

// Fault::timeout: the client did not take it in time, and is hung up on.
Task<Result<void>> PgSession::send_within(std::string bytes, uint64_t ms) {
  net::Deadline deadline(shard_.core.shard, *client_, ms);
  auto sending = send(std::move(bytes));
  Result<void> sent = co_await sending;
  if (!deadline.has_passed()) co_return sent;
  shard_.core.counters.limits_reached.add();
  co_return fail(Fault::timeout, "the client did not take what it was sent in time");
}

// False: the client is gone.
Task<bool> PgSession::send_unsent() {
  auto sending = send_within({}, limits_.authentication_ms);
  Result<void> sent = co_await sending;
  client_is_gone_ = !sent.has_value();
  co_return sent.has_value();
}

audit::EventBuilder PgSession::event(Category category, std::string_view action, Severity severity,
                                     Outcome outcome) {
  return recorder_.event(category, action, severity, outcome, shard_.core.shard.now_us());
}

void PgSession::identify() {
  std::string server_addr = server_ ? server_->stream->peer() : "";
  recorder_.identify(
      {.session_id = id_,
       .user = user_,
       .auth_method = login_->auth_method,
       .client_addr = login_->client_addr,
       .application_name = login_->startup.application_name(),
       .transport = tls_ != nullptr ? std::string_view("tls") : std::string_view(listener_->transport),
       .target = target_ != nullptr ? std::string_view(target_->name) : std::string_view(),
       .tags = target_ != nullptr ? &target_->tags : nullptr,
       .database = target_ != nullptr ? std::string_view(target_->database) : std::string_view(database_),
       .server_addr = server_addr,
       .server_user =
           target_ != nullptr ? std::string_view(target_->user_for(login_level_)) : std::string_view()});
}

}  // namespace ringfence::proxy

#include "cancel_desk.h"

#include <utility>

#include "pg_session.h"
#include "pg_shard_state.h"
#include "ringfence/base/log.h"

namespace ringfence::proxy {

using ring::Task;

CancelDesk::CancelDesk(PgShardState& shard)
    : shard_(shard), failures_(shard.core.options.hash_key), pause_(shard.core.shard.timers(), [this] {
        for (auto& request : paced_) waiting_.push_back(std::move(request));
        paced_.clear();
        if (!is_asking_) ask();
      }) {}

Task<void> CancelDesk::serve(pg::CancelRequest wanted, std::string address) {
  const uint64_t second = shard_.core.shard.now_ns() / 1'000'000'000;
  // Counted before it is known, so that many at once meet the bound too.
  const bool is_within = failures_.note(address, second);
  if (PgSession* session = shard_.cancel_keys.find(wanted.process_id, wanted.key)) {
    failures_.take_back(address, second);
    auto cancelling = session->cancel_by_client();
    co_await cancelling;
    co_return;
  }
  if (shard_.peers.size() > 1) {
    auto request = std::make_shared<Request>();
    request->wanted = std::move(wanted);
    enlist(request, !is_within);
    ring::Event& answered = request->answered;
    co_await answered;
    if (request->is_found) {
      failures_.take_back(address, second);
      co_return;
    }
  }
  note_wrong(address);
}

// Of the key nothing is told: it may be nearly right.
void CancelDesk::note_wrong(std::string_view address) {
  shard_.core.counters.cancels_unknown.add();
  const auto kept_back = log_pause_.admit(shard_.core.shard.now_ns());
  if (!kept_back) return;
  log_warning("a cancel request with the key of no session",
              {{"client", std::string(address)}, {"not_logged_before", std::to_string(*kept_back)}});
}

// ---------------------------------------------------------------- on the shard that asks

void CancelDesk::enlist(std::shared_ptr<Request> request, bool is_paced) {
  if (is_paced) {
    shard_.core.counters.cancels_limited.add();
    paced_.push_back(std::move(request));
    const uint64_t ms = paced_.size() < paced_cancels_max ? cancel_pause_ms : 0;
    if (!pause_.is_armed() || ms == 0) pause_.arm(shard_.core.shard.now_ns() + ms * 1'000'000);
    return;
  }
  waiting_.push_back(std::move(request));
  if (!is_asking_) ask();
}

void CancelDesk::ask() {
  if (waiting_.empty()) return;
  is_asking_ = true;
  auto round = std::make_shared<Round>();
  round->requests = std::exchange(waiting_, {});
  round->open = shard_.peers.size() - 1;
  for (PgShardState* peer : shard_.peers) {
    if (peer != &shard_) ring::spawn(ask_one(peer, round));
  }
}

Task<void> CancelDesk::ask_one(PgShardState* peer, RoundPtr round) {
  PgShardState* home = &shard_;
  auto delivering = deliver(home, peer, [peer, home, round] { look(peer, home, round); });
  const bool is_delivered = co_await delivering;
  if (!is_delivered) heard(*round);
}

// One of them has looked.
void CancelDesk::heard(Round& round) {
  if (--round.open > 0) return;
  is_asking_ = false;
  ask();
  for (const auto& request : round.requests) {
    if (!request->is_found) request->answered.set();
  }
}

void CancelDesk::acted(Request& request) {
  request.is_found = true;
  request.answered.set();
}

// ---------------------------------------------------------------- on the shard that is asked

void CancelDesk::look(PgShardState* peer, PgShardState* home, RoundPtr round) {
  std::vector<size_t> found;
  for (size_t i = 0; i < round->requests.size(); ++i) {
    const pg::CancelRequest& wanted = round->requests[i]->wanted;
    if (peer->cancel_keys.find(wanted.process_id, wanted.key) != nullptr) found.push_back(i);
  }
  for (size_t i : found) {
    const pg::CancelRequest& wanted = round->requests[i]->wanted;
    // Looked up again: one that acted at once may have ended another's session.
    PgSession* session = peer->cancel_keys.find(wanted.process_id, wanted.key);
    ring::spawn(act(peer, home, session, round->requests[i]));
  }
  ring::spawn(tell(peer, home, std::move(round), std::move(found)));
}

Task<void> CancelDesk::act(PgShardState* peer, PgShardState* home, PgSession* session,
                           std::shared_ptr<Request> request) {
  if (session != nullptr) {
    auto cancelling = session->cancel_by_client();
    co_await cancelling;
  }
  auto delivering = deliver(peer, home, [home, request] { home->cancel_desk->acted(*request); });
  const bool is_delivered = co_await delivering;
  if (!is_delivered) log_error("a shard does not take the answer to a cancel request", {});
}

Task<void> CancelDesk::tell(PgShardState* peer, PgShardState* home, RoundPtr round,
                            std::vector<size_t> found) {
  auto delivering = deliver(peer, home, [home, round, found] {
    for (size_t i : found) round->requests[i]->is_found = true;
    home->cancel_desk->heard(*round);
  });
  const bool is_delivered = co_await delivering;
  if (!is_delivered) log_error("a shard does not take the answer to a cancel request", {});
}

Task<bool> CancelDesk::deliver(PgShardState* from, PgShardState* to, std::function<void()> job) {
  const uint64_t end_ns = from->core.shard.now_ns() + cancel_delivery_ms * 1'000'000;
  while (!to->core.shard.post(job)) {
    if (from->core.shard.now_ns() >= end_ns) co_return false;
    ring::Event over;
    ring::CallbackTimer timer(from->core.shard.timers(), [&over] { over.set(); });
    timer.arm(from->core.shard.now_ns() + cancel_delivery_pause_ms * 1'000'000);
    co_await over;
  }
  co_return true;
}

}  // namespace ringfence::proxy

#include "conversation.h"

#include "statement_starts.h"

namespace ringfence::proxy {

void Conversation::use_judge(std::shared_ptr<StatementJudge> judge, std::string_view nonce) {
  ++exchange_.generation;
  if (exchange_.gate) exchange_.gate->check().use(std::move(judge));
  else if (!judge->access().is_unrestricted())
    exchange_.gate = std::make_unique<Gate>(std::move(judge), nonce);
}

bool Conversation::is_at_rest() const {
  const pg::ResponseQueue& queue = exchange_.queue;
  return queue.is_empty() && queue.is_idle() && queue.transaction() == pg::TransactionStatus::idle &&
         !queue.is_lost() && !queue.is_skipping() && queue.misfits() == 0 && !exchange_.group.is_open() &&
         exchange_.message.state == PendingMessage::State::coming && client_.is_at_boundary() &&
         server_.is_at_boundary() && exchange_.withheld() == nullptr && !server_.waits() &&
         !exchange_.error && !server_.said_fatal();
}

void Conversation::abandon(Now now) {
  exchange_.now = now;
  StatementStarts(exchange_).abandon_binds();
  exchange_.queue.abandon(exchange_.group.unsent_from());
}

}  // namespace ringfence::proxy

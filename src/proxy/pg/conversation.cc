#include "conversation.h"

#include "statement_starts.h"

namespace ringfence::proxy {

void Conversation::use_judge(std::shared_ptr<StatementJudge> judge, std::string_view nonce) {
  ++exchange_.generation;
  if (exchange_.gate) exchange_.gate->check().use(std::move(judge));
  else if (!judge->access().is_unrestricted())
    exchange_.gate = std::make_unique<Gate>(std::move(judge), nonce);
}

void Conversation::analysed(Result<sql::Facts> facts) {
  PendingMessage& message = exchange_.message;
  exchange_.gate->check().analysed(std::exchange(message.rare().text_to_analyse, {}), std::move(facts));
  message.state = PendingMessage::State::analysed;
}

HeldStatement Conversation::held_statement() {
  const Judgement::Hold& hold = *exchange_.judged().hold;
  PendingMessage::Rare& message = exchange_.message.rare();
  HeldStatement out;
  out.statement = std::move(message.held_statement);
  out.parameters = std::move(message.held_parameters);
  out.rule = hold.rule;
  out.timeout_ms = hold.ms;
  return out;
}

bool Conversation::is_at_rest() const {
  const pg::ResponseQueue& queue = exchange_.queue;
  return queue.is_empty() && queue.is_idle() && queue.transaction() == pg::TransactionStatus::idle &&
         !queue.is_lost() && !queue.is_skipping() && queue.misfits() == 0 && !exchange_.group.is_open() &&
         exchange_.message.state == PendingMessage::State::coming && client_is_at_boundary() &&
         server_is_at_boundary() && !server_waits() && !exchange_.error && !server_said_fatal();
}

void Conversation::abandon(Now now) {
  exchange_.now = now;
  StatementStarts(exchange_).abandon_binds();
  exchange_.queue.abandon(exchange_.group.unsent_from());
}

}  // namespace ringfence::proxy

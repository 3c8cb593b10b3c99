#include "waiting_message.h"

namespace ringfence::proxy {

void WaitingMessage::analysed(Result<sql::Facts> facts) {
  PendingMessage& message = x_.message;
  x_.gate->check().analysed(std::exchange(message.rare().text_to_analyse, {}), std::move(facts));
  message.state = PendingMessage::State::analysed;
}

HeldStatement WaitingMessage::held_statement() {
  const Judgement::Hold& hold = *x_.judged().hold();
  PendingMessage::Rare& message = x_.message.rare();
  HeldStatement out;
  out.statement = std::move(message.held_statement);
  out.parameters = std::move(message.held_parameters);
  out.rule = hold.rule;
  out.timeout_ms = hold.ms;
  return out;
}

}  // namespace ringfence::proxy

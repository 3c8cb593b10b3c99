#include "stand_ins.h"

#include "ringfence/proxy/core/bounds.h"

namespace ringfence::proxy {

StandIns::StandIns(std::string_view nonce) {
  RINGFENCE_ASSERT(nonce.size() <= nonce_bytes_max);
  nonce.copy(nonce_, nonce_bytes_max);
}

std::string StandIns::marker(uint64_t number) const {
  return std::string("rf_") + nonce_ + "_" + std::to_string(number);
}

std::string StandIns::replace(Instead instead, const Refusal& refusal, uint32_t position) {
  const uint64_t number = ++count_;
  // Those that the server skipped are never answered; of the others there are no more than messages in
  // flight.
  if (!answers_) answers_ = std::make_unique<Answers>();
  auto& pending = answers_->pending;
  if (pending.size() > 2 * pipeline_entries_max) pending.pop_front();
  pending.push_back({number, instead == Instead::function_call, position, refusal});
  std::string message;
  switch (instead) {
    case Instead::query: pg::append_query(message, marker(number)); break;
    case Instead::parse_unnamed: pg::append_parse(message, "", marker(number)); break;
    case Instead::parse_named: pg::append_parse(message, marker(number), marker(number)); break;
    case Instead::function_call: pg::append_function_call(message, 0); break;
  }
  return message;
}

const pg::ErrorFields* StandIns::refusal_behind(const pg::ErrorFields& error, uint64_t number) {
  if (number == 0 || !answers_) return nullptr;
  auto& pending = answers_->pending;
  // Those before it were skipped by the server.
  while (!pending.empty() && pending.front().number < number) pending.pop_front();
  if (pending.empty() || pending.front().number != number) return nullptr;
  const Pending found = std::move(pending.front());
  pending.pop_front();
  // Another error may come instead: a timeout, a cancel, an aborted transaction.
  const bool is_expected =
      found.is_call ? error.sqlstate == "42883" : error.message.find(marker(number)) != error.message.npos;
  if (!is_expected) return nullptr;
  Refusal& answered = answers_->answered;
  answered = found.refusal;
  answers_->fields = {.severity = "ERROR",
                      .sqlstate = answered.sqlstate,
                      .message = answered.message,
                      .hint = answered.hint,
                      .position = found.position};
  return &answers_->fields;
}

}  // namespace ringfence::proxy

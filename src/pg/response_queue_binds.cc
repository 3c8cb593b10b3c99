// Binds that have a record of their own, because nothing executes them.
#include "ringfence/pg/response_queue.h"

namespace ringfence::pg {

void ResponseQueue::number_bind(Portal& portal, StatementNumber number, uint64_t now_ns) {
  if (portal.bind == Portal::Bind::sent) {
    portal.bind_number = number;
    portal.bind_since_ns = now_ns;
    return;
  }
  // It was answered before anybody knew that nothing would execute it. What the server answers now is
  // something else.
  Completion completion{.number = number, .ending = Ending::success};
  completion.bytes_to_server = std::exchange(portal.bind_bytes, 0);
  completion.since_ns = now_ns;
  completion.prepared = portal.statement.get();
  completion.is_presumed = is_presumed(portal);
  completion.is_redacted = portal.statement && portal.statement->statement.holds_secret();
  ErrorFields error;
  if (portal.bind == Portal::Bind::ended) {
    const bool is_failed = skipped_ && skipped_->has_error() && skipped_->failed_portal() == &portal;
    completion.ending = is_failed ? Ending::failure : Ending::not_executed;
    if (is_failed) {
      error = skipped_->error();
      completion.error = &error;
      skipped_->forget_error();
    }
  }
  observer_.done(completion);
}

// `recorded`: what it was recorded to bind. False: it has no record.
bool ResponseQueue::finish_bind(Entry& entry, Ref<Prepared> recorded, Ending ending, const ErrorFields* error,
                                uint64_t now_ns) {
  Portal& portal = *entry.portal;
  if (ending != Ending::success) portal.bind = Portal::Bind::ended;
  const StatementNumber number = std::exchange(portal.bind_number, 0);
  if (number == 0) return false;
  entry.message_bytes = std::exchange(portal.bind_bytes, 0);
  entry.since_ns = portal.bind_since_ns;
  entry.prepared = std::move(recorded);
  finish(entry, number, ending, {}, 0, error, now_ns, ending == Ending::success ? &portal : nullptr);
  entry.prepared = {};
  return true;
}

}  // namespace ringfence::pg

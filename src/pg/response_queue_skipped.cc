// The part of the model that knows what the server does not execute, and what an Execute came to.
#include "ringfence/pg/response_queue.h"

namespace ringfence::pg {

// The rest of the group; `fields`, if not null, belong to the first Execute of what has failed, or else to no
// statement.
void ResponseQueue::skip_to_sync(const ErrorFields* fields, uint64_t now_ns) {
  SkippedGroup& group = skipped();
  if (fields != nullptr) group.keep(*fields);
  while (Entry* entry = pending_.front()) {
    if (entry->kind == Kind::sync) break;
    skip(*entry, now_ns);
    pending_.pop();
  }
  if (pending_.is_empty()) {
    // What is still to come of it is skipped when it is sent.
    skipping_ = true;
    if (!group.may_have_culprit()) tell_skipped();
    return;
  }
  if (pending_.at(pending_.begin()).is_doubtful) pending_.at(pending_.begin()).ends_skip = true;
  end_skip();
}

void ResponseQueue::tell_skipped() {
  if (!skipped_ || !skipped_->has_error()) return;
  skipped_->forget_error();
  observer_.error_outside(skipped_->error(), skipped_->failed_text());
}

void ResponseQueue::end_skip() {
  tell_skipped();
  skipped_.reset();
}

// A message that the server skips: one that waited, or one that was sent behind the error.
void ResponseQueue::skip(Entry& entry, uint64_t now_ns) {
  if (entry.is_own) {
    // Perhaps its Close came through: the server may have nothing by that name.
    if (entry.prepared) entry.prepared->made_at = 0;
    return;
  }
  SkippedGroup& group = skipped();
  if (entry.kind == Kind::bind) {
    Portal& portal = *entry.portal;
    finish_bind(entry, portal.statement, Ending::not_executed, nullptr, now_ns);
    // What it was to bind is what the name stands for there. The stand-in for a refused one is known.
    if (!portal.statement || portal.statement->refusal == 0)
      portal.statement = skipped_statement(portal.statement_name);
  }
  if (entry.kind == Kind::parse || entry.kind == Kind::bind || entry.kind == Kind::close) group.note(entry);
  else skip_statements(entry, now_ns);
}

void ResponseQueue::skip_statements(Entry& entry, uint64_t now_ns) {
  if (!entry.runs() || entry.is_over) return;
  entry.unseen = Unseen::none;  // It has not run, also where an error is told of it.
  Ref<Portal> meant = entry.portal ? skipped_portal(entry.portal->name) : Ref<Portal>();
  if (entry.portal && !meant) meant = unknown_portal(entry);
  const bool is_culprit =
      entry.kind == Kind::execute && skipped_->has_error() && skipped_->is_culprit(meant.get());
  const ErrorFields error = skipped_->error();
  if (is_culprit) skipped_->forget_error();
  for (; entry.completed < entry.count; ++entry.completed) {
    finish(entry, entry.first + entry.completed, is_culprit ? Ending::failure : Ending::not_executed, {}, 0,
           is_culprit ? &error : nullptr, now_ns, meant.get());
  }
}

// The server's last word: what it had not begun it never will.
void ResponseQueue::end_by_fatal(uint64_t now_ns) {
  has_ended_ = true;
  while (Entry* entry = pending_.front()) {
    skip(*entry, now_ns);
    pending_.pop();
  }
  tell_skipped();
  if (!behind_end_) behind_end_ = std::move(skipped_);
  rare_.reset();
}

// What the server has by that name now: its statement was set at BindComplete, from the confirmed names.
Ref<Portal> ResponseQueue::actual_portal(const Entry& entry) {
  Ref<Portal> actual = names_.portal(entry.portal->name);
  return actual ? actual : unknown_portal(entry);
}

// One that is not there, or that was made out of sight, is known by its name alone, whatever was foreseen.
Ref<Portal> ResponseQueue::unknown_portal(const Entry& entry) {
  if (!entry.prepared && !entry.portal->bind_is_known) return entry.portal;
  Ref<Portal> unknown = names_.pools().portals.make();
  unknown->name = entry.portal->name;
  return unknown;
}

}  // namespace ringfence::pg

#include "ringfence/pg/response_queue.h"

#include <algorithm>

namespace ringfence::pg {

// What the server answers; what the client sends is in response_queue_sent.cc, and errors are in
// response_queue_failed.cc.

// For an answer other than ReadyForQuery: Syncs that stand before it and may have been swallowed were.
ResponseQueue::Entry* ResponseQueue::answered() {
  Entry* entry = pending_.front();
  while (entry != nullptr && entry->is_doubtful) {
    pending_.pop();
    entry = pending_.front();
  }
  return entry;
}

void ResponseQueue::finish(Entry& entry, StatementNumber number, Ending ending, std::string_view tag,
                           uint64_t rows, const ErrorFields* error, uint64_t now_ns, const Portal* ran) {
  finish(entry, {.number = number, .ending = ending, .tag = tag, .rows = rows, .error = error}, now_ns, ran);
}

void ResponseQueue::finish(Entry& entry, Completion completion, uint64_t now_ns, const Portal* ran) {
  completion.bytes_to_client = std::exchange(bytes_, 0);
  completion.bytes_to_server = entry.message_bytes;
  if (std::exchange(copies_, false) && copy_) completion.bytes_to_server += copy_->take(pending_.begin());
  completion.since_ns = std::max(entry.since_ns, last_done_ns_);
  entry.message_bytes = 0;
  rows_ = 0;
  last_done_ns_ = now_ns;
  completion.unseen = entry.unseen;
  if (ran != nullptr && (ran != entry.portal.get() || ran->statement != entry.prepared))
    completion.ran_instead = ran;
  completion.prepared = completion.ran_instead != nullptr ? ran->statement.get() : entry.prepared.get();
  completion.is_redacted = entry.is_redacted ||
                           (entry.prepared && entry.prepared->statement.holds_secret()) ||
                           (completion.prepared != nullptr && completion.prepared->statement.holds_secret());
  if (completion.ending != Ending::not_executed) {
    completion.is_presumed = ran != nullptr && is_presumed(*ran);
    has_run(entry);
  }
  if (entry.kind == Kind::query) completion.expected = expected_of(entry);
  else if (completion.prepared != nullptr && entry.kind != Kind::bind)
    completion.expected = completion.prepared->expected;
  observer_.done(completion);
  if (entry.kind == Kind::query && entry.count > 1)
    expected_.drop_before(entry.expected_at + entry.completed);
}

void ResponseQueue::parse_complete(uint64_t bytes) {
  Entry* entry = answered();
  if (entry == nullptr || entry->kind != Kind::parse) return misfit();
  bytes_ += bytes;
  has_run(*entry);
  names_.set_statement(entry->prepared);
  pending_.pop();
}

void ResponseQueue::bind_complete(uint64_t bytes, uint64_t now_ns) {
  Entry* entry = answered();
  if (entry == nullptr || entry->kind != Kind::bind) return misfit();
  bytes_ += bytes;
  Portal& portal = *entry->portal;
  portal.bind = Portal::Bind::done;
  Ref<Prepared> recorded;
  if (portal.bind_number != 0) recorded = portal.statement;
  // What the name stands for now, not what was foreseen.
  portal.statement = names_.statement(portal.statement_name);
  const Prepared* statement = portal.statement.get();
  portal.is_presumed =
      statement != nullptr && !statement->name.empty() && seen_.since(statement->made_at) != Unseen::none;
  has_run(*entry);
  if (portal.bind_number != 0) finish_bind(*entry, std::move(recorded), Ending::success, nullptr, now_ns);
  names_.set_portal(entry->portal);
  pending_.pop();
}

void ResponseQueue::close_complete(uint64_t bytes) {
  Entry* entry = answered();
  if (entry == nullptr || entry->kind != Kind::close) return misfit();
  bytes_ += bytes;
  has_run(*entry);
  if (entry->is_own) return pending_.pop();
  if (entry->is_portal) names_.forget_portal(entry->portal->name);
  else names_.forget_statement(entry->prepared->name);
  pending_.pop();
}

void ResponseQueue::parameter_description(ByteView oids, uint64_t bytes) {
  Entry* entry = answered();
  if (entry == nullptr || entry->kind != Kind::describe) return misfit();
  bytes_ += bytes;
  if (entry->prepared) names_.set_types(*entry->prepared, oids);
}

void ResponseQueue::description(uint64_t bytes) {
  bytes_ += bytes;
  Entry* entry = answered();
  if (entry == nullptr) return misfit();
  if (entry->kind == Kind::describe) pending_.pop();
}

void ResponseQueue::copy_in_response(uint64_t bytes) {
  bytes_ += bytes;
  Entry* entry = answered();
  if (entry == nullptr || (entry->kind != Kind::query && entry->kind != Kind::execute)) return misfit();
  copies_ = true;
  // What was sent ahead: the server, reading copy data, swallows Sync and Flush and stops at the end of the
  // copy.
  for (uint64_t place = pending_.begin() + 1; place != pending_.end(); ++place) {
    Entry& ahead = pending_.at(place);
    if (ahead.kind == Kind::gone) continue;
    // Swallowed, or refused when the COPY has failed before: no client means either, and we do not guess.
    if (ahead.kind == Kind::bad_flush) is_lost_ = true;
    if (ahead.kind != Kind::sync) return;  // The COPY's end, or what breaks the protocol inside of it.
    ahead.is_doubtful = true;
  }
  copy_in_ = true;
}

// Places rise, so what is settled stands at the front. (Numbers do not: what was refused or dropped has
// none.)
void ResponseQueue::drop_changes_before(uint64_t stamp, uint32_t index) {
  if (!rare_) return;
  auto& [changes, begin, uncut_tag, uncut_rows] = *rare_;
  while (begin < changes.size() && changes[begin].is_before(stamp, index)) changes[begin++].change = {};
  if (begin == changes.size()) {
    changes.clear();
    begin = 0;
    // A burst's room is not kept for an idle session.
    if (changes.capacity() > 16) changes.shrink_to_fit();
  } else if (begin > 64 && begin > changes.size() / 2) {
    changes.erase(changes.begin(), changes.begin() + static_cast<std::ptrdiff_t>(begin));
    begin = 0;
  }
}

// The change that the entry's next statement makes if it succeeds.
std::optional<NameChange> ResponseQueue::take_change(const Entry& entry) {
  drop_changes_before(entry.stamp, entry.completed);
  if (pending_changes() == 0) return std::nullopt;
  PendingChange& first = rare_->changes[rare_->changes_begin];
  if (first.stamp != entry.stamp || first.index != entry.completed) return std::nullopt;
  NameChange change = std::move(first.change);
  drop_changes_before(entry.stamp, entry.completed + 1);
  return change;
}

void ResponseQueue::command_complete(std::string_view tag, uint64_t bytes, uint64_t now_ns) {
  bytes_ += bytes;
  Entry* entry = answered();
  // Behind its last word a server completes nothing; if it does, records say what is not so.
  if (entry == nullptr) return has_ended_ ? misfit_that_shifts() : stray_end();
  if (entry->kind != Kind::query && entry->kind != Kind::execute) return stray_end();
  // More answers than statements: something ran that has no record.
  if (entry->kind == Kind::query && (entry->is_over || entry->completed == entry->count))
    return misfit_that_shifts();
  copy_in_ = false;
  forget_swallowed_syncs();
  CommandTag parsed = parse_command_tag(tag);
  StatementNumber number = entry->first + entry->completed;
  if (entry->is_uncut && entry->completed + 1 == entry->count) {
    rare().uncut_tag = tag;
    rare_->uncut_rows += parsed.rows.value_or(std::exchange(rows_, 0));
    rows_ = 0;
    return;
  }
  NameChange change;
  Ref<Portal> ran;
  if (entry->kind == Kind::query) {
    change = take_change(*entry).value_or(NameChange{});
    names_.forget_portal({});
  } else if (entry->portal) {
    ran = actual_portal(*entry);
    if (ran->statement) change = ran->statement->change;
  }
  const bool is_presumed_text = ran && is_presumed(*ran);
  // Behind it in its message there may be more.
  const bool is_last = entry->completed + 1 >= entry->count && !entry->continues;
  const uint64_t made_at = entry->stamp + (is_last ? 1 : 0);
  finish(*entry, number, Ending::success, tag, parsed.rows.value_or(rows_), nullptr, now_ns, ran.get());
  names_.apply(change, is_presumed_text ? 0 : made_at);
  if (entry->kind == Kind::execute || (++entry->completed == entry->count && entry->continues))
    pending_.pop();
}

// The statement has succeeded: if it was a COPY, all that was sent inside of it was read there.
void ResponseQueue::forget_swallowed_syncs() {
  for (uint64_t place = pending_.begin() + 1; place != pending_.end(); ++place) {
    Entry& behind = pending_.at(place);
    if (behind.kind == Kind::gone) continue;
    if (!behind.is_doubtful) break;
    behind = {};
  }
}

void ResponseQueue::empty_query(uint64_t bytes, uint64_t now_ns) {
  bytes_ += bytes;
  Entry* entry = answered();
  if (entry == nullptr) return stray_end();
  if (entry->kind == Kind::query && entry->completed < entry->count && !entry->is_over) {
    finish(*entry,
           {.number = entry->first + entry->completed, .ending = Ending::success, .is_empty_answer = true},
           now_ns);
    ++entry->completed;
  } else if (entry->kind == Kind::execute) {
    const Ref<Portal> ran = entry->portal ? actual_portal(*entry) : Ref<Portal>();
    finish(*entry, {.number = entry->first, .ending = Ending::success, .is_empty_answer = true}, now_ns,
           ran.get());
    pending_.pop();
  } else {
    stray_end();
  }
}

void ResponseQueue::portal_suspended(uint64_t bytes, uint64_t now_ns) {
  bytes_ += bytes;
  Entry* entry = answered();
  if (entry == nullptr || entry->kind != Kind::execute) return stray_end();
  const Ref<Portal> ran = entry->portal ? actual_portal(*entry) : Ref<Portal>();
  finish(*entry, entry->first, Ending::suspended, {}, rows_, nullptr, now_ns, ran.get());
  pending_.pop();
}

void ResponseQueue::function_call_response(uint64_t bytes, uint64_t now_ns) {
  bytes_ += bytes;
  Entry* entry = answered();
  if (entry == nullptr || entry->kind != Kind::function_call || entry->is_over) return stray_end();
  finish(*entry, entry->first, Ending::success, {}, 0, nullptr, now_ns);
  entry->is_over = true;
}

// Recursion: one step for each part of a Query with very many statements.
void ResponseQueue::ready(TransactionStatus status) {
  transaction_ = status;
  Entry* entry = pending_.front();
  if (entry == nullptr) return misfit();
  bytes_ = 0;
  rows_ = 0;
  reported_ = entry->stamp;
  switch (entry->kind) {
    case Kind::query:
    case Kind::function_call:
      // Fewer answers than statements: we cut the text otherwise than the server did.
      if (entry->is_uncut && !entry->is_over && entry->completed + 1 == entry->count) {
        const Rare& uncut = rare();
        finish(*entry, entry->first + entry->completed, Ending::success, uncut.uncut_tag, uncut.uncut_rows,
               nullptr, last_done_ns_);
        forget_uncut();
        ++entry->completed;
      }
      for (; !entry->is_over && entry->completed < entry->count; ++entry->completed) {
        misfit();
        finish(*entry,
               {.number = entry->first + entry->completed, .ending = Ending::unknown, .is_missing = true},
               last_done_ns_);
      }
      copy_in_ = copies_ = false;
      if (entry->kind == Kind::query) names_.forget_statement({});
      if (entry->continues) {
        pending_.pop();
        ready(status);
        return;
      }
      pending_.pop();
      break;
    case Kind::sync: {
      bool is_doubtful = entry->is_doubtful;
      bool ends_skip = entry->ends_skip;
      if (seen_.any(Unseen::trigger)) has_run(*entry);  // Otherwise nothing was deferred.
      pending_.pop();
      if (is_doubtful) doubtful_sync_answered(ends_skip);
      break;
    }
    default: misfit_that_shifts(); break;
  }
  pending_.front();
  // Portals end with their transaction; those of WITH HOLD cursors are rare, and a name that we do not know
  // is recorded as such.
  if (status != TransactionStatus::idle) return;
  names_.forget_portals();
  if (pending_.is_empty()) may_defer_ = false;
}

// ReadyForQuery came for a Sync that may have been swallowed: then it was the next Sync that was answered, if
// that one was sent before, and which of the two shows in the answers that follow.
void ResponseQueue::doubtful_sync_answered(bool ends_skip) {
  bool is_behind_copy = false;
  bool is_behind_sync = false;
  bool has_statements = false;
  for (uint64_t place = pending_.begin(); place != pending_.end(); ++place) {
    Entry& entry = pending_.at(place);
    if (entry.kind == Kind::copy_end) is_behind_copy = true;
    if (entry.kind == Kind::gone || entry.kind == Kind::copy_end) continue;
    if (entry.kind == Kind::sync) {
      if (has_statements) {
        is_lost_ = true;
        return;
      }
      // Of these as many are answered as there are, less those that were swallowed.
      if (!std::exchange(entry.is_doubtful, true)) is_behind_sync = true;
      continue;
    }
    // Anything but copy data inside a COPY is FATAL, so that Sync was answered and this is about to run;
    // behind a Sync that was not in the COPY it runs in any case.
    if (!ends_skip || !is_behind_copy || is_behind_sync) return;
    has_statements = true;
  }
}

uint64_t ResponseQueue::answers_refusal() {
  const Entry* entry = answered();
  if (entry == nullptr || entry->is_over) return 0;
  if (entry->kind == Kind::parse) return entry->is_own ? 0 : entry->prepared->refusal;
  bool is_stand_in = (entry->kind == Kind::query || entry->kind == Kind::function_call) &&
                     (entry->first & unrecorded_statement) != 0;
  return is_stand_in ? entry->first & ~unrecorded_statement : 0;
}

bool ResponseQueue::answers_own() {
  const Entry* entry = answered();
  return entry != nullptr && entry->kind == Kind::own;
}

bool ResponseQueue::answers_renewal(bool is_ready) {
  const Entry* entry = is_ready ? pending_.front() : answered();
  return entry != nullptr && entry->is_own;
}

bool ResponseQueue::hides_error() {
  const Entry* entry = answered();
  return entry != nullptr && entry->is_own && entry->is_over;
}

bool ResponseQueue::is_idle_before(uint64_t end) const {
  for (uint64_t place = pending_.begin(); place != pending_.end() && place < end; ++place) {
    const Entry& entry = pending_.at(place);
    if (entry.kind != Kind::gone && entry.kind != Kind::copy_end && !entry.is_doubtful) return false;
  }
  return !copy_in_;
}

bool ResponseQueue::has_later_group() const {
  bool has_ended = false;
  for (uint64_t place = pending_.begin(); place != pending_.end(); ++place) {
    const Entry& entry = pending_.at(place);
    if (entry.kind == Kind::gone) continue;
    if (has_ended) return true;
    has_ended = entry.kind == Kind::sync || entry.kind == Kind::function_call ||
                (entry.kind == Kind::query && !entry.continues);
  }
  return false;
}

void ResponseQueue::abandon(uint64_t unsent_from) {
  tell_skipped();
  bool was_reached = true;  // Only what the server was answering last.
  while (Entry* entry = pending_.front()) {
    const bool is_unsent = pending_.begin() >= unsent_from;
    Ref<Portal> ran;
    if (was_reached && !is_unsent && entry->kind == Kind::execute && entry->portal)
      ran = actual_portal(*entry);
    if (entry->kind == Kind::bind) {
      const Ending ending = is_unsent ? Ending::not_executed : Ending::unknown;
      finish_bind(*entry, entry->portal->statement, ending, nullptr, last_done_ns_);
    }
    for (; entry->has_open_statement(); ++entry->completed) {
      finish(*entry, entry->first + entry->completed, is_unsent ? Ending::not_executed : Ending::unknown, {},
             is_unsent ? 0 : rows_, nullptr, last_done_ns_, ran.get());
    }
    was_reached = false;
    pending_.pop();
  }
}

std::optional<ResponseQueue::Running> ResponseQueue::running() const {
  for (uint64_t place = pending_.begin(); place != pending_.end(); ++place) {
    const Entry& entry = pending_.at(place);
    if (entry.has_open_statement()) {
      return Running{entry.first + entry.completed, std::max(entry.since_ns, last_done_ns_)};
    }
  }
  return std::nullopt;
}

}  // namespace ringfence::pg

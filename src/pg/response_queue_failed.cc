// Errors of the server, and what fails with them.
#include "ringfence/pg/response_queue.h"

namespace ringfence::pg {

namespace {

// The server says these only where it waits for a command: what it has not answered it has not begun.
// (postgres.c: the flags are looked at between reading a command and running it.)
bool is_idle_timeout(std::string_view sqlstate) { return sqlstate == "25P03" || sqlstate == "57P05"; }

// A server that panics may have committed what it was running.
Ending ending_of(const ErrorFields& fields) {
  return fields.severity == "PANIC" ? Ending::unknown : Ending::failure;
}

}  // namespace

void ResponseQueue::error(const ErrorFields& fields, uint64_t bytes, uint64_t now_ns) {
  bytes_ += bytes;
  copy_in_ = false;
  bool is_fatal = fields.severity == "FATAL" || fields.severity == "PANIC";
  if (is_fatal && is_idle_timeout(fields.sqlstate)) observer_.error_outside(fields, nullptr);
  else fail(fields, now_ns);
  if (is_fatal) end_by_fatal(now_ns);
}

void ResponseQueue::fail(const ErrorFields& fields, uint64_t now_ns) {
  Entry* entry = answered();
  if (entry == nullptr || entry->kind == Kind::sync || (entry->is_over && !entry->is_own)) {
    observer_.error_outside(fields, nullptr);
    return;
  }
  switch (entry->kind) {
    case Kind::query: error_in_query(entry, fields, now_ns); return;
    case Kind::function_call:
      finish(*entry, entry->first, ending_of(fields), {}, 0, &fields, now_ns);
      entry->is_over = true;
      return;
    case Kind::execute: {
      const Ref<Portal> ran = entry->portal ? actual_portal(*entry) : Ref<Portal>();
      finish(*entry, entry->first, ending_of(fields), {}, rows_, &fields, now_ns, ran.get());
      pending_.pop();
      skip_to_sync(nullptr, now_ns);
      return;
    }
    case Kind::parse:
      if (entry->is_own && entry->is_over) {
        // Nobody's. Its Sync is there, and nothing between.
        entry->prepared->made_at = 0;
        pending_.pop();
        return;
      }
      skipped().fail(entry->prepared, {});
      // The server has dropped the unnamed one before it looks at the new text.
      if (entry->prepared->name.empty()) names_.forget_statement({});
      break;
    case Kind::bind:
      has_run(*entry);
      if (finish_bind(*entry, entry->portal->statement, ending_of(fields), &fields, now_ns)) {
        skip(*entry, now_ns);
        pending_.pop();
        skip_to_sync(nullptr, now_ns);
        return;
      }
      skipped().fail({}, entry->portal);
      break;
    default: break;
  }
  // Parse, Bind, Describe, Close or a Flush with a body failed. What executes it later in this group has
  // failed with it.
  if (entry->kind != Kind::close) skip(*entry, now_ns);
  pending_.pop();
  skip_to_sync(&fields, now_ns);
}

// The statement that was running has failed; those behind it in the same message, which may be cut into
// several entries, do not run.
void ResponseQueue::error_in_query(Entry* entry, const ErrorFields& fields, uint64_t now_ns) {
  bool is_told = false;
  while (entry != nullptr && entry->kind == Kind::query) {
    for (; entry->completed < entry->count; ++entry->completed, is_told = true) {
      finish(*entry, entry->first + entry->completed, is_told ? Ending::not_executed : ending_of(fields), {},
             rows_, is_told ? nullptr : &fields, now_ns);
    }
    drop_changes_before(entry->stamp, entry->count);
    forget_uncut();
    entry->is_over = true;
    if (!entry->continues) break;
    pending_.pop();
    entry = pending_.front();
  }
  if (!is_told) observer_.error_outside(fields, nullptr);
}

}  // namespace ringfence::pg

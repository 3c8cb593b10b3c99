// The half of the model that takes what the client sends.
#include <algorithm>
#include <utility>

#include "ringfence/pg/response_queue.h"
#include "ringfence/pg/server_name.h"

namespace ringfence::pg {

void ResponseQueue::keep_as_server_does(std::string& name) {
  has_wide_names_ =
      has_wide_names_ || std::any_of(name.begin(), name.end(), [](char c) { return (c & 0x80) != 0; });
  std::string room;
  const ByteView kept = message_name(name, encodings(), room);
  if (kept.data() == name.data()) name.resize(kept.size());
  else name.assign(kept);
}

std::string ResponseQueue::kept_name(std::string_view sent) {
  std::string name(sent);
  keep_as_server_does(name);
  return name;
}

void ResponseQueue::foresee(Entry& entry, Unseen unseen) {
  if (entry.stamp == 0) return;  // Skipped: it runs nothing.
  entry.unseen = resolved(unseen);
  foreseen_.note(entry.unseen, entry.stamp);
  if (entry.unseen >= Unseen::trigger) may_defer_ = true;
}

// The server reads no further, or nothing up to the next Sync.
bool ResponseQueue::is_skipped(Kind kind) {
  if (has_ended_) return true;
  if (!skipping_) return false;
  if (kind != Kind::sync) return true;
  skipping_ = false;
  end_skip();
  return false;
}

// A message that makes or drops a name, and one that makes statements run: what is skipped is taken by the
// same path as what waited when the error came.
template <typename Fill>
void ResponseQueue::push_naming(Kind kind, Fill&& fill) {
  if (!is_skipped(kind)) {
    Entry& entry = push(kind);
    fill(entry);
    pending_.mark_naming(entry);
    if (!(entry.portal ? entry.portal->name : entry.prepared->name).empty()) last_named_ = entry.stamp;
    return;
  }
  Entry entry;
  entry.kind = kind;
  fill(entry);
  if (has_ended_ && kind == Kind::bind) entry.portal->bind = Portal::Bind::ended;
  if (has_ended_) behind_end().note(entry);
  else skip(entry, 0);
}

template <typename Fill>
void ResponseQueue::push_running(Kind kind, uint64_t now_ns, Fill&& fill) {
  if (!is_skipped(kind)) {
    fill(push(kind));
    copy_place_ = pending_.end() - 1;
    run_before_ = std::exchange(last_run_, stamp_);
    return;
  }
  Entry entry;
  entry.kind = kind;
  entry.since_ns = now_ns;
  fill(entry);
  if (!has_ended_) return skip(entry, now_ns);
  // What waits before it may still be answered, and keeps its own counts.
  for (; entry.completed < entry.count; ++entry.completed) {
    observer_.done({.number = entry.first + entry.completed,
                    .ending = Ending::not_executed,
                    .bytes_to_server = std::exchange(entry.message_bytes, 0),
                    .since_ns = now_ns});
  }
  if (entry.kind == Kind::query) expected_.take_back(entry.expected_at);
}

void ResponseQueue::push_query(StatementNumber first, uint32_t count, uint64_t message_bytes, uint64_t now_ns,
                               bool continues) {
  push_running(Kind::query, now_ns, [&](Entry& entry) {
    is_query_awaited_ = entry.stamp != 0;
    if (is_query_awaited_) group_begin_ = entry.stamp;
    const ExpectedAnswers::Staged staged = expected_.take();
    entry.first = first;
    entry.count = count;
    entry.expected = staged.first;
    entry.expected_at = staged.others_at;
    entry.continues = continues;
    entry.message_bytes = message_bytes;
    entry.since_ns = now_ns;
  });
}

void ResponseQueue::mark_unseen(Unseen unseen) {
  if (is_query_awaited_) foresee(pending_.back(), unseen);
}

void ResponseQueue::change_names(uint32_t index, NameChange change) {
  if (!is_query_awaited_) return;
  Entry& entry = pending_.back();
  if (change.prepared && is_unknown_name(change.prepared->name)) foresee(entry, Unseen::code);
  last_changing_ = entry.stamp;
  rare().changes.push_back({entry.stamp, index, std::move(change)});
}

void ResponseQueue::mark_redacted() {
  if (is_query_awaited_) pending_.back().is_redacted = true;
}

void ResponseQueue::mark_uncut() {
  if (is_query_awaited_) pending_.back().is_uncut = true;
}

void ResponseQueue::push_parse(Ref<Prepared> prepared) {
  const bool is_refused = prepared->refusal != 0;
  keep_as_server_does(prepared->name);
  prepared->is_parsed = !is_refused;
  prepared->sent_in = encodings().is_sure ? encodings_.client : Encoding();
  push_naming(Kind::parse, [&](Entry& entry) {
    prepared->made_at = entry.stamp;
    if (is_unknown_name(prepared->name)) foresee(entry, Unseen::code);
    entry.prepared = std::move(prepared);
  });
  if (is_refused && !pending_.is_empty()) refused_to_ = pending_.end();
}

void ResponseQueue::push_bind(Ref<Portal> portal, Unseen unseen) {
  keep_as_server_does(portal->name);
  keep_as_server_does(portal->statement_name);
  push_naming(Kind::bind, [&](Entry& entry) {
    portal->made_at = entry.stamp + 1;  // Behind its planning.
    foresee(entry, is_unknown_name(portal->name) ? Unseen::code : unseen);
    entry.portal = std::move(portal);
  });
}

void ResponseQueue::push_describe(bool is_portal, std::string_view name) {
  if (is_skipped(Kind::describe)) return;
  Ref<Prepared> prepared = is_portal ? Ref<Prepared>() : foreseen_statement(name);
  Entry& entry = push(Kind::describe);
  entry.is_portal = is_portal;
  entry.prepared = std::move(prepared);
}

void ResponseQueue::push_close(bool is_portal, std::string_view name) {
  push_naming(Kind::close, [&](Entry& entry) {
    entry.is_portal = is_portal;
    if (is_portal) {
      entry.portal = names_.pools().portals.make();
      entry.portal->name = name;
      keep_as_server_does(entry.portal->name);
    } else {
      entry.prepared = names_.pools().prepared.make();
      entry.prepared->name = name;
      keep_as_server_does(entry.prepared->name);
    }
    if (is_unknown_name(is_portal ? entry.portal->name : entry.prepared->name)) foresee(entry, Unseen::code);
  });
}

void ResponseQueue::push_execute(StatementNumber number, Ref<Portal> portal, uint64_t message_bytes,
                                 uint64_t now_ns, Unseen unseen) {
  push_running(Kind::execute, now_ns, [&](Entry& entry) {
    entry.first = number;
    entry.count = 1;
    entry.since_ns = now_ns;
    entry.message_bytes = message_bytes;
    if (portal) {
      const NameChange* change = portal->statement ? &portal->statement->change : nullptr;
      if (change != nullptr && change->kind != NameChange::Kind::none)
        last_named_ = last_changing_ = entry.stamp;
      const bool is_unknown =
          change != nullptr && change->prepared && is_unknown_name(change->prepared->name);
      // No portal goes while it runs (portalmem.c: "cannot drop active portal").
      const bool is_certain = !portal->name.empty() && doubt_of(*portal) == Unseen::none;
      foresee(entry, is_unknown ? Unseen::code : unseen);
      if (is_certain && entry.stamp != 0) portal->made_at = entry.stamp + 1;
      entry.message_bytes += std::exchange(portal->bind_bytes, 0);
      entry.prepared = portal->statement;
    }
    entry.portal = std::move(portal);
  });
}

void ResponseQueue::push_function_call(StatementNumber number, uint64_t message_bytes, uint64_t now_ns,
                                       Unseen unseen) {
  push_running(Kind::function_call, now_ns, [&](Entry& entry) {
    if (entry.stamp != 0) group_begin_ = entry.stamp;
    entry.first = number;
    entry.count = 1;
    entry.since_ns = now_ns;
    entry.message_bytes = message_bytes;
    foresee(entry, unseen);
  });
}

void ResponseQueue::push_sync() {
  // Swallowed, unless the COPY has failed before the server reads this.
  bool is_doubtful = copy_in_;
  if (is_skipped(Kind::sync)) return;
  Entry& entry = push(Kind::sync);
  group_begin_ = entry.stamp;
  entry.is_doubtful = is_doubtful;
  // In a transaction block a Sync ends nothing; of more than one statement since the server said so, one may
  // have ended it.
  const bool stays_open = transaction_ == TransactionStatus::in_transaction && run_before_ <= reported_;
  foresee(entry, stays_open ? Unseen::none : Unseen::ends);
}

void ResponseQueue::push_renewal(const Ref<Prepared>& prepared, bool is_alone) {
  Entry& close = push(Kind::close);
  close.is_own = true;
  close.prepared = prepared;
  Entry& parse = push(Kind::parse);
  parse.is_own = true;
  parse.is_over = is_alone;
  parse.prepared = prepared;
  prepared->made_at = parse.stamp;
  if (is_alone) push(Kind::sync).is_own = true;
}

void ResponseQueue::push_own() {
  if (!is_skipped(Kind::own)) push(Kind::own);
}

// What copy data is sent for: the COPY that reads it, or else the last message that makes statements run,
// which may be one.
PendingMessage* ResponseQueue::copied_into() {
  const uint64_t place = copied_place();
  if (skipping_ || has_ended_ || place < pending_.begin() || place >= pending_.end()) return nullptr;
  Entry& entry = pending_.at(place);
  return entry.has_open_statement() ? &entry : nullptr;
}

void ResponseQueue::push_copy_end() {
  if (Entry* entry = copied_into()) copy().end(copied_place(), entry->count);
  if (std::exchange(copy_in_, false)) {
    // Tells what was sent inside the COPY from what was sent behind it.
    if (!pending_.is_empty() && pending_.back().is_doubtful) push(Kind::copy_end);
    return;
  }
  // It may end a COPY whose CopyInResponse is still to come; with nothing awaited there is none.
  if (skipping_ || has_ended_ || pending_.is_empty() || pending_.back().kind == Kind::copy_end) return;
  push(Kind::copy_end);
}

void ResponseQueue::push_bad_flush() {
  if (!is_skipped(Kind::bad_flush) && !copy_in_) push(Kind::bad_flush);
}

Ref<Prepared> ResponseQueue::foreseen_statement(std::string_view name) const {
  std::string room;
  name = message_name(name, encodings(), room);
  if (is_unknown_name(name)) return {};
  for (const SkippedGroup* group : {behind_end_.get(), skipped_.get()}) {
    if (auto named = group != nullptr ? group->statement(name) : std::nullopt) return *named;
  }
  const Entry* entry = pending_.last_naming(false, name);
  if (entry == nullptr) return names_.statement(name);
  return entry->kind == Kind::parse ? entry->prepared : Ref<Prepared>();
}

bool ResponseQueue::is_foreseen_for_sure(std::string_view name) const {
  std::string room;
  name = message_name(name, encodings(), room);
  if (is_unknown_name(name) || pending_.is_empty() || skipping_ || has_ended_) return true;
  const Entry* entry = pending_.last_naming(false, name);
  const uint64_t made_at = entry != nullptr ? entry->stamp : pending_.at(pending_.begin()).stamp;
  if (!name.empty() && last_changing_ >= made_at) return false;
  // With a Parse that fails, or is skipped, a Bind of the same group goes too.
  return entry == nullptr || entry->stamp > group_begin_;
}

Ref<Prepared> ResponseQueue::present_statement(std::string_view name) const {
  std::string room;
  name = message_name(name, encodings(), room);
  return is_unknown_name(name) ? Ref<Prepared>() : names_.statement(name);
}

Ref<Portal> ResponseQueue::foreseen_portal(std::string_view name) const {
  std::string room;
  name = message_name(name, encodings(), room);
  if (is_unknown_name(name)) return {};
  for (const SkippedGroup* group : {behind_end_.get(), skipped_.get()}) {
    if (auto named = group != nullptr ? group->portal(name) : std::nullopt) return *named;
  }
  const Entry* entry = pending_.last_naming(true, name);
  if (entry == nullptr) return names_.portal(name);
  return entry->kind == Kind::bind ? entry->portal : Ref<Portal>();
}

}  // namespace ringfence::pg

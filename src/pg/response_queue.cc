#include "ringfence/pg/response_queue.h"

#include <algorithm>

namespace ringfence::pg {

// ---------------------------------------------------------------- the ring of entries

ResponseQueue::Entry& ResponseQueue::push(Kind kind) {
  if (tail_ - head_ == ring_.size()) grow();
  Entry& entry = at(tail_++);
  entry.kind = kind;
  return entry;
}

void ResponseQueue::grow() {
  std::vector<Entry> larger(ring_.empty() ? 4 : ring_.size() * 2);
  for (uint64_t place = head_; place != tail_; ++place) larger[place & (larger.size() - 1)] = std::move(at(place));
  ring_ = std::move(larger);
}

ResponseQueue::Entry* ResponseQueue::head() {
  // Swallowed entries, and ends of a COPY that the server never began, answer nothing.
  while (head_ != tail_ && (at(head_).kind == Kind::gone || at(head_).kind == Kind::copy_end)) pop();
  return head_ == tail_ ? nullptr : &at(head_);
}

// For an answer other than ReadyForQuery: Syncs that stand before it and may have been swallowed were.
ResponseQueue::Entry* ResponseQueue::answered() {
  Entry* entry = head();
  while (entry != nullptr && entry->is_doubtful) {
    pop();
    entry = head();
  }
  return entry;
}

void ResponseQueue::pop() {
  Entry& entry = at(head_++);
  entry.prepared = {};
  entry.portal = {};
  entry.kind = Kind::gone;
  entry.is_redacted = entry.is_uncut = false;
  entry.is_over = entry.continues = entry.is_doubtful = entry.ends_skip = false;
  entry.completed = 0;
  entry.previous_naming = 0;
  // A burst's ring is not kept for an idle session.
  if (head_ == tail_ && ring_.size() > 64) {
    ring_ = std::vector<Entry>(4);
    head_ = tail_ = 0;
    last_naming_ = 0;
  }
}

void ResponseQueue::mark_naming(Entry& entry) {
  entry.previous_naming = last_naming_;
  last_naming_ = tail_;  // 1 + the entry's place.
}

// ---------------------------------------------------------------- what the client sends

bool ResponseQueue::is_skipped(Kind kind) {
  if (!skipping_) return false;
  if (kind != Kind::sync) return true;
  skipping_ = false;
  return false;
}

void ResponseQueue::push_query(StatementNumber first, uint32_t count, uint64_t message_bytes, uint64_t now_ns,
                               bool continues) {
  if (is_skipped(Kind::query)) {
    for (uint32_t i = 0; i < count; ++i) {
      observer_.done({.number = first + i, .ending = Ending::not_executed, .since_ns = now_ns});
    }
    return;
  }
  Entry& entry = push(Kind::query);
  entry.first = first;
  entry.count = count;
  entry.continues = continues;
  entry.message_bytes = message_bytes;
  entry.since_ns = now_ns;
}

void ResponseQueue::change_names(uint32_t index, NameChange change) {
  if (head_ == tail_) return;
  const Entry& entry = at(tail_ - 1);
  if (entry.kind == Kind::query) changes_.push_back({entry.first + index, std::move(change)});
}

void ResponseQueue::mark_redacted() {
  if (head_ != tail_ && at(tail_ - 1).kind == Kind::query) at(tail_ - 1).is_redacted = true;
}

void ResponseQueue::mark_uncut() {
  if (head_ != tail_ && at(tail_ - 1).kind == Kind::query) at(tail_ - 1).is_uncut = true;
}

// Numbers rise, so what is settled stands at the front.
void ResponseQueue::drop_changes_before(StatementNumber number) {
  while (!changes_.empty() && changes_.front().number < number) changes_.pop_front();
}

void ResponseQueue::push_parse(Ref<Prepared> prepared) {
  if (is_skipped(Kind::parse)) return;
  Entry& entry = push(Kind::parse);
  entry.prepared = std::move(prepared);
  mark_naming(entry);
}

void ResponseQueue::push_bind(Ref<Portal> portal) {
  if (is_skipped(Kind::bind)) return;
  Entry& entry = push(Kind::bind);
  entry.portal = std::move(portal);
  mark_naming(entry);
}

void ResponseQueue::push_describe(bool is_portal, std::string_view name) {
  if (is_skipped(Kind::describe)) return;
  Ref<Prepared> prepared = is_portal ? Ref<Prepared>() : foreseen_statement(name);
  Entry& entry = push(Kind::describe);
  entry.is_portal = is_portal;
  entry.prepared = std::move(prepared);
}

void ResponseQueue::push_close(bool is_portal, std::string_view name) {
  if (is_skipped(Kind::close)) return;
  Entry& entry = push(Kind::close);
  entry.is_portal = is_portal;
  if (is_portal) {
    entry.portal = pools_.portals.make();
    entry.portal->name = name;
  } else {
    entry.prepared = pools_.prepared.make();
    entry.prepared->name = name;
  }
  mark_naming(entry);
}

void ResponseQueue::push_execute(StatementNumber number, Ref<Portal> portal, uint64_t message_bytes,
                                 uint64_t now_ns) {
  if (is_skipped(Kind::execute)) {
    observer_.done({.number = number, .ending = Ending::not_executed, .since_ns = now_ns});
    return;
  }
  Entry& entry = push(Kind::execute);
  entry.first = number;
  entry.count = 1;
  entry.since_ns = now_ns;
  entry.message_bytes = message_bytes;
  if (portal) {
    entry.message_bytes += std::exchange(portal->bind_bytes, 0);
    entry.prepared = portal->statement;
  }
  entry.portal = std::move(portal);
}

void ResponseQueue::push_function_call(StatementNumber number, uint64_t message_bytes, uint64_t now_ns) {
  if (is_skipped(Kind::function_call)) {
    observer_.done({.number = number, .ending = Ending::not_executed, .since_ns = now_ns});
    return;
  }
  Entry& entry = push(Kind::function_call);
  entry.first = number;
  entry.count = 1;
  entry.since_ns = now_ns;
  entry.message_bytes = message_bytes;
}

void ResponseQueue::push_sync() {
  // Swallowed, unless the COPY has failed before the server reads this.
  bool is_doubtful = copy_in_;
  is_skipped(Kind::sync);
  push(Kind::sync).is_doubtful = is_doubtful;
}

void ResponseQueue::push_copy_end() {
  if (std::exchange(copy_in_, false)) {
    // Tells what was sent inside the COPY from what was sent behind it.
    if (head_ != tail_ && at(tail_ - 1).is_doubtful) push(Kind::copy_end);
    return;
  }
  // It may end a COPY whose CopyInResponse is still to come; with nothing awaited there is none.
  if (skipping_ || head_ == tail_ || at(tail_ - 1).kind == Kind::copy_end) return;
  push(Kind::copy_end);
}

Ref<Prepared> ResponseQueue::foreseen_statement(std::string_view name) const {
  for (uint64_t mark = last_naming_; mark > head_; mark = at(mark - 1).previous_naming) {
    const Entry& entry = at(mark - 1);
    if (entry.kind == Kind::parse && entry.prepared->name == name) return entry.prepared;
    if (entry.kind == Kind::close && !entry.is_portal && entry.prepared->name == name) return {};
  }
  if (name.empty()) return unnamed_statement_;
  auto found = statements_.find(name);
  return found == statements_.end() ? Ref<Prepared>() : found->second;
}

Ref<Portal> ResponseQueue::foreseen_portal(std::string_view name) const {
  for (uint64_t mark = last_naming_; mark > head_; mark = at(mark - 1).previous_naming) {
    const Entry& entry = at(mark - 1);
    if (entry.kind == Kind::bind && entry.portal->name == name) return entry.portal;
    if (entry.kind == Kind::close && entry.is_portal && entry.portal->name == name) return {};
  }
  if (name.empty()) return unnamed_portal_;
  auto found = portals_.find(name);
  return found == portals_.end() ? Ref<Portal>() : found->second;
}

// ---------------------------------------------------------------- what the server answers

void ResponseQueue::finish(Entry& entry, StatementNumber number, Ending ending, std::string_view tag, uint64_t rows,
                           const ErrorFields* error, uint64_t now_ns, bool was_reached) {
  Completion completion;
  completion.number = number;
  completion.ending = ending;
  completion.tag = tag;
  completion.rows = rows;
  completion.bytes_to_client = std::exchange(bytes_, 0);
  completion.bytes_to_server = entry.message_bytes + std::exchange(copy_bytes_, 0);
  completion.since_ns = std::max(entry.since_ns, last_done_ns_);
  completion.error = error;
  completion.is_redacted = entry.is_redacted || (entry.prepared && entry.prepared->statement.is_redacted);
  entry.message_bytes = 0;
  rows_ = 0;
  last_done_ns_ = now_ns;
  if (entry.kind == Kind::execute && entry.portal && was_reached) {
    // The portal as the server has it now: its statement was set at BindComplete from the confirmed names.
    const Portal* actual = confirmed_portal(entry.portal->name);
    if (actual == nullptr) actual = entry.portal.get();
    if (actual != entry.portal.get() || actual->statement != entry.prepared) completion.ran_instead = actual;
  }
  observer_.done(completion);
}

void ResponseQueue::parse_complete(uint64_t bytes) {
  Entry* entry = answered();
  if (entry == nullptr || entry->kind != Kind::parse) return misfit();
  bytes_ += bytes;
  set_statement(entry->prepared);
  pop();
}

void ResponseQueue::bind_complete(uint64_t bytes) {
  Entry* entry = answered();
  if (entry == nullptr || entry->kind != Kind::bind) return misfit();
  bytes_ += bytes;
  Portal& portal = *entry->portal;
  // What the name stands for now, not what was foreseen.
  if (portal.statement_name.empty()) {
    portal.statement = unnamed_statement_;
  } else {
    auto found = statements_.find(portal.statement_name);
    portal.statement = found == statements_.end() ? Ref<Prepared>() : found->second;
  }
  set_portal(entry->portal);
  pop();
}

void ResponseQueue::close_complete(uint64_t bytes) {
  Entry* entry = answered();
  if (entry == nullptr || entry->kind != Kind::close) return misfit();
  bytes_ += bytes;
  if (entry->is_portal) {
    if (entry->portal->name.empty()) unnamed_portal_ = {};
    else portals_.erase(entry->portal->name);
  } else {
    if (entry->prepared->name.empty()) unnamed_statement_ = {};
    else forget_statement(entry->prepared->name);
  }
  pop();
}

void ResponseQueue::parameter_description(ByteView oids, uint64_t bytes) {
  Entry* entry = answered();
  if (entry == nullptr || entry->kind != Kind::describe) return misfit();
  bytes_ += bytes;
  if (!entry->prepared) return;
  std::vector<uint32_t>& types = entry->prepared->types;
  types.clear();
  for (size_t i = 0; i + 4 <= oids.size(); i += 4) types.push_back(ringfence::detail::load_be<uint32_t>(oids.data() + i));
}

void ResponseQueue::description(uint64_t bytes) {
  bytes_ += bytes;
  Entry* entry = answered();
  if (entry == nullptr) return misfit();
  if (entry->kind == Kind::describe) pop();
}

void ResponseQueue::copy_in_response(uint64_t bytes) {
  bytes_ += bytes;
  Entry* entry = answered();
  if (entry == nullptr || (entry->kind != Kind::query && entry->kind != Kind::execute)) return misfit();
  // What was sent ahead: the server, reading copy data, swallows Sync and Flush and stops at the end of the copy.
  for (uint64_t place = head_ + 1; place != tail_; ++place) {
    Entry& ahead = at(place);
    if (ahead.kind == Kind::gone) continue;
    if (ahead.kind != Kind::sync) return;  // The COPY's end, or what breaks the protocol inside of it.
    ahead.is_doubtful = true;
  }
  copy_in_ = true;
}

void ResponseQueue::command_complete(std::string_view tag, uint64_t bytes, uint64_t now_ns) {
  bytes_ += bytes;
  Entry* entry = answered();
  if (entry == nullptr) return misfit();
  if (entry->kind != Kind::query && entry->kind != Kind::execute) return misfit();
  // More answers than statements: something ran that has no record.
  if (entry->kind == Kind::query && (entry->is_over || entry->completed == entry->count)) return misfit_that_shifts();
  copy_in_ = false;
  for (uint64_t place = head_ + 1; place != tail_; ++place) {
    Entry& behind = at(place);
    if (behind.kind == Kind::gone) continue;
    if (!behind.is_doubtful) break;
    behind = {};  // The COPY has succeeded, so all that was sent inside of it was read there.
  }
  CommandTag parsed = parse_command_tag(tag);
  StatementNumber number = entry->first + entry->completed;
  if (entry->is_uncut && entry->completed + 1 == entry->count) {
    uncut_tag_ = tag;
    uncut_rows_ += parsed.rows.value_or(std::exchange(rows_, 0));
    rows_ = 0;
    return;
  }
  drop_changes_before(number);
  if (!changes_.empty() && changes_.front().number == number) {
    NameChange change = std::move(changes_.front().change);
    changes_.pop_front();
    apply(change);
  }
  finish(*entry, number, Ending::success, tag, parsed.rows.value_or(rows_), nullptr, now_ns);
  if (entry->kind == Kind::execute || (++entry->completed == entry->count && entry->continues)) pop();
}

void ResponseQueue::empty_query(uint64_t bytes, uint64_t now_ns) {
  bytes_ += bytes;
  Entry* entry = answered();
  if (entry == nullptr) return misfit();
  if (entry->kind == Kind::query && entry->completed < entry->count && !entry->is_over) {
    finish(*entry, entry->first + entry->completed, Ending::success, {}, 0, nullptr, now_ns);
    ++entry->completed;
  } else if (entry->kind == Kind::execute) {
    finish(*entry, entry->first, Ending::success, {}, 0, nullptr, now_ns);
    pop();
  } else {
    misfit();
  }
}

void ResponseQueue::portal_suspended(uint64_t bytes, uint64_t now_ns) {
  bytes_ += bytes;
  Entry* entry = answered();
  if (entry == nullptr || entry->kind != Kind::execute) return misfit();
  finish(*entry, entry->first, Ending::suspended, {}, rows_, nullptr, now_ns);
  pop();
}

void ResponseQueue::function_call_response(uint64_t bytes, uint64_t now_ns) {
  bytes_ += bytes;
  Entry* entry = answered();
  if (entry == nullptr || entry->kind != Kind::function_call || entry->is_over) return misfit();
  finish(*entry, entry->first, Ending::success, {}, 0, nullptr, now_ns);
  entry->is_over = true;
}

void ResponseQueue::error(const ErrorFields& fields, uint64_t bytes, uint64_t now_ns) {
  bytes_ += bytes;
  copy_in_ = false;
  Entry* entry = answered();
  if (entry == nullptr || entry->kind == Kind::sync || entry->is_over) {
    observer_.error_outside(fields, nullptr);
    return;
  }
  bool is_told = false;
  switch (entry->kind) {
    case Kind::query:
      for (bool first = true; entry != nullptr && entry->kind == Kind::query;) {
        for (; entry->completed < entry->count; ++entry->completed, first = false) {
          finish(*entry, entry->first + entry->completed, first ? Ending::failure : Ending::not_executed, {}, rows_,
                 first ? &fields : nullptr, now_ns);
          is_told = true;
        }
        drop_changes_before(entry->first + entry->count);
        uncut_tag_.clear();
        uncut_rows_ = 0;
        entry->is_over = true;
        if (!entry->continues) break;
        pop();
        entry = head();
      }
      if (!is_told) observer_.error_outside(fields, nullptr);
      return;
    case Kind::function_call:
      finish(*entry, entry->first, Ending::failure, {}, 0, &fields, now_ns);
      entry->is_over = true;
      return;
    case Kind::execute:
      finish(*entry, entry->first, Ending::failure, {}, rows_, &fields, now_ns);
      pop();
      skip_to_sync(nullptr, nullptr, true, fields, now_ns);
      return;
    default: {
      // Parse, Bind, Describe or Close failed. What executes it later in this group has failed with it.
      Ref<Prepared> prepared = entry->kind == Kind::parse ? entry->prepared : Ref<Prepared>();
      Ref<Portal> portal = entry->kind == Kind::bind ? entry->portal : Ref<Portal>();
      if (portal) prepared = portal->statement;
      bool is_bind = entry->kind == Kind::bind;
      pop();
      skip_to_sync(is_bind ? nullptr : prepared.get(), portal.get(), false, fields, now_ns);
      return;
    }
  }
}

void ResponseQueue::skip_to_sync(const Prepared* failed_statement, const Portal* failed_portal,
                                 bool is_told, const ErrorFields& fields, uint64_t now_ns) {
  while (Entry* entry = head()) {
    if (entry->kind == Kind::sync) break;
    if (entry->kind == Kind::execute || entry->kind == Kind::query || entry->kind == Kind::function_call) {
      bool is_culprit = entry->kind == Kind::execute && !is_told && entry->portal &&
                        (entry->portal.get() == failed_portal ||
                         (failed_statement != nullptr && entry->portal->statement.get() == failed_statement));
      for (; entry->completed < entry->count; ++entry->completed) {
        finish(*entry, entry->first + entry->completed, is_culprit ? Ending::failure : Ending::not_executed, {}, 0,
               is_culprit ? &fields : nullptr, now_ns, false);
      }
      is_told = is_told || is_culprit;
    }
    pop();
  }
  if (head_ != tail_ && at(head_).is_doubtful) at(head_).ends_skip = true;
  if (head_ == tail_) skipping_ = true;
  if (is_told) return;
  const StatementText* text = nullptr;
  if (failed_portal != nullptr && failed_portal->statement) text = &failed_portal->statement->statement;
  if (failed_statement != nullptr) text = &failed_statement->statement;
  observer_.error_outside(fields, text);
}

// Recursion: one step for each part of a Query with very many statements.
void ResponseQueue::ready(TransactionStatus status) {
  transaction_ = status;
  Entry* entry = head();
  if (entry == nullptr) return misfit();
  bytes_ = 0;
  rows_ = 0;
  switch (entry->kind) {
    case Kind::query:
    case Kind::function_call:
      // Fewer answers than statements: we cut the text otherwise than the server did.
      if (entry->is_uncut && !entry->is_over && entry->completed + 1 == entry->count) {
        finish(*entry, entry->first + entry->completed, Ending::success, uncut_tag_, std::exchange(uncut_rows_, 0), nullptr, last_done_ns_);
        uncut_tag_.clear();
        ++entry->completed;
      }
      for (; !entry->is_over && entry->completed < entry->count; ++entry->completed) {
        misfit();
        finish(*entry, entry->first + entry->completed, Ending::unknown, {}, 0, nullptr, last_done_ns_);
      }
      copy_in_ = false;
      if (entry->continues) {
        pop();
        ready(status);
        return;
      }
      pop();
      break;
    case Kind::sync: {
      bool is_doubtful = entry->is_doubtful;
      bool ends_skip = entry->ends_skip;
      pop();
      if (is_doubtful) doubtful_sync_answered(ends_skip);
      break;
    }
    default: misfit_that_shifts(); break;
  }
  head();
  // Portals end with their transaction; those of WITH HOLD cursors are rare, and a name that we do not know is
  // recorded as such.
  if (status == TransactionStatus::idle) {
    unnamed_portal_ = {};
    portals_.clear();
  }
}

// ReadyForQuery came for a Sync that may have been swallowed: then it was the next Sync that was answered, if that
// one was sent before, and which of the two shows in the answers that follow.
void ResponseQueue::doubtful_sync_answered(bool ends_skip) {
  bool is_behind_copy = false;
  bool is_behind_sync = false;
  bool has_statements = false;
  for (uint64_t place = head_; place != tail_; ++place) {
    Entry& entry = at(place);
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
    // Anything but copy data inside a COPY is FATAL, so that Sync was answered and this is about to run; behind a
    // Sync that was not in the COPY it runs in any case.
    if (!ends_skip || !is_behind_copy || is_behind_sync) return;
    has_statements = true;
  }
}

bool ResponseQueue::is_idle() const {
  for (uint64_t place = head_; place != tail_; ++place) {
    const Entry& entry = at(place);
    if (entry.kind != Kind::gone && entry.kind != Kind::copy_end && !entry.is_doubtful) return false;
  }
  return !copy_in_;
}

void ResponseQueue::abandon() {
  bool was_reached = true;  // Only what the server was answering last.
  while (Entry* entry = head()) {
    bool counts = entry->kind == Kind::query || entry->kind == Kind::execute || entry->kind == Kind::function_call;
    for (; counts && !entry->is_over && entry->completed < entry->count; ++entry->completed) {
      finish(*entry, entry->first + entry->completed, Ending::unknown, {}, rows_, nullptr, last_done_ns_, was_reached);
    }
    was_reached = false;
    pop();
  }
}

std::optional<ResponseQueue::Running> ResponseQueue::running() const {
  for (uint64_t place = head_; place != tail_; ++place) {
    const Entry& entry = at(place);
    bool counts =
        entry.kind == Kind::query || entry.kind == Kind::execute || entry.kind == Kind::function_call;
    if (counts && !entry.is_over && entry.completed < entry.count) {
      return Running{entry.first + entry.completed, std::max(entry.since_ns, last_done_ns_)};
    }
  }
  return std::nullopt;
}

// ---------------------------------------------------------------- names

const Portal* ResponseQueue::confirmed_portal(std::string_view name) const {
  if (name.empty()) return unnamed_portal_.get();
  auto found = portals_.find(name);
  return found == portals_.end() ? nullptr : found->second.get();
}

namespace {
uint64_t kept_by(const Prepared& prepared) {
  return prepared.name.size() + prepared.statement.text.size() + prepared.statement.raw.size() + sizeof(Prepared);
}
}  // namespace

void ResponseQueue::set_statement(const Ref<Prepared>& prepared) {
  if (prepared->name.empty()) {
    unnamed_statement_ = prepared;
    return;
  }
  forget_statement(prepared->name);
  kept_bytes_ += kept_by(*prepared);
  statements_.emplace(prepared->name, prepared);
}

void ResponseQueue::forget_statement(std::string_view name) {
  auto found = statements_.find(name);
  if (found == statements_.end()) return;
  kept_bytes_ -= kept_by(*found->second);
  statements_.erase(found);
}

void ResponseQueue::set_portal(const Ref<Portal>& portal) {
  if (portal->name.empty()) unnamed_portal_ = portal;
  else portals_.insert_or_assign(portal->name, portal);
}

void ResponseQueue::apply(const NameChange& change) {
  switch (change.kind) {
    case NameChange::Kind::none: return;
    case NameChange::Kind::prepare: set_statement(change.prepared); return;
    case NameChange::Kind::deallocate: forget_statement(change.prepared->name); return;
    case NameChange::Kind::deallocate_all:
      statements_.clear();
      kept_bytes_ = 0;
      return;
    case NameChange::Kind::declare: {
      Ref<Portal> portal = pools_.portals.make();
      portal->name = change.prepared->name;
      portal->statement = change.prepared;
      set_portal(portal);
      return;
    }
    case NameChange::Kind::close: portals_.erase(change.prepared->name); return;
    case NameChange::Kind::close_all: portals_.clear(); return;
    case NameChange::Kind::discard_all:
      statements_.clear();
      kept_bytes_ = 0;
      portals_.clear();
      return;
  }
}

}  // namespace ringfence::pg

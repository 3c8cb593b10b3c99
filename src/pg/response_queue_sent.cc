// The half of the model that takes what the client sends.
#include "ringfence/pg/response_queue.h"

namespace ringfence::pg {

bool ResponseQueue::is_skipped(Kind kind) {
  if (has_ended_) return true;
  if (!skipping_) return false;
  if (kind != Kind::sync) return true;
  skipping_ = false;
  skipped_statement_ = {};
  skipped_portal_ = {};
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
  if (pending_.is_empty()) return;
  const Entry& entry = pending_.back();
  if (entry.kind == Kind::query) rare().changes.push_back({entry.first + index, std::move(change)});
}

void ResponseQueue::mark_redacted() {
  if (!pending_.is_empty() && pending_.back().kind == Kind::query) pending_.back().is_redacted = true;
}

void ResponseQueue::mark_uncut() {
  if (!pending_.is_empty() && pending_.back().kind == Kind::query) pending_.back().is_uncut = true;
}

void ResponseQueue::push_parse(Ref<Prepared> prepared) {
  if (is_skipped(Kind::parse)) {
    skipped_statement_ = std::move(prepared);
    return;
  }
  Entry& entry = push(Kind::parse);
  if (prepared->refusal != 0) refused_to_ = pending_.end();
  entry.prepared = std::move(prepared);
  pending_.mark_naming(entry);
}

void ResponseQueue::push_bind(Ref<Portal> portal) {
  if (is_skipped(Kind::bind)) {
    skipped_portal_ = std::move(portal);
    return;
  }
  Entry& entry = push(Kind::bind);
  entry.portal = std::move(portal);
  pending_.mark_naming(entry);
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
  pending_.mark_naming(entry);
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
  if (is_skipped(Kind::sync)) return;
  push(Kind::sync).is_doubtful = is_doubtful;
}

void ResponseQueue::push_own() {
  if (!is_skipped(Kind::own)) push(Kind::own);
}

void ResponseQueue::push_copy_end() {
  if (std::exchange(copy_in_, false)) {
    // Tells what was sent inside the COPY from what was sent behind it.
    if (!pending_.is_empty() && pending_.back().is_doubtful) push(Kind::copy_end);
    return;
  }
  // It may end a COPY whose CopyInResponse is still to come; with nothing awaited there is none.
  if (skipping_ || has_ended_ || pending_.is_empty() || pending_.back().kind == Kind::copy_end) return;
  push(Kind::copy_end);
}

Ref<Prepared> ResponseQueue::foreseen_statement(std::string_view name) const {
  if (skipped_statement_ && skipped_statement_->name == name) return skipped_statement_;
  const Entry* entry = pending_.last_naming(false, name);
  if (entry == nullptr) return names_.statement(name);
  return entry->kind == Kind::parse ? entry->prepared : Ref<Prepared>();
}

Ref<Portal> ResponseQueue::foreseen_portal(std::string_view name) const {
  if (skipped_portal_ && skipped_portal_->name == name) return skipped_portal_;
  const Entry* entry = pending_.last_naming(true, name);
  if (entry == nullptr) return names_.portal(name);
  return entry->kind == Kind::bind ? entry->portal : Ref<Portal>();
}

}  // namespace ringfence::pg

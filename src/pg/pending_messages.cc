#include "ringfence/pg/pending_messages.h"

namespace ringfence::pg {

PendingMessage& PendingMessages::push(Kind kind) {
  if (tail_ - head_ == ring_.size()) grow();
  PendingMessage& message = at(tail_++);
  message.kind = kind;
  return message;
}

void PendingMessages::grow() {
  std::vector<PendingMessage> larger(ring_.empty() ? 2 : ring_.size() * 2);
  for (uint64_t place = head_; place != tail_; ++place)
    larger[place & (larger.size() - 1)] = std::move(at(place));
  ring_ = std::move(larger);
}

PendingMessage* PendingMessages::front() {
  // Swallowed entries, and ends of a COPY that the server never began, answer nothing.
  while (head_ != tail_ && (at(head_).kind == Kind::gone || at(head_).kind == Kind::copy_end)) pop();
  return head_ == tail_ ? nullptr : &at(head_);
}

void PendingMessages::pop() {
  PendingMessage& message = at(head_++);
  message.prepared = {};
  message.portal = {};
  message.kind = Kind::gone;
  message.is_redacted = message.is_uncut = message.is_own = false;
  message.unseen = Unseen::none;
  message.is_over = message.continues = message.is_doubtful = message.ends_skip = false;
  message.completed = 0;
  message.naming_before = 0;
  // A burst's ring is not kept for an idle session.
  if (head_ == tail_ && ring_.size() > 64) {
    ring_ = std::vector<PendingMessage>(2);
    head_ = tail_ = 0;
    last_naming_ = 0;
  }
}

void PendingMessages::mark_naming(PendingMessage& message) {
  if (has_naming()) message.naming_before = static_cast<uint32_t>(tail_ - last_naming_);
  last_naming_ = tail_;
}

const PendingMessage* PendingMessages::last_naming(bool is_portal, std::string_view name) const {
  Kind maker = is_portal ? Kind::bind : Kind::parse;
  for (uint64_t mark = last_naming_; mark > head_;) {
    const PendingMessage& message = at(mark - 1);
    bool is_of_kind =
        message.kind == maker || (message.kind == Kind::close && message.is_portal == is_portal);
    if (is_of_kind && (is_portal ? message.portal->name : message.prepared->name) == name) return &message;
    if (message.naming_before == 0) break;
    mark -= message.naming_before;
  }
  return nullptr;
}

}  // namespace ringfence::pg

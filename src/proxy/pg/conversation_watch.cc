// The part of a conversation that knows which text the server shows as running (shown_texts.h), where
// somebody asks for it.
#include "conversation.h"
#include "watched_session.h"

namespace ringfence::proxy {

void Conversation::show(ByteView text, uint64_t full_bytes) {
  if (watched_ == nullptr) return;
  watched_->texts.note(text, full_bytes);
  ++watched_->sent;
}

// Null, or one whose text is not kept: it is not known what the server shows.
void Conversation::show(const pg::Prepared* prepared) {
  if (watched_ == nullptr) return;
  if (const pg::Prepared::Sent* sent = prepared != nullptr ? prepared->sent() : nullptr) {
    return show(sent->begin, sent->full_bytes);
  }
  watched_->texts.note_unknown();
  ++watched_->sent;
}

// `text`: of the message that makes it, which the server shows for what PREPARE and DECLARE make, too.
void Conversation::keep_sent(pg::Prepared& prepared, ByteView text, uint64_t full_bytes) const {
  if (watched_ == nullptr) return;
  prepared.make_rare().sent.emplace(text.substr(0, shown_bytes_max), full_bytes);
}

void Conversation::show_error() {
  if (watched_ != nullptr) watched_->texts.note_error();
}

void Conversation::show_rest() {
  if (watched_ != nullptr && queue_.is_idle()) watched_->texts.note_rest();
}

}  // namespace ringfence::proxy

// Which text the server shows as running (shown_texts.h), where somebody asks for it; else nothing is noted.
#pragma once

#include "ringfence/pg/session_objects.h"
#include "watched_session.h"

namespace ringfence::proxy {

class TextWatch {
 public:
  // As long as the session lives; from its beginning.
  void watch_by(WatchedSession& watched) { watched_ = &watched; }
  // A text goes to the server.
  void show(ByteView text, uint64_t full_bytes) {
    if (watched_ == nullptr) return;
    watched_->texts.note(text, full_bytes);
    ++watched_->sent;
  }
  // Null, or one whose text is not kept: it is not known what the server shows.
  void show(const pg::Prepared* prepared) {
    if (watched_ == nullptr) return;
    if (const pg::Prepared::Sent* sent = prepared != nullptr ? prepared->sent() : nullptr)
      return show(sent->begin, sent->full_bytes);
    watched_->texts.note_unknown();
    ++watched_->sent;
  }
  // `text`: of the message that makes it, which the server shows for what PREPARE and DECLARE make, too.
  void keep_sent(pg::Prepared& prepared, ByteView text, uint64_t full_bytes) const {
    if (watched_ != nullptr) prepared.make_rare().sent.emplace(text.substr(0, shown_bytes_max), full_bytes);
  }
  void note_error() {
    if (watched_ != nullptr) watched_->texts.note_error();
  }
  void note_rest(bool is_idle) {
    if (watched_ != nullptr && is_idle) watched_->texts.note_rest();
  }
  // A name was used that may stand for something else.
  void note_doubtful() {
    if (watched_ != nullptr) watched_->is_doubtful = true;
  }

 private:
  WatchedSession* watched_ = nullptr;
};

}  // namespace ringfence::proxy

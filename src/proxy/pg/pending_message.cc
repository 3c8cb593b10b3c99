#include "pending_message.h"

#include "ringfence/base/thread_counts.h"
#include "ringfence/pg/session_objects.h"

namespace ringfence::proxy {

namespace from_client = pg::from_client;

const PendingMessage::Rare& PendingMessage::seen() const {
  static const Rare nothing;
  return own ? *own : nothing;
}

void PendingMessage::refuse(Refusal why, Word by) {
  rare().refusal = std::make_unique<Refusal>(std::move(why));
  own->text_to_analyse.clear();
  word = by;
  state = State::judging;
}

void PendingMessage::keep(const pg::FrameSegment& piece, size_t bytes_max) {
  if (piece.is_first && own) own->capture.clear();
  if (seen().capture.size() < bytes_max) {
    ByteView kept = piece.piece.substr(0, bytes_max - seen().capture.size());
    rare().capture.append(kept);
    count_copy(kept.size());
  }
  bool is_text = piece.type == from_client::query || piece.type == from_client::parse;
  if (!is_text || piece.body_length <= bytes_max) return;
  auto& hash = rare().hash;
  if (piece.is_first) hash = std::make_unique<TextHash>(piece.type == from_client::parse);
  if (hash) hash->update(piece.piece);
  if (piece.is_last && hash) {
    own->text_bytes = hash->text_bytes();
    own->sha256.assign(crypto::view_of(hash->finish()));
    hash.reset();
  }
}

// What is held of a chunk ends where the segment does.
void PendingMessage::move_chunk(ByteView chunk) {
  if (!own || !own->segment) return;
  pg::FrameSegment& held = *own->segment;
  held.piece = chunk.substr(held.end - held.piece.size(), held.piece.size());
}

void PendingMessage::finish() {
  state = State::coming;
  word = Word::none;
  is_paid = false;
  if (!own) return;
  pg::clear_buffer(own->capture);
  if (!own->sha256.empty()) own->sha256 = std::string();
  if (own->refusal) own->refusal.reset();
  if (!own->held_statement.empty()) own->held_statement = std::string();
  if (!own->held_parameters.empty()) own->held_parameters = std::string();
  own->replacement.clear();
}

}  // namespace ringfence::proxy

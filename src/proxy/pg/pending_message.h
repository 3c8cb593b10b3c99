// The client's message at hand: what of it is there, how far it has come, and what was said of it while it
// waited.
//
//   coming ──> untaken ──> judging ─┬─> analysing ──> analysed ─┬─> recording ──> (over)
//                                   └─> held ──> judging ───────┘
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "refusal.h"
#include "ringfence/base/uuid.h"
#include "ringfence/pg/frame.h"
#include "text_hash.h"

namespace ringfence::proxy {

struct PendingMessage {
  enum class State : uint8_t {
    coming,     // It is not whole; nothing of it is decided.
    untaken,    // Nothing of it was taken: what stands before it has to be answered first.
    judging,    // Whole, and decided as soon as there is room for it.
    analysing,  // A thread made for it analyses `text_to_analyse`.
    analysed,   // It has.
    held,       // Somebody is asked.
    unpaid,     // The store is asked for more of the grant's budget.
    recording,  // A Query of which some statements have their records.
  };
  // What was said of it.
  enum class Word : uint8_t {
    none,
    released,
    refused,
    dropped,  // Refused, and the session ends: nothing is sent.
  };
  // What most messages have no need of.
  struct Rare {
    std::string capture;             // The beginning of a message that comes in pieces.
    std::unique_ptr<TextHash> hash;  // Of a text that is longer than that; what it came to:
    std::string sha256;
    uint64_t text_bytes = 0;
    std::optional<pg::FrameSegment> segment;  // The one that waits.
    std::string text_to_analyse;
    std::string held_statement;  // For whoever is asked, as the trail has them.
    std::string held_parameters;
    std::unique_ptr<Refusal> refusal;  // By a word.
    Uuid recorded;                     // Of a Query, once the whole of its text is recorded.
    size_t query_at = 0;               // How far in a Query's text its statements have their records.
    std::string replacement;           // What goes on in its place.
  };

  State state = State::coming;
  Word word = Word::none;
  bool is_gated = false;       // It is held until it is decided.
  bool is_paid = false;        // It was counted by the grant's budget.
  uint32_t generation = 0;     // Of the policies when it began.
  uint32_t query_started = 0;  // Statements of a Query that have their records.
  uint32_t begin = 0;          // In the chunk, which is far shorter, of what of the message stands there.
  std::unique_ptr<Rare> own;

  Rare& rare() {
    if (!own) own = std::make_unique<Rare>();
    return *own;
  }
  const Rare& seen() const;
  bool has_replacement() const { return own && !own->replacement.empty(); }
  // By the word that was said.
  const Refusal* refusal() const { return own ? own->refusal.get() : nullptr; }
  // It was let in before it had to wait.
  bool is_let_in() const {
    return word != Word::none || (state != State::coming && state != State::untaken &&
                                  state != State::judging && state != State::unpaid);
  }
  void wait(const pg::FrameSegment& at) { rare().segment = at; }
  void release() {
    word = Word::released;
    state = State::judging;
  }
  void refuse(Refusal why, Word by = Word::refused);
  // A piece: so many bytes of the message's beginning are kept, and of a text the digest.
  void keep(const pg::FrameSegment& piece, size_t bytes_max);
  // The bytes of the chunk stand somewhere else now.
  void move_chunk(ByteView chunk);
  // It has gone on, or was replaced.
  void finish();
};

}  // namespace ringfence::proxy

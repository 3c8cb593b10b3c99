// Whether the server's answers fit the statements that the trail has: a witness against our own model of the
// session. It needs no grammar, so every session has it. What it sees is a contradiction; that there is none
// proves nothing of two statements of the same kind.
#pragma once

#include <optional>
#include <string>

#include "recorder.h"
#include "ringfence/pg/response_queue.h"
#include "ringfence/proxy/core/snapshot.h"

namespace ringfence::proxy {

struct Contradiction {
  std::string
      recorded;  // What was recorded: the statement's text where it is at hand, else its leading words.
  bool has_text = false;
  std::string expected;  // The tags that it may have.
  std::string answered;  // What the server said instead, for people.
  std::string tag;       // Its command tag; empty: none.
};

// Whether this end can be that of the statement that was recorded. Cheap: once for each statement.
bool fits(const pg::Completion& completion);
// Of one that does not fit.
Contradiction contradiction(const pg::Completion& completion);
// In place of the text of a statement of which it is not known what ran.
pg::StatementText contradicted_text(const Contradiction& contradiction);
// The event: critical, with both sides. `related_id`: of the statement's row.
audit::EventBuilder attribution_mismatch(Recorder& recorder, const Contradiction& contradiction,
                                         const Uuid* related_id, uint64_t rows, uint64_t now_us);
// Of a text that the server shows as the session's, and that was not sent (watch.h). `sent`: the last one
// that was.
audit::EventBuilder activity_mismatch(Recorder& recorder, std::string_view sent, std::string_view shown,
                                      uint64_t now_us);
// Of answers to which there is no statement at all.
audit::EventBuilder attribution_mismatch(Recorder& recorder, std::string_view reason, uint64_t now_us);

}  // namespace ringfence::proxy

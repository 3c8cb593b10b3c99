// The record of a statement's end: how it ended, what it came to, and, where the server ran another text than
// the one that was foreseen, that text.
#pragma once

#include <string>
#include <string_view>

#include "hidden.h"
#include "ringfence/audit/event.h"
#include "ringfence/pg/response_queue.h"
#include "ringfence/proxy/core/trail_door.h"

namespace ringfence::proxy {

// An outcome takes less, beside the texts that it corrects.
inline constexpr size_t outcome_bytes_max = 5'120;

// Metadata: what went to the server in place of the text.
std::string sent_on(std::string_view instead);

class OutcomeRecord {
 public:
  // `instead`: what the row says in place of the statement's text; null: nothing. Both outlive it.
  OutcomeRecord(const pg::Completion& completion, const pg::StatementText* instead);

  // The room that it takes at most.
  size_t bytes_max() const;
  // Writes it, and counts the end. `id`: the row's, in place of the start's; null: the start's.
  void write(audit::FieldWriter& out, TrailDoor& door, uint64_t now_ns, const Uuid* id);

 private:
  void write_ending(audit::FieldWriter& out, ShardCounters& counters) const;
  void write_correction(audit::FieldWriter& out);
  void write_result(audit::FieldWriter& out, ShardCounters& counters, uint64_t now_ns) const;
  void write_answer(audit::FieldWriter& out);
  void write_metadata(audit::FieldWriter& out) const;
  void write_hidden(audit::FieldWriter& out, const TrailDoor& door) const;
  const pg::Prepared* ran() const { return ran_ != nullptr ? ran_->statement.get() : nullptr; }

  const pg::Completion& completion_;
  const pg::Portal* ran_;                    // What the server came to instead; null: nothing else is known.
  const pg::StatementText* text_ = nullptr;  // In place of the start's; null: that is right.
  pg::StatementText unknown_;
  Hidden hidden_;
};

}  // namespace ringfence::proxy

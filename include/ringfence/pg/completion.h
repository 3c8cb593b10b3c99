// How a statement has ended, as the server's answers tell it, and who is told.
#pragma once

#include <cstdint>
#include <string_view>

#include "ringfence/pg/name_doubt.h"
#include "ringfence/pg/parse.h"
#include "ringfence/pg/pending_messages.h"
#include "ringfence/pg/session_objects.h"

namespace ringfence::pg {

enum class Ending : uint8_t {
  success,
  suspended,     // The portal's row limit was reached; it may be executed again.
  failure,       // The server answered with an error; see `error`.
  not_executed,  // The server skipped it because something before it failed.
  unknown,       // The connection ended, or answers did not fit.
};

struct Completion {
  StatementNumber number = 0;
  Ending ending = Ending::unknown;
  std::string_view tag;          // Of CommandComplete: "INSERT 0 1".
  uint64_t rows = 0;             // From the tag, or DataRows counted.
  uint64_t bytes_to_client = 0;  // Of the server's messages for it, headers included.
  uint64_t bytes_to_server = 0;  // Of the client's.
  uint64_t since_ns = 0;         // When it was sent, or when the one before it was done.
  const ErrorFields* error = nullptr;
  // What was said of it when it was sent: see expect() and Prepared::expected. 0: nothing.
  uint16_t expected = 0;
  bool is_empty_answer = false;        // EmptyQueryResponse.
  bool is_missing = false;             // Its message is over, and it was not answered.
  const Prepared* prepared = nullptr;  // Of an Execute: what ran, as far as it is known.
  // A secret was taken out of the statement's text; the server's message about it may quote what was taken.
  bool is_redacted = false;
  // Where the server came to another statement than was foreseen when this one was sent (a Parse that was to
  // replace its name failed): what it came to. Null otherwise.
  const Portal* ran_instead = nullptr;
  // What ran was told by a name that may stand for something else since its text was seen.
  bool is_presumed = false;
  // What it may have run out of sight; of a statement of a Query: what the whole message may.
  Unseen unseen = Unseen::none;
  // Of an observer's own: the rule that has kept the rest of its result from the client. Empty: none has.
  std::string_view cut_by;
};

class StatementObserver {
 public:
  virtual void done(const Completion& completion) = 0;
  // An error that belongs to no statement: an asynchronous FATAL, a failing Parse that nothing executes, a
  // commit that fails at Sync. `text` may be null.
  virtual void error_outside(const ErrorFields& error, const StatementText* text) = 0;

 protected:
  ~StatementObserver() = default;
};

}  // namespace ringfence::pg

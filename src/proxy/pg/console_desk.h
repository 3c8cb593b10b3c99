// Carries out the commands of one session of the console: who may, what comes of it, and the trail's event of
// each. What other threads know is asked for, and waited for no longer than console_answer_ms.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "console_command.h"
#include "console_user.h"
#include "pg_shard_state.h"
#include "recorder.h"
#include "ringfence/proxy/core/console_source.h"
#include "ringfence/ring/task.h"

namespace ringfence::proxy {

struct ConsoleError {
  std::string_view sqlstate;
  std::string message;
  std::string hint = {};
};

struct ConsoleResult {
  std::string tag;  // Of CommandComplete.
  std::optional<ConsoleTable> table;
  std::optional<ConsoleError> error;  // In place of both.
};

// What an unknown command is answered.
ConsoleError unknown_command(const ConsoleCommand& command);

class ConsoleDesk {
 public:
  // All of these outlive it.
  ConsoleDesk(PgShardState& shard, Recorder& recorder, const ConsoleUser& user)
      : shard_(shard), recorder_(recorder), user_(user) {}

  ring::Task<ConsoleResult> run(const ConsoleCommand& command);
  // One that does not run, and why: it stands in the trail all the same.
  void refuse(const ConsoleCommand& command, const ConsoleError& error);
  // The session ends: what is waited for comes to nothing.
  void break_off();
  bool is_broken_off() const { return is_broken_off_; }
  uint64_t commands() const { return commands_; }

 private:
  // An answer that is under way. The one who asks may be gone when it comes.
  struct Waiting {
    ring::Event event;
    std::optional<std::vector<ConsoleTable::Row>> rows;
    std::optional<ConsoleTable> table;
    std::optional<bool> found;
    bool is_over = false;
    void answered() {
      if (!is_over) event.set();
    }
  };
  using WaitingPtr = std::shared_ptr<Waiting>;

  ring::Task<std::optional<ConsoleError>> admit(const ConsoleCommand& command);
  ring::Task<ConsoleResult> execute(const ConsoleCommand& command);
  ring::Task<ConsoleResult> ask(const ConsoleCommand& command, ConsoleQuestion question);
  ring::Task<ConsoleResult> look_up(const ConsoleCommand& command);
  ring::Task<ConsoleResult> kill(const ConsoleCommand& command);
  ConsoleResult answer_at_once(const ConsoleCommand& command) const;
  ConsoleResult no_answer() const;
  // Until it is answered, its time is over, or the session ends.
  ring::Task<void> wait_for(WaitingPtr waiting, uint64_t ms);
  void record(const ConsoleCommand& command, const ConsoleResult& result);

  PgShardState& shard_;
  Recorder& recorder_;
  const ConsoleUser& user_;
  WaitingPtr waiting_;  // Null: nothing is under way.
  uint64_t commands_ = 0;
  bool is_broken_off_ = false;
};

}  // namespace ringfence::proxy

// The protocol's side of one session of the console: messages in, answers out. Simple and extended queries,
// with prepared statements, portals and the state of a transaction that has nothing in it.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "console_answers.h"
#include "console_desk.h"
#include "message_reader.h"
#include "ringfence/net/stream.h"
#include "ringfence/pg/parse.h"

namespace ringfence::proxy {

class ConsoleTalk {
 public:
  // All outlive it.
  ConsoleTalk(ConsoleDesk& desk, ring::Shard& shard, net::Stream& stream)
      : desk_(desk), shard_(shard), stream_(stream) {}

  enum class Next : uint8_t {
    goes_on,
    said_goodbye,
    is_gone,    // The client takes no answer.
    is_broken,  // No message of the protocol.
  };
  ring::Task<Next> take(Message message);
  char transaction() const { return transaction_; }
  uint64_t bytes_sent() const { return bytes_sent_; }
  // The client is gone because it has left an answer where it was for console_send_ms.
  bool is_too_slow() const { return is_too_slow_; }

 private:
  struct Statement {
    ConsoleCommand command;
    bool is_empty = false;
    std::optional<uint32_t> parameter_type;  // As the client gave it.
  };
  struct Portal {
    Statement statement;
    ResultFormats formats;
    std::optional<ConsoleResult> result;  // Once it has run.
    size_t sent = 0;                      // Rows.
  };

  ring::Task<void> query(std::string_view text);
  void parse(ByteView body);
  void bind(ByteView body);
  void describe(ByteView body);
  void close(ByteView body);
  void sync();
  ring::Task<void> execute(ByteView body);
  ring::Task<void> extended(char type, ByteView body);
  bool has_rows_left() const;
  ring::Task<ConsoleResult> run(const ConsoleCommand& command);
  std::optional<ConsoleError> take_parameter(const Statement& statement, pg::BindMessage& message,
                                             ConsoleCommand& to) const;
  void take_transaction(ConsoleVerb verb, ConsoleResult& result);
  // The rows from `begin` on, at most `rows_max`; gives where it has stopped.
  ring::Task<size_t> send_rows(const ConsoleTable& table, const ResultFormats& formats, size_t begin,
                               size_t rows_max);
  void finish(const ConsoleResult& result);
  void fail_with(const ConsoleError& error);
  void fail_extended(const ConsoleError& error);
  ring::Task<void> flush();

  ConsoleDesk& desk_;
  ring::Shard& shard_;
  net::Stream& stream_;
  std::string out_;
  std::map<std::string, Statement, std::less<>> statements_;
  std::map<std::string, Portal, std::less<>> portals_;
  uint64_t bytes_sent_ = 0;
  char transaction_ = 'I';  // As ReadyForQuery has it.
  bool skips_ = false;      // Until the next Sync.
  bool is_gone_ = false;
  bool is_too_slow_ = false;
};

}  // namespace ringfence::proxy

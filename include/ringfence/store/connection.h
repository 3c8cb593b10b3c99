// One connection to the store: the only door to libpq.
//
// A Connection belongs to one thread; interrupt() alone may come from another. After a broken connection
// every call fails with Fault::unavailable until a new one is opened.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"

struct pg_conn;
struct pg_result;

namespace ringfence::store {

// An answer of the store. Views into it live as long as it does.
class Rows {
 public:
  Rows() = default;
  explicit Rows(pg_result* result);
  int size() const;
  int columns() const;
  bool is_null(int row, int column) const;
  ByteView get(int row, int column) const;  // Empty for null. As sent: text, or binary where asked for.
  std::string text(int row, int column) const { return std::string(get(row, column)); }
  int64_t integer(int row, int column) const;  // Of a value in text form; 0 when it is none.
  int64_t affected() const;                    // Rows that the command touched.

 private:
  std::shared_ptr<pg_result> result_;
};

// A parameter: text form, binary form, or null.
struct Param {
  std::optional<ByteView> value;
  bool is_binary = false;

  Param(std::nullopt_t) {}
  Param(std::string_view text) : value(text) {}
  Param(const std::string& text) : value(ByteView(text)) {}
  Param(const char* text) : value(ByteView(text)) {}
  static Param bytes(ByteView raw) {
    Param param(raw);
    param.is_binary = true;
    return param;
  }
};

class Connection {
 public:
  // `dsn`: a postgres:// URL or key=value string. The password never appears in an error.
  static Result<std::unique_ptr<Connection>> open(const std::string& dsn, std::string_view application_name,
                                                  int timeout_seconds = 10);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // One or more commands without parameters; gives the last one's rows.
  Result<Rows> exec(const std::string& sql);
  // One command; `binary` asks for the results in binary form.
  Result<Rows> exec_params(const std::string& sql, const std::vector<Param>& params, bool binary = false);

  // COPY … FROM STDIN: begin with the whole command, put in any pieces, then end. An error from the store may
  // come at end_copy. Gives the number of rows.
  Result<void> begin_copy(const std::string& sql);
  Result<void> put_copy(ByteView bytes);
  Result<int64_t> end_copy();
  // Gives up a COPY under way; the transaction has failed afterwards.
  void abort_copy();

  // Gives rows one by one as they arrive, in binary form; stops early when `each` returns false.
  template <typename F>
  Result<void> stream(const std::string& sql, const std::vector<Param>& params, F each) {
    if (auto sent = begin_stream(sql, params); !sent) return sent;
    for (;;) {
      auto row = next_row();
      if (!row) return unexpected(std::move(row.error()));
      if (!*row) return {};
      if (!each(**row)) {
        cancel_stream();
        return {};
      }
    }
  }

  bool is_open() const;
  int server_version() const;  // 150020 for 15.20.
  int backend_pid() const;
  // SQLSTATE of the last error; empty when it did not come from the server.
  const std::string& sqlstate() const { return sqlstate_; }
  // The server's context line of the last error ("COPY audit_event, line 3, column …").
  const std::string& error_context() const { return error_context_; }
  // Of the last error: the constraint that did not hold, and the table that it speaks of; empty: none.
  const std::string& constraint_name() const { return constraint_name_; }
  const std::string& table_name() const { return table_name_; }
  // After LISTEN: waits for a notification, at most so long. True: one or more have come, and are forgotten.
  Result<bool> wait_notification(int timeout_ms);
  // Ends whatever call is under way in the owning thread, which then fails. From any thread.
  void interrupt();

 private:
  explicit Connection(pg_conn* conn);
  Error error_of(const pg_result* result);
  Result<void> begin_stream(const std::string& sql, const std::vector<Param>& params);
  Result<std::optional<Rows>> next_row();
  void cancel_stream();

  pg_conn* conn_;
  std::string sqlstate_;
  std::string error_context_;
  std::string constraint_name_;
  std::string table_name_;
  std::mutex interrupt_lock_;
  int socket_ = -1;
};

// "{a,b,c}" array literals for parameters of array type.
std::string array_literal(const std::vector<int64_t>& values);
// A name or value safe to stand in SQL text.
std::string quote_identifier(std::string_view name);
std::string quote_literal(std::string_view value);
// The DSN without its password, for logs.
std::string redact_dsn(const std::string& dsn);

}  // namespace ringfence::store

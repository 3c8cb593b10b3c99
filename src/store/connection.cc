#include "ringfence/store/connection.h"

#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>

#include "ringfence/base/clock.h"

namespace ringfence::store {
namespace {

std::string trimmed(const char* text) {
  std::string out = text == nullptr ? "" : text;
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  for (char& c : out) {
    if (c == '\n') c = ' ';
  }
  return out;
}

Result<void> finish_connect(PGconn* conn, int timeout_seconds) {
  uint64_t deadline = mono_ns() + static_cast<uint64_t>(timeout_seconds) * 1'000'000'000;
  PostgresPollingStatusType want = PGRES_POLLING_WRITING;
  while (want != PGRES_POLLING_OK) {
    uint64_t now = mono_ns();
    if (now >= deadline) return fail(Fault::timeout, "store: no connection within the time limit");
    pollfd wait{PQsocket(conn), static_cast<short>(want == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    int ready = ::poll(&wait, 1, static_cast<int>((deadline - now) / 1'000'000) + 1);
    if (ready < 0 && errno != EINTR) return fail_errno(errno, "store: poll");
    if (ready <= 0) continue;
    want = PQconnectPoll(conn);
    if (want == PGRES_POLLING_FAILED)
      return fail(Fault::unavailable, "store: " + trimmed(PQerrorMessage(conn)));
  }
  return {};
}

}  // namespace

Rows::Rows(pg_result* result) : result_(result, [](pg_result* r) { PQclear(r); }) {}
int Rows::size() const { return result_ ? PQntuples(result_.get()) : 0; }
int Rows::columns() const { return result_ ? PQnfields(result_.get()) : 0; }
bool Rows::is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
ByteView Rows::get(int row, int column) const {
  return ByteView(PQgetvalue(result_.get(), row, column),
                  static_cast<size_t>(PQgetlength(result_.get(), row, column)));
}
int64_t Rows::integer(int row, int column) const {
  int64_t value = 0;
  ByteView text = get(row, column);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}
int64_t Rows::affected() const {
  int64_t value = 0;
  std::string_view text = result_ ? PQcmdTuples(result_.get()) : "";
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Result<std::unique_ptr<Connection>> Connection::open(const std::string& dsn,
                                                     std::string_view application_name, int timeout_seconds) {
  std::string name(application_name);
  // Half-open connections must not hold the writer for hours: the kernel gives up on unanswered data.
  const char* keys[] = {"dbname",     "fallback_application_name", "client_encoding",     "tcp_user_timeout",
                        "keepalives", "keepalives_idle",           "keepalives_interval", nullptr};
  const char* values[] = {dsn.c_str(), name.c_str(), "UTF8", "30000", "1", "10", "5", nullptr};
  PGconn* conn = PQconnectStartParams(keys, values, 1);
  if (conn == nullptr) return fail(Fault::limit, "store: out of memory");
  std::unique_ptr<Connection> out(new Connection(conn));
  if (PQstatus(conn) == CONNECTION_BAD) {
    return fail(Fault::unavailable, "store: " + trimmed(PQerrorMessage(conn)));
  }
  if (auto done = finish_connect(conn, timeout_seconds); !done) return unexpected(std::move(done.error()));
  // Notices are for people at a terminal.
  PQsetNoticeProcessor(conn, [](void*, const char*) {}, nullptr);
  // A Unix socket's sender sleeps until three quarters of its buffer are read: with the default one the
  // server runs dry before more comes. The kernel gives as much as it allows.
  int room = 1 << 20;
  if (const char* host = PQhost(conn); host != nullptr && (host[0] == '/' || host[0] == '@')) {
    (void)::setsockopt(PQsocket(conn), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  }
  std::lock_guard guard(out->interrupt_lock_);
  out->socket_ = PQsocket(conn);
  return out;
}

Connection::Connection(pg_conn* conn) : conn_(conn) {}

Connection::~Connection() {
  {
    std::lock_guard guard(interrupt_lock_);
    socket_ = -1;
  }
  PQfinish(conn_);
}

void Connection::interrupt() {
  std::lock_guard guard(interrupt_lock_);
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

bool Connection::is_open() const { return PQstatus(conn_) == CONNECTION_OK; }
int Connection::server_version() const { return PQserverVersion(conn_); }
int Connection::backend_pid() const { return PQbackendPID(conn_); }

Error Connection::error_of(const pg_result* result) {
  const auto field = [result](int code) {
    return trimmed(result == nullptr ? nullptr : PQresultErrorField(result, code));
  };
  sqlstate_ = field(PG_DIAG_SQLSTATE);
  error_context_ = field(PG_DIAG_CONTEXT);
  constraint_name_ = field(PG_DIAG_CONSTRAINT_NAME);
  table_name_ = field(PG_DIAG_TABLE_NAME);
  const char* primary = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  Error out;
  out.fault = !is_open() || sqlstate_.empty() || sqlstate_.starts_with("57P") || sqlstate_.starts_with("08")
                  ? Fault::unavailable
                  : Fault::conflict;
  out.message = "store: " + (primary != nullptr ? trimmed(primary) : trimmed(PQerrorMessage(conn_)));
  if (!sqlstate_.empty()) out.message += " (" + sqlstate_ + ")";
  return out;
}

Result<Rows> Connection::exec(const std::string& sql) {
  Rows rows;
  PGresult* result = PQexec(conn_, sql.c_str());
  ExecStatusType status = PQresultStatus(result);
  if (result == nullptr || (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)) {
    Error error = error_of(result);
    PQclear(result);
    return unexpected(std::move(error));
  }
  return Rows(result);
}

Result<bool> Connection::wait_notification(int timeout_ms) {
  bool has_come = false;
  const uint64_t end_ns = mono_ns() + static_cast<uint64_t>(timeout_ms) * 1'000'000;
  for (;;) {
    while (PGnotify* notification = PQnotifies(conn_)) {
      PQfreemem(notification);
      has_come = true;
    }
    const uint64_t now_ns = mono_ns();
    if (has_come || now_ns >= end_ns) return has_come;
    pollfd wait{PQsocket(conn_), POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>((end_ns - now_ns) / 1'000'000) + 1);
    if (ready < 0 && errno != EINTR) return fail_errno(errno, "store: poll");
    if (ready > 0 && PQconsumeInput(conn_) != 1) return unexpected(error_of(nullptr));
  }
}

namespace {
struct ParamArrays {
  explicit ParamArrays(const std::vector<Param>& params) {
    for (const Param& param : params) {
      // libpq wants a NUL after a text value.
      texts.emplace_back(param.value ? *param.value : ByteView());
    }
    for (size_t i = 0; i < params.size(); ++i) {
      values.push_back(params[i].value ? texts[i].c_str() : nullptr);
      lengths.push_back(static_cast<int>(texts[i].size()));
      formats.push_back(params[i].is_binary ? 1 : 0);
    }
  }
  std::vector<std::string> texts;
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;
};
}  // namespace

Result<Rows> Connection::exec_params(const std::string& sql, const std::vector<Param>& params, bool binary) {
  ParamArrays arrays(params);
  PGresult* result =
      PQexecParams(conn_, sql.c_str(), static_cast<int>(params.size()), nullptr, arrays.values.data(),
                   arrays.lengths.data(), arrays.formats.data(), binary ? 1 : 0);
  ExecStatusType status = PQresultStatus(result);
  if (result == nullptr || (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)) {
    Error error = error_of(result);
    PQclear(result);
    return unexpected(std::move(error));
  }
  return Rows(result);
}

Result<void> Connection::begin_copy(const std::string& sql) {
  PGresult* result = PQexec(conn_, sql.c_str());
  if (PQresultStatus(result) != PGRES_COPY_IN) {
    Error error = error_of(result);
    PQclear(result);
    return unexpected(std::move(error));
  }
  PQclear(result);
  return {};
}

Result<void> Connection::put_copy(ByteView bytes) {
  if (PQputCopyData(conn_, bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return unexpected(error_of(nullptr));
  }
  return {};
}

Result<int64_t> Connection::end_copy() {
  if (PQputCopyEnd(conn_, nullptr) != 1) return unexpected(error_of(nullptr));
  int64_t rows = 0;
  std::optional<Error> error;
  while (PGresult* result = PQgetResult(conn_)) {
    if (PQresultStatus(result) == PGRES_COMMAND_OK) {
      std::string_view text = PQcmdTuples(result);
      std::from_chars(text.data(), text.data() + text.size(), rows);
    } else if (!error) {
      error = error_of(result);
    }
    PQclear(result);
    if (!is_open()) break;
  }
  if (!error && !is_open()) error = error_of(nullptr);
  if (error) return unexpected(std::move(*error));
  return rows;
}

void Connection::abort_copy() {
  PQputCopyEnd(conn_, "given up by the client");
  while (PGresult* result = PQgetResult(conn_)) {
    PQclear(result);
    if (!is_open()) break;
  }
}

Result<void> Connection::begin_stream(const std::string& sql, const std::vector<Param>& params) {
  ParamArrays arrays(params);
  if (PQsendQueryParams(conn_, sql.c_str(), static_cast<int>(params.size()), nullptr, arrays.values.data(),
                        arrays.lengths.data(), arrays.formats.data(), 1) != 1) {
    return unexpected(error_of(nullptr));
  }
  PQsetSingleRowMode(conn_);
  return {};
}

Result<std::optional<Rows>> Connection::next_row() {
  PGresult* result = PQgetResult(conn_);
  if (result == nullptr) return std::optional<Rows>();
  ExecStatusType status = PQresultStatus(result);
  if (status == PGRES_SINGLE_TUPLE) return std::optional<Rows>(Rows(result));
  if (status == PGRES_TUPLES_OK) {
    PQclear(result);
    while (PGresult* rest = PQgetResult(conn_)) PQclear(rest);
    return std::optional<Rows>();
  }
  Error error = error_of(result);
  PQclear(result);
  while (PGresult* rest = PQgetResult(conn_)) PQclear(rest);
  return unexpected(std::move(error));
}

void Connection::cancel_stream() {
  if (PGcancel* cancel = PQgetCancel(conn_)) {
    char ignored[256];
    PQcancel(cancel, ignored, sizeof ignored);
    PQfreeCancel(cancel);
  }
  while (PGresult* rest = PQgetResult(conn_)) PQclear(rest);
}

std::string array_literal(const std::vector<int64_t>& values) {
  std::string out = "{";
  for (int64_t value : values) {
    if (out.size() > 1) out.push_back(',');
    out += std::to_string(value);
  }
  out.push_back('}');
  return out;
}

std::string quote_identifier(std::string_view name) {
  std::string out = "\"";
  for (char c : name) {
    if (c == '"') out.push_back('"');
    if (c != '\0') out.push_back(c);
  }
  return out + "\"";
}

std::string quote_literal(std::string_view value) {
  // E'' has one meaning whatever standard_conforming_strings says.
  std::string out = "E'";
  for (char c : value) {
    if (c == '\'' || c == '\\') out.push_back(c);
    if (c != '\0') out.push_back(c);
  }
  return out + "'";
}

std::string redact_dsn(const std::string& dsn) {
  char* message = nullptr;
  PQconninfoOption* options = PQconninfoParse(dsn.c_str(), &message);
  if (message != nullptr) PQfreemem(message);
  if (options == nullptr) return "(connection string that cannot be parsed)";
  std::string out;
  for (PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    std::string_view key = option->keyword;
    bool is_secret = option->dispchar != nullptr && option->dispchar[0] == '*';
    if (option->val == nullptr || option->val[0] == '\0' || is_secret) continue;
    if (key != "host" && key != "port" && key != "dbname" && key != "user" && key != "hostaddr") continue;
    if (!out.empty()) out.push_back(' ');
    out.append(key).append("=").append(option->val);
  }
  PQconninfoFree(options);
  return out;
}

}  // namespace ringfence::store

// Parsers of PostgreSQL message bodies ("Message Formats"): a body (without type and length) in, views into
// it out. The views live as long as the body's bytes.
//
// What always holds: no parser trusts a count or a length; what is returned was checked to its last byte, so
// iterating over it cannot fail. An error is Fault::malformed and names the message.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"
#include "ringfence/pg/build.h"

namespace ringfence::pg {

// ---- From the server ----

// Unknown field codes are skipped, as the protocol asks. A missing or ill-formed SQLSTATE reads as XX000 and
// a missing severity as ERROR, so that a hostile or broken server cannot leave a record without them. The
// severity is the untranslated one (V) where the server sends it.
Result<ErrorFields> parse_error_fields(ByteView body);
// The same of a body of which only the beginning is there: the server sends severity, SQLSTATE and message
// first. What stands at the cut is as long as it is there.
ErrorFields parse_error_beginning(ByteView body);

struct CommandTag {
  std::string_view command;      // "SELECT", "CREATE TABLE": the tag without its numbers.
  std::optional<uint64_t> rows;  // Rows touched, for the commands that count them.
};
Result<CommandTag> parse_command_complete(ByteView body);
// The same from the tag's text. A tag of no known form is all command, without rows.
CommandTag parse_command_tag(std::string_view tag);

struct ParameterStatus {
  std::string_view name;
  std::string_view value;
};
Result<ParameterStatus> parse_parameter_status(ByteView body);

struct BackendKeyData {
  uint32_t process_id = 0;
  ByteView key;  // 4..256 bytes.
};
Result<BackendKeyData> parse_backend_key_data(ByteView body);

enum class AuthenticationKind : uint32_t {
  ok = 0,
  kerberos_v5 = 2,
  cleartext = 3,
  md5 = 5,
  gss = 7,
  gss_continue = 8,
  sspi = 9,
  sasl = 10,
  sasl_continue = 11,
  sasl_final = 12,
};
struct AuthenticationRequest {
  AuthenticationKind kind = AuthenticationKind::ok;
  std::array<char, 4> md5_salt{};  // For md5.
  ByteView data;                   // For sasl the list of mechanisms; for the two that follow, their data.

  // For sasl: whether the server offers this mechanism.
  bool offers(std::string_view mechanism) const;
};
// A kind outside the enumeration is an error that says its number.
Result<AuthenticationRequest> parse_authentication(ByteView body);

enum class TransactionStatus : char { idle = 'I', in_transaction = 'T', failed = 'E' };
Result<TransactionStatus> parse_ready_for_query(ByteView body);

struct NotificationResponse {
  uint32_t process_id = 0;
  std::string_view channel;
  std::string_view payload;
};
Result<NotificationResponse> parse_notification(ByteView body);

// CopyInResponse, CopyOutResponse and CopyBothResponse.
struct CopyResponse {
  bool is_binary = false;
  uint16_t columns = 0;
};
Result<CopyResponse> parse_copy_response(ByteView body);

// ---- From the client ----

// Query: the text without its NUL. Bytes after the NUL are an error, as in PostgreSQL.
Result<std::string_view> parse_query(ByteView body);

struct ParseMessage {
  std::string_view name;
  std::string_view text;
  uint16_t type_count = 0;
  ByteView types;  // type_count × 4 bytes.

  // `index` below type_count.
  uint32_t type(size_t index) const { return detail::load_be<uint32_t>(types.data() + 4 * index); }
};
Result<ParseMessage> parse_parse(ByteView body);

// One value of Bind or FunctionCall.
struct ParameterValue {
  ByteView value;  // Empty if null.
  bool is_null = false;
  uint16_t format = 0;  // 0 text, 1 binary.
};

// The values of a Bind or FunctionCall; made by the parsers only.
class ParameterList {
 public:
  uint16_t count() const { return count_; }
  // The format of the value at `index`. Where the message gives neither none, one, nor one for each (which
  // the server will refuse), it is 0.
  uint16_t format(size_t index) const {
    if (format_count_ == 1) index = 0;
    else if (format_count_ != count_) return 0;
    return detail::load_be<uint16_t>(formats_.data() + 2 * index);
  }
  // Walks the values in order. Start over by copying the list.
  std::optional<ParameterValue> next();

 private:
  friend Result<ParameterList> read_parameter_list(Reader& in, const char* what);
  ByteView formats_;
  ByteView rest_;
  uint16_t format_count_ = 0;
  uint16_t count_ = 0;
  uint16_t index_ = 0;
};

struct BindMessage {
  std::string_view portal;
  std::string_view statement;
  ParameterList parameters;
  uint16_t result_format_count = 0;
};
Result<BindMessage> parse_bind(ByteView body);
// The two names alone, from a prefix of the body that holds them: for a Bind whose values are not kept.
struct BindNames {
  std::string_view portal;
  std::string_view statement;
};
Result<BindNames> parse_bind_names(ByteView body_prefix);

// Describe and Close.
struct NamedObject {
  bool is_portal = false;
  std::string_view name;
};
Result<NamedObject> parse_describe(ByteView body);
Result<NamedObject> parse_close(ByteView body);

struct ExecuteMessage {
  std::string_view portal;
  int32_t rows_max = 0;  // 0 or less: no limit.
};
Result<ExecuteMessage> parse_execute(ByteView body);

struct FunctionCall {
  uint32_t function_oid = 0;
  ParameterList arguments;
  uint16_t result_format = 0;
};
Result<FunctionCall> parse_function_call(ByteView body);

// PasswordMessage: the answer to cleartext and md5.
Result<std::string_view> parse_password(ByteView body);

struct SaslInitialResponse {
  std::string_view mechanism;
  std::optional<ByteView> data;
};
Result<SaslInitialResponse> parse_sasl_initial_response(ByteView body);
// SASLResponse is its body; there is nothing to parse.

}  // namespace ringfence::pg

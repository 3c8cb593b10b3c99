#include "ringfence/pg/parse.h"

#include <algorithm>
#include <charconv>

#include "ringfence/pg/sqlstate.h"
#include "ringfence/pg/startup.h"

namespace ringfence::pg {
namespace {

tl::unexpected<Error> malformed(const char* what) {
  return fail(Fault::malformed, std::string("malformed ") + what + " message");
}

std::optional<uint64_t> number_of(std::string_view digits) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

uint32_t position_of(std::string_view digits) {
  auto value = number_of(digits);
  return value && *value <= UINT32_MAX ? static_cast<uint32_t>(*value) : 0;
}

// Where a field's text goes; null for codes that we do not know and for those that are not kept as text.
std::string_view* field_of(ErrorFields& fields, uint8_t code) {
  switch (code) {
    case 'C': return &fields.sqlstate;
    case 'M': return &fields.message;
    case 'D': return &fields.detail;
    case 'H': return &fields.hint;
    case 'q': return &fields.internal_query;
    case 'W': return &fields.where;
    case 's': return &fields.schema;
    case 't': return &fields.table;
    case 'c': return &fields.column;
    case 'd': return &fields.data_type;
    case 'n': return &fields.constraint;
    case 'F': return &fields.file;
    case 'L': return &fields.line;
    case 'R': return &fields.routine;
    default: return nullptr;
  }
}

}  // namespace

namespace {

// Fields as they come, put together in the end.
class ErrorReader {
 public:
  void take(uint8_t code, std::string_view value) {
    if (code == 'S') localized_ = value;
    else if (code == 'V') untranslated_ = value;
    else if (code == 'P') out_.position = position_of(value);
    else if (code == 'p') out_.internal_position = position_of(value);
    else if (auto* field = field_of(out_, code)) *field = value;
  }
  ErrorFields end() {
    if (!untranslated_.empty()) out_.severity = untranslated_;
    else if (!localized_.empty()) out_.severity = localized_;
    if (!sqlstate::is_well_formed(out_.sqlstate)) out_.sqlstate = sqlstate::internal_error;
    return out_;
  }

 private:
  ErrorFields out_;
  std::string_view localized_;
  std::string_view untranslated_;
};

}  // namespace

Result<ErrorFields> parse_error_fields(ByteView body) {
  Reader in(body);
  ErrorReader out;
  while (uint8_t code = in.u8()) out.take(code, in.cstr());
  if (!in.at_end()) return malformed("ErrorResponse or NoticeResponse");
  return out.end();
}

ErrorFields parse_error_beginning(ByteView body) {
  ErrorReader out;
  while (!body.empty() && body[0] != '\0') {
    const ByteView field = body.substr(0, body.find('\0'));
    out.take(static_cast<uint8_t>(field[0]), field.substr(1));
    body.remove_prefix(std::min(field.size() + 1, body.size()));
  }
  return out.end();
}

CommandTag parse_command_tag(std::string_view tag) {
  // Forms: COMMAND, COMMAND rows, and INSERT oid rows.
  size_t space = tag.rfind(' ');
  if (space == std::string_view::npos) return {tag, std::nullopt};
  auto rows = number_of(tag.substr(space + 1));
  // What no count can be is none.
  if (!rows || *rows > INT64_MAX) return {tag, std::nullopt};
  std::string_view command = tag.substr(0, space);
  if (size_t before = command.find(' '); command.substr(0, before) == "INSERT") command = "INSERT";
  return {command, rows};
}

Result<CommandTag> parse_command_complete(ByteView body) {
  Reader in(body);
  std::string_view tag = in.cstr();
  if (!in.at_end()) return malformed("CommandComplete");
  return parse_command_tag(tag);
}

Result<ParameterStatus> parse_parameter_status(ByteView body) {
  Reader in(body);
  ParameterStatus out;
  out.name = in.cstr();
  out.value = in.cstr();
  if (!in.at_end()) return malformed("ParameterStatus");
  return out;
}

Result<BackendKeyData> parse_backend_key_data(ByteView body) {
  Reader in(body);
  BackendKeyData out;
  out.process_id = in.u32();
  out.key = in.rest();
  if (!in.ok() || out.key.size() < cancel_key_size_min || out.key.size() > cancel_key_size_max)
    return malformed("BackendKeyData");
  return out;
}

bool AuthenticationRequest::offers(std::string_view mechanism) const {
  if (kind != AuthenticationKind::sasl) return false;
  for (Reader in(data); in.remaining() > 1;)
    if (in.cstr() == mechanism) return true;
  return false;
}

Result<AuthenticationRequest> parse_authentication(ByteView body) {
  Reader in(body);
  AuthenticationRequest out;
  const uint32_t code = in.u32();
  if (!in.ok()) return malformed("Authentication");
  out.kind = static_cast<AuthenticationKind>(code);
  switch (out.kind) {
    case AuthenticationKind::ok:
    case AuthenticationKind::kerberos_v5:
    case AuthenticationKind::cleartext:
    case AuthenticationKind::gss:
    case AuthenticationKind::sspi: break;
    case AuthenticationKind::md5: {
      ByteView salt = in.bytes(4);
      if (in.ok()) std::memcpy(out.md5_salt.data(), salt.data(), salt.size());
      break;
    }
    case AuthenticationKind::sasl:
      out.data = in.rest();
      while (!in.cstr().empty()) {
      }
      break;
    case AuthenticationKind::gss_continue:
    case AuthenticationKind::sasl_continue:
    case AuthenticationKind::sasl_final: out.data = in.bytes(in.remaining()); break;
    default: return fail(Fault::malformed, "unknown authentication request " + std::to_string(code));
  }
  if (!in.at_end()) return malformed("Authentication");
  return out;
}

Result<TransactionStatus> parse_ready_for_query(ByteView body) {
  if (body != "I" && body != "T" && body != "E") return malformed("ReadyForQuery");
  return static_cast<TransactionStatus>(body[0]);
}

Result<NotificationResponse> parse_notification(ByteView body) {
  Reader in(body);
  NotificationResponse out;
  out.process_id = in.u32();
  out.channel = in.cstr();
  out.payload = in.cstr();
  if (!in.at_end()) return malformed("NotificationResponse");
  return out;
}

Result<CopyResponse> parse_copy_response(ByteView body) {
  Reader in(body);
  CopyResponse out;
  const uint8_t format = in.u8();
  out.is_binary = format == 1;
  out.columns = in.u16();
  in.bytes(size_t{2} * out.columns);
  if (!in.at_end() || format > 1) return malformed("CopyResponse");
  return out;
}

Result<std::string_view> parse_query(ByteView body) {
  Reader in(body);
  std::string_view text = in.cstr();
  if (!in.at_end()) return malformed("Query");
  return text;
}

Result<ParseMessage> parse_parse(ByteView body) {
  Reader in(body);
  ParseMessage out;
  out.name = in.cstr();
  out.text = in.cstr();
  out.type_count = in.u16();
  out.types = in.bytes(size_t{4} * out.type_count);
  if (!in.at_end()) return malformed("Parse");
  return out;
}

Result<ParameterList> read_parameter_list(Reader& in, const char* what) {
  ParameterList out;
  out.format_count_ = in.u16();
  out.formats_ = in.bytes(size_t{2} * out.format_count_);
  out.count_ = in.u16();
  out.rest_ = in.rest();
  for (uint16_t i = 0; i < out.count_; ++i) {
    const int32_t size = in.i32();
    if (size < -1) return malformed(what);
    if (size > 0) in.bytes(static_cast<size_t>(size));
  }
  if (!in.ok()) return malformed(what);
  return out;
}

std::optional<ParameterValue> ParameterList::next() {
  if (index_ == count_) return std::nullopt;
  Reader in(rest_);
  ParameterValue out;
  out.format = format(index_);
  const int32_t size = in.i32();
  out.is_null = size < 0;
  if (size > 0) out.value = in.bytes(static_cast<size_t>(size));
  rest_ = in.rest();
  ++index_;
  return out;
}

Result<BindMessage> parse_bind(ByteView body) {
  Reader in(body);
  BindMessage out;
  out.portal = in.cstr();
  out.statement = in.cstr();
  auto parameters = read_parameter_list(in, "Bind");
  if (!parameters) return unexpected(parameters.error());
  out.parameters = *parameters;
  out.result_format_count = in.u16();
  in.bytes(size_t{2} * out.result_format_count);
  if (!in.at_end()) return malformed("Bind");
  return out;
}

Result<BindNames> parse_bind_names(ByteView body_prefix) {
  Reader in(body_prefix);
  BindNames out;
  out.portal = in.cstr();
  out.statement = in.cstr();
  if (!in.ok()) return malformed("Bind");
  return out;
}

namespace {
Result<NamedObject> parse_named_object(ByteView body, const char* what) {
  Reader in(body);
  NamedObject out;
  const uint8_t kind = in.u8();
  out.is_portal = kind == 'P';
  out.name = in.cstr();
  if (!in.at_end() || (kind != 'P' && kind != 'S')) return malformed(what);
  return out;
}
}  // namespace

Result<NamedObject> parse_describe(ByteView body) { return parse_named_object(body, "Describe"); }
Result<NamedObject> parse_close(ByteView body) { return parse_named_object(body, "Close"); }

Result<ExecuteMessage> parse_execute(ByteView body) {
  Reader in(body);
  ExecuteMessage out;
  out.portal = in.cstr();
  out.rows_max = in.i32();
  if (!in.at_end()) return malformed("Execute");
  return out;
}

Result<FunctionCall> parse_function_call(ByteView body) {
  Reader in(body);
  FunctionCall out;
  out.function_oid = in.u32();
  auto arguments = read_parameter_list(in, "FunctionCall");
  if (!arguments) return unexpected(arguments.error());
  out.arguments = *arguments;
  out.result_format = in.u16();
  if (!in.at_end()) return malformed("FunctionCall");
  return out;
}

Result<std::string_view> parse_password(ByteView body) {
  Reader in(body);
  std::string_view password = in.cstr();
  if (!in.at_end()) return malformed("Password");
  return password;
}

Result<SaslInitialResponse> parse_sasl_initial_response(ByteView body) {
  Reader in(body);
  SaslInitialResponse out;
  out.mechanism = in.cstr();
  const int32_t size = in.i32();
  if (size >= 0) out.data = in.bytes(static_cast<size_t>(size));
  if (!in.at_end() || size < -1) return malformed("SASLInitialResponse");
  return out;
}

}  // namespace ringfence::pg

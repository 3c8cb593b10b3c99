#include "ringfence/pg/build.h"

#include "builder.h"
#include "ringfence/pg/frame.h"
#include "ringfence/pg/parse.h"

namespace ringfence::pg {
namespace {

void append_authentication(std::string& out, AuthenticationKind kind, ByteView data) {
  MessageBuilder(out, from_server::authentication).u32(static_cast<uint32_t>(kind)).bytes(data);
}

void append_empty(std::string& out, char type) { MessageBuilder message(out, type); }

void append_fields(std::string& out, char type, const ErrorFields& fields) {
  MessageBuilder message(out, type);
  auto text = [&](char code, std::string_view value) {
    if (!value.empty()) message.u8(static_cast<uint8_t>(code)).cstr(value);
  };
  auto number = [&](char code, uint32_t value) {
    if (value != 0) text(code, std::to_string(value));
  };
  text('S', fields.severity);
  text('V', fields.severity);
  text('C', fields.sqlstate);
  text('M', fields.message);
  text('D', fields.detail);
  text('H', fields.hint);
  number('P', fields.position);
  number('p', fields.internal_position);
  text('q', fields.internal_query);
  text('W', fields.where);
  text('s', fields.schema);
  text('t', fields.table);
  text('c', fields.column);
  text('d', fields.data_type);
  text('n', fields.constraint);
  text('F', fields.file);
  text('L', fields.line);
  text('R', fields.routine);
  message.u8(0);
}

}  // namespace

void append_authentication_ok(std::string& out) { append_authentication(out, AuthenticationKind::ok, {}); }

void append_authentication_cleartext(std::string& out) {
  append_authentication(out, AuthenticationKind::cleartext, {});
}

void append_authentication_md5(std::string& out, const std::array<char, 4>& salt) {
  append_authentication(out, AuthenticationKind::md5, ByteView(salt.data(), salt.size()));
}

void append_authentication_sasl(std::string& out, std::span<const std::string_view> mechanisms) {
  MessageBuilder message(out, from_server::authentication);
  message.u32(static_cast<uint32_t>(AuthenticationKind::sasl));
  for (std::string_view mechanism : mechanisms) message.cstr(mechanism);
  message.u8(0);
}

void append_authentication_sasl_continue(std::string& out, ByteView data) {
  append_authentication(out, AuthenticationKind::sasl_continue, data);
}

void append_authentication_sasl_final(std::string& out, ByteView data) {
  append_authentication(out, AuthenticationKind::sasl_final, data);
}

void append_parameter_status(std::string& out, std::string_view name, std::string_view value) {
  MessageBuilder(out, from_server::parameter_status).cstr(name).cstr(value);
}

void append_backend_key_data(std::string& out, uint32_t process_id, ByteView key) {
  MessageBuilder(out, from_server::backend_key_data).u32(process_id).bytes(key);
}

void append_ready_for_query(std::string& out, char status) {
  MessageBuilder(out, from_server::ready_for_query).u8(static_cast<uint8_t>(status));
}

void append_error_response(std::string& out, const ErrorFields& fields) {
  append_fields(out, from_server::error_response, fields);
}

void append_notice_response(std::string& out, const ErrorFields& fields) {
  append_fields(out, from_server::notice_response, fields);
}

void append_command_complete(std::string& out, std::string_view tag) {
  MessageBuilder(out, from_server::command_complete).cstr(tag);
}

void append_query(std::string& out, std::string_view text) {
  MessageBuilder(out, from_client::query).cstr(text);
}

void append_parse(std::string& out, std::string_view name, std::string_view text,
                  std::span<const uint32_t> parameter_types) {
  MessageBuilder message(out, from_client::parse);
  message.cstr(name).cstr(text).u16(static_cast<uint16_t>(parameter_types.size()));
  for (uint32_t type : parameter_types) message.u32(type);
}

void append_bind(std::string& out, std::string_view portal, std::string_view statement,
                 std::span<const std::optional<std::string_view>> values) {
  MessageBuilder message(out, from_client::bind);
  message.cstr(portal).cstr(statement).u16(0).u16(static_cast<uint16_t>(values.size()));
  for (const auto& value : values) {
    message.i32(value ? static_cast<int32_t>(value->size()) : -1);
    if (value) message.bytes(*value);
  }
  message.u16(0);
}

void append_describe(std::string& out, char kind, std::string_view name) {
  MessageBuilder(out, from_client::describe).u8(static_cast<uint8_t>(kind)).cstr(name);
}

void append_close(std::string& out, char kind, std::string_view name) {
  MessageBuilder(out, from_client::close).u8(static_cast<uint8_t>(kind)).cstr(name);
}

void append_execute(std::string& out, std::string_view portal, uint32_t rows_max) {
  MessageBuilder(out, from_client::execute).cstr(portal).u32(rows_max);
}

void append_sync(std::string& out) { append_empty(out, from_client::sync); }
void append_flush(std::string& out) { append_empty(out, from_client::flush); }
void append_terminate(std::string& out) { append_empty(out, from_client::terminate); }

void append_copy_fail(std::string& out, std::string_view reason) {
  MessageBuilder(out, from_client::copy_fail).cstr(reason);
}

void append_function_call(std::string& out, uint32_t function_oid) {
  MessageBuilder(out, from_client::function_call).u32(function_oid).u16(0).u16(0).u16(0);
}

void append_password(std::string& out, std::string_view password) {
  MessageBuilder(out, from_client::password).cstr(password);
}

void append_sasl_initial_response(std::string& out, std::string_view mechanism, ByteView data) {
  MessageBuilder message(out, from_client::password);
  message.cstr(mechanism).u32(static_cast<uint32_t>(data.size())).bytes(data);
}

void append_sasl_response(std::string& out, ByteView data) {
  MessageBuilder(out, from_client::password).bytes(data);
}

}  // namespace ringfence::pg

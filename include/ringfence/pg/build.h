// Builders of PostgreSQL messages ("Message Formats"). Each appends one whole message, header included.
//
// Names, texts and field values may not hold a NUL, which would end them early; whoever passes a peer's bytes
// got them from a parser here, which cuts at NULs. Secrets passed in are copied into `out`: its owner zeroes
// it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ringfence/base/bytes.h"

namespace ringfence::pg {

// The fields of ErrorResponse and NoticeResponse ("Error and Notice Message Fields"). Empty ones are not
// sent. Views only: what they show has to live as long as this does.
struct ErrorFields {
  std::string_view severity = "ERROR";  // ERROR FATAL PANIC, or WARNING NOTICE DEBUG INFO LOG.
  std::string_view sqlstate;
  std::string_view message;
  std::string_view detail;
  std::string_view hint;
  uint32_t position = 0;  // In characters of the statement's text, from 1; 0 is none.
  uint32_t internal_position = 0;
  std::string_view internal_query;
  std::string_view where;
  std::string_view schema;
  std::string_view table;
  std::string_view column;
  std::string_view data_type;
  std::string_view constraint;
  std::string_view file;
  std::string_view line;
  std::string_view routine;
};

// From the server.
void append_authentication_ok(std::string& out);
void append_authentication_cleartext(std::string& out);
void append_authentication_md5(std::string& out, const std::array<char, 4>& salt);
void append_authentication_sasl(std::string& out, std::span<const std::string_view> mechanisms);
void append_authentication_sasl_continue(std::string& out, ByteView data);
void append_authentication_sasl_final(std::string& out, ByteView data);
void append_parameter_status(std::string& out, std::string_view name, std::string_view value);
// The key has 4 bytes in protocol 3.0, 4 to 256 in 3.2.
void append_backend_key_data(std::string& out, uint32_t process_id, ByteView key);
// `status` is 'I', 'T' or 'E'.
void append_ready_for_query(std::string& out, char status);
void append_error_response(std::string& out, const ErrorFields& fields);
void append_notice_response(std::string& out, const ErrorFields& fields);
void append_command_complete(std::string& out, std::string_view tag);

// From the client.
void append_query(std::string& out, std::string_view text);
void append_parse(std::string& out, std::string_view name, std::string_view text,
                  std::span<const uint32_t> parameter_types = {});
// All parameters and results in text format; an absent value is NULL.
void append_bind(std::string& out, std::string_view portal, std::string_view statement,
                 std::span<const std::optional<std::string_view>> values = {});
// `kind` is 'S' (statement) or 'P' (portal).
void append_describe(std::string& out, char kind, std::string_view name);
void append_close(std::string& out, char kind, std::string_view name);
void append_execute(std::string& out, std::string_view portal, uint32_t rows_max = 0);
void append_sync(std::string& out);
void append_flush(std::string& out);
void append_terminate(std::string& out);
void append_copy_fail(std::string& out, std::string_view reason);
void append_function_call(std::string& out, uint32_t function_oid);  // Without arguments.
void append_password(std::string& out, std::string_view password);
void append_sasl_initial_response(std::string& out, std::string_view mechanism, ByteView data);
void append_sasl_response(std::string& out, ByteView data);

}  // namespace ringfence::pg

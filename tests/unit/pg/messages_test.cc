#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "ringfence/pg/frame.h"
#include "ringfence/pg/messages.h"

using namespace ringfence;
using namespace ringfence::pg;

namespace {

// The body of the one message that `append` makes; its header is checked.
std::string body_of(char type, const std::function<void(std::string&)>& append) {
  std::string out = "before";
  append(out);
  REQUIRE(out.substr(0, 6) == "before");
  out.erase(0, 6);
  REQUIRE(out.size() >= 5);
  auto header = frame_header(type, static_cast<uint32_t>(out.size() - 5));
  REQUIRE(out.substr(0, 5) == ByteView(header.data(), header.size()));
  return out.substr(5);
}

// No proper prefix of the body may parse, nor the body with a byte too many.
template <typename Parse>
void check_bounds(const std::string& body, Parse parse) {
  for (size_t size = 0; size < body.size(); ++size) {
    CAPTURE(size);
    std::string exact(body, 0, size);
    CHECK_FALSE(parse(exact));
  }
  CHECK_FALSE(parse(body + "x"));
}

}  // namespace

TEST_CASE("error fields round-trip and are bounded") {
  ErrorFields fields;
  fields.severity = "FATAL";
  fields.sqlstate = sqlstate::insufficient_privilege;
  fields.message = "no";
  fields.hint = "ask";
  fields.position = 17;
  fields.constraint = "c";
  const std::string body = body_of('E', [&](std::string& out) { append_error_response(out, fields); });
  auto parsed = parse_error_fields(body);
  REQUIRE(parsed);
  CHECK(parsed->severity == "FATAL");
  CHECK(parsed->sqlstate == "42501");
  CHECK(parsed->message == "no");
  CHECK(parsed->hint == "ask");
  CHECK(parsed->position == 17);
  CHECK(parsed->constraint == "c");
  CHECK(parsed->detail.empty());
  check_bounds(body, parse_error_fields);
}

TEST_CASE("errors of hostile servers get a SQLSTATE and a severity") {
  auto empty = parse_error_fields(ByteView("\0", 1));
  REQUIRE(empty);
  CHECK(empty->sqlstate == sqlstate::internal_error);
  CHECK(empty->severity == "ERROR");
  CHECK(parse_error_fields(ByteView("Cabc\0\0", 6))->sqlstate == sqlstate::internal_error);
  CHECK(parse_error_fields(ByteView("SFEHLER\0VFATAL\0\0", 16))->severity == "FATAL");
  CHECK(parse_error_fields(ByteView("SFATAL\0\0", 8))->severity == "FATAL");
  // Wherever it is cut, what stands before is read, and nothing becomes something else.
  const std::string_view whole("SFEHLER\0VFATAL\0C57P01\0Mbye\0Dmore\0\0", 34);
  for (size_t size = 0; size <= whole.size(); ++size) {
    CAPTURE(size);
    const ErrorFields cut = parse_error_beginning(whole.substr(0, size));
    if (size >= 14) CHECK(cut.severity == "FATAL");
    CHECK(cut.sqlstate == (size >= 21 ? "57P01" : sqlstate::internal_error));
    CHECK(cut.message == std::string_view("bye").substr(0, size < 23 ? 0 : size - 23));
  }
  CHECK(parse_command_tag("SELECT 9223372036854775807").rows == INT64_MAX);
  CHECK_FALSE(parse_command_tag("SELECT 18446744073709551615").rows.has_value());
  CHECK(parse_error_fields(ByteView("P99999999999\0\0", 14))->position == 0);
  CHECK(parse_error_fields(ByteView("P-1\0?x\0\0", 8))->position == 0);
}

TEST_CASE("command tags give their command and rows") {
  struct Example {
    std::string_view tag, command;
    std::optional<uint64_t> rows;
  };
  for (const Example& e :
       {Example{"SELECT 10", "SELECT", 10}, Example{"INSERT 0 5", "INSERT", 5},
        Example{"UPDATE 0", "UPDATE", 0}, Example{"COPY 7", "COPY", 7}, Example{"COPY", "COPY", {}},
        Example{"FETCH 3", "FETCH", 3}, Example{"MERGE 1", "MERGE", 1},
        Example{"CREATE TABLE", "CREATE TABLE", {}}, Example{"", "", {}},
        Example{"SELECT 18446744073709551616", "SELECT 18446744073709551616", {}},
        Example{"SELECT 1x", "SELECT 1x", {}}, Example{"BEGIN", "BEGIN", {}}}) {
    const std::string body = body_of('C', [&](std::string& out) { append_command_complete(out, e.tag); });
    auto tag = parse_command_complete(body);
    REQUIRE(tag);
    CHECK(tag->command == e.command);
    CHECK(tag->rows == e.rows);
    check_bounds(body, parse_command_complete);
  }
}

TEST_CASE("session messages of the server round-trip") {
  auto status = body_of('S', [](std::string& out) { append_parameter_status(out, "TimeZone", "UTC"); });
  CHECK(parse_parameter_status(status)->name == "TimeZone");
  CHECK(parse_parameter_status(status)->value == "UTC");
  check_bounds(status, parse_parameter_status);

  auto key = body_of('K', [](std::string& out) { append_backend_key_data(out, 7, std::string(256, 'k')); });
  CHECK(parse_backend_key_data(key)->process_id == 7);
  CHECK(parse_backend_key_data(key)->key.size() == 256);
  CHECK_FALSE(parse_backend_key_data(key + "x"));
  CHECK_FALSE(parse_backend_key_data(key.substr(0, 7)));

  for (char c : {'I', 'T', 'E'}) {
    auto ready = body_of('Z', [c](std::string& out) { append_ready_for_query(out, c); });
    CHECK(static_cast<char>(*parse_ready_for_query(ready)) == c);
    check_bounds(ready, parse_ready_for_query);
  }
  CHECK_FALSE(parse_ready_for_query("X"));

  const std::string notification("\0\0\0\5chan\0pay\0", 13);
  CHECK(parse_notification(notification)->channel == "chan");
  CHECK(parse_notification(notification)->payload == "pay");
  check_bounds(notification, parse_notification);

  const std::string copy("\1\0\2\0\1\0\1", 7);
  CHECK(parse_copy_response(copy)->is_binary);
  CHECK(parse_copy_response(copy)->columns == 2);
  check_bounds(copy, parse_copy_response);
}

TEST_CASE("authentication requests round-trip and unknown kinds are refused") {
  CHECK(parse_authentication(body_of('R', append_authentication_ok))->kind == AuthenticationKind::ok);
  CHECK(parse_authentication(body_of('R', append_authentication_cleartext))->kind ==
        AuthenticationKind::cleartext);
  auto md5 = body_of('R', [](std::string& out) { append_authentication_md5(out, {'a', 'b', 'c', 'd'}); });
  CHECK(parse_authentication(md5)->md5_salt == std::array<char, 4>{'a', 'b', 'c', 'd'});
  check_bounds(md5, parse_authentication);
  auto sasl = body_of('R', [](std::string& out) {
    const std::string_view mechanisms[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"};
    append_authentication_sasl(out, mechanisms);
  });
  CHECK(parse_authentication(sasl)->offers("SCRAM-SHA-256"));
  CHECK(parse_authentication(sasl)->offers("SCRAM-SHA-256-PLUS"));
  CHECK_FALSE(parse_authentication(sasl)->offers("SCRAM"));
  CHECK_FALSE(parse_authentication(sasl)->offers(""));
  check_bounds(sasl, parse_authentication);
  auto more = body_of('R', [](std::string& out) { append_authentication_sasl_continue(out, "r=x"); });
  CHECK(parse_authentication(more)->data == "r=x");
  auto last = body_of('R', [](std::string& out) { append_authentication_sasl_final(out, "v=x"); });
  CHECK(parse_authentication(last)->kind == AuthenticationKind::sasl_final);
  CHECK_FALSE(parse_authentication(ByteView("\0\0\0\x63", 4)));
}

TEST_CASE("statements of the client round-trip") {
  auto query = body_of('Q', [](std::string& out) { append_query(out, "select 1"); });
  CHECK(*parse_query(query) == "select 1");
  check_bounds(query, parse_query);

  auto parse = body_of('P', [](std::string& out) {
    const uint32_t types[] = {23, 25};
    append_parse(out, "s1", "select $1", types);
  });
  auto parsed = parse_parse(parse);
  REQUIRE(parsed);
  CHECK(parsed->name == "s1");
  CHECK(parsed->text == "select $1");
  CHECK(parsed->type_count == 2);
  CHECK(parsed->type(1) == 25);
  check_bounds(parse, parse_parse);

  auto describe = body_of('D', [](std::string& out) { append_describe(out, 'P', "p"); });
  CHECK(parse_describe(describe)->is_portal);
  CHECK(parse_describe(describe)->name == "p");
  check_bounds(describe, parse_describe);
  auto close = body_of('C', [](std::string& out) { append_close(out, 'S', "s"); });
  CHECK_FALSE(parse_close(close)->is_portal);
  check_bounds(close, parse_close);
  CHECK_FALSE(parse_close(ByteView("Xs\0", 3)));

  auto execute = body_of('E', [](std::string& out) { append_execute(out, "p", 100); });
  CHECK(parse_execute(execute)->portal == "p");
  CHECK(parse_execute(execute)->rows_max == 100);
  check_bounds(execute, parse_execute);
  CHECK(body_of('S', append_sync).empty());
  CHECK(body_of('H', append_flush).empty());
  CHECK(body_of('X', append_terminate).empty());
}

TEST_CASE("Bind gives its values, NULLs and formats") {
  auto body = body_of('B', [](std::string& out) {
    const std::optional<std::string_view> values[] = {"one", std::nullopt, ""};
    append_bind(out, "p", "s", values);
  });
  auto bind = parse_bind(body);
  REQUIRE(bind);
  CHECK(bind->portal == "p");
  CHECK(bind->statement == "s");
  REQUIRE(bind->parameters.count() == 3);
  auto values = bind->parameters;
  CHECK(values.next()->value == "one");
  auto null = values.next();
  CHECK(null->is_null);
  auto empty = values.next();
  CHECK_FALSE(empty->is_null);
  CHECK(empty->value.empty());
  CHECK_FALSE(values.next());
  check_bounds(body, parse_bind);
  CHECK(parse_bind_names(ByteView(body).substr(0, 4))->statement == "s");
  CHECK_FALSE(parse_bind_names(ByteView(body).substr(0, 3)));
}

TEST_CASE("Bind's formats apply to all, to each, or are ignored when their number is wrong") {
  auto bind_with = [](std::initializer_list<uint16_t> formats) {
    std::string body;
    Writer writer(body);
    writer.cstr("").cstr("").u16(static_cast<uint16_t>(formats.size()));
    for (uint16_t f : formats) writer.u16(f);
    writer.u16(2).i32(1).bytes("a").i32(1).bytes("b").u16(0);
    return body;
  };
  auto formats = [](const std::string& body) {
    auto list = parse_bind(body)->parameters;
    std::string out;
    while (auto value = list.next()) out += std::to_string(value->format);
    return out;
  };
  CHECK(formats(bind_with({})) == "00");
  CHECK(formats(bind_with({1})) == "11");
  CHECK(formats(bind_with({0, 1})) == "01");
  CHECK(formats(bind_with({1, 1, 1})) == "00");
}

TEST_CASE("a Bind with a negative or too large value length is malformed") {
  for (int32_t size : {-2, INT32_MIN, 2, INT32_MAX}) {
    std::string body;
    Writer(body).cstr("").cstr("").u16(0).u16(1).i32(size).bytes("a").u16(0);
    CHECK_FALSE(parse_bind(body));
  }
}

TEST_CASE("FunctionCall, passwords and SASL messages are parsed within bounds") {
  auto call = body_of('F', [](std::string& out) { append_function_call(out, 1598); });
  CHECK(parse_function_call(call)->function_oid == 1598);
  CHECK(parse_function_call(call)->arguments.count() == 0);
  check_bounds(call, parse_function_call);
  auto password = body_of('p', [](std::string& out) { append_password(out, "secret"); });
  CHECK(*parse_password(password) == "secret");
  check_bounds(password, parse_password);
  auto initial =
      body_of('p', [](std::string& out) { append_sasl_initial_response(out, "SCRAM-SHA-256", "n,,"); });
  auto parsed = parse_sasl_initial_response(initial);
  REQUIRE(parsed);
  CHECK(parsed->mechanism == "SCRAM-SHA-256");
  CHECK(parsed->data == "n,,");
  check_bounds(initial, parse_sasl_initial_response);
  CHECK_FALSE(parse_sasl_initial_response(ByteView("X\0\xff\xff\xff\xff", 6))->data);
  CHECK_FALSE(parse_sasl_initial_response(ByteView("X\0\xff\xff\xff\xfe", 6)));
  CHECK(body_of('p', [](std::string& out) { append_sasl_response(out, "c=x"); }) == "c=x");
}

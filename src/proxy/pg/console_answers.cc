#include "console_answers.h"

#include <charconv>

#include "ringfence/pg/frame.h"

namespace ringfence::proxy {

using Type = ConsoleColumn::Type;

namespace {

// pg_type.dat
constexpr uint32_t boolean_oid = 16, bigint_oid = 20, text_oid = 25;

template <typename T>
void append_number(std::string& out, T value) {
  char bytes[sizeof value];
  detail::store_be<T>(bytes, value);
  out.append(bytes, sizeof bytes);
}

void append_message_of(std::string& out, char type, std::string_view body) {
  const auto header = pg::frame_header(type, static_cast<uint32_t>(body.size()));
  out.append(header.data(), header.size()).append(body);
}

uint32_t oid_of(Type type) {
  return type == Type::boolean ? boolean_oid : type == Type::integer ? bigint_oid : text_oid;
}

uint16_t size_of(Type type) { return type == Type::boolean ? 1 : type == Type::integer ? 8 : 0xffff; }

uint16_t format_of(const ResultFormats& formats, size_t column) {
  return formats.empty() ? 0 : formats.size() == 1 ? formats[0] : formats[column];
}

// A text is the same in both.
std::string binary(Type type, const std::string& text) {
  if (type == Type::boolean) return std::string(1, text == "t" ? '\1' : '\0');
  if (type != Type::integer) return text;
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  std::string out;
  append_number<uint64_t>(out, static_cast<uint64_t>(number));
  return out;
}

}  // namespace

bool fits(const ResultFormats& formats, size_t columns) {
  for (uint16_t format : formats) {
    if (format > 1) return false;
  }
  return formats.size() <= 1 || formats.size() == columns;
}

void append_row_description(std::string& out, std::span<const ConsoleColumn> columns,
                            const ResultFormats& formats) {
  std::string body;
  append_number<uint16_t>(body, static_cast<uint16_t>(columns.size()));
  for (size_t i = 0; i < columns.size(); ++i) {
    body.append(columns[i].name).append(1, '\0');
    append_number<uint32_t>(body, 0);  // Of no table,
    append_number<uint16_t>(body, 0);  // and so of no column.
    append_number<uint32_t>(body, oid_of(columns[i].type));
    append_number<uint16_t>(body, size_of(columns[i].type));
    append_number<uint32_t>(body, ~uint32_t{0});  // No type modifier.
    append_number<uint16_t>(body, format_of(formats, i));
  }
  append_message_of(out, pg::from_server::row_description, body);
}

void append_data_row(std::string& out, std::span<const ConsoleColumn> columns, const ConsoleTable::Row& row,
                     const ResultFormats& formats) {
  std::string body;
  append_number<uint16_t>(body, static_cast<uint16_t>(columns.size()));
  for (size_t i = 0; i < columns.size(); ++i) {
    if (i >= row.size() || !row[i]) {
      append_number<uint32_t>(body, ~uint32_t{0});
      continue;
    }
    const bool is_binary = format_of(formats, i) == 1;
    const std::string value = is_binary ? binary(columns[i].type, *row[i]) : *row[i];
    append_number<uint32_t>(body, static_cast<uint32_t>(value.size()));
    body.append(value);
  }
  append_message_of(out, pg::from_server::data_row, body);
}

void append_parameter_description(std::string& out, uint16_t parameters, std::optional<uint32_t> type) {
  std::string body;
  append_number<uint16_t>(body, parameters);
  for (uint16_t i = 0; i < parameters; ++i)
    append_number<uint32_t>(body, type && *type != 0 ? *type : text_oid);
  append_message_of(out, pg::from_server::parameter_description, body);
}

void append_empty(std::string& out, char type) { append_message_of(out, type, {}); }

}  // namespace ringfence::proxy

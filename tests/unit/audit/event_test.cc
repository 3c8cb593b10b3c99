// How long the fields of an event may be, by whatever way they come into it.
#include <doctest/doctest.h>

#include <bit>
#include <vector>

#include "ringfence/audit/chain.h"
#include "ringfence/audit/event.h"
#include "ringfence/audit/json.h"
#include "ringfence/base/utf8.h"

using namespace ringfence;
using namespace ringfence::audit;

namespace {

// Longer than any field may be.
constexpr size_t too_long = record_bytes_max + 1;

std::vector<Tag> variable_tags() {
  std::vector<Tag> out;
  for (uint16_t tag = 1; tag < tag_end; ++tag) {
    FieldType type = field_info(tag)->type;
    if (type == FieldType::text || type == FieldType::json || type == FieldType::bytes)
      out.push_back(static_cast<Tag>(tag));
  }
  return out;
}

std::string only_field(ByteView fields, Tag tag) {
  FieldSet all;
  REQUIRE(parse_fields(fields, all));
  REQUIRE(std::popcount(all.present) == 1);
  return std::string(all.get(tag));
}

std::string appended(Tag tag, ByteView value) {
  std::string out;
  append_field(out, tag, value);
  return only_field(out, tag);
}

std::string written(Tag tag, ByteView value) {
  std::vector<char> room(FieldWriter::field_bytes(field_bytes_max(tag)));
  FieldWriter writer(room.data());
  writer.text(tag, value);
  REQUIRE(writer.size() <= room.size());
  return only_field(ByteView(room.data(), writer.size()), tag);
}

}  // namespace

TEST_CASE("no field of an event is longer than its bound, whatever is put into it") {
  const std::string ascii(too_long, 'x');
  std::string wide;
  while (wide.size() < too_long) wide += "日";
  const std::string invalid(too_long, '\xff');
  const std::string list = "[\"" + ascii + "\"]";
  const std::string object = "{\"a\":\"" + ascii + "\"}";
  for (Tag tag : variable_tags()) {
    CAPTURE(field_info(static_cast<uint16_t>(tag))->column);
    REQUIRE(field_bytes_max(tag) > 0);
    for (const std::string* value :
         std::initializer_list<const std::string*>{&ascii, &wide, &invalid, &list, &object}) {
      const FieldType type = field_info(static_cast<uint16_t>(tag))->type;
      if (type == FieldType::json && value != &list && value != &object) continue;
      const std::string by_builder = appended(tag, *value);
      CHECK(by_builder.size() <= field_bytes_max(tag));
      if (type != FieldType::bytes) CHECK(is_valid_text(by_builder));
      if (type == FieldType::json) CHECK(is_canonical_json(by_builder));
      if (value != &invalid || type == FieldType::bytes) CHECK(written(tag, *value) == by_builder);
    }
  }
}

TEST_CASE("fields of a fixed size have a bound of that size") {
  for (uint16_t tag = 1; tag < tag_end; ++tag) {
    const size_t max = field_bytes_max(static_cast<Tag>(tag));
    switch (field_info(tag)->type) {
      case FieldType::integer:
      case FieldType::timestamp: CHECK(max == 8); break;
      case FieldType::uuid: CHECK(max == 16); break;
      case FieldType::boolean: CHECK(max == 1); break;
      default: CHECK(max > 8); break;
    }
  }
}

TEST_CASE("all fields at their bounds fit in one record") {
  size_t total = 0;
  for (uint16_t tag = 1; tag < tag_end; ++tag) {
    // What is sealed takes the room that the texts beside it leave; who writes records sees to that.
    if (static_cast<Tag>(tag) == Tag::sealed || static_cast<Tag>(tag) == Tag::outcome_sealed) continue;
    total += FieldWriter::field_bytes(field_bytes_max(static_cast<Tag>(tag)));
  }
  CHECK(total <= record_bytes_max);
}

TEST_CASE("what stands in a tree of the store fits in its entry") {
  // A third of a page of 8 KiB, less its heads: nbtree's BTMaxItemSize.
  constexpr size_t tree_entry_max = 2'704;
  constexpr size_t heads = 64;
  CHECK(field_bytes_max(Tag::entity_type) + field_bytes_max(Tag::entity_id) + 8 + heads <= tree_entry_max);
  CHECK(field_bytes_max(Tag::action) + 8 + heads <= tree_entry_max);
  CHECK(field_bytes_max(Tag::outcome) + 8 + heads <= tree_entry_max);
  CHECK(field_bytes_max(Tag::node) + 8 + heads <= tree_entry_max);
}

TEST_CASE("a text that is cut says so, and how long it was") {
  const size_t max = field_bytes_max(Tag::entity_id);
  const std::string whole(max, 'p');
  CHECK(appended(Tag::entity_id, whole) == whole);
  const std::string mark = "…[" + std::to_string(max + 1) + " bytes]";
  CHECK(appended(Tag::entity_id, whole + "p") == std::string(max - mark.size(), 'p') + mark);
}

TEST_CASE("a text is cut at a character's edge") {
  std::string text = "x";
  while (text.size() < 8'192) text += "é";
  const std::string cut = appended(Tag::database, text);
  CHECK(is_valid_text(cut));
  CHECK(cut.starts_with("xéé"));
  CHECK(cut.ends_with("é…[8193 bytes]"));
  CHECK(cut.size() > field_bytes_max(Tag::database) - 2);
}

TEST_CASE("a text that grows when it is made valid is cut, too") {
  // Each byte becomes the three of U+FFFD.
  const std::string cut = appended(Tag::user_name, std::string(200, '\xff'));
  CHECK(cut.size() <= field_bytes_max(Tag::user_name));
  CHECK(cut.ends_with("…[200 bytes]"));
}

TEST_CASE("both truths are one byte") {
  for (bool value : {true, false}) {
    EventBuilder event(Category::audit, "x", Severity::info, Outcome::success);
    event.boolean(Tag::statement_truncated, value);
    FieldSet fields;
    REQUIRE(parse_fields(event.bytes(), fields));
    CHECK(fields.get(Tag::statement_truncated) == (value ? ByteView("\1", 1) : ByteView("\0", 1)));
  }
}

TEST_CASE("structure that is too long is left out whole") {
  EventBuilder event(Category::audit, "x", Severity::info, Outcome::success);
  event.text(Tag::metadata, "{\"a\":\"" + std::string(100'000, 'm') + "\"}");
  event.text(Tag::tags, "[\"" + std::string(100'000, 't') + "\"]");
  event.text(Tag::statement, std::string(50'000, 's'));
  FieldSet fields;
  REQUIRE(parse_fields(event.bytes(), fields));
  CHECK(fields.get(Tag::metadata) == "{\"too_long\":true}");
  CHECK(fields.get(Tag::tags) == "[\"(too long)\"]");
  CHECK(fields.get(Tag::statement).size() == 50'000);
}

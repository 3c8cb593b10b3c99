#include <doctest/doctest.h>

#include "ringfence/audit/chain.h"

using namespace ringfence;
using namespace ringfence::audit;

namespace {
std::string hex(ByteView bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (char c : bytes) {
    out.push_back(digits[static_cast<uint8_t>(c) >> 4]);
    out.push_back(digits[static_cast<uint8_t>(c) & 15]);
  }
  return out;
}
}  // namespace

TEST_CASE("canonical bytes are the fields in ascending order of tags, then the place in the chain") {
  char room[256];
  FieldWriter writer(room);
  writer.text(Tag::action, "x");
  writer.integer(Tag::seq, 7);
  writer.boolean(Tag::statement_truncated, true);
  FieldSet fields;
  REQUIRE(parse_fields(ByteView(room, writer.size()), fields));
  std::string canonical;
  append_canonical(canonical, fields, {3, 1'000'000});
  CHECK(hex(canonical) ==
        "0004000000080000000000000007"  // seq
        "00080000000178"                // action
        "001a0000000101"                // statement_truncated
        "03e9000000080000000000000003"  // chain_no
        "03ea0000000800000000000f4240"  // recorded_at
        "03eb000000080000000000000002"  // hash_version
        "03ec000000080000000000000001"  // retention_class
  );
}

TEST_CASE("a leaf covers salted digests of the facts and of the text, and never their bytes") {
  FieldSet fields;
  const std::string seven("\0\0\0\0\0\0\0\7", 8);
  fields.set(Tag::seq, seven);
  fields.set(Tag::user_name, "ana");
  fields.set(Tag::statement, "SELECT 1");
  ChainPlace place;
  place.chain_no = 3;
  place.recorded_at = 1'000'000;
  const std::string row(16, 'r');
  const std::string facts(16, 'f');
  const std::string text(16, 't');
  crypto::Sha256 sha;
  auto field = [](uint16_t tag, ByteView value) {
    std::string out;
    ringfence::Writer(out).u16(tag).u32(static_cast<uint32_t>(value.size())).bytes(value);
    return out;
  };
  auto integer = [&](uint16_t tag, uint64_t value) {
    std::string out;
    ringfence::Writer(out).u64(value);
    return field(tag, out);
  };
  const crypto::Digest of_facts = crypto::sha256(facts + field(11, "ana"));
  const crypto::Digest of_text = crypto::sha256(text + "SELECT 1");
  const std::string message = field(4, seven) + integer(1001, 3) + integer(1002, 1'000'000) +
                              integer(1003, 2) + integer(1004, 1) + field(1005, row) +
                              field(1006, crypto::view_of(of_facts)) + field(1007, crypto::view_of(of_text));
  CHECK(leaf_of(sha, fields, place, RowSalts{row, facts, text}) == crypto::sha256(message));
  // Bytes that go over from the text into its salt.
  fields.set(Tag::statement, "ECT 1");
  CHECK(leaf_of(sha, fields, place, RowSalts{row, facts, text + "SEL"}) == crypto::Digest{});
  CHECK(leaf_of(sha, fields, place, RowSalts{row, facts, ""}) == crypto::Digest{});
  CHECK(leaf_of(sha, fields, place, RowSalts{row, "", text}) == crypto::Digest{});
  CHECK(leaf_of(sha, fields, place, RowSalts{"", facts, text}) == crypto::Digest{});
  // A row of the version before.
  place.version = hash_version_unsalted;
  std::string canonical;
  append_canonical(canonical, fields, place);
  CHECK(leaf_of(sha, fields, place, RowSalts{}) == crypto::sha256(canonical));
}

TEST_CASE("the first hash follows 32 zeros") {
  crypto::Sha256 context;
  crypto::Digest leaf = crypto::sha256("leaf");
  std::string both(32, '\0');
  both.append(crypto::view_of(leaf));
  CHECK(chain_hash(context, crypto::Digest{}, leaf) == crypto::sha256(both));
}

TEST_CASE("a later field replaces an earlier one, and an empty text is not null") {
  char room[256];
  FieldWriter writer(room);
  writer.text(Tag::outcome, "running");
  writer.text(Tag::reason, "");
  writer.text(Tag::outcome, "success");
  FieldSet fields;
  REQUIRE(parse_fields(ByteView(room, writer.size()), fields));
  CHECK(fields.get(Tag::outcome) == "success");
  CHECK(fields.has(Tag::reason));
  CHECK(!fields.has(Tag::target));
}

// One by one, as the format is written down.
std::string field_by_field(const FieldSet& fields) {
  std::string out;
  for (uint16_t tag = 1; tag < tag_end; ++tag) {
    if (!fields.has(static_cast<Tag>(tag))) continue;
    ByteView value = fields.get(static_cast<Tag>(tag));
    ringfence::Writer(out).u16(tag).u32(static_cast<uint32_t>(value.size())).bytes(value);
  }
  return out;
}

TEST_CASE("fields that go over together are those that go over one by one") {
  uint64_t state = 42;
  auto below = [&](uint64_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % bound;
  };
  const Tag texts[] = {Tag::node,   Tag::category,  Tag::action, Tag::outcome,     Tag::user_name,
                       Tag::target, Tag::statement, Tag::rule,   Tag::command_tag, Tag::reason};
  const std::string values[] = {"", "x", "SELECT 1", std::string(300, 's')};
  const std::string outside = "set from elsewhere";
  for (int round = 0; round < 2'000; ++round) {
    // Two records side by side, so that the second one's fields stand right behind the first one's.
    std::string room(16'384, '\0');
    FieldWriter writer(room.data());
    size_t first_bytes = 0;
    const uint64_t count = below(12);
    for (uint64_t i = 0; i < count; ++i) {
      if (below(4) == 0) writer.integer(Tag::rows, static_cast<int64_t>(below(100)));
      // In ascending order more often than not, or anyhow.
      else writer.text(texts[below(3) == 0 ? below(10) : i % 10], values[below(4)]);
      if (i * 2 < count) first_bytes = writer.size();
    }
    FieldSet fields;
    REQUIRE(parse_fields(ByteView(room).substr(0, first_bytes), fields));
    REQUIRE(parse_fields(ByteView(room).substr(first_bytes, writer.size() - first_bytes), fields));
    if (below(2) == 0) fields.set(texts[below(10)], outside);
    if (below(2) == 0) fields.clear(texts[below(10)]);
    const std::string wanted = field_by_field(fields);
    std::string written(size_of(fields, fields.present), '\0');
    CHECK(write_fields(written.data(), fields, fields.present) == written.data() + written.size());
    CHECK(written == wanted);
  }
}

TEST_CASE("bytes that are no fields are refused at every truncation") {
  char room[256];
  FieldWriter writer(room);
  writer.text(Tag::action, "abc");
  writer.integer(Tag::rows, 1);
  size_t boundary = FieldWriter::field_bytes(3);
  for (size_t size = 1; size < writer.size(); ++size) {
    FieldSet fields;
    CHECK(parse_fields(ByteView(room, size), fields) == (size == boundary));
  }
  FieldSet fields;
  CHECK(!parse_fields(ByteView("\x00\x22\x00\x00\x00\x01x", 7), fields));  // An integer of one byte.
  CHECK(!parse_fields(ByteView("\x03\x00\x00\x00\x00\x00", 6), fields));   // A tag that there is not.
}

#include "ringfence/audit/sealing.h"
#include "ringfence/base/hex.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "audit/rows.h"
#include "ringfence/audit/json.h"

using namespace ringfence;
using namespace ringfence::audit;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/rf-keys-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::system(("rm -rf " + path).c_str()); }
  std::string file() const { return path + "/data.key"; }
  std::string path;
};

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

const std::string first = "00112233445566aa " + std::string(64, '1') + "\n";
const std::string second = "ffeeddccbbaa9988 " + std::string(64, '2') + "\n";

Uuid id_of(uint8_t last) {
  Uuid id;
  id.bytes[15] = last;
  return id;
}

SealedTexts sealed_for(const std::string& keys, const Uuid& id, const std::string& text) {
  TextSealer sealer(*DataKeys::parse(keys), "node");
  ClearTexts texts;
  texts.add(Tag::statement, text);
  return sealer.for_event(texts, id);
}

Fault fault_of(const Result<std::vector<OpenedText>>& opened) {
  REQUIRE(!opened);
  return opened.error().fault;
}

}  // namespace

TEST_CASE("the file of data keys is made once, is its owner's alone, and is read again") {
  Folder folder;
  CHECK(DataKeys::read(folder.path).error().fault == Fault::not_found);
  auto made = DataKeys::open(folder.path);
  REQUIRE(made);
  struct stat info{};
  REQUIRE(::stat(folder.file().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  CHECK(read_file(folder.file()) == *made->text());
  CHECK(*DataKeys::open(folder.path)->text() == *made->text());
  auto added = DataKeys::add(folder.path);
  REQUIRE(added);
  auto both = DataKeys::read(folder.path);
  REQUIRE(both);
  CHECK(both->size() == 2);
  CHECK(hex_of(crypto::view_of(both->newest().id)) == *added);
  CHECK(both->find(crypto::view_of(made->newest().id)) != nullptr);
  CHECK(both->digest_key() == made->digest_key());
  CHECK(both->text()->starts_with(*made->text()));
}

TEST_CASE("a file of data keys that others may read, a link and a folder are refused") {
  Folder folder;
  REQUIRE(DataKeys::open(folder.path));
  ::chmod(folder.file().c_str(), 0640);
  CHECK(DataKeys::open(folder.path).error().fault == Fault::denied);
  ::chmod(folder.file().c_str(), 0600);
  ::rename(folder.file().c_str(), (folder.path + "/other").c_str());
  REQUIRE(::symlink("other", folder.file().c_str()) == 0);
  CHECK_FALSE(DataKeys::open(folder.path));
  ::unlink(folder.file().c_str());
  ::mkdir(folder.file().c_str(), 0700);
  CHECK(DataKeys::open(folder.path).error().fault == Fault::denied);
  ::rmdir(folder.file().c_str());
}

TEST_CASE("what is no file of data keys is told by its line") {
  CHECK(DataKeys::parse(first + second)->size() == 2);
  CHECK(*DataKeys::parse(first + second)->text() == first + second);
  CHECK(DataKeys::parse("").error().fault == Fault::malformed);
  CHECK(DataKeys::parse(first + first).error().message.find("twice") != std::string::npos);
  for (const std::string& wrong :
       {first + "x", "x" + first, first + "\n", first.substr(0, 80) + "g\n", std::string(1000, '1')}) {
    CAPTURE(wrong);
    CHECK(DataKeys::parse(wrong).error().fault == Fault::malformed);
  }
  std::string many;
  for (size_t i = 0; i <= DataKeys::keys_max; ++i) {
    many += "00000000000000" + hex_of(std::string(1, static_cast<char>(i))) + first.substr(16);
  }
  CHECK(DataKeys::parse(many).error().fault == Fault::limit);
}

TEST_CASE("sealed texts open in their own record alone") {
  TextSealer sealer(*DataKeys::parse(first), "node");
  ClearTexts texts;
  texts.add(Tag::statement, "set app.jwt_secret = 'hunter2'");
  texts.add(Tag::parameters, "[\"hunter3\"]");
  CHECK(texts.names() == "[\"parameters\",\"statement\"]");
  const SealedTexts sealed = sealer.for_event(texts, id_of(1));
  CHECK(sealed.sealed.find("hunter") == std::string::npos);
  CHECK(is_canonical_json(sealed.digests));
  CHECK(sealed.digests.size() <= digests_bytes_max);
  CHECK(FieldWriter::field_bytes(sealed.sealed.size()) + FieldWriter::field_bytes(sealed.digests.size()) <=
        texts.record_bytes());
  const DataKeys keys = *DataKeys::parse(first);
  auto opened = open_sealed(keys, event_context("node", id_of(1)), sealed.sealed);
  REQUIRE(opened);
  REQUIRE(opened->size() == 2);
  CHECK((*opened)[0].field == "statement");
  CHECK((*opened)[0].text == "set app.jwt_secret = 'hunter2'");
  CHECK((*opened)[1].text == "[\"hunter3\"]");
  // Another event, another node, another column.
  CHECK(fault_of(open_sealed(keys, event_context("node", id_of(2)), sealed.sealed)) == Fault::denied);
  CHECK(fault_of(open_sealed(keys, event_context("edon", id_of(1)), sealed.sealed)) == Fault::denied);
  CHECK(fault_of(open_sealed(keys, outcome_context("node", 0, 1), sealed.sealed)) == Fault::denied);
  const SealedTexts outcome = sealer.for_outcome(texts, 3, 17);
  CHECK(open_sealed(keys, outcome_context("node", 3, 17), outcome.sealed));
  CHECK(fault_of(open_sealed(keys, outcome_context("node", 3, 18), outcome.sealed)) == Fault::denied);
  CHECK(fault_of(open_sealed(keys, outcome_context("node", 2, 17), outcome.sealed)) == Fault::denied);
  CHECK(fault_of(open_sealed(keys, event_context("node", id_of(1)), "x")) == Fault::malformed);
  std::string other_version = sealed.sealed;
  other_version[0] = 2;
  CHECK(fault_of(open_sealed(keys, event_context("node", id_of(1)), other_version)) == Fault::malformed);
}

TEST_CASE("the newest key seals, every key opens its own, and digests stay comparable") {
  const SealedTexts old = sealed_for(first, id_of(1), "same");
  const SealedTexts young = sealed_for(first + second, id_of(1), "same");
  const SealedTexts other = sealed_for(first + second, id_of(1), "another");
  CHECK(hex_of(ByteView(old.sealed).substr(1, 8)) == first.substr(0, 16));
  CHECK(hex_of(ByteView(young.sealed).substr(1, 8)) == second.substr(0, 16));
  CHECK(old.digests == young.digests);
  CHECK(other.digests != young.digests);
  const auto context = event_context("node", id_of(1));
  for (const SealedTexts* one : {&old, &young}) {
    CHECK((*open_sealed(*DataKeys::parse(first + second), context, one->sealed))[0].text == "same");
  }
  CHECK(fault_of(open_sealed(*DataKeys::parse(first), context, young.sealed)) == Fault::not_found);
  // The id of one key with another key behind it.
  CHECK(fault_of(open_sealed(*DataKeys::parse(first.substr(0, 17) + second.substr(17)), context,
                             old.sealed)) == Fault::denied);
  // The digest is no plain one of the text.
  CHECK(old.digests.find(hex_of(crypto::view_of(crypto::sha256("same")))) == std::string::npos);
}

namespace {
FieldSet joined(const std::string& start, const std::string& outcome, std::string& kept) {
  RowEncoder encoder("node");
  PendingRow row;
  row.first = start;
  row.second = outcome;
  row.shape = RowShape::joined;
  row.seq = 1;
  row.outcome_seq = 2;
  encoder.begin({}, 1, true, false);
  std::vector<PendingRow> rows{row};
  while (encoder.encode(rows, encoder.next_piece(rows, 0, 1)) == RowEncoder::Encoded::has_more_columns) {
  }
  kept = std::string(encoder.canonical_rows()[0].fields);
  FieldSet out;
  parse_fields(ByteView(kept).substr(0, kept.size() - chain_fields_bytes), out);
  return out;
}
}  // namespace

TEST_CASE(
    "a row of a start and its outcome says of both what was redacted, and nothing of a text that was "
    "replaced") {
  std::string start;
  append_field(start, Tag::statement, "set password = '***'");
  append_field(start, Tag::redacted, "[\"statement\"]");
  append_field(start, Tag::redacted_digest, "{\"statement\":\"00\"}");
  append_field(start, Tag::sealed, "sealed one");
  std::string failed;
  append_field(failed, Tag::error_message, "***");
  append_field(failed, Tag::redacted, "[\"error_message\"]");
  append_field(failed, Tag::outcome_sealed, "sealed two");
  std::string kept;
  FieldSet both = joined(start, failed, kept);
  CHECK(both.get(Tag::redacted) == "[\"error_message\",\"statement\"]");
  CHECK(both.get(Tag::sealed) == "sealed one");
  CHECK(both.get(Tag::outcome_sealed) == "sealed two");
  std::string plain;
  append_field(plain, Tag::command_tag, "SET");
  CHECK(joined(start, plain, kept).get(Tag::redacted) == "[\"statement\"]");
  std::string replaced;
  append_field(replaced, Tag::statement, "-- text not known");
  FieldSet other = joined(start, replaced, kept);
  CHECK(other.get(Tag::statement) == "-- text not known");
  CHECK_FALSE(other.has(Tag::redacted));
  CHECK_FALSE(other.has(Tag::redacted_digest));
  CHECK_FALSE(other.has(Tag::sealed));
  append_field(replaced, Tag::redacted, "[\"statement\"]");
  append_field(replaced, Tag::outcome_sealed, "sealed three");
  other = joined(start, replaced, kept);
  CHECK(other.get(Tag::redacted) == "[\"statement\"]");
  CHECK_FALSE(other.has(Tag::sealed));
  CHECK(other.get(Tag::outcome_sealed) == "sealed three");
}

TEST_CASE("an outcome that has another statement has all that is said of it") {
  std::string start;
  append_field(start, Tag::statement, "S\xEF\xBF\xBD");
  append_field(start, Tag::statement_raw, "S\xE9");
  append_field(start, Tag::statement_sha256, std::string(32, 's'));
  append_field(start, Tag::parameters, "[\"sent\"]");
  char number[8] = {0, 0, 0, 0, 0, 0, 0, 5};
  std::string kept;
  auto with = [](std::string fields, Tag tag, ByteView bytes) {
    ringfence::Writer(fields)
        .u16(static_cast<uint16_t>(tag))
        .u32(static_cast<uint32_t>(bytes.size()))
        .bytes(bytes);
    return fields;
  };
  start = with(start, Tag::statement_begin, ByteView(number, 8));
  std::string outcome;
  append_field(outcome, Tag::statement, "SELECT 1");
  // Of its parameters nothing is said: they are what was sent.
  FieldSet row = joined(start, outcome, kept);
  CHECK(row.get(Tag::statement) == "SELECT 1");
  CHECK_FALSE(row.has(Tag::statement_raw));
  CHECK_FALSE(row.has(Tag::statement_sha256));
  CHECK_FALSE(row.has(Tag::statement_begin));
  CHECK(row.get(Tag::parameters) == "[\"sent\"]");
  const std::string without = with(outcome, Tag::parameters_truncated, ByteView("\0", 1));
  CHECK_FALSE(joined(start, without, kept).has(Tag::parameters));
  std::string others = without;
  append_field(others, Tag::parameters, "[\"other\"]");
  append_field(others, Tag::statement_raw, "other");
  row = joined(start, others, kept);
  CHECK(row.get(Tag::parameters) == "[\"other\"]");
  CHECK(row.get(Tag::statement_raw) == "other");
  // A place within a message is that of what was sent.
  row = joined(with(start, Tag::message_id, std::string(16, 'm')), outcome, kept);
  CHECK(row.has(Tag::statement_begin));
  // Without a statement the start's stays.
  std::string plain;
  append_field(plain, Tag::command_tag, "SELECT 1");
  CHECK(joined(start, plain, kept).get(Tag::statement_raw) == "S\xE9");
}

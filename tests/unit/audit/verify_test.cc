#include "ringfence/audit/verify.h"

#include "audit/partitions.h"
#include "audit/retention.h"
#include "audit/state_identity.h"
#include "audit/stored_chain.h"
#include "ringfence/audit/chain.h"
#include "store_fixture.h"

using namespace ringfence;
using namespace ringfence::audit;
using namespace ringfence::audit::testing;

namespace {

VerifyReport verify_with(const VerifyOptions& options) {
  auto connection = store::Connection::open(cluster().store.owner_dsn(), "verify");
  REQUIRE(connection);
  auto report = verify_chain(**connection, options);
  REQUIRE_MESSAGE(report, report.error().message);
  return std::move(*report);
}

VerifyReport verify(const std::string& node, uint64_t from = 1, uint64_t to = UINT64_MAX) {
  VerifyOptions options;
  options.node = node;
  options.from = from;
  options.to = to;
  return verify_with(options);
}

void write_rows(const std::string& node, int count) {
  TempDir dir;
  auto trail = open_trail(trail_options(dir, node));
  trail->start();
  for (int i = 0; i < count; ++i) {
    put_outcome(trail->journal(0), put_start(trail->journal(0), "select " + std::to_string(i)));
  }
  EventBuilder event(Category::audit, "changed_entity", Severity::info, Outcome::success);
  event.ts(wall_us()).text(Tag::entity_type, "user").text(Tag::entity_id, "7");
  event.text(Tag::changes, "{\"bb\":[1,2],\"a\":{\"x\":null,\"y\":true}}")
      .text(Tag::metadata, "{ \"z\": 1, \"f\": 1.5 }");
  event.text(Tag::parameters, "[\"\xc3\xa4\\n\",null]").publish(trail->journal(1));
  REQUIRE(trail->stop(20'000));
}

// Applies the change, expects the finding at the row, and takes the change back.
void expect(const std::string& node, const std::string& sql, FindingKind kind, uint64_t chain_no) {
  CAPTURE(sql);
  query(
      "DROP TABLE IF EXISTS keep_event, keep_link, keep_anchor; "
      "CREATE TABLE keep_event AS SELECT * FROM ringfence.audit_row WHERE node = '" +
      node +
      "'; "
      "CREATE TABLE keep_link AS SELECT * FROM ringfence.audit_link_run WHERE node = '" +
      node +
      "'; "
      "CREATE TABLE keep_anchor AS SELECT * FROM ringfence.audit_anchor WHERE node = '" +
      node + "'");
  query(sql);
  VerifyReport report = verify(node);
  CHECK(!report.is_good());
  REQUIRE(!report.nodes.front().findings.empty());
  CHECK_MESSAGE(report.nodes.front().findings.front().kind == kind, report.text());
  CHECK_MESSAGE(report.nodes.front().findings.front().chain_no == chain_no, report.text());
  query("DELETE FROM ringfence.audit_row WHERE node = '" + node +
        "'; "
        "DELETE FROM ringfence.audit_link_run WHERE node = '" +
        node +
        "'; "
        "DELETE FROM ringfence.audit_anchor WHERE node = '" +
        node +
        "'; "
        "INSERT INTO ringfence.audit_row SELECT * FROM keep_event; "
        "INSERT INTO ringfence.audit_link_run SELECT * FROM keep_link; "
        "INSERT INTO ringfence.audit_anchor SELECT * FROM keep_anchor");
}

}  // namespace

TEST_CASE("an untouched chain verifies, whole and in parts, across restarts") {
  TempDir dir;
  for (int life = 0; life < 3; ++life) {
    auto trail = open_trail(trail_options(dir, "good"));
    trail->start();
    for (int i = 0; i < 100; ++i) put_outcome(trail->journal(0), put_start(trail->journal(0), "select 1"));
    put_start(trail->journal(1), "open at the end");
    if (life == 1) trail->abandon();
    else REQUIRE(trail->stop(20'000));
  }
  VerifyReport report = verify("good");
  CHECK_MESSAGE(report.is_good(), report.text());
  CHECK(report.nodes.front().rows == 302);
  CHECK(report.nodes.front().anchors >= 1);
  CHECK(verify("good", 50, 120).is_good());
  CHECK(verify("good", 50, 120).nodes.front().rows == 71);
}

TEST_CASE("a change of any column is found, and the row is named") {
  write_rows("tamper", 20);
  CHECK_MESSAGE(verify("tamper").is_good(), verify("tamper").text());
  auto where = [](int chain_no) {
    return " WHERE node = 'tamper' AND chain_no = " + std::to_string(chain_no);
  };
  for (uint16_t tag = 1; tag < tag_end; ++tag) {
    const FieldInfo* info = field_info(tag);
    if (info->tag == Tag::node) continue;
    std::string column(info->column);
    std::string value;
    switch (info->type) {
      case FieldType::text: value = "coalesce(" + column + ", '') || 'x'"; break;
      case FieldType::integer: value = "coalesce(" + column + ", 0) + 1000"; break;
      case FieldType::timestamp: value = column + " + interval '1 microsecond'"; break;
      case FieldType::uuid: value = "'00000000-0000-7000-8000-000000000009'"; break;
      case FieldType::boolean: value = "NOT coalesce(" + column + ", false)"; break;
      case FieldType::bytes: value = "'\\x00'"; break;
      case FieldType::json: value = "'{\"other\":1}'"; break;
    }
    expect("tamper", "UPDATE ringfence.audit_row SET " + column + " = " + value + where(7),
           FindingKind::changed, 7);
  }
  expect("tamper", "UPDATE ringfence.audit_row SET user_name = NULL" + where(3), FindingKind::changed, 3);
  expect("tamper", "UPDATE ringfence.audit_row SET recorded_at = recorded_at + interval '1 us'" + where(9),
         FindingKind::changed, 9);
  expect("tamper", "UPDATE ringfence.audit_row SET hash_version = 1" + where(4), FindingKind::changed, 4);
  expect("tamper", "UPDATE ringfence.audit_row SET hash_version = 3" + where(4), FindingKind::changed, 4);
  for (const char* salts : {"overlay(salts PLACING '\\x00' FROM 1)", "overlay(salts PLACING '\\x00' FROM 17)",
                            "overlay(salts PLACING '\\x00' FROM 33)", "NULL", "salts || '\\x00'",
                            "substring(salts FROM 1 FOR 40)"})
    expect("tamper", "UPDATE ringfence.audit_row SET salts = " + std::string(salts) + where(4),
           FindingKind::changed, 4);
  // What went over from the text into its salt would leave the digest of the two as it is.
  expect("tamper",
         "UPDATE ringfence.audit_row SET salts = salts || convert_to(left(statement, 3), 'UTF8'), statement "
         "= substring(statement FROM 4)" +
             where(4),
         FindingKind::changed, 4);
  expect("tamper", "UPDATE ringfence.audit_row SET leaf = hash" + where(4), FindingKind::changed, 4);
  expect("tamper", "UPDATE ringfence.audit_row SET hash = leaf" + where(4), FindingKind::changed, 4);
}

TEST_CASE("rows deleted, cut, doubled, inserted, swapped or moved to another node are found") {
  write_rows("rows", 20);
  CHECK(query("SELECT count(*), sum(length(links)) / 64 FROM ringfence.audit_link_run WHERE node = 'rows'") ==
        "1|21");
  std::string of = " WHERE node = 'rows' AND chain_no ";
  std::string run = " WHERE node = 'rows' AND first_chain_no ";
  expect("rows",
         "UPDATE ringfence.audit_link_run SET links = overlay(links PLACING '\\x00' FROM 9 * 64 + 1)" + run +
             "= 1",
         FindingKind::reordered, 10);
  expect("rows", "DELETE FROM ringfence.audit_link_run" + run + "= 1", FindingKind::cut, 1);
  expect("rows",
         "UPDATE ringfence.audit_link_run SET links = substring(links FROM 1 FOR 20 * 64)" + run + "= 1",
         FindingKind::cut, 21);
  expect("rows",
         "INSERT INTO ringfence.audit_link_run SELECT node, 4, substring(links FROM 1 FOR 64) FROM "
         "ringfence.audit_link_run" +
             run + "= 1",
         FindingKind::doubled, 4);
  // The rest looks at single links: a run may be of one.
  query(
      "CREATE TABLE single_link AS SELECT * FROM ringfence.audit_link WHERE node = 'rows'; "
      "DELETE FROM ringfence.audit_link_run WHERE node = 'rows'; "
      "INSERT INTO ringfence.audit_link_run SELECT node, chain_no, leaf || hash FROM single_link; "
      "DROP TABLE single_link");
  CHECK_MESSAGE(verify("rows").is_good(), verify("rows").text());
  expect("rows", "DELETE FROM ringfence.audit_row" + of + "= 5", FindingKind::missing, 5);
  expect("rows", "DELETE FROM ringfence.audit_link_run" + run + "= 5", FindingKind::missing, 5);
  expect("rows",
         "DELETE FROM ringfence.audit_row" + of + "= 5; DELETE FROM ringfence.audit_link_run" + run + "= 5",
         FindingKind::missing, 5);
  expect("rows",
         "DELETE FROM ringfence.audit_row" + of + "> 18; DELETE FROM ringfence.audit_link_run" + run + "> 18",
         FindingKind::cut, 19);
  expect("rows", "INSERT INTO ringfence.audit_row SELECT * FROM ringfence.audit_row" + of + "= 6",
         FindingKind::doubled, 6);
  expect("rows", "UPDATE ringfence.audit_row SET chain_no = 21 + chain_no" + of + "= 6", FindingKind::missing,
         6);
  expect("rows", "UPDATE ringfence.audit_row SET chain_no = 17 - chain_no" + of + "IN (8, 9)",
         FindingKind::changed, 8);
  expect("rows", "UPDATE ringfence.audit_row SET node = 'tamper2'" + of + "= 10", FindingKind::missing, 10);
  expect("rows", "UPDATE ringfence.audit_anchor SET hash = '\\x00' WHERE node = 'rows'", FindingKind::forged,
         21);
  expect("rows",
         "UPDATE ringfence.audit_link_run SET links = substring(links FROM 1 FOR 32) || "
         "substring(links FROM 1 FOR 32)" +
             run + "= 10",
         FindingKind::reordered, 10);
  query("DELETE FROM ringfence.audit_row WHERE node = 'tamper2'");
  CHECK_MESSAGE(verify("rows").is_good(), verify("rows").text());
}

TEST_CASE("rows and records of nodes that no list names are found, also those of the empty name") {
  write_rows("named", 3);
  CHECK_MESSAGE(verify("").is_good(), verify("").text());
  query(
      "CREATE TABLE keep_one AS SELECT * FROM ringfence.audit_row WHERE node = 'named' AND chain_no = 2; "
      "UPDATE keep_one SET node = ''; INSERT INTO ringfence.audit_row SELECT * FROM keep_one");
  VerifyReport rows = verify("");
  CHECK(!rows.is_good());
  CHECK_MESSAGE(rows.nodes.front().node.empty(), rows.text());
  query("DELETE FROM ringfence.audit_row WHERE node = ''; DROP TABLE keep_one");
  query("INSERT INTO ringfence.audit_link_run VALUES ('', 1, decode(repeat('33', 64), 'hex'))");
  CHECK(!verify("").is_good());
  query("DELETE FROM ringfence.audit_link_run WHERE node = ''");
  query(
      "INSERT INTO ringfence.audit_retention VALUES ('ghost', 1, 3, 3, 'p', now(), 'ghost', 'ffff', "
      "'\\x00')");
  CHECK(!verify("").is_good());
  query("DELETE FROM ringfence.audit_retention WHERE node = 'ghost'");
  CHECK_MESSAGE(verify("").is_good(), verify("").text());
}

TEST_CASE("rows that expired are covered by a signed record, and by nothing else") {
  write_rows("expired", 5);
  // As if the partition were old: its rows move to one that ends long ago.
  query(
      "CREATE TABLE ringfence.audit_event_c1_20200101 PARTITION OF ringfence.audit_event_c1 FOR VALUES FROM "
      "('2020-01-01 00:00+00') TO ('2020-01-02 00:00+00')");
  TempDir dir;
  TrailOptions options = trail_options(dir, "expired2");
  options.retention_days = 30;
  query("INSERT INTO ringfence.audit_event_c1_20200101 SELECT * FROM ringfence.audit_row WHERE false");
  auto trail = open_trail(options);
  trail->start();
  CHECK(eventually(
      [] { return query("SELECT to_regclass('ringfence.audit_event_c1_20200101') IS NULL") == "t"; }));
  CHECK(trail->stop(10'000));
  query("DELETE FROM ringfence.audit_row WHERE node = 'expired' AND chain_no <= 3");
  CHECK(verify("expired").nodes.front().findings.front().kind == FindingKind::missing);
  query(
      "INSERT INTO ringfence.audit_retention VALUES ('expired', 1, 3, 3, 'p', now(), 'expired', 'ffff', "
      "'\\x00')");
  CHECK(verify("expired").nodes.front().findings.front().kind == FindingKind::forged);
}

namespace {

crypto::Ed25519KeyPair key_in(const TempDir& dir) {
  auto identity = state_identity(dir.path);
  REQUIRE(identity);
  return identity->key;
}

// Two lives, so that there is an anchor before the last.
uint64_t write_lives(const TempDir& dir, const std::string& node, int count) {
  for (int life = 0; life < 2; ++life) {
    auto trail = open_trail(trail_options(dir, node));
    trail->start();
    for (int i = 0; i < count; ++i) put_outcome(trail->journal(0), put_start(trail->journal(0), "select 1"));
    REQUIRE(trail->stop(20'000));
  }
  return std::stoull(query("SELECT max(chain_no) FROM ringfence.audit_row WHERE node = '" + node + "'"));
}

RetentionOutcome drop(const std::string& node, const crypto::Ed25519KeyPair& key, uint64_t now_us) {
  auto owner = store::Connection::open(cluster().store.owner_dsn(), "retention");
  REQUIRE(owner);
  RetentionOptions options;
  options.node = node;
  options.days = 30;
  options.now_us = now_us;
  auto outcome = drop_expired(**owner, key, options);
  REQUIRE_MESSAGE(outcome, outcome.error().message);
  return std::move(*outcome);
}

// A record as earlier versions signed it, without looking at the rows.
void sign_unseen(const std::string& node, const crypto::Ed25519KeyPair& key, uint64_t first, uint64_t last,
                 uint64_t count, const std::string& partition) {
  uint64_t now = wall_us();
  auto signature =
      crypto::ed25519_sign(key.private_key, retention_message(node, first, last, count, partition, now));
  REQUIRE(signature);
  auto owner = store::Connection::open(cluster().store.owner_dsn(), "retention");
  REQUIRE(owner);
  auto done = (*owner)->exec_params(
      "INSERT INTO ringfence.audit_retention VALUES ($1, $2::bigint, $3::bigint, $4::bigint, $5, "
      "$6::timestamptz, $1, "
      "$7, $8::bytea)",
      {node, std::to_string(first), std::to_string(last), std::to_string(count), partition, rfc3339(now),
       key_id_of(crypto::view_of(key.public_key)), store::Param::bytes(crypto::view_of(*signature))});
  REQUIRE_MESSAGE(done, done.error().message);
}

std::string today() { return query("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')"); }
const std::string old_partition = "ringfence.audit_event_c1_20200101";
void make_old_partition() {
  query("CREATE TABLE " + old_partition +
        " PARTITION OF ringfence.audit_event_c1 FOR VALUES FROM "
        "('2020-01-01 00:00+00') TO ('2020-01-02 00:00+00')");
}
// A row of the node as a store's owner would make one up: another day's, whatever else it says.
void make_up_rows(const std::string& node, const std::string& which) {
  query("CREATE TABLE made_up AS SELECT * FROM ringfence.audit_row WHERE node = '" + node +
        "' AND chain_no " + which + "; UPDATE made_up SET recorded_at = '2020-01-01 12:00+00'; INSERT INTO " +
        old_partition + " SELECT * FROM made_up; DROP TABLE made_up");
}

}  // namespace

TEST_CASE("made-up rows of an old day do not make the appliance sign for the chain between them") {
  TempDir dir;
  uint64_t head = write_lives(dir, "covered", 10);
  for (const std::string& which : {"IN (1, " + std::to_string(head) + ")", std::string("> 0")}) {
    CAPTURE(which);
    make_old_partition();
    make_up_rows("covered", which);
    TrailOptions options = trail_options(dir, "covered");
    options.retention_days = 30;
    // Made up while nobody writes, they are refused; who accepts the store has them kept all the same.
    auto refused = Trail::open(options);
    REQUIRE(!refused);
    const std::string& said = refused.error().message;
    REQUIRE(accept_store(dir.path, said.substr(said.find("--accept-store ") + 15, 12)));
    auto trail = open_trail(options);
    trail->start();
    CHECK(eventually([&] { return trail->status().writer.retention_refused == 1; }));
    REQUIRE(trail->stop(20'000));
    CHECK(query("SELECT count(*) FROM ringfence.audit_retention WHERE node = 'covered'") == "0");
    CHECK(query("SELECT to_regclass('" + old_partition + "') IS NOT NULL") == "t");
    query("DROP TABLE " + old_partition);
  }
  CHECK(query("SELECT severity, entity_id, count(*) FROM ringfence.audit_row WHERE node = 'covered' AND "
              "action = 'trail_retention_refused' GROUP BY 1, 2") == "CRITICAL|audit_event_c1_20200101|2");
  CHECK_MESSAGE(verify("covered").is_good(), verify("covered").text());
  query("DELETE FROM ringfence.audit_row WHERE node = 'covered' AND chain_no <= " + std::to_string(head));
  CHECK(verify("covered").nodes.front().findings_count >= head);
  CHECK(verify("covered").nodes.front().findings.front().kind == FindingKind::missing);
}

TEST_CASE("a partition of today under an old name is not signed for") {
  TempDir dir;
  write_lives(dir, "renamed", 5);
  std::string day = today();
  query("ALTER TABLE ringfence.audit_event_c1_" + day + " RENAME TO audit_event_c1_20200102");
  RetentionOutcome outcome = drop("renamed", key_in(dir), wall_us());
  query("ALTER TABLE ringfence.audit_event_c1_20200102 RENAME TO audit_event_c1_" + day);
  REQUIRE(outcome.refused.size() == 1);
  CHECK(outcome.dropped == 0);
  CHECK(outcome.refused.front().why.find("day of the partition") != std::string::npos);
  CHECK(query("SELECT count(*) FROM ringfence.audit_retention WHERE node = 'renamed'") == "0");
}

TEST_CASE("rows whose links were exchanged for others are not signed for") {
  TempDir dir;
  uint64_t head = write_lives(dir, "relinked", 5);
  query(
      "UPDATE ringfence.audit_link_run SET links = overlay(links PLACING '\\x00' FROM 1) WHERE node = "
      "'relinked' AND "
      "first_chain_no = 1");
  RetentionOutcome outcome = drop("relinked", key_in(dir), wall_us() + 40 * day_us);
  CHECK(head == 10);
  REQUIRE(outcome.refused.size() == 1);
  CHECK(outcome.refused.front().why.find("chain_no 1 ") != std::string::npos);
  query("DELETE FROM ringfence.audit_row WHERE node = 'relinked'");
}

TEST_CASE("a partition of several nodes goes when each has signed for its rows, and their chains verify") {
  TempDir one;
  TempDir other;
  uint64_t head = write_lives(one, "shared1", 5);
  write_lives(other, "shared2", 7);
  query("DELETE FROM ringfence.audit_row WHERE node NOT IN ('shared1', 'shared2')");
  uint64_t later = wall_us() + 40 * day_us;
  for (int turn = 0; turn < 2; ++turn) {
    RetentionOutcome outcome = drop("shared1", key_in(one), later);
    REQUIRE(outcome.waiting.size() == 1);
    CHECK(outcome.waiting.front().why == "shared2");
    CHECK(outcome.refused.empty());
  }
  CHECK_MESSAGE(verify("shared1").is_good(), verify("shared1").text());
  CHECK(drop("shared2", key_in(other), later).dropped >= 1);
  CHECK(query("SELECT count(*) FROM ringfence.audit_row") == "0");
  for (const char* node : {"shared1", "shared2"}) {
    VerifyReport report = verify(node);
    CHECK_MESSAGE(report.is_good(), report.text());
    CHECK(report.nodes.front().expired >= head);
    CHECK(report.nodes.front().rows == 0);
  }
}

TEST_CASE("records of earlier versions hold where their numbers and times are possible, and only there") {
  TempDir dir;
  uint64_t head = write_lives(dir, "earlier", 5);
  crypto::Ed25519KeyPair key = key_in(dir);
  query("DELETE FROM ringfence.audit_row WHERE node = 'earlier'");
  auto first_finding = [] {
    VerifyReport report = verify("earlier");
    query("DELETE FROM ringfence.audit_retention WHERE node = 'earlier'");
    REQUIRE(report.nodes.front().findings_count > 0);
    return report.nodes.front().findings.front().text;
  };
  CHECK(first_finding().find("no signed retention record") != std::string::npos);
  sign_unseen("earlier", key, 1, head, 2, "audit_event_c1_20200101");
  CHECK(first_finding().find("counts 2 rows") != std::string::npos);
  sign_unseen("earlier", key, 1, head, head, "audit_event_c1_20200101");
  CHECK(first_finding().find("written after the anchor") != std::string::npos);
  sign_unseen("earlier", key, 1, head, head, "audit_event_c1_99990101");
  CHECK(first_finding().find("older than the rows") != std::string::npos);
  sign_unseen("earlier", key, 1, head, head,
              "audit_event_c1_" + query("SELECT to_char(now() AT TIME ZONE 'UTC' - "
                                        "interval '1 day', 'YYYYMMDD')"));
  CHECK_MESSAGE(verify("earlier").is_good(), verify("earlier").text());
  CHECK(verify("earlier").nodes.front().expired == head);
  sign_unseen("earlier", key, 3, 4, 2, "audit_event_c1_20200103");
  CHECK(first_finding().find("overlaps") != std::string::npos);
}

namespace {

// What a store's owner can do without the key: other rows from `from` on, with leaves, hashes and links that
// fit.
void rewrite(const std::string& node, uint64_t from, const std::string& change) {
  std::string of = " WHERE node = '" + node + "'";
  query("UPDATE ringfence.audit_row SET " + change + of + " AND chain_no >= " + std::to_string(from));
  auto owner = store::Connection::open(cluster().store.owner_dsn(), "rewrite");
  REQUIRE(owner);
  std::string links;
  crypto::Sha256 sha;
  crypto::Digest previous{};
  StoredRow row;
  std::string updates;
  auto literal = [](const crypto::Digest& digest) {
    std::string out = "'\\x";
    for (uint8_t byte : digest) {
      char hex[3];
      std::snprintf(hex, sizeof hex, "%02x", byte);
      out += hex;
    }
    return out + "'";
  };
  std::string head;
  auto read = (*owner)->stream(
      "SELECT " + StoredRow::columns() + " FROM ringfence.audit_row" + of + " ORDER BY chain_no", {},
      [&](store::Rows& rows) {
        row.read(rows, sha);
        previous = chain_hash(sha, previous, row.leaf);
        head = literal(previous);
        std::string no = std::to_string(row.place.chain_no);
        updates += "UPDATE ringfence.audit_row SET leaf = " + literal(row.leaf) + ", hash = " + head + of +
                   " AND chain_no = " + no + ";";
        updates += "INSERT INTO ringfence.audit_link_run VALUES ('" + node + "', " + no + ", " +
                   literal(row.leaf) + "::bytea || " + head + "::bytea);";
        return true;
      });
  REQUIRE(read);
  query("DELETE FROM ringfence.audit_link_run" + of + ";" + updates +
        "UPDATE ringfence.audit_checkpoint SET hash = " + head + of + " AND shard = 65535");
}

void sign_anchor(const std::string& node, const crypto::Ed25519KeyPair& key, uint64_t chain_no) {
  auto owner = store::Connection::open(cluster().store.owner_dsn(), "anchor");
  REQUIRE(owner);
  uint64_t now = wall_us();
  std::vector<StoredLink> link;
  REQUIRE(read_links(**owner, node, chain_no, chain_no, link, [](uint64_t, bool) {}));
  REQUIRE(link.size() == 1);
  auto signature = crypto::ed25519_sign(
      key.private_key, anchor_message(node, chain_no, crypto::view_of(link.front().hash), now));
  REQUIRE(signature);
  auto done = (*owner)->exec_params(
      "INSERT INTO ringfence.audit_anchor VALUES ($1, $2::bigint, $3::bytea, $4::timestamptz, $5, $6::bytea)",
      {node, std::to_string(chain_no), store::Param::bytes(crypto::view_of(link.front().hash)), rfc3339(now),
       key_id_of(crypto::view_of(key.public_key)), store::Param::bytes(crypto::view_of(*signature))});
  REQUIRE_MESSAGE(done, done.error().message);
}

}  // namespace

TEST_CASE("a tail that was written anew without its anchors is found, and so is a chain without any") {
  TempDir dir;
  uint64_t head = write_lives(dir, "unsigned", 10);
  REQUIRE(head == 20);
  // The first life's anchor stays.
  query("DELETE FROM ringfence.audit_anchor WHERE node = 'unsigned' AND chain_no > 10");
  rewrite("unsigned", 12, "statement = 'SELECT 2'");
  VerifyReport report = verify("unsigned");
  CHECK(report.nodes.front().anchored_to == 10);
  CHECK(report.nodes.front().unsigned_rows == 10);
  CHECK(report.text().find("not signed: the last signature reaches row 10, the 10 rows") !=
        std::string::npos);
  CHECK(report.json().find("\"signed_to\":10,\"unsigned_rows\":10,\"keys\":\"store\"") != std::string::npos);
  // Rows of a minute may wait for their signature; those of three may not.
  CHECK_MESSAGE(report.is_good(), report.text());
  rewrite("unsigned", 15, "recorded_at = recorded_at + interval '3 min'");
  report = verify("unsigned");
  REQUIRE(report.nodes.front().findings_count == 1);
  CHECK(report.nodes.front().findings.front().kind == FindingKind::uncovered);
  CHECK(report.nodes.front().findings.front().chain_no == 11);
  CHECK(!verify("unsigned", 16).is_good());
  CHECK_MESSAGE(verify("unsigned", 1, 15).is_good(), verify("unsigned", 1, 15).text());
  VerifyOptions slow;
  slow.node = "unsigned";
  slow.anchor_ms = 600'000;
  CHECK(verify_with(slow).is_good());
  query("DELETE FROM ringfence.audit_anchor WHERE node = 'unsigned'");
  report = verify_with(slow);
  REQUIRE(report.nodes.front().findings_count == 1);
  CHECK(report.nodes.front().findings.front().kind == FindingKind::uncovered);
  CHECK(report.nodes.front().unsigned_rows == 20);
}

TEST_CASE("a key that somebody added to the store signs nothing where the node's own is known") {
  TempDir dir;
  write_lives(dir, "pinned", 5);
  auto foreign = crypto::ed25519_generate();
  REQUIRE(foreign);
  VerifyOptions options;
  options.node = "pinned";
  auto own = read_public_key(dir.path);
  REQUIRE(own);
  options.public_keys = {*own};
  CHECK_MESSAGE(verify_with(options).is_good(), verify_with(options).text());
  CHECK(verify_with(options).nodes.front().is_pinned);
  query("DELETE FROM ringfence.audit_anchor WHERE node = 'pinned' AND chain_no > 5");
  rewrite("pinned", 7, "statement = 'SELECT 2'");
  auto owner = store::Connection::open(cluster().store.owner_dsn(), "key");
  REQUIRE(owner);
  REQUIRE((*owner)->exec_params("INSERT INTO ringfence.audit_node VALUES ('pinned', $1, $2::bytea)",
                                {key_id_of(crypto::view_of(foreign->public_key)),
                                 store::Param::bytes(crypto::view_of(foreign->public_key))}));
  sign_anchor("pinned", *foreign, 10);
  CHECK(verify("pinned").is_good());  // By the store's own list of keys.
  VerifyReport report = verify_with(options);
  REQUIRE(report.nodes.front().findings_count == 1);
  CHECK(report.nodes.front().findings.front().kind == FindingKind::forged);
  CHECK(report.nodes.front().findings.front().chain_no == 10);
  CHECK(report.nodes.front().anchored_to == 5);
  // Another node's key is not this one's to believe or not.
  options.pinned_node = "another";
  CHECK(verify_with(options).is_good());
  // A former state directory's anchors stand before those of the one that was given: no findings.
  options.pinned_node.clear();
  options.public_keys = {std::string(crypto::view_of(foreign->public_key))};
  report = verify_with(options);
  CHECK_MESSAGE(report.is_good(), report.text());
  CHECK(report.nodes.front().anchors == 1);
}

TEST_CASE("what a killed life left unsigned is signed by the next one before it writes") {
  TempDir dir;
  TrailOptions options = trail_options(dir, "left");
  options.anchor_ms = 3'600'000;
  auto trail = open_trail(options);
  trail->start();
  for (int i = 0; i < 5; ++i) {
    put_outcome(trail->journal(0), put_start(trail->journal(0), "select 1"));
    CHECK(eventually([&] { return trail->status().writer.chain_no == static_cast<uint64_t>(i) + 1; }));
  }
  trail->abandon();
  trail.reset();
  uint64_t signed_to = verify("left").nodes.front().anchored_to;
  CHECK(signed_to >= 1);
  CHECK(signed_to < 5);
  trail = open_trail(options);
  trail->start();
  CHECK(eventually(
      [] { return query("SELECT max(chain_no) FROM ringfence.audit_anchor WHERE node = 'left'") == "5"; }));
  trail->abandon();
  CHECK(verify("left").nodes.front().unsigned_rows == 0);
}

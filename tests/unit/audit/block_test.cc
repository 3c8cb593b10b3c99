// Rows in blocks: they are what rows of their own are, and nothing of a block can be changed unseen.
#include "ringfence/audit/verify.h"
#include "store_fixture.h"

using namespace ringfence;
using namespace ringfence::audit;
using namespace ringfence::audit::testing;

namespace {

constexpr int rows_in_block = 40;

// Texts that come once and texts that come again, two sessions, fields that few rows have.
void write_block(const std::string& node, uint32_t block_rows) {
  TempDir dir;
  TrailOptions options = trail_options(dir, node);
  options.block_rows = block_rows;
  options.batch_ms = 1'000;
  auto trail = open_trail(std::move(options));
  trail->start();
  for (int i = 0; i < rows_in_block - 2; ++i) {
    const std::string text = i % 4 == 0 ? "SELECT " + std::to_string(i) : "SELECT $1";
    const uint64_t seq = put_start(trail->journal(0), text, Uuid{{static_cast<uint8_t>(1 + i % 2)}});
    put_outcome(trail->journal(0), seq, i % 7 == 3 ? "failure" : "success", i);
  }
  EventBuilder event(Category::authorization, "policy_changed", Severity::warning, Outcome::denied);
  event.ts(wall_us()).text(Tag::entity_type, "policy").text(Tag::entity_id, "42");
  event.text(Tag::changes, "{\"a\":[1,\"\xc3\xa4\"]}")
      .text(Tag::parameters, "[\"x\\n\",null,{\"base64\":\"AA==\"}]");
  event.text(Tag::reason, "no reason").boolean(Tag::statement_truncated, true);
  event.bytes(Tag::statement_raw, ByteView("\0\xff", 2)).publish(trail->journal(0));
  EventBuilder bare(Category::system, "bare", Severity::info, Outcome::success);
  bare.publish(trail->journal(0));
  const bool is_stored = trail->stop(20'000);
  REQUIRE_MESSAGE(is_stored, trail->status().writer.reason);
}

VerifyReport verify_node(const std::string& node) {
  auto connection = store::Connection::open(cluster().store.owner_dsn(), "verify");
  REQUIRE(connection);
  VerifyOptions options;
  options.node = node;
  auto report = verify_chain(**connection, options);
  REQUIRE_MESSAGE(report, report.error().message);
  return std::move(*report);
}

std::string of_node(const std::string& node) { return " WHERE node = '" + node + "'"; }

// Applies the change, expects findings, the first of them at `chain_no` where that is not 0, and takes it
// back.
void expect_found(const std::string& node, const std::string& sql, uint64_t chain_no = 0) {
  CAPTURE(sql);
  query("DROP TABLE IF EXISTS keep_block; CREATE TABLE keep_block AS SELECT * FROM ringfence.audit_block" +
        of_node(node));
  query(sql);
  const VerifyReport report = verify_node(node);
  CHECK_MESSAGE(!report.is_good(), report.text());
  if (chain_no != 0 && !report.is_good())
    CHECK_MESSAGE(report.nodes.front().findings.front().chain_no == chain_no, report.text());
  query("DELETE FROM ringfence.audit_block WHERE node = '" + node +
        "' OR node = 'elsewhere'; INSERT INTO ringfence.audit_block SELECT * FROM keep_block");
}

// Other tests look at all rows of the store.
void forget(const std::string& node) {
  for (const char* table :
       {"audit_block", "audit_row", "audit_link_run", "audit_anchor", "audit_checkpoint", "audit_node"})
    query("DELETE FROM ringfence." + std::string(table) + of_node(node));
}

}  // namespace

TEST_CASE("rows of a block are shown as rows of their own are") {
  write_block("in_blocks", 2);
  write_block("by_themselves", 0);
  CHECK(query("SELECT count(*), sum(row_count) FROM ringfence.audit_block" + of_node("in_blocks")) == "1|40");
  CHECK(query("SELECT count(*) FROM ringfence.audit_block" + of_node("by_themselves")) == "0");
  CHECK(query("SELECT count(*) FROM ringfence.audit_row" + of_node("by_themselves") +
              " AND action <> 'trail_started'") == "40");
  for (const char* view : {"audit_event", "audit_query"}) {
    auto columns = store::Connection::open(cluster().store.owner_dsn(), "test");
    REQUIRE(columns);
    auto names = (*columns)->exec("SELECT attname FROM pg_attribute WHERE attrelid = 'ringfence." +
                                  std::string(view) + "'::regclass AND attnum > 0");
    REQUIRE(names);
    CHECK(names->size() > 50);
    for (int i = 0; i < names->size(); ++i) {
      const std::string name = names->text(i, 0);
      // What differs between any two trails.
      if (name == "id" || name == "ts" || name == "node" || name == "recorded_at" || name == "leaf" ||
          name == "hash") {
        continue;
      }
      auto values = [&](const char* node) {
        return query("SELECT string_agg(coalesce(" + name +
                     "::text, 'null'), ',' ORDER BY seq) FROM ringfence." + view + of_node(node) +
                     " AND action <> 'trail_started'");
      };
      CAPTURE(name);
      CHECK(values("in_blocks") == values("by_themselves"));
    }
  }
  // Each with the link that the chain has.
  CHECK(
      query(
          "SELECT count(*), count(DISTINCT leaf) FROM ringfence.audit_event JOIN ringfence.audit_link USING "
          "(node, chain_no, leaf, hash)" +
          of_node("in_blocks")) ==
      query("SELECT count(*), count(*) FROM ringfence.audit_event" + of_node("in_blocks")));
  CHECK_MESSAGE(verify_node("in_blocks").is_good(), verify_node("in_blocks").text());
  CHECK_MESSAGE(verify_node("by_themselves").is_good(), verify_node("by_themselves").text());
  forget("in_blocks");
  forget("by_themselves");
}

TEST_CASE("any change of what a block holds is found") {
  write_block("block_blocks", 2);
  REQUIRE(verify_node("block_blocks").is_good());
  const std::string update = "UPDATE ringfence.audit_block SET ";
  auto rows = [&] {
    auto connection = store::Connection::open(cluster().store.owner_dsn(), "test");
    REQUIRE(connection);
    auto found = (*connection)
                     ->exec(
                         "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = "
                         "'ringfence.audit_block'::regclass AND attnum > 0 AND NOT attisdropped");
    REQUIRE(found);
    return *found;
  }();
  CHECK(rows.size() > 70);
  for (int i = 0; i < rows.size(); ++i) {
    const std::string name = rows.text(i, 0);
    const std::string type = rows.text(i, 1);
    if (name == "node" || name == "retention_class") continue;  // Other partitions would be needed.
    std::string one = name;
    if (type.ends_with("[]")) one += "[1]";
    std::string value;
    if (type.starts_with("text")) value = "coalesce(" + one + ", '') || 'x'";
    else if (type.starts_with("smallint")) value = one + " % 2 + 1";
    else if (type.starts_with("bigint") || type == "integer") value = "coalesce(" + one + ", 0) + 1";
    else if (type.starts_with("timestamp")) value = one + " + interval '1 microsecond'";
    else if (type.starts_with("uuid")) value = "'00000000-0000-7000-8000-000000000009'";
    else if (type.starts_with("boolean")) value = "NOT coalesce(" + one + ", false)";
    else if (type.starts_with("jsonb")) value = "'{\"other\":1}'";
    else if (type == "bytea") value = "set_byte(" + one + ", 0, 255 - get_byte(" + one + ", 0))";
    else value = "'\\x00'";
    expect_found("block_blocks", update + one + " = " + value + of_node("block_blocks"));
    // Another element than there was, and none.
    if (!type.ends_with("[]")) continue;
    const bool may_be_null = name != "keys" && name != "sessions" && name != "r_s" && name != "r_k";
    const std::string has = of_node("block_blocks") + " AND " + name + " IS NOT NULL";
    if (query("SELECT count(*) FROM ringfence.audit_block" + has) == "0") continue;
    if (may_be_null) expect_found("block_blocks", update + name + " = NULL" + has);
    expect_found("block_blocks", update + name + " = " + name + " || " + name + "[1:1]" + has);
    expect_found("block_blocks", update + name + " = " + name + "[2:]" + has);
  }
  forget("block_blocks");
}

TEST_CASE("the row of a block that was changed is named") {
  write_block("block_named", 2);
  const std::string of = of_node("block_named");
  const auto first = std::stoull(query("SELECT first_chain_no FROM ringfence.audit_block" + of));
  const std::string update = "UPDATE ringfence.audit_block SET ";
  expect_found("block_named", update + "r_statement[5] = 'SELECT 5'" + of, first + 4);
  expect_found("block_named", update + "r_rows[17] = 1000" + of, first + 16);
  expect_found("block_named", update + "r_s[9] = r_s[10]" + of, first + 8);
  // A shared text is that of the first row that refers to it.
  expect_found("block_named",
               update + "k_statement = array_replace(k_statement, 'SELECT $1', 'SELECT $2')" + of, first + 1);
  expect_found("block_named", update + "s_user_name = ARRAY['alice', 'bob', NULL]" + of, first);
  // Two rows exchanged, in all that they have of their own.
  expect_found(
      "block_named",
      update +
          "r_rows[3] = r_rows[5], r_rows[5] = r_rows[3], r_id[3] = r_id[5], r_id[5] = r_id[3], r_ts[3] = "
          "r_ts[5], r_ts[5] = r_ts[3], r_seq[3] = r_seq[5], r_seq[5] = r_seq[3], r_outcome_seq[3] = "
          "r_outcome_seq[5], r_outcome_seq[5] = r_outcome_seq[3]" +
          of,
      first + 2);
  // A text that goes over into its salt.
  expect_found(
      "block_named",
      update +
          "r_statement[1] = substring(r_statement[1] FROM 4), r_text_salts = substring(r_text_salts FROM 1 "
          "FOR 16) || convert_to('SEL', 'UTF8') || substring(r_text_salts FROM 17)" +
          of);
  expect_found("block_named", "DELETE FROM ringfence.audit_block" + of, first);
  expect_found("block_named", "INSERT INTO ringfence.audit_block SELECT * FROM ringfence.audit_block" + of,
               first);
  expect_found("block_named", update + "node = 'elsewhere'" + of, first);
  expect_found("block_named", update + "first_chain_no = first_chain_no + 100" + of, first);
  expect_found("block_named", update + "row_count = 2000000000" + of);
  expect_found("block_named", update + "first_chain_no = 9223372036854775000" + of);
  expect_found("block_named", update + "first_chain_no = -5" + of);
  // Blocks that say that they end before they begin, or before the page on which they would be read.
  for (const char* count : {"0", "-1", "-2147483648"})
    expect_found("block_named", update + "row_count = " + std::string(count) + of);
  // Arrays of nothing, which take no room in the store.
  expect_found("block_named", update + "r_reason = array_fill(NULL::text, ARRAY[100000])" + of, first);
  expect_found("block_named", update + "r_reason = array_fill(NULL::text, ARRAY[2, 20])" + of, first);
  expect_found("block_named", update + "r_reason = array_fill(NULL::text, ARRAY[40], ARRAY[0])" + of, first);
  CHECK_MESSAGE(verify_node("block_named").is_good(), verify_node("block_named").text());
  forget("block_named");
}

TEST_CASE("a block that the chain does not know is not shown") {
  write_block("block_beside", 2);
  query("INSERT INTO ringfence.audit_block SELECT * FROM ringfence.audit_block" + of_node("block_beside") +
        "; UPDATE ringfence.audit_block SET node = 'nobody' WHERE ctid = (SELECT max(ctid) FROM "
        "ringfence.audit_block" +
        of_node("block_beside") + ")");
  CHECK(query("SELECT count(*) FROM ringfence.audit_event" + of_node("nobody")) == "0");
  CHECK(query("SELECT count(*) FROM ringfence.audit_query" + of_node("nobody")) == "0");
  CHECK(query("SELECT count(*) FROM ringfence.audit_query" + of_node("block_beside")) == "38");
  forget("nobody");
  forget("block_beside");
}

TEST_CASE("rows of a block that the store refuses are stored as rows of their own") {
  (void)cluster();
  query("ALTER TABLE ringfence.audit_block ADD CONSTRAINT few CHECK (row_count < 3)");
  write_block("block_refused", 2);
  query("ALTER TABLE ringfence.audit_block DROP CONSTRAINT few");
  CHECK(query("SELECT count(*) FROM ringfence.audit_block" + of_node("block_refused")) == "0");
  CHECK(query("SELECT count(*) FROM ringfence.audit_row" + of_node("block_refused") +
              " AND statement_raw IS NULL") == "39");
  CHECK_MESSAGE(verify_node("block_refused").is_good(), verify_node("block_refused").text());
  forget("block_refused");
}

TEST_CASE("an outcome that came late is not hidden in a block") {
  TempDir dir;
  auto trail = open_trail(trail_options(dir, "block_late"));
  trail->start();
  const uint64_t seq = put_start(trail->journal(0), "SELECT pg_sleep(1)");
  REQUIRE(eventually([] {
    return query("SELECT count(*) FROM ringfence.audit_row" + of_node("block_late") +
                 " AND outcome = 'running'") == "1";
  }));
  put_outcome(trail->journal(0), seq, "failure", 7);
  REQUIRE(trail->stop(20'000));
  CHECK(query("SELECT outcome, rows FROM ringfence.audit_query" + of_node("block_late")) == "failure|7");
  REQUIRE(verify_node("block_late").is_good());
  // The same row with its salts, as a block of one.
  auto connection = store::Connection::open(cluster().store.owner_dsn(), "test");
  REQUIRE(connection);
  auto columns =
      (*connection)
          ->exec(
              "SELECT attname FROM pg_attribute WHERE attrelid = 'ringfence.audit_block'::regclass AND "
              "attnum > 0 AND attname ~ '^[skr]_' AND attname NOT IN ('r_s', 'r_k', 's_salts', "
              "'k_text_salts', 'r_text_salts', 'k_statement')");
  REQUIRE(columns);
  std::string names;
  std::string values;
  for (int i = 0; i < columns->size(); ++i) {
    const std::string name = columns->text(i, 0);
    names += ", " + name;
    values += ", CASE WHEN " + name.substr(2) + " IS NOT NULL THEN ARRAY[" + name.substr(2) + "] END";
  }
  const std::string row = of_node("block_late") + " AND action = 'postgres_query_outcome'";
  query(
      "INSERT INTO ringfence.audit_block (node, first_chain_no, row_count, recorded_at, hash_version, "
      "retention_class, "
      "last_hash, first_ts, last_ts, first_id, last_id, keys, sessions, row_salts, s_salts, r_s, r_k" +
      names +
      ") SELECT node, chain_no, 1, recorded_at, hash_version, retention_class, hash, ts, ts, id, id, "
      "'{client:10.1.2.3,category:audit}', ARRAY[session_id], substring(salts FROM 1 FOR 16), "
      "substring(salts FROM 17 FOR 16), "
      "'{1}', '{1}'" +
      values + " FROM ringfence.audit_row" + row + "; DELETE FROM ringfence.audit_row" + row);
  CHECK(query("SELECT outcome FROM ringfence.audit_query" + of_node("block_late")) == "running");
  const VerifyReport report = verify_node("block_late");
  CHECK_FALSE(report.is_good());
  CHECK_MESSAGE(report.text().find("an outcome that came late stands in it") != std::string::npos,
                report.text());
  forget("block_late");
}

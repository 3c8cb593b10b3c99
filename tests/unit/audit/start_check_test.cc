// What the store's owner does to a trail while its appliance is not running, and what a kill leaves.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "audit/acceptance.h"
#include "audit/anchor_chain.h"
#include "audit/head_file.h"
#include "audit/seal.h"
#include "audit/start_check.h"
#include "audit/state_identity.h"
#include "ringfence/audit/verify.h"
#include "ringfence/base/hex.h"
#include "ringfence/base/state_file.h"
#include "store_fixture.h"

using namespace ringfence;
using namespace ringfence::audit;
using namespace ringfence::audit::testing;

namespace {

// Rows, and an open start that its life left behind: both forms of it.
void write_life(const TempDir& dir, const std::string& node, int count, bool is_killed = false) {
  auto trail = open_trail(trail_options(dir, node));
  trail->start();
  for (int i = 0; i < count; ++i)
    put_outcome(trail->journal(0), put_start(trail->journal(0), "select " + std::to_string(i)));
  if (!is_killed) {
    REQUIRE(trail->stop(20'000));
    return;
  }
  put_start(trail->journal(1), "left open");
  CHECK(eventually([&] {
    return query("SELECT count(*) FROM ringfence.audit_row WHERE node = '" + node +
                 "' AND outcome = 'running'") == "1";
  }));
  trail->abandon();
}

// Why the appliance does not start; empty: it does.
std::string refusal(const TempDir& dir, const std::string& node) {
  auto trail = Trail::open(trail_options(dir, node));
  if (trail) return {};
  CHECK(trail.error().fault == Fault::denied);
  return trail.error().message;
}

std::string code_in(const std::string& said) {
  size_t at = said.find("--accept-store ");
  return at == std::string::npos ? std::string() : said.substr(at + 15, 12);
}

std::string of(const std::string& node) { return " WHERE node = '" + node + "'"; }

struct OwnKeys {
  StateIdentity identity;
  std::string seal;
};
OwnKeys keys_of(const TempDir& dir) {
  auto identity = state_identity(dir.path);
  auto seal = read_seal_key(dir.path);
  REQUIRE(identity);
  REQUIRE(seal);
  return {*identity, *seal};
}

SignedHead head_of(const TempDir& dir, const std::string& node) {
  OwnKeys keys = keys_of(dir);
  Sealer sealer(node, keys.seal, keys.identity.id);
  auto head = HeadFile(dir.path, node).read(sealer);
  REQUIRE(head);
  REQUIRE(head->has_value());
  return **head;
}

bool verifies(const std::string& node, const TempDir* dir = nullptr, std::string* said = nullptr) {
  auto connection = store::Connection::open(cluster().store.owner_dsn(), "verify");
  REQUIRE(connection);
  VerifyOptions options;
  options.node = node;
  if (dir != nullptr) {
    options.pinned_node = node;
    options.state_directory = dir->path;
    options.public_keys = {std::string(crypto::view_of(keys_of(*dir).identity.key.public_key))};
  }
  auto report = verify_chain(**connection, options);
  REQUIRE_MESSAGE(report, report.error().message);
  if (said != nullptr) *said = report->text();
  return report->is_good();
}

}  // namespace

TEST_CASE("files of the state directory are made whole, for their owner alone, and never through a link") {
  TempDir dir;
  REQUIRE(create_file(dir.path, "one", "first"));
  auto again = create_file(dir.path, "one", "second");
  REQUIRE(!again);
  CHECK(again.error().fault == Fault::conflict);
  CHECK(*read_file(dir.path, "one", 100) == "first");
  REQUIRE(replace_file(dir.path, "one", "second"));
  CHECK(*read_file(dir.path, "one", 100) == "second");
  struct stat info{};
  REQUIRE(::stat((dir.path + "/one").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  CHECK(read_file(dir.path, "one", 3).error().fault == Fault::limit);
  // A link under the temporary name, and one in the file's place.
  std::string outside = dir.path + "/outside";
  std::ofstream(outside) << "outside";
  REQUIRE(::symlink(outside.c_str(), (dir.path + "/two.new").c_str()) == 0);
  REQUIRE(replace_file(dir.path, "two", "inside"));
  CHECK(*read_file(dir.path, "two", 100) == "inside");
  ::unlink((dir.path + "/one").c_str());
  REQUIRE(::symlink(outside.c_str(), (dir.path + "/one").c_str()) == 0);
  CHECK(!read_file(dir.path, "one", 100));
  REQUIRE(replace_file(dir.path, "one", "third"));
  std::ifstream in(outside);
  std::string kept;
  std::getline(in, kept);
  CHECK(kept == "outside");
  if (::geteuid() == 0) {
    REQUIRE(::chown(dir.path.c_str(), 65534, 65534) == 0);
    REQUIRE(replace_file(dir.path, "three", "given"));
    REQUIRE(::stat((dir.path + "/three").c_str(), &info) == 0);
    CHECK(info.st_uid == 65534);
    CHECK((info.st_mode & 0777) == 0600);
  }
  REQUIRE(::chmod((dir.path + "/two").c_str(), 0644) == 0);
  CHECK(read_file(dir.path, "two", 100).error().fault == Fault::denied);
}

TEST_CASE("a seal is over every column, the node, and what is open") {
  Uuid id{{7}};
  Sealer a("node", std::string(32, 'k'), id);
  Sealer other_node("nodf", std::string(32, 'k'), id);
  Sealer other_key("node", std::string(32, 'j'), id);
  auto seal = a.start(1, 2, false, "fields");
  CHECK(a.start(1, 2, false, "fields") == seal);
  CHECK(a.is_start(crypto::view_of(seal), 1, 2, false, "fields"));
  CHECK(!a.is_start({}, 1, 2, false, "fields"));
  for (const crypto::Digest& other :
       {a.start(2, 2, false, "fields"), a.start(1, 3, false, "fields"), a.start(1, 2, true, "fields"),
        a.start(1, 2, false, "field"), other_node.start(1, 2, false, "fields"),
        other_key.start(1, 2, false, "fields"), a.mark(1, 2, false)}) {
    CHECK(other != seal);
  }
  SealedState state;
  state.head.chain_no = 5;
  state.checkpoints = {{1, 10, 3, 0}, {0, 20, 4, 1}};
  auto sealed = a.state(state);
  auto differs = [&](auto change) {
    SealedState other = state;
    change(other);
    return a.state(other) != sealed;
  };
  CHECK(differs([](SealedState& s) { s.head.chain_no = 6; }));
  CHECK(differs([](SealedState& s) { s.head.hash[31] = 1; }));
  CHECK(differs([](SealedState& s) { s.head.recorded_at = 1; }));
  CHECK(differs([](SealedState& s) { s.writer_next_seq = 2; }));
  CHECK(differs([](SealedState& s) { s.checkpoints[0].position = 11; }));
  CHECK(differs([](SealedState& s) { s.checkpoints[0].next_seq = 4; }));
  CHECK(differs([](SealedState& s) { s.checkpoints[1].told = 0; }));
  CHECK(differs([](SealedState& s) { s.checkpoints.pop_back(); }));
  CHECK(differs([&](SealedState& s) { s.open.add(a.mark(1, 2, false)); }));
  CHECK(!differs([](SealedState& s) { std::swap(s.checkpoints[0], s.checkpoints[1]); }));
  CHECK(!differs([](SealedState& s) { s.checkpoints.push_back({9, 0, 1, 0}); }));  // A journal's beginning.
  OpenSet set;
  set.add(a.mark(1, 2, false));
  set.add(a.mark(1, 3, false));
  set.remove(a.mark(1, 2, false));
  OpenSet same;
  same.add(a.mark(1, 3, false));
  CHECK(set == same);
  CHECK(Sealer("node", std::string(32, 'k'), Uuid{{8}}).state(state) != sealed);
}

TEST_CASE("the head file keeps a line for each node, and believes no other's") {
  TempDir dir;
  Sealer sealer("a", std::string(32, 'k'), Uuid{{1}});
  Sealer second("b b", std::string(32, 'k'), Uuid{{1}});
  HeadFile file(dir.path, "a");
  CHECK(!file.read(sealer)->has_value());
  SignedHead head{7, crypto::sha256("7"), 3, crypto::sha256("a3"), 2};
  REQUIRE(file.write(sealer, head));
  REQUIRE(HeadFile(dir.path, "b b").write(second, {9, crypto::sha256("9"), 0, {}, 0}));
  auto read = file.read(sealer);
  REQUIRE(read);
  REQUIRE(read->has_value());
  CHECK((*read)->chain_no == 7);
  CHECK((*read)->hash == head.hash);
  CHECK((*read)->anchor_no == 3);
  CHECK((*read)->anchor_digest == head.anchor_digest);
  CHECK((*read)->accepted_to == 2);
  CHECK((*HeadFile(dir.path, "b b").read(second))->chain_no == 9);
  Sealer foreign("a", std::string(32, 'j'), Uuid{{1}});
  CHECK(file.read(foreign).error().fault == Fault::malformed);
  auto text = read_file(dir.path, "head", 10'000);
  std::string changed = *text;
  changed[changed.find(" 7 ") + 1] = '8';
  REQUIRE(replace_file(dir.path, "head", changed));
  CHECK(file.read(sealer).error().fault == Fault::malformed);
  // Without its key the head is nothing that a new key may replace.
  CHECK(seal_key(dir.path).error().message.find("bring it back") != std::string::npos);
}

TEST_CASE("a made-up open start is not believed: no row, a critical event, and it is gone") {
  TempDir dir;
  write_life(dir, "madeup", 3, true);
  query(
      "INSERT INTO ringfence.audit_open (node, shard, seq, is_written, fields) SELECT node, 1, 77, false, "
      "fields FROM "
      "ringfence.audit_open" +
      of("madeup") +
      "; "
      "INSERT INTO ringfence.audit_open SELECT node, 70000, -5, true, fields, seal FROM "
      "ringfence.audit_open" +
      of("madeup") + " AND seq <> 77");
  std::string said;
  CHECK(!verifies("madeup", &dir, &said));
  CHECK(said.find("2 open starts that the node did not seal") != std::string::npos);
  write_life(dir, "madeup", 1);
  CHECK(query("SELECT count(*) FROM ringfence.audit_row" + of("madeup") + " AND statement = 'left open'") ==
        "1");
  CHECK(query("SELECT count(*) FROM ringfence.audit_row" + of("madeup") +
              " AND action = 'postgres_query_outcome'") == "1");
  CHECK(query("SELECT severity, entity_id, outcome FROM ringfence.audit_row" + of("madeup") +
              " AND action = 'trail_start_refused' ORDER BY entity_id") ==
        "CRITICAL|1/77|denied;CRITICAL|70000/-5|denied");
  CHECK(query("SELECT count(*) FROM ringfence.audit_open" + of("madeup")) == "0");
  CHECK_MESSAGE(verifies("madeup", &dir, &said), said);
}

TEST_CASE("what is changed, taken away or put back while nobody writes is refused at the next start") {
  TempDir dir;
  const std::string node = "stopped";
  write_life(dir, node, 30);
  write_life(dir, node, 10, true);
  const std::string open =
      "(SELECT node, shard, seq, is_written, fields, seal FROM ringfence.audit_open" + of(node) + ")";
  const char* const changes[] = {
      // Open starts.
      "DELETE FROM ringfence.audit_open@", "UPDATE ringfence.audit_open SET fields = fields || '\\x00'@",
      "UPDATE ringfence.audit_open SET is_written = NOT is_written@",
      "UPDATE ringfence.audit_open SET seq = seq + 1@", "UPDATE ringfence.audit_open SET seal = NULL@",
      // Checkpoints.
      "UPDATE ringfence.audit_checkpoint SET position = position + 8@ AND shard = 0",
      "UPDATE ringfence.audit_checkpoint SET next_seq = next_seq + 8@ AND shard = 0",
      "UPDATE ringfence.audit_checkpoint SET told = told + 8@ AND shard = 0",
      "UPDATE ringfence.audit_checkpoint SET next_seq = next_seq + 1@ AND shard = 65535",
      "UPDATE ringfence.audit_checkpoint SET hash = '\\x00'@ AND shard = 65535",
      "UPDATE ringfence.audit_checkpoint SET recorded_at = recorded_at + interval '1 us'@ AND shard = 65535",
      "UPDATE ringfence.audit_checkpoint SET seal = NULL@",
      "DELETE FROM ringfence.audit_checkpoint@ AND shard = 0", "DELETE FROM ringfence.audit_checkpoint@",
      "INSERT INTO ringfence.audit_checkpoint (node, shard, position, next_seq) VALUES ('stopped', 9, 8, 2)",
      // Rows and links of the tail.
      "DELETE FROM ringfence.audit_row@ AND chain_no > 38",
      "DELETE FROM ringfence.audit_row@ AND chain_no = 20",
      "UPDATE ringfence.audit_row SET statement = 'SELECT 2'@ AND chain_no = 35",
      "INSERT INTO ringfence.audit_row SELECT * FROM ringfence.audit_row@ AND chain_no = 35",
      "DELETE FROM ringfence.audit_link_run@ AND first_chain_no > 30",
      "DELETE FROM ringfence.audit_row@; DELETE FROM ringfence.audit_link_run@; DELETE FROM "
      "ringfence.audit_anchor@; "
      "DELETE FROM ringfence.audit_checkpoint@; DELETE FROM ringfence.audit_open@"};
  const char* const tables[] = {"audit_open", "audit_checkpoint", "audit_row", "audit_link_run",
                                "audit_anchor"};
  std::string keep;
  std::string put_back;
  for (std::string table : tables) {
    keep += "DROP TABLE IF EXISTS kept_" + table + "; CREATE TABLE kept_" + table +
            " AS SELECT * FROM ringfence." + table + of(node) + ";";
    put_back += "DELETE FROM ringfence." + table + of(node) + "; INSERT INTO ringfence." + table +
                " SELECT * FROM kept_" + table + ";";
  }
  for (std::string change : changes) {
    query(keep);
    for (size_t at; (at = change.find("@")) != std::string::npos;) change.replace(at, 1, of(node));
    CAPTURE(change);
    query(change);
    std::string said = refusal(dir, node);
    CHECK(said.find("--accept-store") != std::string::npos);
    CHECK(code_in(said).size() == 12);
    query(put_back);
  }
  CHECK(refusal(dir, node) == "");
}

TEST_CASE("an earlier state of the store is refused, whole as it is") {
  TempDir dir;
  const std::string node = "earlier_store";
  write_life(dir, node, 10);
  const char* const tables[] = {"audit_open", "audit_checkpoint", "audit_row", "audit_link_run",
                                "audit_anchor"};
  for (const char* table : tables)
    query("CREATE TABLE old_" + std::string(table) + " AS SELECT * FROM ringfence." + table + of(node));
  write_life(dir, node, 10);
  for (const char* table : tables) {
    query("DELETE FROM ringfence." + std::string(table) + of(node) + "; INSERT INTO ringfence." + table +
          " SELECT * FROM old_" + table + "; DROP TABLE old_" + table);
  }
  CHECK(verifies(node));  // The store alone does not tell.
  std::string report;
  CHECK(!verifies(node, &dir, &report));
  CHECK(report.find("the state directory signed row 20, links end at 10") != std::string::npos);
  std::string said = refusal(dir, node);
  CHECK(said.find("it ends at row 10, and row 20 was signed") != std::string::npos);
  // The wrong code changes nothing; the right one does, once, and the trail tells.
  REQUIRE(accept_store(dir.path, "0123456789ab"));
  CHECK(refusal(dir, node) == said);
  CHECK(!accept_store(dir.path, "0123"));
  CHECK(!accept_store(dir.path, "0123456789AB"));
  REQUIRE(accept_store(dir.path, code_in(said)));
  write_life(dir, node, 5);
  CHECK(query("SELECT chain_no, severity, reason, metadata->'signed'->>'chain_no', "
              "metadata->'found'->>'chain_no', metadata->>'code' FROM "
              "ringfence.audit_row" +
              of(node) + " AND action = 'trail_store_accepted'") ==
        "11|CRITICAL|it ends at row 10, and row 20 was signed|20|10|" + code_in(said));
  CHECK(!read_acceptance(dir.path)->has_value());
  CHECK(refusal(dir, node) == "");
  CHECK_MESSAGE(verifies(node, &dir, &report), report);
  // What the journals still had of the ten rows is in again, behind the event.
  CHECK(query("SELECT count(*), count(DISTINCT statement) FROM ringfence.audit_row" + of(node) +
              " AND chain_no BETWEEN 12 AND 21") == "10|10");
  CHECK(head_of(dir, node).chain_no == 26);
}

TEST_CASE("a store that was accepted goes on behind its last good link, and the next start finds nothing") {
  TempDir dir;
  const std::string node = "accepted";
  write_life(dir, node, 30);
  // The end rewritten, a row and a link far behind, a start made up.
  query("UPDATE ringfence.audit_row SET statement = 'SELECT 2'" + of(node) +
        " AND chain_no = 25; "
        "INSERT INTO ringfence.audit_row (node, shard, chain_no, recorded_at, hash_version, leaf, hash, "
        "retention_class) "
        "VALUES ('accepted', 0, 4611686018427387904, now(), 1, '', '', 1); "
        "INSERT INTO ringfence.audit_link_run VALUES ('accepted', 9223372036854775807, decode(repeat('33', "
        "64), 'hex')); "
        "INSERT INTO ringfence.audit_anchor (node, chain_no, hash, signed_at, key_id, signature) "
        "VALUES ('accepted', 9223372036854775807, '', now(), 'ffff', '')");
  std::string report;
  CHECK(!verifies(node, &dir, &report));  // And comes to an end.
  std::string said = refusal(dir, node);
  REQUIRE(accept_store(dir.path, code_in(said)));
  write_life(dir, node, 5);
  CHECK(query("SELECT chain_no, metadata->'removed'->>'rows', metadata->'removed'->>'links', "
              "metadata->'removed'->>'anchors' FROM "
              "ringfence.audit_row" +
              of(node) + " AND action = 'trail_store_accepted'") == "31|1|1|1");
  CHECK(refusal(dir, node) == "");
  // What was changed in front of it stays a finding.
  CHECK(!verifies(node, &dir, &report));
  CHECK(report.find("chain_no 25 changed") != std::string::npos);
  for (const char* table :
       {"audit_row", "audit_link_run", "audit_anchor", "audit_checkpoint", "audit_node"}) {
    query("DELETE FROM ringfence." + std::string(table) + of(node));
  }
}

TEST_CASE("a kill between the acceptance and what it does is no second question") {
  TempDir dir;
  const std::string node = "halfway";
  write_life(dir, node, 10);
  query("DELETE FROM ringfence.audit_open" + of(node) + "; UPDATE ringfence.audit_checkpoint SET told = 5" +
        of(node) + " AND shard = 0");
  std::string code = code_in(refusal(dir, node));
  // Both files are written, the transaction is not.
  Acceptance taken;
  taken.code = code;
  taken.why = "the first reason";
  taken.was = 10;
  REQUIRE(keep_acceptance(dir.path, taken));
  OwnKeys keys = keys_of(dir);
  Sealer sealer(node, keys.seal, keys.identity.id);
  SignedHead head = head_of(dir, node);
  head.accepted_to = 10;
  head.anchor_no = 0;
  REQUIRE(HeadFile(dir.path, node).write(sealer, head));
  write_life(dir, node, 1);
  CHECK(query("SELECT reason FROM ringfence.audit_row" + of(node) + " AND action = 'trail_store_accepted'") ==
        "the first reason");
  CHECK(query("SELECT told FROM ringfence.audit_checkpoint" + of(node) + " AND shard = 0") == "5");
  CHECK(refusal(dir, node) == "");
  std::string report;
  CHECK_MESSAGE(verifies(node, &dir, &report), report);
}

TEST_CASE("whatever a kill leaves between the commit, the anchor and the head file is no refusal") {
  TempDir dir;
  const std::string node = "killpoints";
  write_life(dir, node, 5);
  const std::string before = *read_file(dir.path, "head", 10'000);
  CHECK(head_of(dir, node).chain_no == 5);
  write_life(dir, node, 5);
  CHECK(head_of(dir, node).chain_no == 10);
  CHECK(head_of(dir, node).anchor_no > 1);
  // Rows and anchors committed, the head file not written: several times over.
  REQUIRE(replace_file(dir.path, "head", before));
  CHECK(refusal(dir, node) == "");
  write_life(dir, node, 5);
  CHECK(head_of(dir, node).chain_no == 15);
  // Half a temporary file.
  std::ofstream(dir.path + "/head.new") << "half";
  write_life(dir, node, 1);
  // Rows committed and sealed, not signed.
  REQUIRE(replace_file(dir.path, "head", before));
  query("DELETE FROM ringfence.audit_anchor" + of(node) + " AND chain_no > 5");
  write_life(dir, node, 1);
  CHECK(head_of(dir, node).chain_no == 17);
  std::string report;
  CHECK_MESSAGE(verifies(node, &dir, &report), report);
  // The very first batch, whose head was never kept.
  TempDir fresh;
  write_life(fresh, "first_kill", 3);
  REQUIRE(remove_file(fresh.path, "head"));
  CHECK(refusal(fresh, "first_kill") == "");
  CHECK(head_of(fresh, "first_kill").chain_no == 3);
}

TEST_CASE("each anchor signs the one before: none can be taken out of the middle") {
  TempDir dir;
  const std::string node = "anchors";
  for (int life = 0; life < 4; ++life) write_life(dir, node, 3);
  std::string report;
  CHECK_MESSAGE(verifies(node, &dir, &report), report);
  CHECK(query("SELECT count(*) >= 4 AND min(anchor_no) = 1 AND max(anchor_no) = count(*) FROM "
              "ringfence.audit_anchor" +
              of(node)) == "t");
  query("CREATE TABLE kept_anchor AS SELECT * FROM ringfence.audit_anchor" + of(node));
  for (const char* change : {"DELETE FROM ringfence.audit_anchor@ AND chain_no = 6",
                             "DELETE FROM ringfence.audit_anchor@ AND chain_no < 6",
                             "DELETE FROM ringfence.audit_anchor@ AND chain_no = 12",
                             "UPDATE ringfence.audit_anchor SET previous = '\\x00'@ AND chain_no = 9",
                             "UPDATE ringfence.audit_anchor SET anchor_no = NULL@ AND chain_no = 9"}) {
    std::string sql = change;
    sql.replace(sql.find("@"), 1, of(node));
    CAPTURE(sql);
    query(sql);
    CHECK(!verifies(node, &dir, &report));
    query("DELETE FROM ringfence.audit_anchor" + of(node) +
          "; INSERT INTO ringfence.audit_anchor SELECT * FROM kept_anchor");
  }
  query("DROP TABLE kept_anchor");
  CHECK_MESSAGE(verifies(node, &dir, &report), report);
}

TEST_CASE("a trail of a version without seals is adopted once, when it verifies") {
  TempDir dir;
  const std::string node = "upgraded";
  write_life(dir, node, 10, true);
  // As the version before left it.
  auto unseal = [&] {
    query("UPDATE ringfence.audit_open SET seal = NULL" + of(node) +
          "; UPDATE ringfence.audit_checkpoint SET seal = NULL" + of(node) +
          "; DELETE FROM ringfence.audit_anchor" + of(node));
    OwnKeys keys = keys_of(dir);
    auto head = query("SELECT chain_no, encode(hash, 'hex') FROM ringfence.audit_link" + of(node) +
                      " ORDER BY chain_no DESC LIMIT 1");
    const uint64_t chain_no = std::stoull(head);
    const std::string hash = bytes_of_hex(head.substr(head.find('|') + 1));
    const uint64_t now = wall_us();
    auto signature =
        crypto::ed25519_sign(keys.identity.key.private_key, anchor_message(node, chain_no, hash, now));
    REQUIRE(signature);
    auto owner = store::Connection::open(cluster().store.owner_dsn(), "anchor");
    REQUIRE(owner);
    REQUIRE(
        (*owner)->exec_params("INSERT INTO ringfence.audit_anchor VALUES ($1, $2::bigint, $3::bytea, "
                              "$4::timestamptz, $5, $6::bytea)",
                              {node, std::to_string(chain_no), store::Param::bytes(hash), rfc3339(now),
                               key_id_of(crypto::view_of(keys.identity.key.public_key)),
                               store::Param::bytes(crypto::view_of(*signature))}));
  };
  unseal();
  // With the head that a version with seals kept it is no adoption.
  CHECK(refusal(dir, node).find("has no seal") != std::string::npos);
  REQUIRE(remove_file(dir.path, "head"));
  REQUIRE(remove_file(dir.path, "seal.key"));
  query("UPDATE ringfence.audit_row SET statement = 'SELECT 2'" + of(node) + " AND chain_no = 5");
  CHECK(refusal(dir, node).find("row 5") != std::string::npos);
  query("UPDATE ringfence.audit_row SET statement = 'select 4'" + of(node) + " AND chain_no = 5");
  // A kill after the key was made.
  REQUIRE(seal_key(dir.path));
  write_life(dir, node, 2);
  CHECK(query("SELECT count(*) FROM ringfence.audit_row" + of(node) +
              " AND action = 'postgres_query_outcome' AND outcome = 'unknown'") == "1");
  std::string report;
  CHECK_MESSAGE(verifies(node, &dir, &report), report);
  unseal();
  CHECK(refusal(dir, node).find("has no seal") != std::string::npos);
}

TEST_CASE("a trail that was made up before the node's first start is not adopted") {
  TempDir maker;
  const std::string node = "prepared";
  write_life(maker, node, 5, true);
  const std::string unseal = "UPDATE ringfence.audit_checkpoint SET seal = NULL, state_id = NULL" + of(node) +
                             "; UPDATE ringfence.audit_open SET seal = NULL" + of(node) + "; ";
  TempDir dir;
  query(unseal + "UPDATE ringfence.audit_anchor SET anchor_no = NULL" + of(node));
  CHECK(refusal(dir, node).find("row ") != std::string::npos);
  query("DELETE FROM ringfence.audit_anchor" + of(node));
  CHECK(refusal(dir, node).find("no signature of the node's key") != std::string::npos);
  // Without any row there is a place for open starts all the same.
  query("DELETE FROM ringfence.audit_row" + of(node) + "; DELETE FROM ringfence.audit_link_run" + of(node) +
        "; UPDATE ringfence.audit_checkpoint SET position = 0, hash = NULL" + of(node) +
        " AND shard = 65535");
  CHECK(refusal(dir, node).find("no signature of the node's key") != std::string::npos);
  query("DELETE FROM ringfence.audit_checkpoint" + of(node));
  write_life(dir, node, 1);
  CHECK(query("SELECT action FROM ringfence.audit_row" + of(node) + " ORDER BY chain_no") ==
        "trail_start_refused;postgres_query");
}

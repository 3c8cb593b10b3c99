// What readers would see beside the chains.
#include "audit/schema_check.h"

#include "ringfence/store/schema.h"
#include "store_fixture.h"

using namespace ringfence;
using namespace ringfence::audit;
using namespace ringfence::audit::testing;

namespace {

std::string findings() {
  auto connection = store::Connection::open(cluster().store.reader_dsn(), "schema");
  REQUIRE(connection);
  std::string note;
  auto views = check_views(**connection, note);
  REQUIRE_MESSAGE(views, views.error().message);
  CHECK(note == "");
  REQUIRE((*connection)->exec("BEGIN READ ONLY"));
  auto found = check_schema(**connection);
  REQUIRE_MESSAGE(found, found.error().message);
  found->insert(found->end(), views->begin(), views->end());
  std::string out;
  for (const Finding& finding : *found) {
    CHECK(finding.kind == FindingKind::stray);
    out += finding.text + "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("the list of what the migrations make is complete") {
  CHECK(store::schema_tables().at("audit_row").size() == tag_end - 1 + 7);
  CHECK(store::schema_tables().at("audit_block").size() == 19 + tag_end - 1);
  CHECK(store::schema_tables().at("audit_open").back() == "seal");
  CHECK(!store::schema_tables().contains("audit_link"));
  CHECK(!store::schema_tables().contains("audit_link_single"));
  CHECK(store::schema_views().size() == 6);
}

TEST_CASE("all that is in the schema and that no migration made is found") {
  TempDir dir;
  {
    auto trail = open_trail(trail_options(dir, "schema"));
    trail->start();
    put_outcome(trail->journal(0), put_start(trail->journal(0), "select 1"));
    REQUIRE(trail->stop(20'000));
  }
  REQUIRE(findings() == "");
  struct {
    std::string sql;
    std::string undo;
    std::string text;
  } const changes[] = {
      {"CREATE TABLE ringfence.more ()", "DROP TABLE ringfence.more",
       "a relation that no migration made: more"},
      {"CREATE MATERIALIZED VIEW ringfence.more AS SELECT 1", "DROP MATERIALIZED VIEW ringfence.more",
       "a relation that no migration made: more"},
      {"CREATE FUNCTION public.other(text) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb'; CREATE CAST "
       "(text AS jsonb) "
       "WITH FUNCTION public.other(text)",
       "DROP CAST (text AS jsonb); DROP FUNCTION public.other",
       "the cast from text to jsonb is not PostgreSQL's own"},
      {"ALTER TABLE ringfence.audit_block ADD CONSTRAINT few CHECK (NOT keys && ARRAY['user:mallory']) NOT "
       "VALID",
       "ALTER TABLE ringfence.audit_block DROP CONSTRAINT few", "the constraint few on audit_block"},
      {"CREATE UNIQUE INDEX one_each ON ringfence.audit_open (fields)", "DROP INDEX ringfence.one_each",
       "the index one_each on audit_open"},
      {"CREATE INDEX by_value ON ringfence.audit_open ((1 / seq))", "DROP INDEX ringfence.by_value",
       "the index by_value on audit_open"},
      {"CREATE DOMAIN public.other AS text; ALTER TABLE ringfence.audit_anchor ALTER key_id TYPE "
       "public.other",
       "ALTER TABLE ringfence.audit_anchor ALTER key_id TYPE text; DROP DOMAIN public.other",
       "the column key_id of audit_anchor is of a type that is not PostgreSQL's own"},
      {"CREATE TABLE public.more () INHERITS (ringfence.audit_link_run)", "DROP TABLE public.more",
       "public.more inherits from audit_link_run"},
      {"CREATE TABLE public.more PARTITION OF ringfence.audit_row DEFAULT", "DROP TABLE public.more",
       "that is none of a day: public.more DEFAULT"},
      {"CREATE TABLE ringfence.audit_event_c1_20300101 PARTITION OF ringfence.audit_event_c1 FOR VALUES FROM "
       "('2030-01-01') TO "
       "('2030-01-03')",
       "DROP TABLE ringfence.audit_event_c1_20300101", "that is none of a day: audit_event_c1_20300101"},
      {"ALTER TABLE ringfence.audit_link RENAME TO audit_link_true; CREATE TABLE ringfence.audit_link ()",
       "DROP TABLE ringfence.audit_link; ALTER TABLE ringfence.audit_link_true RENAME TO audit_link",
       "audit_link is no view"},
      {"ALTER TABLE ringfence.audit_retention RENAME TO retention; CREATE VIEW ringfence.audit_retention AS "
       "SELECT * FROM ringfence.retention",
       "DROP VIEW ringfence.audit_retention; ALTER TABLE ringfence.retention RENAME TO audit_retention",
       "audit_retention is no table"},
      {"ALTER TABLE ringfence.audit_anchor ADD COLUMN remark text",
       "ALTER TABLE ringfence.audit_anchor DROP COLUMN remark", "the column remark of audit_anchor"},
      {"ALTER TABLE ringfence.audit_row ADD COLUMN remark text",
       "ALTER TABLE ringfence.audit_row DROP COLUMN remark", "the column remark of audit_event_c1_"},
      {"ALTER TABLE ringfence.audit_row ADD COLUMN made int GENERATED ALWAYS AS (1) STORED",
       "ALTER TABLE ringfence.audit_row DROP COLUMN made",
       "the column made of audit_row is made up by the store"},
      {"CREATE FUNCTION public.none() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; "
       "CREATE TRIGGER none BEFORE INSERT "
       "ON ringfence.audit_row FOR EACH ROW EXECUTE FUNCTION public.none()",
       "DROP FUNCTION public.none CASCADE", "the trigger none on audit_row\n"},
      {"CREATE RULE none AS ON INSERT TO ringfence.audit_open DO INSTEAD NOTHING",
       "DROP RULE none ON ringfence.audit_open", "the rule none on audit_open"},
      {"ALTER TABLE ringfence.audit_row ENABLE ROW LEVEL SECURITY",
       "ALTER TABLE ringfence.audit_row DISABLE ROW LEVEL SECURITY", "row security is on for audit_row"},
      {"CREATE POLICY few ON ringfence.audit_row USING (true)", "DROP POLICY few ON ringfence.audit_row",
       "the policy few on audit_row"},
      {"ALTER ROLE ringfence_reader SET search_path = public",
       "ALTER ROLE ringfence_reader RESET search_path", "the setting search_path=public on ringfence_reader"},
      {"INSERT INTO ringfence.audit_retention_class VALUES (2, 'kept', NULL)",
       "DELETE FROM ringfence.audit_retention_class WHERE "
       "retention_class = 2",
       "the retention class 2"},
      {"INSERT INTO ringfence.audit_node VALUES ('ghost', left(encode(sha256('k'), 'hex'), 16), 'k')",
       "DELETE FROM ringfence.audit_node WHERE node = 'ghost'", "of node 'ghost', which never wrote"},
      {"INSERT INTO ringfence.audit_node VALUES ('schema', 'ffff', 'k')",
       "DELETE FROM ringfence.audit_node WHERE key_id = 'ffff'", "has another name than its own"},
      {"INSERT INTO ringfence.audit_open VALUES ('ghost', 0, 1, false, '')",
       "DELETE FROM ringfence.audit_open WHERE node = 'ghost'",
       "open starts of node 'ghost', which has no key"},
  };
  for (const auto& change : changes) {
    CAPTURE(change.sql);
    query(change.sql);
    std::string found = findings();
    CHECK_MESSAGE(found.find(change.text) != std::string::npos, found);
    query(change.undo);
  }
  const std::string view = query("SELECT pg_get_viewdef('ringfence.audit_query'::regclass)");
  query("CREATE OR REPLACE VIEW ringfence.audit_query AS SELECT * FROM (" + view.substr(0, view.rfind(';')) +
        ") q WHERE user_name <> 'alice'");
  CHECK(findings() == "the view audit_query is not the one that the migrations made\n");
  query("CREATE OR REPLACE VIEW ringfence.audit_query AS " + view);
  CHECK(findings() == "");
}

TEST_CASE("the views show rows of known nodes' chains, up to where these go") {
  TempDir dir;
  {
    auto trail = open_trail(trail_options(dir, "shown"));
    trail->start();
    put_outcome(trail->journal(0), put_start(trail->journal(0), "select 1"));
    REQUIRE(trail->stop(20'000));
  }
  auto shown = [] {
    return query("SELECT count(*) FROM ringfence.audit_query WHERE node IN ('shown', 'ghost', '')");
  };
  CHECK(shown() == "1");
  // With links of their own that fit.
  query(
      "CREATE TABLE more AS SELECT * FROM ringfence.audit_row WHERE node = 'shown'; UPDATE more SET node = "
      "'ghost'; "
      "INSERT INTO ringfence.audit_row SELECT * FROM more; INSERT INTO ringfence.audit_link_run SELECT "
      "node, chain_no, leaf || hash FROM more; "
      "UPDATE more SET node = 'shown', chain_no = 2; "
      "INSERT INTO ringfence.audit_row SELECT * FROM more; INSERT INTO ringfence.audit_link_run SELECT "
      "node, chain_no, leaf || hash FROM more");
  CHECK(shown() == "1");
  CHECK(query("SELECT count(*) FROM ringfence.audit_link WHERE node IN ('shown', 'ghost')") == "1");
  query(
      "DELETE FROM ringfence.audit_row WHERE node = 'ghost' OR node = 'shown' AND chain_no = 2; "
      "DELETE FROM ringfence.audit_link_run WHERE node = 'ghost' OR node = 'shown' AND first_chain_no = 2; "
      "DROP TABLE more");
}

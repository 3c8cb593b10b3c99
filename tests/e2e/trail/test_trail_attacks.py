"""The store's owner and the INSERT-only writer try what they can on the trail, while the appliance runs and while it is
stopped. Each manipulation is refused by privilege, or found by `verify` (and, where the next start would build on it, refused
by that start), or it is one that docs/security-model.md says cannot be found."""
import contextlib
import re
import subprocess
import threading

import psycopg
import pytest

import harness

PRIVILEGE, VERIFY, START = 'privilege', 'verify', 'start'


class Undetectable:
    """The words of docs/security-model.md that say so."""

    def __init__(self, words):
        self.words = words


TABLES = ('audit_row', 'audit_block', 'audit_link_run', 'audit_anchor', 'audit_checkpoint', 'audit_open', 'audit_node', 'audit_retention',
          'audit_retention_class')
ROW = ('(node, shard, seq, ts, category, action, outcome, user_name, statement, chain_no, recorded_at, hash_version, leaf, hash, '
       "retention_class) SELECT %s, 0, 900, now(), 'audit', 'postgres_query', 'success', 'mallory', 'SELECT made_up', %s, now(), 1, "
       "decode(repeat('78', 32), 'hex'), decode(repeat('78', 32), 'hex'), %s")
LINK = "decode(repeat('78', 64), 'hex')"
HEAD = "(SELECT position FROM ringfence.audit_checkpoint WHERE node = 'e2e' AND shard = 65535)"
OPEN = "'e2e', 1, 1000, false, '\\x0001'"

# (what, SQL, undo beside putting the tables' rows back, what the owner meets, what the writer meets). START: verify finds it, and
# an appliance that was stopped does not start on it.
MANIPULATIONS = [
    # Rows.
    ('a row changed', "UPDATE ringfence.audit_row SET statement = 'SELECT 2' WHERE chain_no = 4", '', START, PRIVILEGE),
    ('a user renamed in all rows', "UPDATE ringfence.audit_row SET user_name = 'bob'", '', START, PRIVILEGE),
    ('a row deleted', 'DELETE FROM ringfence.audit_row WHERE chain_no = 4', '', START, PRIVILEGE),
    ('all rows deleted', 'TRUNCATE ringfence.audit_row', '', START, PRIVILEGE),
    ('a row twice', 'INSERT INTO ringfence.audit_row SELECT * FROM ringfence.audit_row WHERE chain_no = 4', '', START, PRIVILEGE),
    ('two rows exchanged', 'UPDATE ringfence.audit_row SET chain_no = 9 - chain_no WHERE chain_no IN (4, 5)', '', START, PRIVILEGE),
    ('a row behind the last one', 'INSERT INTO ringfence.audit_row ' + ROW % ("'e2e'", HEAD + ' + 1', '1'), '', START, START),
    ('a row beside another', 'INSERT INTO ringfence.audit_row ' + ROW % ("'e2e'", '5', '1'), '', START, START),
    ('a row of number 0', 'INSERT INTO ringfence.audit_row ' + ROW % ("'e2e'", '0', '1'), '', START, START),
    ('a row of the empty node', 'INSERT INTO ringfence.audit_row ' + ROW % ("''", '1', '1'), '', VERIFY, VERIFY),
    ('a row and a link of a node of its own', 'INSERT INTO ringfence.audit_row ' + ROW % ("'ghost'", '1', '1') +
     "; INSERT INTO ringfence.audit_link_run VALUES ('ghost', 1, %s)" % LINK, '', VERIFY, VERIFY),
    ('a node made up whole', 'INSERT INTO ringfence.audit_row ' + ROW % ("'ghost'", '1', '1') +
     "; INSERT INTO ringfence.audit_link_run VALUES ('ghost', 1, %s)" % LINK +
     "; INSERT INTO ringfence.audit_checkpoint (node, shard, position, next_seq) VALUES ('ghost', 65535, 1, 1)", '', VERIFY, VERIFY),
    ('a row of a partition made for it',
     'CREATE TABLE ringfence.audit_event_c2 PARTITION OF ringfence.audit_row FOR VALUES IN (2); '
     'INSERT INTO ringfence.audit_row ' + ROW % ("'ghost'", '1', '2'), 'DROP TABLE ringfence.audit_event_c2', VERIFY, PRIVILEGE),
    # Blocks.
    ('a row of a block changed', 'UPDATE ringfence.audit_block SET r_rows[1] = 1000', '', START, PRIVILEGE),
    ('a text of a block changed', "UPDATE ringfence.audit_block SET r_statement = array_replace(r_statement, 'SELECT 150', 'SELECT 1')",
     '', START, PRIVILEGE),
    ('a user taken out of what blocks are found by', "UPDATE ringfence.audit_block SET keys = array_remove(keys, 'user:alice')", '',
     START, PRIVILEGE),
    ('all blocks deleted', 'DELETE FROM ringfence.audit_block', '', START, PRIVILEGE),
    ('a block twice', 'INSERT INTO ringfence.audit_block SELECT * FROM ringfence.audit_block LIMIT 1', '', START, PRIVILEGE),
    ('a partition of blocks', 'CREATE TABLE ringfence.audit_block_c2 PARTITION OF ringfence.audit_block FOR VALUES IN (2)',
     'DROP TABLE ringfence.audit_block_c2', VERIFY, PRIVILEGE),
    # The tail.
    ('the tail cut', "DELETE FROM ringfence.audit_row WHERE chain_no > 5; UPDATE ringfence.audit_link_run SET links = "
     "substring(links FROM 1 FOR 5 * 64) WHERE first_chain_no <= 5; DELETE FROM ringfence.audit_link_run WHERE first_chain_no > 5; "
     "DELETE FROM ringfence.audit_anchor WHERE chain_no > 5; UPDATE ringfence.audit_checkpoint SET position = 5 WHERE shard = 65535",
     '', START, PRIVILEGE),
    ('an earlier trail put back', ''.join(
        'DELETE FROM ringfence.{0}; INSERT INTO ringfence.{0} SELECT * FROM earlier.{0};'.format(table) for table in TABLES),
     '', START, PRIVILEGE),
    ('the trail emptied', ''.join('DELETE FROM ringfence.%s;' % table for table in TABLES[:-1]), '', START, PRIVILEGE),
    # Links and anchors.
    ('a link changed', "UPDATE ringfence.audit_link_run SET links = overlay(links PLACING '\\x00' FROM 9) WHERE first_chain_no = "
     '(SELECT max(first_chain_no) FROM ringfence.audit_link_run)', '', START, PRIVILEGE),
    ('a link far away', "INSERT INTO ringfence.audit_link_run VALUES ('e2e', 9223372036854775807, %s)" % LINK, '', START, START),
    ('the last anchor deleted', 'DELETE FROM ringfence.audit_anchor WHERE anchor_no = (SELECT max(anchor_no) FROM '
     'ringfence.audit_anchor)', '', VERIFY, PRIVILEGE),
    ('an anchor of the middle deleted', 'DELETE FROM ringfence.audit_anchor WHERE anchor_no = 2', '', VERIFY, PRIVILEGE),
    ('an anchor far away', "INSERT INTO ringfence.audit_anchor VALUES ('e2e', 999999, '\\x00', now(), 'ffff', '\\x00', 999, '\\x00')", '',
     VERIFY, VERIFY),
    ("an anchor in the next one's place", "INSERT INTO ringfence.audit_anchor VALUES ('e2e', %s + 1, '\\x00', now(), 'ffff', '\\x00')"
     % HEAD, '', VERIFY, VERIFY),
    # What the node reads again.
    ('an open start made up', 'INSERT INTO ringfence.audit_open (node, shard, seq, is_written, fields) VALUES (%s)' % OPEN, '',
     VERIFY, VERIFY),
    ('an open start deleted', 'DELETE FROM ringfence.audit_open', '', START, START),
    ('an open start changed', "UPDATE ringfence.audit_open SET fields = fields || '\\x00'", '', START, PRIVILEGE),
    ('an open start put back', 'INSERT INTO ringfence.audit_open SELECT * FROM earlier.ended', '', START, START),
    ('a checkpoint moved', "UPDATE ringfence.audit_checkpoint SET position = position + 64 WHERE shard = 0", '', START, START),
    ('dropped records accounted for', 'UPDATE ringfence.audit_checkpoint SET told = told + 100', '', START, START),
    ('record numbers skipped', 'UPDATE ringfence.audit_checkpoint SET next_seq = next_seq + 1', '', START, START),
    ('the seal taken off', 'UPDATE ringfence.audit_checkpoint SET seal = NULL', '', START, START),
    ('checkpoints deleted', 'DELETE FROM ringfence.audit_checkpoint', '', START, PRIVILEGE),
    ("another node's checkpoint", "INSERT INTO ringfence.audit_checkpoint (node, shard, position, next_seq) VALUES ('ghost', 0, 0, 1)",
     '', VERIFY, VERIFY),
    # Retention and keys.
    ('a deleted row declared expired', "DELETE FROM ringfence.audit_row WHERE chain_no = 4; INSERT INTO ringfence.audit_retention "
     "VALUES ('e2e', 4, 4, 1, 'audit_event_c1_20200101', now(), 'e2e', 'ffff', '\\x00')", '', START, PRIVILEGE),
    ("another node's key", "INSERT INTO ringfence.audit_node VALUES ('ghost', left(encode(sha256('k'), 'hex'), 16), 'k')", '', VERIFY, VERIFY),
    ("a key by another's name", "INSERT INTO ringfence.audit_node VALUES ('e2e', '0011223344556677', 'k')", '', VERIFY, VERIFY),
    ("a second key of the node's", "INSERT INTO ringfence.audit_node VALUES ('e2e', left(encode(sha256('k'), 'hex'), 16), 'k')", '',
     Undetectable("A key that is added to `audit_node`"), Undetectable("A key that is added to `audit_node`")),
    ('a retention class', "INSERT INTO ringfence.audit_retention_class VALUES (2, 'kept', NULL)", '', VERIFY, PRIVILEGE),
    # What readers see.
    ('a column', "ALTER TABLE ringfence.audit_row ADD COLUMN remark text DEFAULT 'approved by alice'",
     'ALTER TABLE ringfence.audit_row DROP COLUMN remark', VERIFY, PRIVILEGE),
    ('a trigger', 'CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; CREATE TRIGGER '
     'none BEFORE INSERT ON ringfence.audit_row FOR EACH ROW EXECUTE FUNCTION public.nothing()',
     'DROP FUNCTION public.nothing CASCADE', VERIFY, PRIVILEGE),
    ('a rule', 'CREATE RULE none AS ON INSERT TO ringfence.audit_anchor DO INSTEAD NOTHING', 'DROP RULE none ON ringfence.audit_anchor',
     VERIFY, PRIVILEGE),
    ('a policy', "ALTER TABLE ringfence.audit_row ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON ringfence.audit_row USING "
     "(user_name <> 'alice')", 'DROP POLICY few ON ringfence.audit_row; ALTER TABLE ringfence.audit_row DISABLE ROW LEVEL SECURITY',
     VERIFY, PRIVILEGE),
    ('a view that leaves rows out', "DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW ringfence.audit_query AS SELECT * FROM (' || rtrim("
     "pg_get_viewdef('ringfence.audit_query'::regclass), ';') || ') q WHERE user_name <> ''alice'''; END $$", 'query', VERIFY, PRIVILEGE),
    ('a view in place of a table', 'ALTER TABLE ringfence.audit_node RENAME TO audit_node_true; CREATE VIEW ringfence.audit_node AS '
     'SELECT * FROM ringfence.audit_node_true', 'DROP VIEW ringfence.audit_node; ALTER TABLE ringfence.audit_node_true RENAME TO '
     'audit_node', VERIFY, PRIVILEGE),
    ('a table that inherits', 'CREATE TABLE public.more () INHERITS (ringfence.audit_node)', 'DROP TABLE public.more', VERIFY, PRIVILEGE),
    ('a view beside', 'CREATE VIEW ringfence.audit_queries AS SELECT * FROM ringfence.audit_query WHERE false',
     'DROP VIEW ringfence.audit_queries', VERIFY, PRIVILEGE),
    ("readers' names led elsewhere", 'ALTER ROLE ringfence_reader SET search_path = elsewhere', 'ALTER ROLE ringfence_reader RESET '
     'search_path', VERIFY, PRIVILEGE),
    ('a view of the name in another schema', 'CREATE VIEW public.audit_query AS SELECT 1 AS chain_no', 'DROP VIEW public.audit_query',
     Undetectable('Objects outside of the schema'), PRIVILEGE),
    ('rights given away', 'GRANT UPDATE ON ringfence.audit_row TO PUBLIC', 'REVOKE UPDATE ON ringfence.audit_row FROM PUBLIC',
     Undetectable('Rights that the owner gives'), Undetectable('Rights that the owner gives')),
]


class Scene:
    """An appliance whose store has an owner of its own, as docs/operations.md makes it, and the writer beside."""

    def __init__(self, own, cluster, app):
        self.cluster = cluster
        self.database = 'attacked_' + re.sub(r'\W', '_', app).lower()[-40:]
        self.owner, self.writer = 'trail_owner', 'ringfence_writer'
        if not cluster.sql("SELECT 1 FROM pg_roles WHERE rolname = 'trail_owner'"):
            cluster.sql('CREATE ROLE trail_owner LOGIN CREATEROLE')
        cluster.sql('CREATE DATABASE %s OWNER trail_owner' % self.database)
        self.one = own(store=self.url(self.owner), audit={'anchor_ms': 300, 'batch_ms': 50, 'join_ms': 300, 'failures_window_ms': 200,
                                                          'journal_segment_bytes': 4 << 20})
        self.super = cluster.connect(self.database)
        self.sessions = []

    def url(self, role):
        return 'postgres://%s@127.0.0.1:%d/%s' % (role, self.cluster.port, self.database)

    def statements(self, count):
        with self.one.connect() as connection:
            for n in range(count):
                connection.execute('SELECT %d' % n)

    def chain_no(self):
        return self.super.execute("SELECT coalesce(max(chain_no), 0) FROM ringfence.audit_anchor").fetchone()[0]

    def settled(self):
        """All rows are signed, and nothing is under way that is not open for good."""
        def signed():
            head = self.super.execute("SELECT position FROM ringfence.audit_checkpoint WHERE shard = 65535").fetchone()[0]
            return head == self.chain_no() and head > 0
        harness.eventually(signed, 20, 0.1, 'the head to be signed')

    def never_ending(self):
        session = self.one.connect()
        self.sessions.append(session)
        threading.Thread(target=self.run, args=(session,), daemon=True).start()

    @staticmethod
    def run(session):
        with contextlib.suppress(Exception):  # It is cancelled, or cut off with the appliance.
            session.execute('SELECT pg_sleep(600)')

    def opened(self, count):
        def there():
            return self.super.execute('SELECT count(*) FROM ringfence.audit_open WHERE is_written').fetchone()[0] == count
        harness.eventually(there, 20, 0.1, '%d open starts' % count)

    def prepare(self):
        """A trail with several anchors, one start that is open, one that was, and an earlier state."""
        self.one.start()
        self.cluster.sql('ALTER ROLE ringfence_writer LOGIN')
        self.super.execute('CREATE SCHEMA earlier')
        self.statements(6)
        self.settled()
        self.statements(300)
        self.settled()
        assert self.super.execute("SELECT count(*) FROM ringfence.audit_block WHERE 'SELECT 150' = ANY(r_statement)").fetchone()[0] == 1
        self.never_ending()
        self.opened(1)
        self.super.execute('CREATE TABLE earlier.ended AS SELECT * FROM ringfence.audit_open')
        self.settled()
        self.keep('earlier')
        self.sessions.pop().cancel()
        self.opened(0)
        self.never_ending()
        self.opened(1)
        self.settled()
        self.super.execute('GRANT USAGE ON SCHEMA earlier TO PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA earlier TO PUBLIC')

    def keep(self, schema):
        self.super.execute(''.join('DROP TABLE IF EXISTS %s.%s; CREATE TABLE %s.%s AS SELECT * FROM ringfence.%s;'
                                   % (schema, table, schema, table, table) for table in TABLES))

    def put_back(self):
        self.super.execute(''.join('DELETE FROM ringfence.{0}; INSERT INTO ringfence.{0} SELECT * FROM kept.{0};'.format(table)
                                   for table in TABLES))

    def verify(self):
        return subprocess.run([harness.BINARY, 'audit', 'verify', '--config', self.one.config_file], text=True, capture_output=True,
                              timeout=120, env=harness.clean_environment())

    def refused_start(self):
        self.one.start(ready=False)
        try:
            code = self.one.process.wait(60)
        except subprocess.TimeoutExpired:
            self.one.kill()
            return 'the appliance goes on as if nothing were'
        said = self.one.log().splitlines()[-1]
        if code != 1 or not re.search('--accept-store [0-9a-f]{12}', said):
            return 'the start ended with %d: %s' % (code, said)
        return None


def attempt(scene, role, sql):
    """True when it was done."""
    with psycopg.connect(scene.url(role)) as connection:
        try:
            connection.execute(sql)
            connection.commit()
            return True
        except psycopg.errors.InsufficientPrivilege:
            return False


def as_said(words):
    text = (harness.ROOT / 'docs/security-model.md').read_text()
    return words in ' '.join(text.split())


def trials(scene, role, is_running):
    """All manipulations by one role; gives what was not met as it should be."""
    wrong = []
    scene.super.execute('CREATE SCHEMA IF NOT EXISTS kept')
    scene.keep('kept')
    query = scene.super.execute("SELECT pg_get_viewdef('ringfence.audit_query'::regclass)").fetchone()[0]
    for what, sql, undo, owner, writer in MANIPULATIONS:
        expected = owner if role == scene.owner else writer
        if not attempt(scene, role, sql):
            # What a superuser would have changed is not changed.
            if expected is not PRIVILEGE:
                wrong.append((what, 'refused by privilege, not %s' % expected))
            continue
        if expected is PRIVILEGE:
            wrong.append((what, 'allowed'))
        done = scene.verify()
        if isinstance(expected, Undetectable):
            if done.returncode != 0:
                wrong.append((what, 'is found after all: ' + done.stdout))
            if not as_said(expected.words):
                wrong.append((what, 'docs/security-model.md does not say %r' % expected.words))
        elif done.returncode != 2:
            wrong.append((what, 'verify ends with %d: %s' % (done.returncode, done.stdout + done.stderr)))
        elif expected is START and not is_running:
            said = scene.refused_start()
            if said:
                wrong.append((what, said))
                break  # The store and the state directory have gone on.
        scene.super.execute(undo if undo != 'query' else 'CREATE OR REPLACE VIEW ringfence.audit_query AS ' + query)
        scene.put_back()
    done = scene.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    return wrong


@pytest.fixture
def scene(own, store_cluster, app):
    one = Scene(own, store_cluster, app)
    one.prepare()
    yield one
    for session in one.sessions:
        session.close()
    one.super.close()


def test_every_word_of_the_table_is_tried_by_both():
    assert len(MANIPULATIONS) >= 30
    assert len({what for what, *_ in MANIPULATIONS}) == len(MANIPULATIONS)


@pytest.mark.parametrize('role', ['owner', 'writer'])
def test_manipulations_while_the_appliance_runs(scene, role):
    assert scene.verify().returncode == 0, scene.verify().stdout
    assert trials(scene, getattr(scene, role), True) == []
    # It went on with what it knows, and not with what stood there meanwhile.
    scene.statements(2)
    scene.settled()
    assert scene.verify().returncode == 0, scene.verify().stdout
    assert scene.one.http('/readyz')[0] == 200


@pytest.mark.parametrize('role', ['owner', 'writer'])
def test_manipulations_while_the_appliance_is_stopped(scene, role):
    scene.one.kill()
    assert trials(scene, getattr(scene, role), False) == []
    # With everything in its place it starts as if nothing had been.
    scene.one.start()
    assert scene.one.stop() == 0
    assert scene.verify().returncode == 0, scene.verify().stdout
    assert 'trail_store_accepted' not in str(scene.super.execute('SELECT DISTINCT action FROM ringfence.audit_row').fetchall())


def test_a_made_up_open_start_is_told_and_not_believed(scene):
    scene.one.kill()
    assert attempt(scene, scene.writer, 'INSERT INTO ringfence.audit_open (node, shard, seq, is_written, fields) '
                                        "SELECT node, shard, seq + 100000, false, fields FROM earlier.ended")
    scene.one.start()
    told = harness.eventually(lambda: scene.super.execute(
        "SELECT severity, outcome, entity_id FROM ringfence.audit_row WHERE action = 'trail_start_refused'").fetchall(), 20)
    assert len(told) == 1 and told[0][:2] == ('CRITICAL', 'denied'), told
    assert scene.super.execute('SELECT count(*) FROM ringfence.audit_row WHERE seq > 100000').fetchone()[0] == 0
    assert scene.one.stop() == 0
    assert scene.verify().returncode == 0, scene.verify().stdout


def test_a_person_may_accept_the_store_as_it_is_and_no_other(scene):
    scene.one.kill()
    assert attempt(scene, scene.owner, dict((m[0], m[1]) for m in MANIPULATIONS)['an earlier trail put back'])
    assert scene.refused_start() is None
    code = re.search('--accept-store ([0-9a-f]{12})', scene.one.log().splitlines()[-1])[1]

    def adopt(code):
        return subprocess.run([harness.BINARY, 'audit', 'adopt', '--config', scene.one.config_file, '--accept-store', code], text=True,
                              capture_output=True, timeout=60, env=harness.clean_environment())
    assert adopt('nonsense').returncode == 1
    assert adopt(code).returncode == 0
    # Somebody's hand once more: it is not what was accepted.
    assert attempt(scene, scene.owner, 'UPDATE ringfence.audit_checkpoint SET told = 7')
    assert scene.refused_start() is None
    assert code not in scene.one.log().splitlines()[-1]
    assert attempt(scene, scene.owner, 'UPDATE ringfence.audit_checkpoint SET told = 0')
    scene.one.start()
    event = harness.eventually(lambda: scene.super.execute(
        "SELECT severity, metadata->>'code', metadata->'signed'->>'chain_no', metadata->'found'->>'chain_no', reason FROM "
        "ringfence.audit_row WHERE action = 'trail_store_accepted'").fetchall(), 20)
    assert len(event) == 1 and event[0][:2] == ('CRITICAL', code) and int(event[0][2]) > int(event[0][3]), event
    assert scene.one.stop() == 0
    scene.one.start()
    assert scene.one.stop() == 0
    assert scene.verify().returncode == 0, scene.verify().stdout

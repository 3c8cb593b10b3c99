"""The trail when its store is away, slow or picky, its directory full, its files damaged: nothing is lost without
being counted, and everything comes back without a restart."""
import base64
import hashlib
import os
import random
import re
import struct
import subprocess
import threading
import time

import psycopg
import pytest

import harness
import raw
import witness

# One data shard, so that a journal of two segments is what a single session fills.
SMALL = {'journal_segment_bytes': '2MiB', 'journal_max_bytes': '4MiB', 'batch_ms': 50}
BIG = 'x' * 60_000


@pytest.fixture
def faulty(guarded, gate, store_cluster):
    """Makes an appliance with one data shard and the gate between it and its store."""
    def make(**changes):
        between = gate()
        one, _ = witness.through(between, store_cluster, guarded, shards=1, **changes)
        return one, between
    return make


def fill(one, app, shape="SELECT '%s' /* %s */", worker=0):
    """Statements until the trail has no room, in a thread: (tags answered, the thread, its error)."""
    answered, errors = [], []

    def work():
        try:
            with one.connect(database=witness.DATABASE, application_name=app, prepare_threshold=None) as connection:
                for n in range(1000):
                    tag = 'k0.%d.%dk' % (worker, n)
                    connection.execute(shape % (tag, BIG))
                    answered.append(tag)
        except psycopg.Error as error:
            errors.append(error)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return answered, thread, errors


def unready(one):
    status, body = one.http('/readyz')
    return body if status == 503 else None


def stands_still(answered):
    """The number of answers once no more come."""
    def still():
        before = len(answered)
        time.sleep(0.5)
        return before == len(answered) and before
    return harness.eventually(still, 30, 0, 'the sessions to wait')


def test_a_store_away_for_long_makes_sessions_wait_then_refuses_and_recovers_without_a_restart(faulty, app):
    one, gate = faulty(audit=SMALL)
    one.start()
    position = one.target.log_position()
    # The journal's mapped pages are the page cache's.
    before = harness.memory(one, 'RssAnon')
    client = raw.RawClient(one.pg_port)
    client.log_in('alice', harness.USERS['alice'], witness.DATABASE, application_name=app)
    gate.shut()
    answered, thread, errors = fill(one, app)
    said = harness.eventually(lambda: unready(one), 30, 0.1, '/readyz 503')
    assert 'journal is full' in said, said
    count = stands_still(answered)
    assert 4 << 20 > count * len(BIG) > 1 << 20
    began = time.monotonic()
    # Small ones still find room for a moment; then nobody does, and a login neither.
    small, small_thread, small_errors = fill(one, app, "SELECT '%s' /* %.20s */", worker=2)
    stands_still(small)
    client.send(raw.query("SELECT 'k0.3.0k' /* %s */" % BIG))
    with raw.RawClient(one.pg_port) as stranger, pytest.raises(raw.ServerError) as refused:
        stranger.log_in('alice', harness.USERS['alice'], witness.DATABASE)
    assert (refused.value.fields['S'], refused.value.fields['C']) == ('FATAL', '58030')
    for each in (thread, small_thread):
        each.join(20)
    assert 8 < time.monotonic() - began < 30
    for error in errors + small_errors:
        assert 'the audit trail cannot be written' in str(error) and '/readyz' in str(error)
    assert len(errors + small_errors) == 2 and len(answered) == count
    fatal = raw.error_fields(client.receive_until(b'E')[-1][1])
    assert (fatal['S'], fatal['C']) == ('FATAL', '58030'), fatal
    assert client.at_end()
    client.socket.close()
    answered += small
    assert harness.memory(one, 'RssAnon') - before < 32 << 20
    # The next one is lucky: the store comes back while it waits.
    waiting = threading.Thread(target=lambda: answered.append(late(one, app)), daemon=True)
    waiting.start()
    time.sleep(1)
    gate.open()
    harness.eventually(lambda: one.http('/readyz')[0] == 200, 30, 0.1, '/readyz 200')
    waiting.join(20)
    assert answered[-1] == 'k0.1.0k'
    witness.quiet(one.target)
    log = witness.Log(one.target.logged(position))
    rows = all_of_it(one, app, log)
    found = witness.compare(rows, log)
    assert found['success'] == len(answered) and 'k0.3.0k' not in log.executed
    witness.sequence(one.trail())
    assert not witness.gaps(one.trail())
    assert one.metrics()['ringfence_trail_refusals_total'] >= 1
    witness.verify(one)
    assert one.stop() == 0


def late(one, app):
    with one.connect(database=witness.DATABASE, application_name=app) as connection:
        connection.execute("SELECT 'k0.1.0k'")
    return 'k0.1.0k'


def all_of_it(one, app, log):
    trail = one.trail()
    return harness.eventually(lambda: witness.complete(trail, app, log), 30, 0.2, 'every statement in the trail')


def test_a_waiting_session_goes_on_when_the_store_is_back_in_time(faulty, app):
    one, gate = faulty(audit=SMALL)
    one.start()
    position = one.target.log_position()
    for _ in range(2):
        gate.shut()
        answered, thread, errors = fill(one, app)
        count = stands_still(answered)
        gate.open()
        harness.eventually(lambda: len(answered) > count + 100, 30, 0.1, 'the session to go on')
        assert one.http('/readyz')[0] in (200, 503)
        one.kill()
        thread.join(20)
        app += 'x'  # The next round's tags are the same: each has an application name of its own.
        one.start()
    witness.quiet(one.target)
    executed = len(re.findall(r'statement: SELECT .k0', one.target.logged(position)))
    trail = one.trail()

    def all_there():
        rows = trail.rows("SELECT count(*) AS n FROM ringfence.audit_query WHERE statement LIKE '%k0.0.%' "
                          "AND outcome IN ('success', 'unknown')")
        return rows[0]['n'] >= executed
    harness.eventually(all_there, 30, 0.2, 'all %d' % executed)
    witness.sequence(trail)
    witness.verify(one)


def test_on_full_drop_counts_what_it_drops_and_the_numbers_add_up(faulty, app):
    one, gate = faulty(audit={**SMALL, 'on_full': 'drop'})
    one.start()
    gate.shut()
    count = 150
    with one.connect(database=witness.DATABASE, application_name=app, prepare_threshold=None) as connection:
        for n in range(count):
            connection.execute("SELECT 'k0.0.%dk' /* %s */" % (n, BIG))
        dropped = one.metrics()['ringfence_journal_dropped_total']
        assert dropped > 50
        status = one.http('/readyz')[0]
        assert status == 200, 'drop does not refuse'
        gate.open()
        harness.eventually(lambda: witness_gaps(one) == one.metrics()['ringfence_journal_dropped_total'], 30, 0.2,
                           'the gap to be an event')
        for n in range(count, count + 10):
            connection.execute("SELECT 'k0.0.%dk'" % n)
    trail = one.trail()
    harness.eventually(lambda: trail.events(app, 'postgres_disconnect'), 20, 0.1, 'the end of the session')
    rows = trail.queries(app)
    assert {row['outcome'] for row in rows} <= {'success', 'running', 'unknown'}
    tags = {witness.tag_of(row) for row in rows}
    assert len(tags) == len(rows)
    assert {'k0.0.%dk' % n for n in range(count, count + 10)} <= tags
    lost = sum(row['rows'] for row in witness.gaps(trail))
    # A statement is two records, its start and its outcome.
    whole = sum(row['outcome'] == 'success' for row in rows)
    started = len(rows) - whole
    assert 2 * whole + started + lost == 2 * (count + 10), (whole, started, lost)
    assert lost == one.metrics()['ringfence_journal_dropped_total']
    assert all('dropped' in row['reason'] for row in witness.gaps(trail))
    witness.sequence(trail)
    witness.verify(one)
    assert one.stop() == 0


def witness_gaps(one):
    return sum(row['rows'] for row in witness.gaps(one.trail()))


@pytest.fixture
def small_disk():
    """A file system of its own for a state directory."""
    directory = harness.work_directory('small')
    size = 40 << 20  # Three producers with two segments of 2 MiB are 12, and as much is kept for the next start.
    if os.getuid() != 0 or subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=%d,mode=755' % size, 'tmpfs', directory],
                                          capture_output=True).returncode != 0:
        harness.remove(directory)
        pytest.skip('only root may mount a small file system')
    yield directory
    subprocess.run(['umount', '-l', directory], check=False)
    harness.remove(directory)


def test_a_full_state_directory_is_a_bound_and_no_signal(faulty, small_disk, app):
    one, gate = faulty(audit={**SMALL, 'journal_max_bytes': '256MiB'})
    one.state = small_disk / 'state'
    one.state.mkdir()
    one.config['state_dir'] = str(one.state)
    one.write_config()
    one.start()
    position = one.target.log_position()
    gate.shut()
    answered, thread, errors = fill(one, app)
    harness.eventually(lambda: unready(one), 30, 0.1, '/readyz 503')
    count = stands_still(answered)
    # And now not even a byte is left for anybody.
    ballast = os.open(small_disk / 'ballast', os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError):
        while os.write(ballast, b'b' * 4096):
            pass
    os.close(ballast)
    assert 'journal is full' in unready(one)
    assert one.process.poll() is None and 'no journal segment' in one.log()
    gate.open()
    # Segments that are free again are used again: no room is needed for that.
    harness.eventually(lambda: len(answered) > count + 50 and one.http('/readyz')[0] == 200, 30, 0.1, 'recovery')
    gate.shut()
    stands_still(answered)
    one.kill()
    thread.join(20)
    gate.open()
    os.unlink(small_disk / 'ballast')
    one.start()
    witness.quiet(one.target)
    log = witness.Log(one.target.logged(position))
    rows = all_of_it(one, app, log)
    witness.compare(rows, log)
    witness.sequence(one.trail())
    assert not witness.gaps(one.trail())
    witness.verify(one)
    assert one.stop() == 0


# --- Damaged files -----------------------------------------------------------------------------------------------

SEGMENT_HEADER = 256
RECORD_HEADER = struct.Struct('<IB3xIIQQ')


def records_of(image):
    """[(offset, length, seq)] of a segment file, as far as its headers lead."""
    found, at = [], SEGMENT_HEADER
    while at + RECORD_HEADER.size <= len(image):
        length, kind, epoch, _, seq, _ = RECORD_HEADER.unpack_from(image, at)
        if not epoch or kind > 3:
            break
        found.append((at, length, seq))
        at += (RECORD_HEADER.size + length + 7) & ~7
    return found


def current_segment(one):
    """Of the data shard: the file with records in it, and the records."""
    for path in sorted((one.state / 'journal').glob('0-*.seg'), key=lambda path: -int(path.stem.split('-')[1])):
        found = records_of(path.read_bytes())
        if found:
            return path, found
    raise AssertionError('no records in the journal')


def flip(path, at):
    with open(path, 'r+b') as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 0x10]))


def zero(path, at, count):
    with open(path, 'r+b') as file:
        file.seek(at)
        file.write(bytes(count))


# What is done to the file, given its records and the number k of the first one that shall not be readable.
DAMAGE = {
    'a flipped bit in a body': lambda path, records, k: flip(path, records[k][0] + RECORD_HEADER.size + 40),
    'a flipped bit in a length': lambda path, records, k: flip(path, records[k][0]),
    'a flipped bit in a number': lambda path, records, k: flip(path, records[k][0] + 16),
    'a torn page': lambda path, records, k: zero(path, records[k][0], 4096),
    'cut in a body': lambda path, records, k: os.truncate(path, records[k][0] + RECORD_HEADER.size + 10),
    'cut in a header': lambda path, records, k: os.truncate(path, records[k][0] + 9),
}


def test_damaged_journal_segments_cost_what_is_damaged_and_the_loss_is_an_event(faulty, app):
    one, gate = faulty(audit=SMALL)
    one.start()
    lost_so_far = 0
    for turn, (name, damage) in enumerate(DAMAGE.items()):
        with one.connect(database=witness.DATABASE, application_name=app) as connection:
            connection.execute("SELECT 'k%d.0.0k'" % turn)
            harness.eventually(lambda: {'k%d.0.0k' % turn} <= tags_of(one, app), 20, 0.1, 'the store to have it')
            time.sleep(0.3)  # The outcome's batch, too.
            gate.shut()
            for n in range(1, 41):
                connection.execute("SELECT 'k%d.0.%dk'" % (turn, n))
            one.kill()
        path, records = current_segment(one)
        # The middle of what is not in the store: a start and an outcome for each statement.
        k = len(records) - random.randrange(20, 60)
        last = records[-1][2]
        damage(path, records, k)
        gate.open()
        one.start()
        trail = one.trail()

        def told(turn=turn):
            return len(witness.gaps(trail)) > turn
        is_cut = name.startswith('cut')
        harness.eventually(told, 20, 0.1, '%s: the gap as an event' % name)
        first_lost = records[k][2]
        highest = trail.rows('SELECT max(greatest(seq, outcome_seq)) AS n FROM ringfence.audit_event WHERE shard = 0 '
                             'AND greatest(seq, outcome_seq) < %s', first_lost)[0]['n']
        assert highest == first_lost - 1, name
        tags = tags_of(one, app)
        kept = {tag for tag in ('k%d.0.%dk' % (turn, n) for n in range(41)) if tag in tags}
        assert 5 < len(kept) < 41, name
        gone = witness_gaps(one) - lost_so_far
        # What a cut has taken away cannot be counted; that something is missing is told.
        assert gone == last - first_lost + 1 or is_cut, (name, gone, last, first_lost)
        lost_so_far += gone
        print('%s: %d of %d records kept, gap of %d' % (name, k, len(records), gone))
    witness.verify(one)
    assert one.stop() == 0


def tags_of(one, app):
    return {witness.tag_of(row) for row in witness.statements(one.trail(), app) if row['outcome'] != 'running'}


@pytest.mark.parametrize('name, damage', [
    ('header', lambda path: flip(path, 40)),
    ('empty', lambda path: os.truncate(path, 0)),
    ('rubbish', lambda path: path.write_bytes(os.urandom(10_000))),
])
def test_a_segment_without_a_readable_header_is_kept_aside_and_told(faulty, app, name, damage):
    one, gate = faulty(audit=SMALL)
    one.start()
    with one.connect(database=witness.DATABASE, application_name=app) as connection:
        connection.execute("SELECT 'k0.0.0k'")
        harness.eventually(lambda: {'k0.0.0k'} <= tags_of(one, app), 20, 0.1, 'the store to have it')
        gate.shut()
        connection.execute("SELECT 'k0.0.1k'")
        one.kill()
    path, _ = current_segment(one)
    damage(path)
    gate.open()
    one.start()
    gaps = harness.eventually(lambda: witness.gaps(one.trail()), 20, 0.1, '%s: the loss as an event' % name)
    assert 'journal' in gaps[0]['reason']
    assert 'k0.0.0k' in tags_of(one, app)
    # And it goes on.
    with one.connect(database=witness.DATABASE, application_name=app) as connection:
        connection.execute("SELECT 'k0.0.2k'")
    harness.eventually(lambda: 'k0.0.2k' in tags_of(one, app), 20, 0.1, 'the next statement')
    witness.verify(one)
    assert one.stop() == 0


def test_foreign_files_in_the_journal_directory_do_not_matter(faulty, app):
    one, _ = faulty(audit=SMALL)
    one.start()
    assert one.stop() == 0
    journal = one.state / 'journal'
    (journal / 'notes.txt').write_text('not ours')
    (journal / '0-.seg').write_text('odd name')
    (journal / '7-9.seg').write_bytes(b'')
    (journal / '3-4.seg.damaged').write_bytes(b'old')
    one.start()
    late(one, app)
    harness.eventually(lambda: 'k0.1.0k' in tags_of(one, app), 20, 0.1, 'the statement')
    assert one.stop() == 0


# --- Poison ------------------------------------------------------------------------------------------------------

def test_what_no_text_column_takes_is_kept_as_bytes(faulty, app):
    one, _ = faulty(audit={**SMALL, 'statement_bytes_max': '384KiB', 'parameters_bytes_max': '192KiB'})
    one.start()
    broken = b"SELECT 'k0.0.1k \xff\xfe\x80'"
    with raw.RawClient(one.pg_port) as client:
        client.log_in('alice', harness.USERS['alice'], witness.DATABASE, application_name=app)
        client.send(raw.message(b'Q', broken + b'\0'))
        assert raw.error_fields(dict(client.receive_until(b'Z'))[b'E'])['C'] == '22021'
        # A NUL in a text parameter, then bytes that are no UTF-8, then binary ones.
        for value in (b'k0.0.2k\0tail', b'k0.0.3k\xc3\x28'):
            client.send(raw.parse('', 'SELECT $1::text') + raw.bind('', '', [value]) + raw.execute() + raw.SYNC)
            assert b'E' in raw.kinds(client.receive_until(b'Z'))
        binary = raw.message(b'B', b'\0\0' + struct.pack('!HHHi', 1, 1, 1, 9) + b'k0.0.4k\0\xff' + struct.pack('!H', 0))
        client.send(raw.parse('', "SELECT $1::bytea, 'k0.0.4k'") + binary + raw.execute() + raw.SYNC)
        assert b'E' not in raw.kinds(client.receive_until(b'Z'))
        client.send(raw.query("SELECT length('k0.0.5k %s')" % ('ü' * 150_000)))
        assert raw.rows(client.receive_until(b'Z')) == [[b'150008']]
        client.send(raw.parse('', "SELECT length($1), 'k0.0.6k'", [25]) + raw.bind('', '', [b'p' * 300_000])
                    + raw.execute() + raw.SYNC)
        assert raw.rows(client.receive_until(b'Z')) == [[b'300000', b'k0.0.6k']]
        client.run("SELECT 'k0.0.7k'")
        long_text = "SELECT 1 /* k0.0.8k %s */" % ('y' * 3_000_000)
        client.run(long_text)
        client.send(raw.TERMINATE)
    rows = one.trail().settled(app)
    assert len(rows) == 8
    assert [(base64.b64decode(row['parameters'][0]['base64']), row['outcome'], row['sqlstate']) for row in rows[1:3]] == [
        (b'k0.0.2k\0tail', 'failure', '22021'), (b'k0.0.3k\xc3\x28', 'failure', '22021')]
    by_tag = {witness.tag_of(row): row for row in rows}
    assert by_tag['k0.0.1k']['statement_raw'] == broken
    assert by_tag['k0.0.1k']['outcome'] == 'failure' and by_tag['k0.0.1k']['sqlstate'] == '22021'
    four = by_tag['k0.0.4k']
    assert four['outcome'] == 'success' and base64.b64decode(four['parameters'][0]['base64']) == b'k0.0.4k\0\xff'
    five = by_tag['k0.0.5k']
    assert five['statement_bytes'] == len("SELECT length('k0.0.5k %s')" % ('ü' * 150_000)) + 150_000
    assert five['outcome'] == 'success' and not five['statement_truncated']
    six = by_tag['k0.0.6k']
    assert six['outcome'] == 'success' and six['parameters_truncated']
    assert six['parameters'][0]['bytes'] == 300_000
    assert 190_000 < len(six['parameters'][0]['prefix']) < 200 << 10
    eight = by_tag['k0.0.8k']
    assert eight['statement_truncated'] and eight['statement_bytes'] == len(long_text) and eight['outcome'] == 'success'
    assert long_text.startswith(eight['statement']) and 390_000 < len(eight['statement']) <= 400 << 10
    assert eight['statement_sha256'] == hashlib.sha256(long_text.encode()).digest()
    assert by_tag['k0.0.7k']['outcome'] == 'success'
    witness.sequence(one.trail())
    witness.verify(one)
    assert one.stop() == 0


def test_a_record_that_the_store_refuses_goes_in_as_bytes_and_stops_nothing(faulty, store_cluster, app):
    """A constraint on the store stands for whatever PostgreSQL may one day dislike about a value."""
    one, gate = faulty(audit={**SMALL, 'block_rows': 0})
    one.start()
    with psycopg.connect(one.store_conninfo(), autocommit=True) as store:
        store.execute("ALTER TABLE ringfence.audit_row ADD CONSTRAINT taste CHECK (statement NOT LIKE '%disliked%')")
    gate.shut()  # So that all come in one batch.
    disliked = set(random.sample(range(300), 7)) | {0, 299}
    with one.connect(database=witness.DATABASE, application_name=app, prepare_threshold=None) as connection:
        for n in range(300):
            connection.execute("SELECT 'k0.0.%dk %s'" % (n, 'disliked' if n in disliked else 'fine'))
    gate.open()
    rows = one.trail().settled(app, timeout=30)
    assert len(rows) == 300
    as_bytes = [row for row in rows if row['statement'] is None]
    assert {int(re.search(rb'k0\.0\.(\d+)k', bytes(row['statement_raw']))[1]) for row in as_bytes} == disliked
    assert {row['outcome'] for row in rows} == {'success'}
    assert one.metrics()['ringfence_writer_poisoned_total'] == len(disliked)
    witness.sequence(one.trail())
    assert not witness.gaps(one.trail())
    # It decides what is stored: that is a finding.
    done = subprocess.run([harness.BINARY, 'audit', 'verify', '--config', one.config_file], capture_output=True, text=True,
                          env=harness.clean_environment())
    assert done.returncode == 2 and 'the constraint taste on audit_row' in done.stdout, done
    with psycopg.connect(one.store_conninfo(), autocommit=True) as store:
        store.execute('ALTER TABLE ringfence.audit_row DROP CONSTRAINT taste')
    witness.verify(one)
    assert one.stop() == 0


# --- Slow, full --------------------------------------------------------------------------------------------------------

def test_a_slow_store_costs_time_and_nothing_else(faulty, store_cluster, app):
    one, gate = faulty(audit={'batch_ms': 50})
    one.start()
    position = one.target.log_position()
    database = 'gate_%d' % gate.port
    with witness.Load(one, app, 0, kinds=('simple', 'prepared', 'pipelined', 'copy'), pause=0.005) as load:
        for _ in range(8):
            pids = [pid for [pid] in store_cluster.sql('SELECT pid FROM pg_stat_activity WHERE datname = %s', database)]
            with witness.stopped(pids):
                time.sleep(random.uniform(0.1, 0.6))
            time.sleep(random.uniform(0.02, 0.1))
    assert load.errors == []
    witness.quiet(one.target)
    log = witness.Log(one.target.logged(position))
    rows = all_of_it(one, app, log)
    found = witness.compare(rows, log)
    assert 'unknown' not in found and found['executed'] > 100
    witness.sequence(one.trail())
    witness.verify(one)
    assert one.stop() == 0


def altered(store, text):
    """Changes a table that the writer writes to. Each of the two locks the partitions and their parent in an order of its
    own: PostgreSQL ends one of them when they meet. The writer tries again, and so does who administers the store."""
    def done():
        try:
            store.execute(text)
        except psycopg.errors.DeadlockDetected:
            return False
        return True
    harness.eventually(done, 30, 0.1, text)


def test_a_full_store_is_waited_for(faulty, app):
    """A trigger says what PostgreSQL says when its disk is full."""
    one, _ = faulty(audit={'batch_ms': 50})
    one.start()
    position = one.target.log_position()
    with psycopg.connect(one.store_conninfo(), autocommit=True) as store:
        store.execute("CREATE FUNCTION ringfence.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                      "RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$")
        with witness.Load(one, app, 0, kinds=('simple', 'pipelined'), pause=0.01) as load:
            time.sleep(0.3)
            for table in ('audit_row', 'audit_block'):
                altered(store, 'CREATE TRIGGER full_disk BEFORE INSERT ON ringfence.%s FOR EACH ROW '
                               'EXECUTE FUNCTION ringfence.full()' % table)
            harness.eventually(lambda: 'No space left' in one.log(), 15, 0.1, 'the failure in the log')
            time.sleep(1)
            assert one.metrics()['ringfence_trail_state{state="retrying"}'] == 1
            for table in ('audit_row', 'audit_block'):
                altered(store, 'DROP TRIGGER full_disk ON ringfence.%s' % table)
    assert load.errors == []
    witness.quiet(one.target)
    log = witness.Log(one.target.logged(position))
    rows = all_of_it(one, app, log)
    assert 'unknown' not in witness.compare(rows, log)
    witness.sequence(one.trail())
    assert one.metrics()['ringfence_writer_poisoned_total'] == 0
    witness.verify(one)
    assert one.stop() == 0


def test_durability_disk_syncs_in_groups_and_loses_nothing(faulty, app):
    one, _ = faulty(audit={'durability': 'disk', 'batch_ms': 50})
    one.start()
    position = one.target.log_position()
    with witness.Load(one, app, 0, kinds=('simple',) * 4 + ('prepared', 'pipelined'), pause=0.0) as load:
        time.sleep(1.5)
        started, syncs = (one.metrics()['ringfence_%s_total' % name] for name in ('statements_started', 'trail_syncs'))
        one.kill()
    assert 0 < syncs < started, 'no group commit'
    witness.quiet(one.target)
    one.start()
    log = witness.Log(one.target.logged(position))
    rows = all_of_it(one, app, log)
    found = witness.compare(rows, log)
    print('%d statements, %d syncs; after the kill: %s' % (started, syncs, found))
    assert found['in trail'] >= len(load.answered) > 20
    witness.sequence(one.trail())
    witness.verify(one)
    assert one.stop() == 0

"""The store itself fails in earnest: another server takes over in mid-COPY, its disk is full, a COMMIT's answer is lost;
and the chain across restarts, kills, two nodes and retention."""
import os
import re
import subprocess
import time

import psycopg
import pytest

import harness
import witness


def everything(one, app, log):
    return witness.everything(one, app, log, 60)


# --- Failover ---------------------------------------------------------------------------------------------------

@pytest.fixture
def pair():
    """A primary and its synchronous standby."""
    directory = harness.work_directory('pair')
    (directory / 'a').mkdir()
    primary = harness.Cluster(directory / 'a' / 'pg', {
        'log_statement': 'none', 'wal_level': 'replica', 'max_wal_senders': 5, 'hot_standby': 'on',
        'synchronous_commit': 'on'})
    primary.start()
    standby = object.__new__(harness.Cluster)
    standby.directory = directory / 'b'
    standby.directory.mkdir()
    if os.getuid() == 0:
        os.chown(standby.directory, harness.pg_account().pw_uid, harness.pg_account().pw_gid)
    standby.data, standby.socket = standby.directory / 'data', standby.directory / 'socket'
    standby.log, standby.port = standby.directory / 'server.log', harness.free_port()
    subprocess.run(['mkdir', standby.socket], check=True, **harness.as_pg())
    subprocess.run([harness.PG_BIN / 'pg_basebackup', '-D', standby.data, '-h', primary.socket, '-p', str(primary.port),
                    '-U', 'postgres', '-R', '-X', 'stream', '-c', 'fast',
                    '-d', 'application_name=standby'], check=True, **harness.as_pg())
    with open(standby.data / 'postgresql.auto.conf', 'a') as settings:
        settings.write("port = '%d'\nunix_socket_directories = '%s'\n" % (standby.port, standby.socket))
    standby.start()
    harness.eventually(lambda: primary.sql("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"), 30, 0.1,
                       'the standby to stream')
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.sql('SELECT pg_reload_conf()')
    harness.eventually(lambda: primary.sql("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"), 30, 0.1,
                       'the standby to be synchronous')
    yield primary, standby
    primary.stop()
    standby.stop()
    harness.remove(directory)


def promote(standby):
    subprocess.run([harness.PG_BIN / 'pg_ctl', '-D', standby.data, '-w', '-t', '60', '-s', 'promote'], check=True,
                   **harness.as_pg())


@pytest.mark.parametrize('moment', ['in the COPY', 'before the answer to COMMIT'])
def test_another_server_takes_over_while_the_writer_copies(guarded, pair, app, moment):
    primary, standby = pair
    primary.sql('CREATE DATABASE trail')
    # The primary is reached through a gate, which tells the moment.
    gate = witness.Gate(primary.port)
    one = guarded(store='postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/trail?target_session_attrs=read-write&sslmode=disable'
                  '&gssencmode=disable' % (gate.port, standby.port))
    now = {'store': primary}
    one.store_conninfo = lambda: 'host=%s port=%d user=postgres dbname=trail' % (now['store'].socket, now['store'].port)
    one.start()
    position = one.target.log_position()
    happened = []

    def plan(link, data):
        if moment == 'in the COPY':
            link.server.sendall(data[:len(data) // 2])
        else:
            link.is_mute = True
            link.server.sendall(data)
            time.sleep(0.3)
        primary.stop('immediate')
        happened.append(moment)
        link.cut()

    if moment == 'in the COPY':
        gate.at = witness.COPY
    with witness.Load(one, app, 0, kinds=('simple', 'pipelined', 'prepared'), pause=0.005) as load:
        time.sleep(0.5)
        gate.plan = plan
        harness.eventually(lambda: happened, 20, 0.02, 'the moment')
        gate.shut()
        promote(standby)
        now['store'] = standby
        harness.eventually(lambda: one.metrics().get('ringfence_trail_state{state="running"}') == 1, 30, 0.1,
                           'the writer to find the new server')
        time.sleep(0.5)
    assert load.errors == []
    one.trail().connection = None
    witness.quiet(one.target)
    found = everything(one, app, witness.Log(one.target.logged(position)))
    print(found)
    assert 'unknown' not in found and found['executed'] > 50
    assert one.stop() == 0


# --- A full disk ------------------------------------------------------------------------------------------------

@pytest.fixture
def small_store():
    """A server whose data directory is on a file system of 160 MB."""
    directory = harness.work_directory('smallpg')
    if os.getuid() != 0 or subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=160m,mode=755', 'tmpfs', directory],
                                          capture_output=True).returncode != 0:
        harness.remove(directory)
        pytest.skip('only root may mount a small file system')
    cluster = harness.Cluster(directory / 'pg', {'log_statement': 'none', 'max_wal_size': '64MB', 'min_wal_size': '32MB'})
    cluster.start()
    yield cluster
    cluster.stop()
    subprocess.run(['umount', '-l', directory], check=False)
    harness.remove(directory)


def test_a_store_whose_disk_is_full_is_waited_for(guarded, small_store, app):
    small_store.sql('CREATE DATABASE trail')
    one = guarded(store='postgres://postgres@127.0.0.1:%d/trail' % small_store.port, audit={'batch_ms': 50})
    one.start()
    position = one.target.log_position()
    ballast = small_store.data / 'ballast'

    def fill():
        with open(ballast, 'ab', buffering=0) as file:
            try:
                while True:
                    file.write(b'b' * 4096)
            except OSError:
                pass
    with witness.Load(one, app, 0, kinds=('simple', 'pipelined', 'prepared'), pause=0.002) as load:
        time.sleep(0.3)

        def failed():
            fill()  # What a checkpoint sets free is taken, too.
            return 'No space left' in one.log() or 'No space left' in small_store.log.read_text(errors='replace')
        harness.eventually(failed, 60, 0.1, 'the store to say that its disk is full')
        harness.eventually(lambda: one.metrics().get('ringfence_trail_state{state="retrying"}') == 1, 30, 0.1, 'retrying')
        before = len(load.answered)
        harness.eventually(lambda: len(load.answered) > before + 20, 20, 0.1, 'sessions that go on')
        ballast.unlink()
        if not responds(small_store):  # PostgreSQL panics when it cannot write WAL; whoever runs it starts it again.
            small_store.stop()
            small_store.start()
        harness.eventually(lambda: one.metrics().get('ringfence_trail_state{state="running"}') == 1, 60, 0.1,
                           'the writer to go on')
    assert load.errors == []
    witness.quiet(one.target)
    found = everything(one, app, witness.Log(one.target.logged(position)))
    assert 'unknown' not in found and found['executed'] > 50
    assert one.metrics()['ringfence_writer_poisoned_total'] == 0
    assert one.stop() == 0


def responds(cluster):
    try:
        cluster.sql('SELECT 1')
        return True
    except psycopg.OperationalError:
        return False


# --- The chain over everything ------------------------------------------------------------------------------------

def verify(one, *arguments):
    return subprocess.run([harness.BINARY, 'audit', 'verify', '--config', one.config_file, *arguments], text=True,
                          capture_output=True, timeout=120, env=harness.clean_environment())


def run_many(one, app, count):
    """So many statements, in a pipeline."""
    with one.connect(database=witness.DATABASE, application_name=app, prepare_threshold=None) as connection:
        for _ in range(count // 500):
            with connection.pipeline():
                for _ in range(500):
                    connection.execute('SELECT 1')


def test_the_chain_of_two_nodes_over_restarts_and_kills_with_many_pages_of_rows(guarded, app):
    one = guarded(audit={'batch_ms': 50})
    other = guarded(store=one.config['store'], node='other')
    one.start()
    other.start()
    for life in range(3):
        run_many(one, app, 4_500)
        run_many(other, app, 500)
        one.kill()
        if life == 1:
            assert other.stop() == 0
            other.start()
        one.start()
    trail = one.trail()
    counts = lambda: {row['node']: row['n'] for row in trail.rows(
        'SELECT node, count(*) AS n FROM ringfence.audit_query WHERE application_name = %s GROUP BY 1', app)}
    harness.eventually(lambda: counts() == {'e2e': 13_500, 'other': 1_500}, 30, 0.2, 'all rows')
    assert one.stop() == 0 and other.stop() == 0
    last = {row['node']: row['n'] for row in trail.rows(
        'SELECT node, max(chain_no) AS n FROM ringfence.audit_event GROUP BY 1')}
    whole = verify(one)
    assert whole.returncode == 0, whole.stdout
    assert 'node e2e: good, %d rows' % last['e2e'] in whole.stdout and 'node other: good, %d rows' % last['other'] in whole.stdout
    for first, end in ((1, 10_001), (4_999, 10_002), (9_990, last['e2e']), (12_345, 12_345)):
        part = verify(one, '--node', 'e2e', '--from', str(first), '--to', str(end))
        assert part.returncode == 0 and 'good, %d rows, chain %d to %d' % (end - first + 1, first, end) in part.stdout, (
            part.stdout)
    # One byte of one row, of one link, and a whole row, each on a later page; parts that do not hold it stay good.
    with psycopg.connect(one.store_conninfo(), autocommit=True) as store:
        where = "WHERE node = 'e2e' AND 10500 BETWEEN first_chain_no AND first_chain_no + row_count - 1"
        first, count = store.execute('SELECT first_chain_no, row_count FROM ringfence.audit_block ' + where).fetchone()
        store.execute('CREATE TABLE public.kept AS SELECT * FROM ringfence.audit_block ' + where)
        back = 'DELETE FROM ringfence.audit_block %s; INSERT INTO ringfence.audit_block SELECT * FROM public.kept' % where
        for name, begin, end, sql in (
                ('changed', 10_500, 10_500, 'UPDATE ringfence.audit_block SET r_bytes_to_client[10500 - first_chain_no + 1] = 7 ' + where),
                ('missing', first, first + count - 1, 'DELETE FROM ringfence.audit_block ' + where)):
            store.execute(sql)
            bad = verify(one)
            assert bad.returncode == 2 and 'node other: good' in bad.stdout, bad.stdout
            assert re.search(r'chain_no %d %s' % (begin, name), bad.stdout), bad.stdout
            assert verify(one, '--node', 'e2e', '--from', str(end + 1)).returncode == 0
            assert verify(one, '--node', 'e2e', '--to', str(begin - 1)).returncode == 0
            store.execute(back)
            assert verify(one).returncode == 0
        store.execute('DROP TABLE public.kept')


def test_what_retention_drops_is_covered_and_the_rest_still_verifies(guarded, clock, app):
    one = guarded(audit={'batch_ms': 50, 'retention_days': 30})
    clock.set(-100 * 86_400)
    one.start(environment=clock.environment)
    run_many(one, app, 3_000)
    one.trail().settled(app)
    assert one.stop() == 0
    rows = one.trail().rows('SELECT count(*) AS n FROM ringfence.audit_event')[0]['n']
    clock.set(0)
    one.start(environment=clock.environment)
    dropped = lambda: one.trail().rows('SELECT row_count, last_chain_no FROM ringfence.audit_retention')
    [record] = harness.eventually(dropped, 30, 0.1, 'retention')
    assert record['row_count'] == record['last_chain_no'] == rows
    run_many(one, app, 1_000)
    assert one.stop() == 0
    done = verify(one)
    assert done.returncode == 0, done.stdout
    assert ', %d expired' % rows in done.stdout, done.stdout
    for part in (['--from', str(rows + 1)], ['--from', str(rows - 10)], ['--to', str(rows)]):
        assert verify(one, *part).returncode == 0
    # Without its record the same absence is a finding.
    with psycopg.connect(one.store_conninfo(), autocommit=True) as store:
        store.execute('UPDATE ringfence.audit_retention SET last_chain_no = last_chain_no - 1')
    bad = verify(one)
    assert bad.returncode == 2 and 'chain_no 1 ' in bad.stdout, bad.stdout

"""kill -9 at any moment: what the servers executed is in the trail, once, and the trail claims nothing that the
server's own log does not show."""
import os
import random
import re
import shutil
import subprocess
import threading
import time

import psycopg
import pytest

import harness
import raw
import witness


def settle(one, app, log):
    return witness.everything(one, app, log, 40)


def told(one):
    return {tag for [tag] in one.target.sql("SELECT tag FROM told WHERE tag LIKE 'k%%'", database=witness.DATABASE)}


def kill_rounds(one, app, rounds, seed):
    moments = random.Random(seed)
    told_before = told(one)  # By other tests, which share the target.
    position = one.target.log_position()
    one.start()
    total = {}
    for turn in range(rounds):
        with witness.Load(one, app, turn) as load:
            time.sleep(moments.uniform(0.4, 2.0))
            one.kill()
        witness.quiet(one.target)
        one.start()
        log = witness.Log(one.target.logged(position))
        total = settle(one, app, log)
        rows = {witness.tag_of(row): row['outcome'] for row in witness.statements(one.trail(), app)}
        # What a client was told to be done is never less than unknown.
        assert {rows[tag] for tag in load.answered} <= {'success', 'unknown'}
        total['answered but unknown'] = total.get('answered but unknown', 0) + sum(
            rows[tag] == 'unknown' for tag in load.answered)
    print('seed %d, %d kills: %s' % (seed, rounds, total))
    assert told(one) - told_before <= set(log.executed)
    assert total['executed'] > 100 * rounds and total['unknown'] > 0
    assert one.stop() == 0


@pytest.mark.parametrize('store, rounds', [
    ('embedded', 3),
    pytest.param('embedded', 20, marks=pytest.mark.long),
    pytest.param('url', 10, marks=pytest.mark.long)])
def test_kill_9_of_the_appliance_under_mixed_load(guarded, app, store, rounds):
    seed = int(os.environ.get('RINGFENCE_E2E_SEED', random.randrange(10 ** 6)))
    one = guarded(**({'store': 'embedded'} if store == 'embedded' else {}))
    kill_rounds(one, app, rounds, seed)


@pytest.mark.long
def test_kill_9_with_durability_disk(guarded, app):
    kill_rounds(guarded(audit={'durability': 'disk', 'batch_ms': 50}), app, 3, random.randrange(10 ** 6))


@pytest.mark.parametrize('kills', [2, pytest.param(8, marks=pytest.mark.long)])
def test_kill_9_of_the_embedded_store_is_not_noticed_by_sessions(guarded, app, kills):
    one = guarded(store='embedded').start()
    position = one.target.log_position()
    with witness.Load(one, app, 0, long_s=0.4) as load:
        for _ in range(kills):
            time.sleep(random.uniform(0.4, 1.0))
            pid = int((one.state / 'store/data/postmaster.pid').read_text().splitlines()[0])
            os.kill(pid, 9)
            harness.eventually(lambda: 'started' in store_state(one, pid), 30, 0.1, 'a new postmaster')
    assert load.errors == []
    witness.quiet(one.target)
    log = witness.Log(one.target.logged(position))
    found = settle(one, app, log)
    assert 'unknown' not in found and found['executed'] > 100, found
    assert one.http('/readyz')[0] == 200
    assert one.stop() == 0


def store_state(one, old):
    try:
        lines = (one.state / 'store/data/postmaster.pid').read_text().splitlines()
        return 'started' if int(lines[0]) != old and lines[-1].strip() == 'ready' else ''
    except (OSError, IndexError, ValueError):
        return ''


def through(gate, guarded, store_cluster):
    between = gate()
    one, database = witness.through(between, store_cluster, guarded)
    return one, between, database


@pytest.mark.parametrize('moment', ['in the COPY', 'before the COMMIT', 'after the COMMIT'])
@pytest.mark.parametrize('what', ['kill', 'cut'])
def test_a_batch_interrupted_at_the_worst_moments(guarded, gate, store_cluster, app, moment, what):
    """With half of the data sent, between COPY and COMMIT, or after the COMMIT and before its answer: the appliance is
    killed, or the connection to the store is cut."""
    one, between, _ = through(gate, guarded, store_cluster)
    one.start()
    position = one.target.log_position()
    happened = []

    def plan(link, data):
        if moment == 'in the COPY':
            link.server.sendall(data[:len(data) // 2])
        if moment == 'after the COMMIT':
            link.is_mute = True
            link.server.sendall(data)
            time.sleep(0.3)
        if what == 'kill':
            one.process.kill()
        link.cut()
        happened.append(moment)

    if moment == 'in the COPY':
        between.at = witness.COPY
    rounds = 2 if what == 'cut' else 1
    for turn in range(rounds):
        with witness.Load(one, app, turn, kinds=('simple', 'pipelined', 'prepared'), pause=0.002) as load:
            time.sleep(random.uniform(0.3, 0.6))
            between.plan = plan
            harness.eventually(lambda: len(happened) > turn, 10, 0.02, 'a COMMIT')
            if what == 'cut':
                time.sleep(0.3)
        witness.quiet(one.target)
        if what == 'kill':
            one.process.wait()
            one.start()
        else:
            assert load.errors == []
    found = settle(one, app, witness.Log(one.target.logged(position)))
    assert what == 'kill' or 'unknown' not in found
    assert one.stop() == 0


def test_a_store_that_stands_still_between_copy_and_commit(guarded, gate, store_cluster, app):
    one, between, database = through(gate, guarded, store_cluster)
    one.start()
    position = one.target.log_position()
    held = threading.Event()

    def plan(link, data):
        pids = [pid for [pid] in store_cluster.sql('SELECT pid FROM pg_stat_activity WHERE datname = %s', database)]
        with witness.stopped(pids):
            link.server.sendall(data)
            held.set()
            time.sleep(2)

    with witness.Load(one, app, 0, long_s=0.3) as load:
        time.sleep(0.5)
        between.plan = plan
        assert held.wait(10)
        before = len(load.answered)
        time.sleep(1.5)
        # Sessions do not wait for the store.
        assert len(load.answered) > before
        time.sleep(1)
    assert load.errors == []
    witness.quiet(one.target)
    found = settle(one, app, witness.Log(one.target.logged(position)))
    assert 'unknown' not in found
    assert one.stop() == 0


def test_a_second_process_on_the_state_directory_refuses_and_names_the_first(guarded, app):
    one = guarded().start()
    position = one.target.log_position()
    other_file = one.directory / 'second.yaml'
    other = {**one.config, 'admin': {**one.config['admin'], 'port': harness.free_port()},
             'listeners': [{**one.config['listeners'][0], 'port': harness.free_port()}]}
    other_file.write_text(harness.emit_yaml(other) + '\n')
    other_file.chmod(0o600)
    with witness.Load(one, app, 0, kinds=('simple', 'prepared')) as load:
        for _ in range(2):
            second = subprocess.run([harness.BINARY, 'serve', '--config', other_file], text=True,
                                    capture_output=True, timeout=60, env=harness.clean_environment())
            said = second.stdout + second.stderr
            assert second.returncode not in (0, None) and second.returncode > 0, said
            assert re.search(r'in use by process %d\b' % one.process.pid, said), said
    assert load.errors == []
    witness.quiet(one.target)
    settle(one, app, witness.Log(one.target.logged(position)))
    assert one.http('/readyz')[0] == 200
    # The lock goes with its holder, whatever ended it.
    one.kill()
    one.start()
    assert one.stop() == 0


def refused(one):
    """What an appliance says that does not start because another state directory writes as its node."""
    one.start(ready=False)
    assert one.process.wait(60) == 1, one.log_tail()
    said = one.log().splitlines()[-1]
    assert "another state directory writes as node '%s'" % one.config['node'] in said and 'audit adopt' in said, said
    return said


def adopt(one):
    """The cure, once the other one's connection is gone."""
    def adopted():
        done = subprocess.run([harness.BINARY, 'audit', 'adopt', '--config', one.config_file], text=True,
                              capture_output=True, timeout=60, env=harness.clean_environment())
        assert done.returncode == 0 or 'stop it first' in done.stderr, done.stderr
        return done.returncode == 0
    harness.eventually(adopted, 20, 0.2, 'the node to be free')


def test_another_state_directory_with_the_same_node_name_does_not_start(guarded, app):
    one = guarded().start()
    position = one.target.log_position()
    twin = guarded(store=one.config['store'])
    with witness.Load(one, app, 0, kinds=('simple', 'prepared'), pause=0.01) as load:
        for _ in range(2):
            refused(twin)
        early = subprocess.run([harness.BINARY, 'audit', 'adopt', '--config', twin.config_file], text=True,
                               capture_output=True, timeout=60, env=harness.clean_environment())
        assert early.returncode == 1 and 'stop it first' in early.stderr, early.stderr
    assert load.errors == []
    witness.quiet(one.target)
    settle(one, app, witness.Log(one.target.logged(position)))
    assert one.http('/readyz')[0] == 200
    # With a name of its own it may write into the same store.
    twin.config['node'] = 'other'
    twin.write_config()
    shutil.rmtree(twin.state)
    twin.state.mkdir()
    twin.start()
    assert twin.stop() == 0
    assert one.stop() == 0
    witness.verify(one)


def test_a_paused_process_whose_place_was_taken_stops_with_conflict(guarded, app):
    """Its connection to the store is lost meanwhile: the checkpoint, not only the lock, keeps the two apart."""
    one = guarded().start()
    with one.connect(database=witness.DATABASE, application_name=app) as connection:
        connection.execute("SELECT 'k0.0.0k'")
    one.trail().settled(app)
    with witness.stopped([one.process.pid]):
        with psycopg.connect(one.store_conninfo(), autocommit=True) as store:
            store.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE "
                          "'ringfence writer%' AND datname = current_database()")
        twin = guarded(store=one.config['store'])
        refused(twin)
        adopt(twin)
        twin.start()
        with twin.connect(database=witness.DATABASE, application_name=app) as connection:
            connection.execute("SELECT 'k0.1.0k'")
        twin.trail().settled(app, sessions=2)
        assert twin.stop() == 0
    # Its first batch shows it: a session of that moment may still come through, later ones do not.
    threading.Thread(target=lambda: one.psql('-c', "SELECT 'k0.2.0k'", check=False, application_name=app,
                                             PGDATABASE=witness.DATABASE), daemon=True).start()

    def conflict():
        status, body = one.http('/readyz')
        return status == 503 and 'conflict' in body
    harness.eventually(conflict, 30, 0.1, '/readyz to say conflict')
    with raw.RawClient(one.pg_port) as client, pytest.raises(raw.ServerError) as error:
        client.log_in('alice', harness.USERS['alice'], witness.DATABASE)
    assert error.value.fields['C'] == '58030'
    texts = [witness.tag_of(row) for row in witness.statements(one.trail(), app)]
    assert sorted(texts) == ['k0.0.0k', 'k0.1.0k']
    witness.sequence(one.trail())
    witness.verify(twin)  # By the key of the directory that continues the trail.


def test_a_clock_that_is_set_back_and_forth_leaves_the_chain_in_order(guarded, clock, app):
    one = guarded().start(environment=clock.environment)
    position = one.target.log_position()
    day = 86_400
    turn = 0
    for offset in (0, -7_200, 10 * day, -day, 0):
        clock.set(offset)
        with witness.Load(one, app, turn, kinds=('simple', 'pipelined'), pause=0.01) as load:
            time.sleep(0.3)
            if offset == -day:
                one.kill()
        assert load.errors == [] or offset == -day
        turn += 1
        if offset == -day:
            one.start(environment=clock.environment)
    witness.quiet(one.target)
    settle(one, app, witness.Log(one.target.logged(position)))
    trail = one.trail()
    [order] = trail.rows('SELECT count(*) AS n, count(*) FILTER (WHERE recorded_at < before) AS backward FROM (SELECT '
                         'recorded_at, lag(recorded_at) OVER (ORDER BY chain_no) AS before FROM ringfence.audit_event) t')
    assert order['n'] > 100 and order['backward'] == 0, order
    # The statements' own time is what the clock said.
    [times] = trail.rows("SELECT max(ts) - min(ts) > interval '10 days' AS wide FROM ringfence.audit_event")
    assert times['wide']
    assert one.stop() == 0


def test_a_journal_that_the_store_left_behind_is_told(guarded, gate, store_cluster, app):
    """Another state directory wrote under the node's name meanwhile: what this one still held cannot go in."""
    one, between, _ = through(gate, guarded, store_cluster)
    one.start()
    with one.connect(database=witness.DATABASE, application_name=app) as connection:
        connection.execute("SELECT 'k0.0.0k'")
        one.trail().wait(app, 1)
        time.sleep(0.3)
        between.shut()
        connection.execute("SELECT 'k0.0.1k'")
        one.kill()
    between.open()
    twin = guarded(store=one.config['store'])
    twin.store_conninfo = one.store_conninfo
    refused(twin)
    adopt(twin)
    twin.start()
    for n in range(6):  # Both shards.
        with twin.connect(database=witness.DATABASE, application_name=app) as connection:
            connection.execute("SELECT 'k0.1.%dk'" % n)
    assert twin.stop() == 0
    assert not witness.gaps(one.trail())
    refused(one)
    adopt(one)
    one.start()
    gaps = harness.eventually(lambda: witness.gaps(one.trail()), 20, 0.1, 'the loss as an event')
    assert 'another process wrote as this node' in gaps[0]['reason']
    assert list((one.state / 'journal').glob('*.damaged'))
    witness.sequence(one.trail())
    witness.verify(one)
    assert one.stop() == 0

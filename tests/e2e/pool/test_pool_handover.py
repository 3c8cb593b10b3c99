"""How a warm connection changes hands: what that asks of the server, and what may go wrong at that very moment."""
import re
import threading
import time

import psycopg
import pytest

import harness
import raw
from pooling import counts, next_session, pid_of, pooled, wait_idle
from test_pool import start

NAME = "SELECT current_setting('application_name')"


@pytest.fixture(scope='module')
def warm(target):
    """An appliance whose target keeps one connection: whoever comes next gets that of whoever went."""
    directory = harness.work_directory('handover')
    one = harness.Appliance(directory, target, shards=1, targets=pooled(target)).start()
    yield one
    code = one.stop()
    harness.remove(directory)
    assert code == 0, one.log_tail()


def asked(target, position, pid):
    """The messages that a server process was sent, as its own log has them."""
    lines = [line.split('|', 5) for line in target.logged(position).splitlines()]
    found = [re.sub(r'^LOG:\s+(statement|execute \S+): ', '', line[5].strip()) for line in lines
             if len(line) == 6 and line[1] == str(pid) and re.search(r'LOG:\s+(statement|execute)', line[5])]
    return [re.sub(r'seed = 0\.\d+', 'seed', text) for text in found]


def test_a_session_costs_the_server_three_messages_beside_its_own(warm, target):
    with warm.connect(application_name='counted') as connection:
        before = pid_of(connection)
    wait_idle(warm)
    position = target.log_position()
    for _ in range(3):
        with warm.connect(application_name='counted') as connection:
            assert connection.execute('SELECT 1').fetchone()[0] == 1
        wait_idle(warm)
    once = ["SET application_name = E'ringfence/alice: counted'", 'SELECT 1', 'DISCARD ALL', 'RESET ROLE; SET seed']
    harness.eventually(lambda: len(asked(target, position, before)) >= 12, what='the log')
    assert asked(target, position, before) == once * 3


def test_a_session_that_says_nothing_is_not_named(warm, target):
    with warm.connect() as connection:
        before = pid_of(connection)
    wait_idle(warm)
    position = target.log_position()
    warm.connect(application_name='silent').close()
    harness.eventually(lambda: len(asked(target, position, before)) >= 2, what='the log')
    wait_idle(warm)
    assert asked(target, position, before) == ['DISCARD ALL', 'RESET ROLE; SET seed']


def test_a_session_that_waits_before_its_first_statement_is_named(warm, target):
    shown = 'SELECT count(*) FROM pg_stat_activity WHERE application_name = %s'
    with warm.connect() as connection:
        before = pid_of(connection)
    wait_idle(warm)
    with warm.connect(application_name='waits') as connection:
        # Its own word, before anybody has asked the server.
        assert connection.info.parameter_status('application_name') == 'ringfence/alice: waits'
        harness.eventually(lambda: target.sql(shown, 'ringfence/alice: waits')[0][0] == 1, what='the name')
        assert connection.execute(NAME).fetchone()[0] == 'ringfence/alice: waits'
        assert pid_of(connection) == before


@pytest.mark.parametrize('first', ['BEGIN', 'VACUUM', 'SELECT 1; SELECT 2', '', "SET application_name = 'own'"])
def test_whatever_a_session_says_first_is_answered_as_ever(warm, first):
    with warm.connect() as connection:
        before = pid_of(connection)
    wait_idle(warm)
    answers = []
    for database in ('shop', 'plain'):
        with raw.RawClient(warm.pg_port) as wire:
            wire.log_in('alice', harness.USERS['alice'], database)
            answers.append([kind + (body if kind in b'CZ' else b'') for kind, body in wire.run(first)])
            if database == 'shop':
                assert raw.rows(wire.run('SELECT pg_backend_pid()')) == [[str(before).encode()]]
                if first == 'BEGIN':
                    wire.run('ROLLBACK')
            wire.send(raw.TERMINATE)
            assert wire.at_end()
    assert answers[0] == answers[1]
    wait_idle(warm)


def test_a_first_message_of_the_extended_protocol(warm):
    with warm.connect() as connection:
        before = pid_of(connection)
    wait_idle(warm)
    with raw.RawClient(warm.pg_port, piece=7) as wire:
        wire.log_in('alice', harness.USERS['alice'], 'shop', application_name='ext')
        wire.send(raw.parse('', NAME) + raw.bind('', '') + raw.execute() + raw.SYNC)
        got = wire.receive_until(b'Z')
        assert raw.kinds(got) == b'12DCZ' and raw.rows(got) == [[b'ringfence/alice: ext']]
        assert raw.rows(wire.run('SELECT pg_backend_pid()')) == [[str(before).encode()]]


def test_a_session_whose_first_statement_is_cancelled_at_once_goes_on(warm):
    """Whenever the request comes, it meets the client's statement or nothing: never the appliance's own."""
    cancelled = 0
    for _ in range(12):
        with raw.RawClient(warm.pg_port) as wire:
            wire.log_in('alice', harness.USERS['alice'], 'shop')
            wire.send(raw.query('SELECT pg_sleep(0.2)'))
            with raw.RawClient(warm.pg_port) as other:
                other.send(raw.struct.pack('!II', 8 + len(wire.key), 80877102) + wire.key)
                assert other.at_end()
            got = wire.receive_until(b'Z')
            errors = [raw.error_fields(body)['C'] for kind, body in got if kind == b'E']
            assert errors in ([], ['57014']), errors
            cancelled += len(errors)
            assert raw.rows(wire.run('SELECT 1')) == [[b'1']]
            wire.send(raw.TERMINATE)
            assert wire.at_end()
    assert cancelled > 0


def test_a_timeout_of_the_sessions_own_meets_its_own_statement(warm):
    for _ in range(3):
        with warm.connect(options='-c statement_timeout=200') as connection:
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute('SELECT pg_sleep(20)')
            assert connection.execute(NAME).fetchone()[0].startswith('ringfence/alice')


def test_a_server_process_that_ends_by_the_first_statement_is_heard(warm):
    with warm.connect() as connection:
        before = pid_of(connection)
    wait_idle(warm)
    with warm.connect() as connection:
        with pytest.raises(psycopg.OperationalError, match='administrator command'):
            connection.execute('SELECT pg_terminate_backend(pg_backend_pid())')
    with warm.connect() as connection:
        assert pid_of(connection) != before


def test_a_client_that_goes_as_soon_as_it_has_asked_leaves_nothing(warm, target):
    with warm.connect() as connection:
        before = pid_of(connection)
    for _ in range(5):
        wait_idle(warm)
        wire = raw.RawClient(warm.pg_port).log_in('alice', harness.USERS['alice'], 'shop')
        wire.send(raw.query("SET work_mem = '66MB'"))
        wire.socket.close()
        harness.eventually(lambda: counts(warm)['in_use'] == 0, what='the session to end')
        with warm.connect() as connection:
            assert connection.execute('SHOW work_mem').fetchone()[0] == '4MB'
            assert connection.execute(NAME).fetchone()[0].startswith('ringfence/alice')
    assert before


def test_a_first_statement_that_is_refused_leaves_the_session_named(own, target):
    one = own(shards=1, targets=pooled(target, max=2),
              policies=[{'name': 'readers', 'roles': ['operator'], 'tags': ['e2e'], 'level': 'read'}]).start()
    for _ in range(3):
        with one.connect(application_name='refused') as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute('CREATE TABLE pool_never (a int)')
            assert connection.execute(NAME).fetchone()[0] == 'ringfence/alice: refused'
        wait_idle(one)
    assert counts(one)['hits'] == 2


def test_one_that_has_waited_for_long_answers_before_its_next_session_is_greeted(own, target):
    one = start(own, target)
    with one.connect() as connection:
        before = pid_of(connection)
    wait_idle(one)
    time.sleep(5.1)  # What counts as lately.
    position = target.log_position()
    with one.connect(application_name='late') as connection:
        assert asked(target, position, before) == ["SET application_name = E'ringfence/alice: late'"]
        assert pid_of(connection) == before
    with next_session(one, before, application_name='soon') as connection:
        assert connection.execute(NAME).fetchone()[0] == 'ringfence/alice: soon'


# ---------------------------------------------------------------- bounds

def test_a_target_never_has_more_connections_than_its_bound(own, target):
    """Two kinds, one of which is always in the way of the other; on two shards, with some made ahead."""
    there = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_app' AND NOT pid = ANY (%s)"
    others = [row[0] for row in target.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'shop_app'")]
    one = start(own, target, shards=2, max=4, min=2, more={'connections_max': 4})
    highest, refused = 0, []
    with target.connect() as watcher:
        def work(number):
            for i in range(15):
                try:
                    with one.connect(options='-c statement_timeout=%d' % (1000 * (1 + (number + i) % 2))) as connection:
                        connection.execute('SELECT 1')
                except psycopg.OperationalError as error:
                    refused.append(str(error))
        threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            highest = max(highest, watcher.execute(there, (others,)).fetchone()[0])
        for thread in threads:
            thread.join()
    assert refused == []
    assert 2 <= highest <= 4


def test_a_server_without_room_gets_it_from_those_that_wait(own):
    directory = harness.work_directory('pool-full')
    cluster = harness.make_target(directory / 'pg')
    try:
        cluster.sql('ALTER ROLE shop_app CONNECTION LIMIT 2')
        one = start(own, cluster, shards=2, max=4)
        for shard in range(2):
            first, second = one.connect(), one.connect()
            pids = {pid_of(first), pid_of(second)}
            first.close()
            second.close()
            harness.eventually(lambda: one.metrics()['ringfence_pool_connections{shard="0",state="in_use"}'] == 0, what='both')
            # Of another kind: the server has room for two of this user, and both wait.
            with one.connect(options='-c statement_timeout=%d' % (1000 + shard)) as third:
                assert pid_of(third) not in pids
    finally:
        cluster.stop()
        harness.remove(directory)


@pytest.mark.parametrize('number', [1, 3, 5])
def test_max_and_min_of_all_shards_add_up(own, target, number):
    one = start(own, target, shards=2, max=number, min=number)
    def idle():
        return one.metrics()['ringfence_pool_connections{shard="0",state="idle"}'] + one.metrics()['ringfence_pool_connections{shard="1",state="idle"}']
    harness.eventually(lambda: idle() == number, what='min')
    connections = [one.connect() for _ in range(number + 4)]
    for connection in connections:
        assert connection.execute('SELECT 1').fetchone()[0] == 1
        connection.close()
    harness.eventually(lambda: one.metrics()['ringfence_sessions_open'] == 0 and idle() == number, what='max: %s' % idle())
    with one.connect() as connection:
        assert connection.execute('SELECT 1').fetchone()[0] == 1


def test_a_shard_whose_places_another_has_gets_its_part_of_them(own, target):
    one = start(own, target, shards=2, max=2)
    per_shard = ['ringfence_pool_connections{shard="%d",state="idle"}' % shard for shard in range(2)]
    held = [one.connect() for _ in range(4)]  # Two on each: the shard with the fewest sessions gets the next.
    by_shard = {}
    for session, connection in zip(sorted(one.sessions(), key=lambda session: session['connected_at']), held):
        by_shard.setdefault(session['shard'], []).append(connection)
    assert sorted(map(len, by_shard.values())) == [2, 2], by_shard
    for connection in by_shard[0]:
        connection.close()
    harness.eventually(lambda: [one.metrics()[name] for name in per_shard] == [2, 0], what='all to wait on one shard')
    for connection in by_shard[1]:
        connection.close()
        harness.eventually(lambda: one.metrics()['ringfence_pool_connections{shard="1",state="in_use"}'] < 2, what='it to end')
        time.sleep(0.1)
    harness.eventually(lambda: [one.metrics()[name] for name in per_shard] == [1, 1], what='each to have one: %s' %
                       [one.metrics()[name] for name in per_shard])


def test_a_connection_that_is_reset_and_not_kept_counts_as_discarded_alone(own, target):
    one = start(own, target, max=1)
    with one.connect() as first, one.connect() as second:
        assert pid_of(first) != pid_of(second)
    harness.eventually(lambda: counts(one)['in_use'] == 0, what='both to end')
    found = counts(one)
    assert found['returns'] == 2 and found['discards'] == 1  # The older made way for the newer.

"""Results that go beyond a bound of a grant: the client gets one ERROR and keeps its session where that is true at the
server; where it is not, the session ends."""
import socket

import psycopg
import pytest

import harness
import raw
from test_grants import connect, grant
from test_store_users import PASSWORD, call, make_user

CUT = '53400'
LONG = "SELECT repeat('x', 100) || generate_series(1, 50000000)"
SHORT = 'SELECT generate_series(1, 150)'


@pytest.fixture(scope='module')
def shared(target):
    directory = harness.work_directory('withheld')
    one = harness.Appliance(directory, target, store='embedded', shards=2, policies=[])
    one.start()
    make_user(one)
    target.sql('CREATE TABLE withheld (n int)', database='shop')
    target.sql('GRANT ALL ON withheld TO shop_app', database='shop')
    yield one
    target.sql('DROP TABLE withheld', database='shop')
    code = one.stop()
    harness.remove(directory)
    assert code == 0, one.log_tail()


@pytest.fixture
def one(shared, target):
    target.sql('TRUNCATE withheld', database='shop')
    yield shared
    for record in call(shared, 'GET', '/api/v1/grants')[2]['items']:
        assert call(shared, 'DELETE', '/api/v1/grants/' + record['id'])[0] == 204


@pytest.fixture
def wire(one, app):
    """A client at level admin whose statements may have 100 rows."""
    grant(one, level='admin', statement_rows=100)
    with raw.RawClient(one.pg_port) as client:
        yield client.log_in('ana', PASSWORD, 'shop', application_name=app)


def errors(messages):
    return [raw.error_fields(body) for kind, body in messages if kind == b'E']


def states(messages):
    return b''.join(body for kind, body in messages if kind == b'Z')


def is_cut(messages, rows=100):
    """All that fitted, one ERROR, and nothing of the statement behind it."""
    [error] = errors(messages)
    assert (error['S'], error['C']) == ('ERROR', CUT), error
    assert '100 rows of one statement' in error['D'] and error['H'], error
    assert len(raw.rows(messages)) == rows
    assert raw.kinds(messages).rstrip(b'Z').endswith(b'E'), raw.kinds(messages)
    return error


def lives(wire):
    assert raw.rows(wire.run('SELECT 7')) == [[b'7']]


def fatal(wire):
    """The last words of a session that ends."""
    got = []
    while not errors(got) or errors(got)[-1]['S'] != 'FATAL':
        got.append(wire.receive())
    assert wire.at_end()
    assert errors(got)[-1]['C'] == CUT
    return errors(got)[-1]['M'], got


def count(target):
    return target.sql('SELECT count(*) FROM withheld', database='shop')[0][0]




def test_a_long_result_is_cancelled_and_the_session_goes_on(wire, target):
    since = target.log_position()
    for _ in range(5):
        got = wire.run(LONG)
        error = is_cut(got)
        assert 'more rows or bytes than your grant' in error['M'] and 'has failed' in error['D']
        assert states(got) == b'I'
        lives(wire)
    log = target.logged(since)
    assert log.count('canceling statement due to user request') == 5
    assert 'SELECT 7' in log


def test_no_cancel_request_meets_the_next_statement(wire):
    for number in range(60):
        is_cut(wire.run('SELECT generate_series(1, %d)' % (100 + 7 ** (number % 7))))
        got = wire.run('SELECT count(*) FROM generate_series(1, 20000)')
        assert raw.rows(got) == [[b'20000']], errors(got)


def test_a_short_result_that_only_reads_is_an_error_that_says_that_it_completed(wire):
    for _ in range(3):
        got = wire.run(SHORT)
        assert 'had completed' in is_cut(got)['D'] and states(got) == b'I'
        lives(wire)
    assert len(raw.rows(wire.run('SELECT generate_series(1, 100)'))) == 100


@pytest.mark.parametrize('text', [LONG, SHORT])
def test_a_transaction_has_failed(wire, target, text):
    wire.run('BEGIN')
    wire.run('INSERT INTO withheld VALUES (1)')
    got = wire.run(text)
    is_cut(got)
    assert states(got) == b'E'
    assert errors(wire.run('SELECT 1'))[0]['C'] == '25P02'
    assert raw.kinds(wire.run('COMMIT')) == b'CZ'
    assert count(target) == 0
    lives(wire)


def test_savepoints_work_as_with_any_error(wire, target):
    wire.run('BEGIN')
    wire.run('INSERT INTO withheld VALUES (1)')
    wire.run('SAVEPOINT s')
    is_cut(wire.run('INSERT INTO withheld SELECT generate_series(1, 150) RETURNING n'))
    assert raw.kinds(wire.run('ROLLBACK TO s')) == b'CZ'
    assert raw.kinds(wire.run('COMMIT')) == b'CZ'
    assert count(target) == 1


def test_what_was_committed_is_told_so(wire, target, one, app):
    wire.send(raw.query('INSERT INTO withheld SELECT generate_series(1, 150) RETURNING n'))
    why, got = fatal(wire)
    assert 'is committed' in why and len(raw.rows(got)) == 100 and b'C' not in raw.kinds(got)
    assert count(target) == 150
    [row] = one.trail().settled(app)
    assert (row['outcome'], row['rows'], row['sqlstate']) == ('withheld', 100, CUT)


@pytest.mark.parametrize('text', [
    'INSERT INTO withheld VALUES (1); %s', '%s; INSERT INTO withheld VALUES (1)', 'BEGIN; INSERT INTO withheld VALUES (1); %s; COMMIT'])
def test_several_statements_of_a_query(wire, target, text):
    wire.send(raw.query(text % SHORT))
    why, _ = fatal(wire)
    assert 'is committed' in why and count(target) == 1


def test_several_statements_of_which_the_long_one_is_cancelled(wire, target):
    got = wire.run('INSERT INTO withheld VALUES (1); %s; INSERT INTO withheld VALUES (2)' % LONG)
    is_cut(got)
    assert raw.kinds(got).startswith(b'CT') and states(got) == b'I' and count(target) == 0
    got = wire.run('SELECT 1; %s; SELECT 2' % SHORT)
    is_cut(got, rows=101)
    lives(wire)


@pytest.mark.parametrize('text', [LONG, SHORT])
def test_extended_protocol(wire, text):
    for _ in range(3):
        wire.send(raw.parse('', text) + raw.bind('', '') + raw.describe(b'P') + raw.execute() + raw.SYNC)
        got = wire.receive_until(b'Z')
        is_cut(got)
        assert raw.kinds(got).startswith(b'12TD') and states(got) == b'I'
        lives(wire)


def test_binary_results(wire):
    wire.send(raw.parse('', LONG))
    body = b'\0\0' + b'\0\0\0\0' + b'\0\1\0\1'
    wire.send(raw.message(b'B', body) + raw.execute() + raw.SYNC)
    is_cut(wire.receive_until(b'Z'))
    lives(wire)


@pytest.mark.parametrize('text', [LONG, SHORT])
def test_pipelined_executes_of_one_group(wire, target, text):
    wire.send(raw.parse('', 'INSERT INTO withheld VALUES (1)') + raw.bind('', '') + raw.execute()
              + raw.parse('', text) + raw.bind('', '') + raw.execute()
              + raw.parse('', 'SELECT 8') + raw.bind('', '') + raw.execute() + raw.SYNC)
    if text == LONG:
        got = wire.receive_until(b'Z')
        is_cut(got)
        assert states(got) == b'I' and count(target) == 0
        lives(wire)
    else:
        assert 'is committed' in fatal(wire)[0] and count(target) == 1


def test_a_later_group_that_was_sent_already_is_not_cancelled(wire, target):
    since = target.log_position()
    group = raw.parse('', 'SELECT n FROM generate_series(1, 30000) n') + raw.bind('', '') + raw.execute() + raw.SYNC
    later = raw.parse('', 'SELECT 9') + raw.bind('', '') + raw.execute() + raw.SYNC
    for _ in range(10):
        wire.send(group + later)
        is_cut(wire.receive_until(b'Z'))
        assert raw.rows(wire.receive_until(b'Z')) == [[b'9']]
    assert 'canceling statement' not in target.logged(since)


@pytest.mark.parametrize('text', [LONG, SHORT, 'INSERT INTO withheld SELECT generate_series(1, 150) RETURNING n'])
def test_flush_without_sync(wire, target, text):
    for _ in range(3):
        wire.send(raw.parse('', text) + raw.bind('', '') + raw.execute() + raw.FLUSH)
        is_cut(wire.receive_until(b'E'))
        # What comes before the Sync is skipped.
        wire.send(raw.parse('', 'INSERT INTO withheld VALUES (1)') + raw.bind('', '') + raw.execute() + raw.SYNC)
        got = wire.receive_until(b'Z')
        assert raw.kinds(got) == b'Z' and states(got) == b'I'
        lives(wire)
    assert count(target) == 0


def test_a_portal_that_is_gone_on_with(wire):
    wire.run('BEGIN')
    wire.send(raw.parse('', 'SELECT generate_series(1, 1000)') + raw.bind('p', '') + raw.execute('p', 90) + raw.SYNC)
    assert len(raw.rows(wire.receive_until(b'Z'))) == 90
    wire.send(raw.execute('p', 90) + raw.SYNC)
    got = wire.receive_until(b'Z')
    assert errors(got)[0]['C'] == CUT and len(raw.rows(got)) == 10 and states(got) == b'E'
    wire.run('ROLLBACK')
    lives(wire)


@pytest.mark.parametrize('text', [
    'COPY (%s) TO STDOUT' % LONG, 'COPY (%s) TO STDOUT' % SHORT, 'COPY (%s) TO STDOUT (FORMAT binary)' % LONG])
def test_copy_to_stdout(one, text):
    grant(one, level='write', statement_rows=100)
    with raw.RawClient(one.pg_port) as wire:
        wire.log_in('ana', PASSWORD, 'shop')
        for _ in range(3):
            got = wire.run(text)
            [error] = errors(got)
            assert error['C'] == CUT and states(got) == b'I'
            assert raw.kinds(got).count(b'd') == 100 and b'c' not in raw.kinds(got) and b'C' not in raw.kinds(got)
            lives(wire)


def test_cursors(wire):
    wire.run('BEGIN')
    got = wire.run('DECLARE c CURSOR FOR SELECT generate_series(1, 1000); FETCH 150 FROM c')
    is_cut(got)
    assert states(got) == b'E'
    wire.run('ROLLBACK')
    wire.run('BEGIN')
    wire.run('DECLARE c CURSOR FOR SELECT generate_series(1, 1000)')
    assert len(raw.rows(wire.run('FETCH 100 FROM c'))) == 100
    is_cut(wire.run('FETCH ALL FROM c'))
    wire.run('ROLLBACK')
    lives(wire)


def test_notices_and_notifications_pass(wire, one, target):
    target.sql("CREATE OR REPLACE FUNCTION noisy(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN "
               "IF n % 10 = 0 THEN RAISE NOTICE 'at %', n; END IF; RETURN n; END $$", database='shop')
    wire.run('LISTEN withheld')
    got = wire.run('BEGIN; SELECT noisy(n) FROM generate_series(1, 150) n')
    is_cut(got)
    assert raw.kinds(got).count(b'N') == 15
    assert states(got) == b'E'
    target.sql("NOTIFY withheld, 'hello'", database='shop')
    got = wire.run('ROLLBACK')
    while b'A' not in raw.kinds(got):
        got.append(wire.receive())
    lives(wire)


def test_a_flood_of_notices_is_bounded_too(one, target):
    grant(one, level='admin', statement_bytes=20000)
    with raw.RawClient(one.pg_port) as wire:
        wire.log_in('ana', PASSWORD, 'shop')
        wire.run('BEGIN')
        got = wire.run("DO $$ BEGIN FOR n IN 1..10000000 LOOP RAISE NOTICE 'row %', n; END LOOP; END $$")
        assert errors(got)[0]['C'] == CUT and states(got) == b'E'
        assert sum(len(body) + 5 for kind, body in got if kind == b'N') <= 20000


def test_bytes_are_exact_to_a_message(one):
    grant(one, level='read', statement_bytes=10000)
    with raw.RawClient(one.pg_port) as wire:
        wire.log_in('ana', PASSWORD, 'shop')
        for length in (1, 100, 4000, 9000, 100000, 3000000):
            got = wire.run("SELECT repeat('x', %d) FROM generate_series(1, 5000) n" % length)
            assert errors(got)[0]['C'] == CUT and states(got) == b'I', length
            passed = sum(len(body) + 5 for kind, body in got if kind in b'TD')
            assert passed <= 10000 < passed + length + 11
            lives(wire)


def test_the_trail_says_what_the_server_did(wire, one, app):
    wire.run(LONG + ' -- long')
    wire.run(SHORT + ' -- short')
    wire.run('SELECT 1 / (n - 120) FROM generate_series(1, 200) n -- fails')
    wire.run('BEGIN')
    wire.run(SHORT + ' -- in a block')
    wire.run('ROLLBACK')
    wire.run('SELECT 1 -- in peace')
    wire.send(raw.TERMINATE)
    rows = {row['statement'].split('-- ')[-1]: row for row in one.trail().settled(app)}
    told = {name: (row['outcome'], row['sqlstate'], row['rows']) for name, row in rows.items()}
    assert told == {
        'long': ('failure', CUT, 100), 'short': ('withheld', CUT, 100), 'fails': ('failure', CUT, 100), 'BEGIN': ('success', None, 0),
        'in a block': ('withheld', CUT, 100), 'ROLLBACK': ('success', None, 0), 'in peace': ('success', None, 1)}
    assert rows['short']['rule'].endswith(': statement_rows') and 'completed' in rows['short']['error_message']
    assert 0 < rows['short']['bytes_to_client'] < 3000
    assert not [e for e in one.trail().events(app) if e['action'] in ('postgres_error', 'attribution_mismatch')]


def test_psql_keeps_its_session(one, target):
    given = grant(one, level='admin', statement_rows=100)
    done = one.psql('-c', LONG, '-c', 'SELECT 42', '-c', '\\copy (%s) TO /dev/null' % LONG, '-c', 'SELECT 43',
                    user='ana', PGPASSWORD=PASSWORD, check=False)
    assert done.stdout.split().count('42') == 1 and '43' in done.stdout, done
    assert done.stderr.count('ERROR:  the statement has more rows or bytes than your grant %d' % given['number']) == 2


def test_psycopg_goes_on(one, target):
    grant(one, level='admin', statement_rows=100)
    with one.connect('ana', password=PASSWORD, autocommit=False) as connection:
        for text in (LONG, SHORT):
            with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
                connection.execute(text)
            connection.rollback()
            assert connection.execute('SELECT %s', (5,)).fetchone() == (5,)
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
            with connection.cursor('named') as cursor:
                cursor.itersize = 40
                cursor.execute(SHORT)
                for _ in cursor.fetchall():
                    pass
        connection.rollback()
        assert len(connection.execute('SELECT generate_series(1, 100)').fetchall()) == 100


def test_a_spent_budget_leaves_the_session(one, target):
    grant(one, max_rows=1000)
    with connect(one) as connection:
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded) as caught:
            connection.execute(LONG)
        assert 'is used up' in str(caught.value)
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
            connection.execute('SELECT 1')
        assert not connection.closed


def test_clients_that_go_away_and_sessions_that_are_killed(one, target):
    grant(one, level='admin', statement_rows=100)
    clients = [raw.RawClient(one.pg_port).log_in('ana', PASSWORD, 'shop') for _ in range(12)]
    for client in clients:
        client.send(raw.query(LONG))
    for client in clients[:4]:
        client.socket.shutdown(socket.SHUT_RDWR)
        client.socket.close()
    for client in clients[4:8]:
        client.receive_until(b'E')
        client.send(raw.TERMINATE)
        client.socket.close()
    for session in one.sessions():
        one.http('/api/v1/sessions/' + session['id'], 'DELETE')
    harness.eventually(lambda: not one.sessions(), timeout=20, what='the sessions to end')
    for client in clients[8:]:
        client.socket.close()
    running = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_app' AND state = 'active' AND pid <> pg_backend_pid()"
    harness.eventually(lambda: target.sql(running) == [(0,)], timeout=60, what='the statements to end')


def test_a_server_that_does_not_obey_loses_its_session(one, target):
    target.sql("CREATE OR REPLACE FUNCTION stubborn(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF n > 120 THEN LOOP BEGIN "
               "PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END IF; "
               "RAISE NOTICE '%', repeat('x', 8000); RETURN n; END $$", database='shop')
    grant(one, level='admin', statement_rows=100)
    with raw.RawClient(one.pg_port, timeout=40) as wire:
        wire.log_in('ana', PASSWORD, 'shop')
        wire.send(raw.query('SELECT stubborn(n) FROM generate_series(1, 200) n'))
        why, _ = fatal(wire)
        assert 'within 10 s' in why

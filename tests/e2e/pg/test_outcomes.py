"""How statements end that are not simply answered: each has one record, its own text and the word that the server
would put on it."""
import struct

import pytest

import harness
import raw

PASSWORD = harness.USERS['alice']


def session(appliance, app):
    return raw.RawClient(appliance.pg_port).log_in('alice', PASSWORD, 'shop', application_name=app)


def told(rows):
    return [(row['statement'], row['outcome'], row['sqlstate']) for row in rows]


def errors(messages):
    return [raw.error_fields(body)['C'] for kind, body in messages if kind == b'E']


def test_sql_prepare_execute_and_cursors_are_statements_of_their_own(appliance, trail, app):
    texts = ['PREPARE q(int) AS SELECT n FROM generate_series(1, $1) n', 'EXECUTE q(3)', 'EXECUTE q(5)', 'BEGIN',
             'DECLARE c CURSOR FOR SELECT n FROM generate_series(1, 10) n', 'FETCH 4 FROM c', 'FETCH ALL FROM c',
             'CLOSE c', 'COMMIT', 'DEALLOCATE q']
    with session(appliance, app) as client:
        for text in texts:
            assert b'E' not in raw.kinds(client.run(text))
        assert errors(client.run('EXECUTE q(1)')) == ['26000']
        client.send(raw.TERMINATE)
    rows = trail.settled(app)
    assert told(rows) == [(text, 'success', None) for text in texts] + [('EXECUTE q(1)', 'failure', '26000')]
    assert [row['rows'] or 0 for row in rows] == [0, 3, 5, 0, 0, 4, 6, 0, 0, 0, 0]


def test_a_prepared_statement_has_a_record_for_each_time_it_runs(appliance, trail, app):
    with session(appliance, app) as client:
        client.send(raw.parse('s', 'SELECT 100 / $1::int') + raw.SYNC)
        client.receive_until(b'Z')
        for value in (b'1', b'0', b'5'):
            client.send(raw.bind('', 's', [value]) + raw.execute() + raw.SYNC)
            client.receive_until(b'Z')
        client.send(raw.TERMINATE)
    assert [(row['statement'], row['parameters'], row['outcome']) for row in trail.settled(app)] == [
        ('SELECT 100 / $1::int', ['1'], 'success'), ('SELECT 100 / $1::int', ['0'], 'failure'),
        ('SELECT 100 / $1::int', ['5'], 'success')]


def test_a_function_call_that_fails_is_a_failure(appliance, trail, app):
    with session(appliance, app) as client:
        # int4div(int4, int4) is OID 154.
        client.send(raw.message(b'F', struct.pack('!IHHHiiiiH', 154, 1, 1, 2, 4, 7, 4, 0, 1)))
        assert errors(client.receive_until(b'Z')) == ['22012']
        assert raw.rows(client.run('SELECT 1')) == [[b'1']]
        client.send(raw.TERMINATE)
    call, select = trail.settled(app)
    assert (call['message_type'], call['outcome'], call['sqlstate']) == ('F', 'failure', '22012')
    assert (select['statement'], select['outcome']) == ('SELECT 1', 'success')


def test_a_statement_that_times_out_is_cancelled_and_what_it_takes_with_it_not_executed(appliance, trail, app):
    with session(appliance, app) as client:
        client.run('SET statement_timeout = 150')
        assert errors(client.run('SELECT 1; SELECT pg_sleep(30); SELECT 2')) == ['57014']
        client.send(raw.parse('', 'SELECT pg_sleep(31)') + raw.bind('', '') + raw.execute()
                    + raw.parse('', 'SELECT 3') + raw.bind('', '') + raw.execute() + raw.SYNC)
        assert errors(client.receive_until(b'Z')) == ['57014']
        assert raw.rows(client.run('SELECT 4')) == [[b'4']]
        client.send(raw.TERMINATE)
    assert [(row['statement'].strip(' ;'), row['outcome'], row['sqlstate']) for row in trail.settled(app)] == [
        ('SET statement_timeout = 150', 'success', None), ('SELECT 1', 'success', None),
        ('SELECT pg_sleep(30)', 'cancelled', '57014'), ('SELECT 2', 'not_executed', None),
        ('SELECT pg_sleep(31)', 'cancelled', '57014'), ('SELECT 3', 'not_executed', None),
        ('SELECT 4', 'success', None)]


def test_copy_both_ways_by_the_extended_protocol_counts_rows_and_bytes(appliance, trail, app):
    line = b'0123456789\n'
    with session(appliance, app) as client:
        client.run('CREATE TEMP TABLE c (t text)')
        client.send(raw.parse('', 'COPY c FROM STDIN') + raw.bind('', '') + raw.execute()
                    + raw.message(b'd', line * 100) * 3 + raw.message(b'c') + raw.SYNC)
        assert raw.kinds(client.receive_until(b'Z')) == b'12GCZ'
        client.send(raw.parse('', 'COPY c TO STDOUT') + raw.bind('', '') + raw.execute() + raw.SYNC)
        got = client.receive_until(b'Z')
        assert b''.join(body for kind, body in got if kind == b'd') == line * 300
        client.send(raw.parse('', 'COPY c FROM STDIN') + raw.bind('', '') + raw.execute()
                    + raw.message(b'd', line) + raw.message(b'f', b'enough\0') + raw.SYNC)
        assert errors(client.receive_until(b'Z')) == ['57014']
        client.send(raw.TERMINATE)
    _, copied_in, copied_out, broken_off = trail.settled(app)
    assert (copied_in['rows'], copied_in['outcome']) == (300, 'success')
    assert copied_in['bytes_to_server'] >= 300 * len(line)
    assert (copied_out['rows'], copied_out['outcome']) == (300, 'success')
    assert copied_out['bytes_to_client'] >= 300 * len(line)
    assert broken_off['outcome'] in ('failure', 'cancelled') and broken_off['sqlstate'] == '57014'


def test_the_server_ends_a_transaction_that_is_left_open(appliance, trail, app):
    """Its FATAL fails nothing: no statement ran. What the client sends into it was not executed."""
    since = appliance.target.log_position()
    with session(appliance, app) as client:
        client.run('SET idle_in_transaction_session_timeout = 200')
        client.run('BEGIN')
        client.run('SELECT 1')
        kind, body = client.receive()
        assert kind == b'E' and raw.error_fields(body)['C'] == '25P03'
        assert client.at_end()
    assert told(trail.settled(app)) == [('SET idle_in_transaction_session_timeout = 200', 'success', None),
                                        ('BEGIN', 'success', None), ('SELECT 1', 'success', None)]
    assert 'idle-in-transaction timeout' in appliance.target.logged(since)


def test_the_appliance_ends_a_transaction_that_is_left_open_and_the_server_rolls_it_back(own, app):
    one = own(limits={'idle_in_transaction_ms': 400}).start()
    table = 'left_open_%d' % one.pg_port
    with session(one, app) as client:
        client.run('CREATE TABLE %s (n int)' % table)
        client.run('BEGIN')
        client.run('INSERT INTO %s VALUES (1)' % table)
        kind, body = client.receive()
        assert kind == b'E' and raw.error_fields(body)['C'] == '25P03'
        assert client.at_end()
    trail = one.trail()
    assert [outcome for _, outcome, _ in told(trail.settled(app))] == ['success'] * 3
    [gone] = trail.events(app, 'postgres_disconnect')
    assert gone['sqlstate'] == '25P03'
    with session(one, app + '-after') as client:
        assert raw.rows(client.run('SELECT count(*) FROM %s' % table)) == [[b'0']]
        client.run('DROP TABLE %s' % table)


def test_a_client_that_goes_without_reading_leaves_what_the_server_did(appliance, trail, app):
    """A batch of which the client reads no answer: success stands for what the server's log shows, and nothing else."""
    since = appliance.target.log_position()
    with session(appliance, app) as client:
        client.send(raw.parse('', "SELECT 'gone 1'") + raw.bind('', '') + raw.execute()
                    + raw.parse('', "SELECT 'gone 2' / 0") + raw.bind('', '') + raw.execute()
                    + raw.parse('', "SELECT 'gone 3'") + raw.bind('', '') + raw.execute() + raw.SYNC
                    + raw.query("SELECT 'gone 4'"))
    rows = trail.settled(app)
    log = appliance.target.logged(since)
    assert [row['statement'] for row in rows] == ["SELECT 'gone 1'", "SELECT 'gone 2' / 0", "SELECT 'gone 3'", "SELECT 'gone 4'"]
    for row in rows:
        ran = ': %s\n' % row['statement'] in log
        assert row['outcome'] != 'success' or ran, (row['statement'], log)
        assert row['outcome'] != 'not_executed' or not ran, (row['statement'], log)
    assert rows[2]['outcome'] in ('not_executed', 'unknown')


REPLACED = {
    'bytes': b"a\0SELECT '\xe9'\0\0\0",
    'long': b"a\0/*" + b'x' * 200000 + b"*/ SELECT 'not this'\0\0\0",
    'plain': b"a\0SELECT 'not this'\0\0\0",
}


@pytest.mark.parametrize('join_ms', [0, 1000])
@pytest.mark.parametrize('parse', REPLACED)
def test_a_statement_that_runs_in_place_of_the_foreseen_one_is_the_one_that_is_shown(own, app, parse, join_ms):
    """The Parse that was to replace the name fails. With a window of 0 each outcome is a row of its own."""
    one = own(audit={'join_ms': join_ms, 'batch_ms': 20}).start()
    with session(one, app) as client:
        client.send(raw.parse('a', 'SELECT pg_sleep(0.3), 7') + raw.SYNC)
        client.receive_until(b'Z')
        client.send(raw.message(b'P', REPLACED[parse]) + raw.SYNC + raw.bind('', 'a') + raw.execute('') + raw.SYNC)
        client.receive_until(b'Z')
        assert raw.rows(client.receive_until(b'Z')) == [[b'', b'7']]
    row, = one.trail().settled(app)
    assert (row['outcome'], row['statement'], row['statement_bytes']) == ('success', 'SELECT pg_sleep(0.3), 7', 23)
    for column in ('statement_raw', 'statement_sha256', 'statement_begin', 'parameters'):
        assert row[column] is None, column
    assert not row['statement_truncated']


def test_the_parameters_are_those_of_the_portal_that_was_run(appliance, trail, app):
    """The Bind that was to replace the portal fails."""
    with session(appliance, app) as client:
        client.send(raw.parse('end', 'ROLLBACK') + raw.parse('p', 'SELECT $1::text') + raw.query('BEGIN') + raw.bind('c', 'end') + raw.SYNC)
        for _ in range(2):
            client.receive_until(b'Z')
        client.send(raw.bind('c', 'p', [b'sent']) + raw.SYNC + raw.execute('c') + raw.SYNC)
        for _ in range(2):
            client.receive_until(b'Z')
    row = [row for row in trail.settled(app) if row['message_type'] == 'E'][0]
    assert (row['statement'], row['parameters'], row['sqlstate']) == ('ROLLBACK', None, '25P02')


def binary_bind(name, value):
    return raw.message(b'B', b'\0' + name.encode() + b'\0' + struct.pack('!HHHi', 1, 1, 1, len(value)) + value + b'\0\0')


@pytest.mark.parametrize('replacement', [
    raw.parse('a', 'SELECT $1', [20]) + raw.SYNC, raw.parse('nobody', 'SELEC') + raw.close(b'S', 'a') + raw.parse('a', 'SELECT $1', [20]) + raw.SYNC,
    raw.query('SELECT 1 / 0; DEALLOCATE a; PREPARE a (int8) AS SELECT $1')], ids=['a parse', 'a group', 'a query'])
def test_binary_parameters_are_not_read_by_the_types_of_a_statement_that_did_not_run(appliance, trail, app, replacement):
    with session(appliance, app) as client:
        client.send(raw.parse('a', 'SELECT $1', [25]) + raw.SYNC)
        client.receive_until(b'Z')
        client.send(replacement + binary_bind('a', b'is text!') + raw.execute('') + raw.SYNC)
        client.receive_until(b'Z')
        assert raw.rows(client.receive_until(b'Z')) == [[b'is text!']]
        # Of one that is sure to be meant they are read.
        client.send(raw.parse('', 'SELECT $1', [20]) + binary_bind('', bytes(7) + b'*') + raw.execute('') + raw.SYNC)
        assert raw.rows(client.receive_until(b'Z')) == [[b'42']]
    *_, first, last = trail.settled(app)
    assert first['statement'] == last['statement'] == 'SELECT $1'
    assert first['parameters'] in (['is text!'], [{'base64': 'aXMgdGV4dCE='}])
    assert last['parameters'] == ['42']


@pytest.mark.parametrize('size', [15_000, 17_000, 300_000])
def test_a_long_error_is_the_one_that_the_server_named(appliance, trail, app, size):
    with session(appliance, app) as client:
        for field, code in (('MESSAGE', '23505'), ("MESSAGE = 'short', DETAIL", '57014')):
            client.send(raw.query("DO $$ BEGIN RAISE EXCEPTION USING %s = repeat('m', %d), ERRCODE = '%s'; END $$" % (field, size, code)))
            assert errors(client.receive_until(b'Z')) == [code]
    long, detailed = trail.settled(app)
    assert (long['outcome'], long['sqlstate'], long['error_message']) == ('failure', '23505', 'm' * 1024)
    assert (detailed['outcome'], detailed['sqlstate'], detailed['error_message']) == ('cancelled', '57014', 'short')

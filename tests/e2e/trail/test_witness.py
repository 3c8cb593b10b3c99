"""The server's answers are held against what was recorded: silent whatever PostgreSQL is told to do, heard when an answer
cannot be that to the statement in the trail."""
import gzip

import pytest

import harness
import raw
from commands import COMMANDS, COPIED

PASSWORD = harness.USERS['alice']
SQLSMITH = harness.ROOT / 'tests/unit/sql/sqlsmith.sql.gz'


def session(appliance, app, database='shop'):
    return raw.RawClient(appliance.pg_port).log_in('alice', PASSWORD, database, application_name=app)


@pytest.fixture
def commands_server():
    """A server of its own, for some of the commands are about all of it."""
    directory = harness.work_directory('commands')
    cluster = harness.Cluster(directory / 'pg', {'max_prepared_transactions': 5, 'wal_level': 'logical'}).start()
    cluster.sql('CREATE ROLE commander SUPERUSER LOGIN')
    cluster.sql('CREATE DATABASE commands')
    yield cluster
    cluster.stop()
    harness.remove(directory)


def ends(client, text, is_extended):
    """Sends a statement; the tags that came, an empty one for EmptyQueryResponse."""
    if is_extended:
        client.send(raw.parse('', text) + raw.bind('', '') + raw.describe(b'P') + raw.execute() + raw.SYNC)
    else:
        client.send(raw.query(text))
    got = []
    while True:
        kind, body = client.receive()
        if kind == b'G':
            client.send(raw.message(b'd', COPIED) + raw.message(b'c') + (raw.SYNC if is_extended else b''))
        if kind in b'CI':
            got.append(body[:-1].decode() if kind == b'C' else '')
        if kind == b'Z':
            return got


def test_every_command_is_answered_with_its_tag_and_contradicts_nothing(own, commands_server, app):
    one = own(targets=[{'name': 'commands', 'host': '127.0.0.1', 'port': commands_server.port, 'database': 'commands',
                        'user': 'commander', 'sslmode': 'disable', 'attribution_witness': 'report'}]).start()
    trail = one.trail()
    for is_extended in (False, True):
        name = '%s-%d' % (app, is_extended)
        with session(one, name, 'commands') as client:
            for text, tag in COMMANDS:
                assert ends(client, text, is_extended) == ([] if tag is None else [tag]), text
            client.send(raw.TERMINATE)
        rows = trail.settled(name)
        assert [(row['statement'], row['command_tag']) for row in rows] == [(text, tag or None) for text, tag in COMMANDS]
        assert trail.events(name, 'attribution_mismatch') == []
    assert one.metrics()['ringfence_attribution_mismatches_total'] == 0


def test_portals_that_are_executed_in_parts_and_again_contradict_nothing(appliance, trail, app):
    with session(appliance, app) as client:
        client.run('CREATE TEMP TABLE parts (a int)')
        client.run('BEGIN')
        client.run('DECLARE by_sql CURSOR FOR SELECT generate_series(1, 5)')
        client.run('PREPARE prepared AS INSERT INTO parts VALUES (1) RETURNING a')
        for text in ('SELECT generate_series(1, 5)', 'INSERT INTO parts SELECT generate_series(1, 5) RETURNING a',
                     'UPDATE parts SET a = 2 RETURNING a', 'EXPLAIN SELECT 1', 'SHOW ALL', 'VALUES (1), (2), (3)', 'EXECUTE prepared',
                     'FETCH 3 FROM by_sql', 'WITH gone AS (DELETE FROM parts RETURNING a) SELECT * FROM gone',
                     'DELETE FROM parts RETURNING a'):
            client.send(raw.parse('', text) + raw.bind('part', '') + 3 * raw.execute('part', 2) + 3 * raw.execute('part')
                        + raw.close(b'P', 'part') + raw.SYNC)
            assert b'E' not in raw.kinds(client.receive_until(b'Z')), text
        client.send(raw.execute('by_sql', 1) + raw.execute('by_sql') + raw.execute('by_sql') + raw.SYNC)
        assert b'E' not in raw.kinds(client.receive_until(b'Z'))
        client.run('COMMIT')
        client.send(raw.TERMINATE)
    assert all(row['outcome'] == 'success' for row in trail.settled(app))
    assert trail.events(app, 'attribution_mismatch') == []


def smith(appliance, app, count):
    with gzip.open(SQLSMITH, 'rt') as file:
        texts = [line.strip() for line in file if line.strip()][:count]
    with session(appliance, app) as client:
        client.run('SET statement_timeout = 100')
        for text in texts:
            client.run(text)
        client.run('; '.join(texts[:20]))
        client.send(raw.TERMINATE)


def test_random_statements_contradict_nothing(appliance, trail, app):
    smith(appliance, app, 200)
    assert len(trail.settled(app)) == 221
    assert trail.events(app, 'attribution_mismatch') == []


@pytest.mark.long
def test_many_random_statements_contradict_nothing(appliance, trail, app):
    smith(appliance, app, 100_000)
    trail.settled(app, timeout=120)
    assert trail.events(app, 'attribution_mismatch') == []


def liar(own, port, witness):
    target = {'name': 'liar', 'host': '127.0.0.1', 'port': port, 'database': 'shop', 'user': 'shop_app', 'sslmode': 'disable'}
    return own(targets=[{**target, **witness}]).start()


def test_another_tag_is_a_critical_event_and_the_row_says_that_the_text_is_not_known(own, fake_backend, app):
    one = liar(own, fake_backend, {'attribution_witness': 'report'})
    with session(one, app, 'liar') as client:
        client.run('SELECT 1 /* answer: DELETE 5 */')
        client.run('SELECT 1; SELECT 2; BEGIN /* answer: SELECT 1, CREATE TABLE, BEGIN */')
        client.run('SELECT 1; SELECT 2 /* answer: SELECT 1 */')
        client.run('COMMIT /* answer: ROLLBACK */')
        client.send(raw.TERMINATE)
    trail = one.trail()
    rows = trail.settled(app)
    assert [(row['statement'][:41], row['outcome'], row['command_tag']) for row in rows] == [
        ('-- text not known: the server answered DELETE 5 where SELECT'[:41], 'success', 'DELETE 5'),
        ('SELECT 1', 'success', 'SELECT 1'),
        ('-- text not known: the server answered CREATE TABLE'[:41], 'success', 'CREATE TABLE'),
        ('BEGIN', 'success', 'BEGIN'),
        ('SELECT 1', 'success', 'SELECT 1'),
        ('-- text not known: the server answered nothing'[:41], 'unknown', None),
        ('COMMIT /* answer: ROLLBACK */', 'success', 'ROLLBACK')]
    unknown = [row for row in rows if row['statement'].startswith('-- text not known')]
    assert all(row['metadata'] == {'statement_unknown': True} for row in unknown)
    events = trail.events(app, 'attribution_mismatch')
    assert [event['metadata']['answered'] for event in events] == ['DELETE 5', 'CREATE TABLE', 'nothing']
    for event, row in zip(events, unknown):
        assert (event['severity'], event['session_id'], event['user_name']) == ('CRITICAL', row['session_id'], 'alice')
        assert event['metadata']['related_id'] == str(row['id'])
        assert event['metadata']['leading_words'] == 'SELECT'
        assert event['metadata']['expected'].startswith('SELECT, ')
    assert one.metrics()['ringfence_attribution_mismatches_total'] == 3
    assert one.stop() == 0


def test_the_session_ends_with_a_word_that_says_why(own, fake_backend, app):
    one = liar(own, fake_backend, {})
    with session(one, app, 'liar') as client:
        assert raw.rows(client.run('SELECT 1')) == [[b'1']]
        client.send(raw.query('INSERT INTO t VALUES (1) /* answer: DROP TABLE */'))
        kind, body = client.receive()
        fields = raw.error_fields(body)
        assert (kind, fields['S'], fields['C']) == (b'E', 'FATAL', '08P01')
        assert 'answered DROP TABLE' in fields['M'] and 'INSERT' in fields['M'] and 'attribution_witness' in fields['H']
        assert client.at_end()
    trail = one.trail()
    first, second = trail.settled(app)
    assert first['statement'] == 'SELECT 1' and second['statement'].startswith('-- text not known')
    assert len(trail.events(app, 'attribution_mismatch')) == 1
    assert one.stop() == 0


def test_more_answers_than_statements_end_the_session_in_any_case(own, fake_backend, app):
    one = liar(own, fake_backend, {'attribution_witness': 'report'})
    with session(one, app, 'liar') as client:
        client.send(raw.query('SELECT 1 /* answer: SELECT 1, DELETE 1 */'))
        kind, body = client.receive()
        assert kind == b'E' and raw.error_fields(body)['C'] == '08P01'
        assert client.at_end()
    trail = one.trail()
    trail.settled(app)
    [event] = trail.events(app, 'attribution_mismatch')
    assert event['severity'] == 'CRITICAL' and 'fit no recorded statement' in event['reason']
    assert one.stop() == 0


def test_a_name_that_a_block_gave_to_another_statement(own, app):
    one = own()
    for target in one.config['targets']:
        target['attribution_witness'] = 'report'
    one.write_config()
    one.start()
    with session(one, app) as client:
        client.run('CREATE TEMP TABLE swapped (a int)')
        client.send(raw.parse('swap', 'SELECT 1') + raw.SYNC)
        client.receive_until(b'Z')
        client.run("DO $$ BEGIN EXECUTE 'DEALLOCATE swap'; EXECUTE 'PREPARE swap AS DELETE FROM swapped'; END $$")
        client.send(raw.bind('', 'swap') + raw.execute() + raw.SYNC)
        got = client.receive_until(b'Z')
        assert (b'C', b'DELETE 0\0') in got
        client.send(raw.TERMINATE)
    trail = one.trail()
    row = trail.settled(app)[-1]
    assert row['command_tag'] == 'DELETE 0' and row['statement'].startswith('-- text not known')
    [event] = trail.events(app, 'attribution_mismatch')
    assert (event['statement'], event['command_tag']) == ('SELECT 1', 'DELETE 0')
    assert one.stop() == 0

"""The record is the same however a client's messages are cut into writes, and whatever the server has answered by then."""
import pytest

import harness
import raw

PASSWORD = harness.USERS['alice']
COPY = [raw.message(b'd', b'1\n' * 50_000)] * 3 + [raw.message(b'c')]

GROUPS = {
    'a Parse that fails': [raw.parse('', 'SELECT nope'), raw.bind('', ''), raw.execute(), raw.SYNC],
    'a named Parse that fails, executed twice': [raw.parse('a', 'SELECT nope'), raw.bind('p', 'a'), raw.execute('p'),
        raw.execute('p'), raw.SYNC],
    'a Parse that fails and another statement': [
        raw.parse('a', 'SELECT nope'), raw.parse('b', 'SELECT 1'), raw.bind('', 'b'), raw.execute(),
        raw.bind('', 'a'), raw.execute(), raw.SYNC],
    'a Parse that fails and is described': [raw.parse('', 'SELECT nope'), raw.describe(b'S'), raw.bind('', ''),
        raw.describe(b'P'), raw.execute(), raw.SYNC],
    'a Parse that fails and that nothing executes': [raw.parse('', 'SELECT nope'), raw.SYNC, raw.query('SELECT 1')],
    'a name that is taken': [raw.parse('a', 'SELECT 1'), raw.SYNC, raw.parse('a', 'SELECT 2'), raw.bind('', 'a'),
        raw.execute(), raw.SYNC, raw.bind('', 'a'), raw.execute(), raw.SYNC],
    'a Bind of what is not there': [raw.bind('', 'nope'), raw.execute(), raw.SYNC],
    'a Bind that fails': [raw.parse('', 'SELECT $1::int'), raw.bind('', '', [b'x']), raw.execute(), raw.SYNC],
    'a Bind of what was dropped': [raw.parse('a', 'SELECT 1'), raw.SYNC, raw.query('DEALLOCATE a'), raw.bind('', 'a'),
        raw.execute(), raw.SYNC],
    'a Bind of the unnamed one behind a Query': [raw.parse('', 'SELECT 1'), raw.SYNC, raw.query('SELECT 2'),
        raw.bind('', ''), raw.execute(), raw.SYNC],
    'an Execute of what is not there': [raw.execute('nope'), raw.SYNC],
    'an Execute behind its portal': [raw.parse('', 'SELECT 1'), raw.bind('p', ''), raw.execute('p'), raw.SYNC,
        raw.execute('p'), raw.SYNC],
    'an Execute of a cursor that was closed': [
        raw.query('BEGIN'), raw.query('DECLARE c CURSOR FOR SELECT 1'), raw.query('CLOSE c'), raw.execute('c'),
        raw.SYNC, raw.query('ROLLBACK')],
    'a Describe that fails': [raw.describe(b'S', 'nope'), raw.parse('', 'SELECT 1'), raw.bind('', ''), raw.execute(),
        raw.SYNC],
    'a Describe of a portal that is not there': [raw.describe(b'P', 'nope'), raw.execute('nope'), raw.SYNC,
        raw.query('SELECT 1')],
    'a Close behind an error': [raw.parse('a', 'SELECT 1'), raw.SYNC, raw.parse('', 'SELECT nope'),
        raw.close(b'S', 'a'), raw.bind('', 'a'), raw.execute(), raw.SYNC, raw.bind('', 'a'), raw.execute(), raw.SYNC],
    'an Execute that fails': [raw.parse('', 'SELECT 1/0'), raw.bind('', ''), raw.execute(),
        raw.parse('b', 'SELECT 2'), raw.bind('', 'b'), raw.execute(), raw.SYNC],
    'copy data that nothing reads': [raw.query('COPY nothing_such FROM STDIN'), *COPY, raw.query('SELECT 2')],
    'copy data behind a Parse that fails': [raw.parse('', 'COPY nothing_such FROM STDIN'), raw.bind('', ''),
        raw.execute(), *COPY, raw.SYNC, raw.query('SELECT 2')],
    'copy data behind a SELECT': [raw.query('SELECT 1'), *COPY, raw.query('SELECT 2')],
    'copy data before anything': [*COPY, raw.query('SELECT 2')],
}


def answers_awaited(group):
    return sum(message[:1] in (b'S', b'Q') for message in group)


def run(appliance, app, group, together):
    """`together`: so many messages in the first write, each of the others in one of its own, behind what the server says."""
    with raw.RawClient(appliance.pg_port).log_in('alice', PASSWORD, 'shop', application_name=app) as client:
        first = b''.join(group[:together])
        awaited = answers_awaited(group)
        client.send(first)
        for message in group[together:]:
            client.socket.settimeout(0.05)
            try:
                while True:
                    more = client.socket.recv(1 << 16)
                    assert more
                    client.buffer += more
            except TimeoutError:
                pass
            client.socket.settimeout(20)
            client.send(message)
        for _ in range(awaited):
            client.receive_until(b'Z')
        client.send(raw.TERMINATE)


def records(trail, app, with_bytes):
    rows = [(row['statement'], row['outcome'], row['sqlstate'], row['rows'], row['command_tag'],
             row['bytes_to_server'] if with_bytes else None) for row in trail.settled(app)]
    return rows, [(event['statement'], event['sqlstate']) for event in trail.events(app, 'postgres_error')]


@pytest.mark.parametrize('name', GROUPS)
def test_one_write_and_message_by_message_give_the_same_records(appliance, trail, app, name):
    group = GROUPS[name]
    run(appliance, app, group, len(group))
    expected = records(trail, app, True)
    for together in {0, 1, 2, len(group) - 1}:
        cut = '%s-%d' % (app, together)
        run(appliance, cut, group, together)
        assert records(trail, cut, True) == expected, together


def test_a_group_that_fails_has_one_record(appliance, trail, app):
    for together in (0, 1, 4):
        name = '%s-%d' % (app, together)
        run(appliance, name, GROUPS['a Parse that fails'], together)
        rows, errors = records(trail, name, False)
        assert [row[:3] for row in rows] == [('SELECT nope', 'failure', '42703')] and errors == []


def test_copy_data_that_nothing_reads_is_counted_to_nothing(appliance, trail, app):
    for number, name in enumerate(name for name in GROUPS if name.startswith('copy data')):
        group = GROUPS[name]
        one = '%s-%d' % (app, number)
        run(appliance, one, group, len(group))
        rows, _ = records(trail, one, True)
        assert rows[-1][0] == 'SELECT 2' and rows[-1][1] == 'success'
        assert all(row[5] < 100 for row in rows), (name, rows)


def test_copy_data_is_counted_to_the_copy_that_failed_and_not_to_what_follows(appliance, trail, app):
    with raw.RawClient(appliance.pg_port).log_in('alice', PASSWORD, 'shop', application_name=app) as client:
        client.run('CREATE TEMP TABLE numbers (a int)')
        client.send(raw.query('COPY numbers FROM STDIN') + raw.message(b'd', b'x\n') + raw.message(b'd', b'1\n' * 500_000)
                    + raw.message(b'c') + raw.query('SELECT 2'))
        assert raw.kinds(client.receive_until(b'Z'))[-2:] == b'EZ'
        client.receive_until(b'Z')
        client.send(raw.query('COPY numbers FROM STDIN') + raw.message(b'd', b'1\n' * 1000) + raw.message(b'c'))
        client.receive_until(b'Z')
        client.send(raw.TERMINATE)
    _, failed, select, copied = trail.settled(app)
    assert (failed['outcome'], failed['sqlstate']) == ('failure', '22P02')
    assert (select['statement'], select['outcome']) == ('SELECT 2', 'success') and select['bytes_to_server'] < 100
    assert copied['outcome'] == 'success' and 2000 <= copied['bytes_to_server'] < 2100

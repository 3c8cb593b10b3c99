"""A function that a policy names makes its session writable: what could use that never reaches the server.

Each attack is first shown to work on a session of the server's own that began read-only.
"""
import psycopg
import pytest

import harness
import raw
import senders
from attempts_protocol import extended
from raw import FLUSH, SYNC, bind, close, execute, parse, query
from wall import PASSWORD

# Bytes, and how many ReadyForQuery they have where nothing is refused.
ATTACKS = {
    'in one Query': (query('SELECT lift(); COMMIT; SELECT strike()'), 1),
    'in one Query, by its begin': (query('BEGIN; SELECT lift(); COMMIT; SELECT strike()'), 1),
    'in two Queries at once': (query('SELECT lift()') + query('SELECT strike()'), 2),
    'in two groups at once': (extended('SELECT lift()') + SYNC + extended('SELECT strike()') + SYNC, 2),
    'a group, then a Query': (extended('SELECT lift()') + SYNC + query('SELECT strike()'), 2),
    'in one group': (extended('SELECT lift()') + extended('COMMIT') + extended('SELECT strike()') + SYNC, 1),
    'in one group, flushed': (extended('SELECT lift()') + FLUSH + extended('COMMIT') + FLUSH + extended('SELECT strike()') + SYNC, 1),
    'planned, not executed': (parse('', 'SELECT lift_when_planned()') + bind('', '') + extended('COMMIT') + extended('SELECT strike()') + SYNC, 1),
    'a Query in an open group': (extended('SELECT lift()') + query('COMMIT; SELECT strike()'), 1),
    'by SQL PREPARE': (query('PREPARE l AS SELECT lift()') + query('PREPARE s AS SELECT strike()') + query('EXECUTE l') + query('EXECUTE s'), 4),
    'by SQL PREPARE in one Query': (query('PREPARE l AS SELECT lift()') + query('PREPARE s AS SELECT strike()') + query('EXECUTE l; COMMIT; EXECUTE s'), 3),
    'by EXECUTE in groups': (query('PREPARE l AS SELECT lift()') + extended('EXECUTE l') + extended('COMMIT') + extended('SELECT strike()') + SYNC, 2),
    'at the commit, in one Query': (query('BEGIN') + query('SELECT lift_at_commit()') + query('COMMIT; SELECT strike()'), 3),
    'at the commit, at once': (query('BEGIN') + query('SELECT lift_at_commit()') + query('COMMIT') + query('SELECT strike()'), 4),
    'at the commit, in one group': (query('BEGIN') + query('SELECT lift_at_commit()') + extended('COMMIT') + extended('SELECT strike()') + SYNC, 3),
    'at the commit, and struck when planned': (
        query('BEGIN') + query('SELECT lift_at_commit()') + extended('COMMIT') + parse('', 'SELECT strike_when_planned()') + bind('', '') + SYNC, 3),
    'by a held cursor': (query('BEGIN') + query('DECLARE h CURSOR WITH HOLD FOR SELECT lift()') + query('COMMIT') + query('SELECT strike()'), 4),
    'by a cursor of a function': (
        query('BEGIN') + query("SELECT lift_by_cursor('k')") + query('FETCH ALL FROM k') + extended('COMMIT') + extended('SELECT strike()') + SYNC, 4),
    'by the portal of a cursor of a function': (
        query('BEGIN') + query("SELECT lift_by_cursor('k')") + execute('k') + extended('COMMIT') + extended('SELECT strike()') + SYNC, 3),
    'by a name that is not what it seems': (
        parse('n', 'SELECT lift()') + SYNC + parse('', 'no SQL') + close(b'S', 'n') + parse('n', 'SELECT 1') + SYNC
        + bind('', 'n') + execute() + extended('COMMIT') + extended('SELECT strike()') + SYNC, 3),
    'while it is copied': (query('COPY (SELECT lift()) TO STDOUT') + query('SELECT strike()'), 2),
    'while it is explained': (query('EXPLAIN SELECT lift_when_planned()') + query('SELECT strike()'), 2),
}


@pytest.fixture(params=list(ATTACKS))
def attack(request):
    return ATTACKS[request.param]


def test_the_attack_works_without_us(wall, attack):
    data, readies = attack
    with raw.RawClient(wall.cluster.port) as client:
        client.log_in('wall_owner', harness.APP_PASSWORD, 'shop', default_transaction_read_only='on')
        client.send(data)
        for _ in range(readies):
            client.receive_until(b'Z')
    assert 'rows' in wall.changed()
    with wall.direct('mender') as connection:
        connection.execute("INSERT INTO victim SELECT g, 'x' || g FROM generate_series(1, 100) g")
        connection.execute('VACUUM FREEZE victim')
    wall.rest()


@pytest.mark.parametrize('piece', [None, 5])
@pytest.mark.parametrize('database', ['super', 'owner'])
def test_the_attack_does_not_work_through_us(wall, attack, database, piece):
    wall.rest()
    session = senders.Raw(wall, database, user='caller', piece=piece)
    data, readies = attack
    # Or the name is refused, which code may have given to something else.
    assert {'42501', '26000', '34000', 'ended'} & set(session.send(data, readies))
    unsound = session.is_sound()
    assert unsound in ('', 'the session is over')
    session.close()
    assert not wall.changed()


def test_a_session_that_was_made_writable_is_told_so_and_ends(wall):
    for lift in ('SELECT lift()', 'SELECT lift_at_commit()'):
        with raw.RawClient(wall.appliance.pg_port) as client:
            client.log_in('caller', PASSWORD, 'owner')
            client.send(query(lift))
            with pytest.raises((EOFError, ConnectionError)):
                while True:
                    last = client.receive()
        assert last[0] == b'E'
        fields = raw.error_fields(last[1])
        assert (fields['S'], fields['C']) == ('FATAL', '42501') and 'no longer read-only' in fields['M']


def test_a_named_function_that_does_what_it_should_is_called_by_every_client(wall):
    wall.rest()
    with psycopg.connect(**wall.conninfo('owner', 'caller'), autocommit=True) as connection:
        for prepare in (False, True):
            assert connection.execute('SELECT report(%s)', (7,), prepare=prepare).fetchone() == (7,)
        with connection.transaction():
            assert connection.execute('SELECT report(8)').fetchone() == (8,)
            assert connection.execute('SELECT count(*) FROM victim').fetchone() == (100,)
        with connection.pipeline():
            found = [connection.execute('SELECT report(%s)', (n,)) for n in range(200)]
            assert [cursor.fetchone()[0] for cursor in found] == [min(n, 100) for n in range(200)]
        with connection.transaction(), connection.cursor('c') as cursor:
            assert cursor.execute('SELECT report(n) FROM generate_series(1, 500) n').fetchmany(2) == [(1,), (2,)]
        # One that outlives the code that ran at the end of its transaction is not certain any more.
        with pytest.raises(psycopg.errors.InvalidCursorName, match='may have been changed'):
            with connection.cursor('c', withhold=True) as cursor:
                cursor.execute('SELECT report(n) FROM generate_series(1, 500) n').fetchmany(2)
        connection.execute('CLOSE ALL')
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match='may not be called in one message with COMMIT'):
            connection.execute('BEGIN; SELECT report(1); COMMIT')
        assert connection.execute('SELECT 1').fetchone() == (1,)
    session = senders.Asyncpg(wall, 'owner', 'caller')
    assert session.loop.run_until_complete(session.connection.fetchval('SELECT report($1)', 9)) == 9
    session.close()
    # Much at once: what waits is in order and all of it is answered.
    session = senders.Raw(wall, 'owner', 'caller')
    many = b''.join(extended('SELECT report(%d)' % n) + SYNC + query('SELECT %d' % n) for n in range(1, 60))
    assert session.send(many, 118) == []
    assert [int(row[0]) for row in raw.rows(session.found)] == [n for n in range(1, 60) for _ in (1, 2)]
    session.close()
    assert not wall.changed()

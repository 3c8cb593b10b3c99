"""Policies that change while sessions begin and run, and a refusal's marker in the wrong hands."""
import copy
import re
import threading

import psycopg
import pytest

import harness
import raw
import senders
from raw import query
from wall import PASSWORD


@pytest.fixture
def policies(wall):
    """The list to change, and what makes the change known; put back afterwards."""
    kept = copy.deepcopy(wall.appliance.config['policies'])

    def use(changed):
        wall.appliance.config['policies'] = changed
        wall.appliance.write_config()
        before = wall.appliance.log().count('msg="configuration reloaded"')
        wall.appliance.reload()
        harness.eventually(lambda: wall.appliance.log().count('msg="configuration reloaded"') > before, what='the reload')
    yield kept, use
    use(kept)


def test_whoever_logs_in_during_reloads_has_the_access_of_the_last(wall, policies):
    kept, use = policies
    without = [policy for policy in kept if policy['name'] != 'callers']
    sessions, is_over = [], threading.Event()

    def log_in():
        while not is_over.is_set() and len(sessions) < 200:
            client = raw.RawClient(wall.appliance.pg_port)
            try:
                sessions.append(client.log_in('caller', PASSWORD, 'owner'))
            except (raw.ServerError, EOFError, ConnectionError):
                client.socket.close()
    threads = [threading.Thread(target=log_in) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        use(kept)
        seen = len(sessions)
        harness.eventually(lambda: len(sessions) > seen or len(sessions) >= 200, what='somebody to log in')
        use(without)
    is_over.set()
    for thread in threads:
        thread.join()
    assert sessions
    # None of them has said anything, and each was told.
    for client in sessions:
        with pytest.raises((EOFError, ConnectionError)):
            kind, body = client.receive()
            assert (kind, raw.error_fields(body)['C']) == (b'E', '57P01')
            client.receive()
        client.socket.close()
    with pytest.raises(raw.ServerError):
        senders.Raw(wall, 'owner', 'caller')


def test_access_that_is_gone_cancels_the_running_statement(wall, policies):
    kept, use = policies
    # Nobody sleeps at this level; a statement that takes its time does.
    slow = "SELECT count(*) FROM generate_series(1, 800000000) g WHERE md5(g::text) LIKE 'abc%'"
    running = ("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' "
               "AND query LIKE 'SELECT count(*) FROM generate_series(1, 800000000)%%'")
    with raw.RawClient(wall.appliance.pg_port) as client:
        client.log_in('reader', PASSWORD, 'owner', application_name='slow')
        client.send(query(slow) + query('SELECT 2'))
        with wall.direct('looker') as looker:
            harness.eventually(lambda: looker.execute(running).fetchone()[0], every=0.01, what='the statement to run')
            use([policy for policy in kept if policy['name'] != 'readers'])
            got = []
            with pytest.raises((EOFError, ConnectionError)):
                while True:
                    got.append(client.receive())
            assert not raw.rows(got)
            assert (got[-1][0], raw.error_fields(got[-1][1])['C']) == (b'E', '57P01')
            harness.eventually(lambda: not looker.execute(running).fetchone()[0], timeout=5, what='the statement to end')


def test_a_reload_decides_the_next_statement_of_every_kind(wall, policies):
    kept, use = policies
    with psycopg.connect(**wall.conninfo('owner', 'caller'), autocommit=True) as connection:
        connection.execute('SELECT report(1)', prepare=True)
        connection.execute('PREPARE reported AS SELECT report(2)')
        connection.execute('DECLARE reported CURSOR WITH HOLD FOR SELECT report(n) FROM generate_series(1, 5) n')
        use([dict(policy, functions=[]) if policy['name'] == 'callers' else policy for policy in kept])
        for text, prepare in (('SELECT report(1)', True), ('EXECUTE reported', False), ('SELECT report(3)', False), ('FETCH reported', False)):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSqlStatementName, psycopg.errors.InvalidCursorName)):
                connection.execute(text, prepare=prepare)
            assert connection.execute('SELECT 1').fetchone() == (1,)
        use(kept)
        connection.execute('DEALLOCATE reported')
        connection.execute('PREPARE reported AS SELECT report(2)')
        for text, prepare in (('EXECUTE reported', False), ('SELECT report(1)', True)):
            assert connection.execute(text, prepare=prepare).fetchone()


def test_a_stolen_marker_makes_no_error_a_refusal(wall):
    session = senders.Raw(wall, 'owner')
    since = wall.cluster.log_position()
    assert session.send(query('DELETE FROM victim'), 1) == ['42501']
    # Who reads the server's log sees it.
    marker = harness.eventually(lambda: re.search(r'rf_[a-z2-7]+_1\b', wall.cluster.logged(since)), what='the marker in the log').group()
    following = [marker[:-1] + str(number) for number in range(2, 8)]
    stolen = b''.join(query("SELECT '%s'::int" % each) + query('SELECT ' + each) + query(each) for each in [marker, *following])
    states = session.send(stolen + query('DELETE FROM victim') + stolen, 43)
    # What is no SQL is refused for that; nothing else is.
    assert states == ['22P02', '42703', '42501'] * 7 + ['42501'] + ['22P02', '42703', '42501'] * 7
    quoted = [raw.error_fields(body)['M'] for kind, body in session.found if kind == b'E']
    assert sum(marker[:-1] in message for message in quoted) >= 28
    assert not session.is_sound()
    session.close()

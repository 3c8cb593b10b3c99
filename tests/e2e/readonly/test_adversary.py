"""A reader tries everything; a real server says that nothing has happened."""
import pytest

import attempts
import attempts_functions
import attempts_protocol
import harness
import raw
import senders
from wall import PASSWORD

FAMILIES = {'text': attempts.TEXT, 'kinds': attempts.KINDS, 'modes': attempts.MODES, 'positions': attempts.POSITIONS,
            'functions': attempts_functions.FUNCTIONS, 'hidden': attempts_functions.HIDDEN}
# The rest of the combinations runs with the long tests.
IN_GATE = {('super', way) for way in ('query', 'parse', 'prepare', 'pipeline')} | {('owner', 'query'), ('select', 'parse')}


def pytest_generate_tests(metafunc):
    if {'way', 'database'} <= set(metafunc.fixturenames):
        metafunc.parametrize('database, way', [
            pytest.param(database, way, marks=[] if (database, way) in IN_GATE else pytest.mark.long)
            for database in ('super', 'owner', 'select') for way in ('query', 'parse', 'prepare', 'pipeline')])


def texts_of(attempt):
    return (attempt,) if isinstance(attempt, str) else attempt


def note(wrong, wall, session, mechanism, way, attempt, states):
    """What is wrong after an attempt, as lines."""
    what = '%s, %s: %.120r gave %s' % (mechanism.name, way, attempt, states)
    changed, unsound = wall.changed(), session.is_sound() if session else ''
    if changed:
        wrong.append('%s and changed %s' % (what, changed))
    if unsound:
        wrong.append('%s, and %s' % (what, unsound))
    # What the server refuses for being read-only may be refused by us as well.
    if mechanism.expect not in states and not (mechanism.expect == '25006' and '42501' in states):
        wrong.append(what)


def try_all(wall, session, send, way, mechanisms):
    wrong = []
    wall.rest()
    for mechanism in mechanisms:
        for attempt in mechanism.attempts:
            states = [send(wall.fill_in(text)) for text in texts_of(attempt)]
            note(wrong, wall, session, mechanism, way, attempt, states)
    session.close()
    assert not wrong, '\n' + '\n'.join(wrong)


def by_way(mechanisms, way):
    return [each for each in mechanisms if way in each.ways or (way != 'query' and 'parse' in each.ways)]


@pytest.mark.parametrize('family', list(FAMILIES))
def test_by_psycopg(wall, family, database, way):
    if way == 'pipeline' and family == 'hidden':
        pytest.skip('what is not refused may begin a COPY, which libpq has not in pipelines')
    session = senders.Psycopg(wall, database)
    try_all(wall, session, getattr(session, way), way, by_way(FAMILIES[family], way))


@pytest.mark.parametrize('way', ['execute', 'fetch'])
def test_by_asyncpg(wall, any_database, way):
    session = senders.Asyncpg(wall, any_database)
    mechanisms = attempts.KINDS + attempts_functions.FUNCTIONS if way == 'fetch' else attempts.TEXT + attempts.MODES
    try_all(wall, session, getattr(session, way), way, by_way(mechanisms, 'query' if way == 'execute' else 'parse'))


def test_by_psql(wall, any_database):
    """One psql for everything; it goes on after each error."""
    wall.rest()
    mechanisms = attempts.KINDS + attempts.MODES + attempts_functions.FUNCTIONS
    # Behind a COPY from its own input that fails psql takes the rest of the script for data.
    texts = [(mechanism, wall.fill_in(text)) for mechanism in mechanisms for text in mechanism.attempts
             if isinstance(text, str) and mechanism.expect == '42501' and 'FROM STDIN' not in text]
    wrong = []
    for (mechanism, _), (text, states, is_sound) in zip(texts, senders.psql(wall, any_database, [text for _, text in texts])):
        if '42501' not in states or not is_sound:
            wrong.append('%s: %.120r gave %s%s' % (mechanism.name, text, states, '' if is_sound else ', and the session is not what it was'))
    assert not wrong, '\n' + '\n'.join(wrong)
    assert not wall.changed()


@pytest.mark.parametrize('mode', ['simple', 'extended', 'prepared'])
def test_by_pgbench(wall, any_database, mode, tmp_path):
    wall.rest()
    for text in ('DELETE FROM victim;', "SELECT nextval('orders_id_seq');", 'BEGIN READ WRITE;\nDELETE FROM victim;\nCOMMIT;'):
        script = tmp_path / 'script.sql'
        script.write_text(text)
        done = harness.subprocess.run([harness.PG_BIN / 'pgbench', '-n', '-t', '3', '-M', mode, '-f', script], capture_output=True, text=True, timeout=60,
                                      env=wall.appliance.environment('reader', any_database, PGPASSWORD=PASSWORD), cwd='/')
        assert done.returncode != 0 and 'access level' in done.stderr, done.stderr
        assert not wall.changed()


@pytest.mark.parametrize('piece', [None, pytest.param(1, marks=pytest.mark.long), 7])
def test_by_bytes(wall, any_database, piece):
    session, wrong = senders.Raw(wall, any_database, piece=piece), []
    wall.rest()
    for mechanism in attempts_protocol.PROTOCOL:
        for attempt in mechanism.attempts:
            data, readies = attempt
            if piece and len(data) > 100_000:
                continue
            note(wrong, wall, session, mechanism, 'bytes', data, session.send(data, readies))
    session.close()
    assert not wrong, '\n' + '\n'.join(wrong)


def test_by_bytes_that_end_the_session(wall, any_database):
    wrong = []
    wall.rest()
    for mechanism in attempts_protocol.ENDING:
        for data, readies in mechanism.attempts:
            session = senders.Raw(wall, any_database)
            note(wrong, wall, None, mechanism, 'bytes', data, session.send(data, readies))
            session.close()
    assert not wrong, '\n' + '\n'.join(wrong)


def test_by_the_startup_packet(wall, any_database):
    wrong = []
    wall.rest()
    for name, packets in attempts_protocol.STARTUP.items():
        for parameters in packets:
            client = raw.RawClient(wall.appliance.pg_port)
            try:
                client.log_in('reader', PASSWORD, any_database, **parameters)
            except raw.ServerError as error:
                assert error.fields['S'] == 'FATAL'
            else:
                session = senders.Raw.__new__(senders.Raw)
                session.client = client
                unsound = session.is_sound()
                states = session.send(raw.query('DELETE FROM victim') + raw.query('IDENTIFY_SYSTEM'), 2)
                if unsound or states != ['42501', '42501']:
                    wrong.append('%s %s: %s %s' % (name, parameters, unsound, states))
            client.socket.close()
            if changed := wall.changed():
                wrong.append('%s %s changed %s' % (name, parameters, changed))
    assert not wrong, '\n' + '\n'.join(wrong)


def test_there_are_at_least_60_mechanisms_and_200_attempts():
    mechanisms = [*sum(FAMILIES.values(), []), *attempts_protocol.PROTOCOL, *attempts_protocol.ENDING]
    names = {('a call' if each.name.startswith('a call: ') else each.name) for each in mechanisms} | set(attempts_protocol.STARTUP)
    tried = {repr(attempt) for each in mechanisms for attempt in each.attempts} | {repr(each) for each in sum(attempts_protocol.STARTUP.values(), [])}
    assert len(names) >= 60, len(names)
    assert len(tried) >= 200, len(tried)
    assert len({each.name for each in mechanisms}) == len(mechanisms), 'two mechanisms have one name'


# What a superuser does directly, and where the witness sees it: a witness that sees nothing proves nothing.
SEEN = {
    'UPDATE victim SET b = b WHERE a = 1': 'wal', "UPDATE victim SET b = 'y' WHERE a = 1": 'rows', "UPDATE victim SET b = 'x1' WHERE a = 1": 'rows', 'CREATE UNLOGGED TABLE seen (a int)': 'relations', 'DROP TABLE seen': 'relations',
    "SELECT lo_put(4710, 0, 'x')": 'large_objects', "SELECT lo_put(4710, 0, 'u')": 'large_objects', "SELECT nextval('orders_id_seq')": 'sequence', "COPY (SELECT 1) TO '{outside}/seen'": 'outside',
    "ALTER SYSTEM SET work_mem = '5MB'": 'configuration', 'ALTER SYSTEM RESET work_mem': 'configuration', 'SELECT pg_reload_conf()': 'configuration', "ALTER ROLE wall_select SET work_mem = '5MB'": 'role_settings', 'ALTER ROLE wall_select RESET ALL': 'role_settings',
    'CREATE ROLE seen': 'roles', 'DROP ROLE seen': 'roles', "SELECT pg_create_physical_replication_slot('seen')": 'slots', "SELECT pg_drop_replication_slot('seen')": 'slots', "SELECT pg_replication_origin_create('seen')": 'origins',
    "SELECT pg_replication_origin_drop('seen')": 'origins', 'SELECT pg_advisory_lock(1)': 'locks', 'SELECT pg_advisory_unlock_all()': 'locks', 'NOTIFY wall': 'notifications', 'SELECT pg_stat_reset()': 'database_statistics',
    "SELECT pg_stat_reset_shared('bgwriter')": 'shared_statistics', "SELECT pg_stat_reset_slru('Subtrans')": 'slru_statistics', 'SELECT txid_current()': 'wal', 'SELECT pg_switch_wal()': 'wal',
    "SELECT pg_logical_emit_message(false, 'a', 'b')": 'wal', 'ANALYZE victim': 'wal',
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'bystander'": 'bystander',
}


def test_the_witness_sees_what_is_done(wall):
    with wall.direct('doer') as connection:
        wall.rest()
        assert not wall.changed()
        connection.execute('SELECT 1')
        assert not wall.changed()
        for text, where in SEEN.items():
            connection.execute(wall.fill_in(text))
            harness.eventually(lambda: where in wall.changed(), what='%s to be seen in %s' % (text, where))
    wall.watch_a_bystander()

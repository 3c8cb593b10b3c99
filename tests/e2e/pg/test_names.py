"""Names of prepared statements and portals are the server's: what runs by one is what the record says."""
import contextlib

import pytest
import raw

import harness
from harness import USERS

LONG = 'n' * 63
PASSWORD = 'names-test'
LEVELS = {'owner': 'admin', 'writer': 'write', 'reader': 'read'}


@pytest.mark.parametrize('first, dropped, second, bound', [
    (LONG + '1', LONG + '2', LONG + '3', LONG + '1'), (LONG, LONG + '1', LONG + '2', LONG),
    ('n' * 62 + 'é', 'n' * 62 + 'ê', 'n' * 62 + 'è', 'n' * 62 + 'é')])
def test_names_that_are_one_to_the_server_are_one_in_the_trail(appliance, trail, app, first, dropped, second, bound):
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', USERS['alice'], 'shop', application_name=app)
        for messages in (raw.parse(first, 'SELECT 1'), raw.close(b'S', dropped), raw.parse(second, 'SELECT 2'),
                         raw.bind('', bound) + raw.execute('')):
            client.send(messages + raw.SYNC)
            got = client.receive_until(b'Z')
            assert b'E' not in raw.kinds(got), got
        assert raw.rows(got) == [[b'2']]
    row, = trail.settled(app)
    assert row['statement'] == 'SELECT 2'


def test_a_name_with_another_character_at_the_cut_is_another_name(appliance, trail, app):
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', USERS['alice'], 'shop', application_name=app)
        client.send(raw.parse('n' * 62 + 'é', 'SELECT 1') + raw.parse('n' * 62 + '日', 'SELECT 2') + raw.SYNC)
        client.receive_until(b'Z')
        client.send(raw.bind('', 'n' * 62 + 'ê') + raw.execute('') + raw.bind('', 'n' * 62 + '日') + raw.execute('') + raw.SYNC)
        assert raw.rows(client.receive_until(b'Z')) == [[b'1'], [b'2']]
    assert [row['statement'] for row in trail.settled(app)] == ['SELECT 1', 'SELECT 2']


def bytes_parse(name, text):
    return raw.message(b'P', name + b'\0' + text.encode() + b'\0\0\0')


def bytes_bind(name):
    return raw.message(b'B', b'\0' + name + b'\0\0\0\0\0\0\0')


def test_a_name_is_the_servers_in_whatever_encoding_it_is_sent(appliance, trail, app):
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', USERS['alice'], 'shop', application_name=app)
        client.send(bytes_parse('é'.encode(), 'SELECT 1') + bytes_parse('Ã©'.encode(), 'SELECT 2') + raw.SYNC)
        client.receive_until(b'Z')
        client.send(raw.query("SET client_encoding = 'LATIN1'"))
        client.receive_until(b'Z')
        client.send(bytes_bind(b'\xe9') + raw.execute('') + bytes_bind('é'.encode()) + raw.execute('') + raw.SYNC)
        assert raw.rows(client.receive_until(b'Z')) == [[b'1'], [b'2']]
        client.send(bytes_parse(b'\xe8', 'SELECT 3') + raw.query("SET client_encoding = 'UTF8'"))
        client.receive_until(b'Z')
        client.send(bytes_bind('è'.encode()) + raw.execute('') + raw.SYNC)
        assert raw.rows(client.receive_until(b'Z')) == [[b'3']]
    texts = [row['statement'] for row in trail.settled(app)]
    assert [text for text in texts if text.startswith('SELECT')] == ['SELECT 1', 'SELECT 2', 'SELECT 3']


def test_what_changes_the_encoding_in_the_same_flight_leaves_a_name_unknown(appliance, trail, app):
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', USERS['alice'], 'shop', application_name=app)
        client.send(bytes_parse('é'.encode(), 'SELECT 1') + bytes_parse('Ã©'.encode(), 'SELECT 2') + raw.SYNC)
        client.receive_until(b'Z')
        client.send(raw.query("SET client_encoding = 'LATIN1'") + bytes_bind('é'.encode()) + raw.execute('') + raw.SYNC)
        client.receive_until(b'Z')
        assert raw.rows(client.receive_until(b'Z')) == [[b'2']]
    row = trail.settled(app)[-1]
    assert row['statement'].startswith('-- text not known')


@pytest.mark.parametrize('written', [
    'U&"d!0061ta" UESCAPE $$!$$', "U&\"d!0061ta\" UESCAPE E'!'", "U&\"d!0061ta\" uescape E'\\x21'", "U&\"d!0061ta\" UESCAPE '!'\n''",
    'U&"d!0061ta" /* " */ UESCAPE $a$!$a$', 'U&"\\0064\\+000061ta"', 'DATA', '"data"'])
def test_an_identifier_is_the_name_that_it_stands_for(appliance, trail, app, written):
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', USERS['alice'], 'shop', application_name=app)
        client.send(raw.query('PREPARE %s AS SELECT 7' % written))
        assert b'E' not in raw.kinds(client.receive_until(b'Z'))
        client.send(raw.bind('', 'data') + raw.execute('') + raw.SYNC)
        assert raw.rows(client.receive_until(b'Z')) == [[b'7']]
    assert trail.settled(app)[-1]['statement'] == 'SELECT 7'


@pytest.mark.parametrize('written', ['n' * 62 + 'é', 'n' * 61 + 'é' + 'x', '""'.join('n' * 40)])
def test_an_identifier_is_cut_at_a_characters_edge(appliance, trail, app, written):
    kept = written.replace('""', '"').encode()[:63].decode(errors='ignore')
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', USERS['alice'], 'shop', application_name=app)
        client.send(raw.query('PREPARE "%s" AS SELECT 8' % written))
        assert b'E' not in raw.kinds(client.receive_until(b'Z'))
        client.send(raw.bind('', kept) + raw.execute('') + raw.SYNC)
        assert raw.rows(client.receive_until(b'Z')) == [[b'8']]
    assert trail.settled(app)[-1]['statement'] == 'SELECT 8'


# ---------------------------------------------------------------- what runs out of sight

SETUP = """
CREATE FUNCTION names_swap() RETURNS int LANGUAGE plpgsql AS $$
BEGIN DEALLOCATE a; PREPARE a AS SELECT 2; RETURN 0; END $$;
CREATE FUNCTION names_swap_portal() RETURNS int LANGUAGE plpgsql AS $$
DECLARE c refcursor := 'c'; BEGIN CLOSE c; OPEN c FOR SELECT 2 FROM generate_series(1, 5); RETURN 0; END $$;
CREATE FUNCTION names_other() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 9; END $$;
CREATE PROCEDURE names_swap_by_call() LANGUAGE plpgsql AS $$ BEGIN DEALLOCATE a; PREPARE a AS SELECT 2; END $$;
CREATE TABLE names_written (n int);
CREATE TABLE names_deferred (n int);
CREATE TABLE names_quiet (n int);
CREATE VIEW names_view AS SELECT names_swap() AS n;
CREATE FUNCTION names_on_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM names_swap(); RETURN NEW; END $$;
CREATE TRIGGER swaps BEFORE INSERT OR UPDATE ON names_written FOR EACH ROW EXECUTE FUNCTION names_on_write();
CREATE CONSTRAINT TRIGGER swaps AFTER INSERT ON names_deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  EXECUTE FUNCTION names_on_write();
GRANT ALL ON names_written, names_deferred, names_quiet, names_view TO PUBLIC;
"""
FUNCTIONS = ['names_swap', 'names_swap_portal', 'names_other', 'names_swap_by_call']
BY_DO = 'DO $$ BEGIN DEALLOCATE a; PREPARE a AS SELECT 2; END $$'
CAUSES = {
    'do': BY_DO, 'function': 'SELECT names_swap()', 'call': 'CALL names_swap_by_call()',
    'trigger': 'INSERT INTO names_written VALUES (1)', 'copy': None,
    'failing do': 'DO $$ BEGIN DEALLOCATE a; PREPARE a AS SELECT 2; RAISE division_by_zero; END $$',
    'behind another': 'SELECT 5; %s; SELECT 6' % BY_DO,
}


@pytest.fixture(scope='module')
def doubtful(target):
    target.sql('CREATE DATABASE names OWNER shop_app')
    target.sql(SETUP, database='names')
    policies = [{'name': user, 'roles': [user], 'tags': ['n'], 'level': level} for user, level in LEVELS.items()]
    for policy in policies[1:]:
        policy.update(functions=FUNCTIONS, kinds=['call', 'do'])
    directory = harness.work_directory('names')
    one = harness.Appliance(
        directory, target, users=[{'name': user, 'password': PASSWORD, 'roles': [user]} for user in LEVELS],
        targets=[{'name': 'names', 'host': '127.0.0.1', 'port': target.port, 'database': 'names', 'user': 'shop_app',
                  'password': harness.APP_PASSWORD, 'sslmode': 'disable', 'tags': ['n']}],
        policies=policies).start()
    yield one
    code = one.stop()
    harness.remove(directory)
    assert code == 0, one.log_tail()


@pytest.fixture
def rows_of(doubtful):
    trail = doubtful.trail()
    yield trail.settled
    if trail.connection:
        trail.connection.close()


@contextlib.contextmanager
def session(doubtful, user, app):
    with raw.RawClient(doubtful.pg_port) as client:
        client.log_in(user, PASSWORD, 'names', application_name=app)
        yield client


def cause_of(name):
    if name == 'copy':
        return (raw.query('COPY names_written FROM STDIN') + raw.message(b'd', b'1\n') + raw.message(b'c'))
    return raw.query(CAUSES[name])


RUN_A = raw.bind('', 'a') + raw.execute('') + raw.SYNC


@pytest.mark.parametrize('is_one_flight', [False, True])
@pytest.mark.parametrize('cause', CAUSES)
def test_what_is_presumed_is_said_to_be(doubtful, rows_of, app, cause, is_one_flight):
    with session(doubtful, 'owner', app) as client:
        flight = [raw.parse('a', 'SELECT 1') + raw.SYNC, cause_of(cause), RUN_A]
        if is_one_flight:
            client.send(b''.join(flight))
            for _ in range(2):
                client.receive_until(b'Z')
        else:
            for messages in flight[:2]:
                client.send(messages)
                client.receive_until(b'Z')
            client.send(RUN_A)
        assert raw.rows(client.receive_until(b'Z')) == [[b'2']]
        # What is prepared behind it is certain.
        client.send(raw.close(b'S', 'a') + raw.parse('a', 'SELECT 3') + RUN_A)
        assert raw.rows(client.receive_until(b'Z')) == [[b'3']]
    *_, doubtful_row, certain_row = rows_of(app)
    assert (doubtful_row['statement'], doubtful_row['attribution']) == ('SELECT 1', 'presumed')
    assert (certain_row['statement'], certain_row['attribution']) == ('SELECT 3', None)


@pytest.mark.parametrize('is_one_flight', [False, True])
@pytest.mark.parametrize('user', ['writer', 'reader'])
@pytest.mark.parametrize('cause', CAUSES)
def test_a_restricted_user_runs_what_was_decided(doubtful, rows_of, app, user, cause, is_one_flight):
    if user == 'reader' and cause in ('trigger', 'copy'):
        pytest.skip('a reader does not write')
    with session(doubtful, user, app) as client:
        if is_one_flight:
            client.send(raw.parse('a', 'SELECT 1') + raw.SYNC + cause_of(cause) + RUN_A + RUN_A)
            client.receive_until(b'Z')
        else:
            client.send(raw.parse('a', 'SELECT 1') + raw.SYNC)
            client.receive_until(b'Z')
            client.send(cause_of(cause))
        client.receive_until(b'Z')
        if not is_one_flight:
            client.send(RUN_A + RUN_A)
        for _ in range(2):
            got = client.receive_until(b'Z')
            assert raw.rows(got) == [[b'1']], got
            assert raw.kinds(got) == b'2DCZ', got
        # By SQL it is the same one.
        client.send(cause_of(cause) + raw.query('EXECUTE a'))
        client.receive_until(b'Z')
        got = client.receive_until(b'Z')
        assert raw.rows(got) == [[b'1']], got
    for row in [row for row in rows_of(app) if row['statement'] == 'SELECT 1']:
        assert row['attribution'] is None


def test_what_is_deferred_runs_at_the_end(doubtful, rows_of, app):
    with session(doubtful, 'owner', app) as client:
        client.send(raw.query('BEGIN') + raw.query('INSERT INTO names_deferred VALUES (1)') +
                    raw.parse('a', 'SELECT 1') + raw.SYNC + raw.query('COMMIT') + RUN_A)
        for _ in range(4):
            client.receive_until(b'Z')
        assert raw.rows(client.receive_until(b'Z')) == [[b'2']]
    row = rows_of(app)[-1]
    assert (row['statement'], row['attribution']) == ('SELECT 1', 'presumed')


def test_a_view_makes_names_doubtful(doubtful, rows_of, app):
    with session(doubtful, 'owner', app) as client:
        client.send(raw.parse('a', 'SELECT 1') + raw.SYNC + raw.query('SELECT n FROM names_view') + RUN_A)
        for _ in range(2):
            client.receive_until(b'Z')
        assert raw.rows(client.receive_until(b'Z')) == [[b'2']]
    assert rows_of(app)[-1]['attribution'] == 'presumed'


@pytest.mark.parametrize('cause', ["DO $$ DECLARE c refcursor := 'c'; BEGIN CLOSE c; OPEN c FOR SELECT 2 FROM generate_series(1, 5); END $$",
                                   'SELECT names_swap_portal()'])
@pytest.mark.parametrize('user', ['owner', 'writer', 'reader'])
def test_portals_that_are_opened_anew(doubtful, rows_of, app, user, cause):
    with session(doubtful, user, app) as client:
        client.send(raw.query('BEGIN') + raw.parse('', 'SELECT 1 FROM generate_series(1, 5)') + raw.bind('c', '') +
                    raw.execute('c', 1) + raw.SYNC)
        client.receive_until(b'Z')
        assert raw.rows(client.receive_until(b'Z')) == [[b'1']]
        client.send(raw.query(cause))
        client.receive_until(b'Z')
        client.send(raw.execute('c', 1) + raw.SYNC)
        got = client.receive_until(b'Z')
        if user == 'owner':
            assert raw.rows(got) == [[b'2']]
        else:
            assert raw.error_fields(dict(got)[b'E'])['C'] == '34000'
            assert 'Open it again' in raw.error_fields(dict(got)[b'E'])['H']
    rows = [row for row in rows_of(app) if row['statement'] == 'SELECT 1 FROM generate_series(1, 5)']
    assert rows[0]['attribution'] is None
    if user == 'owner':
        assert rows[1]['attribution'] == 'presumed'
    else:
        assert rows[1]['action'] == 'postgres_query_blocked'


@pytest.mark.parametrize('user', ['writer', 'reader'])
def test_a_cursor_that_calls_a_function_is_read_to_its_end(doubtful, app, user):
    """While it runs nothing can close it."""
    with session(doubtful, user, app) as client:
        for text, rows in [('BEGIN', []), ('DECLARE c CURSOR FOR SELECT names_other() FROM generate_series(1, 3)', []),
                           ('FETCH 1 FROM c', [[b'9']]), ('FETCH 1 FROM c', [[b'9']]), ('FETCH 1 FROM c', [[b'9']])]:
            client.send(raw.query(text))
            got = client.receive_until(b'Z')
            assert raw.rows(got) == rows, got
        client.send(raw.parse('', 'SELECT names_other() FROM generate_series(1, 3)') + raw.bind('p', '') + raw.SYNC)
        client.receive_until(b'Z')
        for _ in range(3):
            client.send(raw.execute('p', 1) + raw.SYNC)
            assert raw.rows(client.receive_until(b'Z')) == [[b'9']]


def test_what_cannot_be_prepared_again_is_refused(doubtful, rows_of, app):
    with session(doubtful, 'writer', app) as client:
        client.send(raw.query('PREPARE a AS SELECT 1'))
        client.receive_until(b'Z')
        client.send(raw.query(BY_DO))
        client.receive_until(b'Z')
        for messages in (raw.query('EXECUTE a'), RUN_A, raw.parse('', 'EXECUTE a') + raw.bind('', '') + raw.execute('') + raw.SYNC):
            client.send(messages)
            fields = raw.error_fields(dict(client.receive_until(b'Z'))[b'E'])
            assert fields['C'] == '26000' and 'Prepare it again' in fields['H'], fields
    assert 'SELECT 1' not in [row['statement'] for row in rows_of(app) if row['action'] == 'postgres_query']


@pytest.mark.parametrize('refused', [raw.query('DROP TABLE names_quiet'), raw.parse('', 'DROP TABLE names_quiet') + raw.SYNC,
                                     raw.message(b'F', b'\x05\xf5\xe0\xff' + bytes(6))], ids=['query', 'parse', 'call'])
@pytest.mark.parametrize('user', ['writer', 'reader'])
def test_a_refusal_in_front_of_what_changes_a_name_takes_nothing_from_it(doubtful, rows_of, app, user, refused):
    with session(doubtful, user, app) as client:
        client.send(raw.parse('a', 'SELECT 1') + raw.SYNC)
        client.receive_until(b'Z')
        client.send(refused + raw.query('DEALLOCATE a') + raw.query('PREPARE a AS SELECT 2'))
        for _ in range(3):
            client.receive_until(b'Z')
        client.send(RUN_A)
        assert raw.rows(client.receive_until(b'Z')) == [[b'2']]
    row = rows_of(app)[-1]
    assert (row['statement'], row['attribution']) == ('SELECT 2', None)


def test_a_name_that_only_a_block_has_made_is_refused_to_a_restricted_user(doubtful, app):
    with session(doubtful, 'reader', app) as client:
        client.send(raw.query('DO $$ BEGIN PREPARE hidden AS SELECT 2; END $$'))
        client.receive_until(b'Z')
        for messages in (raw.bind('', 'hidden') + raw.execute('') + raw.SYNC, raw.query('EXECUTE hidden')):
            client.send(messages)
            got = client.receive_until(b'Z')
            assert raw.rows(got) == [] and raw.error_fields(dict(got)[b'E'])['C'] == '26000'


def test_a_failed_transaction_keeps_the_statement_for_later(doubtful, app):
    """In a failed transaction nothing is prepared; the client has its names behind it all the same."""
    with session(doubtful, 'writer', app) as client:
        client.send(raw.parse('a', 'SELECT 1') + raw.parse('r', 'ROLLBACK') + raw.SYNC + raw.query('BEGIN') +
                    raw.query('INSERT INTO names_quiet VALUES (1)') + raw.query('SELECT 1 / 0'))
        for _ in range(4):
            client.receive_until(b'Z')
        client.send(RUN_A)
        assert raw.error_fields(dict(client.receive_until(b'Z'))[b'E'])['C'] == '25P02'
        client.send(raw.query('EXECUTE a'))
        assert raw.error_fields(dict(client.receive_until(b'Z'))[b'E'])['C'] == '25P02'
        client.send(raw.bind('', 'r') + raw.execute('') + raw.SYNC)
        assert client.receive_until(b'Z')[-1] == (b'Z', b'I')
        client.send(RUN_A)
        assert raw.rows(client.receive_until(b'Z')) == [[b'1']]


def test_a_rule_that_came_does_not_leave_a_name_to_what_took_it(doubtful, app):
    """The session may delete, its name is swapped under it, and then it may not."""
    doubtful.config['policies'][1]['level'] = 'write'
    with session(doubtful, 'writer', app) as client:
        client.send(raw.parse('a', 'SELECT 1') + raw.SYNC)
        client.receive_until(b'Z')
        client.send(raw.query('DO $$ BEGIN DEALLOCATE a; PREPARE a AS DELETE FROM names_quiet RETURNING 2; END $$'))
        client.receive_until(b'Z')
        try:
            doubtful.config['policies'][1]['deny'] = [{'kinds': ['delete']}]
            doubtful.write_config()
            doubtful.reload()
            for _ in range(3):
                client.send(RUN_A)
                got = client.receive_until(b'Z')
                assert raw.rows(got) == [[b'1']], got
        finally:
            del doubtful.config['policies'][1]['deny']
            doubtful.write_config()
            doubtful.reload()


@pytest.mark.parametrize('user', ['owner', 'writer'])
def test_ordinary_applications_keep_their_texts(doubtful, rows_of, app, user):
    """As JDBC does it: S_1 for ever, beside functions and writes."""
    with session(doubtful, user, app) as client:
        client.send(raw.parse('S_1', 'SELECT $1::int + 1', [23]) + raw.bind('', 'S_1', [b'1']) + raw.describe(b'P') + raw.execute('') + raw.SYNC)
        client.receive_until(b'Z')
        for n in range(4):
            client.send(raw.parse('', 'SELECT names_other()') + raw.bind('', '') + raw.execute('') + raw.SYNC +
                        raw.query('INSERT INTO names_quiet VALUES (1)') +
                        raw.bind('', 'S_1', [b'%d' % n]) + raw.execute('') + raw.SYNC)
            for _ in range(2):
                client.receive_until(b'Z')
            assert raw.rows(client.receive_until(b'Z')) == [[b'%d' % (n + 1)]]
    rows = [row for row in rows_of(app) if row['statement'] == 'SELECT $1::int + 1']
    assert len(rows) == 5
    assert [row['attribution'] for row in rows] == [None] + (['presumed'] if user == 'owner' else [None]) * 4

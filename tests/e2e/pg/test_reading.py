"""The server reads each text as the appliance did, or the record says so: whatever changes the settings by which it reads."""
import contextlib

import pytest
import raw

from harness import APP_PASSWORD, USERS, eventually

# One statement with standard_conforming_strings off, some with it on.
HIDDEN = (r"SELECT '\'; SELECT 2; SELECT 3; /*'; %s; SELECT '*/ SELECT 1 -- '")
OFF = "UPDATE pg_catalog.pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'"


@pytest.fixture(scope='module')
def tables(target):
    with target.connect('shop') as connection:
        for text in (
                'CREATE SCHEMA reading', 'CREATE TABLE reading.secret (v text)', "INSERT INTO reading.secret VALUES ('hidden')",
                'CREATE TABLE reading.log (n int)', 'CREATE TABLE reading.switch (value text)',
                """CREATE FUNCTION reading.set_strings() RETURNS trigger LANGUAGE plpgsql AS $$
                   BEGIN PERFORM set_config('standard_conforming_strings', NEW.value, false); RETURN NEW; END $$""",
                'CREATE TRIGGER switches BEFORE INSERT ON reading.switch FOR EACH ROW EXECUTE FUNCTION reading.set_strings()',
                "CREATE VIEW reading.off AS SELECT set_config('standard_conforming_strings', 'off', false) AS v",
                'GRANT ALL ON SCHEMA reading TO shop_app', 'GRANT ALL ON ALL TABLES IN SCHEMA reading TO shop_app'):
            connection.execute(text)
    yield target
    with target.connect('shop') as connection:
        connection.execute('DROP SCHEMA reading CASCADE')


@pytest.fixture(scope='module')
def restricted(target, tables):
    """Users of level write, of level admin with a rule, and of level read."""
    import harness
    directory = harness.work_directory('reading')
    one = harness.Appliance(
        directory, target,
        users=[{'name': 'writer', 'password': APP_PASSWORD, 'roles': ['write']},
               {'name': 'ruled', 'password': APP_PASSWORD, 'roles': ['ruled']},
               {'name': 'free', 'password': APP_PASSWORD, 'roles': ['free']}],
        policies=[{'name': 'w', 'roles': ['write'], 'tags': ['*'], 'level': 'write',
                   'deny': [{'relations': ['reading.secret']}]},
                  {'name': 'r', 'roles': ['ruled'], 'tags': ['*'], 'level': 'admin',
                   'deny': [{'relations': ['reading.secret']}]},
                  {'name': 'f', 'roles': ['free'], 'tags': ['*'], 'level': 'admin'}]).start()
    yield one
    assert one.stop() == 0, one.log_tail()
    harness.remove(directory)


def logged_in(one, user, app, **more):
    client = raw.RawClient(one.pg_port)
    client.log_in(user, APP_PASSWORD, 'shop', application_name=app, **more)
    return client


def extended(text):
    return raw.parse('', text) + raw.bind('', '') + raw.execute('')


def say_all(client, messages):
    """What the server says to the messages, up to the end of the connection."""
    client.send(messages + raw.SYNC + raw.TERMINATE)
    got = []
    with contextlib.suppress(EOFError, ConnectionResetError):
        while True:
            got.append(client.receive())
    return got


CAUSES = {
    'update of pg_settings': extended(OFF),
    'trigger': extended("INSERT INTO reading.switch VALUES ('off')"),
    'view': extended('SELECT v FROM reading.off'),
    'off and on': extended("INSERT INTO reading.switch VALUES ('off')") + extended("INSERT INTO reading.switch VALUES ('on')") +
                  extended("INSERT INTO reading.switch VALUES ('off')"),
    'set': extended('SET standard_conforming_strings = off'),
}


@pytest.mark.parametrize('cause', CAUSES)
@pytest.mark.parametrize('user', ['writer', 'ruled'])
@pytest.mark.parametrize('behind', ['query', 'parse', 'separate'])
def test_a_restricted_user_hides_no_statement_in_a_string(restricted, tables, app, user, cause, behind):
    made = 'made_%s_%d' % (user, abs(hash((cause, behind))) % 10 ** 8)
    hidden = HIDDEN % ('SELECT v FROM reading.secret; CREATE TABLE reading.%s(x int)' % made)
    one_hidden = r"SELECT '\', v FROM reading.log, (SELECT ' FROM reading.secret --') x(v)"
    with logged_in(restricted, user, app) as client:
        between = raw.SYNC if behind == 'separate' else b''
        got = say_all(client, CAUSES[cause] + between + (extended(one_hidden) if behind == 'parse' else raw.query(hidden)))
    assert not any(b'hidden' in body for _, body in got)
    assert not tables.sql("SELECT 1 FROM pg_class WHERE relname = %s", made, database='shop')
    trail = restricted.trail()
    for row in trail.settled(app):
        if row['outcome'] == 'success' and row['command_tag']:
            assert row['command_tag'].split()[0] == row['statement'].split()[0].upper(), row


@pytest.mark.parametrize('how', ['in one group', 'separate messages', 'answers awaited'])
@pytest.mark.parametrize('cause', [*CAUSES, 'query'])
def test_what_an_unrestricted_session_deletes_is_in_the_record_of_the_delete(restricted, tables, app, how, cause):
    tables.sql('INSERT INTO reading.log VALUES (1)', database='shop')
    change = raw.query('SET standard_conforming_strings = off') if cause == 'query' else CAUSES[cause]
    hidden = r"SELECT 'a\'; /*', 1; DELETE FROM reading.log; SELECT '*/ SELECT 2 -- '"
    with logged_in(restricted, 'free', app) as client:
        if how == 'answers awaited':
            client.send(change + raw.FLUSH)
            client.receive_until(b'Z' if cause == 'query' else b'C')
            change = b''
        say_all(client, change + (raw.SYNC if how == 'separate messages' else b'') + raw.query(hidden))
    assert tables.sql('SELECT count(*) FROM reading.log', database='shop')[0][0] == 0
    rows = restricted.trail().settled(app)
    assert any('DELETE FROM reading.log' in row['statement'] and row['outcome'] == 'success' for row in rows), rows
    for row in rows:
        if (row['command_tag'] or '').startswith('DELETE'):
            assert 'DELETE FROM reading.log' in row['statement'], row


@pytest.fixture
def reconfigured(tables):
    def change(**settings):
        for name, value in settings.items():
            tables.sql("ALTER SYSTEM SET %s = '%s'" % (name, value))
        tables.sql('SELECT pg_reload_conf()')
        eventually(lambda: all(tables.sql('SHOW ' + name)[0][0] == value for name, value in settings.items()))
    yield change
    tables.sql('ALTER SYSTEM RESET standard_conforming_strings')
    tables.sql('ALTER SYSTEM RESET client_encoding')
    tables.sql('SELECT pg_reload_conf()')
    eventually(lambda: tables.sql('SHOW standard_conforming_strings')[0][0] == 'on')


@pytest.mark.parametrize('user', ['writer', 'free'])
def test_a_reload_of_the_server_moves_neither_setting(restricted, reconfigured, app, user):
    with logged_in(restricted, user, app) as client:
        assert raw.rows(client.run('SHOW standard_conforming_strings')) == [[b'on']]
        reconfigured(standard_conforming_strings='off', client_encoding='LATIN1')
        for text in ('SELECT 1', 'RESET ALL', 'DISCARD ALL', 'RESET client_encoding', 'RESET standard_conforming_strings'):
            client.run(text)
            assert raw.rows(client.run('SHOW standard_conforming_strings')) == [[b'on']], text
            assert raw.rows(client.run('SHOW client_encoding')) == [[b'UTF8']], text
    with logged_in(restricted, user, app + '2') as client:
        assert raw.rows(client.run('SHOW standard_conforming_strings')) == [[b'on']]


def test_a_client_may_say_on_and_nothing_else(restricted, app):
    with logged_in(restricted, 'free', app, standard_conforming_strings='on') as client:
        assert raw.rows(client.run('SHOW standard_conforming_strings')) == [[b'on']]
    with raw.RawClient(restricted.pg_port) as client:
        with pytest.raises(raw.ServerError) as refused:
            client.log_in('free', APP_PASSWORD, 'shop', standard_conforming_strings='off')
        assert refused.value.fields['C'] == '42501' and 'legacy_strings' in refused.value.fields['M']


def test_legacy_strings_leave_the_setting_to_an_unrestricted_session(own, target, tables, app, reconfigured):
    one = own(targets=[{'name': 'shop', 'host': '127.0.0.1', 'port': target.port, 'user': 'shop_app', 'password': APP_PASSWORD,
                        'sslmode': 'disable', 'legacy_strings': True}],
              users=[{'name': name, 'password': USERS['alice'], 'roles': [name]} for name in ('alice', 'bob')],
              policies=[{'name': 'a', 'roles': ['alice'], 'tags': ['*'], 'level': 'admin'},
                        {'name': 'b', 'roles': ['bob'], 'tags': ['*'], 'level': 'write'}])
    one.start()
    reconfigured(standard_conforming_strings='off')
    with one.connect('alice', application_name=app) as connection:
        assert connection.execute('SHOW standard_conforming_strings').fetchone()[0] == 'off'
    with one.connect('bob', password=USERS['alice'], application_name=app + '2') as connection:
        assert connection.execute('SHOW standard_conforming_strings').fetchone()[0] == 'on'
    assert one.stop() == 0


def test_plain_and_other_texts_of_a_pipeline_give_what_the_server_gives(restricted, target, app):
    """The same bytes to the server itself and through the appliance: the answers are the same, byte for byte."""
    messages = b''.join([
        extended("SELECT 'a'"), extended("SELECT 'ä'"), extended(r"SELECT 'b\'"), raw.parse('s', "SELECT 'ö', $1::text"),
        raw.bind('', 's', [b'x']), raw.execute(''), raw.SYNC, raw.query(r"SELECT 'ü'; SELECT 'x\'"), raw.query('SELECT 1'),
        extended('SELECT 1/0'), extended("SELECT 'ß'"), raw.SYNC, raw.query('BEGIN'), extended("SELECT 'é'"),
        extended("SELECT 'è'"), raw.SYNC, raw.query('COMMIT')])
    with raw.RawClient(target.port) as client:
        client.log_in('shop_app', APP_PASSWORD, 'shop', client_encoding='UTF8')
        wanted = say_all(client, messages)
    for user in ('writer', 'free'):
        for piece in (None, 5):
            with logged_in(restricted, user, '%s-%s-%s' % (app, user, piece), client_encoding='UTF8') as client:
                client.piece = piece
                assert say_all(client, messages) == wanted

"""The console: what operators see and do by psql, in the virtual database `ringfence`."""
import os
import re
import socket
import struct
import time

import psycopg
import pytest

import harness
import raw
from test_key_passwords import authority, rows_of  # noqa: F401
from test_store_users import PASSWORD, call, change_user, make_user

COLUMNS = {
    'SESSIONS': 'id protocol user target database client_addr application_name state tls connected_at '
                'last_activity_at running_since statements bytes_to_client bytes_to_server shard',
    'TARGETS': 'name type hosts port database user sslmode tags sessions connections_max source',
    'GRANTS': 'user target level grant policies',
    'STATS': 'name value',
    'CONFIG': 'key value',
    'VERSION': 'version node',
    'HELP': 'command scope description',
}


def make_operators(one):
    call(one, 'POST', '/api/v1/roles', {'name': 'lookers', 'permissions': ['sessions:read', 'stats:read']})
    make_user(one, 'root', roles=['admin'])
    make_user(one, 'eve', roles=['lookers'])


def console(one, user='root', **more):
    return one.connect(user, 'ringfence', password=PASSWORD, **more)


def psql(one, *commands, user='root', check=True, **environment):
    arguments = [word for command in commands for word in ('-c', command)]
    return one.psql('-At', *arguments, check=check, user=user, database='ringfence', PGPASSWORD=PASSWORD, **environment)


def error_of(connection, text, *parameters):
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(text, *parameters)
    return caught.value


def ended(connection, text, told):
    """Its session has ended, and the client was told so: by FATAL, which libpq passes on as text alone."""
    with pytest.raises(psycopg.OperationalError) as caught:
        connection.execute(text)
    assert told in str(caught.value), caught.value


@pytest.fixture(scope='module')
def one(target):
    directory = harness.work_directory('console')
    made = harness.Appliance(directory, target, store='embedded').start()
    make_operators(made)
    yield made
    code = made.stop()
    harness.remove(directory)
    assert code == 0, made.log_tail()


@pytest.mark.parametrize('what', COLUMNS)
def test_each_table_has_its_columns_in_both_protocols(one, what):
    with console(one, application_name='look-' + what) as connection:
        simple = connection.cursor().execute('show %s;' % what.lower())
        extended = psycopg.Cursor(connection).execute('SHOW ' + what, prepare=True)
        binary = connection.cursor(binary=True).execute('SHOW ' + what)
        for cursor in (simple, extended, binary):
            assert ' '.join(column.name for column in cursor.description) == COLUMNS[what]
            assert cursor.fetchall() and cursor.statusmessage == 'SHOW'
    rows = rows_of(one, 'console_command', 3, application_name='look-' + what)
    assert {(row['user_name'], row['entity_id'], row['outcome']) for row in rows} == {('root', 'SHOW ' + what, 'success')}
    assert all(row['rows'] > 0 and row['target'] is None and row['database'] == 'ringfence' for row in rows)


def test_psql_shows_what_there_is(one):
    with one.connect(application_name='seen') as seen:
        seen.execute('SELECT 1')
        shown = psql(one, 'SHOW SESSIONS').stdout.splitlines()
        assert any('|alice|shop|' in line and '|seen|' in line for line in shown), shown
        assert any('|root|ringfence|ringfence|' in line and '|active|' in line for line in shown), shown
    assert 'shop|postgres|127.0.0.1|' in psql(one, 'show targets').stdout
    grants = psql(one, 'SHOW GRANTS').stdout.splitlines()
    assert 'alice|shop|admin||operators' in grants and not any(line.startswith('eve|') for line in grants)
    assert re.search('^sessions_open\\|[1-9]', psql(one, 'SHOW STATS').stdout, re.MULTILINE)
    config = psql(one, 'SHOW CONFIG').stdout
    assert 'listeners[0].port|%d' % one.pg_port in config and 'limits.connections_max|' in config
    for secret in (harness.TOKEN, harness.APP_PASSWORD, *harness.USERS.values()):
        assert secret not in config
    assert psql(one, 'SHOW VERSION').stdout.startswith('Ringfence ')
    both = psql(one, 'SHOW VERSION; SHOW HELP').stdout
    assert 'Ringfence' in both and 'KILL <id>|sessions:end|' in both


def test_a_grant_is_shown_where_it_decides(one):
    make_user(one, 'gina', roles=['user'])
    status, _, made = call(one, 'POST', '/api/v1/grants', {'user': 'gina', 'tag': 'e2e', 'level': 'read'})
    assert status == 201, made
    with console(one) as connection:
        rows = [row for row in connection.execute('SHOW GRANTS') if row[0] == 'gina']
    assert ('gina', 'shop', 'read', made['number'], '') in rows


def test_what_is_no_command_is_an_error_that_names_the_help(one):
    for text in ('SHOW NOTHING', 'SELECT * FROM pg_class', 'DROP TABLE orders', '\\d', 'COPY orders TO STDOUT'):
        failed = psql(one, text, check=False)
        assert failed.returncode != 0 and 'SHOW HELP lists the commands' in failed.stderr, failed.stderr
    with console(one) as connection:
        assert error_of(connection, 'SELECT now()').sqlstate == '42601'
        # What stood in front has been answered, and the session goes on.
        assert connection.execute('SHOW VERSION').fetchone()
        results = connection.pgconn.exec_(b'SHOW VERSION; NONSENSE; SHOW HELP')
        assert results.status == psycopg.pq.ExecStatus.FATAL_ERROR
        assert connection.execute('SELECT 1').fetchone() == (1,)
    rows = rows_of(one, 'console_command', outcome='failure', statement='DROP TABLE orders')
    assert rows[0]['sqlstate'] == '42601'


def test_a_secret_in_what_was_typed_is_not_in_the_trail(one):
    psql(one, "ALTER ROLE eve PASSWORD 'not for the trail'", check=False)
    [row] = rows_of(one, 'console_command', outcome='failure', statement="ALTER ROLE eve PASSWORD '***'")
    assert 'not for the trail' not in str(row)


def test_what_drivers_send_by_themselves_is_answered(one):
    with console(one, autocommit=False, options='-c extra_float_digits=3') as connection:
        assert connection.info.server_version == 150000 and connection.info.encoding == 'utf-8'
        connection.execute('SET extra_float_digits = 3')
        assert connection.execute('SHOW server_version').fetchone()[0].startswith('15.0')
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        error_of(connection, 'nonsense')
        assert error_of(connection, 'SHOW HELP').sqlstate == '25P02'
        connection.rollback()
        connection.execute('SHOW TRANSACTION ISOLATION LEVEL')
        connection.commit()
        assert error_of(connection, "SET client_encoding TO 'LATIN1'").sqlstate == '0A000'
        connection.rollback()
        connection.autocommit = True
        for text in ('DISCARD ALL', 'RESET ALL', 'DEALLOCATE ALL', 'SET application_name TO x', ''):
            connection.execute(text)
        with connection.pipeline() as pipeline:
            first = connection.execute('SHOW VERSION')
            second = connection.execute('SHOW STATS')
            pipeline.sync()
            assert first.fetchone() and second.fetchall()
        for _ in range(8):
            connection.execute('SHOW VERSION', prepare=True)


def test_kill_ends_a_session_as_the_api_does(one):
    victim = one.connect(application_name='victim')
    victim.execute('SELECT 1')
    with console(one, application_name='killer') as connection:
        sessions = connection.execute('SHOW SESSIONS').fetchall()
        found = [row[0] for row in sessions if row[6] == 'victim']
        assert len(found) == 1
        assert connection.execute('KILL ' + found[0]).statusmessage == 'KILL'
        with pytest.raises(psycopg.OperationalError) as caught:
            victim.execute('SELECT 1')
        assert 'terminating connection due to administrator command' in str(caught.value)

        def gone():
            return error_of(connection, 'KILL %s', [found[0]]).sqlstate == '42704'
        harness.eventually(gone, what='the session to be gone')
        assert error_of(connection, 'KILL 7').sqlstate == '22023'
        assert error_of(connection, 'KILL').sqlstate == '42601'
        other = one.connect(application_name='other victim')
        number = [row[0] for row in connection.execute('SHOW SESSIONS') if row[6] == 'other victim'][0]
        connection.execute('KILL %s', [number])
        with pytest.raises(psycopg.OperationalError):
            other.execute('SELECT 1')
    rows = rows_of(one, 'session_terminated', entity_id=found[0], outcome='success')
    assert rows[0]['user_name'].startswith('root (console) from 127.0.0.1:')
    rows = rows_of(one, 'console_command', application_name='killer', entity_id=found[0])
    assert rows[0]['outcome'] == 'success' and rows[0]['entity_type'] == 'session'


def test_who_kills_himself_is_told_so(one):
    connection = console(one, application_name='suicide')
    own = [row[0] for row in connection.execute('SHOW SESSIONS') if row[6] == 'suicide'][0]
    ended(connection, 'KILL ' + own, 'terminating connection due to administrator command')
    harness.eventually(lambda: own not in psql(one, 'SHOW SESSIONS').stdout, what='the session to be gone')
    assert rows_of(one, 'postgres_disconnect', application_name='suicide')[0]['sqlstate'] == '57P01'


def test_the_api_sees_and_ends_a_session_of_the_console(one):
    connection = console(one, application_name='to-end')
    listed = call(one, 'GET', '/api/v1/sessions?target=ringfence')[2]['sessions']
    found = [session for session in listed if session['application_name'] == 'to-end']
    assert found[0]['user'] == 'root' and found[0]['state'] == 'idle' and found[0]['database'] == 'ringfence'
    assert call(one, 'DELETE', '/api/v1/sessions/' + found[0]['id'])[0] == 202
    ended(connection, 'SHOW HELP', 'terminating connection due to administrator command')


def test_scopes_say_who_may_what(one):
    with console(one, 'eve') as connection:
        assert connection.execute('SHOW SESSIONS').fetchall()
        for text, scope in (('SHOW CONFIG', 'config:read'), ('SHOW TARGETS', 'targets:read'),
                            ('SHOW GRANTS', 'grants:read'), ('KILL 0198d0f4-1e00-7000-8000-000000000001', 'sessions:end')):
            error = error_of(connection, text)
            assert error.sqlstate == '42501' and scope in str(error)
    assert rows_of(one, 'console_command', 4, user_name='eve', outcome='denied')
    # Others do not learn that there is such a database.
    make_user(one, 'nobody')
    for user, password in (('nobody', PASSWORD), ('alice', harness.USERS['alice'])):
        told = []
        for database in ('ringfence', 'nothing'):
            with pytest.raises(psycopg.OperationalError) as caught:
                one.connect(user, database, password=password)
            told.append(str(caught.value).replace(database, '*'))
        assert told[0] == told[1]
    assert rows_of(one, 'access_denied', user_name='nobody', entity_type='console')


def test_a_role_that_is_taken_ends_the_session(one):
    make_user(one, 'ida', roles=['lookers'])
    with console(one, 'ida') as lost, console(one, 'ida') as changed:
        assert lost.execute('SHOW STATS').fetchall()
        change_user(one, 'ida', roles=['auditor'])
        assert changed.execute('SHOW CONFIG').fetchall()
        change_user(one, 'ida', roles=['operator'])
        ended(lost, 'SHOW STATS', 'your access to the console has ended')
    change_user(one, 'ida', roles=['lookers'])
    with console(one, 'ida') as connection:
        change_user(one, 'ida', password='another horse 8')
        ended(connection, 'SHOW STATS', 'the password of "ida" has changed')


def test_a_key_is_worth_its_scopes(own):
    one = own(store='embedded')
    directory = one.directory / 'socket'
    directory.mkdir()
    one.config['listeners'] += [{'name': 'local', 'path': str(directory / ('.s.PGSQL.%d' % one.pg_port))}]
    one.write_config()
    one.start()
    make_operators(one)
    keys = [call(one, 'POST', '/api/v1/keys', {'name': 'k%d' % i, 'user': 'root', 'scopes': scopes})[2]['key']
            for i, scopes in enumerate(([], ['postgres:connect', 'stats:read'], ['postgres:connect']))]
    with one.connect('root', 'ringfence', password=keys[0], host=str(directory)) as connection:
        connection.execute('SHOW CONFIG')
    with one.connect('root', 'ringfence', password=keys[1], host=str(directory)) as connection:
        connection.execute('SHOW STATS')
        assert error_of(connection, 'SHOW CONFIG').sqlstate == '42501'
    with pytest.raises(psycopg.OperationalError):
        one.connect('root', 'ringfence', password=keys[2], host=str(directory))
    assert one.stop() == 0


def test_no_target_has_the_consoles_name(one, own):
    made = {'name': 'ringfence', 'hosts': ['127.0.0.1'], 'user': 'x'}
    status, _, problem = call(one, 'POST', '/api/v1/targets', made)
    assert status == 422 and problem['errors'][0]['field'] == 'name' and 'console' in problem['errors'][0]['message']
    other = own()
    other.config['targets'][0]['name'] = 'ringfence'
    other.write_config()
    other.start(ready=False)
    assert other.process.wait(30) != 0
    assert re.search('ringfence.yaml:[0-9]+.*is "ringfence", which is the name of the appliance', other.log())


def raw_console(one):
    return raw.RawClient(one.pg_port).log_in('root', PASSWORD, 'ringfence')


def test_the_extended_protocol_in_all_its_parts(one):
    with raw_console(one) as peer:
        def kinds(*messages):
            peer.send(b''.join(messages))
            return raw.kinds(peer.receive_until(b'Z'))
        parse, bind, execute, sync = raw.parse, raw.bind('', ''), raw.execute(), raw.SYNC
        # Rows in pieces.
        assert kinds(parse('', 'SHOW HELP'), bind, raw.describe(b'P'), raw.execute('', 3), execute, sync) == b'12TDDDsDDDDDCZ'
        # A statement that has failed takes what comes behind it along, up to Sync.
        assert kinds(parse('', 'NONSENSE'), bind, execute, parse('', 'SHOW HELP'), sync) == b'EZ'
        assert kinds(parse('', 'SHOW VERSION'), bind, execute, sync) == b'12DCZ'
        assert kinds(parse('', 'SHOW HELP; SHOW STATS'), bind, execute, sync) == b'EZ'
        assert kinds(parse('k', 'KILL $1'), raw.describe(b'S', 'k'), raw.bind('', 'k'), sync) == b'1tnEZ'
        assert kinds(raw.bind('', 'k', [b'7']), execute, sync) == b'2EZ'
        assert kinds(raw.bind('', 'k', [None]), execute, sync) == b'EZ'
        assert kinds(parse('k', 'KILL $1'), sync) == b'EZ'
        assert kinds(raw.close(b'S', 'k'), raw.bind('', 'k'), sync) == b'3EZ'
        assert kinds(parse('', ''), bind, execute, raw.FLUSH, sync) == b'12IZ'
        assert kinds(raw.message(b'F', struct.pack('!IHHH', 1, 0, 0, 0))) == b'EZ'
        assert kinds(raw.message(b'd', b'x'), raw.message(b'c'), raw.message(b'f', b'\0'), raw.query('SELECT 1')) == b'TDCZ'
        # Formats of results that there are not.
        assert kinds(parse('', 'SHOW HELP'), raw.message(b'B', b'\0\0\0\0\0\0\0\2\0\0\0\1'), execute, sync) == b'1EZ'
        assert kinds(*[parse('s%d' % i, 'SHOW HELP') for i in range(70)], sync).endswith(b'1EZ')
        # Many at once.
        peer.send(raw.query('SHOW VERSION') * 500)
        for _ in range(500):
            assert raw.kinds(peer.receive_until(b'Z')) == b'TDCZ'
        peer.send(raw.TERMINATE)
        assert peer.at_end()


@pytest.mark.parametrize('data, code', [
    (raw.query('SHOW HELP ' + 'x' * 70_000), '54000'),
    (b'Q' + struct.pack('!I', 1 << 30), '54000'),
    (b'Q' + struct.pack('!I', 3), '54000'),
    (raw.message(b'?'), '08P01'),
    (raw.message(b'Q', b'no end'), '08P01'),
    (raw.message(b'p', b'again\0'), '08P01'),
])
def test_what_is_no_message_of_it_ends_the_session(one, data, code):
    with raw_console(one) as peer:
        peer.send(data)
        kind, body = peer.receive()
        assert kind == b'E' and raw.error_fields(body)['C'] == code
        assert peer.at_end()
    assert call(one, 'GET', '/api/v1/sessions?target=ringfence')[0] == 200


def test_what_comes_in_pieces_and_too_early_is_read_all_the_same(one):
    with raw.RawClient(one.pg_port, piece=3) as peer:
        peer.log_in('root', PASSWORD, 'ringfence')
        assert raw.kinds(peer.run('SHOW VERSION; SELECT 7')) == b'TDCTDCZ'
        assert peer.key is None


def test_a_cancel_request_finds_nothing_to_cancel(one):
    with console(one) as connection:
        connection.cancel()
        assert connection.execute('SHOW VERSION').fetchone()


def test_idle_sessions_end_and_a_stop_ends_all(own):
    one = own(store='embedded', limits={'idle_ms': 1_000, 'idle_in_transaction_ms': 600_000})
    one.start()
    make_operators(one)
    connection = console(one)
    assert connection.execute('SHOW VERSION').fetchone()
    time.sleep(2)
    ended(connection, 'SHOW VERSION', 'idle for too long')
    busy = console(one)
    busy.execute('BEGIN')
    assert one.stop(timeout=20) == 0
    ended(busy, 'SHOW VERSION', 'the appliance is shutting down')


def test_without_tls_nobody_comes_in_where_it_is_required(own, authority):
    one = own(store='embedded')
    cert, key = authority.issue('console', '/CN=localhost', 'DNS:localhost,IP:127.0.0.1')
    one.config['tls'] = {'certificate_file': str(cert), 'key_file': str(key)}
    one.config['listeners'][0]['tls'] = 'require'
    one.write_config()
    one.start()
    make_operators(one)
    with pytest.raises(psycopg.OperationalError) as caught:
        console(one, sslmode='disable')
    assert 'TLS only' in str(caught.value)
    with console(one, sslmode='require') as connection:
        rows = connection.execute('SHOW SESSIONS').fetchall()
        assert [row[8] for row in rows] == [True]
    assert one.stop() == 0


def test_one_user_leaves_room_for_others_and_who_reads_nothing_is_ended(own):
    one = own(store='embedded', shards=1)
    one.start()
    make_operators(one)
    open_ones = [console(one) for _ in range(4)]
    with pytest.raises(psycopg.OperationalError) as caught:
        console(one)
    assert 'you have too many sessions of the console open' in str(caught.value)
    console(one, 'eve').close()
    open_ones.pop().close()
    harness.eventually(lambda: try_console(one), what='the room that was left').close()
    # It asks, and takes no answer: sooner or later there is no room between the two.
    deaf = open_ones[0]
    with socket.socket(fileno=os.dup(deaf.pgconn.socket)) as wire:
        wire.setblocking(False)
        question = b'SHOW CONFIG\0'
        message = b'Q' + struct.pack('>I', 4 + len(question)) + question
        count = len(one.sessions())

        def is_over():
            try:
                wire.send(message * 100)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                pass
            return len(one.sessions()) < count
        harness.eventually(is_over, timeout=60, every=0.1, what='the end of who reads nothing')
    assert console(one, 'eve').execute('SHOW VERSION').fetchone()
    assert one.stop() == 0


def try_console(one):
    try:
        return console(one)
    except psycopg.OperationalError:
        return None

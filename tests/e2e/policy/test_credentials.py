"""A credential for each access level: who the server sees, and what `ringfence check` says of them."""
import base64
import hashlib
import hmac
import subprocess

import psycopg
import pytest

import harness

PASSWORD = 'credentials-test'
SERVER_PASSWORD = 'of-the-level'
ROLES = ('cred_read', 'cred_write', 'cred_owner', 'cred_member')


@pytest.fixture(scope='module')
def roles(target):
    with target.connect('shop') as connection:
        for role in ROLES + ('cred_super',):
            connection.execute("DO $$ BEGIN CREATE ROLE %s LOGIN PASSWORD '%s'; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
                               % (role, SERVER_PASSWORD))
        connection.execute('ALTER ROLE cred_super SUPERUSER')
        connection.execute('CREATE TABLE IF NOT EXISTS cred_notes (a serial, b text)')
        connection.execute('ALTER TABLE cred_notes OWNER TO cred_owner')
        connection.execute('GRANT SELECT ON cred_notes TO cred_read, cred_write')
        connection.execute('GRANT INSERT ON cred_notes TO cred_write')
        connection.execute('GRANT pg_execute_server_program TO cred_member')
        connection.execute('ALTER ROLE cred_member CREATEROLE')
    yield target
    # The database is everybody's.
    with target.connect('shop') as connection:
        connection.execute('DROP TABLE cred_notes')


def as_user(name):
    return {'user': name, 'password': SERVER_PASSWORD}


def to(target, name='shop', **more):
    return {'name': name, 'host': '127.0.0.1', 'port': target.port, 'database': 'shop', 'sslmode': 'disable', 'tags': ['c'],
            **as_user('cred_owner'), **more}


def policy(role, level):
    return {'name': role + 's', 'roles': [role], 'tags': ['c'], 'level': level}


@pytest.fixture(scope='module')
def levelled(roles):
    directory = harness.work_directory('credentials')
    one = harness.Appliance(
        directory, roles,
        users=[{'name': name, 'password': PASSWORD, 'roles': [name]} for name in ('reader', 'writer', 'boss')],
        targets=[to(roles, credentials={'read': as_user('cred_read'), 'write': as_user('cred_write')})],
        policies=[policy('reader', 'read'), policy('writer', 'write'), policy('boss', 'admin')]).start()
    yield one
    code = one.stop()
    harness.remove(directory)
    assert code == 0, one.log_tail()


def connect(one, user, **more):
    return psycopg.connect(**one.conninfo(user, 'shop', password=PASSWORD, **more), autocommit=True, connect_timeout=20)


def check(one, *arguments):
    return subprocess.run([harness.BINARY, 'check', '--config', one.config_file, *arguments], text=True, capture_output=True,
                          timeout=60, env=harness.clean_environment())


def test_a_session_is_its_levels_user_on_the_server(levelled, app):
    trail = levelled.trail()
    for user, server_user in (('reader', 'cred_read'), ('writer', 'cred_write'), ('boss', 'cred_owner')):
        with connect(levelled, user, application_name=app + user) as connection:
            assert connection.execute('SELECT current_user').fetchone() == (server_user,)
        trail.settled(app + user)
        assert {row['server_user'] for row in trail.events(app + user, 'postgres_query')} == {server_user}
    trail.connection.close()
    shown = check(levelled).stdout
    assert 'cred_read' in shown and SERVER_PASSWORD not in shown and SERVER_PASSWORD not in levelled.log()


def test_a_level_that_takes_another_user_ends_the_session(levelled, app):
    policies = levelled.config['policies']

    def reload(**levels):
        levelled.config['policies'] = [dict(one, level=levels.get(one['roles'][0], one['level'])) for one in policies]
        levelled.write_config()
        levelled.reload()
    reader = connect(levelled, 'reader', application_name=app)
    reader.execute('SELECT 1')
    try:
        # ddl has no user of its own: that of the target, as for admin.
        reload(boss='ddl')

        def begun_at_ddl():
            boss = connect(levelled, 'boss')
            with pytest.raises(psycopg.Error) as refused:
                boss.execute('ALTER SYSTEM RESET work_mem')
            if 'yours here is ddl' in str(refused.value):
                return boss
            boss.close()
        boss = harness.eventually(begun_at_ddl)
        # Between two statements libpq takes a FATAL for a notice.
        told = []
        reader.add_notice_handler(lambda diagnostic: told.append(diagnostic.message_primary))
        reload(reader='write')
        with pytest.raises(psycopg.OperationalError) as ended:
            harness.eventually(lambda: reader.execute('SELECT 1') is None)
        assert 'access level on database "shop" is write now' in str([*told, ended.value])

        def is_admin():
            with pytest.raises(psycopg.Error) as refused:
                boss.execute('ALTER SYSTEM RESET work_mem')
            return 'yours here is ddl' not in str(refused.value)
        harness.eventually(is_admin)
        assert boss.execute('SELECT current_user').fetchone() == ('cred_owner',)
        with connect(levelled, 'reader') as again:
            assert again.execute('SELECT current_user').fetchone() == ('cred_write',)
    finally:
        reload()
    boss.close()


def test_check_warns_of_what_a_readers_user_may(own, roles):
    one = own(targets=[to(roles), to(roles, 'super', **as_user('cred_super')), to(roles, 'member', **as_user('cred_member')),
                       to(roles, 'good', **as_user('cred_read')), to(roles, 'writer', credentials={'read': as_user('cred_write')})],
              policies=[policy('reader', 'read')])
    told = check(one, '--connect')
    assert told.returncode == 0, told.stderr
    warnings = [line for line in told.stderr.splitlines() if line.startswith('warning: target ')]

    def of(name):
        return '\n'.join(line for line in warnings if line.startswith('warning: target %s:' % name))
    assert 'cred_owner, of sessions of level read, owns 2 relations (public.cred_notes, public.cred_notes_a_seq)' in of('shop')
    assert 'may write to 1 relation (public.cred_notes)' in of('shop')
    assert 'is a superuser; sessions of level read are refused' in of('super')
    assert 'is a member of 1 powerful role (pg_execute_server_program)' in of('member') and '(CREATEROLE)' in of('member')
    assert 'cred_write, of sessions of level read, may write to 1 relation' in of('writer') and 'cred_owner' not in of('writer')
    assert of('good') == '' and 'target good: as cred_read: good for level read' in told.stderr
    assert SERVER_PASSWORD not in told.stderr + told.stdout


def test_check_tells_what_it_cannot_reach_and_what_the_file_alone_shows(own, roles):
    one = own(targets=[to(roles), to(roles, 'wrong', user='cred_read', password='not that one'),
                       to(roles, 'unused', credentials={'ddl': as_user('cred_owner')}, allow_superuser_read=True)],
              policies=[policy('reader', 'read'), policy('writer', 'write')])
    told = check(one)
    assert told.returncode == 0
    assert 'shop: sessions of level read are logged in to the server as cred_owner, as those of level write are' in told.stderr
    assert 'unused: credentials.ddl is never used' in told.stderr and 'unused: allow_superuser_read is set' in told.stderr
    told = check(one, '--connect')
    assert told.returncode == 1
    assert 'error: target wrong: as cred_read: ' in told.stderr and 'password authentication failed' in told.stderr
    assert 'not that one' not in told.stderr


@pytest.mark.parametrize('credentials,says', [
    ({'read': {'password': 'x'}}, 'credentials.read.user: is missing'), ({'reed': {'user': 'x'}}, 'did you mean read'),
    ({'read': {'user': 'x', 'pass': 'y'}}, 'credentials.read.pass'), ({'write': 'x'}, 'credentials.write'),
])
def test_credentials_that_are_wrong_are_told_with_their_line(own, roles, credentials, says):
    one = own(targets=[to(roles, credentials=credentials)])
    told = check(one)
    assert told.returncode == 1 and says in told.stderr, told.stderr
    assert 'ringfence.yaml:' in told.stderr


def test_check_logs_in_as_sessions_do(own, roles, app):
    with roles.connect('shop') as connection:
        connection.execute("DO $$ BEGIN CREATE ROLE cred_slow LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        # A verifier as a newer server makes it: libpq counts to 1,500,000, sessions do not.
        connection.execute("ALTER ROLE cred_slow PASSWORD '%s'" % verifier(SERVER_PASSWORD, 1_500_000))
    one = own(targets=[to(roles, **as_user('cred_slow'))], policies=[policy('operator', 'admin')],
              users=[{'name': 'slow', 'password': PASSWORD, 'roles': ['operator']}])
    told = check(one, '--connect')
    assert told.returncode == 1, told.stderr
    assert 'error: target shop: as cred_slow: ' in told.stderr and 'SCRAM iterations' in told.stderr
    one.start()
    with pytest.raises(psycopg.OperationalError):
        connect(one, 'slow')
    assert one.stop() == 0


def verifier(password, iterations, salt=b'0123456789abcdef'):
    salted = hashlib.pbkdf2_hmac('sha256', password.encode(), salt, iterations)
    client = hmac.digest(salted, b'Client Key', 'sha256')
    server = hmac.digest(salted, b'Server Key', 'sha256')
    encode = lambda raw: base64.b64encode(raw).decode()
    return 'SCRAM-SHA-256$%d:%s$%s:%s' % (iterations, encode(salt), encode(hashlib.sha256(client).digest()), encode(server))


def test_check_sees_what_the_role_may_become(own, roles):
    names = ('cred_become', 'cred_inherits', 'cred_between', 'cred_powers')
    with roles.connect('shop') as connection:
        for name, options in (('cred_become', 'LOGIN NOINHERIT'), ('cred_inherits', 'LOGIN'), ('cred_between', 'NOINHERIT'),
                              ('cred_powers', 'CREATEROLE')):
            connection.execute('CREATE ROLE %s %s' % (name, options))
        for name in names[:2]:
            connection.execute("ALTER ROLE %s PASSWORD '%s'" % (name, SERVER_PASSWORD))
        connection.execute('GRANT cred_write TO cred_between')
        connection.execute('GRANT cred_between TO cred_become')
        connection.execute('GRANT cred_powers TO cred_inherits')
        connection.execute('GRANT SET ON PARAMETER log_statement TO cred_between')
    try:
        one = own(targets=[to(roles, **as_user('cred_become')), to(roles, 'inherits', **as_user('cred_inherits'))],
                  policies=[policy('reader', 'read')])
        told = check(one, '--connect')
        assert told.returncode == 0, told.stderr
        assert 'cred_become, of sessions of level read, may become, by SET ROLE, 1 role that may more than read (cred_write)' in told.stderr
        assert 'cred_become, of sessions of level read, may set 1 setting of superusers (log_statement)' in told.stderr
        assert 'cred_inherits, of sessions of level read, may become, by SET ROLE, 1 role that may more than read (cred_powers)' in told.stderr
        assert told.stderr.count('may set 1 setting') == 1
    finally:
        with roles.connect('shop') as connection:
            connection.execute('REVOKE SET ON PARAMETER log_statement FROM cred_between')
            for name in names:
                connection.execute('DROP ROLE ' + name)

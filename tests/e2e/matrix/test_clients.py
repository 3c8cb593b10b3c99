"""Programs as people have them, with what they send by themselves, at the level that their users have."""
import asyncio
import subprocess

import psycopg
import psycopg2
import psycopg2.extensions
import pytest

import harness
import matrix
import raw
from programs import JAR, JDBC

asyncpg = pytest.importorskip('asyncpg')

PASSWORD = 'clients-test'
LEVELS = {'reader': 'read', 'writer': 'write', 'boss': 'admin'}


@pytest.fixture(scope='module')
def leveled(target):
    directory = harness.work_directory('clients')
    to = {'host': '127.0.0.1', 'port': target.port, 'database': 'shop', 'user': 'shop_app', 'password': harness.APP_PASSWORD,
          'tags': ['e2e'], 'sslmode': 'disable'}
    one = harness.Appliance(
        directory, target,
        targets=[{'name': 'shop', **to}, {'name': 'pooled', **to, 'pool': {'max': 4}}, {'name': 'own', **to, 'application_name': 'client'},
                 {'name': 'own_pooled', **to, 'application_name': 'client', 'pool': {'max': 4}},
                 {'name': 'formed', **to, 'application_name': '{name} ({user} by {target})'}],
        users=[{'name': name, 'password': PASSWORD, 'roles': [name]} for name in LEVELS],
        policies=[{'name': name + 's', 'roles': [name], 'tags': ['e2e'], 'level': level} for name, level in LEVELS.items()]).start()
    yield one
    mismatches = one.metrics()['ringfence_attribution_mismatches_total']
    code = one.stop()
    harness.remove(directory)
    assert code == 0, one.log_tail()
    assert mismatches == 0


@pytest.fixture(scope='module')
def leveled_trail(leveled):
    trail = leveled.trail()
    yield trail
    if trail.connection:
        trail.connection.close()


def connect(leveled, user, **more):
    return leveled.connect(user, password=PASSWORD, **more)


# ---------------------------------------------------------------- READ WRITE of those who read

TRANSACTIONS = ['BEGIN READ WRITE', 'START TRANSACTION READ WRITE', 'BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE',
                'begin transaction read write not deferrable', 'BEGIN READ/* from the pool */WRITE']


@pytest.mark.parametrize('ways', ['simple', 'extended', 'pipeline'])
def test_a_readers_read_write_is_read_only(leveled, leveled_trail, app, ways):
    with connect(leveled, 'reader', application_name=app) as connection:
        told = []
        connection.add_notice_handler(lambda notice: told.append((notice.severity, notice.sqlstate, notice.message_primary)))
        for text in TRANSACTIONS:
            if ways == 'simple':
                connection.pgconn.exec_(text.encode())
            elif ways == 'extended':
                connection.execute(text, prepare=True)
            else:
                with connection.pipeline():
                    connection.execute(text)
                    connection.execute('SELECT 1')
            assert connection.execute('SHOW transaction_read_only').fetchone() == ('on',), text
            connection.execute('ROLLBACK')
        assert told == [('WARNING', '01000', 'READ WRITE was replaced by READ ONLY')] * len(TRANSACTIONS)
    rows = [row for row in leveled_trail.settled(app) if row['metadata']]
    assert [row['statement'] for row in rows] == TRANSACTIONS
    for row in rows:
        assert len(row['metadata']['sent_on']) == len(row['statement'])
        assert 'READ' in row['metadata']['sent_on'].upper() and 'WRITE' not in row['metadata']['sent_on'].upper()
        assert row['allowed'] and row['outcome'] == 'success'


def test_modes_that_are_set_later_are_read_only_too(leveled, app):
    with connect(leveled, 'reader', application_name=app) as connection:
        connection.execute('SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE')
        assert connection.execute('SHOW default_transaction_read_only').fetchone() == ('on',)
        connection.execute('BEGIN')
        connection.execute('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE, DEFERRABLE')
        assert connection.execute('SHOW transaction_read_only').fetchone() == ('on',)
        assert connection.execute('SHOW transaction_isolation').fetchone() == ('repeatable read',)
        connection.execute('COMMIT')


def test_in_one_message_with_other_statements(leveled, leveled_trail, app):
    text = "SELECT 'BEGIN READ WRITE'; BEGIN READ WRITE; SHOW transaction_read_only; COMMIT"
    with connect(leveled, 'reader', application_name=app) as connection:
        results = []
        pgconn = connection.pgconn
        pgconn.send_query(text.encode())
        while (result := pgconn.get_result()) is not None:
            results.append(result.get_value(0, 0) if result.ntuples else result.command_status)
        assert results == [b'BEGIN READ WRITE', b'BEGIN', b'on', b'COMMIT']
    rows = leveled_trail.settled(app)
    assert [row['statement'] for row in rows] == text.split('; ')
    assert [bool(row['metadata']) for row in rows] == [False, True, False, False]
    [message] = leveled_trail.events(app, 'postgres_message')
    assert message['statement'] == text


def test_a_writers_stays(leveled, app):
    with connect(leveled, 'writer', application_name=app) as connection:
        connection.execute('BEGIN READ WRITE')
        assert connection.execute('SHOW transaction_read_only').fetchone() == ('off',)


def test_sqlalchemys_pool_after_a_read_only_checkout(leveled, app):
    sqlalchemy = pytest.importorskip('sqlalchemy')
    engine = sqlalchemy.create_engine(
        'postgresql+psycopg2://', pool_size=1, max_overflow=0,
        creator=lambda: psycopg2.connect(**leveled.conninfo('reader', password=PASSWORD, application_name=app)))
    pids = set()
    for is_read_only in (True, False, True, False):
        options = {'postgresql_readonly': True} if is_read_only else {}
        with engine.connect().execution_options(**options) as connection:
            assert connection.execute(sqlalchemy.text('SHOW transaction_read_only')).scalar() == 'on'
            pids.add(connection.execute(sqlalchemy.text('SELECT pg_backend_pid()')).scalar())
    assert len(pids) == 1
    engine.dispose()


def test_psycopg_after_a_read_only_use(leveled, app):
    with connect(leveled, 'reader', application_name=app, autocommit=False) as connection:
        for value in (True, False, None):
            connection.read_only = value
            assert connection.execute('SHOW transaction_read_only').fetchone() == ('on',)
            connection.rollback()


# ---------------------------------------------------------------- settings by set_config()

@pytest.mark.parametrize('user', ['reader', 'writer'])
def test_djangos_settings_with_server_side_binding(leveled, app, user):
    """Django 4.2 and later with psycopg 3: DatabaseWrapper.ensure_timezone() and its like; the values are parameters."""
    with connect(leveled, user, application_name=app) as connection:
        connection.pgconn.exec_params(b"SELECT set_config('TimeZone', $1, false)", [b'Europe/Berlin'])
        assert connection.execute('SHOW timezone').fetchone() == ('Europe/Berlin',)
        with connection.transaction():
            assert connection.execute("SELECT set_config('app.user_id', %s, true)", ('42',)).fetchone() == ('42',)
            assert connection.execute("SELECT current_setting('app.user_id')").fetchone() == ('42',)


@pytest.mark.parametrize('user', ['reader', 'writer'])
def test_a_computed_value_of_what_matters_is_refused(leveled, app, user):
    with connect(leveled, user, application_name=app) as connection:
        for name in ('role', 'session_authorization', 'client_encoding', 'standard_conforming_strings'):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT set_config('%s', %%s, false)" % name, ('x',))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute('SELECT set_config(%s, %s, false)', ('app.user_id', '42'))


# ---------------------------------------------------------------- what the startup packet asks for

def startup(leveled, user, **more):
    """The session, what it was told of its settings, and its warnings."""
    client = raw.RawClient(leveled.pg_port)
    client.log_in(user, PASSWORD, 'shop', **more)
    return client


def shown(client, name):
    [row] = [body for kind, body in client.run('SHOW "%s"' % name) if kind == b'D']
    return row[6:].decode()


@pytest.mark.parametrize('user', list(LEVELS))
def test_startup_keys_follow_the_rules_of_set(leveled, app, user):
    wanted = {'row_security': 'off', 'enable_seqscan': 'off', 'app.tenant': '7', 'standard_conforming_strings': 'on', 'jit': 'off'}
    with startup(leveled, user, application_name=app, **wanted) as client:
        for name, value in wanted.items():
            assert shown(client, name) == value
    options = ' '.join('-c %s=%s' % one for one in wanted.items())
    with startup(leveled, user, options=options + ' --application-name=' + app) as client:
        for name, value in wanted.items():
            assert shown(client, name) == value
        assert app in shown(client, 'application_name')


def test_a_name_inside_options_is_in_the_trail(leveled, leveled_trail, app):
    with startup(leveled, 'boss', options='-c application_name=' + app) as client:
        client.run('SELECT 1')
    [row] = leveled_trail.settled(app)
    assert row['application_name'] == app


def test_a_key_of_the_packet_wins_over_options(leveled):
    for user in LEVELS:
        with startup(leveled, user, search_path='public', options='-c search_path=pg_catalog') as client:
            assert shown(client, 'search_path') == 'public'
        with startup(leveled, user, options='-c search_path=a -c search-path=public') as client:
            assert shown(client, 'search_path') == 'public'


@pytest.mark.parametrize('value', ['n', 'f', 'no', 'FALSE', '0', 'of', 'Off'])
def test_replication_that_is_false_is_none(leveled, value):
    with startup(leveled, 'reader', replication=value) as client:
        assert shown(client, 'transaction_read_only') == 'on'


@pytest.mark.parametrize('key, value', [('Search-Path', 'public'), ('replication', 'o'), ('replication', 'maybe'), ('no_such_setting', '1'),
                                        ('USER', 'postgres')])
def test_what_postgresql_refuses_is_refused_with_its_code(leveled, target, key, value):
    with raw.RawClient(target.port) as direct, pytest.raises(raw.ServerError) as by_server:
        direct.log_in('app_trust', '', 'shop', **{key: value})
    with pytest.raises(raw.ServerError) as by_us:
        startup(leveled, 'boss', **{key: value})
    assert by_us.value.fields['C'] == by_server.value.fields['C']
    assert by_us.value.fields['M'].endswith(by_server.value.fields['M'])


@pytest.mark.parametrize('more', [{'default_transaction_read_only': 'off'}, {'options': '-c default_transaction_read_only=0'}])
def test_a_readers_wish_to_write_is_answered_with_a_warning(leveled, more):
    with startup(leveled, 'reader', **more) as client:
        assert [(n['S'], n['C'], n['M']) for n in client.notices] == [('WARNING', '01000', 'default_transaction_read_only stays on')]
        assert shown(client, 'default_transaction_read_only') == 'on'
    with startup(leveled, 'reader', default_transaction_read_only='yes') as client:
        assert client.notices == []
    with startup(leveled, 'writer', **more) as client:
        assert client.notices == []
        assert shown(client, 'default_transaction_read_only') == 'off'


@pytest.mark.parametrize('key', ['local_preload_libraries', 'session_preload_libraries', 'ignore_system_indexes', 'role'])
def test_what_no_set_may_do_no_key_may(leveled, key):
    for user in ('reader', 'writer'):
        with pytest.raises(raw.ServerError) as refused:
            startup(leveled, user, **{key: 'on'})
        assert refused.value.fields['C'] == '42501'


# ---------------------------------------------------------------- DataGrip

# What its introspection asks first, and its pg_catalog queries, as it writes them.
DATAGRIP = [
    'select version()', 'select current_database(), current_schema(), current_user', 'SET extra_float_digits = 3',
    "SET application_name = 'DataGrip 2023.2'", 'set session characteristics as transaction read write', 'SHOW TRANSACTION ISOLATION LEVEL',
    """select case
         when pg_catalog.pg_is_in_recovery()
           then null
         else
           (pg_catalog.txid_current() % 4294967296)::varchar::bigint
       end as current_txid""",
    'select pg_catalog.txid_current()',
    """select round(extract(epoch from pg_postmaster_start_time() at time zone 'UTC')) as startup_time""",
    """select N.oid::bigint as id, datname as name, D.description, datistemplate as is_template, datallowconn as allow_connections,
         pg_catalog.pg_get_userbyid(N.datdba) as "owner"
       from pg_catalog.pg_database N left join pg_catalog.pg_shdescription D on N.oid = D.objoid
       order by case when datname = pg_catalog.current_database() then -1::bigint else N.oid::bigint end""",
    """select N.oid::bigint as id, N.xmin as state_number, nspname as name, D.description, pg_catalog.pg_get_userbyid(N.nspowner) as "owner"
       from pg_catalog.pg_namespace N left join pg_catalog.pg_description D on N.oid = D.objoid
       order by case when nspname = pg_catalog.current_schema() then -1::bigint else N.oid::bigint end""",
    """select T.oid as oid, relnamespace as schemaId, pg_catalog.translate(relkind, 'rmvpfS', 'rmvrfS') as kind
       from pg_catalog.pg_class T where relkind in ('r', 'm', 'v', 'p', 'f', 'S')
       and pg_catalog.pg_table_is_visible(T.oid) order by 1""",
    """with T as (select distinct T.oid as table_id, T.relname as table_name
                 from pg_catalog.pg_class T, pg_catalog.pg_attribute A
                 where T.relnamespace = 2200::oid and T.relkind in ('r', 'm', 'v', 'f', 'p') and A.attrelid = T.oid)
       select T.table_id, C.attnum as column_position, C.attname as column_name, C.xmin as column_state_number, C.atttypmod as type_mod,
              C.attndims as dimensions_number, pg_catalog.format_type(C.atttypid, C.atttypmod) as type_spec, C.atttypid as type_id,
              C.attnotnull as mandatory, pg_catalog.pg_get_expr(D.adbin, T.table_id, true) as column_default_expression, C.attisdropped as column_is_dropped
       from T inner join pg_catalog.pg_attribute C on T.table_id = C.attrelid
              left outer join pg_catalog.pg_attrdef D on (C.attrelid, C.attnum) = (D.adrelid, D.adnum)
       where attnum > 0 order by table_id, attnum""",
    """select rolname as name, oid as id, rolsuper as is_super, rolinherit as is_inherit, rolcreaterole as can_createrole,
              rolconnlimit as conn_limit, pg_catalog.shobj_description(oid, 'pg_authid') as description from pg_catalog.pg_roles""",
    'select L.transactionid::varchar::bigint as transaction_id from pg_catalog.pg_locks L where L.transactionid is not null order by pg_catalog.age(L.transactionid) desc limit 1',
]


def test_datagrips_introspection(leveled, app):
    with connect(leveled, 'reader', application_name=app) as connection:
        for text in DATAGRIP:
            connection.execute(text)
        connection.execute('BEGIN READ WRITE')
        connection.execute('select pg_catalog.txid_current()')
        connection.execute('ROLLBACK')


# ---------------------------------------------------------------- large objects

def test_psycopgs_large_objects(leveled, app):
    connection = psycopg2.connect(**leveled.conninfo('writer', password=PASSWORD, application_name=app))
    made = connection.lobject(0, 'wb')
    made.write(b'large ' * 10_000)
    made.seek(6)
    number = made.oid
    made.close()
    connection.commit()
    read = connection.lobject(number, 'rb')
    assert read.read() == b'large ' * 10_000
    read.close()
    connection.lobject(number, 'w').truncate(5)
    assert connection.lobject(number).read() == 'large'
    connection.lobject(number).unlink()
    connection.commit()
    connection.close()
    with pytest.raises(psycopg2.Error, match='OID 957'):
        psycopg2.connect(**leveled.conninfo('reader', password=PASSWORD, application_name=app)).lobject(0, 'wb')


def test_psqls_large_objects(leveled, app, tmp_path):
    (tmp_path / 'in').write_bytes(b'by psql')
    done = leveled.psql('-c', "\\lo_import '%s'" % (tmp_path / 'in'), '-c', "\\lo_export :LASTOID '%s'" % (tmp_path / 'out'), '-c',
                        '\\lo_unlink :LASTOID', user='writer', PGPASSWORD=PASSWORD)
    assert done.stderr == '' and (tmp_path / 'out').read_bytes() == b'by psql'


# ---------------------------------------------------------------- pgjdbc

@pytest.fixture(scope='session')
def clients_class():
    if not JAR.exists() or not matrix.tool('javac'):
        pytest.skip('pgjdbc or a JDK is not installed')
    place = matrix.cache('jdbc-clients')
    source = JDBC / 'Clients.java'
    done = subprocess.run(['javac', '-encoding', 'UTF-8', '-cp', str(JAR), '-d', str(place), str(source)], text=True,
                          capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return place


def by_jdbc(leveled, place, user, case):
    done = subprocess.run(
        ['java', '-XX:TieredStopAtLevel=1', '-cp', '%s:%s' % (place, JAR), 'Clients', case,
         'jdbc:postgresql://127.0.0.1:%d/shop' % leveled.pg_port, user, PASSWORD], text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()


def test_jdbcs_large_objects_at_level_write(leveled, clients_class):
    assert by_jdbc(leveled, clients_class, 'writer', 'large_object') == ['100000']


def test_jdbc_after_a_read_only_use(leveled, clients_class):
    assert by_jdbc(leveled, clients_class, 'reader', 'read_only') == ['on', 'on', 'on']


def test_jdbcs_current_schema_wins_over_options(leveled, clients_class):
    """currentSchema is a key of the packet, options are options, in this order."""
    assert by_jdbc(leveled, clients_class, 'reader', 'schema') == ['public']


# ---------------------------------------------------------------- names

def names_at_server(target, pid):
    return target.sql('SELECT application_name FROM pg_stat_activity WHERE pid = %s', pid)[0][0]


def statuses(messages):
    return [tuple(part.decode() for part in body.split(b'\0')[:2]) for kind, body in messages if kind == b'S']


@pytest.mark.parametrize('text', ['RESET ALL', 'DISCARD ALL', 'RESET application_name', 'SET application_name TO DEFAULT',
                                  "SELECT 1; CLOSE ALL; UNLISTEN *; RESET ALL"])
@pytest.mark.parametrize('user', ['reader', 'boss'])
def test_a_pooled_session_keeps_its_name(leveled, target, app, user, text):
    name = ('ringfence/%s: %s' % (user, app))[:63]
    with raw.RawClient(leveled.pg_port) as client:
        client.log_in(user, PASSWORD, 'pooled', application_name=app)
        assert client.parameters['application_name'] == name
        for i in range(3):
            assert statuses(client.run(text)) == []
            assert shown(client, 'application_name') == name
        assert statuses(client.run("SET application_name = 'another'")) == [('application_name', 'another')]
        assert statuses(client.run(text)) == [('application_name', name)]
        pid = int.from_bytes(client.key[:4], 'big')
        # Also when the client says nothing more.
        harness.eventually(lambda: names_at_server(target, pid) == name, 5, what='the name at the server')
        client.run('BEGIN')
        if 'DISCARD' not in text:
            assert statuses(client.run(text)) == []
            client.run('ROLLBACK')
        assert shown(client, 'application_name') == name


def test_what_is_notified_while_a_session_is_named_again_arrives(leveled, app):
    with raw.RawClient(leveled.pg_port) as client, connect(leveled, 'boss', application_name=app) as sender:
        client.log_in('boss', PASSWORD, 'pooled', application_name=app)
        client.run('LISTEN named')
        got = []
        for i in range(40):
            got += client.run('RESET ALL')
            sender.execute('SELECT pg_notify(%s, %s)', ('named', str(i)))
            got += client.run('SELECT 1')
        got += client.run('SELECT 2')
    assert [body[4:].split(b'\0')[1] for kind, body in got if kind == b'A'] == [b'%d' % i for i in range(40)]


def test_asyncpgs_pool_keeps_its_name(leveled, target, app):
    name = ('ringfence/writer: %s' % app)[:63]

    async def work():
        pool = await asyncpg.create_pool(
            host='127.0.0.1', port=leveled.pg_port, user='writer', password=PASSWORD, database='pooled', min_size=1, max_size=1,
            server_settings={'application_name': app})
        for i in range(5):
            async with pool.acquire() as connection:
                assert await connection.fetchval('SHOW application_name') == name
                assert connection.get_settings().application_name == name
                pid = connection.get_server_pid()
        await asyncio.sleep(1.5)
        shown_idle = names_at_server(target, pid)
        await pool.close()
        return shown_idle
    assert asyncio.run(work()) == name


@pytest.mark.parametrize('database', ['own', 'own_pooled'])
def test_a_client_that_compares_its_name_sees_its_own(leveled, leveled_trail, app, database):
    with connect(leveled, 'boss', database=database, application_name=app) as connection:
        assert connection.info.parameter_status('application_name') == app
        assert connection.execute('SHOW application_name').fetchone() == (app,)
        connection.execute('RESET ALL')
        assert connection.execute('SHOW application_name').fetchone() == (app,)
    assert {row['application_name'] for row in leveled_trail.settled(app)} == {app}


def test_a_form_of_the_targets_own(leveled, app):
    with connect(leveled, 'reader', database='formed', application_name=app) as connection:
        assert connection.execute('SHOW application_name').fetchone() == (('%s (reader by formed)' % app)[:63],)


@pytest.mark.parametrize('database', ['shop', 'pooled', 'own', 'own_pooled', 'formed'])
def test_a_long_name_is_cut_without_a_word(leveled, database):
    with raw.RawClient(leveled.pg_port) as client:
        client.log_in('boss', PASSWORD, database, application_name='x' * 200)
        assert len(shown(client, 'application_name')) <= 63
        assert client.notices == []
        assert [kind for kind, _ in client.run('SELECT 1')].count(b'N') == 0


# ---------------------------------------------------------------- what is told is valid text

@pytest.mark.parametrize('encoding, codec', [('UTF8', 'utf-8'), ('LATIN1', 'latin-1'), ('WIN1252', 'cp1252'), ('EUC_JP', 'euc_jp')])
def test_refusals_are_valid_text(leveled, encoding, codec):
    with raw.RawClient(leveled.pg_port) as client:
        client.log_in('reader', PASSWORD, 'shop', client_encoding=encoding)
        for text in ('SELECT 1\uff1bDELETE FROM orders'.encode(), b'SELECT 1\xef', b'DELETE FROM "\xe9\xff"', b'COPY orders FROM STDIN',
                     b'SELECT \xc3', b"SELECT 'x' \x80\x81", b'SELECT lo_create(0)'):
            for data in (raw.message(b'Q', text + b'\0'), raw.message(b'P', b'\0' + text + b'\0\0\0') + raw.SYNC):
                client.send(data)
                [error] = [body for kind, body in client.receive_until(b'Z') if kind == b'E']
                for field in error.rstrip(b'\0').split(b'\0'):
                    field.decode(codec)


@pytest.mark.parametrize('form', ['{usr}', '', 'ringfence {', 'x' * 64, 'für {user}'])
def test_a_form_that_cannot_be_meant_is_an_error_with_its_line(leveled, tmp_path, form):
    config = {**leveled.config, 'application_name': 'client', 'targets': [{**leveled.config['targets'][0], 'application_name': form}]}
    file = tmp_path / 'ringfence.yaml'
    file.write_text(harness.emit_yaml(config))
    file.chmod(0o600)
    done = subprocess.run([harness.BINARY, 'check', '--config', file], text=True, capture_output=True, timeout=60, env=harness.clean_environment())
    assert done.returncode == 1 and 'targets[0].application_name' in done.stdout + done.stderr, done.stdout + done.stderr

"""What policies let through, by real clients, with the server as the witness of what happened. readonly/ has what a reader may not."""
import contextlib
import re

import psycopg
import pytest

import harness
import raw

PASSWORD = 'policy-test'
ROLES = ['reader', 'writer', 'lister', 'nobody']


def to(target, name, **more):
    return {'name': name, 'host': '127.0.0.1', 'port': target.port, 'database': 'shop', 'password': harness.APP_PASSWORD,
            **more}


@pytest.fixture(scope='module')
def guarded(target):
    with target.connect('shop') as connection:
        for role, more in (('pol_super', 'SUPERUSER'), ('pol_select', '')):
            connection.execute("DO $$ BEGIN CREATE ROLE %s LOGIN %s PASSWORD '%s'; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
                               % (role, more, harness.APP_PASSWORD))
        connection.execute('CREATE TABLE IF NOT EXISTS victim (a int, b text)')
        connection.execute('TRUNCATE victim')
        connection.execute("INSERT INTO victim SELECT g, 'x' || g FROM generate_series(1, 100) g")
        connection.execute('ALTER TABLE victim OWNER TO shop_app')
        connection.execute('GRANT SELECT ON ALL TABLES IN SCHEMA public TO pol_select, shop_app')
        connection.execute('CREATE OR REPLACE FUNCTION sneaky() RETURNS int LANGUAGE plpgsql AS '
                           "$$ BEGIN DELETE FROM victim; RETURN 1; END $$")
        connection.execute('CREATE OR REPLACE FUNCTION sneaky1(i int) RETURNS int LANGUAGE plpgsql AS '
                           "$$ BEGIN DELETE FROM victim; RETURN 1; END $$")
        connection.execute('CREATE OR REPLACE FUNCTION harmless(i int) RETURNS int LANGUAGE sql AS $$ SELECT i + 1 $$')
    directory = harness.work_directory('policy')
    one = harness.Appliance(
        directory, target,
        users=[{'name': role, 'password': PASSWORD, 'roles': [role]} for role in ROLES],
        targets=[to(target, 'super', user='pol_super', allow_superuser_read=True, tags=['t']),
                 to(target, 'owner', user='shop_app', tags=['t']), to(target, 'select', user='pol_select', tags=['t']),
                 to(target, 'strict', user='pol_super', tags=['t'])],
        policies=[
            {'name': 'readers', 'roles': ['reader'], 'tags': ['t'], 'level': 'read', 'functions': ['harmless']},
            {'name': 'writers', 'roles': ['writer'], 'tags': ['t'], 'level': 'write',
             'deny': [{'relations': ['public.customers'], 'message': 'customers are not yours'}, {'missing_where': True}]},
            {'name': 'listers', 'roles': ['lister'], 'tags': ['t'], 'level': 'write',
             'whitelist': ['^select .* from products', '^insert into victim ']}]).start()
    yield one
    code = one.stop()
    harness.remove(directory)
    assert code == 0, one.log_tail()


def connect(guarded, user='reader', database='owner', **more):
    return psycopg.connect(**guarded.conninfo(user, database, password=PASSWORD, **more), autocommit=True, connect_timeout=20)


@pytest.fixture
def trail_of(guarded):
    trail = guarded.trail()

    def rows(application_name):
        trail.settled(application_name)
        return trail.events(application_name)
    yield rows
    if trail.connection:
        trail.connection.close()


@pytest.fixture(params=['super', 'owner', 'select'])
def database(request):
    return request.param


def refused(connection, text, simple=True):
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        if simple:
            result = connection.pgconn.exec_(text.encode())
            if result.status == psycopg.pq.ExecStatus.FATAL_ERROR:
                raise psycopg.errors.lookup(result.error_field(psycopg.pq.DiagnosticField.SQLSTATE).decode())(
                    result.error_message.decode())
        else:
            connection.execute(text, prepare=True)
    return str(caught.value)


def victims(guarded):
    return guarded.target.sql('SELECT count(*), sum(a) FROM victim', database='shop')[0]


READ = [
    'SELECT 1', 'SELECT * FROM victim WHERE a = 1', 'SHOW server_version', 'BEGIN', 'SELECT count(*) FROM victim', 'COMMIT',
    'SET application_name = \'x\'', 'EXPLAIN DELETE FROM victim', 'EXPLAIN ANALYZE SELECT * FROM victim', 'TABLE victim',
    'VALUES (1)', 'PREPARE p AS SELECT $1::int', 'EXECUTE p(1)', 'DEALLOCATE p', 'SELECT harmless(1)', 'RESET ALL', 'DISCARD ALL',
]


def test_a_reader_reads(guarded, database):
    with connect(guarded, database=database) as connection:
        for text in READ:
            if database != 'select' or not text.startswith('EXPLAIN DELETE'):  # The server wants the privilege for that.
                connection.execute(text)
        assert connection.execute('SELECT sum(a) FROM victim WHERE a <= %s', (3,), prepare=True).fetchone() == (6,)
        assert connection.execute('SHOW transaction_read_only').fetchone() == ('on',)


def test_the_refusal_is_told_with_code_hint_and_place(guarded):
    done = guarded.psql('-v', 'VERBOSITY=verbose', '-c', "SELECT 'ä', a, lo_unlink(5) FROM victim", user='reader',
                        PGPASSWORD=PASSWORD, database='owner', check=False)
    assert 'ERROR:  42501: the function lo_unlink is not one that access level read may call' in done.stderr
    lines = done.stderr.splitlines()
    caret = next(line for line in lines if line.strip() == '^')
    statement = next(line for line in lines if line.startswith('LINE 1: '))
    assert statement[caret.index('^'):].startswith('lo_unlink')
    assert 'HINT:' in done.stderr


def test_a_refusal_fails_the_transaction_as_any_error_does(guarded):
    with connect(guarded, user='writer') as connection:
        connection.execute('BEGIN')
        connection.execute('INSERT INTO victim VALUES (-1, NULL)')
        refused(connection, 'DELETE FROM victim')
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute('SELECT 1')
        refused(connection, 'DELETE FROM victim')
        connection.execute('ROLLBACK')
        assert connection.execute('SELECT count(*) FROM victim WHERE a = -1').fetchone() == (0,)


def test_a_pipeline_keeps_its_order_around_a_refusal(guarded):
    with connect(guarded) as connection:
        # Whether the end of the pipeline says once more that something failed depends on how far psycopg had read.
        with contextlib.suppress(psycopg.errors.PipelineAborted), connection.pipeline():
            first = connection.execute('SELECT 1')
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute('DELETE FROM victim')
                connection.execute('SELECT 3').fetchone()
        assert first.fetchone() == (1,)
        assert connection.execute('SELECT 5').fetchone() == (5,)


@pytest.mark.parametrize('piece', [1, 3, 7, 4096])
def test_a_message_in_pieces_is_decided_whole(guarded, piece):
    since = guarded.target.log_position()
    got = []
    with raw.RawClient(guarded.pg_port, piece=piece) as client:
        client.log_in('reader', PASSWORD, 'owner')
        client.send(raw.query('SELECT 1') + raw.query('DELETE FROM victim') + raw.query("SELECT 'two'")
                    + raw.parse('', 'DELETE FROM victim') + raw.bind('', '') + raw.execute() + raw.message(b'S')
                    + raw.parse('s', 'SELECT 3') + raw.bind('', 's') + raw.execute() + raw.message(b'S'))
        for _ in range(5):
            for kind, body in client.receive_until(b'Z'):
                if kind == b'E':
                    got.append(raw.error_fields(body)['C'])
                elif kind == b'D':
                    got.append('row')
    assert got == ['row', '42501', 'row', '42501', 'row']
    assert 'DELETE' not in guarded.target.logged(since)


def test_writers_write_within_their_rules(guarded):
    with connect(guarded, user='writer') as connection:
        connection.execute('BEGIN')
        connection.execute('DELETE FROM victim WHERE a = 5')
        connection.execute('ROLLBACK')
        assert 'policy writers denies' in refused(connection, 'DELETE FROM victim')
        assert 'customers are not yours' in refused(connection, 'SELECT * FROM customers')
        assert 'customers are not yours' in refused(connection, 'SELECT * FROM public.customers e WHERE false', simple=False)
        refused(connection, 'CREATE TABLE x (a int)')


def test_a_whitelist_looks_at_every_statement(guarded):
    with connect(guarded, user='lister') as connection:
        connection.execute('SELECT name FROM products LIMIT 1')
        refused(connection, 'SELECT 1')
        refused(connection, 'SELECT name FROM products; DROP TABLE victim')
        refused(connection, 'SELECT name\nFROM products')
        refused(connection, 'PREPARE p AS SELECT 1')


def test_without_a_policy_there_is_no_access_and_nothing_is_told(guarded):
    messages = []
    for database in ('owner', 'no_such_target'):
        with pytest.raises(psycopg.OperationalError) as caught:
            connect(guarded, user='nobody', database=database)
        messages.append(str(caught.value).replace(database, 'X'))
    assert messages[0] == messages[1]


def test_a_superuser_behind_a_reader_needs_the_targets_consent(guarded):
    with pytest.raises(psycopg.OperationalError, match='superuser'):
        connect(guarded, database='strict')
    connect(guarded, user='writer', database='strict').close()


def test_a_refused_statement_is_one_record_with_its_rule(guarded):
    with connect(guarded, application_name='policy-record') as connection:
        connection.execute('SELECT 1')
        refused(connection, 'SELECT 2; DELETE FROM victim')
        refused(connection, 'DELETE FROM victim WHERE a = 1', simple=False)
    trail = guarded.trail()
    trail.settled('policy-record')
    rows = [row for row in trail.events('policy-record') if row['action'].startswith('postgres_query')]
    shown = [(row['action'], row['statement'], row['outcome'], row['rule'], row['sqlstate']) for row in rows]
    assert shown == [
        ('postgres_query', 'SELECT 1', 'success', 'level read', None),
        ('postgres_query', 'SELECT 2', 'not_executed', None, None),
        ('postgres_query_blocked', 'DELETE FROM victim', 'denied', 'level read', '42501'),
        ('postgres_query_blocked', 'DELETE FROM victim WHERE a = 1', 'denied', 'level read', '42501')]
    trail.connection.close()


def test_a_changed_policy_reaches_running_sessions_and_prepared_statements(guarded):
    writer = connect(guarded, user='writer', application_name='policy-change')
    writer.execute('SELECT 1')
    insert = "INSERT INTO victim VALUES (%s, 'late')"
    for number in range(3):
        writer.execute(insert, (1000 + number,), prepare=True)
    writer.execute('PREPARE sql_insert AS INSERT INTO victim VALUES (2000)')
    policies = guarded.config['policies']
    try:
        guarded.config['policies'] = [dict(policy, deny=[{'kinds': ['insert', 'delete']}]) if policy['name'] == 'writers' else policy
                                      for policy in policies]
        guarded.write_config()
        guarded.reload()

        def is_denied():
            try:
                writer.execute(insert, (1003,), prepare=True)
                return False
            except psycopg.errors.InsufficientPrivilege:
                return True
        harness.eventually(is_denied, what='the prepared statement to be refused')
        refused(writer, 'EXECUTE sql_insert')
        refused(writer, 'DELETE FROM victim WHERE a > 999')
        assert writer.execute('SELECT 1').fetchone() == (1,)
        guarded.config['policies'] = [policy for policy in policies if policy['name'] != 'writers']
        guarded.write_config()
        guarded.reload()

        def has_ended():
            try:
                writer.execute('SELECT 1')
                return False
            except psycopg.OperationalError as error:
                # Where the connection was closed before the query was sent, psycopg does not read why.
                return 'access to database' in str(error) or writer.closed
        harness.eventually(has_ended, what='the session to end')
    finally:
        guarded.config['policies'] = policies
        guarded.write_config()
        guarded.reload()
        guarded.target.sql("DELETE FROM victim WHERE a > 999", database='shop')


def test_a_session_whose_level_falls_to_read_ends(guarded):
    """What it did to itself before may write still: a path with a function of its own before PostgreSQL's, say."""
    guarded.target.sql('CREATE SCHEMA IF NOT EXISTS shade AUTHORIZATION shop_app', database='shop')
    guarded.target.sql('CREATE OR REPLACE FUNCTION shade.lower(text) RETURNS text LANGUAGE plpgsql AS '
                       "$$ BEGIN INSERT INTO victim VALUES (5000, 'shade'); RETURN $1; END $$", database='shop')
    guarded.target.sql('GRANT USAGE ON SCHEMA shade TO shop_app', database='shop')
    policies = guarded.config['policies']

    def use(level):
        guarded.config['policies'] = [dict(policy, level=level) if policy['name'] == 'writers' else policy for policy in policies]
        guarded.write_config()
        before = guarded.log().count('msg="configuration reloaded"')
        guarded.reload()
        harness.eventually(lambda: guarded.log().count('msg="configuration reloaded"') > before, what='the reload')
    before = victims(guarded)
    try:
        for level in ('admin', 'write'):
            use(level)
            writer = connect(guarded, user='writer')
            if level == 'admin':
                writer.execute('SET search_path = shade, pg_catalog, public')
            else:
                refused(writer, 'SET search_path = shade, pg_catalog, public')
            use('read')
            with pytest.raises(psycopg.OperationalError, match='access level on database "owner" is read now'):
                writer.execute("SELECT lower('A')")
            writer.close()
        assert victims(guarded) == before
    finally:
        guarded.config['policies'] = policies
        guarded.write_config()
        guarded.reload()


def test_patterns_that_cannot_be_used_are_errors_with_their_line(guarded, tmp_path):
    config = dict(guarded.config)
    config['policies'] = [{'name': 'bad', 'roles': ['reader'], 'whitelist': ['^fine', '(?!WHERE)']}]
    file = tmp_path / 'bad.yaml'
    file.write_text(harness.emit_yaml(config) + '\n')
    file.chmod(0o600)
    done = harness.subprocess.run([harness.BINARY, 'check', '--config', file], capture_output=True, text=True)
    assert done.returncode != 0
    assert re.search(r'bad\.yaml:\d+: .*\(\?!WHERE\)', done.stdout + done.stderr), done.stdout + done.stderr


def test_a_name_in_another_encoding_is_not_taken_for_another(own, target, app):
    """Three letters of WIN866 are, as bytes, one of UTF-8."""
    target.sql('CREATE TABLE IF NOT EXISTS "рок" (v text)', database='shop')
    target.sql('GRANT SELECT ON "рок" TO shop_app', database='shop')
    one = own(policies=[{'name': 'p', 'roles': ['operator'], 'tags': ['*'], 'level': 'write', 'deny': [{'relations': ['рок']}]}])
    one.start()
    for options in ({}, {'client_encoding': 'WIN866'}):
        with one.connect(**options) as connection:
            connection.execute("SET client_encoding = 'WIN866'")
            for text in ('SELECT * FROM "рок"', 'TABLE рок'):
                result = connection.pgconn.exec_(text.encode('cp866'))
                assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b'42501', result.error_message
            connection.execute('SELECT 1')
            connection.execute("SET client_encoding = 'UTF8'")
            refused(connection, 'SELECT * FROM "рок"')
            assert connection.pgconn.exec_("SELECT 'ö'".encode()).get_value(0, 0) == 'ö'.encode()
    assert one.stop() == 0


def test_a_statement_too_large_for_a_shard_is_analysed_aside(guarded):
    with connect(guarded) as connection:
        before = guarded.metrics()['ringfence_statements_analysed_aside_total']
        numbers = ', '.join(str(number) for number in range(1, 5001))
        assert connection.execute('SELECT count(*) FROM victim WHERE a IN (%s)' % numbers).fetchone()[0] >= 100
        assert connection.execute('SELECT 1' + ' + 1' * 2000, prepare=True).fetchone() == (2001,)
        refused(connection, 'DELETE FROM victim WHERE a IN (%s)' % numbers)
        refused(connection, 'SELECT 1; DELETE FROM victim WHERE a IN (%s)' % numbers)
        assert guarded.metrics()['ringfence_statements_analysed_aside_total'] >= before + 3
        # Beyond every bound: refused, and the session goes on.
        refused(connection, 'SELECT 1' + '+1' * 100_000)
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            connection.execute("SELECT '%s'" % ('x' * (2 << 20)))
        assert connection.execute('SELECT 1').fetchone() == (1,)


@pytest.mark.parametrize('kind,body', [(b'E', b'nosuch\0'), (b'F', b'\0\0\x05\x75')], ids=['execute', 'function_call'])
def test_a_gated_message_beyond_its_bound_ends_the_session(guarded, kind, body):
    """Nothing of it may become another message."""
    before = victims(guarded)
    with raw.RawClient(guarded.pg_port) as client:
        client.log_in('reader', PASSWORD, 'owner')
        size = (1 << 20) + 1000
        tail = raw.query('BEGIN READ WRITE; DELETE FROM victim; COMMIT')
        with pytest.raises((EOFError, ConnectionError)):
            client.send(kind + (size + 4).to_bytes(4, 'big') + body)
            client.send(b'\0' * (size - len(body) - len(tail)))
            client.send(tail)
            while True:
                kind_, fields = client.receive()
                if kind_ == b'E':
                    assert raw.error_fields(fields)['C'] == '54000'
    assert victims(guarded) == before


def test_errors_show_no_column_that_a_rule_denies(own, target, app):
    target.sql('DROP TABLE IF EXISTS carded', database='shop')
    target.sql("CREATE TABLE carded (id int PRIMARY KEY, name text NOT NULL CHECK (name <> 'bad'), city text, card text, UNIQUE (city, card))",
               database='shop')
    target.sql("INSERT INTO carded VALUES (1, 'a', 'x', '4111-secret'), (2, 'b', 'y', '4111-secret')", database='shop')
    target.sql('GRANT ALL ON carded TO shop_app', database='shop')
    one = own(policies=[{'name': 'p', 'roles': ['operator'], 'tags': ['*'], 'level': 'write', 'deny': [{'columns': ['carded.card']}]}])
    one.start()
    with one.connect() as connection:
        for text, error in (('UPDATE carded SET name = NULL WHERE id = 1', psycopg.errors.NotNullViolation),
                            ("UPDATE carded SET name = 'bad' WHERE id = 1", psycopg.errors.CheckViolation),
                            ("UPDATE carded SET city = 'y' WHERE id = 1", psycopg.errors.UniqueViolation)):
            for prepare in (False, True):
                with pytest.raises(error) as caught:
                    connection.execute(text, prepare=prepare)
                assert caught.value.diag.message_detail is None and 'secret' not in str(caught.value)
        assert connection.execute('SELECT 1').fetchone() == (1,)
    assert one.stop() == 0


def test_names_behind_semicolons_and_escapes_are_known(guarded, trail_of):
    """`;PREPARE` and U&"" names: what runs later is what the trail says."""
    with connect(guarded, user='writer', application_name='policy-names') as connection:
        for text in ('PREPARE p AS SELECT 1', ';DEALLOCATE p', ';PREPARE p AS SELECT 2 AS two', 'EXECUTE p',
                     'PREPARE U&"d\\0061t" AS SELECT 3 AS three'):
            connection.pgconn.exec_(text.encode())
        result = connection.pgconn.exec_prepared(b'dat', [])
        assert result.get_value(0, 0) == b'3'
        result = connection.pgconn.exec_prepared(b'p', [])
        assert result.get_value(0, 0) == b'2'
    texts = [row['statement'] for row in trail_of('policy-names')]
    assert 'SELECT 3 AS three' in texts and 'SELECT 2 AS two' in texts, texts


def test_a_revoked_user_cannot_hide_behind_cut_messages(guarded):
    """A chunk that never ends where a message does."""
    policies = guarded.config['policies']
    with raw.RawClient(guarded.pg_port) as client:
        client.log_in('writer', PASSWORD, 'owner')
        insert = raw.query("INSERT INTO victim VALUES (3000, 'late')")
        client.send(insert + b'Q')
        client.receive_until(b'Z')
        try:
            guarded.config['policies'] = [policy for policy in policies if policy['name'] != 'writers']
            guarded.write_config()
            guarded.reload()

            def is_over():
                try:
                    client.send(insert[1:] + b'Q')
                    client.receive_until(b'Z')
                    return False
                except (EOFError, ConnectionError):
                    return True
            harness.eventually(is_over, what='the session to end')
        finally:
            guarded.config['policies'] = policies
            guarded.write_config()
            guarded.reload()
            guarded.target.sql('DELETE FROM victim WHERE a = 3000', database='shop')


def test_two_large_statements_in_one_message_are_both_analysed(guarded):
    with connect(guarded) as connection:
        many = ', '.join(['1'] * 1500)
        text = "EXPLAIN SELECT '%s', %s; EXPLAIN SELECT '%s', %s" % ('x' * 9000, many, 'y' * 9000, many)
        assert connection.pgconn.exec_(text.encode()).status == psycopg.pq.ExecStatus.TUPLES_OK
        refused(connection, 'DELETE ' + '/*' * 20000 + '*/' * 20000 + ' FROM victim')

"""PostgreSQL's own tools, libpq's pipeline mode, sqlsmith, psycopg 2 and asyncpg in depth, and the trail beside them."""
import asyncio
import io
import subprocess
import threading

import psycopg2
import psycopg2.extras
import pytest

import harness
import matrix

asyncpg = pytest.importorskip('asyncpg')


def tool(appliance, application, *arguments, database='shop', timeout=120, **more):
    return subprocess.run([harness.PG_BIN / arguments[0], *arguments[1:]], capture_output=True, timeout=timeout,
                          cwd='/', env=appliance.environment(application_name=application, database=database, **more))


# --- pg_dump and pg_restore ---------------------------------------------------------------------------------------
def test_pg_dump_is_the_same_through_the_appliance_and_each_of_its_queries_is_recorded(appliance, target, trail):
    witness, application = matrix.Witness(target), matrix.application('dump')
    through = tool(appliance, application, 'pg_dump')
    assert through.returncode == 0, through.stderr
    direct = tool(appliance, 'direct', 'pg_dump', PGPORT=str(target.port), PGUSER='shop_app',
                  PGPASSWORD=harness.APP_PASSWORD)
    assert direct.returncode == 0, direct.stderr
    assert without_keys(through.stdout) == without_keys(direct.stdout)
    rows = trail.settled(application)
    assert {row['outcome'] for row in rows} == {'success'}
    assert len([row for row in rows if row['statement'].startswith('COPY')]) >= 3
    witness.agrees(rows, application)


def without_keys(dump):
    """Recent minor versions write a random key at both ends."""
    return [line for line in dump.splitlines() if not line.startswith((b'\\restrict', b'\\unrestrict'))]


@pytest.mark.long
@pytest.mark.parametrize('form', ['custom', 'directory', 'inserts'])
def test_pg_restore_brings_back_what_pg_dump_took(appliance, target, trail, tmp_path, form):
    witness, dumping, restoring = matrix.Witness(target), matrix.application('dump'), matrix.application('restore')
    target.sql('DROP DATABASE IF EXISTS bench')
    target.sql('CREATE DATABASE bench OWNER shop_app')
    made = tool(appliance, dumping, 'pg_dump', '--no-owner', '--no-privileges', '-f', tmp_path / 'dump', *{
        'custom': ['-Fc'], 'directory': ['-Fd', '-j', '3'], 'inserts': ['-Fc', '--rows-per-insert=50']}[form])
    assert made.returncode == 0, made.stderr
    done = tool(appliance, restoring, 'pg_restore', '--no-owner', '--no-privileges', '-d', 'bench',
                *(['-j', '3'] if form == 'directory' else []), tmp_path / 'dump', database='bench')
    assert done.returncode == 0, done.stderr
    assert contents(target, 'bench') == contents(target, 'shop')
    for application in (dumping, restoring):
        for rows in witness.agree_by_session(trail, application):
            assert {row['outcome'] for row in rows} == {'success'}


def contents(target, database):
    tables = target.sql("SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace "
                        "ORDER BY relname", database=database)
    return [(name, kind, target.sql('SELECT count(*), sum(hashtext(t::text)) FROM "%s" t' % name, database=database)
             if kind in 'rvm' else None) for name, kind in tables]


# --- libpq --------------------------------------------------------------------------------------------------------
def test_libpq_pipeline_mode(appliance, target, trail):
    source = harness.ROOT / 'tests/e2e/matrix/libpq/pipeline.c'
    program = matrix.cache('libpq') / 'pipeline'
    if not matrix.tool('gcc'):
        pytest.skip('there is no C compiler')
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(['gcc', '-O1', '-I/usr/include/postgresql', '-o', program, source, '-lpq'], check=True)
    witness, application = matrix.Witness(target), matrix.application('libpq')
    matrix.check(trail, witness, matrix.run([str(program)], appliance.environment(application_name=application)))


# --- sqlsmith -----------------------------------------------------------------------------------------------------
@pytest.mark.long
@pytest.mark.parametrize('seed', [7, 20260101])
def test_sqlsmith(appliance, target, trail, seed):
    """Random statements of great depth: all that the server was given is in the trail, and nothing else."""
    if not matrix.tool('sqlsmith'):
        pytest.skip('sqlsmith is not installed')
    witness, application = matrix.Witness(target), matrix.application('smith')
    process = subprocess.Popen(
        ['sqlsmith', '--target=' + ' '.join("%s='%s'" % item for item in appliance.conninfo(
            application_name=application).items()), '--seed=%d' % seed, '--max-queries=400'],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd='/', env=harness.clean_environment())
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait(10)
    # It reads the schema by one session and asks by others.
    rows = [row for session in witness.agree_by_session(trail, application) for row in session]
    assert len(rows) > 100
    # Every outcome is one that a single statement of a living session can have.
    assert {row['outcome'] for row in rows} <= {'success', 'failure', 'cancelled', 'unknown'}
    assert not [row for row in rows if row['outcome'] == 'failure' and not row['sqlstate']]


# --- psycopg 2 ----------------------------------------------------------------------------------------------------
def test_psycopg2_many_ways(appliance, target, trail):
    witness, application = matrix.Witness(target), matrix.application('psycopg2')
    connection = psycopg2.connect(**appliance.conninfo(application_name=application))
    connection.autocommit = True
    sent = []

    def add(text, **more):
        sent.append({'text': text, **more})
    with connection.cursor() as cursor:
        cursor.execute('CREATE TEMP TABLE m (n int PRIMARY KEY, t text)')
        add('CREATE TEMP TABLE m (n int PRIMARY KEY, t text)', tag='CREATE TABLE', type='Q')
        cursor.executemany('INSERT INTO m VALUES (%s, %s)', [(n, "it's %d" % n) for n in range(50)])
        for n in range(50):
            add("INSERT INTO m VALUES (%d, 'it''s %d')" % (n, n), rows=1)
        psycopg2.extras.execute_values(cursor, 'INSERT INTO m VALUES %s', [(n, 'v') for n in range(100, 250)],
                                       page_size=100)
        for part in (range(100, 200), range(200, 250)):
            add('INSERT INTO m VALUES ' + ','.join("(%d,'v')" % n for n in part), rows=len(part))
        psycopg2.extras.execute_batch(cursor, 'UPDATE m SET t = %s WHERE n = %s', [('u', n) for n in range(10)],
                                      page_size=5)
        for n in range(10):  # Five statements in a message.
            add("UPDATE m SET t = 'u' WHERE n = %d" % n, rows=1, tag='UPDATE 1')
        cursor.execute('PREPARE q (int) AS SELECT t FROM m WHERE n = $1')
        add('PREPARE q (int) AS SELECT t FROM m WHERE n = $1', tag='PREPARE')
        for n in (1, 2, 999):
            cursor.execute('EXECUTE q (%s)', (n,))
            add('EXECUTE q (%d)' % n, rows=0 if n == 999 else 1)
        cursor.execute('DEALLOCATE q')
        add('DEALLOCATE q', tag='DEALLOCATE')
        with pytest.raises(psycopg2.errors.UniqueViolation):
            cursor.execute('INSERT INTO m VALUES (300, NULL); INSERT INTO m VALUES (1, NULL); SELECT 3')
        add('INSERT INTO m VALUES (300, NULL)', rows=1)
        add('INSERT INTO m VALUES (1, NULL)', outcome='failure', sqlstate='23505')
        add('SELECT 3', outcome='not_executed')
        lines = io.StringIO(''.join('%d\tcopied\n' % n for n in range(1000, 2000)))
        cursor.copy_from(lines, 'm', columns=('n', 't'))
        add('COPY "m"("n","t") FROM stdin WITH DELIMITER AS \'\t\' NULL AS \'\\N\'', rows=1000, tag='COPY 1000')
        cursor.execute('SELECT count(*) FROM m')
        assert cursor.fetchone() == (1200,)
        add('SELECT count(*) FROM m', rows=1)
        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        with pytest.raises(psycopg2.errors.QueryCanceled):
            cursor.execute('SELECT pg_sleep(30)')
        add('SELECT pg_sleep(30)', outcome='cancelled', sqlstate='57014')
    connection.close()
    rows = trail.settled(application)
    for row in rows:  # Statements of one message keep the blanks between them.
        row['statement'] = row['statement'].strip()
    matrix.compare(rows, sent)
    witness.agrees(rows, application)


def test_psycopg2_in_a_transaction_by_contexts(appliance, target, trail):
    witness, application = matrix.Witness(target), matrix.application('psycopg2')
    connection = psycopg2.connect(**appliance.conninfo(application_name=application))
    with pytest.raises(psycopg2.errors.DivisionByZero):
        with connection, connection.cursor() as cursor:
            cursor.execute('SELECT 1')
            cursor.execute('SELECT 1/0')
    with connection, connection.cursor('held', withhold=True) as cursor:
        cursor.itersize = 40
        cursor.execute('SELECT n FROM generate_series(1, 100) n')
        assert len(list(cursor)) == 100
    connection.close()
    rows = trail.settled(application)
    assert [(row['statement'].split(' ')[0], row['outcome'], row['rows']) for row in rows
            if not row['statement'].startswith(('BEGIN', 'CLOSE', 'COMMIT'))] == [
        ('SELECT', 'success', 1), ('SELECT', 'failure', 0), ('ROLLBACK', 'success', 0), ('DECLARE', 'success', 0),
        ('FETCH', 'success', 40), ('FETCH', 'success', 40), ('FETCH', 'success', 20), ('FETCH', 'success', 0)]
    witness.agrees(rows, application)


# --- asyncpg ------------------------------------------------------------------------------------------------------
async def asyncpg_connected(appliance, application, **more):
    return await asyncpg.connect(
        host='127.0.0.1', port=appliance.pg_port, user='alice', password=harness.USERS['alice'], database='shop',
        ssl=False, server_settings={'application_name': application}, **more)


def test_asyncpg_in_depth(appliance, target, trail):
    """It sends everything as binary, with types that it asked for."""
    witness, application = matrix.Witness(target), matrix.application('asyncpg')
    sent = []

    def add(text, **more):
        sent.append({'text': text, **more})
        return text

    async def work():
        connection = await asyncpg_connected(appliance, application)
        for n in range(5):
            text = add('SELECT $1::int8 AS n, $2::text AS t, $3::bool AS b, $4::float8 AS f',
                       parameters=[str(2 ** 40 + n), 'grün', 't', '1.5'], rows=1, type='E')
            got = await connection.fetchrow(text, 2 ** 40 + n, 'grün', True, 1.5)
            assert tuple(got) == (2 ** 40 + n, 'grün', True, 1.5)
        await connection.execute(add('CREATE TEMP TABLE a (n int PRIMARY KEY, t text)', type='Q'))
        insert = 'INSERT INTO a VALUES ($1, $2)'
        await connection.executemany(insert, [(n, 'row %d' % n) for n in range(200)])
        for n in range(200):
            add(insert, parameters=[str(n), 'row %d' % n], rows=1)
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.executemany(insert, [(500, 'a'), (501, 'b'), (1, 'c'), (502, 'd'), (503, 'e')])
        add(insert, parameters=['500', 'a'], rows=1)
        add(insert, parameters=['501', 'b'], rows=1)
        add(insert, parameters=['1', 'c'], outcome='failure', sqlstate='23505')
        add(insert, parameters=['502', 'd'], outcome='not_executed')
        add(insert, parameters=['503', 'e'], outcome='not_executed')
        assert await connection.fetchval(add('SELECT count(*) FROM a', rows=1)) == 200
        async with connection.transaction():
            cursor = await connection.cursor('SELECT n FROM a ORDER BY n')
            assert len(await cursor.fetch(30)) == 30
            assert len(await cursor.fetch(30)) == 30
        add('BEGIN;', tag='BEGIN')
        add('SELECT n FROM a ORDER BY n', rows=30)
        add('SELECT n FROM a ORDER BY n', rows=30)
        add('COMMIT;', tag='COMMIT')
        with pytest.raises(asyncpg.DivisionByZeroError):
            await connection.execute('SELECT 1; SELECT 1/0; SELECT 3')
        add('SELECT 1', rows=1)
        add('SELECT 1/0', outcome='failure', sqlstate='22012')
        add('SELECT 3', outcome='not_executed')
        out = io.BytesIO()
        await connection.copy_from_query('SELECT * FROM a WHERE n < $1', 10, output=out)
        assert len(out.getvalue().splitlines()) == 10
        # The driver has no parameters in a COPY: it asks the server to quote the value.
        add('SELECT quote_literal($1::"pg_catalog"."int4"::text)', rows=1)
        add('COPY (SELECT * FROM a WHERE n < \'10\') TO STDOUT', rows=10)
        add_from = 'COPY "a"("n", "t") FROM STDIN '
        await connection.copy_records_to_table('a', records=[(n, 'c') for n in range(1000, 1300)], columns=['n', 't'])
        add(add_from + ' (FORMAT binary)', rows=300, tag='COPY 300')
        with pytest.raises(asyncpg.QueryCanceledError):
            await connection.execute('SET statement_timeout = 200; SELECT pg_sleep(30)')
        add('SET statement_timeout = 200')
        add('SELECT pg_sleep(30)', outcome='cancelled', sqlstate='57014')
        await connection.execute(add('RESET statement_timeout'))
        with pytest.raises(asyncio.TimeoutError):  # The driver sends a cancel request of its own.
            await connection.execute('SELECT pg_sleep(31)', timeout=0.3)
        add('SELECT pg_sleep(31)', outcome='cancelled', sqlstate='57014')
        assert await connection.fetchval(add('SELECT 4', rows=1)) == 4
        await connection.close()
    asyncio.run(asyncio.wait_for(work(), 40))
    rows = trail.settled(application)
    for row in rows:
        row['statement'] = row['statement'].strip() if row['message_type'] == 'Q' and 'COPY' not in row['statement'] \
            else row['statement']
    copies = [row for row in rows if row['statement'].startswith('COPY')]
    assert [(row['rows'], row['outcome']) for row in copies] == [(10, 'success'), (300, 'success')]
    for row, wanted in zip(copies, [entry for entry in sent if entry['text'].startswith('COPY')]):
        assert row['statement'].split() == wanted['text'].split()
        wanted['text'] = row['statement']
    matrix.compare(rows, sent)
    witness.agrees(rows, application)

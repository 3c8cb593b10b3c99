"""Drivers as programs use them, and the trail beside what they sent."""
import asyncio
import threading

import psycopg
import psycopg2
import pytest

import harness

asyncpg = pytest.importorskip('asyncpg')


def test_psycopg3_parameters_are_recorded(appliance, trail, app):
    with appliance.connect(application_name=app) as connection:
        cursor = connection.execute('SELECT %s::text, %s::int, %s::text', ('grün', 42, None))
        assert cursor.fetchone() == ('grün', 42, None)
    [row] = trail.settled(app)
    assert row['statement'] == 'SELECT $1::text, $2::int, $3::text'
    assert len(row['parameters']) == 3
    assert row['parameters'][0] == 'grün' and row['parameters'][2] is None
    assert row['message_type'] == 'E'
    assert row['rows'] == 1


def test_psycopg3_binary_parameters_and_results(appliance, trail, app):
    with appliance.connect(application_name=app) as connection:
        cursor = connection.cursor(binary=True)
        cursor.execute('SELECT %b::bytea, %b::int8', (b'\x00\xff\x80', 2 ** 40))
        assert cursor.fetchone() == (b'\x00\xff\x80', 2 ** 40)
    [row] = trail.settled(app)
    assert len(row['parameters']) == 2
    assert row['parameters'][0] is not None


def test_psycopg3_prepared_statements_are_recorded_each_time(appliance, trail, app):
    with appliance.connect(application_name=app) as connection:
        for n in range(20):
            connection.execute('SELECT %s::int + 1', (n,), prepare=True)
    rows = [r for r in trail.settled(app) if r['statement'].startswith('SELECT')]
    assert [row['statement'] for row in rows] == ['SELECT $1::int + 1'] * 20
    assert len({str(row['parameters']) for row in rows}) == 20
    assert {(row['rows'], row['outcome']) for row in rows} == {(1, 'success')}


def test_psycopg3_pipeline_mode(appliance, trail, app):
    with appliance.connect(application_name=app) as connection:
        connection.execute('CREATE TEMP TABLE p (n int, t text)')
        with connection.pipeline():
            for n in range(100):
                connection.execute('INSERT INTO p VALUES (%s, %s)', (n, 'row %d' % n))
            total = connection.execute('SELECT count(*), sum(n) FROM p')
        assert total.fetchone() == (100, 4950)
    rows = trail.settled(app)
    inserts = [row for row in rows if row['statement'].startswith('INSERT')]
    assert len(inserts) == 100
    assert {(row['rows'], row['outcome'], row['command_tag']) for row in inserts} == {(1, 'success', 'INSERT 0 1')}
    assert [row['parameters'][1] for row in inserts] == ['row %d' % n for n in range(100)]


def test_psycopg3_pipeline_with_an_error_in_the_middle(appliance, trail, app):
    with appliance.connect(application_name=app) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            with connection.pipeline():
                connection.execute('SELECT 1 / %s', (1,))
                connection.execute('SELECT 2 / %s', (0,))
                connection.execute('SELECT 3 / %s', (1,))
        assert connection.execute('SELECT 4').fetchone() == (4,)
    rows = trail.settled(app)
    outcomes = [(row['statement'][:8], row['outcome']) for row in rows]
    assert outcomes[0] == ('SELECT 1', 'success')
    assert outcomes[1] == ('SELECT 2', 'failure')
    assert outcomes[-1] == ('SELECT 4', 'success')
    assert ('SELECT 3', 'not_executed') in outcomes or ('SELECT 3', 'success') not in outcomes


def test_psycopg3_copy_both_ways(appliance, trail, app):
    with appliance.connect(application_name=app) as connection:
        connection.execute('CREATE TEMP TABLE c (n int, t text)')
        with connection.cursor().copy('COPY c FROM STDIN') as copy:
            for n in range(1000):
                copy.write_row((n, 'x' * (n % 300)))
        with connection.cursor().copy('COPY c TO STDOUT (FORMAT binary)') as copy:
            size = sum(len(block) for block in copy)
        assert connection.execute('SELECT count(*) FROM c').fetchone() == (1000,)
    _, copy_in, copy_out, _ = trail.settled(app)
    assert (copy_in['statement'], copy_in['rows'], copy_in['outcome']) == ('COPY c FROM STDIN', 1000, 'success')
    assert (copy_out['rows'], copy_out['outcome']) == (1000, 'success')
    assert copy_out['bytes_to_client'] >= size


def test_psycopg3_copy_that_the_client_breaks_off(appliance, trail, app):
    with appliance.connect(application_name=app) as connection:
        connection.execute('CREATE TEMP TABLE c (n int)')
        with pytest.raises((ZeroDivisionError, psycopg.errors.QueryCanceled)):
            with connection.cursor().copy('COPY c FROM STDIN') as copy:
                copy.write_row((1,))
                raise ZeroDivisionError
        assert connection.execute('SELECT count(*) FROM c').fetchone() == (0,)
    row = trail.settled(app)[1]
    assert (row['outcome'], row['sqlstate']) in (('failure', '57014'), ('cancelled', '57014'))


def test_psycopg3_server_side_cursor(appliance, trail, app):
    with appliance.connect(application_name=app, autocommit=False) as connection:
        with connection.cursor('named') as cursor:
            cursor.itersize = 100
            cursor.execute('SELECT n FROM generate_series(1, 1000) n')
            assert sum(row[0] for row in cursor) == 500500
    rows = trail.settled(app)
    assert sum(row['rows'] or 0 for row in rows if row['statement'].startswith('FETCH')) == 1000
    declared = [row for row in rows if row['statement'].startswith('DECLARE')]
    assert len(declared) == 1 and declared[0]['outcome'] == 'success'


def test_psycopg3_transactions_and_errors(appliance, trail, app):
    with appliance.connect(application_name=app, autocommit=False) as connection:
        connection.execute('SELECT 1')
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute('SELECT * FROM nowhere')
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute('SELECT 2')
        connection.rollback()
        with connection.transaction(), connection.transaction():
            connection.execute('SELECT 3')
    rows = trail.settled(app)
    assert [row['sqlstate'] for row in rows if row['sqlstate']] == ['42P01', '25P02']
    assert rows[0]['statement'] == 'BEGIN' and rows[0]['command_tag'] == 'BEGIN'
    assert any(row['statement'].startswith('SAVEPOINT') for row in rows)


def test_psycopg3_notifications(appliance, app):
    with appliance.connect(application_name=app) as listener, appliance.connect(application_name=app) as sender:
        listener.execute('LISTEN e2e_channel')
        sender.execute("SELECT pg_notify('e2e_channel', 'héllo')")
        notice = next(listener.notifies())
        assert (notice.channel, notice.payload) == ('e2e_channel', 'héllo')


def test_psycopg3_cancel(appliance, trail, app):
    with appliance.connect(application_name=app) as connection:
        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute('SELECT pg_sleep(30)')
        assert connection.execute('SELECT 1').fetchone() == (1,)
    assert [row['outcome'] for row in trail.settled(app)] == ['cancelled', 'success']


def test_psycopg3_executemany(appliance, trail, app):
    with appliance.connect(application_name=app) as connection:
        connection.execute('CREATE TEMP TABLE m (n int)')
        connection.cursor().executemany('INSERT INTO m VALUES (%s)', [(n,) for n in range(200)])
        assert connection.execute('SELECT count(*) FROM m').fetchone() == (200,)
    inserts = [row for row in trail.settled(app) if row['statement'].startswith('INSERT')]
    assert len(inserts) == 200
    assert sum(row['rows'] for row in inserts) == 200


def test_psycopg3_large_result(appliance, trail, app):
    with appliance.connect(application_name=app) as connection:
        rows = connection.execute("SELECT n, repeat('r', 200) FROM generate_series(1, 100000) n").fetchall()
        assert len(rows) == 100000 and rows[-1][0] == 100000
    [row] = trail.settled(app)
    assert row['rows'] == 100000
    assert row['bytes_to_client'] > 20_000_000


def test_psycopg2(appliance, trail, app):
    connection = psycopg2.connect(**appliance.conninfo(application_name=app))
    with connection, connection.cursor() as cursor:
        cursor.execute('SELECT %s, %s', ('ünï', 7))
        assert cursor.fetchone() == ('ünï', 7)
        cursor.execute('SELECT * FROM orders WHERE id <= %s', (25,))
        assert len(cursor.fetchall()) == 25
    connection.close()
    rows = trail.settled(app)
    assert [row['statement'] for row in rows] == ['BEGIN', "SELECT 'ünï', 7", 'SELECT * FROM orders WHERE id <= 25', 'COMMIT']
    assert [row['rows'] for row in rows][1:3] == [1, 25]


def test_psycopg2_named_cursor_and_copy_expert(appliance, trail, app, tmp_path):
    connection = psycopg2.connect(**appliance.conninfo(application_name=app))
    with connection:
        with connection.cursor('c2') as cursor:
            cursor.execute('SELECT id FROM customers ORDER BY id')
            assert len(cursor.fetchall()) == 120
        with connection.cursor() as cursor, open(tmp_path / 'out', 'w+b') as out:
            cursor.copy_expert('COPY products TO STDOUT', out)
            out.seek(0)
            assert len(out.read().splitlines()) == 48
    connection.close()
    rows = trail.settled(app)
    assert [row['rows'] for row in rows if row['statement'].startswith(('FETCH', 'COPY'))] == [120, 48]


def test_asyncpg(appliance, trail, app):
    async def work():
        connection = await asyncpg.connect(
            host='127.0.0.1', port=appliance.pg_port, user='alice', password=harness.USERS['alice'], database='shop',
            ssl=False, server_settings={'application_name': app})
        assert await connection.fetchval('SELECT $1::int + 1', 41) == 42
        prepared = await connection.prepare('SELECT n FROM generate_series(1, $1::int) n')
        assert len(await prepared.fetch(10)) == 10
        assert len(await prepared.fetch(20)) == 20
        async with connection.transaction():
            seen = [row['n'] async for row in connection.cursor('SELECT n FROM generate_series(1, 120) n', prefetch=50)]
            assert len(seen) == 120
        await connection.execute('CREATE TEMP TABLE a (n int, t text)')
        await connection.copy_records_to_table('a', records=[(n, 'v') for n in range(500)])
        await connection.executemany('INSERT INTO a VALUES ($1, $2)', [(n, 'w') for n in range(100)])
        assert await connection.fetchval('SELECT count(*) FROM a') == 600
        with pytest.raises(asyncpg.exceptions.UndefinedTableError):
            await connection.fetch('SELECT * FROM nowhere')
        await connection.close()
    asyncio.run(work())
    rows = trail.settled(app)
    by_text = {}
    for row in rows:
        by_text.setdefault(row['statement'], []).append(row)
    assert [r['rows'] for r in by_text['SELECT n FROM generate_series(1, $1::int) n']] == [10, 20]
    assert sum(r['rows'] for r in by_text['SELECT n FROM generate_series(1, 120) n']) == 120
    assert len(by_text['INSERT INTO a VALUES ($1, $2)']) == 100
    copies = [row for row in rows if row['statement'].startswith('COPY')]
    assert [row['rows'] for row in copies] == [500]
    # It failed when it was parsed: nothing was executed, and the error is an event of its own.
    [error] = trail.events(app, 'postgres_error')
    assert (error['sqlstate'], error['statement']) == ('42P01', 'SELECT * FROM nowhere')


def test_asyncpg_many_at_once(appliance, trail, app):
    async def one(n):
        connection = await asyncpg.connect(
            host='127.0.0.1', port=appliance.pg_port, user='bob', password=harness.USERS['bob'], database='shop',
            ssl=False, server_settings={'application_name': app})
        for k in range(20):
            assert await connection.fetchval('SELECT $1::int', n * 1000 + k) == n * 1000 + k
        await connection.close()

    async def work():
        await asyncio.gather(*(one(n) for n in range(40)))
    asyncio.run(work())
    rows = trail.settled(app, sessions=40)
    assert len([row for row in rows if row['statement'] == 'SELECT $1::int']) == 800
    assert {row['user_name'] for row in rows} == {'bob'}

"""What a reader may do: tools and analysts find everything that they ask for."""
import io

import psycopg
import psycopg.types.composite
import psycopg.types.enum
import psycopg.types.range
import pytest

import harmless
import harness
import matrix
import senders
import programs
from wall import PASSWORD


@pytest.mark.parametrize('group', list(harmless.GROUPS))
@pytest.mark.parametrize('way', ['query', 'parse'])
def test_harmless_statements_pass(wall, any_database, way, group):
    wall.rest()
    session, wrong = senders.Psycopg(wall, any_database), []
    for text in harmless.GROUPS[group]:
        if way == 'parse' and ';' in text.rstrip(';'):
            continue
        session.last_message = ''
        state = getattr(session, way)(text)
        # The server's own word against it stands, for the role that has SELECT only.
        if state and not (any_database == 'select' and 'permission denied' in session.last_message):
            wrong.append('%s %s: %.300s' % (state, session.last_message, text))
        if session.connection.pgconn.transaction_status == 2:
            session.query('ROLLBACK')
    session.close()
    assert not wrong, '\n' + '\n'.join(wrong)
    assert not wall.changed()


def test_there_are_at_least_150_of_them():
    assert len(set(sum(harmless.GROUPS.values(), harmless.PSQL))) >= 150


def test_psqls_own_commands_pass(wall, any_database):
    wall.rest()
    script = ''.join('\\warn @@%d\n%s\n' % (n, command) for n, command in enumerate(harmless.PSQL))
    done = harness.subprocess.run([harness.PG_BIN / 'psql', '-X', '-E', '-f', '-'], input=script, text=True, capture_output=True, timeout=120, cwd='/',
                                  env=wall.appliance.environment('reader', any_database, PGPASSWORD=PASSWORD, EDITOR='true', PSQL_EDITOR='true'))
    wrong = []
    for part in done.stderr.split('@@')[1:]:
        number, said = part.split('\n', 1)
        # The server's own word stands, for those who may not see something.
        if ('ERROR' in said or 'FATAL' in said) and 'permission denied' not in said:
            wrong.append('%s: %s' % (harmless.PSQL[int(number)], said.strip()))
    assert not wrong, '\n' + '\n'.join(wrong)
    assert done.stderr.count('@@') == len(harmless.PSQL), done.stderr[-1000:]
    assert not wall.changed()


@pytest.fixture(scope='session')
def metadata_class():
    source, place = programs.JDBC / 'Metadata.java', matrix.cache('jdbc')
    if not programs.JAR.exists() or not matrix.tool('javac'):
        pytest.skip('pgjdbc or a JDK is not installed')
    made = place / 'Metadata.class'
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        harness.subprocess.run(['javac', '-encoding', 'UTF-8', '-cp', str(programs.JAR), '-d', str(place), str(source)], check=True, timeout=120)
    return place


@pytest.mark.parametrize('threshold, mode', [('5', 'extended'), pytest.param('1', 'extendedForPrepared', marks=pytest.mark.long),
                                             pytest.param('0', 'simple', marks=pytest.mark.long), pytest.param('5', 'extendedCacheEverything', marks=pytest.mark.long)])
def test_jdbcs_metadata_calls_pass(wall, metadata_class, threshold, mode):
    wall.rest()
    done = harness.subprocess.run(['java', '-XX:TieredStopAtLevel=1', '-cp', '%s:%s' % (metadata_class, programs.JAR), 'Metadata', threshold, mode], text=True,
                                  capture_output=True, timeout=120, env=wall.appliance.environment('reader', 'owner', PGPASSWORD=PASSWORD))
    assert done.returncode == 0, done.stdout + done.stderr
    found = dict(line.split(' ', 1) for line in done.stdout.splitlines())
    assert len(found) >= 30
    empty = {'version_columns', 'best_row_identifier', 'client_info'}
    assert not {name: said for name, said in found.items() if 'FAILED' in said or (said == '0' and name not in empty)}
    assert (found['primary_keys'], found['imported_keys'], found['fetched'], found['refused'], found['valid']) == ('1', '1', '400', '5', '1')
    assert not wall.changed()


def test_psycopg_and_asyncpg_learn_types(wall, any_database):
    """Their own reads of pg_type, and a COPY that is read to its end."""
    wall.rest()
    with psycopg.connect(**wall.conninfo(any_database), autocommit=True) as connection:
        assert psycopg.types.TypeInfo.fetch(connection, 'jsonb').oid == 3802
        assert psycopg.types.composite.CompositeInfo.fetch(connection, 'victim').field_names == ['a', 'b']
        assert psycopg.types.range.RangeInfo.fetch(connection, 'daterange').subtype_oid == 1082
        assert psycopg.types.enum.EnumInfo.fetch(connection, 'nosuch') is None
        with connection.transaction(), connection.transaction():
            assert connection.execute('SELECT %s::text[]', (['a', 'b'],)).fetchone() == (['a', 'b'],)
        with connection.cursor().copy('COPY orders TO STDOUT') as copy:
            assert len(list(copy.rows())) == 400
        with connection.transaction(), connection.cursor(name='served') as cursor:
            assert len(cursor.execute('SELECT * FROM orders').fetchall()) == 400
    session = senders.Asyncpg(wall, any_database)
    run, asynced = session.loop.run_until_complete, session.connection
    assert tuple(run(asynced.fetchval('SELECT v FROM victim v ORDER BY a LIMIT 1'))) == (1, 'x1')
    assert run(asynced.fetchval('SELECT $1::int4range', (1, 5))).upper == 6

    async def scroll():
        async with asynced.transaction(isolation='repeatable_read', readonly=True):
            return [record async for record in asynced.cursor('SELECT id FROM orders', prefetch=30)]
    assert len(run(scroll())) == 400
    assert run(asynced.copy_from_query('SELECT 1', output=io.BytesIO())) == 'COPY 1'
    run(asynced.reset())
    session.close()
    assert not wall.changed()

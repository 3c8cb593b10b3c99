"""Operators, casts, types and functions of somebody's own change what a name stands for, where the text shows nothing of it: the
record of the name's next use says that its text is presumed."""
import pytest

import harness
import raw

PASSWORD = 'names-test'
SETUP = """
CREATE FUNCTION swap() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DEALLOCATE a; PREPARE a AS SELECT 2; RETURN 0; END $$;
CREATE FUNCTION swap_immutable() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN swap(); END $$;
CREATE FUNCTION added(int, text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN swap(); END $$;
CREATE OPERATOR + (leftarg = int, rightarg = text, function = added);
CREATE FUNCTION lower(int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN swap()::text; END $$;
CREATE DOMAIN checked AS int CHECK (swap() IS NOT NULL);
CREATE TYPE pair AS (n int);
CREATE FUNCTION attribute(pair) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN swap(); END $$;
CREATE CAST (pair AS int) WITH FUNCTION attribute(pair);
CREATE SCHEMA nearer;
GRANT USAGE ON SCHEMA nearer TO PUBLIC;
CREATE FUNCTION equal(int, int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM swap(); RETURN true; END $$;
CREATE OPERATOR nearer.= (leftarg = int, rightarg = int, function = equal);
CREATE VIEW planned AS SELECT swap_immutable() AS n;
CREATE TABLE filled (n int DEFAULT swap_immutable());
GRANT ALL ON planned, filled TO PUBLIC;
"""
NEARER = 'SET search_path = nearer, pg_catalog, public; '
QUERIES = {
    'operator': "SELECT 1 + 'x'::text", 'function': 'SELECT lower(1)', 'cast': 'SELECT ROW(1)::pair::int',
    'domain': 'SELECT 1::checked', 'constant': "SELECT checked '1'", 'quoted constant': "VALUES (public.\"checked\" '1')",
    'CAST': 'SELECT CAST(1 AS checked)', 'attribute': 'SELECT (ROW(1)::pair).attribute', 'limit': 'SELECT 1 LIMIT 1::checked',
    'IN': NEARER + 'SELECT 1 IN (2)', 'CASE': NEARER + 'SELECT CASE 1 WHEN 2 THEN 3 END', 'NULLIF': NEARER + 'SELECT NULLIF(1, 2)',
    'DISTINCT': NEARER + 'SELECT 1 IS NOT DISTINCT FROM 2', 'ANY': NEARER + 'SELECT 1 = ANY(ARRAY[2])',
    'a view': 'SELECT n FROM planned;', 'explain': 'EXPLAIN ANALYZE SELECT lower(1)', 'prepared': 'PREPARE b AS SELECT lower(1); EXECUTE b',
    'text that is not cut': 'SELECT 5;' * 1100 + 'DEALLOCATE a; PREPARE a AS SELECT 2',
    'cursor': 'BEGIN; DECLARE c CURSOR FOR SELECT lower(1); FETCH c; COMMIT', 'behind a relation': 'SELECT 5; SELECT 1::checked; SELECT 6',
}
MESSAGES = {
    'bound view': [raw.parse('', 'SELECT n FROM planned') + raw.bind('', '') + raw.SYNC],
    'bound default': [raw.parse('', 'INSERT INTO filled DEFAULT VALUES') + raw.bind('', '') + raw.SYNC],
    # A Parse may prepare what SQL's PREPARE does not.
    'EXECUTE': [raw.parse('b', 'DEALLOCATE a') + raw.parse('c', 'PREPARE a AS SELECT 2') + raw.SYNC, raw.query('EXECUTE b'),
                raw.query('EXECUTE c')],
    'prepared EXECUTE': [raw.parse('b', 'SELECT 3') + raw.parse('c', 'EXECUTE b') + raw.SYNC] +
                        [raw.close(b'S', 'b') + raw.parse('b', text) + raw.bind('', 'c') + raw.execute('') + raw.SYNC
                         for text in ('DEALLOCATE a', 'PREPARE a AS SELECT 2')],
}
RUN_A = raw.bind('', 'a') + raw.execute('') + raw.SYNC


@pytest.fixture(scope='module')
def one(target):
    target.sql('CREATE DATABASE names_own OWNER shop_app')
    target.sql(SETUP, database='names_own')
    directory = harness.work_directory('names-own')
    levels = {'owner': 'admin', 'writer': 'write'}
    appliance = harness.Appliance(
        directory, target, users=[{'name': user, 'password': PASSWORD, 'roles': [user]} for user in levels],
        targets=[{'name': 'names_own', 'host': '127.0.0.1', 'port': target.port, 'database': 'names_own', 'user': 'shop_app',
                  'password': harness.APP_PASSWORD, 'sslmode': 'disable', 'tags': ['n']}],
        policies=[{'name': user, 'roles': [user], 'tags': ['n'], 'level': level} for user, level in levels.items()]).start()
    trail = appliance.trail()
    yield appliance, trail
    trail.connection.close()
    code = appliance.stop()
    harness.remove(directory)
    assert code == 0, appliance.log_tail()


def run(one, user, app, *causes):
    """What the name `a` runs behind them, and the row of that."""
    appliance, trail = one
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in(user, PASSWORD, 'names_own', application_name=app)
        client.send(raw.parse('a', 'SELECT 1') + raw.SYNC)
        client.receive_until(b'Z')
        for cause in causes:
            client.send(cause)
            assert b'E' not in raw.kinds(client.receive_until(b'Z'))
        client.send(RUN_A)
        ran = raw.rows(client.receive_until(b'Z'))
    return ran, trail.settled(app)[-1]


@pytest.mark.parametrize('user', ['owner', 'writer'])
@pytest.mark.parametrize('cause', QUERIES)
def test_what_may_be_somebodys_own_makes_names_presumed(one, app, user, cause):
    if user == 'writer' and (cause in ('attribute', 'text that is not cut') or QUERIES[cause].startswith(NEARER)):
        pytest.skip('it is refused')
    ran, row = run(one, user, app, raw.query(QUERIES[cause]))
    assert ran == [[b'2']]
    assert (row['statement'], row['attribution']) == ('SELECT 1', 'presumed')


@pytest.mark.parametrize('user', ['owner', 'writer'])
@pytest.mark.parametrize('messages', MESSAGES)
def test_what_planning_and_an_execute_may_run_makes_names_presumed(one, app, user, messages):
    ran, row = run(one, user, app, *MESSAGES[messages])
    assert ran == [[b'2']]
    assert (row['statement'], row['attribution']) == ('SELECT 1', 'presumed')


@pytest.mark.parametrize('user', ['owner', 'writer'])
def test_a_parameter_of_somebodys_own_type_makes_names_presumed(one, target, app, user):
    oid = target.sql("SELECT 'checked'::regtype::oid::int", database='names_own')[0][0]
    ran, row = run(one, user, app, raw.parse('', 'SELECT $1', [oid]) + raw.bind('', '', [b'1']) + raw.SYNC)
    assert ran == [[b'2']]
    assert (row['statement'], row['attribution']) == ('SELECT 1', 'presumed')


@pytest.mark.parametrize('user', ['owner', 'writer'])
@pytest.mark.parametrize('text', ['SELECT 7', "SELECT pg_catalog.lower('x')", "SELECT 'x', coalesce(NULL, 1)", 'SHOW work_mem', 'BEGIN; COMMIT',
                                  "SET application_name = 'x'"])
def test_what_is_surely_the_servers_own_leaves_names_certain(one, app, user, text):
    ran, row = run(one, user, app, raw.query(text))
    assert ran == [[b'1']]
    assert (row['statement'], row['attribution']) == ('SELECT 1', None)

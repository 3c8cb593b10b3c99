"""Budgets of grants: one for all sessions and all appliances of a store, enforced within a result."""
import threading

import psycopg
import pytest

import harness
import raw
from test_grants import as_other_database, at, connect, grant, made
from test_store_users import PASSWORD, call, make_user


@pytest.fixture(scope='module')
def shared(target):
    directory = harness.work_directory('quotas')
    one = harness.Appliance(directory, target, store='embedded', shards=2, policies=[])
    one.start()
    make_user(one)
    yield one
    code = one.stop()
    harness.remove(directory)
    assert code == 0, one.log_tail()


@pytest.fixture
def one(shared):
    yield shared
    for record in call(shared, 'GET', '/api/v1/grants')[2]['items']:
        assert call(shared, 'DELETE', '/api/v1/grants/' + record['id'])[0] == 204


def spent(one, given):
    with psycopg.connect(one.store_conninfo().replace('ringfence_reader', 'ringfence')) as store:
        return store.execute('SELECT queries, rows FROM ringfence_control.budgets WHERE grant_id = %s',
                             (given['id'],)).fetchone()


def run_until_refused(connection, text='SELECT 1', most=200):
    done = 0
    while done < most:
        try:
            connection.execute(text)
        except psycopg.errors.ConfigurationLimitExceeded as error:
            return done, str(error)
        done += 1
    return done, ''


@pytest.mark.parametrize('level', ['read', 'admin'])
def test_so_many_statements_and_no_more(one, level):
    given = grant(one, level=level, max_queries=20)
    with connect(one) as connection:
        done, why = run_until_refused(connection)
        assert done == 20 and 'the budget of your grant %d is used up' % given['number'] in why
        # The session lives, and has nothing left.
        assert run_until_refused(connection)[0] == 0
    with connect(one) as connection:
        assert run_until_refused(connection)[0] == 0
    # A larger budget is in force for running sessions too.
    with connect(one) as connection:
        assert call(one, 'PATCH', '/api/v1/grants/' + given['id'], {'max_queries': 25})[0] == 200
        assert run_until_refused(connection)[0] == 5
    harness.eventually(lambda: spent(one, given)[0] == 25, what='the store to know')


def test_each_statement_of_a_message_and_each_execution_counts(one):
    grant(one, max_queries=10)
    with connect(one) as connection:
        connection.execute('SELECT 1; SELECT 2; SELECT 3')
        for number in range(3):
            connection.execute('SELECT %s', (number,), prepare=True)
        assert run_until_refused(connection)[0] == 4
        # A message is let in whole or not at all.
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
            connection.execute('SELECT 1; SELECT 2')


def test_a_pipeline_gets_no_more_than_there_is(one):
    grant(one, max_queries=7)
    done = 0
    with connect(one) as connection:
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
            with connection.pipeline():
                cursors = [connection.execute('SELECT %s::int', (number,)) for number in range(20)]
        done = sum(1 for cursor in cursors if cursor.rownumber is not None or cursor.description)
        assert done <= 7
        assert run_until_refused(connection)[0] == 0 or done < 7


def test_parallel_sessions_share_one_budget(one):
    given = grant(one, max_queries=100)
    counts = []

    def work():
        with connect(one) as connection:
            counts.append(run_until_refused(connection, most=150)[0])

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == 6 and sum(counts) == 100
    harness.eventually(lambda: spent(one, given)[0] == 100, what='the store to know')


def test_rows_end_a_result_in_its_middle(one, target):
    grant(one, max_rows=1000)
    connection = connect(one)
    with pytest.raises(psycopg.OperationalError) as caught:
        connection.execute("SELECT repeat('x', 100) AS of_quota FROM generate_series(1, 50000000)").fetchall()
    assert 'is used up' in str(caught.value)
    # The server's statement has ended, too.
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%of_quota%' AND state = 'active' AND pid <> pg_backend_pid()"
    harness.eventually(lambda: target.sql(running) == [(0,)], timeout=10, what='the statement to end')
    with connect(one) as connection:
        assert run_until_refused(connection)[0] == 0


def test_bytes(one):
    grant(one, max_bytes=100000)
    with connect(one) as connection:
        with pytest.raises(psycopg.OperationalError):
            for _ in range(100):
                connection.execute("SELECT repeat('x', 10000)").fetchall()


def test_caps_of_one_statement(one):
    given = grant(one, level='admin', statement_rows=100)
    with connect(one) as connection:
        for _ in range(5):
            assert len(connection.execute('SELECT generate_series(1, 100)').fetchall()) == 100
        with pytest.raises(psycopg.OperationalError) as caught:
            connection.execute('SELECT generate_series(1, 101)').fetchall()
        assert 'more rows or bytes than your grant %d allows' % given['number'] in str(caught.value)
    assert call(one, 'PATCH', '/api/v1/grants/' + given['id'], {'statement_rows': None, 'statement_ms': 1000})[0] == 200
    with connect(one) as connection:
        connection.execute('SELECT pg_sleep(0.1)')
        with pytest.raises(psycopg.OperationalError) as caught:
            connection.execute('SELECT pg_sleep(60)')
        assert 'runs longer than the 1000 ms' in str(caught.value)


def test_without_the_store_nothing_is_spent_that_was_not_leased(one):
    given = grant(one, max_queries=1000)
    with connect(one) as connection:
        connection.execute('SELECT 1')
        with as_other_database(one) as store:
            store.execute('ALTER DATABASE ringfence ALLOW_CONNECTIONS false')
            try:
                for row in store.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'ringfence control budgets'").fetchall():
                    store.execute('SELECT pg_terminate_backend(%s)', row)
                done, why = run_until_refused(connection, most=1000)
                assert done < 400 and 'does not say what is left' in why
            finally:
                store.execute('ALTER DATABASE ringfence ALLOW_CONNECTIONS true')

        def works():
            try:
                connection.execute('SELECT 1')
                return True
            except psycopg.errors.ConfigurationLimitExceeded:
                return False
        harness.eventually(works, timeout=20, what='the store to be asked again')
    harness.eventually(lambda: spent(one, given)[0] > done, what='what was spent to be told')


def test_the_stores_owner_gives_nothing_back(one):
    given = grant(one, max_queries=40)
    with connect(one) as connection:
        for _ in range(30):
            connection.execute('SELECT 1')
        harness.eventually(lambda: spent(one, given)[0] == 30, what='the store to know')
        with psycopg.connect(one.store_conninfo().replace('ringfence_reader', 'ringfence'), autocommit=True) as store:
            store.execute('UPDATE ringfence_control.budgets SET queries = 0')
        assert run_until_refused(connection, most=60)[0] <= 10


def test_two_appliances_share_one_budget(one, own, target):
    """Each has a lease of its own; together they give no more than there is."""
    given = grant(one, max_queries=200, expires_at=at(3600))
    store = one.store_conninfo().replace('ringfence_reader', 'ringfence').split()
    parts = dict(part.split('=', 1) for part in store)
    url = 'postgres://%s@/%s?host=%s&port=%s' % (parts['user'], parts['dbname'], parts['host'].replace('/', '%2F'), parts['port'])
    other = own(store={'url': url, 'key_ring_file': str(one.state / 'control.keys')}, policies=[], node='e2e-2', shards=1)
    other.start()
    counts = []

    def work(appliance):
        with connect(appliance) as connection:
            counts.append(run_until_refused(connection, most=300)[0])

    threads = [threading.Thread(target=work, args=(appliance,)) for appliance in (one, other, one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # What one node has leased and not spent another one cannot spend.
    assert 150 <= sum(counts) <= 200, counts
    assert given and other.stop() == 0 and made


def test_a_portal_counts_whatever_tells_of_its_bind(one):
    grant(one, max_queries=3)
    with raw.RawClient(one.pg_port) as wire:
        wire.log_in('ana', PASSWORD, 'shop')
        done = 0
        for number in range(10):
            wire.send(raw.parse('', 'SELECT 7') + raw.bind('', '') + raw.message(b'H'))
            wire.send(raw.execute() + raw.SYNC)
            got = wire.receive_until(b'Z')
            done += len(raw.rows(got))
        assert done == 3


def test_a_portal_that_is_gone_on_with_is_one_statement(one):
    grant(one, statement_rows=100)
    with raw.RawClient(one.pg_port) as wire:
        wire.log_in('ana', PASSWORD, 'shop')
        wire.send(raw.query('BEGIN'))
        wire.receive_until(b'Z')
        wire.send(raw.parse('', 'SELECT generate_series(1, 1000)') + raw.bind('', ''))
        seen = 0
        for _ in range(5):
            try:
                wire.send(raw.execute('', 90) + raw.message(b'H'))
                got = wire.receive_until(b's')
            except (ConnectionError, EOFError, AssertionError, OSError):
                break
            seen += len(raw.rows(got))
        assert seen < 200


def test_nobody_takes_away_what_narrows_him(one):
    made(call(one, 'POST', '/api/v1/roles', {'name': 'keeper', 'permissions': ['grants:*']}))
    made(call(one, 'POST', '/api/v1/users', {'name': 'kim', 'password': PASSWORD, 'roles': ['keeper']}))
    key = made(call(one, 'POST', '/api/v1/keys', {'name': 'of-kim', 'user': 'kim'}))['key']
    narrow = made(call(one, 'POST', '/api/v1/grants', {'user': 'kim', 'tag': '*', 'level': 'read'}))
    assert call(one, 'DELETE', '/api/v1/grants/' + narrow['id'], token=key)[0] == 403
    other = grant(one, level='read')
    assert call(one, 'DELETE', '/api/v1/grants/' + other['id'], token=key)[0] == 204

"""Policies and grants that the store has: made by the API, in force at once, closed where they are in doubt."""
import datetime
import select

import psycopg
import pytest

import harness
from test_store_users import PASSWORD, call, make_user, refused


def made(answer):
    status, _, body = answer
    assert status == 201, body
    return body


def grant(one, **fields):
    return made(call(one, 'POST', '/api/v1/grants', {'user': 'ana', 'tag': 'e2e', **fields}))


def policy(one, name, **fields):
    return made(call(one, 'POST', '/api/v1/policies', {'name': name, 'roles': ['operator'], 'tags': ['e2e'], **fields}))


def connect(one):
    return one.connect('ana', password=PASSWORD)


def at(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat()


def as_owner(one):
    """The store's owner, who may write everything."""
    return psycopg.connect(one.store_conninfo().replace('ringfence_reader', 'ringfence'), autocommit=True)


def as_other_database(one):
    return psycopg.connect(one.store_conninfo().replace('ringfence_reader', 'ringfence').replace(
        'dbname=ringfence', 'dbname=postgres'), autocommit=True)


@pytest.fixture(scope='module')
def shared(target):
    """An appliance whose configuration gives nobody access, and a user of the store."""
    directory = harness.work_directory('grants')
    made = harness.Appliance(directory, target, store='embedded', shards=2, policies=[], access={'stale_max': '2s'})
    made.start()
    make_user(made)
    yield made
    code = made.stop()
    harness.remove(directory)
    assert code == 0, made.log_tail()


@pytest.fixture
def one(shared):
    yield shared
    # One test has taken the store away for a while.
    harness.eventually(lambda: call(shared, 'PATCH', '/api/v1/users/ana', {'groups': []})[0] == 200, what='the store')
    for noun in ('grants', 'policies', 'groups'):
        for record in call(shared, 'GET', '/api/v1/' + noun)[2]['items']:
            assert call(shared, 'DELETE', '/api/v1/%s/%s' % (noun, record['id']))[0] == 204


def test_a_grant_gives_access_and_its_end_takes_it(one):
    assert 'is not available to user "ana"' in refused(one)
    given = grant(one, level='write')
    with connect(one) as connection:
        assert connection.execute('SELECT count(*) FROM orders').fetchone()[0] >= 0
        connection.execute('UPDATE orders SET status = status WHERE false')
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute('CREATE TABLE never (a int)')
        assert call(one, 'DELETE', '/api/v1/grants/' + given['id'])[0] == 204
        with pytest.raises(psycopg.OperationalError) as caught:
            connection.execute('SELECT 1')
        assert 'your access to database "shop" has ended' in str(caught.value)
    assert 'is not available to user "ana"' in refused(one)


def test_an_idle_session_ends_as_soon_as_its_grant_is_not_there(one):
    given = grant(one, level='admin')
    connection = connect(one)
    assert call(one, 'PATCH', '/api/v1/grants/%d' % given['number'], {'enabled': False})[0] == 200
    # It says nothing: what comes is the appliance's own word.
    assert select.select([connection.pgconn.socket], [], [], 10)[0]
    with pytest.raises(psycopg.OperationalError) as caught:
        connection.execute('SELECT 1')
    assert 'has ended' in str(caught.value)


def test_a_grant_narrows_and_widens_what_policies_give(one):
    policy(one, 'everything', level='admin')
    with connect(one) as connection:
        connection.execute('CREATE TEMP TABLE t (a int)')
    narrow = grant(one, level='read')
    with connect(one) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute('CREATE TEMP TABLE t (a int)')
    grant(one, level='write', priority=10)
    with connect(one) as connection:
        connection.execute('UPDATE orders SET status = status WHERE false')
    status, _, told = call(one, 'POST', '/api/v1/policy/explain',
                           {'user': 'ana', 'target': 'shop', 'statement': 'DELETE FROM orders'})
    assert status == 200 and told['allowed'], told
    assert told['access']['level'] == 'write' and told['access']['policies_level'] == 'admin'
    assert told['access']['grant']['number'] == narrow['number'] + 1
    # Rules of policies hold whatever grants say.
    policy(one, 'no-deletes', roles=['*'], tags=['*'],
           deny=[{'kinds': ['delete'], 'message': 'nothing is deleted here'}])
    with connect(one) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connection.execute('DELETE FROM orders WHERE false')
    assert 'nothing is deleted here' in str(caught.value)


def test_a_grant_to_a_group_is_its_members(one):
    made(call(one, 'POST', '/api/v1/groups', {'name': 'night-shift'}))
    made(call(one, 'POST', '/api/v1/grants', {'group': 'night-shift', 'tag': '*', 'level': 'read'}))
    assert 'is not available' in refused(one)
    assert call(one, 'PATCH', '/api/v1/users/ana', {'groups': ['night-shift']})[0] == 200
    with connect(one) as connection:
        connection.execute('SELECT 1')
        assert call(one, 'PATCH', '/api/v1/users/ana', {'groups': []})[0] == 200
        with pytest.raises(psycopg.OperationalError):
            connection.execute('SELECT 1')


def test_controls(one):
    grant(one, level='admin', controls=['block_copy', 'block_ddl'])
    with connect(one) as connection:
        connection.execute('UPDATE orders SET status = status WHERE false')
        for text in ('CREATE TABLE never (a int)', 'DROP TABLE orders', 'SELECT 1; DROP TABLE orders'):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(text)
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connection.execute('COPY orders TO STDOUT')
        assert 'admits no COPY' in str(caught.value)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute('/* x */ COPY(SELECT 1) TO STDOUT')
    grant(one, level='admin', controls=['read_only'], priority=1)
    with connect(one) as connection:
        for text in ('UPDATE orders SET status = status', 'BEGIN READ WRITE; DELETE FROM orders; COMMIT'):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(text)


def test_a_window_opens_and_closes_by_itself(one):
    given = grant(one, starts_at=at(2), expires_at=at(5))
    assert 'is not available' in refused(one)
    connection = harness.eventually(lambda: try_connect(one), timeout=10, what='the window to open')
    harness.eventually(lambda: not one.sessions(), timeout=10, what='the window to close')
    with pytest.raises(psycopg.OperationalError):
        connection.execute('SELECT 1')
    assert 'is not available' in refused(one)
    # What is over may be given again.
    assert call(one, 'PATCH', '/api/v1/grants/' + given['id'], {'expires_at': None})[0] == 200
    connect(one).close()


def try_connect(one):
    try:
        return connect(one)
    except psycopg.OperationalError:
        return None


def test_hours_of_a_time_zone(one):
    now = datetime.datetime.now(datetime.timezone.utc)
    today = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'][now.weekday()]
    others = [day for day in ('mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun') if day != today]
    given = grant(one, days=[today], time_zone='UTC')
    if now.hour < 23:
        connect(one).close()
        assert call(one, 'PATCH', '/api/v1/grants/' + given['id'], {'days': others})[0] == 200
        assert 'is not available' in refused(one)


@pytest.mark.parametrize('fields, field', [
    ({'user': None}, 'user'),
    ({'group': 'none'}, 'group'),
    ({'tag': None}, 'target'),
    ({'level': 'root'}, 'level'),
    ({'controls': ['block_all']}, 'controls[0]'),
    ({'days': ['monday']}, 'days[0]'),
    ({'hours_from': '25:00'}, 'hours_from'),
    ({'days': ['mon'], 'time_zone': 'Mars/Base'}, 'time_zone'),
    ({'max_rows': 0}, 'max_rows'),
    ({'starts_at': '2030-01-02T00:00:00Z', 'expires_at': '2030-01-01T00:00:00Z'}, 'expires_at'),
])
def test_what_is_no_grant_is_told_by_its_field(one, fields, field):
    status, _, problem = call(one, 'POST', '/api/v1/grants', {'user': 'ana', 'tag': 'e2e', **fields})
    assert status == 422, problem
    assert field in [one['field'] for one in problem['errors']], problem


@pytest.mark.parametrize('fields, field', [
    ({'roles': []}, 'roles'),
    ({'roles': ['op*']}, 'roles[0]'),
    ({'whitelist': ['(']}, 'whitelist[0]'),
    ({'deny': [{'kinds': ['no_such_kind']}]}, 'deny[0].kinds[0]'),
    ({'deny': [{}]}, 'deny[0]'),
    ({'allow': [{'kinds': ['select'], 'missing_where': True}]}, 'allow[0].missing_where'),
    ({'deny': [{'relations': ['a.b.c.d']}]}, 'deny[0].relations[0]'),
    ({'deny': 'x'}, 'deny'),
])
def test_what_is_no_policy_is_told_by_its_field(one, fields, field):
    status, _, problem = call(one, 'POST', '/api/v1/policies', {'name': 'p', 'roles': ['operator'], **fields})
    assert status == 422, problem
    assert field in [one['field'] for one in problem['errors']], problem


def test_who_may_not_do_everything_gives_nothing_to_himself(one):
    made(call(one, 'POST', '/api/v1/roles', {'name': 'granter', 'permissions': ['grants:*', 'users:read', 'targets:read']}))
    made(call(one, 'POST', '/api/v1/users', {'name': 'gus', 'password': PASSWORD, 'roles': ['granter']}))
    made(call(one, 'POST', '/api/v1/keys', {'name': 'of-gus', 'user': 'gus'}))
    key = made(call(one, 'POST', '/api/v1/keys', {'name': 'of-gus-2', 'user': 'gus'}))['key']
    mine = call(one, 'POST', '/api/v1/grants', {'user': 'gus', 'tag': '*'}, token=key)
    assert mine[0] == 403, mine
    assert call(one, 'POST', '/api/v1/grants', {'user': 'ana', 'tag': '*'}, token=key)[0] == 201


def test_what_the_stores_owner_does_to_rules_closes_and_opens_nothing(own):
    """A policy that denies, and a grant that narrows: taking them away in the store takes access away."""
    one = own(store='embedded', policies=[])
    one.start()
    make_user(one)
    policy(one, 'everything', level='admin')
    denies = policy(one, 'denies', deny=[{'relations': ['hr.*']}])
    narrow = grant(one, level='read')
    connect(one).close()
    with as_owner(one) as store:
        store.execute('CREATE TABLE public.kept AS SELECT * FROM ringfence_control.policies WHERE name = %s', ('denies',))
        store.execute("DELETE FROM ringfence_control.policies WHERE name = 'denies'")
        store.execute("UPDATE ringfence_control.state SET revision = revision; NOTIFY ringfence_control")
        # The follower looks at every record now and then, and at every start.
        one.stop()
        one.start()
        assert 'is not available' in refused(one)
    with as_owner(one) as store:
        store.execute('INSERT INTO ringfence_control.policies SELECT * FROM public.kept')
        one.stop()
        one.start()
        connect(one).close()
    with as_owner(one) as store:
        store.execute("UPDATE ringfence_control.grants SET level = 'admin'")
        one.stop()
        one.start()
        assert 'is not available' in refused(one)
    # An administrator puts it right: the record in doubt goes.
    assert call(one, 'DELETE', '/api/v1/grants/' + narrow['id'])[0] == 204
    connect(one).close()
    with as_owner(one) as store:
        store.execute("DELETE FROM ringfence_control.policies WHERE name = 'denies'")
    one.stop()
    one.start()
    assert 'is not available' in refused(one)
    assert call(one, 'DELETE', '/api/v1/policies/' + denies['id'])[0] == 204
    connect(one).close()
    assert one.stop() == 0


def test_an_appliance_that_does_not_hear_from_its_store_refuses_what_grants_give(one):
    grant(one, level='read')
    with connect(one) as connection:
        connection.execute('SELECT 1')
        with as_other_database(one) as store:
            pids = [row[0] for row in store.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'ringfence control%'")]
            assert pids
            store.execute('ALTER DATABASE ringfence ALLOW_CONNECTIONS false')
            for pid in pids:
                store.execute('SELECT pg_terminate_backend(%s)', (pid,))
            def is_refused():
                try:
                    connection.execute('SELECT 1')
                    return False
                except psycopg.errors.InsufficientPrivilege as error:
                    assert 'not heard from its store' in str(error)
                    return True
            harness.eventually(is_refused, timeout=30, every=0.2, what='grants to be stale')
            store.execute('ALTER DATABASE ringfence ALLOW_CONNECTIONS true')
        def works():
            try:
                connection.execute('SELECT 1')
                return True
            except psycopg.errors.InsufficientPrivilege:
                return False
        harness.eventually(works, timeout=30, every=0.2, what='grants to be in force again')

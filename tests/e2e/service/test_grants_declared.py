"""Grants that name users and targets of the configuration file."""
import psycopg
import pytest

import harness
from test_grants import at, made
from test_store_users import PASSWORD, call, make_user, refused

USER, SECRET = next(iter(harness.USERS.items()))


def grant(one, **fields):
    return made(call(one, 'POST', '/api/v1/grants', {'user': USER, 'target': 'shop', **fields}))


def shown(one, record):
    status, _, body = call(one, 'GET', '/api/v1/grants/' + record['id'])
    assert status == 200, body
    return body


def connect(one, user=USER):
    return one.connect(user, password=SECRET if user == USER else PASSWORD)


def try_connect(one, user=USER):
    try:
        return connect(one, user)
    except psycopg.OperationalError:
        return None


def explained(one):
    return call(one, 'POST', '/api/v1/policy/explain', {'user': USER, 'target': 'shop', 'statement': 'SELECT 1'})


def lost(connection):
    try:
        connection.execute('SELECT 1')
        return False
    except psycopg.OperationalError:
        return True


@pytest.fixture
def one(own):
    made_one = own(store='embedded', policies=[], shards=2)
    made_one.start()
    yield made_one
    assert made_one.stop() == 0


def test_a_user_of_the_file_gets_a_target_of_the_file(one):
    assert 'is not available' in refused(one, USER, SECRET)
    given = grant(one, level='write')
    assert given['user'] == given['declared_user'] == USER and given['not_declared_here'] == []
    # On every shard: the next connections go to one and to the other.
    connections = [connect(one) for _ in range(4)]
    for connection in connections:
        connection.execute('UPDATE orders SET status = status WHERE false')
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute('CREATE TABLE never (a int)')
    assert 'is not available' in refused(one, USER, SECRET, 'bench')
    told = explained(one)[2]
    assert told['allowed'] and told['access']['grant']['number'] == given['number'], told
    assert told['grants_without_effect'] == []
    assert call(one, 'DELETE', '/api/v1/grants/' + given['id'])[0] == 204
    for connection in connections:
        assert harness.eventually(lambda: lost(connection), timeout=1, what='the session to end')
    assert 'is not available' in refused(one, USER, SECRET)


def test_a_user_of_the_store_gets_a_target_of_the_file(one):
    make_user(one)
    grant(one, user='ana')
    with connect(one, 'ana') as connection:
        connection.execute('SELECT 1')
    assert 'is not available' in refused(one, USER, SECRET)


def test_a_reload_takes_the_user_away_and_brings_him_back(one):
    given = grant(one)
    connection = connect(one)
    users = one.config['users']
    one.config['users'] = [user for user in users if user['name'] != USER]
    one.write_config()
    one.reload()
    harness.eventually(lambda: shown(one, given)['not_declared_here'] == ['user ' + USER], what='the file without him')
    harness.eventually(lambda: lost(connection), what='the session to end')
    status, _, problem = explained(one)
    assert status == 422 and 'grant %d has no effect' % given['number'] in problem['detail'], problem
    # A user of the store takes the name, and not the grant.
    make_user(one, USER)
    assert 'is not available' in refused(one, USER)
    told = explained(one)[2]
    assert not told['allowed'], told
    assert [idle['number'] for idle in told['grants_without_effect']] == [given['number']]
    one.config['users'] = users
    one.write_config()
    one.reload()
    harness.eventually(lambda: shown(one, given)['not_declared_here'] == [], what='the file with him')
    harness.eventually(lambda: try_connect(one), what='his access').execute('SELECT 1')
    # A reload that changes nothing of it leaves it.
    one.reload()
    connect(one).execute('SELECT 1')


def test_two_appliances_with_different_files(own):
    first = own(policies=[])
    first.start()
    users = [user for user in first.config['users'] if user['name'] != USER]
    second = own(node='other', policies=[], users=users,
                 store={'url': first.config['store'], 'key_ring_file': str(first.state / 'control.keys')})
    second.start()
    given = grant(first)
    harness.eventually(lambda: call(second, 'GET', '/api/v1/grants/' + given['id'])[0] == 200, what='the grant there')
    assert shown(first, given)['not_declared_here'] == []
    there = shown(second, given)
    assert there['user'] == USER and there['not_declared_here'] == ['user ' + USER]
    connect(first).execute('SELECT 1')
    assert 'password authentication failed' in refused(second, USER, SECRET)
    # Either of them takes it away from both.
    connection = connect(first)
    assert call(second, 'DELETE', '/api/v1/grants/' + given['id'])[0] == 204
    assert harness.eventually(lambda: lost(connection), timeout=5, what='the session to end')
    for each in (first, second):
        assert each.stop() == 0


def test_paths_of_other_systems_have_numbers_for_them(one):
    users = {user['username']: user['id'] for user in call(one, 'GET', '/api/users')[2]['users']}
    databases = {base['name']: base['id'] for base in call(one, 'GET', '/api/databases')[2]['databases']}
    status, _, given = call(one, 'POST', '/api/grants', {'user_id': users[USER], 'database_id': databases['shop'],
                                                          'access_level': 'read'})
    assert status == 201, given
    assert given['user_id'] == users[USER] and given['database_id'] == databases['shop'], given
    assert call(one, 'GET', '/api/users/%d' % users[USER])[2]['username'] == USER
    connect(one).execute('SELECT 1')


def test_break_glass_and_a_request_for_a_target_of_the_file(one):
    make_user(one, 'root', roles=['admin'])
    make_user(one, 'ana', roles=['user'])
    keys = {name: made(call(one, 'POST', '/api/v1/keys', {'name': 'of-' + name, 'user': name}))['key']
            for name in ('root', 'ana')}
    asked = made(call(one, 'POST', '/api/v1/access-requests',
                      {'target': 'shop', 'duration_s': 600, 'justification': 'ticket 7'}, token=keys['ana']))
    assert asked['declared_target'] == 'shop'
    assert call(one, 'POST', '/api/v1/access-requests/%s/approve' % asked['id'], {}, token=keys['root'])[0] == 200
    connect(one, 'ana').execute('SELECT 1')
    made(call(one, 'POST', '/api/v1/break-glass', {'target': 'shop', 'reason': 'the shop is down'}, token=keys['root']))
    connect(one, 'root').execute('SELECT 1')


def test_a_user_has_keys_of_his_own(one):
    make_user(one, 'ana', roles=['user'])
    make_user(one, 'eve', roles=['user'])
    made(call(one, 'POST', '/api/v1/keys', {'name': 'of-eve', 'user': 'eve'}))
    key = made(call(one, 'POST', '/api/v1/keys', {'name': 'first', 'user': 'ana'}))['key']
    until = '2030-01-01T00:00:00Z'
    status, _, problem = call(one, 'POST', '/api/v1/keys', {'name': 'mine', 'expires_at': until}, token=key)
    assert status == 422 and problem['errors'][0]['field'] == 'expires_at', problem
    mine = made(call(one, 'POST', '/api/v1/keys', {'name': 'mine', 'expires_at': at(3600)}, token=key))
    names = [each['name'] for each in call(one, 'GET', '/api/v1/keys', token=key)[2]['items']]
    assert sorted(names) == ['first', 'mine']
    assert call(one, 'GET', '/api/v1/keys/of-eve', token=key)[0] == 404
    assert call(one, 'DELETE', '/api/v1/keys/of-eve', token=key)[0] == 404
    assert call(one, 'GET', '/api/v1/keys/mine', token=mine['key'])[0] == 200
    assert call(one, 'DELETE', '/api/v1/keys/mine', token=key)[0] == 204
    assert call(one, 'GET', '/api/v1/keys', token=mine['key'])[0] == 401

"""API keys as passwords of PostgreSQL logins: over TLS and Unix sockets, as long as they are valid."""
import psycopg
import pytest

import certificates
import harness
from test_store_users import PASSWORD, call, change_user, make_user


def make_key(one, name='laptop', user='ana', **more):
    status, _, made = call(one, 'POST', '/api/v1/keys', {'name': name, 'user': user, **more})
    assert status == 201, made
    return made


def rows_of(one, action, count=1, **fields):
    trail = one.trail()

    def found():
        rows = trail.rows('SELECT * FROM ringfence.audit_event WHERE action = %s ORDER BY ts, shard, seq', action)
        rows = [row for row in rows if all(row[name] == value for name, value in fields.items())]
        return rows if len(rows) >= count else None
    rows = harness.eventually(found, what='%d %s %s' % (count, action, fields))
    trail.connection.close()
    return rows


@pytest.fixture(scope='module')
def authority():
    directory = harness.work_directory('key-passwords-ca')
    yield certificates.Authority(directory / 'ca')
    harness.remove(directory)


@pytest.fixture
def one(own, authority, tmp_path):
    """With a port that offers TLS, and a Unix socket."""
    made = own(store='embedded')
    cert, key = authority.issue('server-' + made.directory.name, '/CN=localhost', 'DNS:localhost,IP:127.0.0.1')
    made.config['tls'] = {'certificate_file': str(cert), 'key_file': str(key)}
    made.socket = made.directory / 'socket'
    made.socket.mkdir()
    made.config['listeners'] = [
        {'name': 'postgres', 'address': '127.0.0.1', 'port': made.pg_port, 'tls': 'prefer'},
        {'name': 'local', 'path': str(made.socket / ('.s.PGSQL.%d' % made.pg_port))}]
    made.write_config()
    made.start()
    yield made
    assert made.stop() == 0


def by_tls(one, password, user='ana', **more):
    return one.connect(user, password=password, sslmode='require', **more)


def refused(one, password, user='ana', **more):
    with pytest.raises(psycopg.OperationalError) as caught:
        one.connect(user, password=password, **{'sslmode': 'require', **more}).close()
    assert 'password authentication failed for user "%s"' % user in str(caught.value)


def test_a_key_is_a_password_over_tls_and_unix_sockets_alone(one):
    make_user(one)
    made = make_key(one)
    key, prefix = made['key'], made['prefix']
    for more in ({'sslmode': 'require'}, {'sslmode': 'require', 'channel_binding': 'require'},
                 {'host': str(one.socket)}):
        with one.connect('ana', password=key, **more) as connection:
            assert connection.execute('SELECT 1').fetchone() == (1,)
        # The password goes on to be one, in the same exchange.
        with one.connect('ana', password=PASSWORD, **more) as connection:
            connection.execute('SELECT 1')
    refused(one, key, sslmode='disable')
    refused(one, key[:-1] + ('a' if key[-1] != 'a' else 'b'))
    refused(one, key, user='alice')
    logins = rows_of(one, 'postgres_client_auth', 3, auth_method='api key', outcome='success')
    assert {row['api_key'] for row in logins} == {prefix}
    assert {(row['entity_type'], row['entity_id']) for row in logins} == {('key', made['id'])}
    assert {row['api_key'] for row in rows_of(one, 'postgres_query', 3, auth_method='api key')} == {prefix}
    failed = rows_of(one, 'postgres_auth_failed', auth_method='api key')
    assert failed[0]['reason'] == 'an API key is taken over TLS or a Unix socket alone'
    assert failed[0]['api_key'] == prefix
    # Neither the key nor what it is checked by is anywhere but in the first answer.
    _, _, shown = call(one, 'GET', '/api/v1/keys/laptop')
    assert 'verifier' not in shown and 'key' not in shown and 'hash' not in shown
    trail = one.trail()
    assert key not in str(trail.rows('SELECT * FROM ringfence.audit_event')) and key not in one.log()
    trail.connection.close()


def test_a_user_without_a_password_logs_in_by_a_key(one):
    make_user(one, password=None)
    refused(one, PASSWORD)
    key = make_key(one)['key']
    refused(one, PASSWORD)
    by_tls(one, key).close()
    # A password that comes later shares the salt, and so does one after it.
    for password in (PASSWORD, 'another horse 8'):
        change_user(one, password=password)
        by_tls(one, key).close()
        by_tls(one, password).close()
    change_user(one, password=None)
    by_tls(one, key).close()
    refused(one, PASSWORD)


@pytest.mark.parametrize('change', [{'enabled': False}, {'expires_at': '2001-01-01T00:00:00Z'}, None])
def test_a_key_that_ends_takes_its_sessions_along(one, change):
    make_user(one)
    key, other = make_key(one)['key'], make_key(one, 'server')['key']
    with by_tls(one, key) as gone, by_tls(one, other) as stays, by_tls(one, PASSWORD) as own:
        if change is None:
            assert call(one, 'DELETE', '/api/v1/keys/laptop')[0] == 204
        else:
            status, _, problem = call(one, 'PATCH', '/api/v1/keys/laptop', change)
            assert status == 200, problem
        with pytest.raises(psycopg.OperationalError) as caught:
            gone.execute('SELECT 1')
        assert 'the API key by which "ana" logged in is not valid any more' in str(caught.value)
        stays.execute('SELECT 1')
        own.execute('SELECT 1')
        # Another password is nothing to a session by a key.
        change_user(one, password='another horse 8')
        stays.execute('SELECT 1')
        with pytest.raises(psycopg.OperationalError):
            own.execute('SELECT 1')
    refused(one, key)
    if change == {'enabled': False}:
        rows = rows_of(one, 'postgres_auth_failed', auth_method='api key')
        assert rows[0]['reason'] == 'the API key is not enabled'


def test_scopes_say_whether_a_key_is_a_password(one):
    make_user(one)
    refused(one, make_key(one, 'reader', scopes=['users:read'])['key'])
    assert rows_of(one, 'postgres_auth_failed')[0]['reason'] == "the API key's scopes lack postgres:connect"
    by_tls(one, make_key(one, 'both', scopes=['users:read', 'postgres:connect'])['key']).close()
    by_tls(one, make_key(one, 'all', scopes=['postgres:*'])['key']).close()
    # Who has a lesser key makes none that is more.
    call(one, 'POST', '/api/v1/roles', {'name': 'makers', 'permissions': ['keys:*']})
    make_user(one, 'bea', roles=['makers', 'operator'])
    lesser = make_key(one, 'lesser', 'bea', scopes=['keys:write'])['key']
    for scopes in ([], ['postgres:connect']):
        status, _, problem = call(one, 'POST', '/api/v1/keys', {'name': 'more', 'scopes': scopes}, token=lesser)
        assert status == 403, problem
    full = make_key(one, 'full', 'bea')['key']
    status, _, made = call(one, 'POST', '/api/v1/keys', {'name': 'own'}, token=full)
    assert status == 201
    by_tls(one, made['key'], 'bea').close()


def test_the_newest_keys_count(one):
    make_user(one)
    keys = [make_key(one, 'key-%d' % i)['key'] for i in range(17)]
    refused(one, keys[0])
    by_tls(one, keys[1]).close()
    with by_tls(one, keys[16]):
        assert call(one, 'DELETE', '/api/v1/keys/key-9')[0] == 204
        by_tls(one, keys[0]).close()


def test_the_last_use_is_shown_beside_the_record(one):
    make_user(one)
    made = make_key(one)
    assert made['last_used_at'] is None

    def used():
        return call(one, 'GET', '/api/v1/keys/laptop')[2]['last_used_at']
    assert used() is None
    by_tls(one, made['key']).close()
    first = harness.eventually(used, what='the use to be written')
    assert first > made['created_at']
    # Once a minute: neither by HTTP nor by PostgreSQL.
    assert call(one, 'GET', '/api/v1/auth/me', token=made['key'])[0] == 200
    by_tls(one, made['key']).close()
    other = make_key(one, 'other')
    assert call(one, 'GET', '/api/v1/auth/me', token=other['key'])[0] == 200
    harness.eventually(lambda: call(one, 'GET', '/api/v1/keys/other')[2]['last_used_at'], what='the other use')
    shown = call(one, 'GET', '/api/v1/keys/laptop')[2]
    assert shown['last_used_at'] == first and shown['version'] == made['version']
    status, _, problem = call(one, 'PATCH', '/api/v1/keys/laptop', {'last_used_at': None})
    assert status == 422 and problem['errors'][0]['field'] == 'last_used_at'
    status, _, listed = call(one, 'GET', '/api/v1/keys?sort=-created_at')
    assert [bool(key['last_used_at']) for key in listed['items']] == [True, True]

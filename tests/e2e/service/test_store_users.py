"""Users and targets that the store has: made by the API, in force at once, on every appliance of the store."""
import json
import urllib.error
import urllib.request

import psycopg
import pytest

import harness

PASSWORD = 'correct horse 7'


def call(one, method, path, body=None, headers=None, token=harness.TOKEN):
    """(status, headers, body as JSON or None)"""
    request = urllib.request.Request('http://127.0.0.1:%d%s' % (one.admin_port, path), method=method,
                                     data=None if body is None else json.dumps(body).encode())
    if token:
        request.add_header('Authorization', 'Bearer ' + token)
    if body is not None:
        request.add_header('Content-Type', 'application/json')
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read().decode()
            return answer.status, answer.headers, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        return error.code, error.headers, json.loads(text) if text else None


def make_user(one, name='ana', **more):
    call(one, 'POST', '/api/v1/roles', {'name': 'operator'})
    status, _, made = call(one, 'POST', '/api/v1/users',
                           {'name': name, 'password': PASSWORD, 'roles': ['operator'], **more})
    assert status == 201, made
    return made


def change_user(one, name='ana', **fields):
    status, _, changed = call(one, 'PATCH', '/api/v1/users/' + name, fields)
    assert status == 200, changed
    return changed


def refused(one, user='ana', password=PASSWORD, database='shop'):
    with pytest.raises(psycopg.OperationalError) as caught:
        one.connect(user, database, password=password).close()
    return str(caught.value)


@pytest.fixture
def one(own):
    made = own(store='embedded')
    made.start()
    yield made
    assert made.stop() == 0


def test_a_user_that_the_api_has_made_logs_in_at_once(one):
    make_user(one)
    with one.connect('ana', password=PASSWORD) as connection:
        assert connection.execute('SELECT 1').fetchone() == (1,)
    assert 'password authentication failed' in refused(one, password='another one')
    assert 'password authentication failed' in refused(one, user='bob')
    # Neither in an answer nor anywhere on the disk where others may read.
    status, _, shown = call(one, 'GET', '/api/v1/users/ana')
    assert status == 200 and not {'password', 'password_hash', 'verifier'} & set(shown)


@pytest.mark.parametrize('change, told', [
    ({'enabled': False}, 'may not log in any more'),
    ({'password': 'another horse 8'}, 'the password of "ana" has changed'),
    ({'expires_at': '2001-01-01T00:00:00Z'}, 'may not log in any more'),
])
def test_a_change_ends_what_runs(one, change, told):
    make_user(one)
    connection = one.connect('ana', password=PASSWORD)
    connection.execute('SELECT 1')
    change_user(one, **change)
    with pytest.raises(psycopg.OperationalError) as caught:
        connection.execute('SELECT 1')
    assert told in str(caught.value)
    assert 'password authentication failed' in refused(one)


def test_a_running_statement_is_cancelled_when_its_user_goes(one, target):
    make_user(one)
    connection = one.connect('ana', password=PASSWORD)
    connection.pgconn.send_query(b"SELECT pg_sleep(600), 'of_ana'")
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%of_ana%' AND state = 'active' AND pid <> pg_backend_pid()"
    harness.eventually(lambda: target.sql(running) == [(1,)], what='the statement to run')
    status, _, _ = call(one, 'DELETE', '/api/v1/users/ana')
    assert status == 204
    harness.eventually(lambda: target.sql(running) == [(0,)], timeout=5, what='the statement to end')
    connection.close()


ACCESS_GOES = {
    'the target is disabled': ('PATCH', '/api/v1/targets/till', {'enabled': False}),
    'the target is deleted': ('DELETE', '/api/v1/targets/till', None),
    'the role is taken': ('PATCH', '/api/v1/users/ana', {'roles': []}),
    'the role loses its parent': ('PATCH', '/api/v1/roles/worker', {'parents': []}),
}


@pytest.mark.parametrize('change', ACCESS_GOES)
def test_a_running_statement_is_cancelled_when_its_target_or_the_access_goes(one, target, change):
    call(one, 'POST', '/api/v1/roles', {'name': 'operator'})
    assert call(one, 'POST', '/api/v1/roles', {'name': 'worker', 'parents': ['operator']})[0] == 201
    make_user(one, roles=['worker'])
    made = {'name': 'till', 'hosts': ['127.0.0.1'], 'port': target.port, 'database': 'shop', 'user': 'shop_app',
            'password': harness.APP_PASSWORD, 'sslmode': 'disable', 'tags': ['e2e']}
    assert call(one, 'POST', '/api/v1/targets', made)[0] == 201
    connection = one.connect('ana', 'till', password=PASSWORD)
    connection.pgconn.send_query(b"SELECT pg_sleep(600), 'on_till'")
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%on_till%' AND state = 'active' AND pid <> pg_backend_pid()"
    harness.eventually(lambda: target.sql(running) == [(1,)], what='the statement to run')
    method, path, body = ACCESS_GOES[change]
    assert call(one, method, path, body)[0] in (200, 204)
    harness.eventually(lambda: target.sql(running) == [(0,)], timeout=5, what='the statement to end')
    connection.close()


def test_a_role_decides_what_a_user_may(own):
    one = own(store='embedded', policies=[
        {'name': 'readers', 'roles': ['reader'], 'tags': ['*'], 'level': 'read'},
        {'name': 'writers', 'roles': ['writer'], 'tags': ['*'], 'level': 'write'}])
    one.start()
    for role in ('reader', 'writer'):
        assert call(one, 'POST', '/api/v1/roles', {'name': role})[0] == 201
    make_user(one, roles=['reader'])
    with one.connect('ana', password=PASSWORD) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute('CREATE TEMP TABLE t (a int)')
    change_user(one, roles=['writer'])
    with one.connect('ana', password=PASSWORD) as connection:
        connection.execute('UPDATE orders SET status = status WHERE false')
    change_user(one, roles=[])
    assert 'is not available to user "ana"' in refused(one)
    assert one.stop() == 0


def test_who_must_change_the_password_is_told_how(one):
    make_user(one, must_change_password=True)
    assert 'the password must be changed' in refused(one)


def test_a_target_that_the_api_has_made_is_reached_at_once(one, target):
    made = {'name': 'till', 'hosts': ['127.0.0.1'], 'port': target.port, 'database': 'shop', 'user': 'shop_app',
            'password': harness.APP_PASSWORD, 'sslmode': 'disable', 'tags': ['e2e']}
    status, _, shown = call(one, 'POST', '/api/v1/targets', made)
    assert status == 201, shown
    assert 'password' not in shown and harness.APP_PASSWORD not in json.dumps(shown)
    with one.connect(database='till') as connection:
        assert connection.execute('SELECT current_database()').fetchone() == ('shop',)
        # Its password goes nowhere else, unless who sends it there knows it.
        status, _, problem = call(one, 'PATCH', '/api/v1/targets/till', {'hosts': ['localhost']})
        assert status == 422 and problem['errors'][0]['field'] == 'password', problem
        assert call(one, 'PATCH', '/api/v1/targets/till', {'enabled': False})[0] == 200
        with pytest.raises(psycopg.OperationalError):
            connection.execute('SELECT 1')
    assert 'is not available to user "alice"' in refused(one, 'alice', None, 'till')


def test_what_the_configuration_declares_is_shown_and_not_changed(one, target):
    status, _, told = call(one, 'GET', '/api/v1/targets?limit=1000')
    declared = {each['name']: each for each in told['items'] if each['source'] == 'configuration'}
    assert {'shop', 'bench', 'socket'} <= set(declared)
    lines = (one.directory / 'ringfence.yaml').read_text().splitlines()
    file, line = declared['shop']['declared_in'].rsplit(':', 1)
    assert file.endswith('ringfence.yaml') and '"shop"' in lines[int(line) - 1], (line, lines[int(line) - 1])
    assert harness.APP_PASSWORD not in json.dumps(told) and 'not that one' not in json.dumps(told)
    status, headers, shop = call(one, 'GET', '/api/v1/targets/' + declared['shop']['id'])
    assert status == 200 and shop == declared['shop'] and shop['hosts'] == ['127.0.0.1'] and not headers['ETag']
    for method, path, body in [('PATCH', '/api/v1/targets/shop', {'enabled': False}),
                               ('DELETE', '/api/v1/targets/shop', None),
                               ('POST', '/api/v1/targets', {'name': 'shop', 'hosts': ['x'], 'user': 'x'}),
                               ('PATCH', '/api/v1/users/alice', {'enabled': False}),
                               ('POST', '/api/v1/users', {'name': 'alice'})]:
        status, _, problem = call(one, method, path, body)
        assert status == 409 and 'is declared in ' in problem['detail'] and 'reload' in problem['detail'], problem
    with one.connect() as connection:
        connection.execute('SELECT 1')
    # A reload changes what is shown.
    one.config['users'].append({'name': 'later', 'password': PASSWORD, 'roles': []})
    one.write_config()
    one.reload()
    harness.eventually(lambda: call(one, 'GET', '/api/v1/users/later')[0] == 200, what='the new user')


def test_a_restart_keeps_it_all(one):
    make_user(one)
    assert one.stop() == 0
    one.start()
    with one.connect('ana', password=PASSWORD) as connection:
        connection.execute('SELECT 1')


def test_a_kill_keeps_what_was_acknowledged(one):
    for i in range(5):
        make_user(one, 'user%d' % i)
    one.kill()
    one.start()
    for i in range(5):
        one.connect('user%d' % i, password=PASSWORD).close()
    trail = one.trail()
    harness.eventually(lambda: len(trail.rows("SELECT 1 FROM ringfence.audit_event WHERE action = 'CREATE' "
                                              "AND entity_type = 'user' AND outcome = 'success'")) == 6,
                       what='the changes in the trail')
    trail.connection.close()


def test_two_appliances_on_one_store_follow_each_other(own):
    first = own()
    first.start()
    ring = first.state / 'control.keys'
    second = own(node='other', store={'url': first.config['store'], 'key_ring_file': str(ring)})
    second.start()
    make_user(first)
    harness.eventually(lambda: call(second, 'GET', '/api/v1/users/ana')[0] == 200, what='the user there')
    connection = harness.eventually(lambda: connected(second), timeout=5, what='a login there')
    change_user(first, enabled=False)

    def has_ended():
        try:
            connection.execute('SELECT 1')
            return False
        except psycopg.OperationalError:
            return True
    harness.eventually(has_ended, timeout=5, what='the session there to end')
    for each in (first, second):
        assert each.stop() == 0


def connected(one):
    try:
        return one.connect('ana', password=PASSWORD)
    except psycopg.OperationalError:
        return None


def test_what_the_owner_of_the_store_writes_is_not_believed(own, store_cluster):
    one = own()
    one.start()
    make_user(one, enabled=False)
    database = one.config['store'].rsplit('/', 1)[1]
    store_cluster.sql("UPDATE ringfence_control.users SET enabled = true WHERE name = 'ana'", database=database)
    # Looked at when the next change comes, at the latest within a minute.
    store_cluster.sql('UPDATE ringfence_control.state SET revision = revision - 1', database=database)
    trail = one.trail()
    harness.eventually(lambda: trail.rows("SELECT 1 FROM ringfence.audit_event WHERE action = 'control_record_rejected' "
                                          "AND severity = 'CRITICAL' AND entity_type = 'user'"), what='the event')
    trail.connection.close()
    assert 'password authentication failed' in refused(one)
    metrics = one.metrics()
    assert metrics['ringfence_control_records_rejected_total'] >= 1
    assert metrics['ringfence_control_records{kind="user"}'] == 1  # The first administrator.
    assert 0 <= metrics['ringfence_control_store_age_seconds'] < 30
    assert one.stop() == 0


def test_the_api_says_so_while_the_store_is_away(own, store_cluster):
    one = own()
    one.start()
    make_user(one)
    store_cluster.stop('fast')
    try:
        status, headers, _ = call(one, 'GET', '/api/v1/users')
        assert status == 503 and headers['Retry-After']
        # What was in force is in force.
        one.connect('ana', password=PASSWORD).close()
    finally:
        store_cluster.start()
    harness.eventually(lambda: call(one, 'GET', '/api/v1/users')[0] == 200, what='the store again')
    assert one.stop() == 0

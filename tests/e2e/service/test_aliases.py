"""Paths of other systems' contracts: their scripts reach users, targets, policies and roles as they are written."""
import psycopg
import pytest

import harness
from test_control_api import ADMIN, PASSWORD, basic, call, check_answer, events, make


@pytest.fixture(scope='module')
def one(target):
    directory = harness.work_directory('aliases')
    made = harness.Appliance(directory, target, store='embedded').start()
    make(made, 'roles', {'name': 'operator'})
    yield made
    code = made.stop()
    harness.remove(directory)
    assert code == 0, made.log_tail()


@pytest.fixture(scope='module')
def document(one):
    return call(one, 'GET', '/api/openapi.json', **ADMIN).json()


def test_dbbats_users_and_databases(one, document, target):
    answer = call(one, 'POST', '/api/users', {'username': 'dora', 'password': PASSWORD, 'roles': ['operator']}, **ADMIN)
    assert answer.status == 201 and check_answer(document, '/api/users', 'post', answer) is None
    user = answer.json()
    assert answer.headers['Location'] == '/api/users/%d' % user['id'] and user['username'] == 'dora'
    assert 'password' not in user and PASSWORD not in answer.body
    for which in (user['id'], user['uid'], 'dora'):
        again = call(one, 'GET', '/api/users/%s' % which, **ADMIN)
        assert again.json() == user and check_answer(document, '/api/users/{id}', 'get', again) is None
    assert call(one, 'GET', '/api/v1/users/dora', **ADMIN).json()['id'] == user['uid']
    database = {'name': 'dora-shop', 'description': 'The shop', 'protocol': 'postgresql', 'host': '127.0.0.1', 'port': target.port,
                'database_name': 'shop', 'username': 'shop_app', 'password': harness.APP_PASSWORD, 'ssl_mode': 'disable',
                'tags': ['e2e']}
    answer = call(one, 'POST', '/api/databases', database, **ADMIN)
    assert answer.status == 201 and check_answer(document, '/api/databases', 'post', answer) is None
    assert harness.APP_PASSWORD not in answer.body
    made = answer.json()
    assert {name: made[name] for name in database if name != 'password'} == {k: v for k, v in database.items() if k != 'password'}
    listed = call(one, 'GET', '/api/databases?sort=-name&limit=1000', **ADMIN)
    assert check_answer(document, '/api/databases', 'get', listed) is None and made in listed.json()['databases']
    with one.connect('dora', 'dora-shop', password=PASSWORD) as connection:
        assert connection.execute('SELECT count(*) FROM products').fetchone()[0] > 0
    changed = call(one, 'PUT', '/api/users/%d' % user['id'], {'enabled': False}, **ADMIN)
    assert changed.status == 200 and changed.json()['roles'] == ['operator'] and changed.json()['enabled'] is False
    with pytest.raises(psycopg.OperationalError):
        one.connect('dora', 'dora-shop', password=PASSWORD)
    rows = events(one, 'UPDATE', entity_id=user['uid'])
    assert rows[0]['changes'] == {'after': {'enabled': False, 'version': 2}, 'before': {'enabled': True, 'version': 1}}
    stale = call(one, 'PUT', '/api/users/%d' % user['id'], {'enabled': True}, If_Match='"1"', **ADMIN)
    assert stale.status == 412 and stale.json()['code'] == 'CONFLICT'
    assert call(one, 'DELETE', '/api/databases/%d' % made['id'], **ADMIN).status == 204
    assert call(one, 'DELETE', '/api/users/%d' % user['id'], **ADMIN).status == 204
    gone = call(one, 'GET', '/api/users/%d' % user['id'], **ADMIN)
    assert gone.status == 404 and gone.json()['code'] == 'NOT_FOUND'


def test_port_authorizings_connections_and_users(one, document, target):
    given = {'name': 'pa-shop', 'type': 'postgres', 'host': '127.0.0.1', 'port': target.port, 'tags': ['env:test'],
             'backend_username': 'shop_app', 'backend_password': harness.APP_PASSWORD, 'backend_database': 'shop',
             'metadata': {'description': 'The shop'}}
    answer = call(one, 'POST', '/admin/api/connections', given, **ADMIN)
    assert answer.status == 201 and check_answer(document, '/admin/api/connections', 'post', answer) is None
    shown = answer.json()
    assert 'backend_password' not in shown and shown['metadata'] == given['metadata'] and shown['host'] == '127.0.0.1'
    assert harness.APP_PASSWORD not in answer.body
    twice = call(one, 'POST', '/admin/api/connections', given, **ADMIN)
    assert twice.status == 409 and twice.json()['error'] == twice.json()['detail']
    missing = call(one, 'POST', '/admin/api/connections', {'type': 'postgres'}, **ADMIN)
    assert missing.status == 400 and {error['field'] for error in missing.json()['errors']} == {'name', 'host'}
    since = call(one, 'GET', '/api/v1/targets/pa-shop', **ADMIN).json()['password_set_at']
    kept = call(one, 'PUT', '/admin/api/connections/pa-shop', {'backend_password': '', 'metadata': {'description': 'x'}}, **ADMIN)
    assert kept.status == 200 and kept.json()['password_set_at'] == since and kept.json()['metadata'] == {'description': 'x'}
    listed = call(one, 'GET', '/admin/api/connections', **ADMIN)
    assert isinstance(listed.json(), list) and check_answer(document, '/admin/api/connections', 'get', listed) is None
    user = call(one, 'POST', '/admin/api/users', {'username': 'paul', 'password': PASSWORD, 'roles': ['auditor']}, **ADMIN)
    assert user.status == 201
    page, names = call(one, 'GET', '/admin/api/users?limit=1', **ADMIN), []
    assert page.headers['Link'].startswith('</admin/api/users?limit=1&cursor=')
    while page.headers['Link']:
        assert len(page.json()) == 1
        names.append(page.json()[0]['username'])
        page = call(one, 'GET', page.headers['Link'].split('>')[0][1:], **ADMIN)
    names += [user['username'] for user in page.json()]
    # Those of the configuration, too, each once and in order.
    assert names == sorted(set(names)) and {'paul', 'alice', 'admin'} <= set(names)
    assert call(one, 'GET', '/admin/api/status', **basic('paul')).json()['state'] == 'ready'
    assert call(one, 'DELETE', '/admin/api/users/paul', **ADMIN).status == 204
    assert call(one, 'DELETE', '/admin/api/connections/pa-shop', **ADMIN).status == 204


def test_port_authorizings_policy_tester_says_what_sessions_get(one, document):
    def ask(**more):
        return call(one, 'POST', '/admin/api/policy-test',
                    {'connection': 'shop', 'role': 'operator', 'query': 'SELECT 1; DROP TABLE products', **more}, **ADMIN)
    answer = ask()
    assert answer.status == 200 and check_answer(document, '/admin/api/policy-test', 'post', answer) is None
    assert answer.json()['hasAccess'] is True and answer.json()['matchingPolicies'] == ['operators']
    assert len(answer.json()['subquery_validation']) == 2
    nobody = ask(role='nobody').json()
    assert nobody['hasAccess'] is False and nobody['allowed'] is False
    assert ask(connection='nowhere').status == 400
    http = ask(method='GET', path='/')
    assert http.status == 400 and 'HTTP' in http.json()['errors'][0]['message']
    assert events(one, 'permission_check', target='shop', decision='refuse')


def test_rusty_dbs_roles(one, document):
    made = call(one, 'POST', '/api/v1/security/roles', {'name': 'child', 'parent_roles': ['operator'], 'priority': 5}, **ADMIN)
    assert made.status == 201 and check_answer(document, '/api/v1/security/roles', 'post', made) is None
    role = made.json()
    assert role['parent_roles'] == ['operator'] and role['is_active'] is True
    granted = call(one, 'POST', '/api/v1/security/roles/child/permissions', {'permissions': ['audit:read']}, **ADMIN)
    assert granted.status == 200 and granted.json()['permissions'] == ['audit:read']
    assert call(one, 'GET', '/api/v1/security/permissions', **ADMIN).json()['scopes']
    wrong = call(one, 'PUT', '/api/v1/security/roles/child', {'parent_roles': ['nobody']}, **ADMIN)
    assert wrong.status == 422 and wrong.json()['errors'][0]['field'] == 'parent_roles[0]' and wrong.json()['code'] == 'VALIDATION_ERROR'
    assert call(one, 'DELETE', '/api/v1/security/roles/child', **ADMIN).status == 204

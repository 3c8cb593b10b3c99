"""Every operation of the description, the paths of other systems among them: valid, invalid, oversized and hostile input,
its status, its schema, and the event that it leaves."""
import json
import urllib.parse

import pytest

import harness
from test_control_api import ADMIN, HOSTILE, NOBODY, PASSWORD, call, check_answer, events, make

NOUNS = {'users': 'user', 'databases': 'target', 'targets': 'target', 'connections': 'target', 'roles': 'role', 'groups': 'user_group',
         'keys': 'key', 'policies': 'policy', 'target-groups': 'target_group'}
# What is needed beside a name; anything else is left to its default.
NEEDED = {'hosts': ['127.0.0.1'], 'host': '127.0.0.1', 'roles': ['operator']}
METHODS_WITH_BODY = ('post', 'put', 'patch')


@pytest.fixture(scope='module')
def one(target):
    directory = harness.work_directory('contracts')
    made = harness.Appliance(directory, target, store='embedded').start()
    make(made, 'users', {'name': 'somebody', 'password': PASSWORD, 'roles': ['user']})
    yield made
    code = made.stop()
    harness.remove(directory)
    assert code == 0, made.log_tail()


@pytest.fixture(scope='module')
def document(one):
    return call(one, 'GET', '/api/openapi.json', **ADMIN).json()


def operations(document):
    return [(path, method, operation) for path, methods in document['paths'].items() for method, operation in methods.items()]


def schema_of_body(document, operation):
    schema = operation['requestBody']['content']['application/json']['schema']
    return document['components']['schemas'][schema['$ref'].rsplit('/', 1)[1]]


def collections(document):
    """Paths at which records of a known noun are made and deleted."""
    return [path for path, methods in document['paths'].items()
            if 'post' in methods and 'delete' in document['paths'].get(path + '/{id}', {}) and path.rsplit('/', 1)[1] in NOUNS]


def test_the_paths_of_the_contracts_are_there(document):
    tags = {}
    for path, method, operation in operations(document):
        tags.setdefault(operation['tags'][0], set()).add((method, path))
    for tag, path, methods in [
            ('dbbat', '/api/users', 'get post'), ('dbbat', '/api/users/{id}', 'get put patch delete'),
            ('dbbat', '/api/databases', 'get post'), ('dbbat', '/api/grants', 'get post'), ('dbbat', '/api/grants/{id}', 'get put patch delete'),
            ('port-authorizing', '/admin/api/policies/{id}', 'get put patch delete'), ('dbbat', '/api/databases/{id}', 'get put patch delete'),
            ('dbbat', '/api/queries', 'get'), ('dbbat', '/api/queries/{id}', 'get'), ('dbbat', '/api/connections', 'get'),
            ('dbbat', '/api/audit', 'get'),
            ('port-authorizing', '/admin/api/connections', 'get post'),
            ('port-authorizing', '/admin/api/connections/{id}', 'get put patch delete'),
            ('port-authorizing', '/admin/api/users/{id}', 'get put patch delete'),
            ('port-authorizing', '/admin/api/policy-test', 'post'), ('port-authorizing', '/admin/api/status', 'get'),
            ('port-authorizing', '/admin/api/config', 'get'), ('port-authorizing', '/admin/api/config/versions/{id}', 'get'),
            ('port-authorizing', '/admin/api/config/rollback/{id}', 'post'),
            ('rusty-db', '/api/v1/security/roles', 'get post'), ('rusty-db', '/api/v1/security/roles/{id}', 'get put patch delete'),
            ('rusty-db', '/api/v1/security/roles/{id}/permissions', 'post'), ('rusty-db', '/api/v1/security/permissions', 'get')]:
        for method in methods.split():
            assert (method, path) in tags[tag], (tag, method, path)


def test_a_record_is_made_read_changed_and_deleted_at_each_path_and_each_step_is_recorded(one, document):
    paths = collections(document)
    assert len(paths) >= 10
    for at, path in enumerate(paths):
        noun = NOUNS[path.rsplit('/', 1)[1]]
        schema = schema_of_body(document, document['paths'][path]['post'])
        if not {'name', 'username'} & set(schema['properties']):
            continue  # Grants and requests have numbers; their own tests make them.
        schema.setdefault('required', [])
        name_field = 'username' if 'name' not in schema['properties'] or 'username' in schema['required'] else 'name'
        body = {name_field: 'contract-%d' % at, **{name: NEEDED[name] for name in schema['required'] if name in NEEDED}}
        body.update({name: 'app' for name in ('user', 'username', 'backend_username')
                     if noun == 'target' and name in schema['properties']})
        if noun == 'key':
            body['user'] = 'somebody'
        made = call(one, 'POST', path, body, **ADMIN)
        assert made.status == 201 and check_answer(document, path, 'post', made) is None, (path, made)
        record = made.json()
        uid = record.get('uid', record['id'])
        place = made.headers['Location']
        assert place.startswith(path + '/')
        again = call(one, 'GET', place, **ADMIN)
        assert again.json() == {name: value for name, value in record.items() if name != 'key'}
        assert call(one, 'GET', place, If_None_Match=again.headers['ETag'], **ADMIN).status == 304
        change = {'enabled': False} if 'enabled' in record else {'description': 'changed'}
        if path == '/admin/api/connections':
            change = {'metadata': {'description': 'changed'}}
        method = 'PUT' if 'put' in document['paths'][path + '/{id}'] else 'PATCH'
        changed = call(one, method, place, change, If_Match=again.headers['ETag'], **ADMIN)
        assert changed.status == 200 and check_answer(document, path + '/{id}', method.lower(), changed) is None, changed
        listed = call(one, 'GET', path + '?limit=1000', **ADMIN)
        assert check_answer(document, path, 'get', listed) is None, path
        refused = call(one, 'POST', path, {**body, 'nothing': 1}, **ADMIN)
        assert refused.status in (400, 422) and check_answer(document, path, 'post', refused) is None
        assert refused.json()['errors'][0]['field'] == 'nothing'
        assert call(one, 'DELETE', place, **ADMIN).status == 204
        assert call(one, 'GET', place, **ADMIN).status == 404
        for action in ('CREATE', 'UPDATE', 'DELETE'):
            [event] = events(one, action, entity_type=noun, entity_id=uid)
            assert event['outcome'] == 'success' and event['auth_method'] == 'admin token'


def test_input_that_is_too_long_or_hostile_is_refused_as_described(one, document):
    wrong = []

    def check(path, method, target, body=None, **headers):
        answer = call(one, method.upper(), target, body, **{**ADMIN, **headers})
        found = check_answer(document, path, method, answer)
        if found or answer.status >= 500 and answer.status != 501:
            wrong.append((method, target, body if body is None else body[:80], found, answer))
        return answer
    for path, method, operation in operations(document):
        if path.endswith('/logout'):
            continue
        place = path.replace('{id}', NOBODY)
        if 'requestBody' in operation:
            filler = 2_000_000 if 'policy' in path else 70_000
            assert check(path, method, place, b'{"name": "%s"}' % (b'x' * filler)).status == 413, path
            for text in ('', '[]', '{', 'null', '{"a":1,"a":2}', '{"a":' * 200 + '1' + '}' * 200, '\xff'):
                assert check(path, method, place, text.encode('latin-1')).status in (400, 415, 422), (path, text)
            assert check(path, method, place, b'a=b', Content_Type='application/x-www-form-urlencoded').status in (400, 415)
            for value in HOSTILE:
                check(path, method, place, json.dumps({'name': value, 'username': value, 'roles': [value]}).encode())
        for value in HOSTILE:
            if '{id}' in path and value.strip('%0') and method in ('get', 'put', 'patch'):
                target = path.replace('{id}', urllib.parse.quote(value.encode('utf-8', 'surrogatepass'), safe=''))
                check(path, method, target, b'{}' if 'requestBody' in operation else None)
        assert check(path, method, place + '?nothing=1', b'{}' if 'requestBody' in operation else None).status == 400
    assert not wrong, (len(wrong), wrong[:5])
    assert one.http('/readyz')[0] == 200

"""The admin API: who may call what, logins of browsers, and that its description is true.

test_store_users.py has what records do to sessions; this has the requests themselves.
"""
import base64
import concurrent.futures
import http.client
import json
import random
import re
import ssl
import time
import urllib.parse

import pytest

import certificates
import harness

PASSWORD = 'correct horse 7'
NOBODY = '0198d0f4-0000-7000-8000-000000000001'


class Answer:
    def __init__(self, answer, body):
        self.status, self.headers, self.body = answer.status, answer.headers, body.decode()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return '%s %s' % (self.status, self.body)


def call(one, method, path, body=None, context=None, **headers):
    """Header names with _ for -. A body that is no text is sent as JSON."""
    if context:
        connection = http.client.HTTPSConnection('localhost', one.admin_port, timeout=30, context=context)
    else:
        connection = http.client.HTTPConnection('127.0.0.1', one.admin_port, timeout=30)
    sent = {name.replace('_', '-'): value for name, value in headers.items()}
    if body is not None:
        sent.setdefault('Content-Type', 'application/json')
        body = body if isinstance(body, (str, bytes)) else json.dumps(body)
    for again in range(20, -1, -1):
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            answer = Answer(answer, answer.read())
        finally:
            connection.close()
        # A busy machine checks so many passwords and asks so many servers at a time, and says so.
        if again == 0 or answer.status != 503 or 'try again' not in answer.body:
            return answer
        time.sleep(0.25)


def basic(user, password=PASSWORD):
    return {'Authorization': 'Basic ' + base64.b64encode(('%s:%s' % (user, password)).encode()).decode()}


ADMIN = {'Authorization': 'Bearer ' + harness.TOKEN}


def make(one, path, body):
    answer = call(one, 'POST', '/api/v1/' + path, body, **ADMIN)
    assert answer.status == 201, answer
    return answer.json()


class Browser:
    def __init__(self, one, user, password=PASSWORD, context=None):
        self.one, self.context = one, context
        self.take(call(one, 'POST', '/api/v1/auth/login', {'username': user, 'password': password}, context))

    def take(self, answer):
        assert answer.status == 200, answer
        self.cookie = answer.headers['Set-Cookie']
        self.csrf = answer.json()['csrf_token']
        return answer

    def proof(self, csrf=True):
        return {'Cookie': self.cookie.split(';')[0], **({'X-CSRF-Token': self.csrf} if csrf else {})}

    def call(self, method, path, body=None, csrf=True):
        return call(self.one, method, path, body, self.context, **self.proof(csrf))


def events(one, action, count=1, **fields):
    """At least so many events of this action and these fields, oldest first."""
    trail = one.trail()

    def found():
        rows = trail.rows('SELECT * FROM ringfence.audit_event WHERE action = %s ORDER BY ts, shard, seq', action)
        rows = [row for row in rows if all(row[name] == value for name, value in fields.items())]
        return rows if len(rows) >= count else None
    rows = harness.eventually(found, what='%d %s %s' % (count, action, fields))
    trail.connection.close()
    return rows


@pytest.fixture(scope='module')
def one(target):
    directory = harness.work_directory('control-api')
    made = harness.Appliance(directory, target, store='embedded').start()
    for role in ('admin', 'auditor', 'approver', 'user'):
        make(made, 'users', {'name': 'a-' + role, 'password': PASSWORD, 'roles': [role]})
    yield made
    code = made.stop()
    harness.remove(directory)
    assert code == 0, made.log_tail()


def test_the_first_administrator_changes_his_password_before_all_else(own):
    one = own(store='embedded').start()
    first = (one.state / 'initial-admin-password').read_text().strip()
    assert first not in one.log()
    refused = call(one, 'GET', '/api/v1/users', **basic('admin', first))
    assert refused.status == 403 and 'PUT /api/v1/auth/password' in refused.body
    assert call(one, 'GET', '/nothing', **basic('admin', first)).status == 403
    assert call(one, 'GET', '/api/v1/auth/me', **basic('admin', first)).json()['must_change_password'] is True
    change = {'current_password': first, 'new_password': PASSWORD}
    for wrong, status, field in [({**change, 'new_password': 'password'}, 422, 'new_password'),
                                 ({**change, 'new_password': first}, 422, 'new_password'),
                                 ({**change, 'current_password': 'x'}, 422, 'current_password'),
                                 ({'new_password': 'x'}, 400, 'current_password')]:
        answer = call(one, 'PUT', '/api/v1/auth/password', wrong, **basic('admin', first))
        assert answer.status == status and answer.json()['errors'][0]['field'] == field
        assert first not in answer.body
    assert call(one, 'PUT', '/api/v1/auth/password', change, **basic('admin', first)).status == 204
    assert call(one, 'GET', '/api/v1/users', **basic('admin', first)).status == 401
    assert call(one, 'GET', '/api/v1/users', **basic('admin')).status == 200
    rows = events(one, 'password_change', 2)
    assert [row['outcome'] for row in rows] == ['denied', 'success']
    assert {row['category'] for row in rows} == {'authentication'}
    assert rows[0]['user_name'] == 'admin' and rows[0]['auth_method'] == 'password'
    failed = events(one, 'admin_auth_failed', user_name='admin')
    assert failed[0]['reason'] == 'wrong password'
    # Whatever was recorded: no password.
    told = str(one.trail().rows('SELECT * FROM ringfence.audit_event'))
    assert first not in told and PASSWORD not in told
    # What was set holds after a restart, and the token is never needed.
    assert one.stop() == 0
    one.start()
    assert call(one, 'GET', '/api/v1/users', **basic('admin')).status == 200


def test_without_a_store_there_are_no_users_and_no_records(own):
    one = own(audit={'enabled': False})
    one.start()
    assert call(one, 'GET', '/api/v1/stats', **ADMIN).status == 200
    assert call(one, 'GET', '/api/v1/users', **ADMIN).status == 501
    assert call(one, 'GET', '/api/v1/stats', **basic('admin')).status == 401
    assert call(one, 'POST', '/api/v1/auth/login', {'username': 'admin', 'password': PASSWORD}).status == 401
    assert one.stop() == 0


# ---------------------------------------------------------------- who may call what

def proofs_of(one, role):
    user = 'a-' + role
    key = make(one, 'keys', {'name': 'walk-' + role, 'user': user})['key']
    browser = Browser(one, user)
    return {'basic': basic(user), 'wrong password': basic(user, 'x'), 'key': {'X-API-Key': key},
            'bearer key': {'Authorization': 'Bearer ' + key}, 'cookie': browser.proof(),
            'cookie without CSRF': browser.proof(csrf=False)}


def covers(scopes, wanted):
    return any(held in ('*', wanted) or held.endswith(':*') and wanted.startswith(held[:-1]) for held in scopes)


def expected(document, path, method, proof, scopes):
    """The status that keeps this request out, or None."""
    operation = document['paths'][path][method]
    if operation.get('security') == []:
        return None
    if proof in ('none', 'wrong password', 'wrong token'):
        return 401
    if proof == 'cookie without CSRF' and method != 'get':
        return 403

    def may(one):
        wanted = [one[name] for name in ('x-required-scope', 'x-own-scope') if name in one]
        return one.get('security') == [] or not wanted or any(covers(scopes, scope) for scope in wanted)
    if may(operation):
        return None
    return 405 if any(may(other) for other in document['paths'][path].values()) else 404


def test_all_routes_roles_and_proofs(one):
    document = call(one, 'GET', '/api/openapi.json', **ADMIN).json()
    roles = {role['name']: role['scopes'] for role in call(one, 'GET', '/api/v1/permissions', **ADMIN).json()['roles']}
    assert set(roles) == {'admin', 'auditor', 'approver', 'user'}
    cases = [('none', {}, []), ('wrong token', {'Authorization': 'Bearer ' + harness.TOKEN[:-1]}, []), ('token', ADMIN, ['*'])]
    for role, scopes in roles.items():
        cases += [(proof, headers, scopes) for proof, headers in proofs_of(one, role).items()]

    def check(case):
        path, method, (proof, headers, scopes) = case
        body = {} if method in ('post', 'put', 'patch') else None
        answer = call(one, method.upper(), path.replace('{id}', NOBODY), body, **headers)
        wanted = expected(document, path, method, proof, scopes)
        kept_out = ('this needs a proof', 'there is nothing at this path', 'is not possible here', 'needs the header X-CSRF')
        is_out = any(text in answer.body for text in kept_out)
        if wanted is None:
            is_broken = answer.status >= 500 and answer.status != 501  # 501 says why something is not to be had here.
            return None if not is_out and not is_broken else (case, answer)
        return None if answer.status == wanted and is_out else (case, answer)
    walk = [(path, method, case) for path, methods in document['paths'].items() for method in methods for case in cases
            if not path.endswith('/logout')]  # It would end the session of the others.
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        wrong = [found for found in pool.map(check, walk) if found]
    assert not wrong, wrong[:5]
    assert len(walk) > 900


@pytest.mark.parametrize('two', [
    {**ADMIN, 'X-API-Key': 'x'}, {**basic('a-admin'), 'Cookie': 'ringfence_session=x'},
    {'X-API-Key': 'x', 'Cookie': 'ringfence_session=x'}])
def test_two_credentials_are_one_too_many(one, two):
    assert call(one, 'GET', '/api/v1/auth/me', **two).status == 400


def test_a_key_has_the_scopes_that_it_and_its_user_have(one):
    make(one, 'users', {'name': 'keyed', 'roles': ['auditor']})
    key = make(one, 'keys', {'name': 'narrow', 'user': 'keyed', 'scopes': ['users:*', 'stats:read']})
    proof = {'X-API-Key': key['key']}
    assert sorted(call(one, 'GET', '/api/v1/auth/me', **proof).json()['scopes']) == ['stats:read', 'users:read']
    assert call(one, 'GET', '/api/v1/stats', **proof).status == 200
    assert call(one, 'GET', '/api/v1/roles', **proof).status == 404
    assert call(one, 'PUT', '/api/v1/auth/password', {'current_password': 'x', 'new_password': 'y'}, **proof).status == 403
    assert call(one, 'PATCH', '/api/v1/keys/narrow', {'enabled': False}, **ADMIN).status == 200
    assert call(one, 'GET', '/api/v1/stats', **proof).status == 401
    failed = events(one, 'admin_auth_failed', api_key=key['prefix'])
    assert failed[0]['reason'] == 'revoked api key' and failed[0]['user_name'] is None
    assert key['key'] not in str(one.trail().rows('SELECT * FROM ringfence.audit_event'))


def test_a_change_is_recorded_with_who_made_it(one):
    role = call(one, 'POST', '/api/v1/roles', {'name': 'recorded'}, **basic('a-admin'))
    assert role.status == 201 and role.json()['created_by'] == 'a-admin (password)'
    row = events(one, 'CREATE', entity_id=role.json()['id'])[0]
    assert (row['user_name'], row['auth_method'], row['entity_type'], row['outcome']) == \
        ('a-admin', 'password', 'role', 'success')


# ---------------------------------------------------------------- browsers

def test_a_browser_session_from_login_to_logout(one):
    make(one, 'users', {'name': 'surfer', 'password': PASSWORD, 'roles': ['admin']})
    assert call(one, 'POST', '/api/v1/auth/login', {'username': 'surfer', 'password': 'x'}).status == 401
    form = call(one, 'POST', '/api/v1/auth/login', '{"username": "surfer", "password": "%s"}' % PASSWORD,
                **{'Content-Type': 'text/plain'})
    assert form.status == 415
    browser = Browser(one, 'surfer')
    assert re.fullmatch(r'ringfence_session=[\w-]{43}; Max-Age=43200; HttpOnly; SameSite=Strict; Path=/', browser.cookie)
    me = browser.call('GET', '/api/v1/auth/me', csrf=False).json()
    assert me['csrf_token'] == browser.csrf and me['method'] == 'browser session'
    assert browser.call('POST', '/api/v1/groups', {'name': 'no'}, csrf=False).status == 403
    assert browser.call('POST', '/api/v1/groups', {'name': 'surfers'}).status == 201
    other = Browser(one, 'surfer')
    change = {'current_password': PASSWORD, 'new_password': PASSWORD + '8'}
    old = browser.proof()
    browser.take(browser.call('PUT', '/api/v1/auth/password', change))
    assert browser.call('GET', '/api/v1/users').status == 200
    assert call(one, 'GET', '/api/v1/users', **old).status == 401
    assert other.call('GET', '/api/v1/users').status == 401
    assert browser.call('POST', '/api/v1/auth/logout').status == 204
    assert browser.call('GET', '/api/v1/users').status == 401
    third = Browser(one, 'surfer', PASSWORD + '8')
    assert call(one, 'PATCH', '/api/v1/users/surfer', {'enabled': False}, **ADMIN).status == 200
    assert third.call('GET', '/api/v1/users').status == 401
    for action, count in [('login', 3), ('session_created', 3), ('password_change', 1), ('session_refreshed', 1),
                          ('session_expired', 2), ('logout', 1)]:
        rows = events(one, action, count, user_name='surfer')
        assert len(rows) == count and {row['outcome'] for row in rows} == {'success'}
    assert [row['reason'] for row in events(one, 'session_expired', 2, user_name='surfer')] == \
        ['the password was changed', 'its user may not log in']


def test_by_tls_the_cookie_is_for_this_host_alone(own, tmp_path_factory):
    authority = certificates.Authority(tmp_path_factory.mktemp('admin-tls'))
    certificate, key = authority.issue('good', '/CN=localhost', 'DNS:localhost')
    one = own(store='embedded', admin={'tls': 'require', 'token': harness.TOKEN},
              tls={'certificate_file': str(certificate), 'key_file': str(key)})
    one.start(ready=False)
    context = ssl.create_default_context(cafile=str(authority.certificate))

    def is_ready():
        try:
            return call(one, 'GET', '/readyz', context=context).status == 200
        except OSError:
            return False
    harness.eventually(is_ready, 60, what='/readyz')
    first = (one.state / 'initial-admin-password').read_text().strip()
    browser = Browser(one, 'admin', first, context)
    assert browser.cookie.startswith('__Host-ringfence_session=') and browser.cookie.endswith('; Secure')
    assert browser.call('GET', '/api/v1/auth/me').json()['must_change_password'] is True
    plain = browser.cookie.split(';')[0].replace('__Host-', '')
    assert call(one, 'GET', '/api/v1/auth/me', context=context, Cookie=plain).status == 401
    assert one.stop() == 0


# ---------------------------------------------------------------- the description is true

def misfits(document, schema, value, path=''):
    """Where the value is not as the schema says; of the keywords that our schemas use."""
    if '$ref' in schema:
        schema = document['components']['schemas'][schema['$ref'].rsplit('/', 1)[1]]
    if 'oneOf' in schema:
        return [] if sum(not misfits(document, each, value) for each in schema['oneOf']) == 1 else [path]
    types = schema['type'] if isinstance(schema['type'], list) else [schema['type']]
    kinds = {'string': (str,), 'object': (dict,), 'array': (list,), 'boolean': (bool,), 'null': (type(None),), 'integer': (int,),
             'number': (int, float)}
    fits = any(type(value) in kinds[name] for name in types)
    if not fits or 'enum' in schema and value not in schema['enum']:
        return ['%s: %r' % (path, value)]
    found = []
    if isinstance(value, list):
        for at, each in enumerate(value):
            found += misfits(document, schema['items'], each, '%s[%d]' % (path, at))
    if isinstance(value, dict):
        found += ['%s misses %s' % (path, name) for name in schema.get('required', []) if name not in value]
        for name, each in value.items():
            more = schema.get('additionalProperties', True)
            if name in schema.get('properties', {}):
                found += misfits(document, schema['properties'][name], each, path + '.' + name)
            elif isinstance(more, dict):
                found += misfits(document, more, each, path + '.' + name)
            elif not more:
                found.append('%s has %s' % (path, name))
    return found


def check_answer(document, path, method, answer):
    """What of the answer the description does not have."""
    responses = document['paths'][path][method]['responses']
    if str(answer.status) not in responses:
        return 'status %d' % answer.status
    content = responses[str(answer.status)].get('content')
    if content is None:
        return 'a body' if answer.body else None
    kind = answer.headers['Content-Type'].split(';')[0]
    if kind not in content:
        return kind
    if not kind.endswith('json'):
        return None
    return misfits(document, content[kind]['schema'], answer.json()) or None


HOSTILE = ['', ' ', '\x00', '\x7f', '\u202e', '%00', '../../etc/passwd', "'; DROP TABLE users; --", '{"$ne": null}', '<script>',
           'a' * 300, '\U0001f600' * 64, '-1', '1e999', 'null', '"', '\\', 'admin\r\nX: y', '𝐚𝐝𝐦𝐢𝐧']


def random_value(dice, schema, document, depth=0):
    """Mostly of the schema's type, sometimes anything."""
    if '$ref' in schema:
        schema = document['components']['schemas'][schema['$ref'].rsplit('/', 1)[1]]
    if dice.random() < 0.15 or depth > 5:
        return dice.choice([None, True, 0, -1, 2**53, 2**63, 1.5, [], {}, [[[]]], *HOSTILE])
    kind = schema.get('type', 'object')
    kind = dice.choice(kind) if isinstance(kind, list) else kind
    if 'enum' in schema and dice.random() < 0.8:
        return dice.choice(schema['enum'])
    if kind == 'object':
        return {name: random_value(dice, each, document, depth + 1) for name, each in schema.get('properties', {}).items()
                if dice.random() < (0.9 if name in schema.get('required', []) else 0.4)}
    if kind == 'array':
        return [random_value(dice, schema['items'], document, depth + 1) for _ in range(dice.choice([0, 1, 2, 30]))]
    return {'string': dice.choice(['a%d' % dice.randrange(10**6), 'auditor', 'postgres', '2030-01-02T03:04:05Z', *HOSTILE]),
            'integer': dice.choice([0, 1, 5432, 65536, -1, 10**15]), 'boolean': dice.random() < 0.5, 'null': None}[kind]


def random_request(dice, document, path, method):
    """(target, body, headers)"""
    operation = document['paths'][path][method]
    target = path.replace('{id}', urllib.parse.quote(dice.choice([NOBODY, 'anybody', 'auditor', *HOSTILE]), safe='') or '%20')
    query = {}
    for parameter in operation.get('parameters', []):
        if parameter.get('in') == 'query' and dice.random() < 0.3:
            query[parameter['name']] = dice.choice(['1', '1000', 'true', 'name', '-created_at', *HOSTILE])
    target += '?' + urllib.parse.urlencode(query) if query else ''
    headers, body = dict(ADMIN), None
    if 'requestBody' in operation:
        schema = operation['requestBody']['content']['application/json']['schema']
        body = json.dumps(random_value(dice, schema, document), ensure_ascii=dice.random() < 0.5)
        body = dice.choice([body] * 8 + [body[:-1], ' ' * 70_000 + body])
        body = body.encode('utf-8', 'surrogatepass')
        headers['Content-Type'] = dice.choice(['application/json'] * 9 + ['text/plain'])
    for name in ('If-Match', 'If-None-Match', 'Idempotency-Key'):
        if dice.random() < 0.2:
            headers[name] = dice.choice(['"1"', '*', 'x', '"' * 100, '1' * 300])
    return target, body, headers


# What ends sessions, or answers 400 for forms that the route's own page describes.
NOT_RANDOM = {('/api/v1/auth/logout', 'post')}


def test_random_requests_are_answered_as_described(one):
    seed = random.SystemRandom().randrange(2**32)
    dice = random.Random(seed)
    make(one, 'users', {'name': 'anybody', 'password': PASSWORD, 'roles': ['user']})
    document = call(one, 'GET', '/api/openapi.json', **ADMIN).json()
    operations = [(path, method) for path, methods in document['paths'].items() for method in methods
                  if (path, method) not in NOT_RANDOM]
    cases = []
    for _ in range(2_000 // len(operations) + 1):
        cases += [(path, method, *random_request(dice, document, path, method)) for path, method in operations]

    def check(case):
        path, method, target, body, headers = case
        answer = call(one, method.upper(), target, body, **headers)
        wrong = check_answer(document, path, method, answer)
        is_broken = answer.status >= 500 and answer.status != 501  # 501 says why something is not to be had here.
        return (wrong, method, target, body, answer) if wrong or is_broken else None
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        wrong = [found for found in pool.map(check, cases) if found]
    assert not wrong, (seed, len(wrong), wrong[:5])
    assert len(cases) >= 2_000
    assert one.http('/readyz')[0] == 200


def test_the_page_of_the_description_is_whole(one):
    assert call(one, 'GET', '/api/docs').status == 401
    page = call(one, 'GET', '/api/docs', **basic('a-user'))
    assert page.status == 200 and page.headers['Content-Security-Policy'].startswith("default-src 'self'")
    for path in re.findall(r'(?:src|href)="([^"]+)"', page.body):
        assert call(one, 'GET', path, **basic('a-user')).status == 200

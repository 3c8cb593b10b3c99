"""ringfence import dbbat.

DBBat itself was not available where this was written, so a small HTTP server here gives its documented answers: paths below
/api/v1, envelopes, `limit` and `offset`, times with nine digits, null for empty lists, and errors as {code, message, retry_after}.
What a real DBBat answers otherwise, these tests do not see.
"""
import base64
import http.server
import json
import re
import stat
import subprocess
import threading
import urllib.parse

import psycopg
import pytest

import harness
from cli_client import DENIED, NOT_FOUND, OK, PASSWORD, REFUSED, UNREACHABLE, USAGE, Client

ADMIN, SECRET = 'admin', 'password at DBBat 1'
KEY = 'dbb_0123456789abcdef'
PAST, FUTURE = '2026-01-02T03:04:05.123456789+02:00', '2099-12-31T23:59:59.123456789Z'


def uid(number):
    return '550e8400-e29b-41d4-a716-%012d' % number


def definition(**more):
    return {'uid': uid(500), 'lineage_uid': uid(500), 'name': 'Reading', 'slug': 'reading', 'duration_seconds': 3600,
            'controls': ['read_only'], 'max_query_counts': None, 'max_bytes_transferred': None, 'priority': None,
            'auto_approve': False, 'user_group_uids': [], 'server_group_uids': [], 'approval_patterns': [], 'sample_queries': [],
            'approver_user_group_uids': [], 'is_active': True, **more}


def grant(number, user, server, shape, **more):
    return {'uid': uid(number), 'user_id': uid(user), 'database_id': uid(server), 'grant_definition_id': shape['uid'],
            'granted_by': uid(1), 'starts_at': PAST, 'expires_at': FUTURE, 'revoked_at': None, 'revoked_by': None,
            'created_at': PAST, 'priority': 10, 'definition': shape, 'query_count': 0, 'bytes_transferred': 0, **more}


def records(port):
    """What a DBBat with a bit of everything has."""
    def user(number, name, roles):
        return {'uid': uid(number), 'username': name, 'roles': roles, 'rate_limit_exempt': False, 'created_at': PAST,
                'updated_at': PAST}

    def server(number, name, **more):
        return {'uid': uid(number), 'name': name, 'description': 'The ' + name, 'host': '127.0.0.1', 'port': port,
                'database_name': 'shop', 'username': 'shop_app', 'ssl_mode': 'disable', 'protocol': 'postgresql', 'listable': True,
                'access_approver_user_group_uids': [], 'query_approver_user_group_uids': None, **more}
    reading = definition()
    full = definition(uid=uid(501), name='Full', controls=None, max_query_counts=10, statement_timeout_seconds=30)
    held = definition(uid=uid(502), name='Held', controls=['block_copy', 'block_ddl'], approval_patterns=['(?i)^DELETE'])
    off = definition(uid=uid(503), name='Off', is_active=False)
    return {
        'users': [user(1, 'db-root', ['admin']), user(2, 'db-dev', ['connector']), user(3, 'db-viewer', ['viewer', 'odd']),
                  user(4, 'bad\x01name', None)],
        'databases': [server(11, 'db-shop'), server(12, 'db-far', via_uid=uid(99), ssl_mode='verify-ca', listable=False),
                      server(13, 'db-ora', protocol='oracle'), server(14, 'db-weird', port='5432')],
        'user_groups': [{'uid': uid(21), 'name': 'db-team', 'description': '', 'member_uids': [uid(2)]},
                        {'uid': uid(22), 'name': 'no name \x1b[2J', 'description': '', 'member_uids': None}],
        'server_groups': [{'uid': uid(31), 'name': 'db-fleet', 'description': 'all', 'member_uids': [uid(11)]}],
        'grant_definitions': [reading, full, held, off],
        'grants': [grant(41, 2, 11, reading), grant(42, 2, 11, full, query_count=4, priority=100),
                   grant(43, 2, 11, held), grant(44, 2, 11, off), grant(45, 2, 11, reading, revoked_at=PAST),
                   grant(46, 2, 11, reading, expires_at=PAST), grant(47, 2, 13, reading), grant(48, 77, 11, reading),
                   grant(49, 3, 11, reading, server_group_uid=uid(31)), grant(50, 2, 11, full, query_count=10),
                   grant(51, 2, 11, definition(controls=['other'])), grant(52, 2, 11, reading, expires_at=5),
                   {key: value for key, value in grant(53, 2, 11, {'uid': uid(777)}).items() if key != 'definition'}],
        'keys': [{'id': uid(61), 'user_id': uid(2), 'name': 'ci', 'key_prefix': 'dbb_0123', 'key_type': 'api', 'expires_at': None,
                  'revoked_at': None},
                 {'id': uid(62), 'user_id': uid(2), 'name': 'old', 'key_prefix': 'dbb_4567', 'key_type': 'api', 'expires_at': PAST,
                  'revoked_at': None}],
        'grant_requests': [{'uid': uid(71), 'user_id': uid(2), 'status': 'pending'}],
    }


PATHS = {'users': 'users', 'servers': 'databases', 'user-groups': 'user_groups', 'server-groups': 'server_groups',
         'grant-definitions': 'grant_definitions', 'grants': 'grants', 'keys': 'keys', 'grant-requests': 'grant_requests'}


class Dbbat:
    """Serves records; `odd(handler, path)` may answer in their place, and then says True."""

    def __init__(self, lists, knows_pages=True):
        self.lists, self.odd, self.seen, self.knows_pages, self.page_max = lists, None, [], knows_pages, 1000
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def log_message(self, *words):
                pass

            def send(self, status, body, **headers):
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {'Content-Type': 'application/json', 'Content-Length': str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                outer.answer(self)
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        self.url = 'http://127.0.0.1:%d' % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, handler):
        path, _, query = handler.path.partition('?')
        self.seen.append((handler.path, handler.headers.get('Authorization')))
        if self.odd and self.odd(handler, path):
            return
        basic = 'Basic ' + base64.b64encode(('%s:%s' % (ADMIN, SECRET)).encode()).decode()
        if handler.headers.get('Authorization') not in (basic, 'Bearer ' + KEY):
            handler.send(401, {'code': 'INVALID_CREDENTIALS', 'message': 'wrong user or password'})
        elif path == '/api/v1/auth/me':
            handler.send(200, {'uid': uid(1), 'username': ADMIN, 'roles': ['admin']})
        elif path.removeprefix('/api/v1/') in PATHS:
            member = PATHS[path.removeprefix('/api/v1/')]
            asked = dict(urllib.parse.parse_qsl(query))
            begin, limit = int(asked.get('offset', 0)), min(self.page_max, int(asked.get('limit', 100)))
            some = self.lists[member]
            handler.send(200, {member: (some[begin:begin + limit] or None) if self.knows_pages else some})
        else:
            handler.send(404, {'code': 'NOT_FOUND', 'message': 'no such path'})


@pytest.fixture(scope='module')
def one(target):
    directory = harness.work_directory('clibat')
    made = harness.Appliance(directory, target, store='embedded').start()
    yield made
    code = made.stop()
    harness.remove(directory)
    assert code == 0, made.log_tail()


@pytest.fixture
def admin(one, tmp_path):
    client = Client(one, tmp_path)
    plain = client.run
    client.run = lambda *words, **more: plain(*words, **{'RINGFENCE_URL': client.url, 'RINGFENCE_KEY': harness.TOKEN, **more})
    return client


@pytest.fixture
def dbbat(target):
    made = Dbbat(records(target.port))
    yield made
    made.stop()


def bring(admin, dbbat, *words, given=SECRET + '\n'):
    return admin.run('import', 'dbbat', '--url', dbbat.url, '--user', ADMIN, '--password-stdin', *words, given=given)


def fates(done):
    return {item['name']: (item['what'], item['remark']) for item in done.json()['items']}


# ---------------------------------------------------------------- the import

def test_users_targets_and_grants_are_brought_once(admin, dbbat, tmp_path):
    dry = bring(admin, dbbat, '--dry-run', '--json')
    assert dry.code == OK, dry
    assert fates(dry)['db-dev'][0] == 'would create' and admin.run('users', 'show', 'db-dev').code == NOT_FOUND
    passwords = tmp_path / 'passwords'
    done = bring(admin, dbbat, '--json', '--passwords', str(passwords))
    assert done.code == OK and SECRET not in done.out + done.err, done
    told = fates(done)
    created = {name for name, fate in told.items() if fate[0] == 'created'}
    assert created == {'db-team', 'db-fleet', 'db-root', 'db-dev', 'db-viewer', 'db-shop', 'db-far', 'db-dev on db-shop',
                       'db-viewer on group db-fleet'}

    # Users have a random password, which has to change.
    assert stat.S_IMODE(passwords.stat().st_mode) == 0o600
    given = dict(line.split('\t') for line in passwords.read_text().splitlines())
    assert set(given) == {'db-root', 'db-dev', 'db-viewer'} and len(set(given.values())) == 3
    assert all(value not in done.out + done.err for value in given.values())
    dev = admin.ok('users', 'show', 'db-dev', '--json').json()
    assert dev['must_change_password'] is True and dev['roles'] == ['user'] and dev['groups'] == ['db-team']
    assert admin.ok('users', 'show', 'db-root', '--json').json()['roles'] == []
    assert admin.ok('users', 'show', 'db-viewer', '--json').json()['roles'] == ['auditor']

    # Targets lack their passwords, and one behind a tunnel is off.
    shop = admin.ok('targets', 'show', 'db-shop', '--json').json()
    assert (shop['database'], shop['user'], shop['groups'], shop['password_set_at']) == ('shop', 'shop_app', ['db-fleet'], None)
    assert 'targets update NAME --password' in told['db-shop'][1]
    far = admin.ok('targets', 'show', 'db-far', '--json').json()
    assert (far['enabled'], far['sslmode'], far['sslrootcert']) == (False, 'verify-full', 'system')

    # What there is of grants: one that reads, one with what is left of its budget.
    grants = admin.ok('grants', 'list', 'user=db-dev', '--json').json()['items']
    by_level = {item['level']: item for item in grants}
    assert set(by_level) == {'read', 'ddl'} and len(grants) == 2
    assert by_level['read']['expires_at'] == '2099-12-31T23:59:59.123456Z' and by_level['read']['starts_at'] == '2026-01-02T01:04:05.123456Z'
    assert by_level['read']['controls'] == ['read_only'] and by_level['read']['reason'] == 'imported from DBBat, grant ' + uid(41)
    assert (by_level['ddl']['max_queries'], by_level['ddl']['statement_ms'], by_level['ddl']['priority']) == (6, 30000, 100)
    fleet = admin.ok('grants', 'list', 'user=db-viewer', '--json').json()['items'][0]
    assert fleet['target_group'] == 'db-fleet' and fleet['target'] is None

    # The same again changes nothing.
    again = bring(admin, dbbat, '--json')
    assert again.code == OK and {fate[0] for fate in fates(again).values()} == {'left', 'remark'}
    assert len(admin.ok('grants', 'list', 'user=db-dev', '--json').json()['items']) == 2
    assert bring(admin, dbbat, '--passwords', str(passwords)).code == USAGE

    # With its password a target serves what the grants give.
    admin.ok('targets', 'update', 'db-shop', '--password-stdin', given=harness.APP_PASSWORD + '\n')
    admin.ok('users', 'password', 'db-viewer', '--password-stdin', given=PASSWORD + '\n')
    with psycopg.connect(host='127.0.0.1', port=admin.one.pg_port, user='db-viewer', password=PASSWORD, dbname='db-shop',
                         autocommit=True) as connection:
        assert connection.execute('SELECT count(*) FROM orders').fetchone()[0] > 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute('DELETE FROM orders')


def test_what_is_left_out_is_said(admin, dbbat):
    told = fates(bring(admin, dbbat, '--dry-run', '--json'))

    def left_out(name, why):
        what, remark = told[name]
        assert what == 'remark' and why in remark, (name, told[name])
    left_out('server db-ora', 'oracle')
    left_out('server db-weird', 'port is no whole number')
    left_out('user bad\x01name', 'name')
    left_out('user group no name \x1b[2J', 'name')
    for number, why in [(43, 'approval_patterns'), (44, 'deactivated'), (45, 'revoked'), (46, 'expired'), (47, 'server'), (48, 'user'),
                        (50, 'used up'), (51, 'control'), (52, 'no time'), (53, 'not known')]:
        left_out('grant ' + uid(number), why)
    left_out('key ci of db-dev', 'make another one')
    assert not any('old' in name for name in told if name.startswith('key'))
    left_out('grant definition Reading', 'no counterpart')
    left_out('access request ' + uid(71), 'anew')
    left_out('user db-root', '--admins')
    left_out('user db-viewer', '"odd"')
    # Nothing of it steers a terminal.
    table = bring(admin, dbbat, '--dry-run').out
    assert '\x1b' not in table and '\\u001b[2J' in table


def test_administrators_are_brought_on_demand_and_keys_prove_who_asks(admin, dbbat):
    dbbat.lists = {**dbbat.lists, 'users': [{'uid': uid(1), 'username': 'db-boss', 'roles': ['admin']}], 'grants': []}
    done = admin.run('import', 'dbbat', '--url', dbbat.url + '/api/v1/', '--key-stdin', '--admins', '--json', given=KEY + '\n')
    assert done.code == OK and fates(done)['db-boss'][0] == 'created', done
    assert fates(done)['db-boss'][1].startswith('without a password')
    boss = admin.ok('users', 'show', 'db-boss', '--json').json()
    assert boss['roles'] == ['admin'] and boss['password_set_at'] is None
    assert {proof for _, proof in dbbat.seen} == {'Bearer ' + KEY}


@pytest.mark.parametrize('knows_pages', [True, False])
def test_lists_longer_than_a_page_are_read_to_their_end(admin, dbbat, knows_pages):
    dbbat.knows_pages, dbbat.page_max = knows_pages, 100
    dbbat.lists = {name: [] for name in dbbat.lists}
    dbbat.lists['users'] = [{'uid': uid(1000 + i), 'username': 'page-%04d' % i, 'roles': None} for i in range(234)]
    told = fates(bring(admin, dbbat, '--dry-run', '--json'))
    assert sum(name.startswith('page-') for name in told) == 234


# ---------------------------------------------------------------- answers that are none

def refused(admin, dbbat, odd, code, *texts):
    dbbat.odd = odd
    done = bring(admin, dbbat)
    assert done.code == code and done.out == '', done
    for text in texts:
        assert text in done.err, done
    assert SECRET not in done.err


def on(path, status, body, **headers):
    def odd(handler, asked):
        if asked != path:
            return False
        handler.send(status, body, **headers)
        return True
    return odd


def test_wrong_proofs_and_partial_views_are_refused(admin, dbbat):
    wrong = bring(admin, dbbat, given='nothing\n')
    assert wrong.code == DENIED and 'wrong user or password' in wrong.err and wrong.out == ''
    me = '/api/v1/auth/me'
    refused(admin, dbbat, on(me, 200, {'username': ADMIN, 'roles': ['viewer', 'connector']}), DENIED, 'role admin')
    refused(admin, dbbat, on(me, 200, {'username': ADMIN, 'roles': 'admin'}), DENIED, 'role admin')
    refused(admin, dbbat, on(me, 403, {'code': 'PASSWORD_CHANGE_REQUIRED', 'message': 'change it'}), DENIED, 'change that password')
    refused(admin, dbbat, on(me, 404, {'code': 'NOT_FOUND', 'message': 'nothing'}), NOT_FOUND, 'REST API')


def test_answers_of_another_shape_are_refused_whole(admin, dbbat):
    users = '/api/v1/users'
    for body in ({'people': []}, {'users': {}}, {'users': 'x'}, [], {'users': [7]}, {'users': [{'username': 'x'}]},
                 {'users': [{'uid': 5, 'username': 'x'}]}, {'users': [{'uid': '../x', 'username': 'x'}]}, b'<html>', b'', b'[' * 100000,
                 b'{"users": [], "users": []}', b'\xff\xfe'):
        refused(admin, dbbat, on(users, 200, body), REFUSED, 'DBBat')
    refused(admin, dbbat, on('/api/v1/grants', 500, {'code': 'INTERNAL_ERROR', 'message': 'An internal error \x1b[2J'}), REFUSED, '500', '\\u001b')
    refused(admin, dbbat, on('/api/v1/grants', 503, b'busy'), UNREACHABLE, '503')
    refused(admin, dbbat, on('/api/v1/keys', 404, {'code': 'NOT_FOUND', 'message': 'x'}), NOT_FOUND, 'keys')
    assert admin.run('users', 'show', 'x').code == NOT_FOUND


def test_fields_of_wrong_types_leave_their_record_out(admin, dbbat):
    dbbat.lists = {name: [] for name in dbbat.lists}
    shape = definition()
    dbbat.lists.update(
        users=[{'uid': uid(1), 'username': ['x'], 'roles': {}}, {'uid': uid(2), 'username': 'typed', 'roles': [7, None, {}]}],
        databases=[{'uid': uid(11), 'name': 'typed-shop', 'host': 'h', 'port': -1, 'username': 'u'},
                   {'uid': uid(12), 'name': 'typed-two', 'host': 'h', 'port': 5432, 'username': 'u', 'database_name': 'd'}],
        grants=[grant(41, 2, 12, shape, definition={'controls': 'read_only'}), grant(42, 2, 12, shape, definition=[]),
                grant(43, 2, 12, {**shape, 'max_query_counts': 'many'}), grant(44, 2, 12, {**shape, 'approval_patterns': 'x'}),
                grant(45, 2, 12, shape, starts_at={}), grant(46, 2, 12, shape, user_id=7),
                grant(47, 2, 12, {**shape, 'statement_timeout_seconds': 'x'}), grant(48, 2, 12, {**shape, 'uid': uid(9)}, query_count='x')])
    told = fates(bring(admin, dbbat, '--dry-run', '--json'))
    assert {name for name, fate in told.items() if fate[0] == 'would create'} == {'typed', 'typed-two', 'typed on typed-two'}
    for number in (41, 42, 43, 44, 45, 46, 47):
        assert told['grant ' + uid(number)][0] == 'remark', told


def test_a_redirect_gets_no_credential(admin, dbbat):
    elsewhere = Dbbat({})
    try:
        refused(admin, dbbat, on('/api/v1/users', 302, b'', Location=elsewhere.url + '/api/v1/users'), REFUSED, 'leads elsewhere')
        assert elsewhere.seen == []
    finally:
        elsewhere.stop()


def test_lists_without_an_end_and_huge_answers_are_cut_off(admin, dbbat):
    def endless(handler, path):
        if path != '/api/v1/users':
            return False
        begin = int(dict(urllib.parse.parse_qsl(handler.path.partition('?')[2]))['offset'])
        handler.send(200, {'users': [{'uid': uid(begin + i), 'username': 'u', 'roles': []} for i in range(100)]})
        return True
    refused(admin, dbbat, endless, REFUSED, 'goes on with users after 12000')
    same = {'users': [{'uid': uid(7), 'username': 'again', 'roles': []}] * 500}
    dbbat.odd = on('/api/v1/users', 200, same)
    assert [item['name'] for item in bring(admin, dbbat, '--dry-run', '--json').json()['items']].count('again') == 1

    def huge(handler, path):
        if path != '/api/v1/users':
            return False
        handler.send_response(200)
        handler.send_header('Connection', 'close')
        handler.end_headers()
        try:
            handler.wfile.write(b'{"users": ["')
            for _ in range(64):
                handler.wfile.write(b'x' * (1 << 20))
        except OSError:
            pass  # The client has had enough.
        handler.close_connection = True
        return True
    refused(admin, dbbat, huge, REFUSED, 'longer than 16 MiB')


def test_a_dbbat_that_is_busy_is_asked_again(admin, dbbat):
    left = [2]

    def busy(handler, path):
        if path != '/api/v1/grants' or left[0] == 0:
            return False
        left[0] -= 1
        handler.send(429, {'code': 'RATE_LIMITED', 'message': 'Too many requests.', 'retry_after': 1}, **{'Retry-After': '1'})
        return True
    dbbat.odd = busy
    done = bring(admin, dbbat, '--dry-run')
    assert done.code == OK and 'follows in 1 s' in done.err and left == [0], done


def test_the_way_to_dbbat_is_checked(admin, dbbat):
    for words in (('--url', 'http://dbbat.example:4200', '--user', 'x', '--password-stdin'), ('--url', dbbat.url),
                  ('--url', dbbat.url, '--user', 'x', '--key-stdin'), ()):
        done = admin.run('import', 'dbbat', *words, given='x\n')
        assert done.code == USAGE, (words, done)
    assert '--from-insecure-http' in admin.run('import', 'dbbat', '--url', 'http://dbbat.example', '--user', 'x').err
    dbbat.stop()
    gone = bring(admin, dbbat)
    assert gone.code == UNREACHABLE and 'does DBBat run' in gone.err
    # Neither of the two gets the other's credential.
    assert all(harness.TOKEN not in (proof or '') for _, proof in dbbat.seen)


# ---------------------------------------------------------------- settings

ENVIRONMENT = """# Its environment
DBB_DSN=postgres://dbbat:very-secret@db/dbbat
export DBB_LISTEN_PG=":6543"
DBB_LISTEN_API='127.0.0.1:4200'  # local
DBB_PG_TLS_CERT_FILE=/etc/dbbat/pg.crt
DBB_PG_TLS_KEY_FILE=/etc/dbbat/pg.key
DBB_LOG_LEVEL=warn
DBB_INSTANCE_ID=bat-1
DBB_QUERY_STORAGE_RETENTION=721h
DBB_QUERY_STORAGE_STORE_RESULTS=true
DBB_LISTEN_ORA=:1522
DBB_OIDC_CLIENT_SECRET=oidc-secret
DBB_NEW_THING=1
OTHER=not read
"""


def test_settings_become_a_configuration(admin, tmp_path):
    file = tmp_path / 'dbbat.env'
    file.write_text(ENVIRONMENT)
    done = admin.ok('import', 'dbbat', '--env', str(file), '--json')
    assert 'secret' not in done.out
    told = {item['name']: (item.get('line'), item['remark']) for item in done.json()['items']}
    assert set(told) == {'DBB_DSN', 'DBB_LISTEN_API', 'DBB_QUERY_STORAGE_STORE_RESULTS', 'DBB_LISTEN_ORA', 'DBB_OIDC_CLIENT_SECRET',
                         'DBB_NEW_THING'}
    assert told['DBB_LISTEN_ORA'][0] == 11 and 'no counterpart' in told['DBB_LISTEN_ORA'][1]
    text = done.json()['configuration']
    for line in ('node: "bat-1"', '  level: "warning"', '    address: "0.0.0.0"', '    port: 6543',
                 '    tls_certificate_file: "/etc/dbbat/pg.crt"', '  address: "127.0.0.1"', '  port: 4200', '  retention_days: 31'):
        assert re.search('^%s$' % re.escape(line), text, re.M), (line, text)
    # It is what the appliance reads, once the certificate is there and a token is given.
    config = tmp_path / 'ringfence.yaml'
    config.write_text(re.sub(r'^    tls_.*\n', '', text, flags=re.M) + 'state_dir: %s\n' % tmp_path)
    checked = subprocess.run([admin.one.binary, 'check', '--config', str(config)], capture_output=True, text=True, check=False,
                             env={**harness.clean_environment(), 'RINGFENCE_ADMIN_TOKEN': 'token-for-a-check-1'})
    assert checked.returncode == 0, checked
    table = admin.ok('import', 'dbbat', '--env', str(file)).out
    assert 'DBB_DSN' in table and table.endswith(text)
    assert admin.run('import', 'dbbat', '--env', str(tmp_path / 'none')).code == REFUSED

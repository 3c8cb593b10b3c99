"""The command line client against an appliance: logins, records, sessions, exit statuses, completion."""
import json
import os
import re
import shutil
import signal
import stat
import subprocess

import psycopg
import pytest

import certificates
import harness
from cli_client import CONFLICT, DENIED, NOT_FOUND, OK, PASSWORD, REFUSED, UNREACHABLE, USAGE, Client


@pytest.fixture(scope='module')
def one(target):
    directory = harness.work_directory('cli')
    made = harness.Appliance(directory, target, store='embedded').start()
    yield made
    code = made.stop()
    harness.remove(directory)
    assert code == 0, made.log_tail()


@pytest.fixture
def client(one, tmp_path):
    return Client(one, tmp_path)


@pytest.fixture(scope='module')
def people(one, tmp_path_factory):
    """An administrator, an auditor, and somebody without a role."""
    admin = Client(one, tmp_path_factory.mktemp('people'))
    for name, roles in [('root-ana', 'roles=admin'), ('aud', 'roles=auditor'), ('plain', 'roles=')]:
        done = admin.as_token('users', 'create', name, roles, '--password-stdin', given=PASSWORD + '\n')
        assert done.code == OK, done
    return one


@pytest.fixture
def admin(people, client):
    client.log_in('root-ana')
    return client


# ---------------------------------------------------------------- logins

def test_a_login_makes_a_key_and_a_logout_revokes_it(people, client):
    assert client.run('users', 'list').code == DENIED
    done = client.log_in('root-ana')
    assert 'logged in to %s as root-ana' % client.url in done.out
    assert stat.S_IMODE(client.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(client.file.parent.stat().st_mode) == 0o700
    context = list(json.loads(client.file.read_text())['contexts'].values())[0]
    key = context['key']
    assert key.startswith('rf_') and key not in done.out + done.err and PASSWORD not in client.file.read_text()
    record = client.ok('keys', 'show', context['key_id'], '--json').json()
    assert re.fullmatch(r'cli-[A-Za-z0-9_-]+-[0-9a-f]{8}', record['name']) and record['user'] == 'root-ana'
    assert record['expires_at'].rstrip('Z') == context['expires_at'].rstrip('Z')
    who = client.ok('whoami').out
    assert re.search(r'^name +root-ana$', who, re.M) and re.search(r'^proof +api key$', who, re.M)
    # A new login to the same place takes the old key's place and revokes it.
    client.log_in('root-ana')
    assert client.run('whoami', RINGFENCE_URL=client.url, RINGFENCE_KEY=key).code == DENIED
    second = list(json.loads(client.file.read_text())['contexts'].values())[0]['key']
    client.ok('logout')
    assert json.loads(client.file.read_text())['contexts'] == {}
    assert client.run('whoami', RINGFENCE_URL=client.url, RINGFENCE_KEY=second).code == DENIED
    after = client.run('users', 'list')
    assert after.code == DENIED and 'ringfence login --url' in after.err


def test_what_a_login_refuses(people, client):
    def refused():
        done = client.run('login', '--url', client.url, '--user', 'root-ana', '--password-stdin', given='nope\n')
        return None if done.code == UNREACHABLE else done
    wrong = harness.eventually(refused, 30)
    assert wrong.code == DENIED and 'password is wrong' in wrong.err and 'nope' not in wrong.err
    assert client.run('login', '--url', client.url, '--user', 'root-ana').code == USAGE
    assert client.run('login', '--url', client.url, '--password-stdin', given='x').code == USAGE
    far = client.run('login', '--url', 'http://192.0.2.1:8432', '--user', 'a', '--password-stdin', given='x')
    assert far.code == USAGE and '--insecure-http' in far.err
    nobody = client.run('login', '--url', 'http://127.0.0.1:%d' % harness.free_port(), '--user', 'a', '--password-stdin',
                        given='x')
    assert nobody.code == UNREACHABLE and 'does not answer' in nobody.err
    no_key = client.run('login', '--url', client.url, '--user', 'plain', '--password-stdin', given=PASSWORD)
    assert no_key.code == DENIED and 'keys:write' in no_key.err and '--key-stdin' in no_key.err
    assert json.loads(client.file.read_text())['contexts'] == {}


def test_a_password_that_must_change_changes_at_the_login(people, client):
    for name in ('due', 'due2', 'due3'):
        client.as_token('users', 'create', name, 'roles=admin', 'must_change_password=true', '--password-stdin',
                        given=PASSWORD)
    alone = client.run('login', '--url', client.url, '--user', 'due', '--password-stdin', given=PASSWORD + '\n')
    assert alone.code == USAGE and 'second line' in alone.err
    client.ok('login', '--url', client.url, '--user', 'due', '--password-stdin', given=PASSWORD + '\n' + PASSWORD + '8\n')
    assert re.search('^name +due$', client.ok('whoami').out, re.M)
    weak = client.run('login', '--url', client.url, '--user', 'due2', '--password-stdin', given=PASSWORD + '\npassword\n')
    assert weak.code == REFUSED and 'new_password' in weak.err
    done = client.typed('login', '--url', client.url, '--user', 'due3', answers=[
        ('Password:', PASSWORD + '\n'), ('New password:', PASSWORD + '9\n'), ('New password again:', PASSWORD + '9\n')])
    assert done.code == OK and PASSWORD not in done.out, done


def test_a_login_at_a_terminal_shows_no_password_and_leaves_the_terminal_as_it_was(people, client):
    done = client.typed('login', '--url', client.url, answers=[('User:', 'root-ana\n'), ('Password:', PASSWORD + '\n')])
    assert done.code == OK and 'logged in' in done.out and PASSWORD not in done.out
    ended = client.typed('login', '--url', client.url, '--user', 'root-ana', answers=[('Password:', '\x03')])
    assert ended.code == -signal.SIGINT


def test_a_key_that_was_given_is_kept_and_not_revoked(admin, people, tmp_path):
    key = admin.ok('keys', 'create', 'given', 'scopes=users:read', '--json').json()['key']
    other = Client(people, tmp_path / 'other')
    other.home.mkdir()
    other.ok('login', '--url', other.url, '--key-stdin', '--context', 'lab', given=key + '\n')
    assert other.ok('context', 'show', '--json').json()['name'] == 'lab'
    assert other.run('roles', 'list').code == DENIED
    done = other.ok('logout')
    assert 'not revoked' in done.err
    assert other.run('users', 'list', RINGFENCE_URL=other.url, RINGFENCE_KEY=key).code == OK
    bad = other.run('login', '--url', other.url, '--key-stdin', given='rf_nothing\n')
    assert bad.code == DENIED and 'rf_nothing' not in bad.err


def test_contexts_and_the_environment_choose_the_appliance(admin, own):
    admin.log_in('root-ana', PASSWORD, '--context', 'second')
    listed = admin.ok('context', 'list')
    assert len(listed.out.splitlines()) == 3 and re.search(r'^\* +second ', listed.out, re.M)
    names = admin.ok('context', 'list', '--names').out.split()
    assert len(names) == 2 and 'second' in names
    first = next(name for name in names if name != 'second')
    admin.ok('context', 'use', first)
    assert admin.ok('context', 'show', '--json').json()['name'] == first
    assert admin.run('context', 'use', 'nobody').code == NOT_FOUND
    assert admin.run('users', 'list', '--context', 'nobody').code == DENIED
    assert admin.run('users', 'list', RINGFENCE_CONTEXT='nobody').code == DENIED
    assert admin.ok('users', 'list', RINGFENCE_CONTEXT='second').out
    # A context's key goes to its own URL alone.
    elsewhere = admin.run('users', 'list', '--url', 'http://127.0.0.1:1')
    assert elsewhere.code == USAGE and 'RINGFENCE_KEY' in elsewhere.err
    assert 'key' not in admin.ok('context', 'show', '--json').json()
    kept = admin.run('context', 'remove', 'second')
    assert kept.code == USAGE and '--yes' in kept.err
    admin.ok('context', 'remove', 'second', '--yes')
    assert admin.ok('context', 'list', '--names').out.split() == [first]


def test_a_contexts_file_that_others_may_read_is_refused(admin):
    admin.file.chmod(0o644)
    done = admin.run('users', 'list')
    assert done.code == REFUSED and 'chmod 600' in done.err
    admin.file.chmod(0o600)
    admin.file.write_text('{"version": 1, "contexts": 7}')
    done = admin.run('users', 'list')
    assert done.code == REFUSED and 'log in again' in done.err


def test_tls_is_checked_against_the_named_authority(own, tmp_path):
    authority = certificates.Authority(tmp_path / 'tls')
    certificate, key = authority.issue('good', '/CN=localhost', 'DNS:localhost')
    made = own(store='embedded', admin={'tls': 'require', 'token': harness.TOKEN},
               tls={'certificate_file': str(certificate), 'key_file': str(key)})
    made.start(ready=False)
    client = Client(made, tmp_path)
    client.url = 'https://localhost:%d' % made.admin_port
    trusted = {'RINGFENCE_CACERT': str(authority.certificate)}
    harness.eventually(lambda: client.as_token('status', **trusted).code == OK, 60, what='the appliance by TLS')
    stranger = client.as_token('whoami')
    assert stranger.code == UNREACHABLE and '--cacert' in stranger.err
    other_name = client.run('whoami', RINGFENCE_URL=client.url.replace('localhost', '127.0.0.1'), RINGFENCE_KEY='x', **trusted)
    assert other_name.code == UNREACHABLE
    assert client.as_token('whoami', '--cacert', '/nowhere').code == USAGE
    # The context keeps the authority, by its whole path.
    relative = os.path.relpath(authority.certificate)
    client.ok('login', '--url', client.url, '--key-stdin', '--cacert', relative, given=harness.TOKEN)
    assert client.ok('context', 'show', '--json').json()['cacert'] == str(authority.certificate)
    client.ok('users', 'list')
    assert made.stop() == 0


# ---------------------------------------------------------------- records

def test_records_from_creation_to_deletion(admin):
    made = admin.ok('roles', 'create', 'analyst', 'description=Reads, mostly', 'priority=7')
    assert re.fullmatch(r'created role analyst \([0-9a-f-]{36}, version 1\)\n', made.out)
    admin.ok('users', 'create', 'eva', 'roles=analyst,auditor', 'expires_at=2099-01-01', 'display_name=Eva = E',
             '--password-stdin', given=PASSWORD + '\n')
    user = admin.ok('users', 'show', 'eva', '--json').json()
    assert sorted(user['roles']) == ['analyst', 'auditor'] and user['expires_at'] == '2099-01-01T00:00:00.000000Z'
    assert user['display_name'] == 'Eva = E' and user['password_set_at']
    shown = admin.ok('users', 'show', user['id']).out
    assert re.search(r'^roles +(analyst,auditor|auditor,analyst)$', shown, re.M)
    assert re.search(r'^email +-$', shown, re.M)
    admin.ok('users', 'update', 'eva', 'roles=-auditor,+user', 'email=eva@example.org')
    admin.ok('users', 'set', 'eva', 'expires_at=null', 'enabled=false')
    user = admin.ok('users', 'show', 'eva', '--json').json()
    assert sorted(user['roles']) == ['analyst', 'user'] and user['enabled'] is False and user['expires_at'] is None
    table = admin.ok('users', 'list', 'roles=analyst').out.splitlines()
    assert table[0].split()[0] == 'NAME' and len(table) == 2 and table[1].startswith('eva ')
    begin = table[0].index('EMAIL')
    assert table[1][begin:].startswith('eva@example.org')
    admin.ok('users', 'delete', 'eva', '--yes')
    assert admin.run('users', 'show', 'eva').code == NOT_FOUND
    admin.ok('roles', 'delete', 'analyst', '--yes')


def test_a_record_from_a_file_with_words_that_win(admin, tmp_path):
    record = tmp_path / 'record.json'
    record.write_text(json.dumps({'name': 'filed', 'description': 'from the file', 'permissions': ['users:read']}))
    admin.ok('roles', 'create', '--file', str(record), 'description=from the word')
    role = admin.ok('roles', 'show', 'filed', '--json').json()
    assert role['description'] == 'from the word' and role['permissions'] == ['users:read']
    admin.ok('roles', 'update', 'filed', '--file', '-', given='{"description": null}')
    assert admin.ok('roles', 'show', 'filed', '--json').json()['description'] is None
    broken = admin.run('roles', 'update', 'filed', '--file', '-', given='{"description": ')
    assert broken.code == USAGE
    assert admin.run('roles', 'update', 'filed', '--file', str(tmp_path / 'nothing')).code == REFUSED
    both = admin.run('users', 'create', 'x', '--file', '-', '--password-stdin', given='{}')
    assert both.code == USAGE and 'standard input' in both.err


def test_refusals_have_an_exit_status_of_their_own(admin, people, tmp_path):
    admin.ok('roles', 'create', 'statuses')
    taken = admin.run('roles', 'create', 'statuses')
    assert taken.code == CONFLICT, taken
    invalid = admin.run('users', 'create', 'a-user', 'roles=nobody-has-it')
    assert invalid.code == REFUSED and re.search(r'^  roles\[0\]: ', invalid.err, re.M)
    unknown = admin.run('users', 'create', 'a-user', 'rolls=x')
    assert unknown.code == USAGE and 'did you mean roles' in unknown.err
    assert admin.run('users', 'show', 'nobody').code == NOT_FOUND
    assert admin.run('users', 'lists').code == USAGE
    assert admin.run('users').code == USAGE
    assert admin.run('users', 'list', '--limit', 'x').code == USAGE
    assert admin.run('users', 'list', 'password=x').code == USAGE
    secret = admin.run('users', 'update', 'root-ana', 'password=hunter22')
    assert secret.code == USAGE and 'hunter22' not in secret.err
    assert admin.run('users', 'update', 'root-ana').code == USAGE
    stale = admin.run('roles', 'update', 'statuses', 'priority=1', '--if-version', '99')
    assert stale.code == CONFLICT
    assert admin.run('roles', 'delete', 'statuses', '--yes', '--if-version', '99').code == CONFLICT
    # Who lacks the scope does not hear that a record is not there, but what is missing.
    auditor = Client(people, tmp_path / 'aud')
    auditor.home.mkdir()
    key = admin.ok('keys', 'create', 'aud-key', 'scopes=users:read', '--json').json()['key']
    auditor.ok('login', '--url', auditor.url, '--key-stdin', given=key)
    lacking = auditor.run('users', 'delete', 'root-ana', '--yes')
    assert lacking.code == DENIED and 'users:write' in lacking.err
    assert auditor.run('users', 'show', 'nobody').code == NOT_FOUND
    assert auditor.run('sessions', 'list').code == DENIED


def test_a_deletion_asks_at_a_terminal_and_needs_a_word_without(admin):
    for name in ('gone-1', 'gone-2'):
        admin.ok('groups', 'create', name)
    silent = admin.run('groups', 'delete', 'gone-1')
    assert silent.code == USAGE and '--yes' in silent.err
    no = admin.typed('groups', 'delete', 'gone-1', 'gone-2', answers=[('[y/N]', 'n\n')])
    assert no.code == REFUSED and 'gone-1, gone-2' in no.out
    admin.ok('groups', 'show', 'gone-1')
    assert admin.typed('groups', 'delete', 'gone-1', 'gone-2', answers=[('[y/N]', 'y\n')]).code == OK
    assert admin.run('groups', 'show', 'gone-2').code == NOT_FOUND


def test_lists_are_paged_and_printed_as_json_or_columns(admin):
    for number in range(5):
        admin.ok('groups', 'create', 'page-%d' % number)
    names = [item['name'] for item in admin.ok('groups', 'list', '--all', '--sort', 'name', '--json').json()['items']]
    assert [name for name in names if name.startswith('page-')] == ['page-%d' % number for number in range(5)]
    part = admin.ok('groups', 'list', '--limit', '2', '--sort', '-name')
    assert len(part.out.splitlines()) == 3 and 'there are more' in part.err
    cursor = admin.ok('groups', 'list', '--limit', '2', '--sort', 'name', '--json').json()
    rest = admin.ok('groups', 'list', '--sort', 'name', '--cursor', cursor['next_cursor'], '--json').json()
    assert [item['name'] for item in cursor['items'] + rest['items']] == names and rest['next_cursor'] is None
    columns = admin.ok('groups', 'list', '--columns', 'id,name').out.splitlines()[0]
    assert columns.split() == ['ID', 'NAME']
    assert admin.run('groups', 'list', '--columns', 'colour').code == USAGE
    assert admin.run('groups', 'list', '--all', '--limit', '2').code == USAGE
    assert admin.ok('groups', 'list', 'name=nobody', '--json').json() == {'items': [], 'next_cursor': None}
    assert admin.ok('groups', 'list', 'name=nobody').out.split() == ['NAME']
    assert 'created_by'.upper() in admin.ok('groups', 'list', '--columns', 'all').out


def test_policies_and_grants_are_in_force_when_the_command_ends(admin, target):
    admin.ok('targets', 'create', 'granted', 'hosts=127.0.0.1', 'port=%d' % target.port, 'database=shop', 'user=shop_app',
             'sslmode=disable', 'tags=granted', '--password-stdin', given=harness.APP_PASSWORD + '\n')
    admin.ok('users', 'create', 'gus', '--password-stdin', given=PASSWORD + '\n')

    def ask(statement):
        with psycopg.connect(host='127.0.0.1', port=admin.one.pg_port, user='gus', password=PASSWORD, dbname='granted',
                             autocommit=True) as connection:
            return connection.execute(statement).fetchone()
    with pytest.raises(psycopg.OperationalError):
        ask('SELECT 1')
    made = admin.ok('grants', 'create', 'user=gus', 'target=granted', 'expires_at=+1h', 'reason=a test').out
    grant = re.fullmatch(r'created grant ([0-9a-f-]{36}) \(version 1\)\n', made)[1]
    assert ask('SELECT 1') == (1,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask('DELETE FROM orders')
    listed = admin.ok('grants', 'list', 'user=gus', '--json').json()['items']
    assert [(one['target'], one['level']) for one in listed] == [('granted', 'read')]
    admin.ok('grants', 'delete', grant, '--yes')
    with pytest.raises(psycopg.OperationalError):
        ask('SELECT 1')
    admin.ok('roles', 'create', 'granters')
    admin.ok('users', 'update', 'gus', 'roles=+granters')
    admin.ok('policies', 'create', 'granted', 'roles=granters', 'tags=granted', 'whitelist=["^SELECT 2, 3$"]',
             'deny=[{"kinds": ["drop_*"], "message": "no"}]', 'metadata=team:data,env:lab')
    assert ask('SELECT 2, 3') == (2, 3)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask('SELECT 2')
    policy = admin.ok('policies', 'update', 'granted', 'metadata=-env,+owner:ana', 'whitelist=null', '--json').json()
    assert policy['metadata'] == {'team': 'data', 'owner': 'ana'} and policy['whitelist'] is None
    assert policy['deny'][0]['message'] == 'no'
    assert ask('SELECT 2') == (2,)
    assert admin.run('policies', 'update', 'granted', 'deny=drop').code == USAGE
    admin.ok('policies', 'delete', 'granted', '--yes')
    admin.ok('targets', 'delete', 'granted', '--yes')


def routes(admin):
    return admin.ok('api', 'GET', '/api/openapi.json').json()['paths']


def test_the_configuration_and_its_versions(admin):
    if '/api/v1/config/versions' not in routes(admin):
        pytest.skip('this appliance has no versions of its configuration')
    shown = admin.ok('config', 'show')
    assert 'listeners:' in shown.out and harness.APP_PASSWORD not in shown.out
    version = admin.ok('config', 'show', '--json').json()['version']
    assert re.search(r'^%d +' % version, admin.ok('config', 'versions').out, re.M)
    assert admin.ok('config', 'show', str(version), '--json').json()['version'] == version
    assert admin.ok('config', 'diff', str(version)).out.split()[0] == 'FIELD'
    assert admin.run('config', 'show', '99999').code == NOT_FOUND
    assert admin.run('config', 'rollback', '1').code == USAGE


def test_a_target_is_tested(admin, target):
    if '/api/v1/targets/{id}/test' not in routes(admin):
        pytest.skip('this appliance tests no targets')
    for name, password, code in [('reached', harness.APP_PASSWORD, OK), ('unreached', 'wrong', REFUSED)]:
        admin.ok('targets', 'create', name, 'hosts=127.0.0.1', 'port=%d' % target.port, 'database=shop', 'user=shop_app',
                 'sslmode=disable', '--password-stdin', given=password + '\n')
        tested = admin.run('targets', 'test', name)
        assert tested.code == code, tested
        admin.ok('targets', 'delete', name, '--yes')
    assert 'authenticate' in tested.err
    assert admin.run('targets', 'test', 'nobody').code == NOT_FOUND


PORT_AUTHORIZING = """
server:
  port: 8080
auth:
  users:
    - {username: pa-dev, password: 'secret for dev 1', roles: [pa-developer]}
    - {username: pa-weak, password: 'a', roles: [admin]}
connections:
  - name: pa-shop
    type: postgres
    host: 127.0.0.1
    port: %d
    tags: [pa-test]
    backend_username: shop_app
    backend_password: %s
    backend_database: shop
  - {name: pa-web, type: http, host: localhost, port: 80}
policies:
  - {name: pa-readers, roles: [pa-developer], tags: [pa-test], whitelist: ['^SELECT count']}
  - {name: pa-broken, roles: [pa-developer], whitelist: ['(?!WHERE)']}
"""


def test_a_port_authorizing_configuration_is_imported_once(admin, target, tmp_path):
    config = tmp_path / 'config.yaml'
    config.write_text(PORT_AUTHORIZING % (target.port, harness.APP_PASSWORD))

    def imported(*words):
        done = admin.run('import', 'port-authorizing', str(config), '--json', *words)
        fates = {item['name']: (item['what'], item['remark']) for item in done.json()['items']}
        assert harness.APP_PASSWORD not in done.out and 'secret for dev' not in done.out
        return done.code, fates
    code, fates = imported('--dry-run')
    assert code == OK and fates['pa-shop'][0] == 'would create'
    assert admin.run('targets', 'show', 'pa-shop').code == NOT_FOUND
    code, fates = imported()
    assert code == REFUSED and fates['pa-broken'][0] == 'failed' and 'whitelist' in fates['pa-broken'][1]
    assert {name for name, fate in fates.items() if fate[0] == 'created'} == \
        {'pa-developer', 'imported-admin', 'pa-dev', 'pa-weak', 'pa-shop', 'pa-readers'}
    assert 'too weak' in fates['pa-weak'][1] and 'http' in fates['connections[1]'][1]
    assert fates['server.port'] == ('remark', 'has no counterpart')
    assert admin.ok('users', 'show', 'pa-weak', '--json').json()['roles'] == ['imported-admin']
    config.write_text(config.read_text().replace("(?!WHERE)", '^SELECT 1$'))
    code, fates = imported()
    assert code == OK and fates['pa-broken'][0] == 'created' and fates['pa-dev'] == ('left', 'exists already')
    admin.ok('users', 'password', 'pa-dev', '--password-stdin', given=PASSWORD)
    with psycopg.connect(host='127.0.0.1', port=admin.one.pg_port, user='pa-dev', password=PASSWORD, dbname='pa-shop',
                         autocommit=True) as connection:
        assert connection.execute('SELECT count(*) FROM orders').fetchone()[0] > 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute('SELECT * FROM orders')
    table = admin.ok('import', 'port-authorizing', str(config)).out
    assert re.search(r'^left +target +pa-shop +9 +exists already$', table, re.M), table
    config.write_text('listeners: []')
    assert admin.run('import', 'port-authorizing', str(config)).code == USAGE


def test_a_key_is_shown_once(admin):
    made = admin.ok('keys', 'create', 'once', 'expires_at=+1d')
    key = re.search(r'^key: (rf_\S+)$', made.out, re.M)[1]
    assert 'shown this once' in made.err
    assert key not in admin.ok('keys', 'show', 'once').out
    assert admin.run('whoami', RINGFENCE_URL=admin.url, RINGFENCE_KEY=key).code == OK
    admin.ok('keys', 'delete', 'once', '--yes')
    assert admin.run('whoami', RINGFENCE_URL=admin.url, RINGFENCE_KEY=key).code == DENIED


def test_passwords_are_set_and_changed(admin, one):
    admin.ok('users', 'create', 'pat', 'roles=admin', '--password-stdin', given=PASSWORD)
    admin.ok('users', 'password', 'pat', '--password-stdin', '--must-change', given=PASSWORD + '1\n')
    assert admin.ok('users', 'show', 'pat', '--json').json()['must_change_password'] is True
    admin.ok('login', '--url', admin.url, '--user', 'pat', '--password-stdin', given=PASSWORD + '1\n' + PASSWORD + '2\n')
    admin.ok('users', 'password', '--password-stdin', given=PASSWORD + '2\n' + PASSWORD + '3\n')
    wrong = admin.run('users', 'password', '--password-stdin', given='no\n' + PASSWORD + '3\n')
    assert wrong.code == DENIED and PASSWORD not in wrong.err
    typed = admin.typed('users', 'password', answers=[('current password:', PASSWORD + '3\n'), ('new password:', PASSWORD + '4\n'),
                                                      ('new password again:', PASSWORD + '4\n')])
    assert typed.code == OK and PASSWORD not in typed.out
    admin.log_in('pat', PASSWORD + '4')
    differ = admin.typed('users', 'create', 'qat', '--password', answers=[('password:', 'one thing 1\n'),
                                                                          ('password again:', 'other thing 1\n')])
    assert differ.code == USAGE and 'not the same' in differ.out
    assert admin.run('users', 'create', 'qat', '--password').code == USAGE


def test_a_targets_password_is_never_on_the_command_line(admin, target):
    admin.ok('targets', 'create', 'cli-shop', 'hosts=127.0.0.1', 'port=%d' % target.port, 'database=shop', 'user=shop_app',
             'sslmode=disable', 'tags=e2e,cli', '--password-stdin', given=harness.APP_PASSWORD + '\n')
    record = admin.ok('targets', 'show', 'cli-shop', '--json').json()
    assert record['password_set_at'] and 'password' not in record
    assert harness.APP_PASSWORD not in admin.ok('targets', 'show', 'cli-shop').out
    with psycopg.connect(host='127.0.0.1', port=admin.one.pg_port, user='alice', password=harness.USERS['alice'],
                         dbname='cli-shop') as connection:
        assert connection.execute('SELECT current_user').fetchone() == ('shop_app',)
    admin.ok('targets', 'delete', 'cli-shop', '--yes')


def test_what_others_wrote_cannot_command_the_terminal(admin):
    with psycopg.connect(host='127.0.0.1', port=admin.one.pg_port, user='alice', password=harness.USERS['alice'],
                         dbname='shop', application_name='a\u009b2J\u202eb') as connection:
        connection.execute('SELECT 1')
        listed = admin.ok('sessions', 'list', '--columns', 'id,application_name')
        as_json = admin.ok('sessions', 'list', '--json')
    for text in (listed.out, as_json.out):
        assert '\u009b' not in text and '\u202e' not in text
    assert '\\u009b' in listed.out or 'application_name'.upper() in listed.out
    json.loads(as_json.out)


# ---------------------------------------------------------------- sessions, status, any operation

def test_sessions_are_listed_shown_and_ended(admin):
    connection = psycopg.connect(host='127.0.0.1', port=admin.one.pg_port, user='bob', password=harness.USERS['bob'],
                                 dbname='shop', autocommit=True)
    rows = admin.ok('sessions', 'list', 'user=bob', '--json').json()['items']
    assert [row['user'] for row in rows] == ['bob']
    identity = rows[0]['id']
    assert re.search(r'^target +shop$', admin.ok('sessions', 'show', identity).out, re.M)
    assert admin.ok('sessions', 'list', 'user=bob', 'target=nowhere', '--json').json()['items'] == []
    assert admin.run('sessions', 'list', 'state=idle').code == USAGE
    assert admin.run('sessions', 'end', identity).code == USAGE
    assert 'is ending' in admin.ok('sessions', 'end', identity, '--yes').out

    def has_ended():
        try:
            connection.execute('SELECT 1')
        except psycopg.OperationalError:
            return True
        return False
    harness.eventually(has_ended, what='the session to end')
    harness.eventually(lambda: admin.run('sessions', 'show', identity).code == NOT_FOUND, what='the session to be gone')
    assert admin.run('sessions', 'show', 'no-uuid').code == REFUSED


def test_the_status_of_the_appliance(admin):
    assert re.search(r'^state +ready$', admin.ok('status').out, re.M)
    assert admin.ok('status', '--json').json()['state'] == 'ready'


def test_any_operation_is_reachable(admin):
    listed = admin.ok('api', '--list').out
    document = admin.ok('api', 'GET', '/api/openapi.json').json()
    for path, methods in document['paths'].items():
        for method in methods:
            assert re.search(r'^%s +%s ' % (method.upper(), re.escape(path)), listed, re.M), (method, path)
    asked = admin.ok('api', 'POST', '/api/v1/policy/explain', '--data', '-',
                     given=json.dumps({'user': 'alice', 'target': 'shop', 'statement': 'SELECT 1'})).json()
    assert asked['allowed'] is True
    assert 'ringfence_ready 1' in admin.ok('api', 'GET', '/metrics').out
    admin.ok('api', 'POST', '/api/v1/groups', '--data', '-', '--header', 'Idempotency-Key: k1', given='{"name": "by-api"}')
    again = admin.ok('api', 'POST', '/api/v1/groups', '--data', '-', '--header', 'Idempotency-Key: k1', given='{"name": "by-api"}')
    assert again.json()['name'] == 'by-api'
    assert admin.run('api', 'DELETE', '/api/v1/groups/by-api').code == USAGE
    admin.ok('api', 'DELETE', '/api/v1/groups/by-api', '--yes')
    missing = admin.run('api', 'GET', '/api/v1/groups/by-api', '--json')
    assert missing.code == NOT_FOUND and missing.json()['status'] == 404
    for words in (('get', '/x'), ('GET', 'x'), ('GET', '/a b'), ('GET', '/x', '--header', 'nothing'), ()):
        assert admin.run('api', *words).code == USAGE, words


def test_a_result_that_cannot_be_written_is_a_failure(admin):
    with open('/dev/full', 'w') as full:
        done = subprocess.run([admin.one.binary, 'users', 'list'], stdout=full, stderr=subprocess.PIPE, text=True,
                              env=admin.environment(), check=False)
    assert done.returncode == REFUSED and 'standard output' in done.stderr


def test_every_command_has_help_and_the_documents_know_it(admin):
    text = (harness.ROOT / 'docs/cli.md').read_text()
    for group in ('users', 'groups', 'roles', 'targets', 'target-groups', 'policies', 'grants', 'keys', 'requests', 'request-rules', 'sessions',
                  'config', 'trail', 'encryption', 'privileges', 'break-glass', 'import', 'context', 'login', 'logout', 'status', 'whoami', 'api',
                  'completion'):
        assert admin.ok(group, '--help').out and '`ringfence %s' % group in text, group
    for verb in ('list', 'show', 'create', 'update', 'delete', 'password'):
        assert '--url' in admin.ok('users', verb, '--help').out


# ---------------------------------------------------------------- completion

BASH = r'''
. "$SCRIPT"
complete -p ringfence
ringfence() { "$PROGRAM" "$@"; }
try() {  # WORD...: what the last one is completed to.
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  compopt() { :; }
  _ringfence
  printf '%s|' "$*"
  printf ' %s' "${COMPREPLY[@]}"
  printf '\n'
}
try ringfence us
try ringfence users ''
try ringfence users up
try ringfence users create x ro
try ringfence users create x enabled =
try ringfence users create x enabled = f
try ringfence targets list type = po
try ringfence users list --js
try ringfence users list --context ''
try ringfence context use ''
try ringfence audit ver
try ringfence serve --con
try ringfence users delete 'x*' ''
'''


@pytest.mark.skipif(not shutil.which('bash'), reason='needs bash')
def test_bash_completes_commands_fields_and_contexts(admin, tmp_path):
    script = tmp_path / 'completion'
    script.write_text(admin.ok('completion', 'bash').out)
    admin.log_in('root-ana', PASSWORD, '--context', 'lab')
    done = subprocess.run(['bash', '--norc', '-u', '-c', BASH], capture_output=True, text=True, timeout=60, check=False,
                          env=admin.environment(SCRIPT=str(script), PROGRAM=str(admin.one.binary)))
    assert done.returncode == 0 and not done.stderr, done
    first, *lines = done.stdout.splitlines()
    assert first == 'complete -F _ringfence ringfence'
    found = {line.split('|')[0]: line.split('|')[1].split() for line in lines}
    contexts = admin.ok('context', 'list', '--names').out.split()
    assert found['ringfence us'] == ['users']
    assert found['ringfence users '] == ['list', 'show', 'create', 'update', 'delete', 'password']
    assert found['ringfence users up'] == ['update']
    assert found['ringfence users create x ro'] == ['roles=']
    assert found['ringfence users create x enabled ='] == ['true', 'false']
    assert found['ringfence users create x enabled = f'] == ['false']
    assert found['ringfence targets list type = po'] == ['postgres']
    assert found['ringfence users list --js'] == ['--json']
    assert found['ringfence users list --context '] == contexts == found['ringfence context use ']
    assert found['ringfence audit ver'] == ['verify']
    assert '--config' in found['ringfence serve --con']
    assert found['ringfence users delete x* '] == []


ZSH = r'''
compdef() { print "compdef $*" }
_files() { print "files" }
_describe() { print -r -- "describe ${(P)@[-1]}" }
compadd() {
  print -r -- "add ${argv[1,-3]} ${(P)@[-1]}"
}
. $SCRIPT
ringfence() { $PROGRAM "$@" }
try() { words=("$@"); CURRENT=$#; print -r -- "= $*"; _ringfence }
try ringfence ''
try ringfence users ''
try ringfence users create x ''
try ringfence users list --
try ringfence users list --context ''
try ringfence context use ''
try ringfence api --data ''
'''


@pytest.mark.skipif(not shutil.which('zsh'), reason='needs zsh')
def test_zsh_completes_commands_fields_and_contexts(admin, tmp_path):
    script = tmp_path / '_ringfence'
    script.write_text(admin.ok('completion', 'zsh').out)
    done = subprocess.run(['zsh', '-f', '-c', ZSH], capture_output=True, text=True, timeout=60, check=False,
                          env=admin.environment(SCRIPT=str(script), PROGRAM=str(admin.one.binary)))
    assert done.returncode == 0 and not done.stderr, done
    first, *parts = done.stdout.split('\n= ')
    assert first == 'compdef _ringfence ringfence'
    found = {part.split('\n', 1)[0]: part.split('\n', 1)[1] for part in parts}
    contexts = admin.ok('context', 'list', '--names').out.split()
    assert 'users:People and programs who log in' in found['ringfence ']
    assert 'delete:Delete; asks before' in found['ringfence users ']
    assert re.search(r'^add -S   ?.*roles=', found['ringfence users create x '], re.M)
    assert re.search(r'^add +enabled=true', found['ringfence users create x '], re.M)
    assert '--json' in found['ringfence users list --'].split()
    assert found['ringfence users list --context '].split() == ['add', *contexts]
    assert found['ringfence context use '].split()[-1] == contexts[-1]
    assert found['ringfence api --data '].strip() == 'files'


def test_zsh_finds_the_script_by_its_folder(admin, tmp_path):
    if not shutil.which('zsh'):
        pytest.skip('needs zsh')
    folder = tmp_path / 'functions'
    folder.mkdir()
    (folder / '_ringfence').write_text(admin.ok('completion', 'zsh').out)
    done = subprocess.run(['zsh', '-f', '-c', 'fpath=($FOLDER $fpath); autoload -U compinit; compinit -u -D; print $_comps[ringfence]'],
                          capture_output=True, text=True, timeout=60, check=False,
                          env=admin.environment(FOLDER=str(folder)))
    assert done.stdout.strip() == '_ringfence', done


def test_the_programs_variables_do_not_disturb_the_configuration(one):
    done = subprocess.run([one.binary, 'check', '--config', one.config_file], capture_output=True, text=True, check=False,
                          env={**harness.clean_environment(), 'RINGFENCE_URL': 'x', 'RINGFENCE_KEY': 'x',
                               'RINGFENCE_CONTEXT': 'x', 'RINGFENCE_CACERT': 'x'})
    assert done.returncode == 0 and 'RINGFENCE_' not in done.stderr, done.stderr

"""The life of the keys that seal and prove what the store keeps: rotation under load and over a kill, several nodes."""
import base64
import os
import pathlib
import subprocess
import threading

import psycopg
import pytest

import harness
from test_store_users import call

PASSWORD = 'correct horse 7'
KEYS = '/api/v1/security/keys'
STATUS = '/api/v1/security/encryption/status'


def post(one, path, body=None):
    status, _, answer = call(one, 'POST', path, {} if body is None else body)
    return status, answer


def state_of(one, key):
    return call(one, 'GET', '%s/%s' % (KEYS, key))[2]['state']


def completed(one):
    status, _, answer = call(one, 'GET', STATUS)
    return status == 200 and answer['rotation'] and answer['rotation']['state'] == 'completed'


def make_target(one, target, name='till'):
    made = {'name': name, 'hosts': ['127.0.0.1'], 'port': target.port, 'database': 'shop', 'user': 'shop_app',
            'password': harness.APP_PASSWORD, 'sslmode': 'disable', 'tags': ['e2e']}
    status, _, shown = call(one, 'POST', '/api/v1/targets', made)
    assert status == 201, shown


def reaches(one, name='till'):
    with one.connect(database=name) as connection:
        return connection.execute('SELECT current_database()').fetchone() == ('shop',)


def event_rows(one, action):
    trail = one.trail()
    rows = harness.eventually(lambda: trail.rows('SELECT user_name, outcome, entity_id, metadata, category FROM '
                                                 'ringfence.audit_event WHERE action = %s ORDER BY ts', action),
                              what=action)
    trail.connection.close()
    return rows


def store_of(one):
    return one.config['store'].rsplit('/', 1)[1]


def ring_text(one):
    return (one.state / 'control.keys').read_text()


def put_ring(text, path):
    """As an operator does: whole or not at all."""
    pathlib.Path(str(path) + '.x').write_text(text)
    os.chmod(str(path) + '.x', 0o600)
    os.rename(str(path) + '.x', path)


class Logins:
    """Logs in again and again, until it is told to stop."""

    def __init__(self, one, database):
        self.one, self.database = one, database
        self.count, self.errors, self.is_over = 0, [], False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.is_over:
            try:
                with self.one.connect(database=self.database) as connection:
                    connection.execute('SELECT 1')
                self.count += 1
            except psycopg.Error as error:
                self.errors.append(str(error))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.thread.join()


def test_keys_are_rotated_while_people_log_in(own, store_cluster, target):
    one = own()
    one.start()
    make_target(one, target)
    for i in range(30):
        assert call(one, 'POST', '/api/v1/roles', {'name': 'role%d' % i})[0] == 201
    assert call(one, 'DELETE', '/api/v1/roles/role0')[0] == 204
    with Logins(one, 'till') as logins:
        status, begun = post(one, KEYS + '/current/rotate')
        assert status == 202, begun
        # Changes go on beside it.
        assert call(one, 'PATCH', '/api/v1/roles/role1', {'description': 'meanwhile'})[0] == 200
        harness.eventually(lambda: completed(one), what='the rotation')
        before = logins.count
        harness.eventually(lambda: logins.count > before + 3, what='logins after it')
    assert not logins.errors
    key = begun['key_id']
    assert begun['success'] and begun['algorithm'] == 'AES-256-GCM' and begun['key_version'] == 2
    harness.eventually(lambda: state_of(one, 'k1') == 'retired', what='the old key to retire')
    assert store_cluster.sql('SELECT DISTINCT key_id FROM ringfence_control.roles UNION SELECT key_id FROM '
                             'ringfence_control.tombstones', database=store_of(one)) == [(key,)]
    assert post(one, '/api/v1/security/encryption/keys/k1/rotate')[0] == 409
    assert call(one, 'DELETE', KEYS + '/' + key)[0] == 409
    assert call(one, 'DELETE', KEYS + '/k1')[0] == 204
    assert 'k1 - state=destroyed' in ring_text(one)
    for action in ('key_generated', 'key_rotation_started', 'key_rotation_completed', 'key_destroyed'):
        last = [row for row in event_rows(one, action) if row['outcome'] == 'success'][-1]
        assert last['category'] == 'encryption', last
        for field, value in {'success': True, 'algorithm': 'AES-256-GCM', 'key_type': 'control',
                             'target_type': 'control_store'}.items():
            assert last['metadata'][field] == value, last
    # A refusal is an event, too; and no key is anywhere in a log.
    assert event_rows(one, 'key_destroyed')[0]['outcome'] == 'denied'
    for line in ring_text(one).splitlines():
        if not line.startswith('#') and line.split()[1] != '-':
            assert line.split()[1] not in one.log_tail(100_000)
    assert one.stop() == 0
    one.start()
    assert reaches(one)
    assert one.stop() == 0


def test_a_rotation_that_was_killed_goes_on(own, store_cluster, target):
    one = own()
    one.start()
    make_target(one, target)
    database = store_of(one)
    # The rows of targets are moved after those of roles and users; somebody keeps this one.
    holder = store_cluster.connect(database=database)
    holder.execute('BEGIN')
    holder.execute("SELECT FROM ringfence_control.targets WHERE name = 'till' FOR UPDATE")
    status, begun = post(one, KEYS + '/k1/rotate')
    assert status == 202, begun
    key = begun['key_id']
    left = "SELECT count(*) FROM ringfence_control.%s WHERE key_id <> '" + key + "'"
    harness.eventually(lambda: store_cluster.sql(left % 'users', database=database) == [(0,)], what='users to move')
    assert store_cluster.sql(left % 'targets', database=database) == [(1,)]
    status, again = post(one, KEYS + '/current/rotate')
    assert status == 409 and 'under way' in again['detail'], again
    one.kill()
    holder.close()
    assert 'state=retiring' in ring_text(one)
    one.start()
    harness.eventually(lambda: completed(one), what='the rotation')
    harness.eventually(lambda: state_of(one, 'k1') == 'retired', what='the old key to retire')
    assert store_cluster.sql(left % 'targets', database=database) == [(0,)]
    assert reaches(one)
    assert event_rows(one, 'key_rotation_completed')[-1]['metadata']['rotation_progress'] == 100
    assert one.stop() == 0


def test_nodes_have_the_key_before_it_is_used(own):
    first = own()
    first.start()
    assert call(first, 'POST', '/api/v1/roles', {'name': 'operator'})[0] == 201
    assert call(first, 'POST', '/api/v1/users', {'name': 'ana', 'password': PASSWORD, 'roles': ['operator']})[0] == 201
    copy = first.directory / 'keys-of-other'
    put_ring(ring_text(first), copy)
    second = own(node='other', store={'url': first.config['store'], 'key_ring_file': str(copy)})
    second.start()
    status, refused = post(first, KEYS + '/current/rotate')
    assert status == 409 and '"other"' in refused['detail'], refused
    status, made = post(first, KEYS + '/generate', {'expires_at': '2099-01-02T03:04:05Z'})
    assert status == 201 and made['expires_at'].startswith('2099'), made
    put_ring(ring_text(first), copy)
    status, begun = harness.eventually(lambda: (lambda answer: answer if answer[0] == 202 else None)(
        post(first, KEYS + '/current/rotate')), what='the other node to have the key')
    assert begun['key_id'] == made['key_id']
    harness.eventually(lambda: completed(first), what='the rotation')
    # The second one changes something, by the new key, and the first one believes it.
    assert call(second, 'POST', '/api/v1/roles', {'name': 'made_there'})[0] == 201
    harness.eventually(lambda: call(first, 'GET', '/api/v1/roles/made_there')[0] == 200, what='the role here')
    second.connect('ana', password=PASSWORD).close()
    # It ends, misses a rotation, and says at its start what it lacks.
    assert second.stop() == 0
    harness.eventually(lambda: state_of(first, 'k1') == 'retired', what='the old key to retire')
    database_says = 'has not in use'
    second_ring = copy.read_text()
    put_ring('\n'.join(line for line in second_ring.splitlines() if made['key_id'] not in line) + '\n', copy)
    second.start(ready=False)
    assert second.process.wait(30) != 0
    assert database_says in second.log_tail() and made['key_id'] in second.log_tail()
    put_ring(ring_text(first), copy)
    second.start()
    second.connect('ana', password=PASSWORD).close()
    for each in (first, second):
        assert each.stop() == 0


def test_a_wrong_key_is_an_error_of_the_start(own):
    one = own()
    one.start()
    assert one.stop() == 0
    ring = one.state / 'control.keys'
    kept = ring.read_text()
    put_ring('k1 %s\n' % base64.b64encode(bytes(range(32))).decode(), ring)
    one.start(ready=False)
    assert one.process.wait(30) != 0
    # Before any record of the store is looked at: the trail's data keys are wrapped by another ring.
    assert 'does not open: the line or the ring is another one' in one.log_tail()
    put_ring('k1 nothing\n', ring)
    one.start(ready=False)
    assert one.process.wait(30) != 0
    assert 'has no key of 32 bytes' in one.log_tail()
    put_ring(kept, ring)
    one.start()
    # While it runs: another ring is not this store's, and readiness says so until the right one is back.
    put_ring('k1 %s\n' % base64.b64encode(bytes(range(32))).decode(), ring)
    harness.eventually(lambda: one.http('/readyz')[0] == 503, what='the appliance to be not ready')
    assert 'key ring' in one.http('/readyz')[1]
    put_ring(kept, ring)
    harness.eventually(lambda: one.http('/readyz')[0] == 200, what='the appliance to be ready')
    assert event_rows(one, 'key_ring_reloaded')
    assert one.stop() == 0


@pytest.mark.parametrize('source', ['environment', 'credential'])
def test_a_ring_that_the_appliance_cannot_write_is_not_rotated(own, source):
    one = own()
    one.start()
    assert one.stop() == 0
    text = ring_text(one)
    (one.state / 'control.keys').unlink()
    environment = {'RINGFENCE_KEY_RING': base64.b64encode(text.encode()).decode()}
    if source == 'credential':
        folder = one.directory / 'credentials'
        folder.mkdir()
        put_ring(text, folder / 'ringfence.keys')
        environment = {'CREDENTIALS_DIRECTORY': str(folder)}
    one.start(environment=environment)
    assert not (one.state / 'control.keys').exists()
    source_told = call(one, 'GET', STATUS)[2]['key_source']
    assert not source_told['is_writable'] and source in source_told['kind']
    for path in (KEYS + '/generate', KEYS + '/current/rotate'):
        status, problem = post(one, path)
        assert status == 409 and 'store.key_ring_file' in problem['detail'], problem
    assert one.stop() == 0


def test_an_expired_key_is_told_of_and_stays_in_use(own):
    one = own()
    one.start()
    assert one.stop() == 0
    ring = one.state / 'control.keys'
    put_ring(ring.read_text().replace('state=active', 'state=active expires=2020-01-01T00:00:00Z'), ring)
    one.start()
    assert event_rows(one, 'key_expired')[0]['entity_id'] == 'k1'
    assert call(one, 'GET', KEYS + '/current')[2]['is_expired']
    assert call(one, 'POST', '/api/v1/roles', {'name': 'operator'})[0] == 201
    assert one.stop() == 0


def test_what_is_not_sealed_says_why(own):
    one = own()
    one.start()
    for body, wanted in (({'target_type': 'credentials'}, 200), ({'target_type': 'credentials', 'enabled': False}, 409),
                         ({'target_type': 'tde'}, 501), ({'target_type': 'hsm'}, 501),
                         ({'target_type': 'captured_rows'}, 501), ({'target_type': 'moon'}, 422), ({}, 422)):
        status, answer = post(one, '/api/v1/security/encryption/enable', body)
        assert status == wanted, (body, answer)
    status, answer = post(one, '/api/v1/security/encryption/column', {'table': 'audit_query', 'column': 'statement'})
    assert status == 501 and 'sealed' in answer['detail']
    harness.eventually(lambda: [row['outcome'] for row in event_rows(one, 'encryption_enabled')][:2] ==
                       ['success', 'denied'], what='both events')
    assert one.stop() == 0


def data_keys(one):
    return [line.split() for line in (one.state / 'data.key').read_text().splitlines()]


def reveal(one, event):
    done = subprocess.run([harness.BINARY, 'audit', 'reveal', '--config', one.config_file, str(event), '--reason', 'a test', '--column',
                           'statement'], capture_output=True, text=True, timeout=60, env=harness.clean_environment())
    return done.stdout if done.returncode == 0 else done.stderr


def test_the_trails_data_keys_are_wrapped_by_the_ring_and_move_with_it(own, app):
    one = own()
    # As a version before this one left it.
    (one.state / 'data.key').write_text('00112233445566aa %s\n' % ('7' * 64))
    (one.state / 'data.key').chmod(0o600)
    one.start()
    assert [(key, wrapped.split(':')[0]) for key, wrapped in data_keys(one)] == [('00112233445566aa', 'k1')]
    with one.connect(application_name=app) as connection:
        connection.execute("SET app.jwt_secret = 'hush'")
    [row] = one.trail().settled(app)
    assert 'hush' not in row['statement']
    assert reveal(one, row['id']) == "SET app.jwt_secret = 'hush'"
    assert post(one, KEYS + '/current/rotate')[0] == 202
    harness.eventually(lambda: state_of(one, 'k1') == 'retired', what='the old key to retire')
    key = call(one, 'GET', STATUS)[2]['current_key_id'] if 'current_key_id' in call(one, 'GET', STATUS)[2] else None
    [[name, wrapped]] = data_keys(one)
    assert name == '00112233445566aa' and not wrapped.startswith('k1:') and (key is None or wrapped.startswith(key + ':'))
    assert call(one, 'DELETE', KEYS + '/k1')[0] == 204
    assert reveal(one, row['id']) == "SET app.jwt_secret = 'hush'"
    assert one.stop() == 0
    one.start()
    assert reveal(one, row['id']) == "SET app.jwt_secret = 'hush'"
    # A key that still wraps one is not destroyed.
    assert one.stop() == 0
    ring = ring_text(one)
    active = next(line.split()[0] for line in ring.splitlines() if ' state=active' in line)
    put_ring('other %s state=active\n' % base64.b64encode(b'o' * 32).decode() + ''.join(
        line.replace('state=active', 'state=accepted') + '\n' for line in ring.splitlines() if not line.startswith('#')),
        one.state / 'control.keys')
    (one.state / 'data.key').chmod(0o400)
    one.start()
    harness.eventually(lambda: data_keys(one)[0][1].startswith('other:'), what='the data key under the ring as it was brought')
    assert one.stop() == 0
    # Without the ring nothing starts, and the file stays as it is.
    before = (one.state / 'data.key').read_text()
    put_ring('other %s\n%s %s\n' % (base64.b64encode(b'x' * 32).decode(), active, base64.b64encode(b'y' * 32).decode()),
             one.state / 'control.keys')
    one.start(ready=False)
    assert one.process.wait(60) != 0
    assert 'does not open: the line or the ring is another one' in one.log_tail(100)
    assert (one.state / 'data.key').read_text() == before

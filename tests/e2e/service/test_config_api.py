"""The configuration by the API: what is in force, what was, what differs, and an earlier one back in force."""
import psycopg
import pytest

import harness
from test_control_api import ADMIN, PASSWORD, basic, call, check_answer, events, make


def versions(one):
    return call(one, 'GET', '/api/v1/config/versions', **ADMIN).json()['items']


def reload(one, **changes):
    newest = versions(one)[0]['version']
    one.config.update(changes)
    one.write_config()
    one.reload()
    harness.eventually(lambda: versions(one)[0]['version'] > newest, what='the reload')


def test_versions_are_kept_told_apart_and_put_back(own):
    one = own(store='embedded').start()
    document = call(one, 'GET', '/api/openapi.json', **ADMIN).json()
    first = call(one, 'GET', '/api/v1/config', **ADMIN)
    assert check_answer(document, '/api/v1/config', 'get', first) is None
    first = first.json()
    assert first['version'] == 1 and first['origin'] == 'start' and first['is_current'] is True
    assert first['fields']['targets[shop].user'] == 'shop_app' and 'targets[shop].password' in first['fields']
    told = str(first) + ''.join(path.read_text() for path in (one.state / 'config-versions').iterdir())
    for secret in (harness.TOKEN, harness.APP_PASSWORD, *harness.USERS.values(), 'SCRAM-SHA-256'):
        assert secret not in told
    users = [user for user in one.config['users'] if user['name'] != 'bob']
    reload(one, users=users, limits={'idle_ms': 123456})
    with pytest.raises(psycopg.OperationalError):
        one.connect('bob')
    diff = call(one, 'GET', '/api/v1/config/versions/1/diff', **ADMIN)
    assert check_answer(document, '/api/v1/config/versions/{id}/diff', 'get', diff) is None
    changes = {change['path']: (change['before'], change['after']) for change in diff.json()['changes']}
    assert changes['limits.idle_ms'][1] == '123456' and changes['users[bob].verifier'] == ('(hidden)', None)
    assert diff.json()['from'] == 1 and diff.json()['to'] == 2

    file = one.config_file.read_text()
    make(one, 'users', {'name': 'boss', 'password': PASSWORD, 'roles': ['admin']})
    make(one, 'users', {'name': 'watcher', 'password': PASSWORD, 'roles': ['auditor']})
    assert call(one, 'POST', '/api/v1/config/versions/1/rollback', **basic('watcher')).status == 404
    back = call(one, 'POST', '/api/v1/config/versions/1/rollback', **basic('boss'))
    assert back.status == 200 and check_answer(document, '/api/v1/config/versions/{id}/rollback', 'post', back) is None
    assert back.json()['version'] == 3 and back.json()['origin'] == 'rollback to 1' and back.json()['by'] == 'boss (password)'
    assert back.json()['fields'] == first['fields']
    one.connect('bob').close()
    assert one.config_file.read_text() == file
    [event] = events(one, 'configuration_rolled_back', user_name='boss')
    assert event['entity_id'] == '1' and event['severity'] == 'WARNING' and event['outcome'] == 'success'
    again = call(one, 'POST', '/admin/api/config/rollback/3', **ADMIN)
    assert again.status == 409 and again.json()['error'] == 'version 3 is in force'
    assert call(one, 'POST', '/api/v1/config/versions/99/rollback', **ADMIN).status == 404
    assert call(one, 'POST', '/api/v1/config/versions/x/rollback', **ADMIN).status == 400
    assert len(events(one, 'configuration_rolled_back', 2, outcome='denied')) == 2
    # The file is the operator's: the next reload has it in force again.
    reload(one)
    with pytest.raises(psycopg.OperationalError):
        one.connect('bob')
    assert call(one, 'GET', '/admin/api/config', **ADMIN).json()['version'] == 4

    # What was in force before a restart is known, and its secrets are not.
    assert one.stop() == 0
    one.start()
    assert [version['version'] for version in versions(one)] == [4, 3, 2, 1]
    assert not any(version['can_roll_back'] for version in versions(one))
    lost = call(one, 'POST', '/api/v1/config/versions/1/rollback', **ADMIN)
    assert lost.status == 409 and 'put it back in the file' in lost.json()['detail']
    assert one.stop() == 0


def test_a_token_that_was_changed_does_not_come_back(own):
    one = own(store='embedded').start()
    newer = 'another-admin-token-0123456789'
    one.config.update(admin={**one.config['admin'], 'token': newer}, limits={'idle_ms': 99999})
    one.write_config()
    one.reload()
    proof = {'Authorization': 'Bearer ' + newer}
    harness.eventually(lambda: call(one, 'GET', '/api/v1/config', **proof).status == 200)
    assert call(one, 'POST', '/api/v1/config/versions/1/rollback', **proof).status == 200
    assert call(one, 'GET', '/api/v1/config', **ADMIN).status == 401
    fields = call(one, 'GET', '/api/v1/config', **proof).json()['fields']
    assert fields['limits.idle_ms'] != '99999'
    assert one.stop() == 0

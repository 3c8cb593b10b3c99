"""The README's story by curl and by the command line, each run as it stands."""
import json
import subprocess

import psycopg
import pytest

import harness


def block_below(heading):
    text = (harness.ROOT / 'README.md').read_text()
    section = text.split('\n## ' + heading + '\n', 1)[1].split('\n## ', 1)[0]
    assert section.count('```') == 2
    return section.split('```')[1]


def run_block(one, target, heading, **more):
    environment = {
        **harness.clean_environment(), 'PATH': '%s:/usr/bin:/bin' % harness.PG_BIN, 'RINGFENCE_ADMIN_TOKEN': harness.TOKEN,
        'RINGFENCE_ADMIN_URL': 'http://127.0.0.1:%d' % one.admin_port, 'RINGFENCE_PG_PORT': str(one.pg_port),
        'RINGFENCE_DEMO_SERVER_PORT': str(target.port), 'RINGFENCE_DEMO_SERVER_PASSWORD': harness.APP_PASSWORD, **more}
    ran = subprocess.run(['bash', '-e'], input=block_below(heading), env=environment, text=True, capture_output=True,
                         timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert '(3 rows)' in ran.stdout and 'DELETE needs access level write' in ran.stderr
    assert harness.APP_PASSWORD not in ran.stdout and 'secret123' not in ran.stdout
    return ran.stdout, [json.loads(line) for line in ran.stdout.splitlines() if line.startswith('{')]


def test_five_steps_from_a_user_to_his_queries(own, target):
    one = own(store='embedded').start()
    _, answers = run_block(one, target, 'Five steps from a user to his queries')
    user, database, grant, queries, connections, audit = answers
    assert user['username'] == 'developer' and database['name'] == 'production'
    assert (grant['user_id'], grant['database_id'], grant['access_level']) == (user['id'], database['id'], 'read')
    told = queries['queries']
    assert [query['sql_text'] for query in told] == ['DELETE FROM orders', 'SELECT name FROM products ORDER BY price_cents DESC LIMIT 3']
    assert [query['allowed'] for query in told] == [False, True]
    assert {(query['user_id'], query['database_id']) for query in told} == {(user['id'], database['id'])}
    [connection] = connections['connections']
    assert connection['queries'] == 2 and connection['disconnected_at'] is not None
    assert [event['entity_id'] for event in audit['audit_events']] == [grant['uid']]

    # Numbers say the same, and without the grant he is out.
    def call(method, path, body=None):
        answered = subprocess.run(['curl', '-sS', '-X', method, '-H', 'Authorization: Bearer ' + harness.TOKEN, '-H',
                                   'Content-Type: application/json', 'http://127.0.0.1:%d' % one.admin_port + path,
                                   *(['-d', json.dumps(body)] if body else [])], capture_output=True, text=True, check=True)
        return json.loads(answered.stdout) if answered.stdout else None
    again = call('POST', '/api/grants', {'user_id': user['id'], 'database_id': database['id'], 'max_query_counts': 1000})
    assert again['user'] == 'developer' and again['target'] == 'production' and again['max_query_counts'] == 1000
    assert [one['id'] for one in call('GET', '/api/grants?user_id=%d' % user['id'])['grants']] == [grant['id'], again['id']]
    for number in (again['id'], grant['id']):
        assert call('DELETE', '/api/grants/%d' % number) is None
    with pytest.raises(psycopg.OperationalError):
        one.connect('developer', 'production', password='secret123')
    assert one.stop() == 0


def test_the_same_by_the_command_line(own, target):
    one = own(store='embedded', policies=[]).start()
    programs = one.directory / 'bin'
    programs.mkdir()
    (programs / 'ringfence').symlink_to(harness.BINARY)
    path = '%s:%s:/usr/bin:/bin' % (programs, harness.PG_BIN)
    shown, answers = run_block(one, target, 'The same by the command line', PATH=path, HOME=str(one.directory))
    assert [line.split(' (')[0] for line in shown.splitlines() if line.startswith(('created', 'changed'))][:2] == \
        ['created user dora', 'created target staging']
    told = answers[0]['queries']
    assert [query['sql_text'] for query in told] == ['DELETE FROM orders', 'SELECT name FROM products ORDER BY price_cents DESC LIMIT 3']
    assert [query['allowed'] for query in told] == [False, True]
    with pytest.raises(psycopg.OperationalError):
        one.connect('dora', 'staging', password='secret123')
    assert one.stop() == 0

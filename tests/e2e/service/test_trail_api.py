"""The trail by the API: what a statement, a connection and a change leave can be read, page by page, by who may."""
import time
import urllib.parse

import psycopg
import pytest

import harness
from test_control_api import ADMIN, PASSWORD, basic, call, check_answer, events, make


@pytest.fixture(scope='module')
def one(target):
    directory = harness.work_directory('trail-api')
    made = harness.Appliance(directory, target, store='embedded').start()
    make(made, 'roles', {'name': 'operator'})
    make(made, 'users', {'name': 'ana', 'password': PASSWORD, 'roles': ['operator']})
    make(made, 'users', {'name': 'watcher', 'password': PASSWORD, 'roles': ['auditor']})
    yield made
    code = made.stop()
    harness.remove(directory)
    assert code == 0, made.log_tail()


def get(one, path, proof=None, **parameters):
    if parameters:
        path += '?' + urllib.parse.urlencode(parameters)
    answer = call(one, 'GET', path, **(ADMIN if proof is None else proof))
    assert answer.status == 200, answer
    return answer.json()


def rows(one, path, count, **parameters):
    """At least so many rows of the first page."""
    def found():
        items = get(one, path, **parameters)['items']
        return items if len(items) >= count else None
    return harness.eventually(found, what='%d rows of %s' % (count, path))


def test_a_statement_can_be_read_with_its_outcome(one, app):
    with one.connect('ana', password=PASSWORD, application_name=app) as connection:
        connection.execute('SELECT name FROM products WHERE id < %s', (3,))
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute('SELECT 1/0')
        connection.execute("SELECT set_config('app.api_key', 'not for the trail', false)")
        connection.execute('SELECT 2')
    found = [row for row in rows(one, '/api/v1/queries', 4, user='ana') if row['application_name'] == app]
    assert [row['outcome'] for row in found] == ['success', 'success', 'failure', 'success']
    read, failed, secret = found[3], found[2], found[1]
    assert read['statement'].startswith('SELECT name') and read['parameters'] == ['3'] and read['rows'] == 2
    assert read['user'] == 'ana' and read['target'] == 'shop' and read['allowed'] is True
    assert failed['sqlstate'] == '22012' and 'division by zero' in failed['error_message']
    assert 'not for the trail' not in str(found) and '***' in secret['statement'] and secret['redacted'] == ['statement']
    assert get(one, '/api/v1/queries/' + read['id']) == read
    theirs = get(one, '/api/queries/' + read['id'])
    assert theirs['sql_text'] == read['statement'] and theirs['parameters'] == {'values': ['3']}
    assert theirs['rows_affected'] == 2 and theirs['uid'] == read['id'] and theirs['duration_ms'] == read['duration_us'] / 1000
    number = get(one, '/api/v1/users/ana')['number']
    assert theirs['user_id'] == number and theirs['connection_id'] == read['session_id']
    by_number = get(one, '/api/queries', user_id=number, connection_id=read['session_id'])['queries']
    assert [row['uid'] for row in by_number] == [row['id'] for row in found]


def test_pages_follow_each_other_without_a_gap_whatever_is_written_meanwhile(one, app):
    with one.connect('ana', password=PASSWORD, application_name=app) as connection:
        for i in range(23):
            connection.execute('SELECT %d' % i)
        session = rows(one, '/api/v1/queries', 23, user='ana')[0]['session_id']
        harness.eventually(lambda: len(get(one, '/api/v1/queries', session_id=session)['items']) == 23)
        seen, cursor = [], {}
        while cursor is not None:
            page = get(one, '/api/v1/queries', session_id=session, limit=5, **cursor)
            seen += [row['statement'] for row in page['items']]
            connection.execute('SELECT 100')
            cursor = {'cursor': page['next_cursor']} if page['next_cursor'] else None
    assert seen[:23] == ['SELECT %d' % i for i in reversed(range(23))] and len(seen) == 23
    begin = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 3600))
    assert get(one, '/api/v1/queries', start_time=begin)['items'] == []
    assert get(one, '/api/v1/queries', end_time='2026-01-01T00:00:00Z')['items'] == []


def test_a_connection_has_its_end_and_its_sums(one, app):
    connection = one.connect('ana', password=PASSWORD, application_name=app)
    connection.execute('SELECT 1')

    def mine():
        return [row for row in get(one, '/api/v1/connections', user='ana')['items'] if row['application_name'] == app]
    [row] = harness.eventually(mine)
    assert row['protocol'] == 'postgres' and row['disconnected_at'] is None and row['target'] == 'shop'
    connection.close()
    [ended] = harness.eventually(lambda: [each for each in mine() if each['disconnected_at']])
    assert ended['id'] == row['id'] and ended['statements'] == 1 and ended['duration_us'] > 0
    assert get(one, '/api/v1/connections/' + row['id']) == ended
    theirs = [each for each in get(one, '/api/connections')['connections'] if each['uid'] == row['id']][0]
    assert theirs['source_ip'] == '127.0.0.1' and theirs['queries'] == 1
    assert theirs['bytes_transferred'] == ended['bytes_to_client'] + ended['bytes_to_server']


def test_events_tell_changes_and_each_reading_is_an_event(one):
    made = make(one, 'groups', {'name': 'readers'})
    [event] = rows(one, '/api/v1/audit', 1, entity_id=made['id'], action='CREATE')
    assert event['entity_type'] == 'user_group' and event['changes']['after']['name'] == 'readers'
    assert get(one, '/api/v1/audit/' + event['id']) == event
    theirs = get(one, '/api/audit', event_type='user_group.created')['audit_events']
    assert [each['uid'] for each in theirs] == [event['id']] and theirs[0]['details']['changes'] == event['changes']
    get(one, '/api/v1/queries', proof=basic('watcher'), user='ana')
    [viewed] = events(one, 'VIEW', user_name='watcher')
    assert viewed['entity_type'] == 'query' and viewed['metadata'] == {'limit': 100, 'user': 'ana'}
    assert viewed['category'] == 'audit' and viewed['auth_method'] == 'password'
    assert not any(row['action'].startswith('postgres_query') for row in get(one, '/api/v1/audit', limit=1000)['items'])


def test_who_may_not_read_sees_nothing(one):
    make(one, 'users', {'name': 'plain', 'password': PASSWORD, 'roles': ['user']})
    for path in ('/api/v1/queries', '/api/v1/audit', '/api/v1/connections', '/api/queries', '/api/audit',
                 '/api/connections', '/api/users', '/admin/api/config'):
        assert call(one, 'GET', path, **basic('plain')).status == 404
        assert call(one, 'GET', path, **basic('watcher')).status == 200
        assert call(one, 'GET', path).status == 401


@pytest.mark.parametrize('query', [
    'limit=0', 'limit=1001', 'limit=x', 'cursor=x', 'cursor=e30', 'cursor=eyJlMmUiOi0xfQ', 'user=%FF', 'session_id=x', 'start_time=x',
    'end_time=2026-13-01T00:00:00Z', 'nothing=1', 'user=a&user=b'])
def test_a_query_that_makes_no_sense_is_refused(one, query):
    answer = call(one, 'GET', '/api/v1/queries?' + query, **ADMIN)
    assert answer.status == 400, answer
    document = call(one, 'GET', '/api/openapi.json', **ADMIN).json()
    assert check_answer(document, '/api/v1/queries', 'get', answer) is None


def test_rows_beside_the_chain_are_not_shown(own):
    one = own()
    one.start()
    with psycopg.connect(one.config['store'], autocommit=True) as store:
        store.execute("INSERT INTO ringfence.audit_row (id, node, shard, seq, ts, action, category, outcome, chain_no, recorded_at, "
                      "hash_version, leaf, hash, retention_class) SELECT gen_random_uuid(), node, 0, 1, now(), 'forged', 'system', "
                      "'success', chain_no, recorded_at, 1, leaf, 'x', 1 FROM ringfence.audit_event LIMIT 1")
    assert get(one, '/api/v1/audit', action='forged')['items'] == []
    assert get(one, '/api/v1/audit', action='appliance_started')['items']
    one.stop()


def test_a_store_of_ones_own_is_read_too_and_its_absence_is_told(own, app):
    one = own()
    one.start()
    with one.connect('alice', application_name=app) as connection:
        connection.execute('SELECT 42')
    found = rows(one, '/api/v1/queries', 1, user='alice')
    assert found[0]['statement'] == 'SELECT 42'
    # Users of the file have numbers beyond those of the store.
    assert get(one, '/api/queries', user_id='alice')['queries'][0]['user_id'] >= 2 ** 52
    assert one.stop() == 0
    off = own(audit={'enabled': False})
    off.start()
    assert call(off, 'GET', '/api/v1/queries', **ADMIN).status == 501
    assert call(off, 'GET', '/api/queries', **ADMIN).status == 501
    assert off.stop() == 0


def test_rows_of_two_nodes_stand_in_one_list_by_time(own, app):
    first = own()
    first.start()
    second = own(node='other', store={'url': first.config['store'], 'key_ring_file': str(first.state / 'control.keys')})
    second.start()
    with first.connect('alice', application_name=app) as here, second.connect('alice', application_name=app) as there:
        for i in range(12):
            (here, there)[i % 2].execute('SELECT %d' % i)
    harness.eventually(lambda: len(get(second, '/api/v1/queries', user='alice')['items']) == 12)
    seen, cursor = [], {}
    while cursor is not None:
        page = get(second, '/api/v1/queries', user='alice', limit=5, **cursor)
        seen += page['items']
        cursor = {'cursor': page['next_cursor']} if page['next_cursor'] else None
    assert [row['statement'] for row in seen] == ['SELECT %d' % i for i in reversed(range(12))]
    assert [row['node'] for row in seen] == ['other', 'e2e'] * 6
    assert len(get(first, '/api/v1/connections', user='alice')['items']) == 2
    assert second.stop() == 0 and first.stop() == 0


def everything(one, path, **filters):
    seen, cursor = [], {}
    while cursor is not None:
        page = get(one, path, limit=37, **filters, **cursor)
        seen += page['items']
        cursor = {'cursor': page['next_cursor']} if page['next_cursor'] else None
    return seen


def test_pages_over_rows_and_blocks_have_each_row_once_and_in_its_order(own, app):
    one = own(audit={'batch_ms': 300, 'join_ms': 500})
    one.start()
    for life in range(2):
        with one.connect('alice', application_name=app) as alice, one.connect('bob', application_name=app, autocommit=True) as bob:
            with alice.pipeline():
                for n in range(400):
                    alice.execute('SELECT %d' % n)
            for n in range(60):
                bob.execute('SELECT %s::int', (n,))
            with pytest.raises(psycopg.errors.DivisionByZero):
                bob.execute('SELECT 1 / 0')
            bob.execute('SELECT pg_sleep(1.2)')  # Its outcome is a row of its own.
            session = one.trail().rows('SELECT session_id FROM ringfence.audit_event WHERE application_name = %s ORDER BY chain_no '
                                       'DESC LIMIT 1', app)[0]['session_id']
    one.trail().settled(app)
    trail = one.trail()
    assert trail.rows('SELECT count(*) AS n FROM ringfence.audit_block')[0]['n'] >= 2
    assert trail.rows('SELECT count(*) AS n FROM ringfence.audit_row')[0]['n'] >= 2
    middle = trail.rows("SELECT to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS t FROM ringfence.audit_query "
                        'ORDER BY chain_no OFFSET 450 LIMIT 1')[0]['t']
    for filters, condition in (({}, 'true'), ({'user': 'alice'}, "user_name = 'alice'"), ({'user': 'bob'}, "user_name = 'bob'"),
                               ({'user': 'nobody'}, 'false'), ({'outcome': 'failure'}, "outcome = 'failure'"),
                               ({'outcome': 'success', 'user': 'bob'}, "outcome = 'success' AND user_name = 'bob'"),
                               ({'outcome': 'running'}, "outcome = 'running'"), ({'sqlstate': '22012'}, "sqlstate = '22012'"),
                               ({'session_id': str(session)}, "session_id = '%s'" % session),
                               ({'start_time': middle}, "ts >= '%s'" % middle), ({'end_time': middle}, "ts <= '%s'" % middle)):
        expected = [str(row['id']) for row in trail.rows('SELECT id FROM ringfence.audit_query WHERE %s ORDER BY chain_no DESC' % condition)]
        assert [row['id'] for row in everything(one, '/api/v1/queries', **filters)] == expected, filters
    for row in trail.rows('SELECT id, statement, rows, duration_us, outcome FROM ringfence.audit_query WHERE application_name = %s '
                          'ORDER BY chain_no', app)[::40]:
        shown = get(one, '/api/v1/queries/%s' % row['id'])
        assert [shown[name] for name in ('statement', 'rows', 'duration_us', 'outcome')] == [
            row[name] for name in ('statement', 'rows', 'duration_us', 'outcome')]
    connects = trail.rows("SELECT id FROM ringfence.audit_event WHERE action = 'postgres_connect' AND user_name = 'alice' ORDER BY chain_no DESC")
    assert [row['id'] for row in everything(one, '/api/v1/audit', action='postgres_connect', user='alice')] == [
        str(row['id']) for row in connects]
    connections = everything(one, '/api/v1/connections', user='alice')
    assert len(connections) == 2 and all(row['statements'] == 400 and row['disconnected_at'] for row in connections), connections
    assert one.stop() == 0

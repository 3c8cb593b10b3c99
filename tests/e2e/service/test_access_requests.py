"""Access requests and break-glass: what an approval gives, who decides, and what the trail says of it."""
import datetime

import psycopg
import pytest

import harness
from test_control_api import events
from test_store_users import PASSWORD, call, refused

ROLES = {'ana': 'user', 'eve': 'user', 'bea': 'approver', 'cid': 'approver', 'dan': 'oncall', 'aud': 'auditor'}


def made(answer):
    status, _, body = answer
    assert status == 201, body
    return body


@pytest.fixture(scope='module')
def shared(target):
    """An appliance whose configuration gives nobody access, and a key for each of several users."""
    directory = harness.work_directory('requests')
    one = harness.Appliance(directory, target, store='embedded', shards=2, policies=[]).start()
    made(call(one, 'POST', '/api/v1/roles', {'name': 'oncall', 'permissions': ['grants:break-glass']}))
    one.keys = {}
    for name, role in ROLES.items():
        made(call(one, 'POST', '/api/v1/users', {'name': name, 'password': PASSWORD, 'roles': [role]}))
        one.keys[name] = made(call(one, 'POST', '/api/v1/keys', {'name': 'of-' + name, 'user': name}))['key']
    yield one
    code = one.stop()
    harness.remove(directory)
    assert code == 0, one.log_tail()


@pytest.fixture
def one(shared):
    yield shared
    for noun in ('access-requests', 'request-rules', 'grants'):
        for record in call(shared, 'GET', '/api/v1/%s?limit=1000' % noun)[2]['items']:
            assert call(shared, 'DELETE', '/api/v1/%s/%s' % (noun, record['id']))[0] == 204


def by(one, who, method, path, body=None, headers=None):
    return call(one, method, '/api/v1/' + path, body, headers, token=one.keys[who])


def ask(one, who='ana', **fields):
    return by(one, who, 'POST', 'access-requests',
              {'tag': 'e2e', 'level': 'read', 'duration_s': 600, 'justification': 'ticket 7', **fields})


def decide(one, who, request, verb='approve', **fields):
    return by(one, who, 'POST', 'access-requests/%s/%s' % (request['id'], verb), fields)


def connect(one, user='ana'):
    return one.connect(user, password=PASSWORD)


def at(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat()


def test_what_is_approved_is_in_force_when_the_answer_comes(one):
    assert 'is not available' in refused(one)
    request = made(ask(one, level='write'))
    assert request['state'] == 'pending' and request['user'] == 'ana'
    assert 'is not available' in refused(one)
    status, headers, approved = decide(one, 'bea', request, reason='go on')
    assert status == 200 and approved['state'] == 'approved' and approved['decided_by'] == 'bea (api key)', approved
    assert headers['ETag'] == '"2"'
    with connect(one) as connection:
        connection.execute('UPDATE orders SET status = status WHERE false')
        grant = call(one, 'GET', '/api/v1/grants/' + approved['grant'])[2]
        assert grant['origin'] == 'request' and grant['reason'] == 'ticket 7'
        assert call(one, 'DELETE', '/api/v1/grants/' + grant['id'])[0] == 204
        with pytest.raises(psycopg.OperationalError):
            connection.execute('SELECT 1')
    assert decide(one, 'cid', request)[0] == 409
    assert decide(one, 'cid', request, 'deny', reason='no')[0] == 409
    row = events(one, 'access_request_approved', entity_id=request['id'])[0]
    assert (row['user_name'], row['outcome'], row['reason']) == ('bea', 'success', 'go on')
    assert events(one, 'CREATE', entity_id=grant['id'])[0]['user_name'] == 'bea'
    assert events(one, 'UPDATE', entity_id=request['id'])[0]['changes']['after']['state'] == 'approved'


def test_what_is_granted_for_a_while_ends_by_itself(one):
    request = made(ask(one, duration_s=3))
    assert decide(one, 'bea', request)[0] == 200
    connection = connect(one)
    harness.eventually(lambda: not one.sessions(), timeout=15, what='the grant to end')
    with pytest.raises(psycopg.OperationalError):
        connection.execute('SELECT 1')


def test_nobody_decides_for_himself(one):
    mine = made(ask(one, 'bea'))
    second = made(call(one, 'POST', '/api/v1/keys', {'name': 'second-of-bea', 'user': 'bea'}))
    for key in (one.keys['bea'], second['key']):
        status, _, problem = call(one, 'POST', '/api/v1/access-requests/%s/approve' % mine['id'], {}, token=key)
        assert status == 403 and 'of his own' in problem['detail'], problem
    assert call(one, 'DELETE', '/api/v1/keys/' + second['id'])[0] == 204
    # Nor who may do everything.
    assert call(one, 'PATCH', '/api/v1/users/bea', {'roles': ['admin']})[0] == 200
    assert decide(one, 'bea', mine)[0] == 403
    assert by(one, 'bea', 'DELETE', 'access-requests/' + mine['id'])[0] == 403
    assert call(one, 'PATCH', '/api/v1/users/bea', {'roles': ['approver']})[0] == 200
    assert {row['outcome'] for row in events(one, 'access_request_approved', 3, entity_id=mine['id'])} == {'denied'}
    # The configuration's token decides, and the trail names it.
    status, _, approved = call(one, 'POST', '/api/v1/access-requests/%s/approve' % mine['id'], {})
    assert status == 200 and approved['decided_by'] == 'admin (admin token)'
    assert call(one, 'POST', '/api/v1/access-requests',
                {'tag': 'e2e', 'duration_s': 1, 'justification': 'x'})[0] == 403


def test_each_sees_and_does_what_is_his(one):
    of_ana, of_eve = made(ask(one, 'ana')), made(ask(one, 'eve'))
    listed = by(one, 'ana', 'GET', 'access-requests')[2]['items']
    assert [item['id'] for item in listed] == [of_ana['id']]
    assert by(one, 'ana', 'GET', 'access-requests?user=eve')[2]['items'] == []
    assert by(one, 'ana', 'GET', 'access-requests/' + of_eve['id'])[0] == 404
    assert by(one, 'ana', 'GET', 'access-requests/%d' % of_eve['number'])[0] == 404
    for verb in ('approve', 'deny', 'cancel'):
        assert decide(one, 'ana', of_eve, verb, reason='x')[0] == 404
    assert by(one, 'ana', 'DELETE', 'access-requests/' + of_ana['id'])[0] == 405
    assert by(one, 'ana', 'PATCH', 'access-requests/' + of_ana['id'], {'level': 'admin'})[0] == 405
    assert call(one, 'PATCH', '/api/v1/access-requests/' + of_ana['id'], {'state': 'approved'})[0] == 405
    assert len(by(one, 'aud', 'GET', 'access-requests')[2]['items']) == 2
    assert decide(one, 'aud', of_ana)[0] == 404
    assert decide(one, 'ana', of_ana, 'cancel')[2]['state'] == 'cancelled'
    assert decide(one, 'bea', of_ana)[0] == 409
    assert decide(one, 'bea', of_eve, 'deny')[0] == 422
    denied = decide(one, 'bea', of_eve, 'deny', reason='not today')[2]
    assert denied['state'] == 'denied' and denied['decision_reason'] == 'not today' and denied['grant'] is None
    assert call(one, 'GET', '/api/v1/grants')[2]['items'] == []


@pytest.mark.parametrize('fields, field', [
    ({'tag': None}, 'target'),
    ({'target': 'shop'}, 'target'),
    ({'level': 'root'}, 'level'),
    ({'duration_s': 0}, 'duration_s'),
    ({'duration_s': 2_592_001}, 'duration_s'),
    ({'justification': ''}, 'justification'),
    ({'justification': 'x' * 1001}, 'justification'),
    ({'expires_at': '2001-01-01T00:00:00Z'}, 'expires_at'),
    ({'starts_at': '2999-01-01T00:00:00Z'}, 'starts_at'),
    ({'user': 'eve'}, 'user'),
    ({'state': 'approved'}, 'state'),
    ({'grant': 'x'}, 'grant'),
])
def test_what_is_no_request_is_told_by_its_field(one, fields, field):
    status, _, problem = ask(one, **fields)
    assert status == 422, problem
    assert field in [each['field'] for each in problem['errors']], problem


def test_a_request_that_nobody_decides_expires(one):
    request = made(ask(one, expires_at=at(1.5)))
    harness.eventually(lambda: by(one, 'ana', 'GET', 'access-requests/' + request['id'])[2]['state'] == 'expired',
                       what='the request to expire')
    status, _, problem = decide(one, 'bea', request)
    assert status == 409 and 'expired' in problem['detail']
    rows = events(one, 'access_request_expired', entity_id=request['id'])
    assert [row['outcome'] for row in rows] == ['success']
    expired = call(one, 'GET', '/api/v1/access-requests?state=expired')[2]['items']
    assert [item['id'] for item in expired] == [request['id']]


def test_a_rule_approves_at_once_and_a_replay_gives_nothing_more(one):
    made(call(one, 'POST', '/api/v1/request-rules', {'name': 'quick', 'roles': ['user'], 'tags': ['e2e'], 'duration_s': 600}))
    assert made(ask(one, level='write'))['state'] == 'pending'
    assert made(ask(one, 'bea'))['state'] == 'pending'
    body = {'tag': 'e2e', 'duration_s': 600, 'justification': 'ticket 8'}
    first = made(by(one, 'ana', 'POST', 'access-requests', body, {'Idempotency-Key': 'k-1'}))
    assert first['state'] == 'approved' and first['decided_by'] == 'rule quick'
    connect(one).close()
    assert made(by(one, 'ana', 'POST', 'access-requests', body, {'Idempotency-Key': 'k-1'})) == first
    assert by(one, 'ana', 'POST', 'access-requests', {**body, 'level': 'write'}, {'Idempotency-Key': 'k-1'})[0] == 409
    assert len(call(one, 'GET', '/api/v1/grants')[2]['items']) == 1


def test_break_glass_is_immediate_loud_and_ends(one):
    assert 'is not available' in refused(one, 'dan')
    assert by(one, 'ana', 'POST', 'break-glass', {'tag': 'e2e', 'reason': 'the shop is down'})[0] == 404
    body = {'target': None, 'tag': 'e2e', 'level': 'write', 'minutes': 5, 'reason': 'the shop is down'}
    assert by(one, 'dan', 'POST', 'break-glass', {**body, 'reason': 'short'})[0] == 422
    assert by(one, 'dan', 'POST', 'break-glass', {**body, 'minutes': 241})[0] == 422
    assert by(one, 'dan', 'POST', 'break-glass', {**body, 'user': 'ana'})[0] == 422
    assert call(one, 'POST', '/api/v1/break-glass', body)[0] == 403
    grant = made(by(one, 'dan', 'POST', 'break-glass', body, {'Idempotency-Key': 'g-1'}))
    assert grant['user'] == 'dan' and grant['origin'] == 'break_glass' and grant['priority'] == 1_000_000
    with connect(one, 'dan') as connection:
        connection.execute('UPDATE orders SET status = status WHERE false')
        # The first answer again: no other grant.
        assert made(by(one, 'dan', 'POST', 'break-glass', body, {'Idempotency-Key': 'g-1'})) == grant
        listed = call(one, 'GET', '/api/v1/grants?origin=break_glass')[2]['items']
        assert [item['id'] for item in listed] == [grant['id']]
        # He prolongs nothing, and ends it himself.
        assert by(one, 'dan', 'PATCH', 'grants/' + grant['id'], {'expires_at': None})[0] == 405
        assert by(one, 'dan', 'DELETE', 'grants/' + grant['id'])[0] == 204
        with pytest.raises(psycopg.OperationalError):
            connection.execute('SELECT 1')
    row = events(one, 'break_glass', entity_id=grant['id'])[0]
    assert (row['severity'], row['user_name'], row['outcome']) == ('CRITICAL', 'dan', 'success')
    assert row['reason'] == 'the shop is down' and row['metadata']['expires_at'] == grant['expires_at']
    assert 'ringfence_break_glass_total 1' in one.http('/metrics')[1]

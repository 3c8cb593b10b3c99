"""Privileges on a target's server by the API: what the catalogs say, and nothing is changed there."""
import pytest

import harness
from test_control_api import ADMIN, basic, call, events, make


@pytest.fixture(scope='module')
def one(target):
    for text in ('CREATE ROLE seller LOGIN', 'CREATE ROLE clerk', 'GRANT clerk TO seller', 'GRANT SELECT ON orders TO clerk',
                 'GRANT TRUNCATE ON orders TO seller WITH GRANT OPTION', 'CREATE ROLE boss SUPERUSER',
                 'CREATE TABLE untouched (a int)', 'GRANT SELECT, INSERT ON untouched TO seller'):
        target.sql(text, database='shop')
    directory = harness.work_directory('privileges')
    made = harness.Appliance(directory, target, store='embedded').start()
    for role in ('auditor', 'approver'):
        make(made, 'users', {'name': 'a-' + role, 'password': 'correct horse 7', 'roles': [role]})
    yield made
    code = made.stop()
    harness.remove(directory)
    assert code == 0, made.log_tail()


def ask(one, path, status=200, **proof):
    answer = call(one, 'GET', '/api/v1/security/privileges/' + path, **(proof or ADMIN))
    assert answer.status == status, answer
    return answer.json()


def short(privileges):
    return {(each['object'], each['privilege'], each['role'], each['grantable']) for each in privileges}


def test_what_a_role_may_do(one):
    for path in ('role/seller', 'user/seller'):
        told = ask(one, path + '?target=shop')
        assert told['attributes']['member_of'] == ['clerk'] and told['attributes']['superuser'] is False
        assert {('public.orders', 'SELECT', 'clerk', False), ('public.orders', 'TRUNCATE', 'seller', True),
                ('public.untouched', 'INSERT', 'seller', False)} <= short(told['privileges'])
        assert told['target'] == 'shop' and told['truncated'] is False
    assert ask(one, 'role/boss?target=shop')['attributes']['superuser'] is True


def test_who_may_do_what_with_an_object(one):
    for name in ('orders', 'public.orders'):
        told = ask(one, 'object/%s?target=shop' % name)
        assert ('public.orders', 'SELECT', 'clerk', False) in short(told['privileges'])
        assert {each['object'] for each in told['privileges']} == {'public.orders'}
    ask(one, 'object/no_such_table?target=shop', 404)


def test_what_is_unused_and_what_is_dangerous(one):
    told = ask(one, 'analyze/seller?target=shop')
    assert ('public.untouched', 'INSERT', 'seller', False) in short(told['unused_privileges'])
    assert [(each['severity'], each['privilege']['privilege']) for each in told['high_risk_privileges']
            if each['privilege'] and each['privilege']['object'] == 'public.orders'] == [(7, 'TRUNCATE')]
    assert told['recommendations']
    assert 10 in {each['severity'] for each in ask(one, 'analyze/boss?target=shop')['high_risk_privileges']}


@pytest.mark.parametrize('role, object_, privilege, valid', [
    ('seller', 'orders', 'SELECT', True), ('seller', 'public.orders', 'DELETE', False), ('boss', 'orders', 'DELETE', True)])
def test_whether_a_role_has_a_privilege(one, role, object_, privilege, valid):
    answer = call(one, 'POST', '/api/v1/security/privileges/validate',
                  {'target': 'shop', 'role': role, 'object': object_, 'privilege': privilege}, **ADMIN)
    assert answer.status == 200 and answer.json()['valid'] is valid, answer


def test_refusals_say_what_is_wrong(one):
    assert 'target' in ask(one, 'role/seller', 400)['detail']
    ask(one, 'role/nobody?target=shop', 404)
    ask(one, 'role/seller?target=nothing', 404)
    assert 'authenticate' in ask(one, 'role/seller?target=wrong_password', 503)['detail']
    # A name is a value, whatever it holds.
    ask(one, 'role/%27%3B%20DROP%20ROLE%20clerk%3B%20--?target=shop', 404)
    ask(one, 'object/%25?target=shop', 404)
    for change in ('grant', 'revoke'):
        assert call(one, 'POST', '/api/v1/security/privileges/' + change, {}, **ADMIN).status == 501
    wrong = call(one, 'POST', '/api/v1/security/privileges/validate',
                 {'target': 'shop', 'role': 'seller', 'object': 'orders', 'privilege': 'EXECUTE'}, **ADMIN)
    assert wrong.status == 422 and wrong.json()['errors'][0]['field'] == 'privilege'


def test_who_may_ask_and_that_the_trail_knows(one):
    auditor = basic('a-auditor')
    assert call(one, 'GET', '/api/v1/security/privileges/role/seller?target=shop', **auditor).status == 200
    assert call(one, 'GET', '/api/v1/security/privileges/role/seller?target=shop', **basic('a-approver')).status == 404
    row = events(one, 'VIEW', user_name='a-auditor')[0]
    assert (row['entity_type'], row['target'], row['outcome']) == ('target', 'shop', 'success')


def test_the_server_is_only_read(one, target):
    since = target.log_position()
    ask(one, 'role/seller?target=shop')
    logged = target.logged(since)
    assert 'DROP' not in logged and 'ERROR' not in logged

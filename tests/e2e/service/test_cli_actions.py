"""The client's commands for what is no record: requests, break-glass, the trail, keys, privileges, explaining."""
import re

import psycopg
import pytest

import harness
from cli_client import CONFLICT, DENIED, NOT_FOUND, OK, PASSWORD, REFUSED, USAGE, Client


@pytest.fixture(scope='module')
def one(target):
    directory = harness.work_directory('cliact')
    made = harness.Appliance(directory, target, store='embedded').start()
    yield made
    code = made.stop()
    harness.remove(directory)
    assert code == 0, made.log_tail()


@pytest.fixture(scope='module')
def token(one, tmp_path_factory):
    """Whoever has the configuration's token."""
    out = Client(one, tmp_path_factory.mktemp('token'))
    plain = out.run
    out.run = lambda *words, **more: plain(*words, **{'RINGFENCE_URL': out.url, 'RINGFENCE_KEY': harness.TOKEN, **more})
    return out


@pytest.fixture(scope='module')
def people(token, target, tmp_path_factory):
    """Clients of a user who asks, one who approves, and an administrator; each is logged in."""
    token.ok('targets', 'create', 'act-shop', 'hosts=127.0.0.1', 'port=%d' % target.port, 'database=shop', 'user=shop_app',
             'sslmode=disable', '--password-stdin', given=harness.APP_PASSWORD + '\n')
    out = {}
    for name, roles in [('asker', 'user'), ('decider', 'approver'), ('chief', 'admin')]:
        token.ok('users', 'create', name, 'roles=' + roles, '--password-stdin', given=PASSWORD + '\n')
        out[name] = Client(token.one, tmp_path_factory.mktemp(name))
    # Keys come from the administrator: who has not the scope keys:write makes none.
    for name in out:
        made = token.ok('keys', 'create', 'key-of-' + name, 'user=' + name, '--json').json()
        out[name].ok('login', '--url', token.url, '--key-stdin', given=made['key'] + '\n')
    return out


def ask(client, *words):
    done = client.ok('requests', 'create', 'target=act-shop', 'duration_s=3600', 'justification=the ticket', '--json', *words)
    return done.json()['id']


# ---------------------------------------------------------------- requests

def test_a_request_is_approved_and_the_grant_is_in_force(people):
    identity = ask(people['asker'])
    done = people['decider'].ok('requests', 'approve', identity, '--reason', 'seen')
    grant = re.search(r'^approved access request %s of asker; the grant is (\S+)$' % identity, done.out, re.M)[1]
    assert people['chief'].ok('grants', 'show', grant, '--json').json()['origin'] == 'request'
    assert people['asker'].ok('requests', 'show', identity, '--json').json()['decision_reason'] == 'seen'
    with psycopg.connect(host='127.0.0.1', port=people['asker'].one.pg_port, user='asker', password=PASSWORD,
                         dbname='act-shop') as connection:
        assert connection.execute('SELECT count(*) FROM orders').fetchone()[0] > 0
    again = people['decider'].run('requests', 'deny', identity, '--reason', 'late')
    assert again.code == CONFLICT, again


def test_a_request_is_denied_with_a_reason_and_cancelled_by_who_made_it(people):
    identity = ask(people['asker'])
    assert people['decider'].run('requests', 'deny', identity).code == USAGE
    stale = people['decider'].run('requests', 'deny', identity, '--reason', 'no', '--if-version', '7')
    assert stale.code == CONFLICT, stale
    denied = people['decider'].ok('requests', 'deny', identity, '--reason', 'not today', '--json').json()
    assert denied['state'] == 'denied' and denied['decision_reason'] == 'not today' and denied['grant'] is None
    other = ask(people['asker'])
    assert 'cancelled access request %s' % other in people['asker'].ok('requests', 'cancel', other).out
    assert people['decider'].run('requests', 'approve', other).code == CONFLICT


def test_nobody_decides_a_request_of_his_own_or_without_the_scope(people):
    identity = ask(people['asker'])
    refused = people['asker'].run('requests', 'approve', identity)
    assert refused.code == DENIED and 'access-requests:decide' in refused.err
    own = ask(people['chief'])
    assert people['chief'].run('requests', 'approve', own).code == DENIED
    missing = people['decider'].run('requests', 'approve', '01890000-0000-7000-8000-000000000000')
    assert missing.code == NOT_FOUND, missing
    # No field of a request changes.
    assert people['chief'].run('requests', 'update', own, 'level=admin').code == USAGE


def test_break_glass_gives_a_grant_at_once_to_who_may(people):
    refused = people['asker'].run('break-glass', 'target=act-shop', '--reason', 'the shop is down')
    assert refused.code == DENIED and 'grants:break-glass' in refused.err
    assert people['chief'].run('break-glass', 'target=act-shop').code == USAGE
    assert people['chief'].run('break-glass', 'targe=act-shop', '--reason', 'the shop is down').code == USAGE
    short = people['chief'].run('break-glass', 'target=act-shop', '--reason', 'down')
    assert short.code == REFUSED and 'reason' in short.err
    grant = people['chief'].ok('break-glass', 'target=act-shop', 'level=write', 'minutes=5', '--reason', 'the shop is down', '--json').json()
    assert (grant['origin'], grant['user'], grant['level']) == ('break_glass', 'chief', 'write')
    people['chief'].ok('grants', 'delete', grant['id'], '--yes')
    told = people['chief'].ok('break-glass', 'target=act-shop', '--reason', 'the shop is down')
    assert re.match(r'granted level read to chief until \S+ \(grant \S+\)\n$', told.out) and 'CRITICAL' in told.err


# ---------------------------------------------------------------- explaining, privileges

def test_the_appliance_explains_a_statement(people, token):
    token.ok('grants', 'create', 'user=chief', 'target=act-shop', 'level=read', 'priority=9')
    words = ('policies', 'explain', '--user', 'chief', '--target', 'act-shop')
    allowed = people['chief'].ok(*words, 'SELECT 1')
    assert allowed.out.startswith('allowed: chief on act-shop\n') and 'statement 1: allowed' in allowed.out
    both = people['chief'].run(*words, given='SELECT 1; DELETE FROM orders')
    assert both.code == REFUSED and 'statement 1: allowed' in both.out and 'statement 2: refused' in both.out
    assert 'DELETE' in both.out and 'access level read' in both.out
    asked = people['chief'].run(*words, 'DELETE FROM orders', '--json')
    assert asked.code == REFUSED and asked.json()['allowed'] is False
    nobody = people['chief'].run('policies', 'explain', '--user', 'nobody', '--target', 'act-shop', 'SELECT 1')
    assert nobody.code == REFUSED and 'nobody' in nobody.err
    closed = people['chief'].run('policies', 'explain', '--role', 'nothing', '--target', 'act-shop', 'SELECT 1')
    assert closed.code == REFUSED and 'the connection itself is refused' in closed.out
    assert people['chief'].run('policies', 'explain', '--target', 'act-shop', 'SELECT 1').code == USAGE
    assert people['asker'].run(*words, 'SELECT 1').code == DENIED


def test_privileges_of_the_targets_server(people):
    shown = people['chief'].ok('privileges', 'role', 'shop_app', '--target', 'act-shop').out
    assert re.search(r'^superuser +false$', shown, re.M) and re.search(r'^OBJECT +OBJECT_TYPE +PRIVILEGE', shown, re.M)
    on_table = people['chief'].ok('privileges', 'object', 'orders', '--target', 'act-shop').out
    assert re.search(r'^\S*orders +table +SELECT +shop_app', on_table, re.M), on_table
    assert 'unused since' in people['chief'].ok('privileges', 'analyze', 'shop_app', '--target', 'act-shop').out
    words = ('privileges', 'validate', 'shop_app', 'orders')
    assert 'has SELECT on orders' in people['chief'].ok(*words, 'SELECT', '--target', 'act-shop').out
    no = people['chief'].run('privileges', 'validate', 'app_trust', 'orders', 'DELETE', '--target', 'act-shop')
    assert no.code == REFUSED and 'has not DELETE on orders' in no.err
    assert people['asker'].run(*words, 'SELECT', '--target', 'act-shop').code == DENIED


# ---------------------------------------------------------------- the trail, keys

def test_the_trail_is_listed_and_one_row_is_shown(people):
    with psycopg.connect(host='127.0.0.1', port=people['chief'].one.pg_port, user='alice', password=harness.USERS['alice'],
                         dbname='shop', autocommit=True) as connection:
        connection.execute("SELECT 'told by the trail'")

    def rows():
        found = people['chief'].ok('trail', 'queries', 'user=alice', 'target=shop', '--json').json()['items']
        return [row for row in found if 'told by the trail' in row['statement']]
    row = harness.eventually(rows, what='the statement in the trail')[0]
    shown = people['chief'].ok('trail', 'query', row['id']).out
    assert re.search(r'^outcome +\S+$', shown, re.M) and "told by the trail" in shown
    table = people['chief'].ok('trail', 'queries', 'user=alice', '--columns', 'user,statement').out
    assert table.startswith('USER') and 'told by the trail' in table
    session = row['session_id']
    assert people['chief'].ok('trail', 'connection', session, '--json').json()['user'] == 'alice'
    people['chief'].ok('break-glass', 'target=act-shop', '--reason', 'an event for the trail')
    events = harness.eventually(lambda: people['chief'].ok('trail', 'events', 'severity=CRITICAL', '--json').json()['items'],
                                what='the event of the broken glass')
    assert events[0]['action'] == 'break_glass', events
    assert people['chief'].ok('trail', 'event', events[0]['id'], '--json').json()['action'] == 'break_glass'
    wrong = people['chief'].run('trail', 'queries', 'usr=alice')
    assert wrong.code == USAGE and 'user' in wrong.err
    assert people['chief'].run('trail', 'queries', 'alice').code == USAGE
    refused = people['asker'].run('trail', 'events')
    assert refused.code == DENIED and 'audit:read' in refused.err


def test_keys_are_made_rotated_and_destroyed(people):
    chief = people['chief']
    before = chief.ok('encryption', 'status', '--json').json()['current_key_id']
    made = chief.ok('encryption', 'generate', '--expires', '365d', '--json').json()
    assert made['state'] == 'prepared' and made['expires_at']
    listed = chief.ok('encryption', 'keys').out
    assert re.search(r'^%s +\d+ +prepared' % re.escape(made['key_id']), listed, re.M), listed
    assert chief.run('encryption', 'rotate').code == USAGE
    assert made['key_id'] in chief.ok('encryption', 'rotate', '--yes').out

    def is_done():
        status = chief.ok('encryption', 'status', '--json').json()
        return status['current_key_id'] == made['key_id'] and status['rotation']['state'] == 'completed'
    harness.eventually(is_done, timeout=60, what='the rotation')
    assert re.search(r'^rotation +completed, 100 %', chief.ok('encryption', 'status').out, re.M)
    assert chief.run('encryption', 'destroy', before).code == USAGE
    assert chief.run('encryption', 'destroy', made['key_id'], '--yes').code == CONFLICT
    chief.ok('encryption', 'show', before)
    refused = people['asker'].run('encryption', 'generate')
    assert refused.code == DENIED and 'encryption:manage' in refused.err


# ---------------------------------------------------------------- which command is which operation

def test_the_documents_say_which_command_is_which_operation(token):
    """Each operation of /api/v1 stands in docs/cli.md, with its command or with `ringfence api`."""
    text = (harness.ROOT / 'docs/cli.md').read_text()
    table = text[text.index('## Which command is which operation'):].split('\n## ')[0]
    document = token.ok('api', 'GET', '/api/openapi.json').json()
    nouns = {path.split('/')[3] for path in document['paths'] if re.fullmatch(r'/api/v1/[a-z-]+/\{id\}', path)
             and ('patch' in document['paths'][path] or 'access-requests' in path)}
    for path, methods in document['paths'].items():
        tags = {tag for operation in methods.values() for tag in operation.get('tags', ())}
        if not path.startswith('/api/v1/') or tags & {'dbbat', 'port-authorizing', 'rusty-db'}:
            continue
        parts = path.split('/')
        if parts[3] in nouns and len(parts) <= 5:
            continue  # The commands of records.
        assert '`%s`' % path[len('/api/v1'):] in table, path

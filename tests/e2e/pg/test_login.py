"""Who gets in, what those see who do not, and that both are written down."""
import psycopg
import pytest

import harness
import raw


def refusal(appliance, user, password, database='shop', app='e2e'):
    with raw.RawClient(appliance.pg_port) as client:
        with pytest.raises(raw.ServerError) as caught:
            client.log_in(user, password, database, application_name=app)
        assert client.at_end()
    return caught.value.fields


@pytest.mark.parametrize('database', ['shop', 'socket', 'md5', 'clear', 'trust'])
def test_the_target_is_logged_into_in_each_of_its_ways(appliance, trail, app, database):
    with appliance.connect(database=database, application_name=app) as connection:
        [[role, name]] = connection.execute('SELECT current_user, current_database()').fetchall()
    assert role == {'md5': 'app_md5', 'clear': 'app_clear', 'trust': 'app_trust'}.get(database, 'shop_app')
    assert name == 'shop'
    [row] = trail.settled(app)
    assert row['target'] == database


@pytest.mark.parametrize('user', list(harness.USERS))
def test_each_user_logs_in_with_its_own_password(appliance, app, user):
    with appliance.connect(user=user, application_name=app) as connection:
        assert connection.execute('SELECT 1').fetchone() == (1,)


def test_wrong_password_and_unknown_user_look_the_same(appliance):
    wrong = refusal(appliance, 'alice', 'not her password')
    unknown = refusal(appliance, 'mallory', 'not her password')
    assert wrong['C'] == unknown['C'] == '28P01'
    assert wrong['M'].replace('alice', '?') == unknown['M'].replace('mallory', '?')
    assert {key: value for key, value in wrong.items() if key != 'M'} == \
        {key: value for key, value in unknown.items() if key != 'M'}


def test_the_salt_of_an_unknown_user_is_stable(appliance):
    """A salt that changes from one attempt to the next would tell that there is no such user."""
    def first(user):
        with raw.RawClient(appliance.pg_port) as client:
            client.send(raw.startup({'user': user, 'database': 'shop'}))
            kind, _ = client.receive()
            assert kind == b'R'
            scram = raw.Scram('x')
            client.send(raw.message(b'p', b'SCRAM-SHA-256\0' + len(scram.first).to_bytes(4, 'big') + scram.first))
            kind, body = client.receive()
            assert kind == b'R'
            fields = dict(part.split(b'=', 1) for part in body[4:].split(b','))
            return fields[b's'], fields[b'i']
    assert first('mallory') == first('mallory')
    assert first('mallory') != first('trudy')
    assert first('mallory')[1] == first('alice')[1]
    assert len(first('mallory')[0]) == len(first('alice')[0])


def test_failed_logins_are_recorded(appliance, trail, app):
    # Of users who did not fail before: others like those would be counted.
    refusal(appliance, 'carol', 'wrong', app=app)
    refusal(appliance, 'nobody-' + app, 'wrong', app=app)
    rows = harness.eventually(
        lambda: (lambda r: r if len(r) >= 2 else None)(trail.events(app, 'postgres_auth_failed')), what='two events')
    assert [row['user_name'] for row in rows] == ['carol', 'nobody-' + app]
    assert {row['outcome'] for row in rows} <= {'failure', 'denied'}
    assert {row['category'] for row in rows} == {'authentication'}


def test_an_unknown_database_is_refused_after_authentication_and_recorded(appliance, trail, app):
    fields = refusal(appliance, 'alice', harness.USERS['alice'], 'no_such_target', app)
    assert fields['C'] in ('3D000', '28000', '42501')
    # Without the password nobody learns which targets exist.
    assert refusal(appliance, 'alice', 'wrong', 'no_such_target')['C'] == '28P01'
    assert refusal(appliance, 'alice', 'wrong', 'shop')['C'] == '28P01'
    harness.eventually(lambda: [r for r in trail.events(app) if r['outcome'] in ('failure', 'denied')],
                       what='the refusal in the trail')


def test_a_login_leaves_its_events(appliance, trail, app):
    with appliance.connect(application_name=app) as connection:
        connection.execute('SELECT 1')
    trail.settled(app)
    events = trail.events(app)
    actions = [row['action'] for row in events]
    for action in ('postgres_connect', 'postgres_client_auth', 'postgres_auth', 'postgres_query', 'postgres_disconnect'):
        assert action in actions, actions
    assert len({row['session_id'] for row in events if row['session_id']}) == 1
    assert {row['node'] for row in events} == {'e2e'}
    assert all(row['client_addr'] for row in events)


@pytest.mark.parametrize('database', ['wrong_password', 'nobody_home'])
def test_a_target_that_cannot_be_reached_is_a_proper_fatal(appliance, trail, app, database):
    fields = refusal(appliance, 'alice', harness.USERS['alice'], database, app)
    assert fields['S'] == 'FATAL'
    assert fields['C'][:2] in ('08', '28', '57', 'XX')
    assert harness.APP_PASSWORD not in str(fields)
    harness.eventually(lambda: [r for r in trail.events(app) if r['outcome'] == 'failure'], what='the failure')


def test_secrets_are_in_no_log(appliance):
    refusal(appliance, 'alice', 'wrong-secret-zz')
    log = appliance.log()
    for secret in [harness.APP_PASSWORD, harness.TOKEN, 'wrong-secret-zz', *harness.USERS.values()]:
        assert secret not in log


def test_a_user_given_by_verifier_logs_in(own):
    import subprocess
    verifier = subprocess.run([harness.BINARY, 'scram-verifier'], input='by verifier ü\n', text=True,
                              capture_output=True, check=True).stdout.strip()
    assert verifier.startswith('SCRAM-SHA-256$4096:')
    one = own(users=[{'name': 'vera', 'verifier': verifier, 'roles': ['operator']}]).start()
    with psycopg.connect(**one.conninfo('vera', password='by verifier ü')) as connection:
        assert connection.execute('SELECT 2').fetchone() == (2,)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(**one.conninfo('vera', password='by verifier'))

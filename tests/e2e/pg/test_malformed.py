"""What is no message, or not what its type has: a client gets what the server itself would answer, and the trail says of
what stands behind it what is so."""
import struct

import pytest

import harness
import malformed
import raw

PASSWORD = harness.USERS['alice']


@pytest.fixture(scope='module')
def both(target):
    """alice may do anything, bob may read."""
    directory = harness.work_directory('malformed')
    users = [{'name': name, 'password': harness.USERS[name], 'roles': [role]}
             for name, role in (('alice', 'operator'), ('bob', 'reader'))]
    policies = [{'name': 'operators', 'roles': ['operator'], 'tags': ['*'], 'level': 'admin'},
                {'name': 'readers', 'roles': ['reader'], 'tags': ['*'], 'level': 'read'}]
    one = harness.Appliance(directory, target, users=users, policies=policies).start()
    yield one
    code = one.stop()
    harness.remove(directory)
    assert code == 0, one.log_tail()


def answers(client, frame):
    client.send(frame + malformed.BEHIND + raw.TERMINATE)
    return malformed.messages(malformed.rest(client))


@pytest.fixture(scope='module')
def direct(target):
    """What the server says to each."""
    out = {}
    for name, frame in malformed.FRAMES.items():
        with raw.RawClient(target.port) as client:
            out[name] = answers(client.log_in('shop_app', harness.APP_PASSWORD, 'shop'), frame)
    return out


@pytest.mark.parametrize('user', ['alice', 'bob'])
def test_a_malformed_message_gets_what_the_server_says(both, direct, user):
    wrong = {}
    for name, frame in malformed.FRAMES.items():
        with raw.RawClient(both.pg_port) as client:
            got = answers(client.log_in(user, harness.USERS[user], 'shop'), frame)
        wanted = direct[name]
        # Where the server hangs up without a word, a last one of ours is no harm.
        if not wanted and got and got[-1][0] == 'E' and got[-1][1][0] == 'FATAL':
            got = got[:-1]
        if got != wanted:
            wrong[name] = (got, wanted)
    assert not wrong


@pytest.mark.parametrize('user', ['alice', 'bob'])
def test_what_stands_behind_a_malformed_message_has_the_record_that_is_true(both, direct, user):
    trail = both.trail()
    for at, (name, frame) in enumerate(malformed.FRAMES.items()):
        app = 'malformed-%s-%d' % (user, at)
        with raw.RawClient(both.pg_port) as client:
            answers(client.log_in(user, harness.USERS[user], 'shop', application_name=app), frame)
        rows = trail.settled(app)
        for text in ('behind', 'last'):
            has_run = any(kind == 'D' and text.encode() in body for kind, body in direct[name])
            outcomes = {row['outcome'] for row in rows if row['statement'] == "SELECT '%s'" % text}
            assert ('success' in outcomes) == has_run, (name, text, outcomes)
    trail.connection.close()


@pytest.mark.parametrize('name', malformed.FIRST)
def test_a_first_packet_that_is_none_gets_what_the_server_says(appliance, target, name):
    got = []
    for port in (target.port, appliance.pg_port):
        with raw.RawClient(port) as client:
            client.send(malformed.FIRST[name])
            client.socket.shutdown(1)
            got.append(malformed.messages(malformed.rest(client)))
    assert got[0] == got[1]


def test_a_client_that_changes_its_mind_gets_no_error(appliance, target):
    """Terminate in place of a startup packet, also behind a request for TLS that was declined."""
    for port in (target.port, appliance.pg_port):
        for asks_first in (False, True):
            with raw.RawClient(port) as client:
                if asks_first:
                    client.send(struct.pack('!II', 8, 80877103))
                    assert client.receive_exactly(1) == b'N'
                client.send(raw.TERMINATE)
                assert malformed.rest(client) == b''


def test_a_flush_with_a_body_inside_of_a_copy_is_as_good_as_none(appliance, target, trail, app):
    for port, user, password in ((target.port, 'shop_app', harness.APP_PASSWORD), (appliance.pg_port, 'alice', PASSWORD)):
        with raw.RawClient(port) as client:
            client.log_in(user, password, 'shop', application_name=app)
            client.run('CREATE TEMP TABLE c (t text)')
            client.send(raw.query('COPY c FROM STDIN'))
            client.receive_until(b'G')
            client.send(raw.message(b'd', b'a\n') + raw.message(b'H', b'x') + raw.message(b'd', b'b\n') + raw.message(b'c'))
            assert raw.kinds(client.receive_until(b'Z')) == b'CZ'
            assert raw.rows(client.run('SELECT count(*) FROM c')) == [[b'2']]
            client.send(raw.TERMINATE)
    assert {row['outcome'] for row in trail.settled(app)} == {'success'}

"""In how many TCP segments a client gets what it is told at its login, and what is in them."""
import socket
import struct
import time

import pytest

import harness
import raw
from pooling import pid_of, pooled, wait_idle

DATA_SEGMENTS_IN = 152  # tcpi_data_segs_in in struct tcp_info, <linux/tcp.h>.


def segments(wire):
    """With data, since the connection was made."""
    info = wire.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return struct.unpack_from('=I', info, DATA_SEGMENTS_IN)[0]


def login(one, user='alice', database='shop', password=None):
    """(messages, segments) that come after the client's proof, and its connection, still open."""
    wire = raw.RawClient(one.pg_port)
    scram = raw.Scram(password or harness.USERS[user])
    wire.send(raw.startup({'user': user, 'database': database, 'application_name': 'greeted'}))
    assert wire.receive()[0] == b'R'
    wire.send(raw.message(b'p', b'SCRAM-SHA-256\0' + struct.pack('!i', len(scram.first)) + scram.first))
    kind, body = wire.receive()
    assert kind == b'R' and not wire.buffer
    before = segments(wire)
    wire.send(raw.message(b'p', scram.final(body[4:])))
    got = [wire.receive()]
    while got[-1][0] not in b'EZ':
        got.append(wire.receive())
    assert not wire.buffer
    if got[0][0] == b'R':
        scram.check(got[0][1][4:])
        assert got[1] == (b'R', struct.pack('!I', 0))
    return got, segments(wire) - before, wire


@pytest.fixture(scope='module')
def one(target):
    """Keeps one connection; bob may go nowhere."""
    directory = harness.work_directory('greeting')
    users = [{'name': name, 'password': password, 'roles': ['operator'] if name != 'bob' else ['guest']}
             for name, password in harness.USERS.items()]
    made = harness.Appliance(directory, target, shards=1, targets=pooled(target), users=users).start()
    yield made
    code = made.stop()
    harness.remove(directory)
    assert code == 0, made.log_tail()


def test_a_warm_connection_greets_in_one_segment_and_says_what_a_new_one_does(one):
    new, pieces, wire = login(one, database='plain')
    assert pieces == 2  # AuthenticationOk is not kept back until the server has let us in.
    wire.socket.close()
    with one.connect() as connection:
        before = pid_of(connection)
    for _ in range(3):
        wait_idle(one)
        got, pieces, wire = login(one)
        assert pieces == 1
        assert raw.kinds(got) == raw.kinds(new)
        # A cancel key is each session's own.
        assert [message for message in got if message[0] not in b'RK'] == [message for message in new if message[0] not in b'RK']
        assert raw.rows(wire.run('SELECT pg_backend_pid()')) == [[str(before).encode()]]
        wire.send(raw.TERMINATE)
        assert wire.at_end()


def test_one_that_has_waited_for_long_does_not_keep_authentication_ok_back(one):
    one.connect().close()
    wait_idle(one)
    time.sleep(5.1)  # What counts as lately.
    got, pieces, wire = login(one)
    assert pieces == 2 and got[-1][0] == b'Z'
    wire.socket.close()


def test_a_refusal_comes_in_one_segment_whether_there_is_such_a_target_or_not(one):
    one.connect().close()
    wait_idle(one)
    found = set()
    for database in ('shop', 'plain', 'none'):
        got, pieces, wire = login(one, user='bob', database=database)
        assert wire.at_end()
        fields = raw.error_fields(got[-1][1])
        assert fields.pop('M') == 'database "%s" is not available to user "bob"' % database
        found.add((raw.kinds(got), pieces, str(fields)))
    assert len(found) == 1
    [(kinds, pieces, fields)] = found
    assert kinds == b'RRE' and pieces == 1 and "'C': '3D000'" in fields


def test_a_wrong_password_gets_no_word_of_authentication_ok(one):
    one.connect().close()
    wait_idle(one)
    got, pieces, wire = login(one, password='not hers')
    assert raw.kinds(got) == b'E' and pieces == 1
    assert raw.error_fields(got[0][1])['C'] == '28P01'
    assert wire.at_end()


def test_answers_that_a_client_has_not_read_when_it_says_goodbye_still_reach_it(one):
    """More than the sockets hold: the connection is not reset under what is on its way."""
    for database in ('plain', 'shop'):
        _, _, wire = login(one, database=database)
        wire.send(raw.query("SELECT repeat('x', 1000) FROM generate_series(1, 5000)") + raw.TERMINATE)
        time.sleep(0.3)  # For the answers to stand in the sockets; without it this holds all the same.
        got = wire.receive_until(b'Z')
        assert raw.kinds(got).count(b'D') == 5000
        assert wire.at_end()

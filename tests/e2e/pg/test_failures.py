"""Somebody dies in the middle: the other side hears a proper word, and the trail knows."""
import signal
import socket
import struct
import subprocess
import threading
import time

import psycopg
import pytest

import harness
import raw


def test_a_killed_backend_is_a_proper_fatal_for_the_client(appliance, trail, app):
    """kill -9 of one backend makes PostgreSQL restart all; terminate is the polite way with the same effect."""
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', harness.USERS['alice'], 'shop', application_name=app)
        [[pid]] = raw.rows(client.run('SELECT pg_backend_pid()'))
        client.send(raw.query('SELECT pg_sleep(30)'))
        time.sleep(0.2)
        appliance.target.sql('SELECT pg_terminate_backend(%s)', int(pid))
        fields = raw.error_fields(client.receive_until(b'E')[-1][1])
        assert (fields['S'], fields['C']) == ('FATAL', '57P01')
        assert client.at_end()
    rows = trail.settled(app)
    assert rows[-1]['statement'] == 'SELECT pg_sleep(30)'
    assert rows[-1]['outcome'] in ('failure', 'cancelled')
    assert rows[-1]['sqlstate'] == '57P01'


class FakeServer:
    """A backend that logs in anyone and then does what the test says with each query."""

    def __init__(self, behave):
        self.behave = behave
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.session, args=(client,), daemon=True).start()

    def session(self, client):
        with client:
            length = struct.unpack('!I', client.recv(4, socket.MSG_WAITALL))[0]
            client.recv(length - 4, socket.MSG_WAITALL)
            client.sendall(raw.message(b'R', struct.pack('!I', 0)) + raw.message(b'S', b'server_version\x0015.0\0')
                           + raw.message(b'K', struct.pack('!II', 4711, 42)) + raw.message(b'Z', b'I'))
            header = client.recv(5, socket.MSG_WAITALL)
            if len(header) == 5:
                client.recv(struct.unpack('!I', header[1:])[0] - 4, socket.MSG_WAITALL)
                self.behave(client)


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))


@pytest.mark.parametrize('behave, is_in_message', [
    (lambda client: None, False),
    (reset, False),
    (lambda client: client.sendall(raw.message(b'T', struct.pack('!H', 0)) + raw.message(b'D', struct.pack('!H', 0))), False),
    (lambda client: client.sendall(b'D\x00\x00\xff\xff only the beginning'), True),
    (lambda client: client.sendall(b'D\x00\x00\x00\x01'), False),
    (lambda client: client.sendall(raw.message(b'E', b'Mno code, no severity\0\0')), False),
    (lambda client: client.sendall(b'\x00' * 100), False),
], ids=['closes', 'resets', 'after rows', 'in a row', 'length 1', 'odd error', 'zeroes'])
def test_a_backend_that_vanishes_or_lies_gives_a_fatal_not_a_reset(own, app, behave, is_in_message):
    server = FakeServer(behave)
    one = own()
    one.config['targets'].append({'name': 'fake', 'host': '127.0.0.1', 'port': server.port, 'database': 'd',
                                  'user': 'u', 'password': 'p'})
    one.write_config()
    one.start()
    with raw.RawClient(one.pg_port) as client:
        client.log_in('alice', harness.USERS['alice'], 'fake', application_name=app)
        client.send(raw.query('SELECT 1'))
        seen = []
        try:
            while True:
                seen.append(client.receive())
        except EOFError:
            pass
    errors = [raw.error_fields(body) for kind, body in seen if kind == b'E']
    if not is_in_message:  # In the middle of a message there is no room for another one.
        assert errors and errors[-1].get('S') == 'FATAL', seen
        assert errors[-1]['C'][:2] in ('08', '57')
    trail = one.trail()
    [row] = trail.settled(app)
    assert row['outcome'] in ('unknown', 'failure')
    assert one.http('/readyz')[0] == 200


def test_a_client_killed_in_mid_statement_leaves_an_honest_record(appliance, trail, app):
    process = subprocess.Popen([harness.PG_BIN / 'psql', '-X', '-c', 'SELECT pg_sleep(3)'], cwd='/',
                               env=appliance.environment(application_name=app), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    harness.eventually(lambda: [s for s in appliance.sessions() if s.get('application_name') == app], what='the session')
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    [row] = trail.settled(app)
    assert row['statement'] == 'SELECT pg_sleep(3)'
    assert row['outcome'] in ('unknown', 'cancelled', 'failure', 'success')
    assert row['outcome'] != 'running'


def test_a_client_that_resets_while_rows_flow(appliance, trail, app):
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', harness.USERS['alice'], 'shop', application_name=app)
        client.send(raw.query("SELECT repeat('x', 1000) FROM generate_series(1, 1000000)"))
        client.receive_until(b'T')
        reset(client.socket)
    [row] = trail.settled(app, timeout=40)
    # The server may have finished it all the same: then the record says what it said.
    assert row['outcome'] in ('unknown', 'failure', 'cancelled') or row['rows'] == 1000000
    harness.eventually(lambda: not [s for s in appliance.sessions() if s.get('application_name') == app],
                       what='the session to go')


def test_a_reader_that_stops_reading_costs_only_itself(appliance, app):
    with raw.RawClient(appliance.pg_port) as slow:
        slow.log_in('alice', harness.USERS['alice'], 'shop', application_name=app)
        before = harness.memory(appliance, 'VmRSS')
        slow.send(raw.query("SELECT repeat('y', 10000) FROM generate_series(1, 30000)"))
        time.sleep(1)
        assert harness.memory(appliance, 'VmRSS') - before < 64 << 20
        for _ in range(10):
            with appliance.connect() as other:
                assert other.execute('SELECT 1').fetchone() == (1,)
        assert len(raw.rows(slow.receive_until(b'Z'))) == 30000


def test_hundreds_of_connections_come_and_go(appliance, trail, app):
    before = None
    for turn in range(3):
        clients = [raw.RawClient(appliance.pg_port) for _ in range(80)]
        for client in clients:
            client.log_in('carol', harness.USERS['carol'], 'shop', application_name=app)
        for client in clients:
            client.send(raw.query('SELECT 1'))
        for client in clients:
            assert b'E' not in raw.kinds(client.receive_until(b'Z'))
        for client in clients:
            client.socket.close()
        harness.eventually(lambda: not [s for s in appliance.sessions() if s.get('application_name') == app],
                           30, 0.1, 'the sessions to go')
        descriptors = len(harness.os.listdir('/proc/%d/fd' % appliance.process.pid))
        if turn:
            assert descriptors <= before + 3
        before = descriptors
    assert len(trail.settled(app, sessions=240, timeout=60)) == 240


def test_the_bound_on_connections_is_a_clear_error(own):
    one = own(limits={'connections_max': 5}).start()
    held = [one.connect() for _ in range(5)]
    with raw.RawClient(one.pg_port) as client:
        with pytest.raises((raw.ServerError, EOFError)) as caught:
            client.log_in('alice', harness.USERS['alice'], 'shop')
        assert isinstance(caught.value, raw.ServerError)
        assert caught.value.fields['C'] == '53300'
    held.pop().close()

    def again():
        try:
            one.connect().close()
            return True
        except psycopg.OperationalError:
            return False
    harness.eventually(again, what='room for one more')
    for connection in held:
        connection.close()


def test_a_silent_client_is_dropped_after_the_startup_deadline(own):
    one = own(limits={'startup_ms': 500, 'authentication_ms': 700}).start()
    began = time.monotonic()
    with raw.RawClient(one.pg_port, timeout=10) as silent, raw.RawClient(one.pg_port, timeout=10) as half:
        half.send(raw.startup({'user': 'alice', 'database': 'shop'}))
        assert half.receive()[0] == b'R'
        for client in (silent, half):
            try:
                while client.socket.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    assert 0.3 < time.monotonic() - began < 8


def test_an_idle_session_is_ended_after_idle_ms(own):
    one = own(limits={'idle_ms': 600}).start()
    with raw.RawClient(one.pg_port) as client:
        client.log_in('alice', harness.USERS['alice'], 'shop')
        client.run('SELECT pg_sleep(1)')  # Running is not idle.
        kind, body = client.receive()
        assert kind == b'E' and raw.error_fields(body)['C'] in ('57P05', '57P01')
        assert client.at_end()


def test_a_message_above_the_limit_is_a_clear_error(own):
    one = own(limits={'message_bytes_max': 1 << 20}).start()
    with raw.RawClient(one.pg_port) as client:
        client.log_in('alice', harness.USERS['alice'], 'shop')
        client.send(struct.pack('!cI', b'Q', (1 << 20) + 100) + b'SELECT 1')
        kind, body = client.receive()
        assert kind == b'E'
        assert raw.error_fields(body)['C'] in ('54000', '08P01')

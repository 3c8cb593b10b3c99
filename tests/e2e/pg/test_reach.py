"""The way to a server that does not answer: how long it takes in all, and what it holds when its client has gone."""
import socket
import struct
import threading
import time

import psycopg
import pytest

import harness
import raw


class Mute:
    """Takes connections and says nothing; `says` is sent to each once it has sent something."""

    def __init__(self, says=b''):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.open = []
        self.ended = 0
        self.says = says
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                taken, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(taken)
            threading.Thread(target=self.read, args=(taken,), daemon=True).start()

    def read(self, taken):
        try:
            while taken.recv(4096):
                if self.says:
                    taken.sendall(self.says)
        except OSError:
            pass
        self.ended += 1

    def stop(self):
        self.listener.close()
        for one in self.open:
            one.close()


def to(name, port, **more):
    return {'name': name, 'port': port, 'database': 'shop', 'user': 'shop_app', 'password': harness.APP_PASSWORD,
            'tags': ['e2e'], 'sslmode': 'disable', **({} if 'hosts' in more else {'host': '127.0.0.1'}), **more}


@pytest.fixture(scope='module')
def mute():
    one = Mute()
    yield one
    one.stop()


def start(name, target, targets, connect_ms):
    directory = harness.work_directory(name)
    return harness.Appliance(directory, target, targets=targets,
                             limits={'connect_ms': connect_ms, 'authentication_ms': 30000}).start()


def stop(one):
    code = one.stop()
    harness.remove(one.directory)
    assert code == 0, one.log_tail()


@pytest.fixture(scope='module')
def slow(target, mute):
    declines = Mute(b'N')
    # Its backlog is full: nothing answers the attempt to connect.
    full = socket.socket()
    full.bind(('127.0.0.1', 0))
    full.listen(0)
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
        fillers.append(filler)
    one = start('slow', target, [
        to('mute', mute.port), to('prefer', mute.port, sslmode='prefer'), to('declines', declines.port, sslmode='prefer'),
        to('allow', mute.port, sslmode='allow'), to('full', full.getsockname()[1]),
        to('hosts', mute.port, hosts=['127.0.0.1', '127.0.0.1']), to('pooled', mute.port, pool={'max': 2, 'min': 0})], 1500)
    yield one
    stop(one)
    for filler in fillers + [full]:
        filler.close()
    declines.stop()


@pytest.fixture(scope='module')
def patient(target, mute):
    """Where whoever has gone would wait for long."""
    one = start('patient', target, [to('mute', mute.port), to('two', mute.port, connections_max=2),
                                    to('two_pooled', mute.port, connections_max=2, pool={'max': 2, 'min': 0})], 60000)
    yield one
    stop(one)


@pytest.mark.parametrize('database', ['mute', 'prefer', 'declines', 'allow', 'full', 'hosts', 'pooled'])
def test_the_time_to_connect_and_log_in_is_one_for_all_attempts(slow, database):
    began = time.monotonic()
    with raw.RawClient(slow.pg_port) as client:
        with pytest.raises(raw.ServerError) as caught:
            client.log_in('alice', harness.USERS['alice'], database)
    assert caught.value.fields['C'] in ('08001', '08006')
    assert 1.4 < time.monotonic() - began < 15  # A second attempt, or authentication_ms, would be 30 s.


def reach(one, database):
    """A client that is let in and waits for the server."""
    client = raw.RawClient(one.pg_port)
    with pytest.raises(socket.timeout):
        client.socket.settimeout(1)
        client.log_in('alice', harness.USERS['alice'], database)
    return client


@pytest.mark.parametrize('database', ['two', 'two_pooled'])
@pytest.mark.parametrize('way', ['close', 'reset', 'terminate'])
def test_clients_that_have_gone_free_their_places_at_once(patient, mute, database, way):
    ended = mute.ended
    clients = [reach(patient, database), reach(patient, database)]
    with raw.RawClient(patient.pg_port) as third:
        with pytest.raises(raw.ServerError) as caught:
            third.log_in('alice', harness.USERS['alice'], database)
    assert caught.value.fields['C'] == '53300'
    assert mute.ended == ended
    for client in clients:
        if way == 'reset':
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        if way == 'terminate':
            client.send(raw.TERMINATE)
        client.socket.close()
    harness.eventually(lambda: mute.ended >= ended + 2, timeout=10, what='the attempts to end')
    for client in [reach(patient, database), reach(patient, database)]:  # They are not refused.
        client.socket.close()
    harness.eventually(lambda: mute.ended >= ended + 4, timeout=10, what='those to end too')


def test_a_client_that_leaves_has_its_end_in_the_trail(patient, app):
    trail = patient.trail()
    with raw.RawClient(patient.pg_port) as client:
        client.socket.settimeout(1)
        with pytest.raises(socket.timeout):
            client.log_in('alice', harness.USERS['alice'], 'mute', application_name=app)
    [row] = harness.eventually(lambda: trail.events(app, 'postgres_disconnect'), what='its record')
    assert row['reason'] == 'client closed the connection before the server had let it in'
    assert not trail.events(app, 'postgres_auth_failed')
    trail.connection.close()


def test_a_notification_does_not_keep_an_idle_session(own):
    one = own(limits={'idle_ms': 1500})
    one.start()
    with one.connect() as listener, one.target.connect('shop') as other:
        listener.execute('LISTEN busy')
        began = time.monotonic()
        with pytest.raises(psycopg.OperationalError) as caught:
            while time.monotonic() - began < 10:
                other.execute('NOTIFY busy')
                time.sleep(0.3)
                listener.pgconn.consume_input()
                if listener.pgconn.status != psycopg.pq.ConnStatus.OK:
                    raise psycopg.OperationalError('ended')
        assert time.monotonic() - began < 6, caught
    assert one.stop() == 0

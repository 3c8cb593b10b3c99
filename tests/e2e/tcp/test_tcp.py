"""Targets of type tcp: what passes, who may, what the trail has of it, and how a session ends."""
import hashlib
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

import psycopg
import pytest

import certificates
import harness
import peers

eventually = harness.eventually


def of(rows, action):
    return [row for row in rows if row['action'] == action]


def test_a_session_passes_bytes_and_is_recorded(raw, server, events):
    appliance = raw(server().port).start()
    with peers.connect(appliance.tcp_port) as client:
        for size in (1, 100, 70_000, 5):
            data = os.urandom(size)
            client.sendall(data)
            assert read(client, size) == data
        shown = [one for one in appliance.sessions() if one['protocol'] == 'tcp']
        assert [(one['user'], one['target'], one['tls']) for one in shown] == [('alice', 'cache', False)]
        assert shown[0]['bytes_to_server'] == 70_106
    rows = events(appliance, 1)
    assert [row['action'] for row in rows] == ['policy_evaluated', 'tcp_connect', 'tcp_disconnect']
    for row in rows:
        assert (row['user_name'], row['auth_method'], row['target'], row['tags']) == ('alice', 'network', 'cache', ['e2e'])
        assert row['outcome'] == 'success'
        assert row['session_id'] == rows[0]['session_id']
    done = rows[-1]
    assert (done['bytes_to_client'], done['bytes_to_server']) == (70_106, 70_106)
    assert done['duration_us'] > 0
    assert done['reason'] == 'both sides have ended'
    assert appliance.stop() == 0


def read(connection, size):
    out = b''
    while len(out) < size:
        data = connection.recv(size - len(out))
        if not data:
            break
        out += data
    return out


def test_redis(raw, events, tmp_path):
    with peers.redis(tmp_path) as port:
        appliance = raw(port).start()
        run = ['redis-cli', '-h', '127.0.0.1', '-p', str(appliance.tcp_port)]
        assert subprocess.run([*run, 'SET', 'a', 'x' * 100_000], capture_output=True, text=True, check=True).stdout == 'OK\n'
        assert subprocess.run([*run, 'STRLEN', 'a'], capture_output=True, text=True, check=True).stdout == '100000\n'
        assert len(subprocess.run([*run, 'GET', 'a'], capture_output=True, text=True, check=True).stdout) == 100_001
        many = subprocess.run(['redis-benchmark', '-h', '127.0.0.1', '-p', str(appliance.tcp_port), '-n', '2000', '-c', '10',
                               '-t', 'set,get,mset', '-q'], capture_output=True, text=True, check=True, timeout=120)
        assert 'requests per second' in many.stdout
        rows = events(appliance, 3)
        connects = of(rows, 'tcp_connect')
        eventually(lambda: len(of(events(appliance, 3), 'tcp_disconnect')) == len(of(events(appliance, 3), 'tcp_connect')),
                   20, 0.2, 'as many ends as beginnings')
        assert len(connects) > 3


def test_postgres_behind_it_as_it_is(raw, target, events):
    """Bytes of any protocol pass, a whole login with its cancel key too."""
    appliance = raw(target.port).start()
    with psycopg.connect(host='127.0.0.1', port=appliance.tcp_port, dbname='shop', user='shop_app',
                         password=harness.APP_PASSWORD, sslmode='disable', autocommit=True) as connection:
        assert connection.execute('SELECT sum(n) FROM generate_series(1, 100000) n').fetchone() == (5_000_050_000,)
        cancelling = threading.Timer(0.5, connection.cancel)
        cancelling.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute('SELECT pg_sleep(30)')
    assert max(row['bytes_to_client'] for row in of(events(appliance, 2), 'tcp_disconnect')) > 100


@pytest.mark.parametrize('gigabytes', [0.2, pytest.param(10, marks=pytest.mark.long)])
def test_a_stream_goes_through_a_pipe_whole(raw, server, events, gigabytes):
    found = {}
    both = server(lambda connection: found.update(up=peers.digest_of(connection)) or connection.sendall(b'got it'))
    appliance = raw(both.port).start()
    piece = os.urandom(1 << 20)
    pieces = int(gigabytes * 1024)
    digest = hashlib.sha256()
    with peers.connect(appliance.tcp_port, 600) as client:
        for _ in range(pieces):
            client.sendall(piece)
            digest.update(piece)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b'got it'
        assert client.recv(100) == b''
    assert found['up'] == (pieces << 20, digest.hexdigest())
    done = of(events(appliance, 1), 'tcp_disconnect')[0]
    assert (done['bytes_to_server'], done['bytes_to_client']) == (pieces << 20, 6)
    spliced = appliance.metrics()['ringfence_client_bytes_received_spliced_total']
    assert spliced > 0.5 * (pieces << 20)


def test_each_direction_ends_by_itself(raw, server):
    """The client ends its own and still gets a long answer; then the server ends first."""
    answer = os.urandom(3 << 20)

    def late(connection):
        assert peers.digest_of(connection)[0] == 5
        time.sleep(0.3)
        connection.sendall(answer)
    appliance = raw(server(late).port).start()
    with peers.connect(appliance.tcp_port) as client:
        client.sendall(b'hello')
        client.shutdown(socket.SHUT_WR)
        assert read(client, len(answer) + 1) == answer

    taken = []

    def first(connection):
        connection.sendall(b'bye')
        connection.shutdown(socket.SHUT_WR)
        taken.append(peers.digest_of(connection))
    appliance.config['targets'][-1]['port'] = server(first).port
    appliance.write_config()
    appliance.reload()
    eventually(lambda: appliance.metrics()['ringfence_configuration_reloads_total'] == 1, what='the reload')
    with peers.connect(appliance.tcp_port) as client:
        assert read(client, 4) == b'bye'
        client.sendall(answer)
        client.shutdown(socket.SHUT_WR)
        eventually(lambda: taken, what='the server to read the end')
    assert taken == [(len(answer), hashlib.sha256(answer).hexdigest())]


@pytest.mark.parametrize('who', ['server', 'client'])
def test_a_reset_is_no_good_end(raw, server, events, who):
    seen = []

    def serve(connection):
        connection.sendall(b'a part')
        if who == 'server':
            time.sleep(0.2)
            peers.reset(connection)
        else:
            seen.append(peers.was_reset(connection))
    appliance = raw(server(serve).port).start()
    client = peers.connect(appliance.tcp_port)
    assert read(client, 6) == b'a part'
    if who == 'client':
        client.sendall(b'mine')
        time.sleep(0.2)
        peers.reset(client)
        eventually(lambda: seen == [True], what='the server to see a reset')
    else:
        assert peers.was_reset(client)
        client.close()
    done = of(events(appliance, 1), 'tcp_disconnect')[0]
    assert done['reason'].startswith('the %s\'s connection broke' % who)
    assert done['outcome'] == ('failure' if who == 'server' else 'success')


def fill(connections, data):
    """Sends on all of them until none takes any more."""
    for one in connections:
        one.setblocking(False)
    goes_on = True
    while goes_on:
        goes_on = False
        for one in connections:
            try:
                goes_on = one.send(data) > 0 or goes_on
            except BlockingIOError:
                pass
        time.sleep(0.2)


@pytest.mark.parametrize('who', ['client', 'server'])
def test_a_peer_that_never_reads_costs_its_own_session_alone(raw, server, events, who):
    """Its sender is stopped, others pass, and it ends by the bound on quiet."""
    data = b'z' * (1 << 20)

    def serve(connection):
        if connection.recv(1) == b'e':
            return peers.echo(connection)
        if who == 'server':
            time.sleep(20)
        else:
            while True:
                connection.sendall(data)
        return None
    appliance = raw(server(serve).port, target={'idle_ms': 8000}).start()
    stuck = [peers.connect(appliance.tcp_port) for _ in range(70 if who == 'client' else 20)]
    for one in stuck:
        one.sendall(b's')
    if who == 'server':
        fill(stuck, data)
    before = appliance.own_memory()
    with peers.connect(appliance.tcp_port) as quick:
        quick.sendall(b'e')
        for _ in range(3):
            quick.sendall(data)
            assert read(quick, len(data)) == data
    rows = events(appliance, len(stuck) + 1)
    ends = [row['reason'] for row in of(rows, 'tcp_disconnect')]
    assert ends.count('no byte has passed for 8000 ms') == len(stuck)
    assert appliance.own_memory() < before + (64 << 20)
    for one in stuck:
        one.settimeout(10)
        assert peers.was_reset(one), 'bytes were on their way: that is no good end'
        one.close()


def test_bounds(raw, server, events):
    appliance = raw(server().port, target={'connections_max': 2, 'duration_ms': 2500}).start()
    first, second = (peers.connect(appliance.tcp_port) for _ in range(2))
    for one in (first, second):
        one.sendall(b'x')
        assert one.recv(1) == b'x'
    with peers.connect(appliance.tcp_port) as third:
        assert third.recv(1) == b''
    begun = time.monotonic()
    while time.monotonic() < begun + 10:
        try:
            first.sendall(b'x')
            if first.recv(1) == b'':
                break
        except ConnectionError:
            break
        time.sleep(0.05)
    assert 1.5 < time.monotonic() - begun < 9
    rows = events(appliance, 2)
    refused = [row for row in of(rows, 'tcp_connect') if row['outcome'] == 'denied']
    assert [row['reason'] for row in refused] == ['the target has its connections_max of 2']
    assert {row['reason'] for row in of(rows, 'tcp_disconnect')} == \
        {'the session has lasted the 2500 ms that its target allows'}


def test_who_is_nobody_is_refused_and_told_of_once(raw, server, events):
    appliance = raw(server().port, listener={'network_users': [{'network': '127.0.0.2', 'user': 'alice'},
                                                               {'network': '127.0.0.0/30', 'user': 'bob'}],
                                             'networks': ['127.0.0.0/29']})
    for user in appliance.config['users']:
        if user['name'] == 'bob':
            user['roles'] = ['auditor']
    appliance.config['policies'].append({'name': 'auditors', 'roles': ['auditor'], 'tags': ['*'], 'level': 'read'})
    appliance.write_config()
    appliance.start()

    def answer(address):
        with socket.create_connection(('127.0.0.1', appliance.tcp_port), 10, (address, 0)) as client:
            client.settimeout(10)
            try:
                client.sendall(b'x')
                return client.recv(1)
            except ConnectionError:
                return b''
    assert answer('127.0.0.2') == b'x', 'the narrowest network has the word'
    assert answer('127.0.0.3') == b'', 'level read is not enough: nobody decides what passes'
    for _ in range(3):
        assert answer('127.0.0.5') == b'', 'no rule has it'
        assert answer('127.0.0.9') == b'', 'not among the networks'
    wanted = {'no rule of network_users has the address', "the address is in none of the listener's networks"}
    # Each shard tells a reason by itself.
    eventually(lambda: wanted <= {row['reason'] for row in events(appliance, 2, 'tcp_auth_failed')}, 20, 0.2, 'both reasons')
    rows = events(appliance, 2, 'tcp_auth_failed')
    denied = of(rows, 'access_denied')
    assert [(row['user_name'], row['entity_id']) for row in denied] == [('bob', 'cache')]
    assert 'cannot be decided' in denied[0]['reason']
    assert appliance.metrics()['ringfence_logins_failed_total'] == 6


def test_who_resets_before_it_is_asked_is_nobody(raw, server):
    """What it sent before is delivered by the kernel; its address is not known any more."""
    seen = []
    appliance = raw(server(lambda connection: seen.append(connection.recv(100))).port).start()
    for _ in range(60):
        client = peers.connect(appliance.tcp_port)
        client.sendall(b'FLUSHALL')
        peers.reset(client)
    eventually(lambda: appliance.metrics()['ringfence_connections_open'] == 0, what='the ends')
    rows = appliance.trail().rows("SELECT * FROM ringfence.audit_event WHERE action LIKE 'tcp_%'")
    assert all(row['client_addr'].startswith('127.0.0.1:') for row in rows)
    assert not of(rows, 'tcp_auth_failed')


def test_a_slow_reader_is_not_quiet(raw, server, events):
    """It takes bytes all the time: neither the bound on quiet nor the drain cuts it off."""
    data = os.urandom(3 << 20)

    def serve(connection):
        connection.sendall(data)
    appliance = raw(server(serve).port, target={'idle_ms': 1000}).start()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.settimeout(30)
        client.connect(('127.0.0.1', appliance.tcp_port))
        got = b''
        begun = time.monotonic()
        while time.monotonic() < begun + 4:
            got += client.recv(16_384)
            time.sleep(0.05)
        stopping = threading.Thread(target=appliance.stop)
        stopping.start()
        begun = time.monotonic()
        while time.monotonic() < begun + 3:
            got += client.recv(16_384)
            time.sleep(0.05)
        got += read(client, len(data) - len(got) + 1)
    stopping.join(60)
    assert got == data
    assert appliance.process.returncode == 0


def test_certificates(raw, server, events, tmp_path):
    ca = certificates.Authority(tmp_path / 'ca')
    crt, key = ca.issue('server', '/CN=localhost', 'DNS:localhost,IP:127.0.0.1')
    appliance = raw(server().port, listener={
        'tls': 'verify', 'tls_certificate_file': str(crt), 'tls_key_file': str(key),
        'tls_client_ca_file': str(ca.certificate),
        'tls_client_users': [{'certificate': 'robot', 'user': 'bob'}, {'certificate': 'two', 'user': 'alice'},
                             {'certificate': 'two', 'user': 'bob'}]}).start()

    def session(name, data=b'hello', issuer=ca):
        context = ssl.create_default_context(cafile=str(ca.certificate))
        if name:
            context.load_cert_chain(*issuer.issue(name, '/CN=' + name))
        try:
            with peers.connect(appliance.tcp_port) as plain, \
                    context.wrap_socket(plain, server_hostname='localhost') as client:
                client.sendall(data)
                return read(client, len(data))
        except (ssl.SSLError, ConnectionError):
            return b''
    assert session('alice') == b'hello'
    big = os.urandom(4 << 20)
    received = {}

    def long_one():
        context = ssl.create_default_context(cafile=str(ca.certificate))
        context.load_cert_chain(*ca.issue('robot', '/CN=robot'))
        with peers.connect(appliance.tcp_port) as plain, \
                context.wrap_socket(plain, server_hostname='localhost') as client:
            sender = threading.Thread(target=client.sendall, args=(big,))
            sender.start()
            received['big'] = read(client, len(big))
            sender.join()
    long_one()
    assert received['big'] == big
    assert session(None) == b''
    assert session('two') == b'', 'it names two users'
    assert session('stranger') == b''
    with peers.connect(appliance.tcp_port) as plain:
        plain.sendall(b'no TLS at all, in the clear')
        assert read(plain, 100)[:1] in (b'', b'\x15')
    rows = events(appliance, 3, 'tcp_auth_failed')
    connects = of(rows, 'tcp_connect')
    assert [(row['user_name'], row['auth_method'], row['transport']) for row in connects] == \
        [('alice', 'certificate', 'tls'), ('bob', 'certificate', 'tls')]
    assert connects[0]['metadata']['client_certificate'] == 'CN=alice'
    reasons = [row['reason'] for row in of(rows, 'tcp_auth_failed')]
    assert any('names several users' in reason for reason in reasons), reasons
    assert any('names no user' in reason for reason in reasons), reasons


def test_it_ends_by_the_api(raw, server, events):
    appliance = raw(server().port).start()
    with peers.connect(appliance.tcp_port) as client:
        client.sendall(b'x')
        assert client.recv(1) == b'x'
        [session] = [one for one in appliance.sessions() if one['protocol'] == 'tcp']
        status, _ = appliance.http('/api/v1/sessions/' + session['id'], 'DELETE')
        assert status in (200, 202, 204)
        peers.was_reset(client)
    rows = events(appliance, 1)
    assert of(rows, 'tcp_disconnect')[0]['reason'] == 'terminating connection due to administrator command'


@pytest.mark.parametrize('change', ['policy', 'user', 'target', 'listener', 'network', 'nothing'])
def test_a_reload_ends_what_it_does_not_let_in(raw, server, events, change):
    appliance = raw(server().port).start()
    with peers.connect(appliance.tcp_port) as client:
        client.sendall(b'x')
        assert client.recv(1) == b'x'
        config = appliance.config
        if change == 'policy':
            config['policies'] = [{'name': 'readers', 'roles': ['operator'], 'tags': ['*'], 'level': 'read'}]
        elif change == 'user':
            config['users'] = [user for user in config['users'] if user['name'] != 'alice']
        elif change == 'target':
            config['targets'].append({**config['targets'][-1], 'name': 'other'})
            config['listeners'][-1]['target'] = 'other'
        elif change == 'listener':
            config['listeners'][-1]['networks'] = ['10.0.0.0/8']
        elif change == 'network':
            config['listeners'][-1]['network_users'][0]['user'] = 'bob'
        else:
            config['targets'][-1]['connections_max'] = 77
        appliance.write_config()
        appliance.reload()
        if change == 'nothing':
            eventually(lambda: appliance.metrics()['ringfence_configuration_reloads_total'] == 1, what='the reload')
            client.sendall(b'y')
            assert client.recv(1) == b'y'
            return
        peers.was_reset(client)
    reason = of(events(appliance, 1), 'tcp_disconnect')[0]['reason']
    assert {'policy': 'present policies', 'user': 'not this user', 'target': 'another target', 'listener': 'not this user',
            'network': 'not this user'}[change] in reason


def test_a_drain_lets_a_busy_one_finish(raw, server, events):
    def busy(connection):
        connection.recv(1)
        for _ in range(20):
            connection.sendall(b'.')
            time.sleep(0.1)
    appliance = raw(server(busy).port).start()
    quiet = peers.connect(appliance.tcp_port)
    with peers.connect(appliance.tcp_port) as client:
        client.sendall(b'x')
        assert client.recv(1) == b'.'
        stopping = threading.Thread(target=appliance.stop)
        stopping.start()
        assert quiet.recv(1) == b'', 'a quiet one ends well'
        assert read(client, 100) == b'.' * 19
    stopping.join(60)
    assert appliance.process.returncode == 0
    appliance.start()
    reasons = sorted(row['reason'] for row in of(events(appliance, 2), 'tcp_disconnect'))
    assert reasons == ['both sides have ended', 'the appliance is shutting down']


def test_a_server_that_is_not_there(raw, events):
    appliance = raw(harness.free_port()).start()
    with peers.connect(appliance.tcp_port) as client:
        assert client.recv(1) == b''
    [failed] = of(events(appliance, 1, 'tcp_connect'), 'tcp_connect')
    assert failed['outcome'] == 'failure'
    assert failed['reason'].startswith('server: connect to 127.0.0.1')
    assert not of(events(appliance, 1, 'tcp_connect'), 'tcp_disconnect')


def test_a_unix_socket_leads_to_one(raw, server, tmp_path, events):
    os.chmod(tmp_path, 0o755)
    path = tmp_path / 'raw.sock'
    appliance = raw(server().port)
    listener = appliance.config['listeners'][-1]
    del listener['address'], listener['port']
    listener.update(path=str(path), network_users=[{'network': 'unix', 'user': 'bob'}])
    appliance.write_config()
    appliance.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        data = os.urandom(2 << 20)
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        assert read(client, len(data)) == data
        sender.join()
    done = of(events(appliance, 1), 'tcp_disconnect')[0]
    assert (done['user_name'], done['transport'], done['bytes_to_server']) == ('bob', 'unix', len(data))


def test_sessions_of_both_protocols_beside_each_other(raw, server):
    appliance = raw(server().port, target={'tags': ['e2e']}).start()
    errors = []

    def run(number):
        try:
            for _ in range(5):
                if number % 2:
                    with appliance.connect() as connection:
                        assert connection.execute('SELECT 1').fetchone() == (1,)
                else:
                    data = os.urandom(300_000)
                    with peers.connect(appliance.tcp_port) as client:
                        sender = threading.Thread(target=client.sendall, args=(data,))
                        sender.start()
                        assert read(client, len(data)) == data
                        sender.join()
        except Exception as error:  # pylint: disable=broad-exception-caught
            errors.append(error)
    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    eventually(lambda: appliance.metrics()['ringfence_connections_open'] == 0, what='the ends')


def test_a_target_of_tcp_is_no_database(raw, server):
    appliance = raw(server().port).start()
    with pytest.raises(psycopg.OperationalError, match='is not available to user'):
        appliance.connect(database='cache')


def test_the_trail_has_no_connection_that_did_not_pass(raw, server, events):
    """A flood of clients that hang up at once: as many beginnings as ends, and the server saw no more than these."""
    accepted = []
    appliance = raw(server(lambda connection: accepted.append(connection.recv(1))).port).start()
    for number in range(200):
        client = peers.connect(appliance.tcp_port)
        if number % 3 == 0:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        client.close()
    eventually(lambda: appliance.metrics()['ringfence_connections_open'] == 0, what='the ends')
    rows = events(appliance, 1)

    def balanced():
        found = events(appliance, 1)
        return len(of(found, 'tcp_connect')) == len(of(found, 'tcp_disconnect'))
    eventually(balanced, 20, 0.2, 'as many ends as beginnings')
    begun = {row['session_id'] for row in of(rows, 'tcp_connect')}
    assert len(begun) == len(of(rows, 'tcp_connect')) <= 200

"""Messages too long to be looked at: they arrive whole, are counted to the byte, and end as any other when somebody dies."""
import hashlib
import os
import signal
import socket
import struct
import time

import psycopg
import pytest

import certificates
import harness
import raw
from test_failures import FakeServer

ALICE = harness.USERS['alice']
MB = 1_000_000
# Below what is spliced, about it, and well above.
SIZES = [20_000, 32_768, 40_000, 65_536, 200_000, 3 * MB, 20 * MB]


def spliced(appliance, direction='sent'):
    return appliance.metrics()['ringfence_client_bytes_%s_spliced_total' % direction]


def md5(data):
    return hashlib.md5(data).hexdigest()


@pytest.fixture(scope='module')
def values(target):
    """Values that do not compress, with their digests as the server sees them."""
    target.sql('CREATE TABLE IF NOT EXISTS long_values (size int PRIMARY KEY, value bytea)', database='shop')
    target.sql('GRANT ALL ON long_values TO PUBLIC', database='shop')
    target.sql('TRUNCATE long_values', database='shop')
    found = {}
    for size in SIZES:
        value = os.urandom(size)
        target.sql('INSERT INTO long_values VALUES (%s, %s)', size, value, database='shop')
        found[size] = md5(value)
    yield found
    target.sql('DROP TABLE long_values', database='shop')


def test_long_rows_arrive_whole_and_are_counted(appliance, trail, app, values):
    before = spliced(appliance)
    with appliance.connect(application_name=app) as connection:
        for size in SIZES + SIZES[::-1]:
            cursor = connection.cursor(binary=True)
            [[value]] = cursor.execute('SELECT value FROM long_values WHERE size = %s', (size,)).fetchall()
            assert md5(value) == values[size]
            assert connection.execute('SELECT 1').fetchall() == [(1,)]
        everything = connection.cursor(binary=True).execute('SELECT size, value FROM long_values').fetchall()
        assert {size: md5(value) for size, value in everything} == values
    assert spliced(appliance) - before > 40 * MB
    rows = trail.settled(app)
    assert {row['outcome'] for row in rows} == {'success'}
    for row, size in zip([row for row in rows if 'WHERE size' in row['statement']], SIZES + SIZES[::-1]):
        # DataRow with one value, and the messages that surround it.
        assert size + 11 < row['bytes_to_client'] < size + 200
        assert row['rows'] == 1


def test_bytes_of_a_long_answer_are_counted_to_the_byte(appliance, trail, app, values):
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', ALICE, 'shop', application_name=app)
        expected = []
        for size in (40_000, 3 * MB):
            messages = client.run('SELECT value FROM long_values WHERE size = %d' % size)
            expected.append(sum(5 + len(body) for kind, body in messages if kind != b'Z'))
            [[value]] = raw.rows(messages)
            assert md5(bytes.fromhex(value[2:].decode())) == values[size]
        client.send(raw.TERMINATE)
    assert [row['bytes_to_client'] for row in trail.settled(app)] == expected


def test_long_parameters_and_copy_data_arrive_whole(appliance, trail, app, values):
    before = spliced(appliance, 'received')
    with appliance.connect(application_name=app) as connection:
        for size in SIZES:
            value = os.urandom(size)
            [[digest]] = connection.execute('SELECT md5(%b)', (value,)).fetchall()
            assert digest == md5(value)
        connection.execute('CREATE TEMP TABLE sink (value text)')
        lines = [os.urandom(size // 2).hex() for size in SIZES]
        with connection.cursor().copy('COPY sink FROM STDIN') as copy:
            copy.write(('\n'.join(lines) + '\n').encode())
        found = connection.execute('SELECT md5(value) FROM sink').fetchall()
        assert [digest for [digest] in found] == [md5(line.encode()) for line in lines]
    assert spliced(appliance, 'received') - before > 20 * MB
    rows = trail.settled(app)
    assert {row['outcome'] for row in rows} == {'success'}
    copied = next(row for row in rows if row['statement'].startswith('COPY'))
    assert copied['rows'] == len(SIZES)
    assert copied['bytes_to_server'] > sum(len(line) for line in lines)


def test_a_long_copy_message_of_a_client_that_sends_in_pieces(appliance, app):
    line = os.urandom(150_000).hex().encode() + b'\n'
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', ALICE, 'shop', application_name=app)
        client.run('CREATE TEMP TABLE sink (value text)')
        client.send(raw.query('COPY sink FROM STDIN'))
        client.receive_until(b'G')
        message = raw.message(b'd', line)
        for at in range(0, len(message), 7_777):
            client.send(message[at:at + 7_777])
        client.send(raw.message(b'd', b'short\n') + raw.message(b'c'))
        client.receive_until(b'Z')
        assert raw.rows(client.run('SELECT md5(value) FROM sink')) == [[md5(line[:-1]).encode()], [md5(b'short').encode()]]
        client.send(raw.TERMINATE)


def test_a_restricted_session_gets_long_rows_the_same_way(own, target, values):
    one = own(policies=[{'name': 'readers', 'roles': ['operator'], 'tags': ['e2e'], 'level': 'read',
                         'whitelist': ['^SELECT value ', '^SELECT 1']}])
    one.start()
    with one.connect() as connection:
        for size in (65_536, 3 * MB):
            [[value]] = connection.cursor(binary=True).execute(
                'SELECT value FROM long_values WHERE size = %s', (size,)).fetchall()
            assert md5(value) == values[size]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute('DELETE FROM long_values')
        assert connection.execute('SELECT 1').fetchall() == [(1,)]
    assert spliced(one) > 2 * MB
    # What is decided is seen whole: a long text is refused, not passed by.
    with one.connect() as connection:
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT 2 -- '" + 'x' * 300_000)
    assert one.stop() == 0


def test_a_slow_reader_holds_up_only_itself(appliance, trail, app, values):
    with raw.RawClient(appliance.pg_port) as slow, appliance.connect() as other:
        slow.log_in('alice', ALICE, 'shop', application_name=app)
        slow.send(raw.query('SELECT value FROM long_values WHERE size = %d' % (20 * MB)))
        slow.receive_until(b'T')
        for _ in range(20):
            assert other.execute('SELECT 1').fetchall() == [(1,)]
        cursor = other.cursor(binary=True)
        [[value]] = cursor.execute('SELECT value FROM long_values WHERE size = %s', (3 * MB,)).fetchall()
        assert md5(value) == values[3 * MB]
        cpu = cpu_seconds(appliance)
        time.sleep(0.5)
        assert cpu_seconds(appliance) - cpu < 0.25
        [[value]] = raw.rows(slow.receive_until(b'Z'))
        assert md5(bytes.fromhex(value[2:].decode())) == values[20 * MB]
        slow.send(raw.TERMINATE)
    [row] = trail.settled(app)
    assert row['outcome'] == 'success' and row['bytes_to_client'] > 40 * MB


def cpu_seconds(appliance):
    with open('/proc/%d/stat' % appliance.process.pid) as stat:
        return sum(int(value) for value in stat.read().rsplit(') ', 1)[1].split()[11:13]) / os.sysconf('SC_CLK_TCK')


def test_a_client_that_is_killed_in_the_middle_of_a_row(appliance, trail, app, values):
    client = raw.RawClient(appliance.pg_port).log_in('alice', ALICE, 'shop', application_name=app)
    client.send(raw.query('SELECT value FROM long_values WHERE size = %d; SELECT 1' % (20 * MB)))
    client.receive_until(b'T')
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    client.socket.close()
    rows = trail.settled(app)
    assert len(rows) == 2
    assert {row['outcome'] for row in rows} <= {'success', 'unknown', 'not_executed', 'failure', 'cancelled'}
    assert not any(row['sqlstate'] == 'XX000' for row in rows)


def test_cancel_and_end_of_session_in_the_middle_of_a_row(appliance, trail, app, values):
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', ALICE, 'shop', application_name=app)
        client.send(raw.query('SELECT value FROM long_values, generate_series(1, 20) WHERE size = %d' % (3 * MB)))
        client.receive_until(b'T')
        with socket.create_connection(('127.0.0.1', appliance.pg_port)) as second:
            second.sendall(struct.pack('!II', 8 + len(client.key), 80877102) + client.key)
            second.settimeout(10)
            assert second.recv(1) == b''
        messages = client.receive_until(b'Z')
        assert raw.kinds(messages)[-2:] in (b'EZ', b'CZ')
        assert all(len(body) == 2 + 4 + 2 + 6 * MB for kind, body in messages if kind == b'D')
        assert raw.rows(client.run('SELECT 1')) == [[b'1']]
        client.send(raw.TERMINATE)
    assert trail.settled(app)[0]['sqlstate'] in ('57014', None)


def test_a_server_that_is_killed_in_the_middle_of_a_row(own):
    body = os.urandom(5 * MB)

    def behave(client):
        client.sendall(raw.message(b'T', struct.pack('!H', 1) + b'c\0' + struct.pack('!IhIhih', 0, 0, 25, -1, -1, 0))
                       + b'D' + struct.pack('!I', 4 + 6 + 2 * len(body)) + struct.pack('!Hi', 1, 2 * len(body)) + body)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))

    server = FakeServer(behave)
    one = own()
    for entry in one.config['targets']:
        entry.update(host='127.0.0.1', port=server.port)
    one.write_config()
    one.start()
    with raw.RawClient(one.pg_port) as client:
        client.log_in('alice', ALICE, 'shop', application_name='killed')
        client.send(raw.query('SELECT c FROM t'))
        client.socket.settimeout(20)
        got = 0
        while True:
            piece = client.socket.recv(1 << 20)
            if not piece:
                break
            got += len(piece)
        assert got <= 2 * len(body)
    trail = one.trail()
    [row] = trail.settled('killed')
    assert row['outcome'] == 'unknown'
    assert spliced(one) > 0
    assert one.stop() == 0


def test_an_appliance_that_stops_in_the_middle_of_rows(own, values):
    one = own(limits={'drain_ms': 500})
    one.start()
    clients = []
    for _ in range(3):
        client = raw.RawClient(one.pg_port).log_in('alice', ALICE, 'shop')
        client.send(raw.query('SELECT value FROM long_values WHERE size = %d' % (20 * MB)))
        client.receive_until(b'T')
        clients.append(client)
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(60) == 0
    for client in clients:
        with pytest.raises((EOFError, ConnectionResetError)):
            client.receive_until(b'Z')
    for client in clients:
        client.socket.close()


def test_more_long_rows_than_pipes(appliance, values):
    """Readers that read nothing hold all pipes; the others go on without."""
    before = appliance.metrics()['ringfence_splice_pipes_out_total']
    slow = []
    for _ in range(70 * len(os.sched_getaffinity(0))):
        client = raw.RawClient(appliance.pg_port).log_in('alice', ALICE, 'shop')
        client.send(raw.query('SELECT value FROM long_values WHERE size = %d' % (3 * MB)))
        slow.append(client)

    def are_out():
        with appliance.connect() as connection:
            for size in (200_000, 3 * MB):
                [[value]] = connection.cursor(binary=True).execute(
                    'SELECT value FROM long_values WHERE size = %s', (size,)).fetchall()
                assert md5(value) == values[size]
        return appliance.metrics()['ringfence_splice_pipes_out_total'] > before
    harness.eventually(are_out, 30, 0.2, 'all pipes to be taken')
    for client in slow[::7]:
        [[value]] = raw.rows(client.receive_until(b'Z'))
        assert md5(bytes.fromhex(value[2:].decode())) == values[3 * MB]
    for client in slow:
        client.socket.close()


def test_tls_legs_go_without(own, tmp_path, values):
    authority = certificates.Authority(tmp_path / 'ca')
    certificate, key = authority.issue('server', '/CN=server', 'DNS:localhost,IP:127.0.0.1')
    port = harness.free_port()
    one = own(listeners=[{'name': 'main', 'port': port, 'tls': 'require'}],
              tls={'certificate_file': str(certificate), 'key_file': str(key)})
    one.start()
    with one.connect(port=port, sslmode='require') as connection:
        for size in (65_536, 3 * MB):
            [[value]] = connection.cursor(binary=True).execute(
                'SELECT value FROM long_values WHERE size = %s', (size,)).fetchall()
            assert md5(value) == values[size]
            sent = os.urandom(size)
            assert connection.execute('SELECT md5(%b)', (sent,)).fetchall() == [(md5(sent),)]
    assert spliced(one) == 0 and spliced(one, 'received') == 0
    assert one.stop() == 0


def mixed(count, every):
    """Short values of all lengths with a long one among them now and then, so that it stands anywhere in what was received."""
    return "SELECT CASE WHEN i %% %d = 0 THEN repeat(md5(i::text), 3000 + i) ELSE repeat(md5(i::text), 1 + i * 7 %% 300) END " \
        "FROM generate_series(1, %d) i" % (every, count)


def mixed_values(count, every):
    for i in range(1, count + 1):
        yield md5(str(i).encode()) * (3000 + i if i % every == 0 else 1 + i * 7 % 300)


def test_what_was_received_ahead_of_a_long_row_goes_first(appliance, app):
    """The reader is always a little slower than the server, and between two long rows the session forgets about them."""
    before = spliced(appliance)
    with raw.RawClient(appliance.pg_port, receive_buffer=32_768) as slow:
        slow.log_in('alice', ALICE, 'shop', application_name=app)
        for every in (283, 311):
            slow.send(raw.query(mixed(2400, every)))
            time.sleep(0.2)
            received = bytearray()
            while not received.endswith(b'Z\0\0\0\5I'):
                received += slow.socket.recv(16_384)
                time.sleep(0.0003)
            slow.buffer += received
            found = raw.rows(slow.receive_until(b'Z'))
            assert [md5(value) for [value] in found] == [md5(value.encode()) for value in mixed_values(2400, every)]
        slow.send(raw.TERMINATE)
    assert spliced(appliance) > before


def test_what_was_received_ahead_of_long_copy_data_goes_first(appliance, app):
    before = spliced(appliance, 'received')
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', ALICE, 'shop', application_name=app)
        client.run('CREATE TEMP TABLE sink (id serial, value text)')
        # The server takes its time, so that lines pile up before it.
        client.run("CREATE FUNCTION pg_temp.slow() RETURNS trigger LANGUAGE plpgsql AS "
                   "$$ BEGIN IF new.id % 40 = 1 THEN PERFORM pg_sleep(0.05); END IF; RETURN new; END $$")
        client.run('CREATE TRIGGER slow BEFORE INSERT ON sink FOR EACH ROW EXECUTE FUNCTION pg_temp.slow()')
        for every in (23, 31, 47):
            client.run('TRUNCATE sink')
            client.send(raw.query('COPY sink (value) FROM STDIN'))
            client.receive_until(b'G')
            lines = list(mixed_values(400, every))
            client.send(b''.join(raw.message(b'd', line.encode() + b'\n') for line in lines) + raw.message(b'c'))
            client.receive_until(b'Z')
            found = raw.rows(client.run('SELECT md5(value) FROM sink ORDER BY id'))
            assert [digest.decode() for [digest] in found] == [md5(line.encode()) for line in lines]
        client.send(raw.TERMINATE)
    assert spliced(appliance, 'received') > before
